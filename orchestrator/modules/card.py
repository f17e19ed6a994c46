"""The model card of a saved module: what it is, what it was made from, and every figure with what it means."""

from __future__ import annotations

from typing import Any

from nemo.deriving.budget import TIME
from nemo.image_size import height_width, is_text
from orchestrator.modules.record import ModuleRecord, Origin
from orchestrator.report.rendering import markdown_table

Rows = list[tuple[str, ...]]


def model_card(record: ModuleRecord) -> str:
    """The text of `README.md`."""
    title = ", ".join(record.classes) if len(record.classes) <= 6 else f"{len(record.classes)} classes"
    kind = "Several modules composed into one classifier" if record.composed else "A module"
    kind = "A small network, derived of a trained one" if record.derived else kind
    parts = [
        f"# {title}",
        f"{kind}, made by `nemo` ({_made_with(record)}): it tells {len(record.classes)} classes apart. Its logits:",
        markdown_table(
            ("Logit", "Class"), [(str(number), name) for number, name in enumerate(record.classes)], words=2
        ),
        "## Use",
        _use(record),
        "## Figures",
        markdown_table(("", *figure_columns(record)), figure_rows(record), words=1),
        _notes(record),
        *_controls(record),
        "## Where it comes from",
        *(_origin(origin) for origin in record.origins),
        _data(record),
        _tuning(record),
        f"Made by\n\n```\n{record.command}\n```",
        _again(record),
        "## Licence",
        f"The weights derive from the training {_samples(record)}: what the licence of these data sets says of works "
        "derived from them holds for this module, and has to be looked up there. Whoever made it adds no terms here.",
    ]
    return "\n\n".join(parts) + "\n"


def figure_columns(record: ModuleRecord) -> list[str]:
    """The networks whose figures stand beside each other."""
    if record.derived:
        return ["Derived", "Untouched"]
    return ["Composed"] if record.composed else ["Module", "Whole modular", "Whole standard"]


def figure_rows(record: ModuleRecord) -> Rows:
    """The figures of a module beside the whole networks', as text; a dash where there is none."""
    own: dict[str, Any] = {**record.figures, "latency": record.latency.milliseconds.get("module")}
    columns = [own]
    if not record.composed:
        for role in ("base",) if record.derived else ("modular", "standard"):
            columns.append({**record.whole.get(role, {}), "latency": record.latency.milliseconds.get(role)})
    rows = [
        ("Accuracy before fine-tuning %", "accuracy_before_finetuning", 100, ".2f"),
        ("Accuracy %", "accuracy", 100, ".2f"),
        ("KRR %", "krr", 100, ".2f"),
        ("Units kept %", "kept_units", 100, ".2f"),
        ("Weights kept %", "weight_retention", 100, ".2f"),
        ("FLOPs M", "flops", 1e-6, ".3f"),
        ("Parameters", "parameters", 1, ",.0f"),
        (f"Latency ms, {_threads(record)}", "latency", 1, ".3f"),
    ]
    texts = []
    for title, name, factor, form in rows:
        values = [column.get(name) for column in columns]
        if any(value is not None for value in values):
            texts.append((title, *("–" if value is None else format(factor * value, form) for value in values)))
    return texts


def slower_than_standard(record: ModuleRecord) -> str | None:
    """What is said of a module that takes longer than the whole network; None of one that doesn't."""
    whole = "untouched" if record.derived else "standard"
    own, standard = (record.latency.milliseconds.get(name) for name in ("module", "base" if record.derived else whole))
    if own is None or standard is None or own <= standard:
        return None
    return (
        f"It takes longer than the {whole} network ({own:.3f} against {standard:.3f} ms): in so small a network the "
        "time goes into the number of operations, and a cut adds some that put channels in their places."
    )


def _use(record: ModuleRecord) -> str:
    texts = is_text(record.image_size)
    more = ", tokenizers" if texts else ""
    return (
        f"{_inputs(record)} The answer is logits `[B, {len(record.classes)}]`.\n\n"
        "| file | needs |\n|---|---|\n"
        f"| `module.pt2`, as in `example.py` | torch{more} |\n"
        f"| `module.onnx`, as in `example_onnx.py` | numpy, onnxruntime{more} |\n"
        + ("| `tokenizer.json` | tokenizers: texts to what both take |\n" if texts else "")
        + "| `module.safetensors` | `nemo.load_module`, to go on with it |\n"
        "| `module.json` | nothing: these figures, for programs |\n\n"
        "A `.pt2` file is made for the version of torch that wrote it, or a later one; open it, like any program, only "
        "from whom you trust. Largest difference of their logits from the module's own, over the largest logit: "
        + ", ".join(f"{name} {value:.1e}" for name, value in record.agreement.items())
        + "."
    )


def _inputs(record: ModuleRecord) -> str:
    """What it takes."""
    if is_text(record.image_size):
        (longest,) = record.image_size  # type: ignore[misc]  # of texts
        return (
            "Texts become tokens by `tokenizer.json`: int64 `[B, T]` of `input_ids`, `attention_mask` and, of pairs, "
            f"`token_type_ids`, any number of texts of any length that the network can read. FLOPs and latency are "
            f"those of {longest} tokens, the longest text of its data set."
        )
    height, width = height_width(record.image_size)
    pixels = f"float32 `[B, 3, {height}, {width}]`, red, green and blue in 0..1"
    return f"Images are {pixels}; the module normalises them itself."


