"""Errors meant for people: one line that says what is wrong, where, and what to do."""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """A mistake the user can mend (a path, a config value, a missing download): shown as one line, no traceback."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook instead of a traceback."""
        return [f"UserError: {self}"]


class BadImage(Exception):
    """A file that cannot be read as a picture; its text is the reason listed in the image set's table."""


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
