"""The pair: a backbone and the data set that it is trained on."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from nemo.backbones import BACKBONE_NAMES, check_backbone
from nemo.datasets import DATASET_NAMES
from nemo.errors import UserError
from orchestrator.keys import canonical
from orchestrator.method_entry import Methods, RecipeFields
from orchestrator.validation import Model, Number, Problems, Whole, check_name


def _check_dataset(name: str) -> str:
    kind, _, path = name.partition(":")
    if name in DATASET_NAMES or (path and f"{kind}:PATH" in DATASET_NAMES):
        return name
    return check_name(DATASET_NAMES, "data set")(name)


class Pair(Model):
    """A backbone and the data set that it is trained on.

    Attributes:
        width: Multiplier of every hidden width of the backbone.
        image_size: Images are resized to it, in pixels; None takes the data set's own size.
        dataset_options: Options of the data set, such as `coarse: true` of `cifar100`.
        recipe: Fields that differ from the study's recipe for this pair.
        methods: Settings that differ from the study's methods for this pair.
    """

    backbone: Annotated[str, AfterValidator(check_name(BACKBONE_NAMES, "backbone"))]
    dataset: Annotated[str, AfterValidator(_check_dataset)]
    width: Annotated[Number, Field(gt=0)] = 1.0
    image_size: Annotated[Whole, Field(ge=1)] | None = None
    dataset_options: dict[str, Any] = {}
    recipe: RecipeFields = {}
    methods: Methods = {}

    @model_validator(mode="after")
    def _check_backbone(self) -> Self:
        problems = Problems()
        try:
            check_backbone(self.backbone, self.width, self.image_size or 32)
        except UserError as error:
            field, _, text = str(error).partition(": ")
            problems.add(field, text=text)
        problems.raise_any()
        return self

    @property
    def data(self) -> str:
        """Which data this pair uses: what descriptions are looked up by."""
        if self.image_size is None and not self.dataset_options:
            return self.dataset
        return f"{self.dataset} {canonical({'image_size': self.image_size, 'options': self.dataset_options})}"
