"""The pair: a backbone and the data set that it is trained on."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, Strict, model_validator

from nemo.backbones import BACKBONE_NAMES, backbone_entry, check_backbone
from nemo.backbones.vit_config import PREFIX, ROLES, is_transformer, read_config, with_config
from nemo.datasets import DATASET_NAMES, STREAMED, is_of_texts
from nemo.errors import UserError
from nemo.image_size import plain_size
from nemo.recipe import Finetune
from nemo.zoo import names as zoo
from nemo.zoo.transformers_config import with_config as hf_with_config
from orchestrator.storage.keys import canonical
from orchestrator.study.methods import Methods, RecipeFields
from orchestrator.study.problems import FieldsOf, Model, NoDuplicates, Number, Problems, Whole, check_name


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


class Teacher(Model):
    """The standard network that a distilled one learns from: a training of its own (method.md 3.4).

    It is trained on the same images with the same seed, and holds out the same ones for validation.

    Attributes:
        backbone: None takes the one that the student's backbone is published with.
        width: None takes the student's.
        recipe: Fields that differ from the study's recipe for `standard`.
    """

    backbone: Annotated[str, AfterValidator(_check_backbone_name)] | None = None
    width: Annotated[Number, Field(gt=0)] | None = None
    recipe: RecipeFields = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if "validation" in self.recipe:
            text = "is the student's, or the teacher would know its images; remove it."
            problems.add("recipe", "validation", text=text)
        problems.raise_any()
        return self


class Pair(Model):
    """A backbone and the data set that it is trained on.

    Attributes:
        backbone: One of the registry, or `vit:` and the path of a transformers configuration.
        width: Multiplier of every hidden width of the backbone.
        norm: Whether the standard SimCNN and ResCNN get the norms that modular ones are given, see `build_network`.
        image_size: Of images, which are resized to it, in pixels: one number, or height and width; None takes the data
            set's own size.
        loading: Whether images are kept in memory or streamed; None chooses by size. Changes no result and no key.
        dataset_options: Options of the data set, such as `coarse: true` of `cifar100`.
        roles: The layers of a Transformer's blocks that get mask generators; None is all of them.
        teacher: What a backbone with a head for it (`deit_s`) is distilled from.
        pretrained: Of a network from elsewhere the weights to start from: true for its library's own, a name of others,
            or a file.
        classes_of: Class -> row of the pretrained classifier that it keeps; empty for a new classifier.
        sites: Patterns of the layers that are masked, see `nemo.find_sites`; empty for all that can be.
        start: How mask generators start, see `nemo.make_modular`; None is `identity` with pretrained weights.
        hidden: Width of the generators' hidden layer; None for the published one.
        recipe: Fields that differ from the study's recipe for this pair.
        methods: Settings that differ from the study's methods for this pair.
        finetune: Fields that differ from the sub-tasks' fine-tuning for this pair.
        priority: Of what may run, the steps of the highest are next; a method's is added. Changes no key.
    """

    backbone: Annotated[str, AfterValidator(_check_backbone_name)]
    dataset: Annotated[str, AfterValidator(_check_dataset)]
    width: Annotated[Number, Field(gt=0)] = 1.0
    norm: bool = False
    image_size: Annotated[Any, BeforeValidator(_read_size)] = None
    loading: Literal["memory", "stream"] | None = None
    dataset_options: dict[str, Any] = {}
    roles: Annotated[list[Annotated[str, AfterValidator(check_name(ROLES, "role"))]], NoDuplicates] | None = None
    teacher: Teacher | None = None
    pretrained: Annotated[bool, Strict()] | str | None = None
    classes_of: dict[str, Annotated[Whole, Field(ge=0)]] = {}
    sites: list[str] = []
    start: Literal["published", "identity"] | None = None
    hidden: Annotated[Whole, Field(ge=1)] | None = None
    recipe: RecipeFields = {}
    methods: Methods = {}
    finetune: Annotated[dict[str, Any], FieldsOf(Finetune)] = {}
    priority: Whole = 0
    _network: str = PrivateAttr("")
    _weights: str | None = PrivateAttr(None)

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
