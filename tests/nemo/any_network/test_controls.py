"""Controls of a module of any network: as many units of every site, and other ones."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import nemo
from nemo.control import PRUNED, Control
from nemo.controls import control_masks, cut_from
from nemo.reuse import subtask_dataset
from tests.nemo.any_network.own import Densely


def widths(module: nn.Module) -> list[int]:
    """Of the layers at the sites."""
    return [len(module.get_submodule(name).weight) for name in ("left", "right.0", "last")]  # type: ignore[arg-type]


@pytest.mark.heavy
@pytest.mark.parametrize("control", ["random", "magnitude", "activation"])
def test_a_control_has_the_modules_widths_and_other_units(control: Control) -> None:
    torch.manual_seed(0)
    digits = nemo.load_dataset("digits", image_size=12, train_images=100, test_images=60)
    modular = nemo.make_modular(Densely(), example=torch.rand(2, 3, 12, 12)).eval()
    standard = Densely().eval()
    masks = [torch.rand(5, width) < 0.3 for width in modular.widths]
    source = cut_from(control, modular, standard)
    chosen = control_masks(control, source, masks, [0, 3], subtask_dataset(digits, [0, 3]), seed=0)
    module = nemo.extract_module(modular, masks, [0, 3], head="slice")
    rival = nemo.extract_module(source, chosen, [0, 3], head="slice")
    assert widths(rival) == widths(module) == [int(mask[[0, 3]].any(0).sum()) for mask in masks]
    assert widths(module) != modular.widths
    assert any(not torch.equal(one[0], other[[0, 3]].any(0)) for one, other in zip(chosen, masks, strict=True))
    whole = standard if control in PRUNED else modular.network
    kept = chosen[0][0].nonzero().flatten()
    theirs = whole.get_submodule("left").weight[kept]  # type: ignore[index]
    torch.testing.assert_close(rival.get_submodule("left").weight, theirs)