def _samples(record: ModuleRecord) -> str:
    return "texts" if is_text(record.image_size) else "images"


def _notes(record: ModuleRecord) -> str:
    samples = _samples(record)
    if record.composed:
        return (
            f"On the test {samples} of all its classes; before fine-tuning: without a common head, each goes to "
            "the class of which one of the modules is surest. FLOPs count a multiply-add as one. Nothing was chosen on "
            f"test {samples}. {_timed(record)}"
        )
    if record.derived:
        return (
            f"Accuracies are on the test {samples} of these classes. Untouched: the trained network, its classifier's "
            f"rows for these classes alone. FLOPs count a multiply-add as one. Nothing was chosen on test {samples}. "
            f"{_timed(record)} {slower_than_standard(record) or ''}".rstrip()
        )
    return (
        f"Accuracies are on the test {samples} of these classes, the whole networks' told apart among these classes; "
        "before fine-tuning: the cut with the trained classifier. KRR is the share of the maskable kernels that are "
        f"kept. FLOPs count a multiply-add as one. Nothing was chosen on test {samples}. "
        f"{_timed(record)} {slower_than_standard(record) or ''}".rstrip()
    )


_CONTROLS = {
    "random": "as many other units of the same network, drawn at random",
    "magnitude": "the standard network, pruned to the units of largest weights",
    "activation": "the standard network, pruned to the units most active on these classes",
    "fresh": "a network of this shape with new weights",
}


_RIVALS = {
    "random": "units drawn at random",
    "magnitude": "the units of largest weights",
    "activation": "the units that are loudest on these classes",
}


def _controls(record: ModuleRecord) -> list[str]:
    """What rivals of its size reach."""
    if not record.controls:
        return []
    if record.derived:
        told = [
            f"{_RIVALS.get(name, name)}: {100 * figures['accuracy']:.2f} %" for name, figures in record.controls.items()
        ]
        return [f"What other choices of units give within the same budget, treated alike: {'; '.join(told)}."]
    told = [f"{_CONTROLS[name]}: {100 * figures['accuracy']:.2f} %" for name, figures in record.controls.items()]
    return [f"What else a network of this size reaches, made alike, one draw each: {'; '.join(told)}."]


def _tuning(record: ModuleRecord) -> str:
    if record.finetune["epochs"] == 0:
        return "Not fine-tuned: as it was cut."
    what = "the head alone" if record.composed else "all weights"
    return f"Fine-tuned ({what}, seed {record.seed}) with {_settings(record.finetune)}."


def _again(record: ModuleRecord) -> str:
    if any(TIME in (origin.budget or ()) for origin in record.origins):
        return "What was kept was found by the clock of one machine: the same command may keep other units elsewhere."
    return "The same command on the same kind of device and with as many threads gives the same weights."


def _timed(record: ModuleRecord) -> str:
    return (
        f"Latency: medians of {record.latency.runs} runs in turns, PyTorch without compiling, {record.latency.machine}."
    )


def _origin(origin: Origin) -> str:
    rows = [
        ("Classes", ", ".join(origin.classes)),
        ("Study", origin.study),
        ("Trained network", f"{origin.label} (run `{origin.run}`)"),
        ("Sub-task", f"`{origin.step}`"),
        ("Backbone", f"{origin.backbone} x{origin.width:g}"),
        ("Method", f"{origin.method} {_settings(origin.settings)}".strip()),
    ]
    if origin.budget is None:
        rows += [
            ("Threshold", "none" if origin.threshold is None else f"{origin.threshold:g}"),
            ("Cut", f"mask_values {origin.mask_values}, head {origin.head}, surgery {origin.surgery}"),
            ("KRR", f"{100 * origin.krr:.2f} %"),
        ]
    else:
        rows += [
            ("Budget", f"{_settings(origin.budget)}{'' if TIME in origin.budget else ' of the untouched network'}"),
            ("Compensated", str(origin.compensate)),
            *([("Attention", str(origin.attention))] if origin.attention not in (None, "keep") else []),
            ("Units kept", f"{100 * origin.krr:.2f} %"),
        ]
    return markdown_table(("", ""), [*rows, ("Seed", str(origin.seed))], words=2)


def _data(record: ModuleRecord) -> str:
    lines = []
    for data in record.data:
        options = f" ({_settings(data.options)})" if data.options else ""
        if is_text(record.image_size):
            lines.append(f"Data set: {data.name}{options}, its texts tokenized as `tokenizer.json` does.")
            continue
        mean, std = (", ".join(f"{value:.4f}" for value in part) for part in (data.mean, data.std))
        lines.append(f"Data set: {data.name}{options}, normalised by mean ({mean}) and deviation ({std}).")
    return "\n\n".join(lines)


def _threads(record: ModuleRecord) -> str:
    threads, batch = record.latency.threads, record.latency.batch
    return f"{threads} thread{'s' * (threads > 1)}, batch of {batch}"


def _made_with(record: ModuleRecord) -> str:
    packages = record.made_with.get("packages", {})
    return ", ".join(f"{name} {packages[name]}" for name in ("nemo-orchestrator", "torch") if name in packages)


def _settings(settings: Any) -> str:
    return " ".join(f"{name}={value:g}" if _number(value) else f"{name}={value}" for name, value in settings.items())


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
