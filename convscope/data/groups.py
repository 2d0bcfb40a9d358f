"""Classes, and groups of an evaluation's predictions, as the config names them. Light: the workflow asks while it plans."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

from convscope.errors import UserError, nearest

GROUPS = (
    "errors",
    "correct",
    "all",
    "most_confident_errors",
    "true_positives:<class>",
    "false_negatives:<class>",
    "false_positives:<class>",
)


def group_text(group: Any) -> str:
    """A group as one text: `false_negatives:cat` of itself or of the mapping `{false_negatives: cat}`."""
    if isinstance(group, dict):
        return ":".join(str(part) for item in list(group.items())[:1] for part in item)
    return str(group)


def class_position(wanted: str | int, classes: Sequence[str], where: str) -> int:
    """Position of the class that a config means by a name or a number: the one rule for all choices of classes.

    A name comes first, and it makes no difference whether it was written 1 or "1". A number is a position only where no class
    has a number for its name: of classes called 1, 2 and 3, class 1 is the first of them, and there is no class 0.

    Args:
        wanted: a name, or a position from 0.
        classes: names, in order of the label.
        where: what has these classes, for the message.

    Raises:
        UserError: there is no such class; the nearest name is suggested.
    """
    text = str(wanted)
    if text in classes:
        return list(classes).index(text)
    if not re.fullmatch("-?[0-9]+", text):
        raise UserError(f"{where}: no class '{text}'; {nearest(text, classes)}")
    if any(_is_number(name) for name in classes):
        raise UserError(
            f"{where}: no class is called {text}, and classes with numbers for names have no other numbers; {nearest(text, classes)}"
        )
    if not 0 <= int(text) < len(classes):
        raise UserError(f"{where}: no class number {text}; it has 0 to {len(classes) - 1}")
    return int(text)


def _is_number(name: str) -> bool:
    """Whether a name could be written as a number in a config: of classes called +1 and -1, YAML's +1 is no position."""
    return re.fullmatch(r"[-+]?(0x[0-9a-f_]+|[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)", name.strip().lower()) is not None


def same_class(name: str, known: Iterable[str]) -> str | None:
    """The known class that a name means: itself, else the one that differs in case or a plural s alone."""
    known = list(known)
    if name in known:
        return name
    return next((other for other in known if plain(other) == plain(name)), None)


def plain(name: str) -> str:
    """A class name without regard to case and to a plural s."""
    return name.strip().lower().removesuffix("s")
