"""Pictures of class activation maps: overlays, contact sheets, and the table that says what each shows."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from convscope.cams.names import CLASS_FREE, METHODS
from convscope.models.spec import predicted_labels
from convscope.pictures.captions import answer, explained, name_parts
from convscope.pictures.channels import Channels
from convscope.pictures.contact_sheets import contact_sheet, sheet_cell
from convscope.pictures.read import shown_as
from convscope.pictures.render import colormap, enlarged, laid_over, overlay, save_jpeg, save_png, upsample
from convscope.storage import store
from convscope.storage.prefetch import ahead, behind

_PER_SHEET = 24
# Images whose maps are read at a time.
_BLOCK = 256


@dataclass(frozen=True)
class _Entry:
    """What the file says of one image."""

    identity: str
    path: str
    sha256: str
    about: dict[str, Any]
    value: float
    targets: np.ndarray
    scores: np.ndarray
    maps: np.ndarray
    empty: np.ndarray


@dataclass(frozen=True)
class _Drawn:
    """What was drawn of one image: a row of the table, a picture for the sheet and its caption, a target each."""

    rows: list[dict[str, Any]]
    cells: list[np.ndarray]
    captions: list[str]


def draw_map(photo: np.ndarray, heatmap: np.ndarray, top: float, cmap: str) -> tuple[np.ndarray, np.ndarray]:
    """A map alone, and over its photo.

    Args:
        photo: (H, W, 3) uint8.
        heatmap: (h, w) float, raw; what is below 0 is not shown.
        top: value shown in the hottest colour; 0 or less: the map is empty, grey alone, and darkens its photo.
        cmap: matplotlib's name.

    Returns:
        Two (H, W, 3) uint8.
    """
    # Cut at 0 before it is enlarged: evidence against the class must not eat into that for it.
    heatmap = np.maximum(heatmap, 0)
    if top <= 0:
        return np.full_like(photo, 200), overlay(photo, heatmap, top, cmap)
    hot = colormap(cmap, upsample(heatmap, photo.shape[:2]) / np.float32(top))
    return hot, laid_over(photo, hot)


class CamFigures:
    """Draws the maps of one HDF5 file.

    Args:
        file: written by the class activation map jobs.
        method: a name of `cam_names.METHODS`.
        cmap: matplotlib's name of a colour map.
        scale: "image": the hottest colour is each map's own largest value; "set": the largest of all maps, so that pictures compare.
    """

    COLUMNS: ClassVar[list[str]] = [
        "id", "path", "class", "label", "predicted", "predicted_label", "confidence", "correct",
        "target", "score", "empty", "thumbnail", "overlay", "sha256",
    ]  # fmt: skip

    def __init__(self, file: h5py.File, method: str, cmap: str, scale: str) -> None:
        self._file, self._cmap = file, cmap
        self._classes = json.loads(file.attrs["classes"])
        self._parts = name_parts(self._classes)
        self._model_head = str(file.attrs.get("head", ""))
        self._size = tuple(json.loads(file.attrs["input_size"]))
        self._resize = str(file.attrs["resize"])
        self._reads = Channels.of_attributes(file.attrs)
        self._facts = {key: str(file.attrs[key]) for key in ("model", "layer", "class")} | {"method": METHODS[method]}
        # Every target's map is the same where the method knows no classes: it is drawn once.
        self._targets = 1 if method in CLASS_FREE else None
        self._class_free = method in CLASS_FREE
        self.count = len(file["id"])
        # Of labels and numbers the maps know the truth, which no class says.
        self.with_truths = "truth" in file
        self._top = self._largest() if scale == "set" and self.count else None

    def _largest(self) -> float:
        maps = self._file["maps"]
        return max(float(maps[start : start + _BLOCK].max()) for start in range(0, self.count, _BLOCK))

    def draw(self, folder: Path, on_image: Callable[[], None], threads: int = 1) -> list[dict[str, Any]]:
        """Draw everything into a folder. Returns the table's rows, one a target; their paths start at the folder's parent."""
        rows: list[dict[str, Any]] = []
        cells: list[np.ndarray] = []
        captions: list[str] = []
        sheets = 0
        drawings = ahead(lambda entry: self._draw_image(entry, folder), self._entries(), threads, depth=2 * threads)
        # A sheet takes as long as its images: drawn here, it would leave the threads without work.
        with behind(lambda sheet: self._draw_sheet(*sheet), depth=1) as draw_sheet:
            for drawn in drawings:
                rows += drawn.rows
                cells += drawn.cells
                captions += drawn.captions
                while len(cells) >= _PER_SHEET:
                    draw_sheet((folder / f"sheet_{sheets:03d}.png", cells[:_PER_SHEET], captions[:_PER_SHEET]))
                    cells, captions, sheets = cells[_PER_SHEET:], captions[_PER_SHEET:], sheets + 1
                on_image()
            if cells or not rows:
                draw_sheet((folder / f"sheet_{sheets:03d}.png", cells, captions))
        return rows

    def _entries(self) -> Iterator[_Entry]:
        file = self._file
        ids, paths, digests = (store.read_text(file[name]) for name in ("id", "path", "sha256"))
        truths = store.read_text(file["truth"]) if "truth" in file else [""] * len(ids)
        names = ("label", "predicted", "probabilities", "targets", "scores", "maps", "empty")
        for start in range(0, self.count, _BLOCK):
            block = {name: file[name][start : start + _BLOCK] for name in names}
            for i, predicted in enumerate(map(int, block["predicted"])):
                value = float(block["probabilities"][i, predicted])
                yield _Entry(
                    ids[start + i],
                    paths[start + i],
                    digests[start + i],
                    answer(
                        self._model_head,
                        self._classes,
                        predicted,
                        value,
                        int(block["label"][i]),
                        truths[start + i],
                        predicted_labels(self._classes, block["probabilities"][i]),
                    ),
                    value,
                    *(block[name][i, : self._targets] for name in ("targets", "scores", "maps", "empty")),
                )

    def _draw_image(self, entry: _Entry, folder: Path) -> _Drawn:
        # Enlarged before the map is laid over it: smooth heat on sharp pixels.
        photo = enlarged(shown_as(self._reads, entry.path, entry.sha256, self._size, self._resize))
        thumbnail = Path("photos") / f"{entry.identity}.jpg"
        save_jpeg(folder / thumbnail, photo)
        result = _Drawn([], [], [])
        for target, score, heatmap, empty in zip(entry.targets, entry.scores, entry.maps, entry.empty, strict=True):
            top = 0.0 if empty else self._top or float(heatmap.max())
            hot, shown = draw_map(photo, heatmap, top, self._cmap)
            shown_class = "" if self._class_free else self._classes[target]
            facts = f"_{self._parts[shown_class]}_{score:.2f}" if shown_class else ""
            name = Path("overlays") / f"{entry.identity}{facts}.jpg"
            save_jpeg(folder / name, shown)
            row = {
                "id": entry.identity,
                "path": entry.path,
                **entry.about,
                "target": shown_class,
                "score": None if self._class_free else round(float(score), 4),
                "empty": bool(empty),
                "thumbnail": str(Path(folder.name) / thumbnail),
                "overlay": str(Path(folder.name) / name),
                "sha256": entry.sha256,
            }
            about, sure = entry.about, None if entry.about["confidence"] is None else entry.value
            caption = explained(about["predicted"], sure, about["class"], shown_class, bool(empty), self._model_head)
            result.rows.append(row)
            result.cells.append(np.concatenate([photo, hot, shown], axis=1))
            result.captions.append(caption)
        return result

    def _draw_sheet(self, path: Path, cells: list[np.ndarray], captions: list[str]) -> None:
        cell = sheet_cell(self._size, 3)
        save_png(path, contact_sheet(cells, 3, cell, captions, margin=8), **self._facts)
