"""A network as files that run without this project: a `torch.export` program and ONNX.

Both take float images `[B, 3, H, W]`, any B, and give logits `[B, n]`. Neither names a file of this machine.
"""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nemo.gathering import with_gathers
from nemo.image_size import ImageSize, height_width

if TYPE_CHECKING:
    from torch.export import ExportedProgram

INPUT, OUTPUT = "images", "logits"
"""What the ONNX form calls them."""


def example_images(image_size: ImageSize, count: int = 2) -> Tensor:
    """Random images in 0..1, the same every time: float32 `[count, 3, H, W]`."""
    return torch.rand(count, 3, *height_width(image_size), generator=torch.Generator().manual_seed(0))


def export_program(network: nn.Module, image_size: ImageSize) -> ExportedProgram:
    """Traces a network, as `nemo.deployed.for_inference` leaves it, into a program for batches of any size."""
    with _quietly():
        program = torch.export.export(
            with_gathers(deepcopy(network)),
            (example_images(image_size),),  # two: a batch of one would be taken for a constant
            dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        )
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


def onnx_bytes(program: ExportedProgram) -> bytes:
    """The same program as an `.onnx` file, weights included."""
    with _quietly():
        exported = torch.onnx.export(
            program, dynamo=True, input_names=[INPUT], output_names=[OUTPUT], external_data=False, verbose=False
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
    """Runs an `.onnx` file with onnxruntime on the CPU: images `[B, 3, H, W]` to logits."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = threads
    options.log_severity_level = 3  # errors
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run([OUTPUT], {INPUT: images.numpy()})[0])


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
