"""One page an image: what the model says of it, and every method's maps, of class activation and of attribution."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from convscope.errors import UserError
from convscope.gallery.explained import ExplainedImage
from convscope.gallery.heatmaps import Explained
from convscope.gallery.records import Model
from convscope.gallery.tables import PredictedImage
from convscope.jobs.job import check
from convscope.models.spec import predicted_labels
from convscope.storage import store

# Classes that are shown at once; of more, the likeliest.
_SHOWN = 12
# A class below this is counted, not listed: a model of 1000 classes has hundreds of them.
_LISTED = 0.001

Chances = Mapping[str, float]


@dataclass(frozen=True)
class Shown:
    """A method's pictures of an image for one class: map and overlay (or either), and the views beside them by name.

    `method` is the name that the sanity gate knows; `facts` are numbers such as a completeness gap.
    """

    method: str
    title: str
    signed: bool
    empty: bool
    facts: Mapping[str, float]
    pictures: tuple[Path, ...]
    views: tuple[tuple[str, Path], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """The maps for one class, "" for those of no class; `score` is a logit."""

    class_name: str
    score: float | None
    maps: tuple[Shown, ...]


@dataclass(frozen=True)
class ImagePage(PredictedImage):
    """An explained image; `chances` are all classes' probabilities in 0..1, empty where they are not on disk."""

    together: Path | None
    chances: Chances
    evidence: tuple[Evidence, ...]

    @property
    def result(self) -> str:
        """ "right", "wrong", or "" where the truth is unknown."""
        return "" if self.correct is None else "right" if self.correct else "wrong"

    @property
    def bars(self) -> list[tuple[str, float]]:
        """The classes to show at once: all of a few in the model's order, else the likeliest, and the truth."""
        if len(self.chances) <= _SHOWN:
            return list(self.chances.items())
        ranked = self._ranked()
        return [entry for rank, entry in enumerate(ranked) if rank < _SHOWN or entry[0] == self.class_name]

    @property
    def more_bars(self) -> list[tuple[str, float]]:
        """The other classes that are not next to nothing, the likeliest first."""
        shown = {name for name, _ in self.bars}
        return [(name, share) for name, share in self._ranked() if name not in shown and share >= _LISTED]

    @property
    def rest(self) -> tuple[int, float]:
        """How many classes are in neither list, and what they have together."""
        listed = {name for name, _ in [*self.bars, *self.more_bars]}
        left = [share for name, share in self.chances.items() if name not in listed]
        return len(left), float(sum(left))

    def _ranked(self) -> list[tuple[str, float]]:
        return sorted(self.chances.items(), key=lambda entry: -entry[1])


@dataclass(frozen=True)
class Place:
    """Where an image stands in its set: `number` from 1, and the images before and after it, any and wrong ones."""

    number: int
    before: ImagePage | None
    after: ImagePage | None
    wrong_before: ImagePage | None
    wrong_after: ImagePage | None


@dataclass(frozen=True)
class ImagePages:
    """The explained images of a model's image set, in the set's order."""

    model: str
    image_set: str
    images: tuple[ImagePage, ...]
    head: str = ""

    def is_predicted(self, image: ImagePage, name: str) -> bool:
        """Whether a class is the answer on an image, or a label among those predicted."""
        if self.head == "multilabel":
            return name in predicted_labels([name], [image.chances.get(name, 0.0)])
        return name == image.predicted

    def is_true(self, image: ImagePage, name: str) -> bool:
        """Whether a class is the image's own, or a label among its own (which the tables join by commas)."""
        if self.head == "multilabel":
            return f", {name}, " in f", {image.class_name}, "
        return name == image.class_name

    @property
    def wrong(self) -> tuple[ImagePage, ...]:
        """The misclassified ones."""
        return tuple(image for image in self.images if image.result == "wrong")

    def places(self) -> list[Place]:
        """The place of each image, in their order."""
        found = []
        wrong = [position for position, image in enumerate(self.images) if image.result == "wrong"]
        passed = 0  # how many of the wrong ones stand before the image
        for position in range(len(self.images)):
            later = passed + (passed < len(wrong) and wrong[passed] == position)
            found.append(
                Place(
                    position + 1,
                    self.images[position - 1] if position else None,
                    self.images[position + 1] if position + 1 < len(self.images) else None,
                    self.images[wrong[passed - 1]] if passed else None,
                    self.images[wrong[later]] if later < len(wrong) else None,
                )
            )
            passed = later
        return found


