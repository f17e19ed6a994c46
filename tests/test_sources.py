"""Nothing in our sources unpickles, or runs a text or a shell: whatever a file holds, reading it runs nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = [path for package in ("nemo", "orchestrator") for path in sorted((ROOT / package).rglob("*.py"))]

MODULES = {
    "pickle",
    "cPickle",
    "marshal",
    "shelve",
    "dill",
    "cloudpickle",
    "joblib",
    "code",
    "pty",
    "zipfile",
    "tarfile",
}
CALLS = {
    *("eval", "exec", "compile", "__import__", "breakpoint", "input"),
    *("os.system", "os.popen", "os.execv", "os.execvp", "subprocess.getoutput", "subprocess.getstatusoutput"),
    *("yaml.full_load", "yaml.unsafe_load", "yaml.load_all", "np.load", "numpy.load", "np.fromregex"),
    *("torch.jit.load", "torch.hub.load", "torch.package.PackageImporter", "shutil.unpack_archive"),
}
METHODS = {"load_model", "read_pickle", "load_artifact", "extractall", "unpack_archive"}


def unsafe(source: str) -> Iterator[str]:
    """What in a source could run what somebody else wrote."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"{node.lineno}: import {name}" for name in names if name.split(".")[0] in MODULES)
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        wrong = name in CALLS or (name.split(".")[-1] in METHODS and "." in name)
        wrong |= name == "torch.load" and given.get("weights_only") != "True"
        if name.endswith("from_pretrained"):  # an "auto" class may run code that lies beside the weights
            tokenizer = name == "AutoTokenizer.from_pretrained" and given.get("trust_remote_code") == "False"
            wrong |= not tokenizer and ("Auto" in name or given.get("weights_only") != "True")
        wrong |= name == "yaml.load" and given.get("Loader") not in ("_Loader", "yaml.SafeLoader")
        wrong |= not {"shell", "allow_pickle"}.isdisjoint(given) or given.get("trust_remote_code", "False") != "False"
        if wrong:
            yield f"{node.lineno}: {ast.unparse(node)}"


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import cloudpickle as harmless",
        "eval('1')",
        "os.system('true')",
        "subprocess.run('true', shell=True)",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "torch.load(path, weights_only=trusted)",
        "np.load(path)",
        "yaml.load(text)",
        "yaml.load(text, Loader=yaml.Loader)",
        "transformers.ViTModel.from_pretrained(name)",
        "transformers.AutoModel.from_pretrained(name, weights_only=True)",
        "AutoTokenizer.from_pretrained(folder)",
        "AutoTokenizer.from_pretrained(folder, trust_remote_code=True)",
        "AutoModel.from_pretrained(folder, weights_only=True, trust_remote_code=False)",
        "mlflow.pytorch.load_model(uri)",
        "tarfile.open(path).extractall()",
    ],
)
def test_what_is_unsafe_is_seen(source: str) -> None:
    assert list(unsafe(source))


def test_what_is_safe_passes() -> None:
    assert not list(unsafe("torch.load(path, weights_only=True); yaml.load(text, Loader=_Loader); network.eval()"))


def test_our_sources_are_safe() -> None:
    assert len(SOURCES) > 80
    found = [f"{path.relative_to(ROOT)}:{text}" for path in SOURCES for text in unsafe(path.read_text())]
    assert not found, "\n".join(found)


def test_our_yaml_loader_is_a_safe_one() -> None:
    from yaml import SafeLoader
    from yaml.constructor import SafeConstructor

    from orchestrator.study.yaml_source import _Loader

    assert issubclass(_Loader, SafeLoader)
    assert _Loader.yaml_constructors is SafeConstructor.yaml_constructors  # none of our own
