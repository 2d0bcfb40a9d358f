"""Classes, and groups of an evaluation's predictions, as the config names them. Light: the workflow asks while it plans."""

import re
import unicodedata
from collections import Counter
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
    "most_wrong",
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
    """The known class that a name means: itself, else the one that differs in case or a plural s alone.

    Raises:
        UserError: several differ in that alone.
    """
    return same_classes([name], list(known))[0]


def same_classes(names: Sequence[str], known: Sequence[str]) -> list[str | None]:
    """For each of some names the known class that it means; None where it means none. The order of either counts for nothing.

    A name that is known means itself: of classes A and a, "a" is the second. Only then case, a plural s and the signs between words
    (stop_sign, stop-sign) are overlooked, and only for classes that no other name means: "Cats" is "cat", but not beside a "cat".

    Raises:
        UserError: a name may mean several classes, or several names the same one.
    """
    exact = {composed(other): other for other in known}
    found = [exact.get(composed(name)) for name in names]
    taken = {other for other in found if other is not None}
    alike: dict[str, list[str]] = {}
    for other in dict.fromkeys(known):
        if other not in taken:
            alike.setdefault(plain(other), []).append(other)
    for index, name in enumerate(names):
        if found[index] is None and (others := alike.get(plain(name))):
            if len(others) > 1:
                raise UserError(
                    f"class '{name}' may be {' or '.join(map(repr, others))}, which differ in case or a plural s alone; "
                    "write it as one of them"
                )
            found[index] = others[0]
    given = {name: meant for name, meant in zip(names, found, strict=True) if meant is not None}
    for meant, times in Counter(given.values()).items():
        if times > 1:
            both = " and ".join(repr(name) for name, other in given.items() if other == meant)
            raise UserError(f"classes {both} would both be '{meant}'; rename one of them")
    return found


def plain(name: str) -> str:
    """A class name without regard to case, to a plural s and to what parts its words: "stop_sign" is "Stop signs"."""
    return _BETWEEN.sub(" ", composed(name).strip().lower()).removesuffix("s")


# Between words alone: -1 is not 1.
_BETWEEN = re.compile(r"(?<=[^\W_])[\s_-]+(?=[^\W_])")


def composed(name: str) -> str:
    """A name in which an accent is part of its letter (Unicode NFC): file systems write it as a sign of its own."""
    return unicodedata.normalize("NFC", name)


def label_names(text: str) -> tuple[str, ...]:
    """The labels of a picture that has several, of the cell `labels` of a table: "cat|dog"; an empty one has none."""
    return tuple(dict.fromkeys(name for part in text.split("|") if (name := part.strip())))


def labels_text(names: Iterable[str]) -> str:
    """The cell `labels` of a picture: its labels with | between.

    Raises:
        UserError: a label has a | in its name.
    """
    names = list(names)
    for name in names:
        if "|" in name:
            raise UserError(f"label '{name}' has a | in it, which stands between labels; rename it")
    return "|".join(names)
