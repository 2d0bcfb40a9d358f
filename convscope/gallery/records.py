"""What a gallery shows, as plain records."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convscope.gallery.compared import Comparison
from convscope.gallery.explained import Explanations
from convscope.gallery.filters import Layer
from convscope.gallery.heads import CamHead, TransferHeads
from convscope.gallery.heatmaps import BadFile, Heatmaps
from convscope.gallery.judged import Gate, Judging
from convscope.gallery.measures import Measure, measures
from convscope.gallery.present import Gap
from convscope.gallery.reasons import Reasons
from convscope.gallery.segmented import Segmented
from convscope.gallery.tables import Row
from convscope.gallery.unfinished import Unfinished
from convscope.gallery.units import Units
from convscope.gallery.vectors import Vectors
from convscope.gallery.watched import Watching


@dataclass(frozen=True)
class Dataset:
    """A dataset: `total` readable images; `counts[class][split]` is a number of them, of many labels each counts one."""

    name: str
    splits: tuple[str, ...]
    total: int
    counts: dict[str, dict[str, int]]
    bad: tuple[BadFile, ...]
    contact_sheet: Path | None
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Evaluation:
    """A model judged on one split: `metrics` are single values, `confusion[truth][predicted]` counts images.

    `reported`: whether there is a report of these predictions, with its figures, thumbnails and numbers of every class. `head` is
    that of a model of many labels or of numbers, "" of classes; `headline` the number that stands for all, and what it is.
    `warnings` say what looks wrong. `surest` is the wrong answer that the model was surest of: truth, answer, confidence in 0..1.
    """

    dataset: str
    split: str
    images: int
    accuracy: float | None
    metrics: dict[str, Any]
    confusion: dict[str, dict[str, int]]
    figures: tuple[Path, ...]
    files: tuple[Path, ...]
    reported: bool = True
    head: str = ""
    headline: tuple[float | None, str] = (None, "accuracy")
    warnings: tuple[str, ...] = ()
    surest: tuple[str, str, float] | None = None

    @property
    def measures(self) -> list[Measure]:
        """The single values in words."""
        return measures(self.metrics)

    @property
    def answers(self) -> list[str]:
        """The columns of the confusion matrix: what is answered, and classes that never are."""
        return sorted({name for row in self.confusion.values() for name in row} | set(self.confusion) - {"unknown"})

    @property
    def confusion_figures(self) -> tuple[Path, ...]:
        """The figures that say what a table of the confusion matrix says."""
        return tuple(path for path in self.figures if path.stem in ("confusion", "confusion_normalised"))


@dataclass(frozen=True)
class Sheets:
    """The channel sheets of one image, by depth: pairs of layer and picture."""

    image: str
    sheets: tuple[tuple[str, Path], ...]


@dataclass(frozen=True)
class Activations:
    """What the layers of a model answer to one image set."""

    image_set: str
    figures: tuple[Path, ...]
    images: tuple[Sheets, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class ImageSet:
    """A named list of images, a row each; `bad` are those left out because they could not be read."""

    name: str
    rows: tuple[Row, ...]
    bad: tuple[BadFile, ...]
    files: tuple[Path, ...]

    @property
    def count(self) -> int:
        """How many images it has."""
        return len(self.rows)


@dataclass(frozen=True)
class Model:
    """A model and everything that was made of it."""

    name: str
    spec: dict[str, Any]
    training: dict[str, Any]
    epochs: int
    curves: Path | None
    summary: str
    layers: tuple[Layer, ...]
    evaluations: tuple[Evaluation, ...]
    activations: tuple[Activations, ...]
    heatmaps: tuple[Heatmaps, ...]
    explained: tuple[Explanations, ...] = field(default=(), kw_only=True)
    files: tuple[Path, ...] = field(default=())
    judged: tuple[Judging, ...] = field(default=())
    cam_head: CamHead | None = None
    segmented: tuple[Segmented, ...] = ()
    transfer_heads: TransferHeads | None = None
    watched: tuple[Watching, ...] = field(default=(), kw_only=True)
    units: tuple[Units, ...] = field(default=(), kw_only=True)
    vectors: tuple[Vectors, ...] = field(default=(), kw_only=True)
    reasons: tuple[Reasons, ...] = field(default=(), kw_only=True)
    objectives: tuple[tuple[str, str, Path], ...] = field(default=(), kw_only=True)

    def gate(self, image_set: str, method: str) -> Gate | None:
        """What the sanity gate says of a method on an image set, for wherever its pictures are shown."""
        return next((entry.gates.get(method) for entry in self.judged if entry.image_set == image_set), None)

    @property
    def shown_layers(self) -> tuple[Layer, ...]:
        """The layers that have filter patterns, by depth."""
        return tuple(layer for layer in self.layers if layer.has_page)


@dataclass(frozen=True)
class Study:
    """All that a gallery shows; `gaps` is what it was asked for and cannot show, `unfinished` the run in which jobs failed."""

    name: str
    title: str
    folder: Path
    datasets: tuple[Dataset, ...]
    models: tuple[Model, ...]
    image_sets: tuple[ImageSet, ...]
    comparisons: tuple[Comparison, ...] = ()
    gaps: tuple[Gap, ...] = ()
    unfinished: Unfinished | None = None

    def gaps_of(self, model: str) -> list[Gap]:
        """What is not shown of a model."""
        return [gap for gap in self.gaps if gap.model == model]
