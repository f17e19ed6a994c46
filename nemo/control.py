"""The rivals of a module at equal size, by name; `nemo.controls` makes them."""

from __future__ import annotations

from typing import Literal, get_args

Control = Literal["random", "magnitude", "activation", "fresh"]
"""What else a network of a module's widths could be.

* `random`: other units of the same trained network, drawn by a seed of the sub-task;
* `magnitude`: of the *standard* network of the same seed the units of largest weight norm, which is structured pruning
  (Li et al., *Pruning Filters for Efficient ConvNets*, ICLR 2017, section 3.1);
* `activation`: of the standard network the units most active on the sub-task's training images;
* `fresh`: the module's own shape, with new weights.
"""

CONTROLS: tuple[Control, ...] = get_args(Control)

PRUNED: frozenset[Control] = frozenset({"magnitude", "activation"})
"""Those that are cut from the standard network."""
