"""Pictures of attribution maps: the map, the map over its image, contact sheets, and the table that says what each shows."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from convscope.attributions.base import heat
from convscope.attributions.names import METHODS
from convscope.attributions.views import VIEWS, remark, views
from convscope.models.spec import predicted_labels
from convscope.pictures.captions import answer, explained, name_parts
from convscope.pictures.channels import Channels
from convscope.pictures.contact_sheets import contact_sheet, sheet_cell
from convscope.pictures.read import load_images
from convscope.pictures.render import colormap, enlarged, save_jpeg, save_png
from convscope.storage import store

_PER_SHEET = 24


@dataclass(frozen=True)
class Style:
    """How maps are shown.

    Attributes:
        colormap: matplotlib's name, for maps without a sign.
        diverging: matplotlib's name, for maps with one: against, none, for. The scale is symmetric: its middle is 0.
        percentile: the strongest colour begins at this percentile of the absolute values, so that a few outlying pixels do
            not leave the rest dark (99 is usual for gradients).
        scale: "image": that percentile is of each map; "set": the largest of all maps of the set, so that pictures compare.
    """

    colormap: str = "inferno"
    diverging: str = "coolwarm"
    percentile: float = 99.0
    scale: str = "image"


def strongest(warm: np.ndarray, percentile: float) -> float:
    """The value shown in the strongest colour: a percentile of the absolute values; of few hot pixels, their largest."""
    sizes = np.abs(warm)
    top = float(np.percentile(sizes, percentile)) if sizes.size else 0.0
    return top or float(sizes.max(initial=0.0))


def levels(warm: np.ndarray, top: float, signed: bool) -> np.ndarray:
    """Heat as places on a colour map, 0..1; a signed one's 0 is at 0.5, whatever its values are."""
    relative = np.asarray(warm, np.float64) / top if top > 0 else np.zeros(np.shape(warm))
    return np.clip(relative / 2 + 0.5, 0, 1) if signed else np.clip(relative, 0, 1)


def colour_picture(values: np.ndarray, top: float) -> np.ndarray:
    """A map with colours as a picture around mid-grey: (H, W, 3), or (H, W, 1) in gray, float -> (H, W, 3) uint8."""
    relative = values / top if top > 0 else np.zeros(values.shape)
    picture = np.rint(np.clip(relative / 2 + 0.5, 0, 1) * 255).astype(np.uint8)
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture


def blended(photo: np.ndarray, places: np.ndarray, colours: np.ndarray, signed: bool) -> np.ndarray:
    """A map over its photo in grey: each pixel is as much covered as it is strong. (H, W, 3) uint8."""
    grey = (photo @ np.array([0.299, 0.587, 0.114]))[..., None] * (0.6 if signed else 0.45) + (70 if signed else 0)
    cover = (np.abs(places * 2 - 1) if signed else places)[..., None] ** 0.75
    return np.clip(np.rint(grey * (1 - cover) + colours * cover), 0, 255).astype(np.uint8)


def draw_map(
    photo: np.ndarray,
    values: np.ndarray,
    signed: bool,
    style: Style,
    top: float | None = None,
    colours: bool = False,
    seen: tuple[int, ...] = (0, 1, 2),
) -> tuple[np.ndarray, np.ndarray]:
    """A map alone, and over its photo.

    Args:
        photo: (H, W, 3) uint8, the image as the model sees it.
        values: (H, W) or (H, W, C) float, the raw map.
        signed: whether its heat has a sign.
        style: how it is shown.
        top: value shown in the strongest colour; None: the map's own (see `strongest`).
        colours: show a map with colours as the picture that it is.
        seen: which of its channels people see, as `ModelSpec.places` says.

    Returns:
        Two (H, W, 3) uint8.
    """
    warm = heat(values[None], signed)[0]
    top = strongest(warm, style.percentile) if top is None else top
    places = levels(warm, top, signed)
    hot = colormap(style.diverging if signed else style.colormap, places)
    shown = blended(photo, places, hot, signed)
    if colours and values.ndim == 3:
        return colour_picture(values[..., list(seen)], top), shown
    return hot, shown


