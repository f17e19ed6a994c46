"""A network as files that run without this project: a `torch.export` program and ONNX.

Both take float images `[B, 3, H, W]`, any B, and give logits `[B, n]`. Of texts they take what a tokenizer gives, int64
`[B, T]` each, any B and T. Neither names a file of this machine.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nemo.gathering import with_gathers
from nemo.image_size import ImageSize, height_width, input_shape, is_text
from nemo.tokens import example_texts, pack, unpacked

if TYPE_CHECKING:
    from torch.export import ExportedProgram

INPUT, OUTPUT = "images", "logits"
"""What the ONNX form calls them."""

TEXT_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
"""What it calls those of texts; the last is of pairs alone."""


def input_names(image_size: ImageSize, *, paired: bool = False) -> tuple[str, ...]:
    """What the exported forms take."""
    return TEXT_INPUTS[: 3 if paired else 2] if is_text(image_size) else (INPUT,)


def example_images(image_size: ImageSize, count: int = 2) -> Tensor:
    """Random images in 0..1, the same every time: float32 `[count, 3, H, W]`."""
    return torch.rand(count, 3, *height_width(image_size), generator=torch.Generator().manual_seed(0))


def example_inputs(image_size: ImageSize, count: int = 2) -> Tensor:
    """What a network takes here: `example_images`, or texts that mean nothing, int64 `[count, T]`."""
    return (
        example_texts(input_shape(image_size)[0], count) if is_text(image_size) else example_images(image_size, count)
    )


def as_exported(inputs: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """What a network takes here, as the exported forms take it."""
    return {INPUT: inputs} if tuple(names) == (INPUT,) else dict(zip(names, unpacked(inputs), strict=False))


class _FromTokenizer(nn.Module):
    """A network of packed texts that takes what a tokenizer gives."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, ids: Tensor, attention_mask: Tensor, parts: Tensor | None = None) -> Tensor:
        logits: Tensor = self.network(pack(ids, attention_mask, parts))
        return logits


def export_program(network: nn.Module, image_size: ImageSize, *, paired: bool = False) -> ExportedProgram:
    """Traces a network, as `nemo.deployed.for_inference` leaves it, into a program for batches of any size.

    Args:
        network: Of images in 0..1, or of packed texts.
        image_size: See `SavedModule`.
        paired: Whether texts come in pairs, whose parts it is told.
    """
    exported = with_gathers(deepcopy(network))
    axes: dict[int, Any] = {0: torch.export.Dim("batch", min=1)}
    if is_text(image_size):
        exported = _FromTokenizer(exported)
        axes[1] = torch.export.Dim.AUTO  # as far as the network's positions go
    names = input_names(image_size, paired=paired)
    given = tuple(as_exported(example_inputs(image_size), names).values())
    with _quietly():
        # two inputs: a batch of one would be taken for a constant
        program = torch.export.export(exported, given, dynamic_shapes=tuple(axes for _ in given))
    for part in program.graph_module.modules():
        for node in part.graph.nodes if isinstance(part, torch.fx.GraphModule) else ():
            node.meta.pop("stack_trace", None)  # where our sources lie here
    return program


def program_bytes(program: ExportedProgram) -> bytes:
    """The program as a `.pt2` file, for `torch.export.load`."""
    file = io.BytesIO()
    with _quietly():
        torch.export.save(program, file)
    return file.getvalue()


def onnx_bytes(program: ExportedProgram, names: Sequence[str] = (INPUT,)) -> bytes:
    """The same program as an `.onnx` file, weights included; its inputs are called by these names."""
    with _quietly():
        exported = torch.onnx.export(
            program, dynamo=True, input_names=list(names), output_names=[OUTPUT], external_data=False, verbose=False
        )
        assert exported is not None
        model: Any = exported.model_proto
    for graph in (model.graph, *model.functions):
        for entry in (graph, *graph.node, *graph.value_info):
            del entry.metadata_props[:]
    for entry in (model, *model.graph.input, *model.graph.output, *model.graph.initializer):
        del entry.metadata_props[:]
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def onnx_runner(data: bytes, threads: int = 1) -> Callable[[Tensor], Tensor]:
    """Runs an `.onnx` file with onnxruntime on the CPU: images `[B, 3, H, W]`, or packed texts `[B, T]`, to logits."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_inputs()]

    def run(inputs: Tensor) -> Tensor:
        given = {name: value.numpy() for name, value in as_exported(inputs, names).items()}
        return torch.from_numpy(session.run([OUTPUT], given)[0])

    return run


def disagreement(ours: Tensor, theirs: Tensor) -> float:
    """The largest difference of two networks' logits `[B, n]`, over the largest of ours."""
    return float((ours - theirs).abs().max() / ours.abs().max().clamp_min(1e-30))


@contextmanager
def _quietly() -> Iterator[None]:
    """Keeps what torch's exporters tell of themselves from whoever asked for a file."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
