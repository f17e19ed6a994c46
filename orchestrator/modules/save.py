"""Writing a module into a folder that runs without this project: weights, programs, card and examples."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.markup import escape

from nemo.datasets.texts import MAX_LENGTH
from nemo.datasets.tokenizer import TextTokenizer
from nemo.deployed import for_inference
from nemo.export import (
    as_exported,
    disagreement,
    example_inputs,
    export_program,
    input_names,
    onnx_bytes,
    onnx_runner,
    program_bytes,
)
from nemo.image_size import ImageSize
from nemo.latency import latencies
from nemo.module_file import SavedModule
from orchestrator.modules.card import figure_columns, figure_rows, model_card, slower_than_standard
from orchestrator.modules.examples import examples
from orchestrator.modules.folder import MARK, write_file
from orchestrator.modules.record import Latency, ModuleRecord
from orchestrator.system.credentials import masked
from orchestrator.system.environment import environment
from orchestrator.system.terminal import new_table, print_table

RUNS = 50
_TOLERATED = 1e-3
"""The largest relative difference that another order of float32 operations can cause."""


def save_module(folder: Path, saved: SavedModule, record: ModuleRecord) -> ModuleRecord:
    """Fills an empty folder with a module in all its forms, after each form was run; returns the finished record.

    Raises:
        UserError: The folder cannot be written, or is full.
        RuntimeError: A form computes something else than the module.
    """
    network = for_inference(saved.network)
    names = input_names(saved.image_size, paired=saved.paired)
    program = export_program(network, saved.image_size, paired=saved.paired)
    forms = {
        "module.safetensors": saved.to_bytes(),
        "module.pt2": program_bytes(program),
        "module.onnx": onnx_bytes(program, names),
        **_tokenizer(record),
    }
    for name, data in forms.items():
        write_file(folder, name, data)
    agreement = _agreement(network, folder, forms, saved.image_size, names)
    files = {name: hashlib.sha256(data).hexdigest() for name, data in forms.items()}
    finished = replace(record, agreement=agreement, files=files, paired=saved.paired)
    programs = examples(saved.classes, saved.image_size, paired=saved.paired)
    texts = {"README.md": model_card(finished), **programs, MARK: finished.to_json()}
    for name, text in texts.items():
        write_file(folder, name, text)
    return finished


def _tokenizer(record: ModuleRecord) -> dict[str, bytes]:
    """File name -> the tokenizer of a module of texts; nothing for others."""
    options = record.data[0].where.get("dataset_options", {})
    if "tokenizer" not in options:
        return {}
    tokenizer = TextTokenizer(options["tokenizer"], record.data[0].name)
    return {"tokenizer.json": tokenizer.deployed(options.get("max_length", MAX_LENGTH)).encode()}


def _agreement(
    network: torch.nn.Module, folder: Path, forms: Mapping[str, bytes], size: ImageSize, names: Sequence[str]
) -> dict[str, float]:
    """How far the files' logits lie from the network's, for batches of one and of three."""
    program = torch.export.load(folder / "module.pt2").module()
    differences = {"torch.export": 0.0, "ONNX": 0.0}
    runners: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "torch.export": lambda inputs: program(*as_exported(inputs, names).values()),
        "ONNX": onnx_runner(forms["module.onnx"]),
    }
    with torch.no_grad():
        for count in (1, 3):
            inputs = example_inputs(size, count)
            for name, run in runners.items():
                differences[name] = max(differences[name], disagreement(network(inputs), run(inputs)))
    for name, difference in differences.items():
        if not difference <= _TOLERATED:
            raise RuntimeError(f"the {name} form's logits differ from the module's by {difference:.1e} of the largest")
    return differences


def measure_latency(models: Mapping[str, torch.nn.Module], image_size: ImageSize) -> Latency:
    """The latency of networks on this machine's CPU, in turns, for one image or text and with one thread."""
    ready = {name: for_inference(model) for name, model in models.items()}
    milliseconds = latencies(ready, example_inputs(image_size, 1), runs=RUNS)
    return Latency(environment()["hardware"]["cpu"], 1, 1, RUNS, milliseconds)


def here() -> torch.device:
    """Where networks are trained on this machine."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def made_with() -> dict[str, Any]:
    """The commit, the Python and the packages of this process."""
    return {name: environment()[name] for name in ("git", "python", "packages")}


def command_line() -> str:
    """The command line of this process, without passwords."""
    return masked(shlex.join(["nemo", *sys.argv[1:]]))


def print_figures(record: ModuleRecord, console: Console) -> None:
    """The figures of a module beside the whole networks'."""
    table = new_table(escape(", ".join(record.classes)), ["", *figure_columns(record)])
    for row in figure_rows(record):
        table.add_row(*row)
    print_table(table, console)
    slower = slower_than_standard(record)
    if slower is not None:
        console.print(slower, markup=False, soft_wrap=True)


def print_place(out: Path, console: Console) -> None:
    """Where a module was saved, and what to do next."""
    text = f"Saved in {out}: module.pt2, module.onnx, module.safetensors and their card. Next: python {out}/example.py"
    console.print(text, markup=False, soft_wrap=True)
