"""Explanations of a model's predictions, by every class activation map and every attribution method."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from convscope.attributions import figures as attribution_figures
from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.attributions.views import remark, views
from convscope.cams import figures as cam_figures
from convscope.cams.names import CLASS_FREE
from convscope.cams.names import METHODS as CAMS
from convscope.notebook.drawn import Drawn, shape_of
from convscope.notebook.sheet import cells_sheet
from convscope.pictures.captions import answer, explained
from convscope.pictures.channels import RGB, Channels


@dataclass(frozen=True, repr=False, eq=False)
class Explanation(Drawn):
    """Maps of images, and all that is known of them. Where all classes are explained, (N, T, ...) stands for (N, ...).

    Attributes:
        method: its name in the config.
        maps: (N, h, w) float32, raw, not normalised: a class activation map at the size of its layer's feature maps, an
            attribution at the images'; (N, H, W, C) of a method that tells colours apart, in the model's order of them.
        targets: (N,) int64, the class that is explained.
        scores: (N,) float32, its logit (of a model with one output unit -z for class 0 and z for class 1).
        predictions: (N, C) float32, probability of each class; of a regression its outputs.
        predicted: (N,) int64, the most probable one.
        images: (N, H, W, 3) uint8, RGB, the pictures as people see what the model is given.
        labels: (N,) int64, the true class, -1 unknown.
        ids: N names of the images.
        classes: C names.
        model: the model's name.
        layer: whose feature maps carry the map; empty where none does.
        signed: whether the map has evidence against the class, below 0.
        settings: of the method, complete.
        facts: numbers beside the maps by name, (N, ...) each: a completeness gap, LIME's segments.
        style: how it is drawn.
        head: of the model: "binary", "multiclass", "multilabel", "regression".
        pixels: (N, H, W, C), 0..255, what the model is given; None: `images`.
        reads: what its channels are.
        places: which channels of `maps` are red, green and blue, or gray.
    """

    method: str
    maps: np.ndarray
    targets: np.ndarray
    scores: np.ndarray
    predictions: np.ndarray
    predicted: np.ndarray
    images: np.ndarray
    labels: np.ndarray
    ids: list[str]
    classes: tuple[str, ...]
    model: str
    layer: str
    signed: bool
    settings: dict[str, Any]
    facts: dict[str, np.ndarray] = field(default_factory=dict)
    style: dict[str, Any] = field(default_factory=dict)
    head: str = ""
    pixels: np.ndarray | None = None
    reads: Channels = RGB
    places: tuple[int, ...] = (0, 1, 2)

    def __repr__(self) -> str:
        title = CAMS.get(self.method) or ATTRIBUTIONS[self.method].title
        at = f" at '{self.layer}'" if self.layer else ""
        return (
            f"<{title} of model '{self.model}'{at}: maps {shape_of(self.maps)}, images {shape_of(self.images)}, "
            f"predictions {shape_of(self.predictions)}>"
        )

    def of(self, image: int) -> "Explanation":
        """The explanation of one of the images, N = 1."""
        arrays = {
            name: getattr(self, name)[image : image + 1]
            for name in ("maps", "targets", "scores", "predictions", "predicted", "images", "labels", "ids")
        }
        pixels = None if self.pixels is None else self.pixels[image : image + 1]
        facts = {name: value[image : image + 1] for name, value in self.facts.items()}
        return dataclasses.replace(self, **arrays, pixels=pixels, facts=facts)

    @property
    def overlays(self) -> np.ndarray:
        """The maps over their images, as the workflow draws them: (N, H, W, 3) uint8, or (N, T, H, W, 3)."""
        drawn = [[self._drawn(i, t)[1] for t in range(self._count)] for i in range(len(self.images))]
        return np.array(drawn).reshape(*self.targets.shape, *self.images.shape[1:])

    def picture(self) -> np.ndarray:
        """A contact sheet: each image, its map, the map over the image; the prediction and the class explained below.

        Returns:
            (H, W, 3) uint8.
        """
        cells, captions = [], []
        class_free = self.method in CLASS_FREE
        for image, photo in enumerate(self.images):
            for target in range(1 if class_free else self._count):
                cells.append([photo, *self._drawn(image, target), *self._views(image, target)])
                captions.append(self._caption(image, target, class_free))
        return cells_sheet(cells, captions)

    @property
    def _count(self) -> int:
        return 1 if self.targets.ndim == 1 else self.targets.shape[1]

    def _at(self, values: np.ndarray, image: int, target: int) -> Any:
        return values[image] if self.targets.ndim == 1 else values[image, target]

    def _map(self, image: int, target: int) -> np.ndarray:
        return np.asarray(self._at(self.maps, image, target))

    def _drawn(self, image: int, target: int) -> tuple[np.ndarray, np.ndarray]:
        values, photo, whole = self._map(image, target), self.images[image], self.style["scale"] == "set"
        if self.method in CAMS:
            top = float(self.maps.max()) if whole else float(values.max())
            return cam_figures.draw_map(photo, values, 0.0 if values.max() <= 0 else top, self.style["colormap"])
        style = attribution_figures.Style(**self.style)
        largest = self._largest(style) if whole else None
        colours = ATTRIBUTIONS[self.method].colours
        return attribution_figures.draw_map(photo, values, self.signed, style, largest, colours, self.places)

    def _largest(self, style: attribution_figures.Style) -> float:
        flat = self.maps if self.targets.ndim == 1 else self.maps.reshape(-1, *self.maps.shape[2:])
        warm = attribution_figures.heat(flat, self.signed)
        return max(attribution_figures.strongest(one, style.percentile) for one in warm)

    def _views(self, image: int, target: int) -> list[np.ndarray]:
        if self.method in CAMS:
            return []
        fact = self._fact(image, target)
        values, photo = self._map(image, target), self.images[image]
        given = (self.images if self.pixels is None else self.pixels)[image]
        shown = views(
            self.method, photo, values, fact, self.settings, self.style["diverging"], self.reads, lambda: given
        )
        return list(shown.values())

    def _fact(self, image: int, target: int) -> Callable[[str], np.ndarray]:
        return lambda name: np.asarray(self._at(self.facts[name], image, target))

    def _caption(self, image: int, target: int, class_free: bool) -> str:
        predicted, label = int(self.predicted[image]), int(self.labels[image])
        value = float(self.predictions[image, predicted])
        about = answer(self.head, self.classes, predicted, value, label)
        evidence = "" if class_free else self.classes[int(self._at(self.targets, image, target))]
        values = self._map(image, target)
        warm = values > 0 if self.method in CAMS else attribution_figures.heat(values[None], self.signed)
        empty = not warm.any()
        text = explained(
            about["predicted"],
            None if about["confidence"] is None else value,
            about["class"],
            evidence,
            empty,
            self.head,
        )
        if self.method in ATTRIBUTIONS and self.method not in CAMS:
            more = remark(self.method, self._fact(image, target), list(self.classes))
            text += f"\n{more}" if more else ""
        return text
