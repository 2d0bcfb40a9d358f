"""Reading the small tables and values of a results folder, forgiving about what is absent, not about what is wrong."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from convscope.errors import UserError
from convscope.jobs.job import check
from convscope.storage.tables import read_rows

Row = dict[str, str]


@dataclass(frozen=True)
class PredictedImage:
    """What the tables say of an image; `confidence` in 0..1, `correct` is None where the truth is unknown."""

    id: str
    path: str
    class_name: str
    predicted: str
    confidence: float | None
    correct: bool | None
    photo: Path | None


def read_table(path: Path, required: tuple[str, ...] = ()) -> list[Row]:
    """Rows of a CSV file; an absent file is an empty table.

    Raises:
        UserError: a required column is missing, or the file is damaged.
    """
    if not path.is_file():
        return []
    check([path])
    rows = read_rows(path)
    for name in required:
        if rows and name not in rows[0]:
            raise UserError(f"{path}: no column '{name}'; delete the file and run again")
    return [{name: text_of(cell) for name, cell in row.items()} for row in rows]


def text_of(text: str) -> str:
    """Text that can be written as UTF-8: bytes of a file name that are not become the replacement character."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def read_object(path: Path) -> dict[str, Any]:
    """A JSON object; an absent file is an empty one.

    Raises:
        UserError: the file is not a JSON object.
    """
    if not path.is_file():
        return {}
    check([path])
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: not JSON ({error}); delete the file and run again") from None
    if not isinstance(value, dict):
        raise UserError(f"{path}: not a JSON object; delete the file and run again")
    return value


def scalars(value: dict[str, Any]) -> dict[str, Any]:
    """The entries of an object that fit in one cell of a table: text, numbers, yes or no, short lists of them."""
    simple = (str, int, float, bool)
    return {
        key: entry
        for key, entry in value.items()
        if isinstance(entry, simple)
        or (isinstance(entry, list) and 0 < len(entry) <= 4 and all(isinstance(part, simple) for part in entry))
    }


def number(value: Any) -> float | None:
    """A finite number, or None for anything else (an empty cell, NaN, a word)."""
    try:
        result = float(value)
    except (TypeError, ValueError):
        return None
    return result if math.isfinite(result) else None


def truth(value: Any) -> bool | None:
    """A yes / no cell as other jobs write it (True, 1, 1.0, yes); None where it is empty."""
    text = str(value).strip().lower()
    if text in {"true", "1", "1.0", "yes"}:
        return True
    if text in {"false", "0", "0.0", "no"}:
        return False
    return None


def existing(path: Path) -> Path | None:
    """The path, if a file is there."""
    return path if path.is_file() else None


def folders(path: Path) -> list[str]:
    """Names of the folders inside a folder, sorted; none where it is absent."""
    return sorted(entry.name for entry in path.iterdir() if entry.is_dir()) if path.is_dir() else []


def read_config(given: str) -> dict[str, Any]:
    """A study's config from JSON text (it starts with `{`), or from a JSON or YAML file.

    Raises:
        UserError: no such file, or not a mapping.
    """
    text, where = given, "--config"
    if not given.lstrip().startswith("{"):
        where = given
        if not Path(given).is_file():
            raise UserError(f"--config {given}: no such file; give a JSON or YAML file, or JSON text")
        text = Path(given).read_text(encoding="utf-8")
    try:
        value = yaml.safe_load(text) if where.endswith((".yaml", ".yml")) else json.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        raise UserError(f"{where}: cannot be read as a config ({str(error).splitlines()[0]})") from None
    if not isinstance(value, dict):
        raise UserError(f"{where}: not a mapping; a config has keys such as 'study' and 'models'")
    return value
