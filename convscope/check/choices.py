"""A name or a number that a config chooses of several."""

from typing import Any

from convscope.data.groups import class_position
from convscope.errors import UserError, nearest


def among(key: str, what: str, name: str, valid: Any) -> None:
    """Raise what to say where a name is none of the valid ones; `what` it is the name of, `key` where it stands.

    Raises:
        UserError: it cannot be so.
    """
    if name not in valid:
        raise UserError(f"{key}: {what} '{name}' does not exist; {nearest(name, valid)}")


def check_choice(
    key: str, wanted: str | int, classes: list[str], what: str = "class", others: tuple[str, ...] = ()
) -> None:
    """A class by name, or by number where numbers are no names."""
    if isinstance(wanted, int) or wanted.isdecimal():
        class_position(wanted, classes, key)
    else:
        among(key, what, wanted, [*classes, *others])
