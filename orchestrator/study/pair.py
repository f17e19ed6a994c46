"""The pair: a backbone and the data set that it is trained on."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, Strict, model_validator

from nemo.backbones import BACKBONE_NAMES, backbone_entry, check_backbone
from nemo.backbones.vit_config import PREFIX, ROLES, is_transformer, read_config, with_config
from nemo.datasets import DATASET_NAMES, STREAMED, is_of_texts
from nemo.datasets.options import OPTIONS
from nemo.errors import UserError
from nemo.image_size import plain_size
from nemo.recipe import Finetune
from nemo.zoo import names as zoo
from nemo.zoo.transformers_config import with_config as hf_with_config
from orchestrator.storage.keys import canonical
from orchestrator.study.form import Form, Schema, form, one_of
from orchestrator.study.methods import Methods, RecipeFields
from orchestrator.study.problems import FieldsOf, Model, NoDuplicates, Number, Problems, Whole, check_name, named


def _check_dataset(name: str) -> str:
    kind, _, path = name.partition(":")
    if name in DATASET_NAMES or (path and f"{kind}:PATH" in DATASET_NAMES):
        return name
    return check_name(DATASET_NAMES, "data set")(name)


def _check_backbone_name(name: str) -> str:
    if name.startswith(PREFIX) or zoo.is_foreign(name):
        return name
    return check_name((*BACKBONE_NAMES, f"{PREFIX}CONFIG"), "backbone")(name)


def _read_size(given: Any) -> int | tuple[int, int] | None:
    """Reads `32` or `[48, 64]`; of a square one number is made."""
    if given is None:
        return None
    sides = given if isinstance(given, list | tuple) else [given] * 2
    if len(sides) == 2 and all(isinstance(side, int) and not isinstance(side, bool) and side >= 1 for side in sides):
        return plain_size(sides)  # type: ignore[return-value]  # of two sides
    problems = Problems()
    text = f"must be a whole number of pixels, 1 or more, or [height, width] of such, not {given!r:.60}."
    problems.add(text=text)
    problems.raise_any()
    return None


_PREFIXES = "|".join((PREFIX.rstrip(":"), *zoo.PREFIXES))
_BACKBONE: Schema = {"anyOf": [one_of(BACKBONE_NAMES), {"type": "string", "pattern": f"^({_PREFIXES}):."}]}
_KINDS = [name.partition(":")[0] for name in DATASET_NAMES if ":" in name]
_DATASET: Schema = {
    "anyOf": [
        one_of(name for name in DATASET_NAMES if ":" not in name),
        {"type": "string", "pattern": f"^({'|'.join(_KINDS)}):."},
    ]
}
_SIDE: Schema = {"type": "integer", "minimum": 1}
_SIZE: Schema = {"anyOf": [_SIDE, {"type": "array", "items": _SIDE, "minItems": 2, "maxItems": 2}, {"type": "null"}]}

BackboneName = Annotated[str, AfterValidator(_check_backbone_name), form(_BACKBONE)]


def _options_form(_: Schema) -> Schema:
    """The options of all data sets; which one has which is known when its files are looked at."""
    told = {name: f"{option.told[0].upper()}{option.told[1:]} (of {option.of})." for name, option in OPTIONS.items()}
    fields = {name: {**option.form, "description": told[name]} for name, option in OPTIONS.items()}
    return {"type": "object", "properties": fields, "additionalProperties": False}


def _widths_form(made: Schema) -> Schema:
    """One width, or several, which the study makes pairs of."""
    return {"anyOf": [made, {"type": "array", "items": made, "minItems": 1, "uniqueItems": True}]}


class Teacher(Model):
    """The standard network that a distilled one learns from: a training of its own (method.md 3.4).

    It is trained on the same images with the same seed, and holds out the same ones for validation.
    """

    backbone: BackboneName | None = None
    """a standard network of its own, trained once and shared

    Left out: `resnet18` for `deit_s`
    """
    width: Annotated[Number, Field(gt=0)] | None = None
    """multiplies every hidden width

    Left out: the student's
    """
    recipe: RecipeFields = {}
    """what its training does otherwise than the study's of `standard`"""

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if "validation" in self.recipe:
            text = "is the student's, or the teacher would know its images; remove it."
            problems.add("recipe", "validation", text=text)
        problems.raise_any()
        return self


