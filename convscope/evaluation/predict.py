"""Predicting pictures with a classifier: logits, and the table of predictions (see `classifier_metrics` for the numbers)."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from convscope.errors import BadImage
from convscope.models.spec import ModelSpec
from convscope.pictures.read import load_images

Array = npt.NDArray[Any]


def predict(
    model: keras.Model,
    spec: ModelSpec,
    paths: Sequence[str],
    *,
    batch_size: int = 32,
    threads: int = 1,
    digests: Sequence[str] = (),
    after_batch: Callable[[int], None] = lambda images: None,
) -> tuple[Array, list[tuple[str, str]]]:
    """Logits of pictures, decoded a batch at a time.

    Args:
        model: a canonical network.
        spec: its facts.
        paths: picture files.
        batch_size: pictures a forward pass.
        threads: decoders at work at the same time.
        digests: of each file as it was listed (see `pictures.read.load_images`).
        after_batch: called with the number of pictures just done.

    Returns:
        float32 (len(paths), units), a row of NaN where a picture cannot be read; and (path, reason) of those.

    Raises:
        UserError: a file is no longer the one that was listed.
    """
    units = int(model.outputs[0].shape[-1])
    logits = np.full((len(paths), units), np.nan, dtype=np.float32)
    bad: list[tuple[str, str]] = []
    for start in range(0, len(paths), batch_size):
        chunk = list(paths[start : start + batch_size])
        pixels, readable = _load(chunk, spec, threads, bad, digests[start : start + batch_size])
        if readable:
            # Padded to full size: another batch size would compile the network again.
            filled = np.concatenate([pixels, np.repeat(pixels[:1], batch_size - len(pixels), axis=0)])
            found = np.asarray(model.predict_on_batch(spec.preprocess(filled)))[: len(readable)]
            logits[[start + index for index in readable]] = found
        after_batch(len(chunk))
    return logits, bad


def _load(
    paths: list[str], spec: ModelSpec, threads: int, bad: list[tuple[str, str]], digests: Sequence[str]
) -> tuple[npt.NDArray[np.uint8], list[int]]:
    resize: Any = spec.resize
    try:
        return load_images(paths, spec.input_size, resize, threads, digests), list(range(len(paths)))
    except BadImage:
        pass
    # One of them is bad: take the batch apart to keep the others.
    images, readable = [], []
    for index, path in enumerate(paths):
        try:
            images.append(load_images([path], spec.input_size, resize, digests=digests[index : index + 1])[0])
            readable.append(index)
        except BadImage as error:
            bad.append((path, str(error).removeprefix(f"{path}: ")))
    return np.array(images, dtype=np.uint8), readable


def prediction_rows(
    spec: ModelSpec,
    paths: Sequence[str],
    classes: Sequence[str],
    labels: Sequence[int],
    logits: Array,
    digests: Sequence[str],
) -> list[dict[str, Any]]:
    """Rows of the table of predictions: truth, prediction, confidence, probability and score (logit) of every class.

    `digests` are those of the files: whatever is drawn of a row is of the picture that was predicted.
    """
    probabilities, scores = spec.probabilities(logits), spec.class_scores(logits)
    rows = []
    for path, name, label, p, score, sha256 in zip(paths, classes, labels, probabilities, scores, digests, strict=True):
        predicted = int(score.argmax())
        row: dict[str, Any] = {
            "path": path,
            "class": name,
            "label": label,
            "predicted": spec.classes[predicted],
            "predicted_label": predicted,
            "correct": predicted == label if label >= 0 else None,
            "confidence": _round(p[predicted]),
            "sha256": sha256,
        }
        row |= {f"p_{known}": _round(value) for known, value in zip(spec.classes, p, strict=True)}
        row |= {f"score_{known}": _round(value) for known, value in zip(spec.classes, score, strict=True)}
        rows.append(row)
    return rows


def prediction_columns(spec: ModelSpec) -> list[str]:
    """Columns of the table of predictions, in order."""
    known = ["path", "class", "label", "predicted", "predicted_label", "correct", "confidence", "sha256"]
    return known + [f"{kind}_{name}" for kind in ("p", "score") for name in spec.classes]


def _round(value: Any) -> float:
    return float(f"{float(value):.6g}")
