"""What it costs to mask any network by hooks and to cut it by its graph, and what a cut saves in time.

* `step`: a training step of `nemo` on ResNet18, masked by hooks on torchvision's own network over masks in our blocks.
* `cut`: one module of it, by its graph over the rules for our blocks; with and without the check that every cut makes.
  The network has been followed before, as it has for every sub-task of a study.
* `latency`: a module with half of the units of every layer, drawn at random, over its whole network: one image of 224
  pixels on one thread, in torch and in ONNX Runtime.

    python benchmarks/any_network.py --save
    python benchmarks/any_network.py --only step --compile
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from measuring import Ratio, Seconds, arguments, in_turns, ratio, report
from random_images import CLASSES, random_images
from torch import Tensor, nn

import nemo
from nemo.deployed import Deployed, for_inference
from nemo.export import INPUT, export_program, onnx_bytes
from nemo.modular import ModularNetwork
from nemo.training import Trainer

PIXELS = 224
LATENCY = ("torchvision:resnet18", "torchvision:mobilenet_v2")


def small_resnet18(num_classes: int) -> nn.Module:
    """torchvision's with the stem of our own, for images of 32 pixels."""
    network = nemo.build_backbone("torchvision:resnet18", num_classes, image_size=32)
    network.conv1 = nn.Conv2d(3, 64, 3, padding=1, bias=False)
    network.maxpool = nn.Identity()
    return network


def both_forms() -> dict[str, ModularNetwork]:
    """The same modular network in our blocks, and with hooks on plain ones."""
    example = torch.rand(2, 3, 32, 32)
    forms = {
        "blocks": nemo.make_modular(nemo.build_backbone("resnet18", CLASSES)),
        "hooks": nemo.make_modular(small_resnet18(CLASSES), example=example),
    }
    ours, hooked = forms.values()
    assert sorted(ours.widths) == sorted(hooked.widths), (ours.widths, hooked.widths)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in hooked.parameters())
    return forms


def step(options: argparse.Namespace) -> tuple[list[Ratio], Seconds]:
    """Done when hooks cost at most 2 % more."""
    dataset = random_images(options.batch_size, options.batch_size)
    recipe = nemo.Recipe(batch_size=options.batch_size, lr=1e-3, compile=options.compile)
    trainers = {name: Trainer(form, dataset, "nemo", {}, recipe, seed=0) for name, form in both_forms().items()}
    batch = next(iter(trainers["blocks"].loader.epoch(0)))

    def learning(trainer: Trainer) -> Callable[[], None]:
        def learn() -> None:
            trainer.model.train()
            trainer.step(batch, progress=0.0)

        return learn

    sides = {name: learning(trainer) for name, trainer in trainers.items()}
    seconds = in_turns(sides, options.rounds, warm_up=2)
    what = f"resnet18, a step{', compiled' if options.compile else ''}: hooks over blocks"
    return [ratio(what, seconds, "hooks", "blocks", at_most=1.02)], seconds


def cut(options: argparse.Namespace) -> tuple[list[Ratio], Seconds]:
    """Done when a cut by the graph takes at most three times as long as by rules for our blocks."""
    forms = both_forms()
    masks = {name: half_of(form.eval()) for name, form in forms.items()}

    def cutting(name: str, *, check: bool) -> Callable[[], object]:
        return lambda: nemo.extract_module(forms[name], masks[name], [0, 1], head="linear", check=check)

    sides = {
        "blocks": cutting("blocks", check=False),
        "graph": cutting("hooks", check=False),
        "graph, checked": cutting("hooks", check=True),
    }
    seconds = in_turns(sides, options.rounds)
    return [
        ratio("resnet18, a cut: by the graph over rules", seconds, "graph", "blocks", at_most=3),
        ratio("resnet18, a cut: by the graph and checked over rules", seconds, "graph, checked", "blocks"),
    ], seconds


def latency(options: argparse.Namespace) -> tuple[list[Ratio], Seconds]:
    """Done when half of the units take at most 0.7 of the time."""
    ratios, every = [], Seconds()
    images = torch.rand(1, 3, PIXELS, PIXELS)
    for name in LATENCY:
        network = nemo.build_backbone(name, CLASSES, image_size=PIXELS).eval()
        modular = nemo.make_modular(network, example=torch.rand(2, 3, PIXELS, PIXELS)).eval()
        module = nemo.extract_module(modular, half_of(modular), [0, 1], head="linear").eval()
        for runtime, runner in (("torch", in_torch), ("ONNX Runtime", in_onnx_runtime)):
            sides = {"whole": runner(network, images), "module": runner(module, images)}
            seconds = in_turns(sides, options.rounds, warm_up=2)
            ratios.append(ratio(f"{name}, {runtime}: module over whole", seconds, "module", "whole", at_most=0.7))
            every |= {f"{name}, {runtime}, {side}": values for side, values in seconds.items()}
    return ratios, every


def half_of(modular: ModularNetwork) -> list[Tensor]:
    """Module masks with half of the units of every layer, the same for all classes."""
    draw = torch.Generator().manual_seed(0)
    orders = [torch.randperm(width, generator=draw) for width in modular.widths]
    return [(order < (len(order) + 1) // 2).expand(CLASSES, -1) for order in orders]


def in_torch(network: nn.Module, images: Tensor, *, repeats: int = 5) -> Callable[[], None]:
    ready = deployed(network)

    @torch.inference_mode()
    def run() -> None:
        for _ in range(repeats):
            ready(images)

    return run


def in_onnx_runtime(network: nn.Module, images: Tensor, *, repeats: int = 5) -> Callable[[], None]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    content = onnx_bytes(export_program(deployed(network), PIXELS))
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given = {INPUT: images.numpy()}

    def run() -> None:
        for _ in range(repeats):
            session.run(None, given)

    return run


def deployed(network: nn.Module) -> nn.Module:
    """A network as `nemo reuse` leaves it, norms folded."""
    return for_inference(Deployed(network, [0.5] * 3, [0.25] * 3)).eval()


PARTS = {"step": step, "cut": cut, "latency": latency}


def main() -> None:
    parser = arguments(__doc__, rounds=9)
    parser.add_argument("--only", choices=list(PARTS), help="one part; all of them")
    parser.add_argument("--compile", action="store_true", help="compile the steps")
    parser.add_argument("--batch-size", type=int, default=64, help="of a step (64)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ratios: list[Ratio] = []
    every: dict[str, Seconds] = {}
    for name, part in PARTS.items():
        if options.only in (None, name):
            found, every[name] = part(options)
            ratios += found
            print(f"{name}: measured", flush=True)
    report(f"any-network{'-compiled' if options.compile else ''}", options, ratios, every)


if __name__ == "__main__":
    main()
