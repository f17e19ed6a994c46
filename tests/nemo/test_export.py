"""The forms that a module is shipped in compute what the module computes, for every backbone, cut, head and mask."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import nemo
from nemo.activations import record_activations
from nemo.backbones.vit_config import with_config
from nemo.blueprint import Blueprint, kept_by
from nemo.deployed import Deployed, for_inference
from nemo.export import (
    disagreement,
    example_images,
    export_program,
    onnx_bytes,
    onnx_runner,
    program_bytes,
)
from nemo.gates import GATES
from nemo.masking import make_modular
from nemo.module_file import SavedModule, load_module
from nemo.recipe import Recipe
from nemo.surgery import Head, MaskValues, Surgery
from tests.nemo.networks import CNNS, calibrated
from tests.nemo.transformers import lively, random_masks

pytestmark = pytest.mark.heavy

CLASSES = [7, 2, 5]
NAMES = ["seven", "two", "five"]
MEAN, STD = (0.49, 0.48, 0.44), (0.25, 0.24, 0.26)

# Each value of each option with each backbone: all combinations would be many more, of no other code. An export of a
# deep network takes long, so `make test` has one of each kind and `make test-slow` the rest.
CUTS: list[tuple[MaskValues, Head, int]] = [
    ("drop", "paper", 32),
    ("keep_generator", "slice", 32),
    ("fold_mean", "linear", 48),
]
QUICK = {("vgg16", "drop"), ("resnet18", "keep_generator"), ("rescnn", "fold_mean"), ("simcnn", "drop")}
SIZES = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 4, "num_attention_heads": 3, "patch_size": 4}
TRANSFORMERS = {kind: with_config({"model_type": kind, **SIZES}) for kind in ("vit", "deit")}


def saved(
    modular: nemo.ModularNetwork,
    masks: list[Tensor],
    blueprint: Blueprint,
) -> SavedModule:
    modular = modular.float()
    means = [mask.float() * (0.9 + 0.1 * torch.rand(mask.shape)) for mask in masks]
    module = nemo.extract_module(
        modular, masks, CLASSES, blueprint.mask_values, blueprint.head, means, blueprint.surgery
    )
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0
    module.train()(torch.randn(16, 3, blueprint.image_size, blueprint.image_size))  # as fine-tuning brings them to life
    deployed = Deployed(module.eval(), MEAN, STD)
    return SavedModule(deployed, NAMES, blueprint.image_size, [blueprint], [kept_by(masks, CLASSES)])


def assert_forms_agree(module: SavedModule, folder: Path, tolerance: float) -> None:
    """Both programs give the module's logits for any number of images, and its file gives the module back."""
    network = for_inference(module.network)
    program = export_program(network, module.image_size)
    data = program_bytes(program)
    forms: dict[str, Callable[[Tensor], Tensor]] = {
        "torch.export": torch.export.load(io.BytesIO(data)).module(),
        "ONNX": onnx_runner(onnx_bytes(program)),
    }
    images = example_images(module.image_size, 5)
    with torch.no_grad():
        logits = network(images)
        assert logits.shape == (5, 3)
        spread = logits.std(0).max() / logits.abs().max()
        assert spread > 100 * tolerance, spread  # or a form that ignored the image would pass
        for name, run in forms.items():
            for count in (1, 2, 5):
                difference = (logits[:count] - run(images[:count])).abs().max()
                assert difference <= tolerance * logits.abs().max(), name
        assert disagreement(logits, module.network.module((images - _channels(MEAN)) / _channels(STD))) <= tolerance
        (folder / "module.safetensors").write_bytes(module.to_bytes())
        again = load_module(folder)
        assert torch.equal(again.network(images), logits)
    assert (again.to_bytes(), list(again.classes)) == (module.to_bytes(), NAMES)


def _channels(values: tuple[float, ...]) -> Tensor:
    return torch.tensor(values).view(1, 3, 1, 1)


def slow_unless(quick: bool, *values: object) -> object:
    return pytest.param(*values, marks=[] if quick else [pytest.mark.slow])


