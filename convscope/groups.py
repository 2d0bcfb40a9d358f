"""Groups of an evaluation's predictions, as the config names them. Imports nothing: the workflow asks while it plans."""

from collections.abc import Iterable
from typing import Any

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


def same_class(name: str, known: Iterable[str]) -> str | None:
    """The known class that a name means: itself, else the one that differs in case or a plural s alone."""
    known = list(known)
    if name in known:
        return name
    return next((other for other in known if plain(other) == plain(name)), None)


def plain(name: str) -> str:
    """A class name without regard to case and to a plural s."""
    return name.strip().lower().removesuffix("s")
