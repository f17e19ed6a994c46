"""The tokenizer that belongs to a network: read from its folder or the hub, and kept as one file of `tokenizers`.

Texts become tokens by the small library `tokenizers` alone, in training as where a module is deployed.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nemo.datasets.files import content_sha256
from nemo.errors import UserError
from nemo.zoo.failures import reason, reason_of_download

if TYPE_CHECKING:
    from tokenizers import Tokenizer

FILES = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "vocab.txt"),
    *("vocab.json", "vocab.bpe", "merges.txt", "bpe.codes", "tokenizer.model", "spiece.model", "spm.model"),
    *("sentencepiece.model", "sentencepiece.bpe.model", "source.spm", "target.spm", "chat_template.jinja"),
)
"""What a tokenizer may lie in, as transformers names it."""

_KIND = "config.json"  # tells which tokenizer it is, where its own files don't

_PART = 2**24  # see `nemo.tokens`, which imports torch
_CHUNK = 10_000  # texts at a time


class Tokens(NamedTuple):
    """Tokenized texts: int32 of all, where each begins and the last ends (int64 `[n + 1]`), how many were cut off."""

    flat: NDArray[np.int32]
    starts: NDArray[np.int64]
    cut: int

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return int(np.diff(self.starts).max(initial=0))


class TextTokenizer:
    """A tokenizer, without padding, and without the truncation that its file may ask for.

    Args:
        source: A folder, or `ID@REVISION` of the hub.
        dataset: The data set's name, for messages.

    Attributes:
        sha256: Of its files, in hex.

    Raises:
        UserError: There is none, or it cannot be fetched or read.
    """

    def __init__(self, source: str, dataset: str) -> None:
        self.source, self._dataset = source, dataset
        self._folder = _folder(source, dataset)
        self.sha256 = files_sha256(self._folder)

    @cached_property
    def document(self) -> str:
        """The whole of it, as a `tokenizer.json`."""
        try:
            return _document(self._folder, self.sha256)
        except Exception as error:
            raise UserError(
                f"dataset {self._dataset}: the tokenizer in {self.source} cannot be read ({reason(error)}); give the "
                "folder of the network's own tokenizer by the option tokenizer."
            ) from error

    def deployed(self, longest: int) -> str:
        """The `tokenizer.json` that goes with a module: it cuts texts off as in training, and pads a batch."""
        from tokenizers import Tokenizer

        read = Tokenizer.from_str(self.document)
        read.enable_truncation(longest, strategy="longest_first")
        read.enable_padding()  # with any token: the attention mask says where there is none
        document: str = read.to_str()
        return document

    @property
    def vocabulary(self) -> int:
        """One more than the highest number of a token."""
        return max(self._read.get_vocab(with_added_tokens=True).values()) + 1

    @cached_property
    def _read(self) -> Tokenizer:
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.document)

    def tokens(self, texts: Sequence[str], pairs: Sequence[str] | None, longest: int) -> Tokens:
        """Tokenizes texts, or pairs of texts; of what is longer the end is cut off, of a pair that of the longer text.

        Each number is the token's, plus `nemo.tokens.PART` in the second text of a pair.
        """
        self._read.enable_truncation(longest, strategy="longest_first")
        rows, cut = [], 0
        for chunk in _chunks(texts, pairs):
            for encoding in self._read.encode_batch(chunk):
                parts = np.asarray(encoding.type_ids, dtype=np.int32)
                rows.append(np.asarray(encoding.ids, dtype=np.int32) + _PART * parts)
                cut += bool(encoding.overflowing)
        lengths = np.asarray([len(row) for row in rows], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, dtype=np.int64), lengths.cumsum()])
        return Tokens(np.concatenate(rows) if rows else np.zeros(0, dtype=np.int32), starts, cut)


def files_sha256(folder: Path) -> str:
    """SHA-256 (hex) of the names and contents of a tokenizer's files."""
    digest = hashlib.sha256()
    for name in FILES:
        file = folder / name
        if file.is_file():
            digest.update(f"{name} {content_sha256(file)}\n".encode())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def _document(folder: Path, sha256: str) -> str:
    """The tokenizer in a folder with these files, by transformers, which knows all kinds of them."""
    from transformers import AutoTokenizer

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded: Any = AutoTokenizer.from_pretrained(str(folder), use_fast=True, trust_remote_code=False)
    backend = loaded.backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    document: str = backend.to_str()
    return document


def _folder(source: str, dataset: str) -> Path:
    folder = Path(source).expanduser()
    if folder.is_dir():
        if any((folder / name).is_file() for name in FILES):
            return folder.absolute()
        raise UserError(
            f"dataset {dataset}: {folder} has no tokenizer ({FILES[0]}, ...); save the network's own there with "
            "save_pretrained, or name its folder by the option tokenizer."
        )
    from nemo.zoo.transformers_config import cached_folder

    try:
        return cached_folder(source, (*FILES, _KIND))
    except Exception as error:
        raise UserError(
            f"dataset {dataset}: the tokenizer {source} cannot be fetched ({reason_of_download(error)}); give a folder "
            "that holds it by the option tokenizer."
        ) from error


def _chunks(texts: Sequence[str], pairs: Sequence[str] | None) -> Iterator[list[Any]]:
    for start in range(0, len(texts), _CHUNK):
        chunk = texts[start : start + _CHUNK]
        yield list(chunk) if pairs is None else list(zip(chunk, pairs[start : start + _CHUNK], strict=True))
