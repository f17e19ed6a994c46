"""A network as a user writes it, in a file of a folder of theirs."""

SOURCE = """\
from torch import nn
from torch.nn import functional as F


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.body = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2))
        self.more = nn.Sequential(nn.Conv2d(16, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.head = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.body(F.relu(self.stem(x)))
        return self.head((x + self.more(x)).mean((2, 3)))


def make(num_classes):
    return Net(num_classes)
"""
NAME = "python:nets.py:make"
