"""Choosing some of many pictures: the same ones on every machine, and as many of each class as can be had."""

import hashlib
import itertools
from collections.abc import Callable, Hashable, Sequence
from pathlib import PurePath
from typing import TypeVar

from convscope.data.groups import composed

Item = TypeVar("Item")


def shuffle_key(path: str, seed: int) -> bytes:
    """A picture's place in the seeded order: it depends on the seed, the file and its folder's name, not on the disk.

    Other pictures do not matter: a dataset that grows keeps most of its sample.
    """
    name = composed("/".join(PurePath(path).parts[-2:]))
    return hashlib.sha256(f"{seed}/{name}".encode(errors="surrogateescape")).digest()


def sample(
    items: Sequence[Item],
    path_of: Callable[[Item], str],
    group_of: Callable[[Item], Hashable],
    seed: int,
    per_group: int | None = None,
    limit: int | None = None,
) -> list[Item]:
    """Choose by a seeded permutation, evenly over the groups; the chosen keep the order of `items`.

    Args:
        items: what to choose from.
        path_of: gives the path by which an item is shuffled.
        group_of: gives the group (a class) of an item.
        seed: another seed chooses others.
        per_group: at most so many of each group (None: all).
        limit: at most so many in all (None: all), taken from the groups in turn.
    """
    groups: dict[Hashable, list[int]] = {}
    for index, item in enumerate(items):
        groups.setdefault(group_of(item), []).append(index)
    queues = []
    for members in groups.values():
        shuffled = sorted(members, key=lambda index: (shuffle_key(path_of(items[index]), seed), path_of(items[index])))
        queues.append(shuffled[:per_group])
    in_turn = [index for turn in itertools.zip_longest(*queues) for index in turn if index is not None]
    return [items[index] for index in sorted(in_turn[:limit])]
