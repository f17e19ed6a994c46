"""Fields of a recipe that have had several spellings."""

from __future__ import annotations

from dataclasses import asdict

import pytest

from nemo.recipe import Finetune, Recipe, augmentation


@pytest.mark.parametrize("kind", [Recipe, Finetune])
def test_augment_is_written_as_keys_have_had_it(kind: type) -> None:
    assert kind() == kind(augment=True) == kind(augment="crop")
    assert asdict(kind())["augment"] is True
    assert asdict(kind(augment="none"))["augment"] is asdict(kind(augment=False))["augment"] is False
    for name in ("imagenet", "trivial"):
        assert asdict(kind(augment=name))["augment"] == name
        assert kind(**asdict(kind(augment=name))) == kind(augment=name)


def test_augment_by_its_name() -> None:
    assert [augmentation(given) for given in (True, False, "trivial")] == ["crop", "none", "trivial"]
    with pytest.raises(ValueError, match=r"^augment: must be one of none, crop, imagenet, trivial$"):
        Recipe(augment="mixup")  # type: ignore[arg-type]
