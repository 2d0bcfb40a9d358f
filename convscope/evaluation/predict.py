"""Predicting pictures: logits, a batch at a time (see `rows` for the table of predictions, `metrics` for the numbers)."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from convscope.errors import BadImage
from convscope.models.spec import ModelSpec
from convscope.pictures.read import load_images

Array = npt.NDArray[Any]
_NO_NUMBER = "the network's answer is not finite (NaN or infinite)"


@dataclasses.dataclass(frozen=True)
class Predicted:
    """A batch of pictures: those that could be read and got finite answers, their logits (n, units) float32, and (path, reason) of
    the others."""

    places: list[int]
    logits: Array
    bad: list[tuple[str, str]]


def predict(
    model: keras.Model,
    spec: ModelSpec,
    paths: Sequence[str],
    *,
    batch_size: int = 32,
    threads: int = 1,
    digests: Sequence[str] = (),
) -> Iterator[Predicted]:
    """Logits of pictures, decoded and handed on a batch at a time.

    Args:
        model: a canonical network.
        spec: its facts.
        paths: picture files.
        batch_size: pictures a forward pass.
        threads: decoders at work at the same time.
        digests: of each file as it was listed (see `pictures.read.load_images`).

    Raises:
        UserError: a file is no longer the one that was listed.
    """
    units = int(model.outputs[0].shape[-1])
    for start in range(0, len(paths), batch_size):
        chunk = list(paths[start : start + batch_size])
        bad: list[tuple[str, str]] = []
        pixels, readable = _load(chunk, spec, threads, bad, digests[start : start + batch_size])
        found = np.zeros((0, units), np.float32)
        if readable:
            # Padded to full size: another batch size would compile the network again.
            filled = np.concatenate([pixels, np.repeat(pixels[:1], batch_size - len(pixels), axis=0)])
            found = np.asarray(model.predict_on_batch(spec.preprocess(filled)))[: len(readable)]
        finite = [bool(np.isfinite(answer).all()) for answer in found]
        bad += [(chunk[index], _NO_NUMBER) for index, sound in zip(readable, finite, strict=True) if not sound]
        yield Predicted(
            [start + index for index, sound in zip(readable, finite, strict=True) if sound], found[finite], bad
        )


def _load(
    paths: list[str], spec: ModelSpec, threads: int, bad: list[tuple[str, str]], digests: Sequence[str]
) -> tuple[npt.NDArray[Any], list[int]]:
    resize: Any = spec.resize
    try:
        return load_images(paths, spec.input_size, resize, threads, digests, spec.reads), list(range(len(paths)))
    except BadImage:
        pass
    # One of them is bad: take the batch apart to keep the others.
    images, readable = [], []
    for index, path in enumerate(paths):
        try:
            one = load_images([path], spec.input_size, resize, 1, digests[index : index + 1], spec.reads)
            images.append(one[0])
            readable.append(index)
        except BadImage as error:
            bad.append((path, str(error).removeprefix(f"{path}: ")))
    return np.array(images), readable
