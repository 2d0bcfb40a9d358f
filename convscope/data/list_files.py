"""The rows of a list as its file holds them: CSV with any of the usual signs between cells, and JSON lines. Imports nothing heavy."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from convscope.errors import UserError


class Record(dict[str, str]):
    """A row: texts by column. `fault` says why it cannot count."""

    fault = ""


def records(table: Path) -> list[Record]:
    """The rows of a list.

    Raises:
        UserError: it cannot be read as one.
    """
    try:
        text = table.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{table}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{table}: the list cannot be read: {error.strerror}") from None
    rows = _json_lines(table, text) if table.suffix.lower() in (".jsonl", ".json", ".ndjson") else _cells(table, text)
    return [_sound(row) for row in rows]


def header(line: str) -> list[str]:
    """The columns that the first line of a CSV names."""
    return next(csv.reader([line], delimiter=_delimiter(line)), [])


def _cells(table: Path, text: str) -> list[Record]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        names = [name.strip() for name in next(lines, [])]
        named = [name for name in names if name]  # a spreadsheet ends its lines with empty cells
        if len(set(named)) < len(named):
            raise UserError(f"{table}: two columns have one name: {', '.join(names)}")
        return [_row(names, cells) for cells in lines if cells]
    except csv.Error as error:
        raise UserError(f"{table}: line {lines.line_num}: {error}") from None


def _row(names: list[str], cells: list[str]) -> Record:
    row = Record((name, cell) for name, cell in zip(names, cells, strict=False) if name)
    count = max((place for place, name in enumerate(names, start=1) if name), default=0)
    if any(cell.strip() for cell in cells[count:]):
        # New York, NY without quotes: the cells are not what their columns say.
        row.fault = "its row has more cells than there are columns with a name; put a text with a comma into quotes"
    return row


def _delimiter(text: str) -> str:
    """What parts the cells of a CSV: whichever of the usual signs is the most frequent in its first line."""
    return max(",;\t", key=text.split("\n", 1)[0].count)


def _json_lines(table: Path, text: str) -> list[Record]:
    rows = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if not isinstance(row, dict):
            raise UserError(
                f'{table}: line {number} is no JSON object such as {{"file_name": "a.png", "label": "cat"}}'
            )
        rows.append(Record((str(name), _text(value)) for name, value in row.items()))
    return rows


def _text(value: Any) -> str:
    """A value of JSON as a cell has it: texts, numbers, or a list of them with | between."""
    if isinstance(value, list):
        return "|".join(_text(part) for part in value if not isinstance(part, list))
    return "" if value is None or isinstance(value, dict) else str(value)


def _sound(row: Record) -> Record:
    """A row that any table can be told of: signs that no file name and no text has are its fault."""
    for name, text in row.items():
        plain = text.replace("\0", "?").encode("utf-8", "replace").decode()
        if plain != text:
            row[name], row.fault = plain, row.fault or f"a sign in its row that is no text ({name}: {plain})"
    return row