def image_pages(model: Model) -> tuple[ImagePages, ...]:
    """The image sets of a model of which there are maps of any kind.

    Args:
        model: as collected.

    Raises:
        UserError: a file of maps is damaged.
    """
    heatmaps = {entry.image_set: entry for entry in model.heatmaps}
    explained = {entry.image_set: entry for entry in model.explained}
    result = []
    for name in dict.fromkeys([*heatmaps, *explained]):
        cams = {image.id: image for image in heatmaps[name].images} if name in heatmaps else {}
        others = {image.id: image for image in explained[name].images} if name in explained else {}
        # Only the files of what is shown: another one may be of another model or of other images.
        files = [path for part in (heatmaps, explained) if name in part for path in part[name].files]
        chances = probabilities(path for path in files if path.suffix == ".h5")
        ids = dict.fromkeys([*cams, *others])
        images = tuple(_page(model, cams.get(key), others.get(key), chances.get(key, {})) for key in ids)
        result.append(ImagePages(model.name, name, images, str(model.spec.get("head", ""))))
    return tuple(result)


def probabilities(files: Iterable[Path]) -> dict[str, Chances]:
    """Probability of every class of each image (id -> class -> 0..1), from the first of the files that has them.

    Raises:
        UserError: a file is damaged.
    """
    for path in files:
        check([path])
        try:
            with store.open_file(path) as file:
                if not {"id", "probabilities"} <= set(file) or "classes" not in file.attrs:
                    continue
                head = str(file.attrs.get("head", ""))
                if head == "regression":
                    return {}
                classes = [str(name) for name in json.loads(file.attrs["classes"])]
                ids, values = store.read_text(file["id"]), np.asarray(file["probabilities"][()], np.float64)
        except (OSError, ValueError) as error:
            raise UserError(f"{path}: not readable ({str(error).splitlines()[0]}); delete it and run again") from None
        # A file whose shards are gone reads as zeros.
        whole = np.isfinite(values).all(axis=1) & (values.sum(axis=1) > (0 if head == "multilabel" else 0.5))
        if len(ids) and whole.all() and values.shape[1] == len(classes):
            return {key: dict(zip(classes, row.tolist(), strict=True)) for key, row in zip(ids, values, strict=True)}
    return {}


def _page(model: Model, cams: Explained | None, others: ExplainedImage | None, chances: Chances) -> ImagePage:
    about = cams or others
    assert about is not None  # noqa: S101 (an image is there because one of them is)
    return ImagePage(
        id=about.id,
        path=about.path,
        class_name=about.class_name,
        predicted=about.predicted,
        confidence=about.confidence,
        correct=about.correct,
        photo=(cams.photo if cams else None) or (others.photo if others else None),
        together=others.picture if others else None,
        chances=chances,
        evidence=_evidence(cams, others, _order(about, model.spec.get("classes", []))),
    )


def _order(about: Explained | ExplainedImage, classes: Sequence[str]) -> list[str]:
    """Classes as the page shows them: the prediction, the truth, the others, and last what is of no class."""
    return list(dict.fromkeys([about.predicted, *([about.class_name] if about.class_name else []), *map(str, classes)]))


def _evidence(cams: Explained | None, others: ExplainedImage | None, order: list[str]) -> tuple[Evidence, ...]:
    drawn = {entry.title for entry in cams.maps} if cams else set()
    maps: dict[str, list[Shown]] = {}
    scores: dict[str, float | None] = {}
    for entry in cams.maps if cams else ():
        pictures = (entry.overlay,) if entry.overlay else ()
        maps.setdefault(entry.target, []).append(Shown(entry.method, entry.title, False, entry.empty, {}, pictures))
        scores[entry.target] = entry.score
    for target in others.targets if others else ():
        if scores.get(target.name) is None:
            scores[target.name] = target.score
        maps.setdefault(target.name, []).extend(
            Shown(
                found.method,
                # A study may ask for Grad-CAM twice, of different layers: what is called alike is told apart.
                f"{found.title} (attributions)" if found.title in drawn else found.title,
                found.signed,
                found.empty,
                found.facts,
                tuple(path for path in (found.map, found.overlay) if path),
                found.views,
            )
            for found in target.maps
        )
    places = {name: place for place, name in enumerate(order)}
    names = sorted(maps, key=lambda name: (not name, places.get(name, len(places))))
    return tuple(Evidence(name, scores[name], tuple(maps[name])) for name in names)
