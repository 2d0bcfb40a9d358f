"""CSV tables of typed rows: one format for every table of the pipeline, the same bytes for the same rows.

A row is a dataclass whose fields are `str`, `int`, `float` or `bool`; the column `class`, a Python keyword, is its
field `class_`. A field with a default is a column of the tables alone in which a row differs from it. Plain dicts are read and
written too. Any file name survives: commas, quotes, line breaks and
bytes that are not UTF-8.

A spreadsheet takes a cell that begins with = + - @ (or a tab, or a carriage return) for a formula, and runs it. Names of files
and of archives' members come from anywhere, so such a text gets an apostrophe in front, which spreadsheets take for "this is
text" (https://owasp.org/www-community/attacks/CSV_Injection). Reading takes it off again: what is read is what was written. Text
that is a number, -0.5, stays one.
"""

import csv
import dataclasses
import os
import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from convscope.errors import UserError, nearest
from convscope.storage.files import atomic_path

Row = TypeVar("Row")

# Their full-width forms too, which spreadsheets of some languages take for the same.
_FORMULA = re.compile("'*[=+\\-@\t\r\uff1d\uff0b\uff0d\uff20]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|nan)")
# A semicolon or a tab parts cells where a comma is the decimal sign: unquoted, a formula could begin behind it.
_QUOTED = frozenset(',;\t"\r\n')


def write_table(path: str | os.PathLike[str], rows: Iterable[Any], columns: Sequence[str] | type) -> None:
    """Write rows in one step.

    Args:
        path: the CSV file.
        rows: dataclass instances, or mappings from column to value. None is an empty cell, booleans are
            `true`/`false`, floats have the fewest digits that read back as the same number.
        columns: the columns in order, or the row type they are taken from. They are written even where there is no row, but
            for those of fields with a default that every row has.

    Raises:
        ValueError: a row lacks a column or has one too many.
    """
    if isinstance(columns, type):
        rows, fields = list(rows), {_column(field): field.default for field in dataclasses.fields(columns)}
        names = [name for name, default in fields.items() if _is_told(name, default, rows)]
        rows = [{name: value for name, value in to_dict(row).items() if name in names} for row in rows]
    else:
        names = list(columns)
    with (
        atomic_path(path) as temporary,
        temporary.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        stream.write(_line([_masked(name) for name in names]))
        for row in rows:
            values = row if isinstance(row, Mapping) else to_dict(row)
            if set(values) != set(names):
                raise ValueError(f"{path}: a row has the columns {sorted(values)}, the table {sorted(names)}")
            stream.write(_line([_text(values[name]) for name in names]))


def read_rows(path: str | os.PathLike[str]) -> list[dict[str, str]]:
    """Read a table as dicts of text.

    Raises:
        UserError: there is no such table, or a row has not as many cells as there are columns.
    """
    return list(iterate_rows(path))


def count_rows(path: str | os.PathLike[str]) -> int:
    """How many rows a table has; none of them is kept.

    Raises:
        UserError: as of `read_rows`.
    """
    return sum(1 for _ in iterate_rows(path))


def iterate_rows(path: str | os.PathLike[str]) -> Iterator[dict[str, str]]:
    """The rows of a table, one after the other; see `read_rows`."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such table")
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        lines = csv.reader(stream)
        names = [_unmasked(name) for name in next(lines, [])]
        if not names:
            raise UserError(f"{path}: the table has no header line")
        for cells in lines:
            if len(cells) != len(names):
                raise UserError(f"{path}: line {lines.line_num} has {len(cells)} cells, the header {len(names)}")
            yield dict(zip(names, map(_unmasked, cells), strict=True))


def read_table(path: str | os.PathLike[str], row_type: type[Row]) -> list[Row]:
    """Read a table as typed rows; columns the row type does not know are left out.

    Raises:
        UserError: a column is missing or a cell is not of the column's type.
    """
    types = typing.get_type_hints(row_type)
    fields = dataclasses.fields(row_type)  # type: ignore[arg-type]
    result = []
    for number, cells in enumerate(iterate_rows(path), start=1):
        values = {}
        for field in fields:
            name = _column(field)
            if name not in cells:
                if field.default is not dataclasses.MISSING:
                    continue
                raise UserError(f"{path}: no column '{name}' ({nearest(name, cells)})")
            try:
                values[field.name] = _value(cells[name], types[field.name])
            except ValueError:
                kind = getattr(types[field.name], "__name__", str(types[field.name]))
                raise UserError(f"{path}: row {number}: {name} is {cells[name]!r}, not {kind}") from None
        result.append(row_type(**values))
    return result


def to_dict(row: Any) -> dict[str, Any]:
    """A dataclass row as a dict from column to value."""
    return {_column(field): getattr(row, field.name) for field in dataclasses.fields(row)}


def _is_told(name: str, default: Any, rows: Sequence[Any]) -> bool:
    field = name if name != "class" else "class_"
    return default is dataclasses.MISSING or any(getattr(row, field) != default for row in rows)


def _column(field: "dataclasses.Field[Any]") -> str:
    return field.name.removesuffix("_")


def _line(cells: Sequence[str]) -> str:
    # Not csv.writer: which cells it quotes (those with a carriage return) differs between versions of Python.
    quoted = ['"' + cell.replace('"', '""') + '"' if _QUOTED & set(cell) else cell for cell in cells]
    return (",".join(quoted) if quoted != [""] else '""') + "\n"


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, str | os.PathLike):
        return _masked(str(value))
    # str() of a float32 has float32's digits; float() first would spell out its rounding error.
    return str(value)


def _masked(text: str) -> str:
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


def _unmasked(text: str) -> str:
    # What begins with apostrophes and a formula's sign had one more put in front.
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def _value(text: str, kind: Any) -> Any:
    if kind is bool:
        if text.lower() in ("true", "1"):
            return True
        if text.lower() in ("false", "0"):
            return False
        raise ValueError(text)
    return kind(text)
