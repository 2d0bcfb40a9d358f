"""A callback of Keras that looks at chosen pictures while a model learns."""

import dataclasses
import os
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import keras
import numpy as np
from matplotlib import colormaps

from convscope.cams.mapper import ClassMapper
from convscope.cams.names import METHODS
from convscope.errors import UserError, nearest
from convscope.models.cam_layer import default_cam_layer
from convscope.models.epochs import spread_epochs
from convscope.notebook import images as pictures
from convscope.notebook.models import KEYWORDS, layer_of_maps
from convscope.notebook.session import keras_as_needed
from convscope.notebook.settings import known_keywords
from convscope.watching import figures, record
from convscope.watching.live import LiveNetwork
from convscope.watching.loggers import Logger, TensorBoard, WeightsAndBiases, log
from convscope.watching.settings import need


class Watch(keras.callbacks.Callback):
    """Keeps, at chosen epochs of `model.fit`, what the model says of some pictures and where it looks, and draws it at the end.

    The training itself is not touched: the same seed gives the same weights with this callback and without. In `folder` lie, from the
    first epoch that is looked at, one HDF5 file an epoch (`watching.record`), and at the end the pictures (`watching.figures.draw`).
    A training that begins anew replaces what an earlier one left there; one that goes on (`initial_epoch=`) keeps the epochs before.

    Args:
        images: as `convscope.explain` takes them; of a folder of class folders the true classes are known.
        folder: where everything is written.
        epochs: numbers of the epochs to look at, from 1; a number alone: every so many; None: about eight, the first ones closer
            together, and the last; of a training that stops early its last one, unless epochs are named.
        method: a class activation map that needs no head trained beside the model ("gradcam", "layer_cam" ...).
        target: the class explained: "predicted", "true", or a class name or index.
        layer: whose feature maps carry the map; the last ones where None.
        colormap: matplotlib's name.
        labels: the true classes of images that are in no class folders, as the model numbers them, one each; -1 unknown.
        tensorboard: a folder for TensorBoard's event files, too, where it is installed.
        wandb: True, or what `wandb.init` takes, for a run of Weights & Biases, too, where it is installed; one in progress goes on.
        **settings: of the model, as in `convscope.explain`: `classes`, `preprocessing` ...

    Raises:
        UserError: at once, at the start of the training, or with the first epoch: one line, what is wrong and what to do.
    """

    def __init__(
        self,
        images: Any,
        folder: str | os.PathLike[str] = "watching",
        epochs: Iterable[int] | int | None = None,
        method: str = "gradcam",
        target: str | int = "predicted",
        layer: str | None = None,
        colormap: str = "jet",
        labels: Iterable[int] | None = None,
        tensorboard: str | os.PathLike[str] | None = None,
        wandb: bool | Mapping[str, Any] = False,
        **settings: Any,
    ) -> None:
        super().__init__()
        if method not in METHODS:
            raise UserError(f"watch: method '{method}' does not exist; {nearest(str(method), METHODS)}")
        if target == "all":
            raise UserError(
                "watch: one class is explained in every epoch; target is predicted, true, a class name or an index"
            )
        known_keywords(settings, KEYWORDS, "watch")
        if colormap not in colormaps:  # else it is known when the training is over
            raise UserError(f"watch: no colour map '{colormap}'; {nearest(str(colormap), colormaps)}")
        if tensorboard is not None:
            need("tensorboard", "watch: tensorboard=")
        if wandb is not False:
            need("wandb", "watch: wandb=")
        self._tensorboard, self._wandb = tensorboard, wandb
        self._loggers: list[Logger] = []
        self._before: list[record.Moment] = []
        self._labels = None if labels is None else np.asarray(list(labels), np.int64)
        self._images, self.folder = images, Path(folder).expanduser()
        self._epochs = epochs if epochs is None or isinstance(epochs, int) else sorted(map(int, epochs))
        self._method, self._target, self._layer, self._colormap = method, target, layer, colormap
        self._settings = {key: value for key, value in settings.items() if value is not None}
        self._live: LiveNetwork | None = None
        self._mapper: ClassMapper | None = None
        self._first: int | None = None
        self._passed: tuple[int, dict[str, Any]] | None = None
        self._wanted: set[int] = set()

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Choose the epochs."""
        self._live = self._mapper = self._first = self._passed = None
        self._wanted = chosen_epochs(self._epochs, int(self.params.get("epochs") or 1))

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Note where the training begins."""
        self._first = epoch + 1 if self._first is None else self._first

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Look, if this epoch is one of those, or the last one because something has just stopped the training."""
        self._passed = (epoch + 1, dict(logs or {}))
        if epoch + 1 in self._wanted:
            self._passed = None
            self.look(epoch + 1, logs or {})
        elif getattr(self.model, "stop_training", False):
            self._look_at_the_last()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Draw what was seen; before, look at the last epoch where a callback behind this one stopped the training."""
        self._look_at_the_last()
        for logger in self._loggers:
            logger.close()
        self._loggers = []
        if self._live is not None:
            figures.draw(self.folder, *record.read(self.folder), self._colormap)

    def _look_at_the_last(self) -> None:
        passed, self._passed = self._passed, None
        # Of named epochs no other is meant; what was stopped because the loss is no number has nothing to show.
        if passed and not isinstance(self._epochs, list) and np.isfinite(passed[1].get("loss", 0.0)):
            self.look(*passed)

    @keras_as_needed()
    def look(self, epoch: int, logs: dict[str, Any]) -> record.Moment:
        """Look at the pictures now, and write what is seen as that of an epoch."""
        if self._live is None:
            self._begin()
        elif self._live.refresh() or self._method == "cam":  # whose weights are those of the mapper
            self._mapper = None
        live, read = self._live, self._read
        assert live is not None  # noqa: S101
        if self._mapper is None:
            self._mapper = ClassMapper(live.network, live.spec, self._of, [self._method], fold=False, key="watch")
        seen = self._mapper(live.spec.preprocess(read.pixels), read.labels, self._target)
        if not np.isfinite(seen.probabilities).all():
            raise UserError(
                f"watch: after epoch {epoch} what the model answers is no number (NaN): its training failed; lower the learning rate"
            )
        moment = record.Moment(
            epoch,
            seen.maps[self._method][:, 0],
            seen.targets[:, 0],
            seen.predicted,
            seen.scores[:, 0],
            seen.probabilities,
            {key: float(value) for key, value in logs.items() if isinstance(value, Real)},
        )
        record.write(self.folder, self._watched, moment)
        self._log(moment)
        return moment

    def _log(self, moment: record.Moment) -> None:
        if self._loggers:
            log(self._loggers, self._watched, self._before, moment, self._colormap)
        self._before = [moment]

    def _begin(self) -> None:
        live = LiveNetwork(self.model, self._settings)
        spec = live.spec
        self._of = layer_of_maps(
            live.network, self._layer or default_cam_layer(live.network, spec.input_size), tokens=True
        )
        self._read = pictures.read(self._images, spec)
        if self._labels is not None:
            count, classes = len(self._read.ids), len(spec.classes)
            if self._labels.shape != (count,) or not ((self._labels >= -1) & (self._labels < classes)).all():
                raise UserError(
                    f"watch: labels are numbers of classes, -1 to {classes - 1}, one for each of {count} images"
                )
            self._read = dataclasses.replace(self._read, labels=self._labels)
        if self._target == "true" and (self._read.labels < 0).any():
            raise UserError("target 'true' needs the true classes; give a folder of class folders, or name a class")
        self._watched = record.Watched(
            self._read.ids,
            spec.reads.for_people(self._read.pixels),
            self._read.labels,
            spec.classes,
            spec.head,
            self._method,
            self._of,
            str(self._target),
        )
        record.begin(self.folder, self._watched)
        record.forget(self.folder, self._first or 1)
        self._before = record.read(self.folder)[1][-1:]
        if self._tensorboard is not None:
            self._loggers.append(TensorBoard(Path(self._tensorboard).expanduser()))
        if self._wandb is not False:
            self._loggers.append(WeightsAndBiases({} if self._wandb is True else dict(self._wandb)))
        self._live = live


def chosen_epochs(wanted: Iterable[int] | int | None, last: int) -> set[int]:
    """Numbers of the epochs to look at, from 1.

    Args:
        wanted: these; every so many; None: about eight, spread as powers are, for most changes at the beginning.
        last: how many epochs the training has.
    """
    if wanted is None:
        return set(spread_epochs(last))
    if isinstance(wanted, int):
        if wanted < 1:
            raise UserError(f"watch: epochs is {wanted}; every so many, 1 or more, or a list of numbers")
        return set(range(wanted, last + 1, wanted)) | {last}
    named = set(map(int, wanted))
    if not any(1 <= epoch <= last for epoch in named):
        raise UserError(
            f"watch: epochs is {sorted(named)}, and the training has {last}, the first is 1: none would be looked at"
        )
    return named
