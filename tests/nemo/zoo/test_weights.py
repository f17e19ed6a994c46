from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

import nemo
from nemo.errors import UserError
from nemo.example import logits_of
from nemo.zoo.build import build_foreign
from nemo.zoo.weights import fetch, load, read_state
from tests.nemo.zoo.files import vit_folder

NAME = "python:nets:make"  # nothing of it is imported where the weights are a file
MOBILENET = "torchvision:mobilenet_v3_small"
IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
ROWS = [497, 0, 701]


def small(classes: int) -> nn.Sequential:
    conv, norm = nn.Conv2d(3, 6, 3, stride=2), nn.BatchNorm2d(6)
    return nn.Sequential(conv, norm, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, classes))


@pytest.fixture(scope="module")
def trained() -> nn.Sequential:
    """Stands for a network that was trained on ImageNet."""
    return small(1000)


def logits(network: nn.Module, images: Tensor = IMAGES) -> Tensor:
    return logits_of(network.eval()(images)).detach()


@pytest.mark.parametrize("ending", [".safetensors", ".pth", ".pt", ".bin"])
def test_weights_of_1000_classes_in_a_network_of_three(trained: nn.Module, tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"trained{ending}"
    (save_file if ending == ".safetensors" else torch.save)(trained.state_dict(), file)
    weights = fetch(NAME, str(file), tmp_path / "kept")
    assert weights.path == tmp_path / "kept" / f"{weights.sha256}.safetensors"
    assert weights.mean is None
    network = small(3)
    load(network, weights.path, IMAGES, classifier=ROWS)
    assert torch.allclose(logits(network), logits(trained)[:, ROWS], atol=1e-6)


def test_a_new_classifier_keeps_everything_else(trained: nn.Module, tmp_path: Path) -> None:
    torch.save(trained.state_dict(), tmp_path / "trained.pth")
    network = small(1000)
    fresh = network[5].weight.detach().clone()
    load(network, tmp_path / "trained.pth", IMAGES)
    own, theirs = network.state_dict(), trained.state_dict()
    assert torch.equal(own["5.weight"], fresh)
    assert all(torch.equal(own[key], theirs[key]) for key in own if not key.startswith("5."))


def test_the_same_state_is_the_same_file_however_it_came(trained: nn.Module, tmp_path: Path) -> None:
    state = trained.state_dict()
    torch.save(state, tmp_path / "plain.pth")
    torch.save({"state_dict": state, "epoch": 3}, tmp_path / "epoch.pth")
    torch.save({"model": dict(reversed(state.items()))}, tmp_path / "model.bin")
    kept = {fetch(NAME, str(tmp_path / name), tmp_path).sha256 for name in ("plain.pth", "epoch.pth", "model.bin")}
    assert len(kept) == 1
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_names_of_wrappers_are_removed_and_counters_may_be_missing(trained: nn.Module, tmp_path: Path) -> None:
    state = {key: value for key, value in trained.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save({f"module._orig_mod.{key}": value for key, value in state.items()}, tmp_path / "ddp.pth")
    network = small(3)
    load(network, tmp_path / "ddp.pth", IMAGES, classifier=ROWS)
    assert torch.allclose(logits(network), logits(trained)[:, ROWS], atol=1e-6)


def changed(state: dict[str, Tensor], change: str) -> dict[str, Tensor]:
    first, second = list(state)[:2]
    if change == "missing":
        del state[second]
    elif change == "shape":
        state[first] = state[first][:, :1].contiguous()
    elif change == "unexpected":
        state["aux.weight"] = torch.zeros(1)
    else:
        del state["5.bias"]
    return state


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("missing", r"weights have no 0\.bias, give"),
        ("shape", r"a 0\.weight of \[6, 1, 3, 3\] where the network's is of \[6, 3, 3, 3\]"),
        ("unexpected", "have a aux.weight that the network has not"),
        ("no classifier", "hold no classifier 5 that fits"),
    ],
)
def test_the_first_mismatch_is_named(trained: nn.Module, tmp_path: Path, change: str, message: str) -> None:
    save_file(changed(dict(trained.state_dict()), change), tmp_path / "other.safetensors")
    network = small(3)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(UserError, match=message):
        load(network, tmp_path / "other.safetensors", IMAGES, classifier=ROWS)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize(
    ("rows", "message"), [([1, 2, 1000], "classes 0 to 999.*not 1000"), ([1, 2], "2 of 3 classes")]
)
def test_rows_that_are_none(trained: nn.Module, tmp_path: Path, rows: list[int], message: str) -> None:
    save_file(trained.state_dict(), tmp_path / "trained.safetensors")
    with pytest.raises(UserError, match=f"^classes_of: .*{message}"):
        load(small(3), tmp_path / "trained.safetensors", IMAGES, classifier=rows)


def test_files_that_hold_no_state(trained: nn.Module, tmp_path: Path) -> None:
    torch.save(trained, tmp_path / "pickled.pth")
    torch.save([1], tmp_path / "list.pt")
    (tmp_path / "damaged.safetensors").write_bytes(b"no")
    for name in ("pickled.pth", "list.pt", "damaged.safetensors", "away.bin"):
        with pytest.raises(UserError, match=rf"^pretrained: .*{name} .*state_dict\(\)") as refused:
            read_state(tmp_path / name)
        assert "\n" not in str(refused.value)


