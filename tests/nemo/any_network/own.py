"""Networks as users write them, with what libraries' networks don't have."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.example import Example


class Densely(nn.Module):
    """Concatenations, a channel shuffle, a gate on channels, and a sum that counts one branch twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.left = nn.Conv2d(12, 16, 3, padding=1)
        self.right = nn.Sequential(nn.Conv2d(12, 16, 1), nn.BatchNorm2d(16), nn.PReLU(16))
        self.gate = nn.Conv2d(32, 32, 1)
        self.last = nn.Conv2d(32, 24, 3, stride=2)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        y = torch.cat([self.left(x), self.right(x)], 1)
        y = F.channel_shuffle(y, 4)
        y = y * torch.sigmoid(self.gate(y.mean((2, 3), keepdim=True)))
        a, b = y.chunk(2, dim=1)
        y = torch.cat([a + b, a - b], 1)
        out: Tensor = self.head(F.relu(self.last(y)).mean((2, 3)))
        return out


class Channels(nn.Module):
    """Operations along the channels: a convolution, a mean to compare with, a softmax; a norm without statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.second = nn.Conv2d(3, 12, 3), nn.Conv2d(12, 16, 3), nn.Conv2d(16, 16, 3)
        self.norm = nn.BatchNorm2d(16, track_running_stats=False)
        self.along = nn.Conv1d(1, 1, 3, padding=1, bias=False)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(F.relu(self.stem(x)))
        x = x * torch.sigmoid(self.along(x.mean((2, 3))[:, None])[:, 0, :, None, None])
        x = self.second(F.relu(self.norm(x)))
        x = x - x.mean(1, keepdim=True) + x.softmax(1)
        out: Tensor = self.head(F.relu(x).mean((2, 3)))
        return out


class Unet(nn.Module):
    """Skips across scales, transposed and nearest upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList(
            [nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 16, 3, padding=1), nn.Conv2d(16, 24, 3, padding=1)]
        )
        self.up = nn.ModuleList(
            [nn.ConvTranspose2d(24, 16, 2, stride=2), nn.Conv2d(32, 8, 3, padding=1), nn.Conv2d(16, 12, 3, padding=1)]
        )
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        one = F.relu(self.down[0](x))
        two = F.relu(self.down[1](F.max_pool2d(one, 2)))
        three = F.relu(self.down[2](F.max_pool2d(two, 2)))
        y = torch.cat([self.up[0](three), two], 1)
        y = F.interpolate(F.relu(self.up[1](y)), scale_factor=2.0)
        y = F.relu(self.up[2](torch.cat([y, one], 1)))
        out: Tensor = self.head(y.amax((2, 3)))
        return out


class Recurrent(nn.Module):
    """An LSTM over what convolutions see."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv1d(4, 16, 3, padding=1), nn.Conv1d(16, 24, 3, stride=2)
        self.lstm = nn.LSTM(24, 20, batch_first=True)
        self.hidden, self.head = nn.Linear(20, 16), nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        y = F.gelu(self.second(F.relu(self.first(x)))).transpose(1, 2)
        y, _ = self.lstm(y)
        out: Tensor = self.head(F.relu(self.hidden(y)).mean(1))
        return out


class Encoder(nn.Module):
    """`nn.TransformerEncoder` over tokens of two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.kinds = nn.Embedding(50, 24), nn.Embedding(3, 24)
        layer = nn.TransformerEncoderLayer(24, 3, 48, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(24, 4)

    def forward(self, words: Tensor, kinds: Tensor) -> Tensor:
        out: Tensor = self.head(self.layers(self.words(words) + self.kinds(kinds))[:, 0])
        return out


class Groups(nn.Module):
    """Group norms, grouped and depthwise convolutions, a dilated one, layer scale and a residual of other width."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.wide, self.depth, self.narrow = (
            nn.Conv2d(16, 48, 1),
            nn.Conv2d(48, 48, 3, padding=1, groups=48),
            nn.Conv2d(48, 16, 1),
        )
        self.norm, self.scale = nn.GroupNorm(4, 48), nn.Parameter(torch.rand(16, 1, 1))
        self.grouped = nn.Conv2d(16, 32, 3, padding=2, dilation=2, groups=4)
        self.mixed = nn.Conv2d(32, 32, 1)
        self.head = nn.Linear(32, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        x = x + self.scale * self.narrow(F.hardswish(self.norm(self.depth(self.wide(x)))))
        y = F.pad(x, (0, 0, 0, 0, 8, 8)) + F.relu(self.grouped(x))
        out: Tensor = self.head(F.leaky_relu(self.mixed(y)).mean((2, 3)))
        return out


class Volume(nn.Module):
    """Three dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(
                nn.Conv3d(1, 8, 3, padding=1),
                nn.ReLU(),
                nn.Conv3d(8, 16, 3),
                nn.BatchNorm3d(16),
                nn.ReLU(),
                nn.MaxPool3d(2),
            ),
            *(nn.Conv3d(16, 16, 1), nn.ReLU(), nn.Dropout3d(0.2), nn.AdaptiveAvgPool3d(1), nn.Flatten()),
        )
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(x))
        return out