class MapFile:
    """One method's maps of an image set, read from HDF5 and drawn one by one.

    Args:
        file: written by the attribution jobs.
        style: how maps are shown.
    """

    def __init__(self, file: h5py.File, style: Style) -> None:
        self._file, self._style = file, style
        self.attributes = dict(file.attrs)
        self.method, self.signed = str(file.attrs["method"]), bool(file.attrs["signed"])
        known = METHODS[self.method]
        self.title, self._colours = known.title, known.colours
        self._reads = Channels.of_attributes(file.attrs)
        self.classes: list[str] = json.loads(file.attrs["classes"])
        self.parts = name_parts(self.classes)
        self.size: tuple[int, int] = tuple(json.loads(file.attrs["input_size"]))
        self.ids, self.paths, self.digests = (store.read_text(file[name]) for name in ("id", "path", "sha256"))
        self.count = len(self.ids)
        self.head = str(file.attrs.get("head", ""))
        self._truths = store.read_text(file["truth"]) if "truth" in file else [""] * self.count
        self._top: float | None = None
        if style.scale == "set":
            tops = [self._own_top(i, t) for i in range(self.count) for t in range(len(file["targets"][i]))]
            self._top = max(tops, default=0.0)

    def targets(self, index: int) -> list[tuple[str, float, bool]]:
        """Name, score and emptiness of each class explained of an image."""
        columns = (self._file[name][index] for name in ("targets", "scores", "empty"))
        return [(self.classes[t], float(s), bool(e)) for t, s, e in zip(*columns, strict=True)]

    def facts(self, index: int, target: int) -> dict[str, float]:
        """The numbers stored beside a map: completeness gap, standard error, ReLUs patched."""
        group = self._file.get("facts", {})
        return {name: group[name][index, target].item() for name in sorted(group) if group[name].ndim == 2}

    def views(self, index: int, target: int, photo: np.ndarray) -> dict[str, np.ndarray]:
        """The pictures that a method has beside its map, by name (see `attribution_views`)."""
        return views(
            self.method,
            photo,
            self._file["maps"][index, target],
            lambda name: self._fact(name, index, target),
            json.loads(self.attributes.get("settings", "{}")),
            self._style.diverging,
            self._reads,
            lambda: self._pixels(index),
        )

    def remark(self, index: int, target: int) -> str:
        """What a caption adds about one map (see `attribution_views.remark`)."""
        return remark(self.method, lambda name: self._fact(name, index, target), self.classes)

    def _fact(self, name: str, index: int, target: int) -> Any:
        return self._file[f"facts/{name}"][index, target]

    def prediction(self, index: int) -> dict[str, Any]:
        """What is known of an image: truth, prediction, probabilities."""
        predicted, label = int(self._file["predicted"][index]), int(self._file["label"][index])
        value = float(self._file["probabilities"][index, predicted])
        there = predicted_labels(self.classes, self._file["probabilities"][index])
        about = answer(self.head, self.classes, predicted, value, label, self._truths[index], there)
        return {"id": self.ids[index], "path": self.paths[index], **about, "sha256": self.digests[index]}

    def probabilities(self, index: int) -> dict[str, float]:
        """Probability of each class of an image, in the model's order; of numbers, each output."""
        return dict(zip(self.classes, self._file["probabilities"][index].tolist(), strict=True))

    def photo(self, index: int) -> np.ndarray:
        """The image as the model sees it, (H, W, 3) uint8."""
        return self._reads.for_people(self._pixels(index))

    def _pixels(self, index: int) -> np.ndarray:
        """What the model is given of the image, (H, W, C), 0..255."""
        resize, digests = str(self._file.attrs["resize"]), [self.digests[index]]
        return load_images([self.paths[index]], self.size, resize, digests=digests, channels=self._reads)[0]

    def _own_top(self, index: int, target: int) -> float:
        return strongest(heat(self._file["maps"][index, target][None], self.signed)[0], self._style.percentile)

    def draw(self, index: int, target: int, photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A map, and the map over its photo: two (H, W, 3) uint8."""
        values = self._file["maps"][index, target]
        places = (2, 1, 0) if self._file.attrs.get("channels") == "bgr" else self._reads.places
        return draw_map(photo, values, self.signed, self._style, self._top, self._colours, places)


class AttributionFigures:
    """Draws one method's maps of an image set."""

    COLUMNS: ClassVar[list[str]] = [
        "id", "path", "class", "label", "predicted", "predicted_label", "confidence", "correct",
        "target", "score", "empty", "thumbnail", "map", "overlay", "sha256",
    ]  # fmt: skip

    def __init__(self, maps: MapFile) -> None:
        self._maps = maps
        self.count = maps.count
        extra = [f"view_{name}" for name in VIEWS.get(maps.method, ())]
        self.columns = [*self.COLUMNS, *extra, *(maps.facts(0, 0) if maps.count else [])]

    def draw(self, folder: Path, on_image: Callable[[], None]) -> list[dict[str, Any]]:
        """Draw everything into a folder. Returns the table's rows, one a map; their paths start at the folder's parent."""
        rows: list[dict[str, Any]] = []
        cells: list[np.ndarray] = []
        captions: list[str] = []
        sheets = 0
        for index in range(self.count):
            for row, cell, caption in self._draw_image(index, folder):
                rows.append(row)
                cells.append(cell)
                captions.append(caption)
            if len(cells) >= _PER_SHEET or index == self.count - 1:
                self._draw_sheet(folder / f"sheet_{sheets:03d}.png", cells, captions)
                cells, captions, sheets = [], [], sheets + 1
            on_image()
        if not self.count:
            self._draw_sheet(folder / "sheet_000.png", [], [])
        return rows

    def _draw_image(self, index: int, folder: Path) -> list[tuple[dict[str, Any], np.ndarray, str]]:
        maps, photo = self._maps, self._maps.photo(index)
        about = maps.prediction(index)
        thumbnail = Path("photos") / f"{about['id']}.jpg"
        save_jpeg(folder / thumbnail, enlarged(photo))
        results = []
        for place, (target, score, empty) in enumerate(maps.targets(index)):
            drawn, shown = maps.draw(index, place, photo)
            stem = f"{about['id']}_{maps.parts[target]}_{score:.2f}".replace("/", "-").replace(" ", "-")
            facts = {"image": about["id"], "target": target, "score": f"{score:.4f}", "empty": empty}
            save_png(folder / "maps" / f"{stem}.png", enlarged(drawn), **self._described(), **facts)
            save_jpeg(folder / "overlays" / f"{stem}.jpg", enlarged(shown))
            row = {
                **about,
                "target": target,
                "score": round(score, 4),
                "empty": empty,
                "thumbnail": str(Path(folder.name) / thumbnail),
                "map": str(Path(folder.name) / "maps" / f"{stem}.png"),
                "overlay": str(Path(folder.name) / "overlays" / f"{stem}.jpg"),
                **maps.facts(index, place),
            }
            cell = [photo, drawn, shown]
            for name, picture in maps.views(index, place, photo).items():
                save_png(
                    folder / "views" / f"{stem}_{name}.png", enlarged(picture), view=name, **self._described(), **facts
                )
                row[f"view_{name}"] = str(Path(folder.name) / "views" / f"{stem}_{name}.png")
                cell.append(picture)
            sure = about["confidence"]
            caption = explained(about["predicted"], sure, about["class"], target, empty, maps.head)
            more = maps.remark(index, place)
            caption += f"\n{more}" if more else ""
            results.append((row, np.concatenate([enlarged(picture) for picture in cell], axis=1), caption))
        return results

    def _described(self) -> dict[str, str]:
        wanted = ("model", "method", "layer", "class", "settings")
        return {key: str(self._maps.attributes[key]) for key in wanted if key in self._maps.attributes}

    def _draw_sheet(self, path: Path, cells: list[np.ndarray], captions: list[str]) -> None:
        pictures = 3 + len(VIEWS.get(self._maps.method, ()))
        # Cells of more pictures stand fewer in a row: no sheet is wider than its page.
        sheet = contact_sheet(cells, max(9 // pictures, 1), sheet_cell(self._maps.size, pictures), captions, margin=8)
        save_png(path, sheet, **self._described())