@pytest.mark.heavy
def test_a_folder_of_transformers_says_how_its_images_were_prepared(tmp_path: Path) -> None:
    folder = vit_folder(tmp_path / "tiny")
    weights = fetch(f"hf:{folder}", True, tmp_path)
    assert (weights.mean, weights.std) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1))
    assert (weights.image_size, weights.interpolation, weights.crop) == (16, "bicubic", None)
    whole, network = build_foreign(f"hf:{folder}", 7, 16), build_foreign(f"hf:{folder}", 3, 16)
    images = torch.rand(2, 3, 16, 16)
    load(whole, weights.path, images, classifier=range(7))
    load(network, weights.path, images, classifier=[6, 0, 2])
    assert torch.allclose(logits(network, images), logits(whole, images)[:, [6, 0, 2]], atol=1e-6)
    with pytest.raises(UserError, match=r"position_embeddings of \[1, 17, 16\].*at this image_size"):
        load(build_foreign(f"hf:{folder}", 3, 32), weights.path, torch.rand(2, 3, 32, 32))


@pytest.mark.heavy
def test_what_torchvision_has_fetched_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "checkpoints").mkdir()
    file = tmp_path / "checkpoints" / "mobilenet_v3_small-047dcff4.pth"
    whole = build_foreign(MOBILENET, 1000, 32)
    torch.save(whole.state_dict(), file)
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path))
    weights = fetch(MOBILENET, "IMAGENET1K_V1", tmp_path / "kept")
    assert weights == fetch(MOBILENET, True, tmp_path / "kept")
    assert (weights.image_size, weights.interpolation, weights.crop) == (224, "bilinear", 0.875)
    assert weights.std == (0.229, 0.224, 0.225)
    network = build_foreign(MOBILENET, 3, 32)
    load(network, weights.path, IMAGES, classifier=ROWS)
    assert torch.allclose(logits(network), logits(whole)[:, ROWS], atol=1e-6)


def test_what_torchvision_has_fetched_is_not_unpickled(
    trained: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    torch.save(trained, tmp_path / "checkpoints" / "mobilenet_v3_small-047dcff4.pth")
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path))
    with pytest.raises(UserError, match=r"can't be fetched \(UnpicklingError"):
        fetch(MOBILENET, True, tmp_path / "kept")


@pytest.mark.heavy
def test_what_timm_has_fetched_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "models--timm--test_resnet.r160_in1k"
    (cache / "snapshots" / "abc").mkdir(parents=True)
    (cache / "refs").mkdir()
    (cache / "refs" / "main").write_text("abc")
    whole = build_foreign("timm:test_resnet", 1000, 32)
    save_file(whole.state_dict(), cache / "snapshots" / "abc" / "model.safetensors")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    weights = fetch("timm:test_resnet", "r160_in1k", tmp_path / "kept")
    assert weights == fetch("timm:test_resnet.r160_in1k", True, tmp_path / "kept")
    assert (weights.image_size, weights.interpolation, weights.crop) == (160, "bilinear", 0.95)
    network = build_foreign("timm:test_resnet", 3, 32)
    load(network, weights.path, IMAGES, classifier=ROWS)
    assert torch.allclose(logits(network), logits(whole)[:, ROWS], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "pretrained"),
    [
        ("torchvision:resnet18", True),
        ("timm:convnext_atto", True),
        ("timm:convnext_atto", "timm/convnext_atto.d2_in1k@main"),
        ("hf:somebody/not-here", True),
        ('hf:{"model_type": "vit"}', "somebody/not-here@main"),
    ],
)
def test_without_a_network_a_file_is_asked_for(
    name: str, pretrained: str | bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("nobody listens")

    monkeypatch.setattr("socket.socket.connect", unreachable)
    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match=r"there is no network here.*(give its path|give hf: and a folder)") as refused:
        fetch(name, pretrained, tmp_path / "kept")  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(
    ("name", "pretrained", "message"),
    [
        (
            "torchvision:resnet50",
            "IMAGENET1K_V3",
            "torchvision:resnet50 has no 'IMAGENET1K_V3', choose one such as IMAGENET1K_V",
        ),
        ("timm:convnext_atto", "d3_in1k", "timm:convnext_atto has no 'd3_in1k', choose one such as d2_in1k"),
        ("python:nets:make", True, "nobody publishes weights of python:nets:make, give a file"),
    ],
)
def test_weights_that_nobody_publishes(name: str, pretrained: str | bool, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"^pretrained: {message}"):
        fetch(name, pretrained, tmp_path)  # type: ignore[arg-type]


def test_a_backbone_with_weights_of_a_file(tmp_path: Path) -> None:
    trained = nemo.build_backbone("torchvision:mobilenet_v3_small", 20, image_size=32)
    torch.save(trained.state_dict(), tmp_path / "trained.pth")
    network = nemo.build_backbone(
        "torchvision:mobilenet_v3_small", 3, image_size=(32, 48), pretrained=str(tmp_path / "trained.pth")
    )
    state, own = trained.state_dict(), network.state_dict()
    assert torch.equal(own["features.0.0.weight"], state["features.0.0.weight"])
    assert own["classifier.3.weight"].shape[0] == 3
    with pytest.raises(nemo.UserError, match=r"^pretrained: there are no weights of resnet18"):
        nemo.build_backbone("resnet18", 3, pretrained=True)
