"""The frozen part of a network: its feature maps of many pictures, computed once and kept where a killed job finds them."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from convscope.backends.running import compiled as compiled_step
from convscope.backends.running import to_numpy
from convscope.errors import UserError
from convscope.jobs.job import Progress
from convscope.models.graphs import flatten, tensor_of
from convscope.models.lower_part import lower_part
from convscope.models.spec import FloatArray, ModelSpec
from convscope.models.training import Pictures
from convscope.storage.files import atomic_path
from convscope.storage.identity import identity

_BLOCK = 128
_AT_ONCE = 16


def backbone_of(network: keras.Model, spec: ModelSpec, layer: str, key: str) -> keras.Model:
    """The layers of a network up to one of them, with weights of their own.

    Args:
        network: canonical.
        spec: its facts; its pictures' size becomes that of the input.
        layer: the one whose output is the last feature map.
        key: of the config, for the message.

    Returns:
        (N, H, W, C) in model space -> (N, h, w, K).

    Raises:
        UserError: there is no such layer, or what it makes are no feature maps of at least one cell.
    """
    flat = flatten(network, copy=True, exact=True, input_shape=(*spec.input_size, spec.depth))
    cut = tensor_of(flat, layer)
    if len(cut.shape) != 4:
        raise UserError(
            f"{key}: what layer '{layer}' of model '{spec.name}' makes are no feature maps (height, width, channel), so that it is "
            "no backbone; name a layer that makes some, or another base"
        )
    return keras.Model(flat.inputs[0], cut, name="backbone")


class Features:
    """Frozen features of the pictures of a split, as `training.train` takes pictures.

    Args:
        blocks: feature maps (n, h, w, K), or their averages (n, K), float32: all but the last one of as many rows.
        labels: class index of each picture.
        pooled: whether the averages of maps are meant.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, blocks: Sequence[npt.NDArray[Any]], labels: npt.NDArray[np.int32], *, pooled: bool) -> None:
        means = [block.mean(axis=(1, 2)) if pooled and block.ndim == 4 else block for block in blocks]
        self._blocks, self.labels = [mean.reshape(len(mean), -1) for mean in means], labels

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def width(self) -> int:
        """Numbers that each picture has."""
        return int(self._blocks[0].shape[1])

    def batches(
        self, order: npt.NDArray[np.int64], batch_size: int
    ) -> Iterator[tuple[FloatArray, npt.NDArray[np.int32]]]:
        """Batches of (features (n, width) float32, int32 labels (n,)) in the given order; the last may be smaller."""
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            yield np.stack([self._blocks[i // _BLOCK][i % _BLOCK] for i in part]), self.labels[part]


class InModelSpace:
    """Pictures as the network takes them, for `training.train`: preprocessing may differ from channel to channel."""

    dtype = np.dtype(np.float32)

    def __init__(self, pictures: Pictures, spec: ModelSpec) -> None:
        self._pictures, self._spec, self.labels = pictures, spec, pictures.labels

    def __len__(self) -> int:
        return len(self._pictures)

    def batches(
        self, order: npt.NDArray[np.int64], batch_size: int
    ) -> Iterator[tuple[FloatArray, npt.NDArray[np.int32]]]:
        """Batches of (images (n, H, W, C) in model space, int32 labels (n,)) in the given order; the last may be smaller."""
        for images, labels in self._pictures.batches(order, batch_size):
            yield self._spec.preprocess(images), labels


def answers(model: keras.Model, pictures: InModelSpace) -> FloatArray:
    """What a flat network in inference mode answers to all pictures, in their order."""
    forward = compiled(model)
    batches = pictures.batches(np.arange(len(pictures)), _AT_ONCE)
    return np.concatenate([np.asarray(forward(images), np.float32) for images, _ in batches])


def compiled(model: keras.Model) -> Any:
    """A flat network as a compiled function in inference mode, its batch norms folded; later weights are not seen."""
    run = lower_part(model, [model.outputs[0]])
    image = keras.KerasTensor((None, *model.inputs[0].shape[1:]), "float32")
    step = compiled_step(lambda images: run(images)[0], [image], model.variables)
    return lambda images: to_numpy(step(images))


def blocks_of(
    backbone: keras.Model, pictures: InModelSpace, what: str, folder: Path | None, tag: Any, *, flat: bool
) -> list[npt.NDArray[Any]]:
    """Feature maps of pictures, in blocks; each is kept as soon as it is there, and read from the disk from then on.

    Args:
        backbone: see `backbone_of`.
        pictures: of one split.
        what: for the log.
        folder: for the blocks; None to keep them in memory.
        tag: JSON values that the features depend on.
        flat: whether every cell is meant; else the averages of the maps are all that is kept.

    Returns:
        (n, h, w, K) or (n, K) each, float32.
    """
    network = backbone
    if not flat:
        pooled = keras.layers.GlobalAveragePooling2D(name="average_of_maps")(backbone.outputs[0])
        network = keras.Model(backbone.inputs[0], pooled, name="pooled_backbone")
    forward = compiled(network)
    place = None if folder is None else folder / identity(tag=tag, flat=flat)
    progress = Progress(len(pictures), what, "images")
    blocks: list[npt.NDArray[Any]] = []
    for start in range(0, len(pictures), _BLOCK):
        chosen = np.arange(start, min(start + _BLOCK, len(pictures)))
        shape = (len(chosen), *network.outputs[0].shape[1:])
        path = place / f"{start // _BLOCK:05}.npy" if place else None
        block = _kept(path, shape) if path else None
        if block is None:
            block = np.concatenate([np.asarray(forward(images)) for images, _ in pictures.batches(chosen, _AT_ONCE)])
            if path:
                with atomic_path(path) as temporary, temporary.open("wb") as stream:
                    np.save(stream, block)
                block = np.load(path, mmap_mode="r")
        blocks.append(block)
        progress.step(len(chosen))
    return blocks


def _kept(path: Path, shape: tuple[int, ...]) -> npt.NDArray[Any] | None:
    """A block that an earlier run kept; None where it is not there, or damaged, as a power cut may leave it."""
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.shape == shape and found.dtype == np.float32 else None


def forget(folder: Path) -> None:
    """Remove what was kept for a run that goes on: this one is done."""
    shutil.rmtree(folder, ignore_errors=True)
