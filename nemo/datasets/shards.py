"""The parquet files of a data set: which are read, whether all are there, and which are not read."""

from __future__ import annotations

import re
from collections import defaultdict
from itertools import islice
from pathlib import Path

from nemo.errors import UserError

_NUMBERED = re.compile(r"(?P<prefix>.*)-(?P<number>\d+)-of-(?P<total>\d+)(?=[-.])")  # train-00000-of-00002.parquet
_SHOWN = 3


def find_shards(name: str, folder: Path, part: str) -> list[Path]:
    """`train.parquet`, or else all of `train*.parquet`, in the order of their names.

    Args:
        name: The data set's, for messages.
        folder: Where they lie.
        part: `train` or `test`.

    Raises:
        UserError: There is none; some are missing of a set that says how many it has; or there is more than one set.
    """
    single = folder / f"{part}.parquet"
    found = [single] if single.is_file() else sorted(folder.glob(f"{part}*.parquet"))
    shards = [shard for shard in found if shard.is_file()]  # reading a pipe might never end
    if not shards:
        raise UserError(f"dataset {name}: {folder} has no {part}.parquet; add it or correct the path.")
    _check_numbers(name, folder, shards)
    return shards


def _check_numbers(name: str, folder: Path, shards: list[Path]) -> None:
    sets: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
    first: dict[tuple[str, int] | None, Path] = {}
    for shard in shards:
        match = _NUMBERED.match(shard.name)
        key = (match["prefix"], int(match["total"])) if match else None
        first.setdefault(key, shard)
        if match and key:
            sets[key].append(int(match["number"]))
    if sets and len(first) > 1:
        files = " and ".join(file.name for file in islice(first.values(), 2))
        raise UserError(
            f"dataset {name}: {folder} has {files}, which are not of one set; leave those of one set there."
        )
    for (prefix, total), numbers in sets.items():
        start = 1 if total in numbers and 0 not in numbers else 0  # some count from 1
        missing = (number for number in range(start, start + total) if number not in set(numbers))
        shown = [str(number) for number in islice(missing, _SHOWN + 1)]
        if shown:
            shown = [*shown[:_SHOWN], "..."] if len(shown) > _SHOWN else shown
            raise UserError(
                f"dataset {name}: {folder} has {len(set(numbers))} of the {total} files {prefix}-*-of-{total}, number "
                f"{', '.join(shown)} is missing; fetch all of them."
            )
        if len(numbers) != total:
            raise UserError(
                f"dataset {name}: {folder} has {len(numbers)} files {prefix}-*-of-{total}, but there are {total}; "
                "remove what is there twice."
            )


def unread(folder: Path, read: list[Path], kinds: tuple[str, ...] = (".parquet",), what: str = "parquet file") -> str:
    """The sentence about the files of these kinds beside those that are read; empty where there are none."""
    lying = sorted(file for file in folder.iterdir() if file.suffix.lower() in kinds and file not in read)
    if not lying:
        return ""
    names = ", ".join(file.name for file in lying[:_SHOWN]) + (", ..." if len(lying) > _SHOWN else "")
    count = f"1 {what} is" if len(lying) == 1 else f"{len(lying):,} {what}s are"
    return f"{count} not read: {names}."
