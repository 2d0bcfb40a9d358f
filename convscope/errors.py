"""Errors meant for people: one line that says what is wrong, where, and what to do."""

import difflib
import os
import re
from collections.abc import Iterable


class UserError(Exception):
    """A mistake the user can mend (a path, a config value, a missing download): shown as one line, no traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook instead of a traceback."""
        return [f"UserError: {self}"]


class ChangedFile(UserError):
    """A file is no longer what it was when it was listed.

    Args:
        what: the line.
        file: the file; where it is a result of the study, its seal says more.
    """

    def __init__(self, what: str, file: str | os.PathLike[str] = "") -> None:
        super().__init__(what)
        self.file = file


class BadImage(Exception):
    """A file that cannot be read as a picture; its text is the reason listed in the image set's table.

    Args:
        what: the reason.
        file: the file, where it is known.
    """

    def __init__(self, what: str, file: str | os.PathLike[str] = "") -> None:
        super().__init__(what)
        self.file = file


def in_one_line(text: str) -> str:
    """A text to show on a terminal: names of files, which strangers chose, may hold line breaks, and what moves its cursor."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def said_by_keras(error: Exception) -> str:
    """What an error of Keras or of what it runs on says, in one short line: of a layer's call the reason, which Keras puts second."""
    lines = [re.sub(r"\x1b\[\d*m|\{\{.*?\}\} ?", "", line).strip() for line in str(error).splitlines()]
    lines = [line for line in lines if line] or [type(error).__name__]
    return (lines[1] if lines[0].startswith("Exception encountered") and len(lines) > 1 else lines[0])[:150]


def nearest(name: str, valid: Iterable[str]) -> str:
    """Say which valid name is closest to a wrong one.

    Returns `"did you mean 'x'?"`, or the list of valid names (cut after twelve) where none is close.
    """
    names = [str(candidate) for candidate in valid]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    if close:
        return f"did you mean '{close[0]}'?"
    if not names:
        return "there are none to choose from"
    shown = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"valid: {shown}"
