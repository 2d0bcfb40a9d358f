"""What is seen of a training, in TensorBoard and in Weights & Biases, each by its own library where that is installed."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from convscope.pictures.render import enlarged
from convscope.storage.files import atomic_path
from convscope.watching.figures import COLUMNS, answers, caption, over
from convscope.watching.record import Moment, Watched
from convscope.watching.settings import need

Rows = Sequence[Mapping[str, Any]]


class Logger(Protocol):
    """Takes what is seen, an epoch at a time."""

    def epoch(self, number: int, logs: Mapping[str, float], pictures: Mapping[str, np.ndarray], rows: Rows) -> None:
        """Log an epoch.

        Args:
            number: of it, from 1.
            logs: what Keras measured.
            pictures: id -> (H, W, 3) uint8, the map over its photo.
            rows: of `figures.COLUMNS`, those of this epoch.
        """

    def close(self) -> None:
        """Write what is held back."""


def shares(rows: Rows) -> dict[str, float]:
    """Numbers that sum an epoch up: the share of pictures that are right, where any truth is known, and of those that flipped."""
    known = [row["correct"] for row in rows if row["correct"] is not None]
    right = {"right": sum(known) / len(known)} if known else {}
    return right | {"flipped": sum(bool(row["flipped"]) for row in rows) / max(len(rows), 1)}


def log(loggers: Sequence[Logger], watched: Watched, before: Sequence[Moment], moment: Moment, colormap: str) -> None:
    """Log what was seen after an epoch.

    Args:
        loggers: all that take it.
        watched, moment: see `record`.
        before: the epoch that was looked at before, if any.
        colormap: matplotlib's name.
    """
    rows = [row for row in answers(watched, [*before, moment]) if row["epoch"] == moment.epoch]
    pictures = {
        name: over(enlarged(watched.images[number]), moment.maps[number], colormap)
        for number, name in enumerate(watched.ids)
    }
    for logger in loggers:
        logger.epoch(moment.epoch, moment.logs, pictures, rows)


class TensorBoard:
    """Event files by TensorFlow's own summary writer: scalars, an image a picture, a table of the predictions.

    Args:
        folder: `tensorboard --logdir` of it shows them.

    Raises:
        UserError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path) -> None:
        need("tensorboard", "watch: tensorboard=")
        import tensorflow as tf

        self._summary = tf.summary
        self._writer = tf.summary.create_file_writer(str(folder))

    def epoch(self, number: int, logs: Mapping[str, float], pictures: Mapping[str, np.ndarray], rows: Rows) -> None:
        """See `Logger`."""
        with self._writer.as_default(step=number):
            for key, value in [*logs.items(), *((f"watched_{name}", share) for name, share in shares(rows).items())]:
                self._summary.scalar(f"watch/{key}", value)
            for name, picture in pictures.items():
                self._summary.image(f"watch/{name}", picture[None])
            self._summary.text("watch/predictions", _markdown(rows))
        self._writer.flush()

    def close(self) -> None:
        """See `Logger`."""
        self._writer.close()


def write_board(path: Path, watched: Watched, moments: Sequence[Moment], colormap: str) -> None:
    """Write what was seen as one event file, the same bytes each time: of each event the time is its epoch's number.

    Args:
        path: of the file; TensorBoard takes it for one if its name has "tfevents" in it.
        watched, moments: see `record.read`.
        colormap: matplotlib's name.

    Raises:
        UserError: TensorBoard is not installed.
    """
    with TemporaryDirectory() as folder:
        board = TensorBoard(Path(folder))
        for place, moment in enumerate(moments):
            log([board], watched, moments[:place][-1:], moment, colormap)
        board.close()
        import tensorflow as tf

        (written,) = Path(folder).iterdir()
        with atomic_path(path) as temporary, tf.io.TFRecordWriter(str(temporary)) as file:
            for record in tf.data.TFRecordDataset(str(written)):
                event = tf.compat.v1.Event.FromString(record.numpy())
                event.wall_time = event.step
                file.write(event.SerializeToString(deterministic=True))


def _markdown(rows: Rows) -> str:
    def cell(value: Any) -> str:
        return ("" if value is None else str(value)).replace("|", "\\|").replace("\n", " ")

    lines = [COLUMNS, ["---"] * len(COLUMNS), *([cell(row[name]) for name in COLUMNS] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


class WeightsAndBiases:
    """A run of Weights & Biases: curves, an image a picture, a table of the predictions by epoch.

    The run in progress is used where there is one, and goes on; otherwise one is begun, and ended with the training. Without a
    connection, `mode="offline"` (or WANDB_MODE=offline) keeps it on the disk.

    Args:
        settings: of `wandb.init`.

    Raises:
        UserError: wandb is not installed.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        need("wandb", "watch: wandb=")
        import wandb

        self._wandb, self._began = wandb, wandb.run is None
        self._run = wandb.run or wandb.init(**settings)
        # A step of its own: that of the run belongs to whoever else logs.
        self._run.define_metric("watch/epoch")
        self._run.define_metric("watch/*", step_metric="watch/epoch")
        self._rows: list[list[Any]] = []

    def epoch(self, number: int, logs: Mapping[str, float], pictures: Mapping[str, np.ndarray], rows: Rows) -> None:
        """See `Logger`."""
        self._rows += [[row[name] for name in COLUMNS] for row in rows]
        curves = {**logs, **{f"watched_{name}": share for name, share in shares(rows).items()}}
        captions = {row["id"]: caption(row).replace("\n", ", ") for row in rows}
        told = {f"watch/{key}": value for key, value in curves.items()}
        told |= {
            f"watch/{name}": self._wandb.Image(picture, caption=captions.get(name))
            for name, picture in pictures.items()
        }
        # Anew each time, with all epochs: a table that was logged takes no more rows.
        told["watch/predictions"] = self._wandb.Table(columns=list(COLUMNS), data=self._rows)
        self._run.log({"watch/epoch": number, **told})

    def close(self) -> None:
        """See `Logger`."""
        if self._began:
            self._run.finish()
