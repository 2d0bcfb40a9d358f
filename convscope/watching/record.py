"""What was seen of a training, on the disk: one small file for the pictures, and one for each epoch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convscope.errors import UserError
from convscope.storage import store
from convscope.storage.identity import identity

_PICTURES = "pictures.h5"


@dataclass(frozen=True)
class Watched:
    """The pictures that are looked at in every epoch.

    Attributes:
        ids: N names.
        images: (N, H, W, 3) uint8, as people see them.
        labels: (N,) int64, the true class; -1 unknown.
        classes: names of the model's classes.
        head: of the model.
        method: the class activation map.
        layer: whose feature maps carry it.
        target: the class explained, as it was asked for.
    """

    ids: list[str]
    images: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    head: str
    method: str
    layer: str
    target: str

    @property
    def digest(self) -> str:
        """What identifies them: epochs of one training must not be taken for those of another."""
        facts = [self.ids, self.classes, self.head, self.method, self.layer, self.target]
        return identity(facts=facts, images=self.images.tobytes().hex(), labels=self.labels.tolist())


@dataclass(frozen=True)
class Moment:
    """What the model says after one epoch.

    Attributes:
        epoch: its number, from 1.
        maps: (N, h, w) float32, raw.
        targets, predicted: (N,) int64.
        scores: (N,) float32, logits of the targets.
        probabilities: (N, C) float32; of a regression its outputs.
        logs: what Keras measured in the epoch.
    """

    epoch: int
    maps: np.ndarray
    targets: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    logs: dict[str, float]


_ARRAYS = {
    "maps": ("image", "height", "width"),
    "targets": ("image",),
    "predicted": ("image",),
    "scores": ("image",),
    "probabilities": ("image", "class"),
}


def begin(folder: Path, watched: Watched) -> None:
    """Write what is looked at.

    Raises:
        UserError: the folder holds epochs of other pictures, or of another model or method.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / _PICTURES
    if place.exists():
        with store.open_file(place) as file:
            if file.attrs.get("digest") == watched.digest:
                return
        raise UserError(
            f"{folder} holds what was seen of other pictures, or of another model; name another folder, or delete it"
        )
    facts = {key: getattr(watched, key) for key in ("head", "method", "layer", "target")}
    with store.create(place, digest=watched.digest, classes=list(watched.classes), **facts) as file:
        store.write_array(file, "ids", watched.ids, ("image",))
        store.write_array(file, "images", watched.images, ("image", "height", "width", "channel"), compression="gzip")
        store.write_array(file, "labels", watched.labels, ("image",))


def forget(folder: Path, first: int) -> None:
    """Remove epochs from a number on: what an earlier training of the same model left is none of one that begins there."""
    for path in folder.glob("epoch_*.h5"):
        if int(path.stem.removeprefix("epoch_")) >= first:
            path.unlink()


def write(folder: Path, watched: Watched, moment: Moment) -> None:
    """Write what the model says after an epoch; a file of that epoch is replaced."""
    facts: dict[str, Any] = {"epoch": moment.epoch, "logs": moment.logs, "digest": watched.digest}
    with store.create(folder / f"epoch_{moment.epoch:05}.h5", **facts) as file:
        for name, dimensions in _ARRAYS.items():
            store.write_array(file, name, getattr(moment, name), dimensions)


def read(folder: Path) -> tuple[Watched, list[Moment]]:
    """Everything that was seen, in the order of the epochs.

    Raises:
        UserError: nothing was.
    """
    place = folder / _PICTURES
    if not place.is_file():
        raise UserError(f"{folder} holds nothing that was seen of a training")
    with store.open_file(place) as file:
        facts: Mapping[str, Any] = file.attrs
        watched = Watched(
            store.read_text(file["ids"]),
            file["images"][()],
            file["labels"][()],
            tuple(json.loads(facts["classes"])),
            *(str(facts[key]) for key in ("head", "method", "layer", "target")),
        )
        digest = facts["digest"]
    moments = []
    for path in sorted(folder.glob("epoch_*.h5")):
        with store.open_file(path) as file:
            if file.attrs["digest"] != digest:
                continue
            arrays = {name: file[name][()] for name in _ARRAYS}
            moments.append(Moment(int(file.attrs["epoch"]), logs=json.loads(file.attrs["logs"]), **arrays))
    return watched, moments
