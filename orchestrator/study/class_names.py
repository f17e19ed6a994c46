"""What the names of classes may be: any text; what is none cannot be shown, written or sent anywhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.errors import UserError
from orchestrator.system.text import one_line

if TYPE_CHECKING:
    from nemo.datasets.description import Description


def check_class_names(dataset: str, description: Description) -> None:
    """Refuses a data set with a class whose name is no text in UTF-8, as a folder's may be.

    Args:
        dataset: As the study file names it.
        description: What is known of it.

    Raises:
        UserError: There is one.
    """
    for name in description.classes:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise UserError(
                f"dataset {dataset}: the name of class '{one_line(name)}' is no text in UTF-8, rename its folder."
            ) from None
