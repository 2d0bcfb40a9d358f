"""Training that can be killed at any moment and goes on as if nothing had happened.

The order of the pictures and the random numbers of augmentation and dropout are stateless functions of (seed, epoch),
so an epoch is a function of the state before it; that state is saved in one step after every epoch. A resumed run gives
the weights and the history of an uninterrupted one.
"""

import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
import numpy.typing as npt
from keras import ops

from convscope.backends.running import NAME, compiled, deterministic, learner
from convscope.errors import BadImage, UserError, nearest
from convscope.jobs.code_digest import code_digest
from convscope.jobs.job import Progress, say
from convscope.jobs.sealing import tells_seconds
from convscope.models.epochs import Kept, KeptWeights, epochs_to_keep, forget_weights
from convscope.pictures.channels import RGB, Channels
from convscope.pictures.read import load_images
from convscope.storage.files import atomic_path
from convscope.storage.identity import identity
from convscope.storage.kept_arrays import read_kept
from convscope.storage.tables import write_table

CACHE_BYTES = 3 << 30
_CHUNK = 256
_STATE = "training.npz"
OPTIMIZERS = {"rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}
HISTORY_COLUMNS = ("epoch", "loss", "accuracy", "val_loss", "val_accuracy", "seconds")

Row = dict[str, float]


@dataclasses.dataclass
class Result:
    """What a training gives: a history row an epoch, the epoch (from 1) whose weights the model ends with, and those of others."""

    history: list[Row]
    best_epoch: int
    kept: Kept

    @property
    def best(self) -> Row:
        """The history row of the best epoch."""
        return self.history[self.best_epoch - 1]


class Split(Protocol):
    """What is trained and validated on: pictures, or what was made of them."""

    dtype: np.dtype[Any]
    labels: npt.NDArray[Any]

    def __len__(self) -> int: ...

    def batches(
        self, order: npt.NDArray[np.int64], batch_size: int
    ) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """Batches of (inputs (n, ...) of `dtype`, their labels) in the given order; the last may be smaller."""


class Pictures:
    """The pictures of a split, decoded once into memory if they fit there, else read again for every batch.

    Args:
        paths: image files.
        labels: class index of each; or (n, H, W) integers, a class for every pixel of each, -1 where none is known.
        size: (height, width).
        resize: see `convscope.pictures.read.fit_image`.
        threads: decoders at work at the same time.
        what: name for the log.
        cache_bytes: keep the decoded pictures if they take no more than this.
        digests: of each file as it was listed (see `pictures.read.load_images`).
        channels: what is read of each.

    Raises:
        UserError: a picture cannot be read.
    """

    def __init__(
        self,
        paths: Sequence[str],
        labels: Sequence[int] | npt.NDArray[Any],
        size: tuple[int, int],
        resize: str,
        threads: int = 1,
        what: str = "pictures",
        cache_bytes: int = CACHE_BYTES,
        digests: Sequence[str] = (),
        channels: Channels = RGB,
    ) -> None:
        self._digests, self._channels = list(digests), channels
        self.paths, self.size, self.resize, self.threads = list(paths), size, resize, threads
        # One a pixel stay as small as they came.
        kept = labels.dtype if isinstance(labels, np.ndarray) and labels.ndim > 1 else np.int32
        self.labels: npt.NDArray[Any] = np.asarray(labels, dtype=kept)
        self._cache: npt.NDArray[Any] | None = None
        self.dtype = np.dtype(np.float32 if channels.kind == "bands" else np.uint8)
        if len(self.paths) * size[0] * size[1] * channels.depth * self.dtype.itemsize <= cache_bytes:
            self._cache = np.empty((len(self.paths), *size, channels.depth), dtype=self.dtype)
            progress = Progress(len(self.paths), f"decoding {what}", "images")
            for start in range(0, len(self.paths), _CHUNK):
                chunk = range(start, min(start + _CHUNK, len(self.paths)))
                self._cache[start : start + len(chunk)] = self._read(chunk)
                progress.step(len(chunk))

    def __len__(self) -> int:
        return len(self.paths)

    def _read(self, chosen: Iterable[int]) -> npt.NDArray[Any]:
        chosen = list(chosen)
        paths, digests = [self.paths[i] for i in chosen], [self._digests[i] for i in chosen if self._digests]
        try:
            return load_images(paths, self.size, self.resize, self.threads, digests, self._channels)
        except BadImage as error:
            raise UserError(f"{error}; remove the picture, or list the data set again") from None

    def batches(
        self, order: npt.NDArray[np.int64], batch_size: int
    ) -> Iterator[tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
        """Batches of (images (n, H, W, C), their labels (n,) or (n, H, W)) in the given order; the last may be smaller."""
        parts = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
        if self._cache is not None:
            for part in parts:
                yield self._cache[part], self.labels[part]
            return
        with ThreadPoolExecutor(1) as ahead:
            coming = ahead.submit(self._read, parts[0])
            for number, part in enumerate(parts):
                images = coming.result()
                if number + 1 < len(parts):
                    coming = ahead.submit(self._read, parts[number + 1])
                yield images, self.labels[part]


def seed_everything(seed: int) -> None:
    """Fix all random numbers and the choice of kernels. Call before the network is built."""
    keras.utils.set_random_seed(seed)
    deterministic()


def train(
    model: keras.Model,
    training: Split,
    validation: Split,
    settings: Mapping[str, Any],
    *,
    seed: int,
    scale: float = 1.0,
    offset: float = 0.0,
    state: Path | None = None,
    tag: str = "",
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> Result:
    """Train a network on logits; the weights of the epoch with the lowest validation loss are the ones it is left with.

    Those of `epochs.epochs_to_keep`, of the last epoch and of the best one are kept in the result.

    Args:
        model: takes (N, H, W, C) in model space, gives (N, 1) or (N, classes) logits; or (N, H, W, classes), where every pixel has a
            label. Loss and accuracy are then means over the pixels whose class is known.
        training, validation: the two splits, of pictures or of what else the model takes.
        settings: `epochs`, `batch_size`, `learning_rate`, `optimizer`, and optionally `patience` (epochs without a better
            validation loss after which training stops).
        seed: of the order of pictures and of every random layer, in each epoch anew.
        scale, offset: from pixels 0..255 to model space.
        state: folder for what a resumed run needs; None to keep nothing.
        tag: what the state must have been made with (see `state_tag`); other states are ignored.
        after_epoch: called with the number of each finished epoch.

    Raises:
        UserError: an unknown optimizer, an empty split, a training loss that is no number any more, or a validation loss that
            never was one.
    """
    for pictures, name in ((training, "train"), (validation, "validation")):
        if not len(pictures):
            raise UserError(f"split '{name}' has no pictures; training needs both 'train' and 'validation'")
    optimizer = _optimizer(settings)
    optimizer.build(model.trainable_variables)
    run = _Run(model, optimizer, scale, offset, training)
    epochs, batch_size = int(settings["epochs"]), int(settings["batch_size"])
    patience = int(settings.get("patience") or epochs)

    kept = KeptWeights(state, tag, epochs_to_keep(epochs, sum(weight.nbytes for weight in model.get_weights())))
    history, best_epoch, best_weights = _restore(state, tag, model, optimizer, kept)
    generators = _seed_generators(model)
    progress = Progress(epochs, f"training {model.name}", "epochs")
    if history:
        progress.step(len(history), "resumed")
    for epoch in range(len(history) + 1, epochs + 1):
        if epoch - max(best_epoch, 1) > patience:
            say(f"no better validation loss for {patience} epochs: stopped")
            break
        started = time.monotonic()
        for index, generator in enumerate(generators):
            start = np.random.default_rng([seed, epoch, index]).integers(2**31, size=generator.state.shape)
            generator.state.assign(start.astype(generator.state.dtype))
        order = np.random.default_rng([seed, epoch]).permutation(len(training))
        loss, accuracy = run.over(training, order, batch_size, learn=True)
        val_loss, val_accuracy = run.over(validation, np.arange(len(validation)), batch_size, learn=False)
        if not np.isfinite(loss):
            raise UserError(f"model '{model.name}': the training loss is {loss} in epoch {epoch}; lower learning_rate")
        values = (epoch, loss, accuracy, val_loss, val_accuracy, round(time.monotonic() - started, 1))
        history.append(dict(zip(HISTORY_COLUMNS, values, strict=True)))
        # A loss that is no number is never the best, nor is one that follows it measured against it.
        if np.isfinite(val_loss) and (not best_weights or val_loss < history[best_epoch - 1]["val_loss"]):
            best_epoch, best_weights = epoch, model.get_weights()
        # Before the state: a run that goes on behind this epoch finds them.
        kept.keep(epoch, model.get_weights)
        _save_state(state, tag, model, optimizer, history, best_epoch, best_weights)
        progress.step(
            1, f"loss {loss:.4f} accuracy {accuracy:.4f}, validation loss {val_loss:.4f} accuracy {val_accuracy:.4f}"
        )
        after_epoch(epoch)
    if not best_weights:
        raise UserError(
            f"model '{model.name}': the validation loss is no number in any of {len(history)} epochs, so no epoch is the best; "
            "lower learning_rate"
        )
    kept.hold(len(history), model.get_weights())
    kept.hold(best_epoch, best_weights)
    model.set_weights(best_weights)
    return Result(history, best_epoch, kept)


class _Run:
    """The two compiled steps (learn, judge) and their sums over an epoch."""

    def __init__(self, model: keras.Model, optimizer: Any, scale: float, offset: float, pictures: Split) -> None:
        binary = model.outputs[0].shape[-1] == 1

        def judge(images: Any, labels: Any, training: bool) -> tuple[Any, Any, Any]:
            logits = model(ops.cast(images, "float32") * scale + offset, training=training)
            labels, count = ops.cast(labels, "int32"), ops.shape(labels)[0]
            if binary:
                losses = ops.binary_crossentropy(ops.cast(labels, "float32"), logits[..., 0], from_logits=True)
                predicted = ops.cast(logits[..., 0] > 0, "int32")
            else:
                losses = ops.sparse_categorical_crossentropy(ops.maximum(labels, 0), logits, from_logits=True)
                predicted = ops.cast(ops.argmax(logits, axis=-1), "int32")
            if len(labels.shape) > 1:  # of pixels, those below 0 are not known
                known = labels >= 0
                losses, count = ops.where(known, losses, 0.0), ops.sum(ops.cast(known, "int32"))
            return ops.sum(losses), ops.sum(ops.cast(predicted == labels, "float32")), count

        def mean_loss(images: Any, labels: Any) -> tuple[Any, Any]:
            loss, correct, count = judge(images, labels, True)
            # A batch of pixels none of which is known teaches nothing.
            return loss / ops.cast(ops.maximum(count, 1), "float32"), (loss, correct, count)

        signature = [
            keras.KerasTensor((None, *model.inputs[0].shape[1:]), np.dtype(pictures.dtype).name),
            keras.KerasTensor((None, *pictures.labels.shape[1:]), np.dtype(pictures.labels.dtype).name),
        ]
        self._learn = learner(model, optimizer, mean_loss, signature)
        self._judge = compiled(lambda images, labels: judge(images, labels, False), signature, model.variables)

    def over(
        self, pictures: Split, order: npt.NDArray[np.int64], batch_size: int, *, learn: bool
    ) -> tuple[float, float]:
        """Mean loss and accuracy over a split, learning or not."""
        step = self._learn if learn else self._judge
        loss = correct = 0.0
        count = 0
        for images, labels in pictures.batches(order, batch_size):
            batch_loss, batch_correct, batch_count = step(images, labels)
            loss += float(batch_loss)
            correct += float(batch_correct)
            count += int(batch_count)
        return loss / max(count, 1), correct / max(count, 1)


def _optimizer(settings: Mapping[str, Any]) -> Any:
    name = str(settings["optimizer"])
    if name not in OPTIMIZERS:
        raise UserError(f"optimizer is '{name}'; {nearest(name, OPTIMIZERS)}")
    return OPTIMIZERS[name](learning_rate=float(settings["learning_rate"]))


def _seed_generators(layer: Any) -> list[Any]:
    found = list(getattr(layer, "_seed_generators", []))
    for inner in getattr(layer, "_layers", []):
        found += _seed_generators(inner)
    return found


def state_tag(*parts: Any) -> str:
    """Digest of everything a training depends on: the given values (as JSON), and the code that trains."""
    root = Path(__file__).resolve().parents[2]
    code = [code_digest(f"convscope.models.{module}", root, backend=NAME) for module in ("training", "architectures")]
    return identity(parts=parts, code=code)


def _save_state(
    folder: Path | None,
    tag: str,
    model: keras.Model,
    optimizer: Any,
    history: list[Row],
    best_epoch: int,
    best_weights: list[npt.NDArray[Any]],
) -> None:
    if folder is None:
        return
    arrays = {f"weight_{i:05}": value for i, value in enumerate(model.get_weights())}
    arrays |= {f"best_{i:05}": value for i, value in enumerate(best_weights)}
    arrays |= {f"optimizer_{i:05}": np.asarray(value) for i, value in enumerate(optimizer.variables)}
    facts = json.dumps({"tag": tag, "history": history, "best_epoch": best_epoch})
    with atomic_path(folder / _STATE) as temporary:
        np.savez(temporary, facts=np.array(facts), **arrays)  # type: ignore[arg-type]


def _restore(
    folder: Path | None, tag: str, model: keras.Model, optimizer: Any, kept: KeptWeights
) -> tuple[list[Row], int, list[npt.NDArray[Any]]]:
    path = folder / _STATE if folder else None
    if path is None or not path.exists():
        return [], 0, []
    stored = read_kept(path)
    if stored is None:
        say("the saved state is damaged: starting anew")
        return [], 0, []
    facts = json.loads(str(stored["facts"]))
    if facts["tag"] != tag:
        say("the saved state belongs to other settings or data: starting anew")
        return [], 0, []
    if not kept.has(range(1, len(facts["history"]) + 1)):
        say("weights of earlier epochs are damaged or gone: starting anew")
        return [], 0, []
    names = sorted(stored)
    model.set_weights([stored[name] for name in names if name.startswith("weight_")])
    values = [stored[name] for name in names if name.startswith("optimizer_")]
    for variable, value in zip(optimizer.variables, values, strict=True):
        variable.assign(value)
    best = [stored[name] for name in names if name.startswith("best_")]
    return facts["history"], int(facts["best_epoch"]), best


def forget_state(folder: Path) -> None:
    """Remove a finished training's state, so that a later run with changed code trains anew."""
    (folder / _STATE).unlink(missing_ok=True)
    forget_weights(folder)


def write_history(path: Path, history: Sequence[Row]) -> None:
    """Write the history as CSV: one row an epoch."""
    rows = []
    for row in history:
        losses = {column: f"{row[column]:.6f}" for column in HISTORY_COLUMNS[1:5]}
        rows.append({"epoch": int(row["epoch"]), **losses, "seconds": f"{row['seconds']:.1f}"})
    write_table(path, rows, HISTORY_COLUMNS)
    tells_seconds(path)
