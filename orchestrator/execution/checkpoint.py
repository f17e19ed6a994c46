"""A checkpoint: the state of a training or a search, in a file that is read only if its checksum and its step fit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import torch

from nemo.errors import UserError
from orchestrator.execution.context import Context
from orchestrator.plan.step import Step
from orchestrator.storage import layout
from orchestrator.storage.files import Unwritable

NOT_ITS_FAULT = (torch.OutOfMemoryError, torch.AcceleratorError, MemoryError, OSError)
"""Errors while reading a file that do not mean it is damaged: too little memory, or a device or disk in trouble."""


class Checkpoint:
    """The state of one step while it runs: `checkpoints/<key>/state.pt` in the study's store.

    The file's first line is the SHA-256 of the step's key and of what follows. A file that does not fit it, because it
    was cut short, a bit flipped, or it belongs to another step, is moved to `quarantine/` and the step starts again.
    What fits is read with `weights_only`: tensors and plain values, and nothing that could run.

    Attributes:
        name: Its file's.
        damage: Why a file was moved to the quarantine, as a sentence; empty if none was.
    """

    def __init__(self, context: Context, step: Step) -> None:
        self._store, self._folder = context.store, layout.checkpoints(step.key)
        self._step = step
        self.name = layout.checkpoint(step.key)
        self.damage = ""

    def save(self, state: Mapping[str, Any]) -> None:
        """Replaces the checkpoint as a whole.

        When a training is stopped, its folder is deleted. Its workers live a moment longer; what they save is dropped.

        Raises:
            Unwritable: The store cannot be written, or is full.
        """
        if not self._store.has_folder(self._folder):
            return
        buffer = io.BytesIO()
        torch.save(dict(state), buffer)
        content = buffer.getbuffer()
        with self._store.writing(self.name) as path, open(path, "wb") as file:
            file.write(self._checksum(content) + b"\n")
            file.write(content)

    def load(self) -> dict[str, Any] | None:
        """The state that was saved last, on the CPU; None where there is none, or none that can be used.

        Makes the folder to save in.

        Raises:
            OSError: The file cannot be read now; nothing is known of it.
        """
        self._store.make_folder(self._folder)
        try:
            data = self._store.read(self.name)
        except Unwritable:
            raise
        except UserError as error:
            raise OSError(str(error)) from error
        if data is None:
            return None
        checksum, _, content = data.partition(b"\n")
        try:
            if checksum != self._checksum(content):
                raise ValueError("its checksum is wrong")
            state: dict[str, Any] = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except NOT_ITS_FAULT:
            raise
        except Exception as error:  # whatever it is, the next start would meet it again
            self.discard(error)
            return None
        return state

    def discard(self, reason: Exception) -> None:
        """Moves the file to the quarantine and describes that in `damage`."""
        self._store.set_aside(self.name, layout.QUARANTINE)
        cause = str(reason).partition("\n")[0].rstrip(".")
        name, folder = self._store.where(self.name), self._store.where(layout.QUARANTINE)
        self.damage = f"{name}: moved to {folder}, {cause}; {self._step.label} starts again."

    def _checksum(self, content: bytes | memoryview) -> bytes:
        digest = hashlib.sha256(self._step.key.encode())
        digest.update(content)
        return digest.hexdigest().encode()