class Pair(Model):
    """A backbone and the data set that it is trained on."""

    backbone: BackboneName
    """`vgg16`, `resnet18`, `resnet34`, `resnet50`, `simcnn`, `rescnn`, `vit_s`, `deit_s`; `vit:FILE`, a configuration
    of transformers' ViT or DeiT (JSON); it gives the shape alone, so a folder that holds weights too is refused; any
    other network as `torchvision:NAME`, `timm:NAME`, `hf:FOLDER` or `python:FILE.py:FUNCTION`
    (`docs/any-network.md`)

    Example: resnet18

    Example: "torchvision:mobilenet_v2"
    """
    dataset: Annotated[str, AfterValidator(_check_dataset), form(_DATASET)]
    """`digits`, `cifar10`, `cifar100`, `svhn`; `parquet:FOLDER` with `train.parquet` and `test.parquet`, of image bytes
    and labels; `folder:FOLDER` with a sub-folder per class, or `train/` and `test/` of these; `text:FOLDER`, of
    texts and labels (`docs/text.md`)

    Example: "folder:photos"
    """
    width: Annotated[Number, Field(gt=0), Form(_widths_form)] = 1.0
    """multiplies every hidden width; each of a list, `[0.25, 0.5]`, makes a pair of its own

    Example: 0.5

    Example: [0.25, 0.5]
    """
    norm: bool = False
    """gives the standard SimCNN and ResCNN the norms that their modular forms get, so that the two differ by the masks
    alone; the published ones have none
    """
    image_size: Annotated[Any, BeforeValidator(_read_size), form(_SIZE)] = None
    """pixels that images are resized to: one number, or `[height, width]`

    Left out: the data set's own; of files, the shorter side of the first training image

    Example: 224
    """
    loading: Literal["memory", "stream"] | None = None
    """`memory` or `stream`: see "Large data sets"; changes no result and no key

    Left out: by size
    """
    dataset_options: Annotated[dict[str, Any], Form(_options_form, typed=False)] = {}
    """how its files are read and its images prepared

    Example: {train_images: 10_000, only: [cat, dog]}
    """
    roles: Annotated[list[Annotated[str, named(ROLES, "role")]], NoDuplicates] | None = None
    """the layers of a Transformer's blocks that get masks: `query`, `key`, `value`, `output`, `fc1`, `fc2`

    Left out: all
    """
    teacher: Teacher | None = None
    """what a `deit_s` is distilled from

    Left out: the published one
    """
    pretrained: Annotated[bool, Strict()] | str | None = None
    """of a network from elsewhere the weights to start from: `true`, a name of published ones, or a file
    (`docs/any-network.md`); mean, deviation and `image_size` are then theirs where the pair says nothing
    """
    classes_of: dict[str, Annotated[Whole, Field(ge=0)]] = {}
    """by class the row of the pretrained classifier that it keeps

    Example: {cat: 281, dog: 207}
    """
    sites: list[str] = []
    """patterns of the layers that are masked, of a network from elsewhere; none for all that can be

    Example: ["layer*.conv1", "!layer4*"]
    """
    start: Literal["published", "identity"] | None = None
    """how its mask generators start

    Left out: `identity` with `pretrained`, else `published`
    """
    hidden: Annotated[Whole, Field(ge=1)] | None = None
    """width of its generators' hidden layer

    Left out: the published one
    """
    recipe: RecipeFields = {}
    """what this pair's trainings do otherwise"""
    methods: Methods = {}
    """settings, and a `recipe`, that this pair has otherwise"""
    finetune: Annotated[dict[str, Any], FieldsOf(Finetune)] = {}
    """what this pair's modules do otherwise"""
    priority: Whole = 0
    """of what may run, the steps of the highest are next; a method's is added; changes no key"""
    _network: str = PrivateAttr("")
    _weights: str | None = PrivateAttr(None)
    _prepared: frozenset[str] = PrivateAttr(frozenset())

    @model_validator(mode="after")
    def _check_backbone(self) -> Self:
        problems = Problems()
        try:
            check_backbone(self.backbone, self.width, self.image_size or 32)
        except UserError as error:
            field, _, text = str(error).partition(": ")
            problems.add(field, text=text)
        if self.loading == "stream" and self.dataset.partition(":")[0] not in STREAMED:
            text = f"stream is for {': and '.join(STREAMED)}: data sets, and {self.dataset} is none; remove it."
            problems.add("loading", text=text)
        self._check_foreign(problems)
        problems.raise_any()  # what follows reads the configuration of a Transformer
        named = self.backbone.startswith(PREFIX)
        self._network = with_config(read_config(self.backbone)) if named else self.backbone
        if self.backbone.startswith("hf:"):
            self._network = hf_with_config(self.backbone)
        if self.roles is not None and not is_transformer(self.backbone):
            text = f"are those of a Transformer's layers, and {self.backbone} is none; remove them."
            problems.add("roles", text=text)
        if self.teacher is not None and backbone_entry(self.network).teacher is None:
            text = f"{self.backbone} has no head that learns from a teacher, remove it or choose deit_s."
            problems.add("teacher", text=text)
        with problems.under("teacher"):
            teacher = self.taught_by
            if teacher is not None and teacher.taught_by is not None:
                problems.add("teacher", "backbone", text=f"{teacher.backbone} needs a teacher itself, choose another.")
        problems.raise_any()
        return self

    def _check_foreign(self, problems: Problems) -> None:
        """Refuses what only networks from elsewhere have, and weights that are not here."""
        if not zoo.is_foreign(self.backbone):
            for field in ("pretrained", "classes_of", "sites", "start", "hidden"):
                if getattr(self, field):
                    text = (
                        f"is for networks from elsewhere, as torchvision:NAME, and {self.backbone} is none; remove it."
                    )
                    problems.add(field, text=text)
        elif self.pretrained:
            try:
                zoo.check_pretrained(self.backbone, self.pretrained)
            except UserError as error:
                problems.add("pretrained", text=str(error).removeprefix("pretrained: "))
        elif self.classes_of:
            problems.add(
                "classes_of", text="says which rows of pretrained weights to keep, add pretrained or remove it."
            )

    @property
    def network(self) -> str:
        """The backbone, with a configuration in the place of its path: what a file says later changes nothing."""
        return self._network

    @property
    def fetches(self) -> bool:
        """Whether its pretrained weights are published, so that somebody has to fetch them."""
        return zoo.is_published(self.pretrained)

    @property
    def weights(self) -> str | None:
        """SHA-256 of the weights that were fetched for it; None before, see `orchestrator.study.weights`."""
        return self._weights

    @property
    def prepared(self) -> frozenset[str]:
        """The options of its data set that its fetched weights brought, because the pair said nothing."""
        return self._prepared

    @cached_property
    def taught_by(self) -> Pair | None:
        """The teacher as a pair of its own: the same images, another network."""
        published = backbone_entry(self.network).teacher
        if published is None:
            return None
        own = self.teacher or Teacher()
        return Pair(
            backbone=own.backbone or published,
            dataset=self.dataset,
            width=self.width if own.width is None else own.width,
            norm=self.norm,
            image_size=self.image_size,
            loading=self.loading,
            dataset_options=self.dataset_options,
            recipe=own.recipe,
        )

    @property
    def read_options(self) -> dict[str, Any]:
        """The options that the data set is read with: of texts the network's own tokenizer, if no other is named."""
        own = self.backbone.removeprefix("hf:")
        if not is_of_texts(self.dataset) or own == self.backbone or own.startswith("{"):
            return self.dataset_options
        return {"tokenizer": own, **self.dataset_options}

    @property
    def told_options(self) -> dict[str, Any]:
        """The options as results are known by: a tokenizer counts by its content, in the fingerprint of the data."""
        return {name: value for name, value in self.dataset_options.items() if name != "tokenizer"}

    @property
    def data(self) -> str:
        """Which data this pair uses: what descriptions are looked up by."""
        if self.image_size is None and not self.read_options:
            return self.dataset
        return f"{self.dataset} {canonical({'image_size': self.image_size, 'options': self.read_options})}"
