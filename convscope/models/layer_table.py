"""Reading `layers.csv` and choosing layers from it. Imports nothing heavy."""

from collections.abc import Iterable, Sequence
from os import PathLike

from convscope.errors import UserError, nearest
from convscope.storage.tables import read_rows

CONVOLUTIONS = frozenset({"conv", "shortcut"})
ALL_ROLES = frozenset({"conv", "shortcut", "pool"})


def read_layers(path: str | PathLike[str]) -> list[dict[str, str]]:
    """The rows of a layers table, in order of depth."""
    return read_rows(path)


def select_layers(
    rows: Sequence[dict[str, str]], wanted: str | Iterable[str], roles: frozenset[str], key: str
) -> list[dict[str, str]]:
    """The rows wanted, in order of depth.

    Args:
        rows: a layers table.
        wanted: "all", or names of layers and blocks.
        roles: which roles count ("conv", "shortcut", "pool").
        key: the config key, for the message.

    Raises:
        UserError: a name that is neither a layer nor a block of the model.
    """
    suitable = [row for row in rows if row["role"] in roles]
    if wanted == "all":
        return suitable
    names = list(wanted)
    valid = list(dict.fromkeys([*(row["name"] for row in suitable), *(row["block"] for row in suitable)]))
    for name in names:
        if name not in valid:
            raise UserError(f"{key}: layer '{name}' does not exist; {nearest(name, valid)}")
    return [row for row in suitable if row["name"] in names or row["block"] in names]


def wanted_filters(count: int, wanted: str | int | Sequence[int], key: str) -> list[int]:
    """The filters wanted of a layer that has `count`: "all", the first so many, or a list (each once).

    Raises:
        UserError: a list none of which the layer has.
    """
    if wanted == "all":
        return list(range(count))
    if isinstance(wanted, int):
        return list(range(min(wanted, count)))
    chosen = list(dict.fromkeys(index for index in wanted if isinstance(index, int) and index < count))
    if not chosen:
        raise UserError(f"{key}: none of the filters {list(wanted)} exists; the layer has 0..{count - 1}")
    return chosen
