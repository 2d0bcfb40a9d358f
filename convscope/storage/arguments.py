"""Long settings and long lists as arguments of a command: Linux takes no argument of 131,072 bytes, and a shell's command is one.

What is too long lies in a file, named by its content, and the argument names the file.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from convscope.errors import UserError
from convscope.storage.files import write_text

# A command has several of them.
LONGEST = 16_000
_TEXT, _LINES = "@text:", "@lines:"


def as_argument(text: str, folder: str | os.PathLike[str]) -> str:
    """A text, or, where it is long, `@text:` and a file in `folder` that holds it."""
    if len(os.fsencode(text)) <= LONGEST and not text.startswith((_TEXT, _LINES)):
        return text
    return f"{_TEXT}{_kept(text, folder)}"


def as_arguments(values: Iterable[str | os.PathLike[str]], folder: str | os.PathLike[str]) -> list[str]:
    """A list of paths or words, or, where it is long, `@lines:` and a file in `folder` that holds one a line.

    Raises:
        UserError: a long list of which one holds a line break.
    """
    words = [os.fspath(value) for value in values]
    taken = any(word.startswith((_TEXT, _LINES)) for word in words)
    if sum(len(os.fsencode(word)) + 3 for word in words) <= LONGEST and not taken:
        return words
    if broken := next((word for word in words if len(f"{word}.".splitlines()) != 1), None):
        raise UserError(f"{broken!r}: a line break in a name; rename it")
    lines = "".join(f"{word}\n" for word in words)
    return [f"{_LINES}{_kept(lines, folder)}"]


def read_arguments(given: Sequence[str]) -> list[str]:
    """Arguments as they were meant: those of files read from there.

    Raises:
        OSError: a file is not there.
    """
    read: list[str] = []
    for argument in given:
        if argument.startswith(_TEXT):
            read.append(Path(argument.removeprefix(_TEXT)).read_text(encoding="utf-8"))
        elif argument.startswith(_LINES):
            read.extend(Path(argument.removeprefix(_LINES)).read_text(encoding="utf-8").splitlines())
        else:
            read.append(argument)
    return read


def _kept(text: str, folder: str | os.PathLike[str]) -> Path:
    path = Path(folder) / f"{hashlib.sha256(os.fsencode(text)).hexdigest()[:16]}.txt"
    try:
        there = path.read_text(encoding="utf-8")
    except (OSError, ValueError):
        there = None
    if there != text:
        write_text(path, text)
    return path
