"""Which epochs of a training are kept, and their weights until it is finished. No TensorFlow here."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from convscope.storage import store
from convscope.storage.files import atomic_path
from convscope.storage.kept_arrays import read_kept

# About so many epochs are kept, and fewer of a network so large that they would take more than this.
KEPT, KEPT_BYTES = 8, 256 << 20
MEASURED = ("loss", "accuracy", "val_loss", "val_accuracy")

Weights = list[npt.NDArray[Any]]


def spread_epochs(last: int, count: int = KEPT) -> list[int]:
    """About `count` epochs from 1 to `last`, each so many times the one before: most changes at the beginning."""
    return sorted({round(float(number)) for number in np.geomspace(1, last, min(count, last))})


def epochs_to_keep(last: int, size: int) -> list[int]:
    """Those whose weights are kept on the way: `spread_epochs`, fewer where the weights take more than `KEPT_BYTES`.

    Args:
        last: how many epochs the training may have.
        size: bytes of one epoch's weights.
    """
    return spread_epochs(last, min(max(KEPT_BYTES // max(size, 1), 1), KEPT))


class Kept(Protocol):
    """Weights of some epochs of a training."""

    def epochs(self, last: int) -> list[int]:
        """Numbers of the epochs that are there of a training of so many, in order."""

    def __getitem__(self, epoch: int) -> Weights:
        """The weights of one of them."""


class KeptWeights:
    """Weights of epochs on the way, a file each beside the state of the training, until all of them go into one.

    Args:
        folder: of the training's state; None keeps them in memory.
        tag: of the training; files of another one are not taken.
        wanted: numbers of the epochs.
    """

    def __init__(self, folder: Path | None, tag: str, wanted: Iterable[int]) -> None:
        self._folder, self._tag, self.wanted = folder, tag, frozenset(wanted)
        self._held: dict[int, Weights] = {}

    def keep(self, epoch: int, weights: Callable[[], Weights]) -> None:
        """Keep the weights of an epoch if it is one of those wanted; `weights` is called only then."""
        if epoch not in self.wanted:
            return
        if self._folder is None:
            self._held[epoch] = weights()
            return
        arrays = {f"weight_{number:05}": value for number, value in enumerate(weights())}
        with atomic_path(_place(self._folder, epoch)) as temporary:
            np.savez(temporary, tag=np.array(self._tag), **arrays)  # type: ignore[arg-type]

    def hold(self, epoch: int, weights: Weights) -> None:
        """Hold the weights of an epoch in memory, whether it is wanted or not."""
        self._held[epoch] = weights

    def has(self, epochs: Iterable[int]) -> bool:
        """Whether all of those wanted among some epochs can be read."""
        return all(self._read(epoch) is not None for epoch in epochs if epoch in self.wanted)

    def epochs(self, last: int) -> list[int]:
        """Numbers of the epochs that are there of a training of so many, in order."""
        return sorted(self._held.keys() | {epoch for epoch in self.wanted if epoch <= last})

    def __getitem__(self, epoch: int) -> Weights:
        """The weights of an epoch."""
        found = self._read(epoch)
        if found is None:
            raise KeyError(epoch)
        return found

    def _read(self, epoch: int) -> Weights | None:
        if epoch in self._held or self._folder is None:
            return self._held.get(epoch)
        place = _place(self._folder, epoch)
        stored = read_kept(place) if place.exists() else None
        if stored is None or str(stored["tag"]) != self._tag:
            return None
        return [stored[name] for name in sorted(stored) if name.startswith("weight_")]


class AsWhole:
    """Kept weights of the last part of a network as those of the whole, of which nothing else moved.

    Args:
        kept: of the part.
        before: weights of the network, in its order, up to those of the part.
    """

    def __init__(self, kept: Kept, before: Weights) -> None:
        self.epochs = kept.epochs
        self._kept, self._before = kept, before

    def __getitem__(self, epoch: int) -> Weights:
        """See `Kept`."""
        return [*self._before, *self._kept[epoch]]


class InTurn:
    """Kept weights of two trainings of one network, the second of which went on from the best epoch of the first.

    About `KEPT` epochs of both together, evenly chosen from those of each, and fewer where what moves takes more than `KEPT_BYTES`.

    Args:
        first, count: its weights, and how many epochs it had.
        second: numbers go on behind those of the first.
        best: the best epoch of each, which is never left out; the second's as it is counted on.
        size: bytes of what moves in an epoch.
    """

    def __init__(self, first: Kept, count: int, second: Kept, best: Iterable[int], size: int) -> None:
        self._first, self._count, self._second, self._best = first, count, second, frozenset(best)
        self._most = min(max(KEPT_BYTES // max(size, 1), 2), KEPT) // 2

    def epochs(self, last: int) -> list[int]:
        """See `Kept`."""
        behind = [self._count + epoch for epoch in self._second.epochs(last - self._count)]
        found: set[int] = set()
        for every in (self._first.epochs(self._count), behind):
            # Of one alone the last.
            places = np.linspace(len(every) - 1, 0, min(self._most, len(every))).round().astype(int)
            found.update(every[place] for place in places)
            found.update(self._best & set(every))
        return sorted(found)

    def __getitem__(self, epoch: int) -> Weights:
        """See `Kept`."""
        return self._first[epoch] if epoch <= self._count else self._second[epoch - self._count]


def forget_weights(folder: Path) -> None:
    """Remove what was kept on the way."""
    for place in folder.glob("epoch_*.npz"):
        place.unlink()


def _place(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:05}.npz"


@dataclass(frozen=True)
class KeptEpoch:
    """One of them: its number, what was measured in it, and the digest of its weights."""

    epoch: int
    measured: dict[str, float]
    digest: str


def read_epochs(path: Path) -> tuple[list[KeptEpoch], int]:
    """The epochs that a file holds, and the number of the best one."""
    with store.open_file(path) as file:
        measured = {column: file[column][()] for column in MEASURED}
        digests = store.read_text(file["digest"])
        found = [
            KeptEpoch(int(epoch), {column: float(measured[column][row]) for column in MEASURED}, digests[row])
            for row, epoch in enumerate(file["epoch"][()])
        ]
        return found, int(file.attrs["best_epoch"])