class Signal(nn.Module):
    """One dimension, gated units, no padding, and a flatten that makes features of positions."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = nn.Conv1d(2, 16, 5), nn.Conv1d(16, 32, 3), nn.Conv1d(16, 12, 3)
        self.norm = nn.BatchNorm1d(12)
        self.hidden, self.head = nn.Linear(12 * 4, 20), nn.Linear(20, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.glu(self.second(F.relu(self.first(x))), dim=1)
        x = F.adaptive_avg_pool1d(F.elu(self.norm(self.third(x))), 4)
        out: Tensor = self.head(F.relu(self.hidden(x.flatten(1))))
        return out


class Quiet(nn.Module):
    """Constants on the way: a region without gradients, a buffer of positions, a write to a part of a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 16, 4, stride=4)
        self.register_buffer("positions", torch.rand(1, 16, 16))
        self.token = nn.Parameter(torch.rand(1, 1, 16))
        self.one, self.two, self.three = nn.Linear(16, 32), nn.Linear(32, 16), nn.Linear(16, 24)
        self.head = nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.embed(x).flatten(2).transpose(1, 2)
        with torch.no_grad():
            waves = torch.sin(torch.arange(16, dtype=x.dtype))
        tokens = torch.cat([self.token.expand(x.shape[0], -1, -1), tokens + self.positions + waves], 1)
        y = self.two(F.gelu(self.one(tokens)))
        y[:, 1:] += tokens[:, 1:]
        out: Tensor = self.head(torch.tanh(self.three(y)).mean(1))
        return out


class Heads(nn.Module):
    """Attention by einsum-free products with a bias, of its own scale, and heads that share keys."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(40, 24)
        self.query, self.key, self.value, self.out = (
            nn.Linear(24, 24),
            nn.Linear(24, 8),
            nn.Linear(24, 8),
            nn.Linear(24, 24),
        )
        self.bias = nn.Parameter(torch.rand(3, 10, 10))
        self.head = nn.Linear(24, 4)

    def forward(self, words: Tensor) -> Tensor:
        x = self.words(words)
        query = self.query(x).view(x.shape[0], 10, 3, 8).permute(0, 2, 1, 3)
        key, value = self.key(x)[:, None], self.value(x)[:, None]
        weights = (0.3 * query @ key.transpose(-1, -2).expand(-1, 3, -1, -1) + self.bias).softmax(-1)
        y = (weights @ value.expand(-1, 3, -1, -1)).transpose(1, 2).reshape(x.shape[0], 10, 24)
        out: Tensor = self.head((x + self.out(y)).mean(1))
        return out


class Shared(nn.Module):
    """One layer used twice, between others."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.twice, self.last = nn.Conv2d(3, 16, 3), nn.Conv2d(16, 16, 3, padding=1), nn.Conv2d(16, 16, 3)
        self.head = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.first(x))
        x = F.relu(self.twice(F.relu(self.twice(x))))
        out: Tensor = self.head(F.relu(self.last(x)).mean((2, 3)))
        return out


def _rand(*shape: int) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(5))


def _numbers(high: int, *shape: int) -> Tensor:
    return torch.randint(high, shape, generator=torch.Generator().manual_seed(5))


class Standardised(nn.Module):
    """Features scaled by their own spread and range, complex numbers, and a gate that is multiplied by masked units."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.second = (nn.Conv2d(each, 8, 3, padding=1) for each in (3, 8, 8))
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True)
        low, high = x.amin((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        gate = torch.sqrt((x - low) / (high - low))
        turned = torch.view_as_complex(x.unflatten(3, (-1, 2)).contiguous())
        y = F.relu(self.first(torch.view_as_real(turned * turned).flatten(3))) * gate
        out: Tensor = self.head(F.relu(self.second(y)).mean((2, 3)))
        return out


class Levels(nn.Module):
    """A table that is looked up by what a layer says."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.first, self.second = (nn.Conv2d(each, 8, 3, padding=1) for each in (3, 8, 8))
        self.table = nn.Embedding(7, 8)
        self.head = nn.Linear(8, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu6(self.stem(x))
        y = F.relu(self.first(x)) + self.table(x.amin(1).round().long()).movedim(-1, 1)
        out: Tensor = self.head(F.relu(self.second(y)).mean((2, 3)))
        return out


OWN: dict[str, Callable[[], tuple[nn.Module, Example]]] = {
    "densely": lambda: (Densely(), _rand(3, 3, 12, 16)),
    "channels": lambda: (Channels(), _rand(3, 3, 12, 12)),
    "unet": lambda: (Unet(), _rand(3, 3, 16, 16)),
    "lstm": lambda: (Recurrent(), _rand(3, 4, 21)),
    "encoder": lambda: (Encoder(), (_numbers(50, 3, 9), _numbers(3, 3, 9))),
    "groups": lambda: (Groups(), _rand(3, 3, 12, 12)),
    "volume": lambda: (Volume(), _rand(3, 1, 8, 9, 10)),
    "signal": lambda: (Signal(), _rand(3, 2, 30)),
    "quiet": lambda: (Quiet(), _rand(3, 3, 16, 16)),
    "heads": lambda: (Heads(), _numbers(40, 3, 10)),
    "standardised": lambda: (Standardised(), _rand(3, 3, 8, 8)),
    "levels": lambda: (Levels(), _rand(3, 3, 12, 12)),
    "shared": lambda: (Shared(), _rand(3, 3, 12, 12)),
}
