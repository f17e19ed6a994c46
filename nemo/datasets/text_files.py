"""Tables of texts and labels: parquet, CSV and JSON lines, read into columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet as pq

from nemo.datasets.columns import class_names
from nemo.datasets.files import content_sha256
from nemo.datasets.shards import find_shards
from nemo.errors import UserError
from nemo.zoo.failures import reason

KINDS = (".parquet", ".csv", ".tsv", ".jsonl", ".json")
"""How the names of files with texts end; all files of a part are of one kind."""

_SHOWN = 10


def find_tables(name: str, folder: Path, part: str) -> list[Path]:
    """The files of `train` or `test`.

    Raises:
        UserError: There is none, or files of several kinds.
    """
    single = [kind for kind in KINDS if (folder / f"{part}{kind}").is_file()]
    if not single and any(file.is_file() for file in folder.glob(f"{part}*.parquet")):
        single = [".parquet"]
    if not single:
        raise UserError(
            f"dataset {name}: {folder} has no {part}.parquet, {part}.csv or {part}.jsonl; add it or correct the path."
        )
    if len(single) > 1:
        raise UserError(
            f"dataset {name}: {folder} has {' and '.join(f'{part}{kind}' for kind in single)}; leave files of one kind "
            "there."
        )
    if single[0] == ".parquet":
        return find_shards(name, folder, part)
    return [folder / f"{part}{single[0]}"]


class Table:
    """One file's columns.

    Args:
        path: The file.
        texts: Names of the columns that are texts, whatever they look like; where a file has no types of its own.

    Raises:
        UserError: It is missing, damaged or no table, or not in UTF-8.
    """

    def __init__(self, path: Path, texts: tuple[str, ...]) -> None:
        self.path = path
        self.sha256 = content_sha256(path)  # refuses what cannot be read
        try:
            if path.suffix != ".parquet":
                path.read_bytes().decode()  # in all of it, and not in the texts alone
            self._table = _READERS[path.suffix](path, texts)
        except (pa.ArrowException, OSError, UnicodeError, ValueError) as error:
            raise _damaged(path, error) from error

    @property
    def names(self) -> list[str]:
        """Of the columns."""
        return list(self._table.column_names)

    def is_text(self, column: str) -> bool:
        """Whether a column holds texts."""
        kind = self._table.schema.field(column).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

    def is_whole(self, column: str) -> bool:
        """Whether a column holds whole numbers."""
        return bool(pa.types.is_integer(self._table.schema.field(column).type))

    def class_names(self, column: str) -> list[str] | None:
        """The names of a column's labels, as the `datasets` library writes them into a schema."""
        return class_names(self._table.schema, column)

    def texts(self, column: str) -> list[str]:
        """A column of texts.

        Raises:
            UserError: It holds something else, a text is missing or empty, or is not in UTF-8.
        """
        if not self.is_text(column):
            kind = self._table.schema.field(column).type
            raise UserError(f"{self.path}: its column {column!r} has the type {kind} and holds no texts; name another.")
        values = self._values(column)
        for row, value in enumerate(values):
            if value is None or not value.strip():
                raise UserError(f"{self.path}: the {column} in row {row} is empty; remove the row.")
        return values

    def labels(self, column: str) -> list[Any]:
        """A column of labels: whole numbers, or names.

        Raises:
            UserError: It holds something else, or a label is missing.
        """
        if not (self.is_text(column) or self.is_whole(column)):
            kind = self._table.schema.field(column).type
            raise UserError(
                f"{self.path}: its column {column!r} has the type {kind}, and labels are names or whole numbers; name "
                "another with the dataset's option label."
            )
        values = self._values(column)
        if None in values or "" in values:
            row = next(row for row, value in enumerate(values) if value in (None, ""))
            raise UserError(f"{self.path}: the {column} in row {row} is empty; remove the row.")
        return values

    def _values(self, column: str) -> list[Any]:
        try:
            values: list[Any] = self._table.column(column).to_pylist()
        except UnicodeError as error:
            raise _damaged(self.path, error) from error
        return values

    def column(self, wanted: str | None, usual: tuple[str, ...], what: str, option: str) -> str:
        """The name of a column: the wanted one, or the first of the usual ones that is there.

        Raises:
            UserError: There is none, or more than one.
        """
        for name in (wanted,) if wanted is not None else usual:
            if self.names.count(name) > 1:
                raise UserError(f"{self.path} has {self.names.count(name)} columns {name!r}; rename all but one.")
            if name in self.names:
                return name
        listed = ", ".join(map(repr, self.names[:_SHOWN]))
        raise UserError(
            f"{self.path} has no column {wanted or usual[0]!r} with the {what} among {listed}; name it with the "
            f"dataset's option {option}."
        )


def _parquet(path: Path, texts: tuple[str, ...]) -> pa.Table:
    return pq.read_table(path)


def _separated(delimiter: str, *, quotes: bool) -> Callable[[Path, tuple[str, ...]], pa.Table]:
    def read(path: Path, texts: tuple[str, ...]) -> pa.Table:
        return pyarrow.csv.read_csv(
            path,
            read_options=pyarrow.csv.ReadOptions(block_size=_block(path)),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter=delimiter, quote_char='"' if quotes else False, newlines_in_values=quotes
            ),
            convert_options=pyarrow.csv.ConvertOptions(column_types=dict.fromkeys(texts, pa.string())),
        )

    return read


def _json_lines(path: Path, texts: tuple[str, ...]) -> pa.Table:
    read_options = pyarrow.json.ReadOptions(block_size=_block(path))
    table = pyarrow.json.read_json(path, read_options)
    dated = [
        name for name in texts if name in table.column_names and pa.types.is_temporal(table.schema.field(name).type)
    ]
    if not dated:
        return table
    as_texts = pyarrow.json.ParseOptions(explicit_schema=pa.schema([(name, pa.string()) for name in dated]))
    return pyarrow.json.read_json(path, read_options, as_texts)


def _block(path: Path) -> int:
    """Bytes that are read at a time: a row may be no longer."""
    return min(2**31 - 1, max(2**20, path.stat().st_size))


_READERS: Mapping[str, Callable[[Path, tuple[str, ...]], pa.Table]] = {
    ".parquet": _parquet,
    ".csv": _separated(",", quotes=True),
    ".tsv": _separated("\t", quotes=False),  # as is usual there: a quote is a quote
    ".jsonl": _json_lines,
    ".json": _json_lines,
}


def _damaged(path: Path, error: Exception) -> UserError:
    if isinstance(error, UnicodeError) or "utf" in str(error).lower():
        return UserError(f"{path} is not in UTF-8 ({reason(error)}); write it again in UTF-8.")
    kind = "parquet file" if path.suffix == ".parquet" else f"table ({path.suffix})"
    return UserError(f"{path} is damaged or no {kind} ({reason(error)}); write it again.")