@pytest.mark.parametrize(
    ("name", "mask_values", "head", "image_size"),
    [slow_unless((name, cut[0]) in QUICK, name, *cut) for name in CNNS for cut in CUTS],
)
def test_a_cnns_module_is_the_same_in_every_form(
    name: str, mask_values: MaskValues, head: Head, image_size: int, tmp_path: Path
) -> None:
    modular = calibrated(name, width=0.0625, image_size=image_size)
    blueprint = Blueprint(name, "mwt", 10, 0.0625, image_size, CLASSES, head, mask_values)
    # An untrained ResNet50 makes 1.1e-5 of rounding alone: so far torch is from itself, normalising in two steps.
    tolerance = 3e-5 if name == "resnet50" else 1e-5
    assert_forms_agree(saved(modular, dense_masks(modular), blueprint), tmp_path, tolerance)


@pytest.mark.parametrize("gate", [slow_unless(False, gate) for gate in GATES if gate != Recipe.gate])
def test_a_module_that_keeps_its_generators_keeps_their_gate(gate: str, tmp_path: Path) -> None:
    modular = calibrated("resnet18", width=0.0625, make=lambda backbone: make_modular(backbone, gate=gate))
    blueprint = Blueprint("resnet18", "mwt", 10, 0.0625, 32, CLASSES, "slice", "keep_generator", gate=gate)
    assert_forms_agree(saved(modular, dense_masks(modular), blueprint), tmp_path, 1e-5)


@pytest.mark.parametrize("name", [slow_unless(True, "resnet18"), slow_unless(False, "rescnn")])
def test_a_module_without_generators_is_the_same_in_every_form(name: str, tmp_path: Path) -> None:
    """Of `moda` the sums of residual blocks are cut too."""
    modular = calibrated(name, width=0.0625, make=record_activations)
    blueprint = Blueprint(name, "moda", 10, 0.0625, 32, CLASSES, "slice", "drop")
    assert_forms_agree(saved(modular, dense_masks(modular), blueprint), tmp_path, 1e-5)


def dense_masks(modular: nemo.ModularNetwork) -> list[Tensor]:
    """Masks whose unions leave out a third of the kernels: with fewer left no signal comes through untrained layers."""
    generator = torch.Generator().manual_seed(1)
    masks = [torch.rand(10, width, generator=generator) < 0.3 for width in modular.widths]
    for mask in masks:
        mask[:, 0] = True
    return masks


@pytest.mark.parametrize(
    ("kind", "surgery", "mask_values", "head"),
    [
        slow_unless(True, "vit", "exact", "drop", "paper"),
        slow_unless(False, "vit", "exact", "keep_generator", "slice"),
        slow_unless(False, "vit", "exact", "fold_mean", "linear"),
        slow_unless(False, "vit", "paper", "drop", "slice"),
        slow_unless(False, "vit", "paper", "fold_mean", "paper"),
        slow_unless(False, "deit", "exact", "drop", "paper"),
        slow_unless(True, "deit", "exact", "keep_generator", "slice"),
        slow_unless(False, "deit", "exact", "fold_mean", "linear"),
        slow_unless(False, "deit", "paper", "drop", "slice"),
        slow_unless(True, "deit", "paper", "fold_mean", "paper"),
    ],
)
def test_a_transformers_module_is_the_same_in_every_form(
    kind: str, surgery: Surgery, mask_values: MaskValues, head: Head, tmp_path: Path
) -> None:
    modular = lively(TRANSFORMERS[kind], width=1.0)
    masks = random_masks(modular, torch.Generator().manual_seed(3), empty=surgery == "exact")
    blueprint = Blueprint(TRANSFORMERS[kind], "nemo", 10, 1.0, 16, CLASSES, head, mask_values, surgery)
    assert_forms_agree(saved(modular, masks, blueprint), tmp_path, 1e-4)


def test_the_files_say_nothing_of_this_machine() -> None:
    modular = calibrated("rescnn", width=0.0625)
    masks = [torch.ones(10, width, dtype=torch.bool) for width in modular.widths]
    module = saved(modular, masks, Blueprint("rescnn", "mwt", 10, 0.0625, 32, CLASSES, "paper", "drop"))
    program = export_program(for_inference(module.network), 32)
    home = str(Path(nemo.__file__).parents[1]).encode()
    for data in (program_bytes(program), onnx_bytes(program), module.to_bytes()):
        assert home not in data and b"site-packages" not in data


def test_what_is_no_module_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(nemo.UserError, match=r"module\.safetensors: cannot be read .* make it again with nemo reuse"):
        load_module(tmp_path)
    (tmp_path / "module.safetensors").write_bytes(b"no tensors")
    with pytest.raises(nemo.UserError, match="cannot be read"):
        load_module(tmp_path)
