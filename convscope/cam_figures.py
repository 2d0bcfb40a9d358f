"""Pictures of class activation maps: overlays, contact sheets, and the table that says what each shows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import h5py
import numpy as np

from convscope import store
from convscope.contact_sheets import contact_sheet
from convscope.errors import BadImage
from convscope.images import fit_image, read_image
from convscope.render import colormap, overlay, save_jpeg, save_png, upsample

_PER_SHEET = 24


class CamFigures:
    """Draws the maps of one HDF5 file.

    Args:
        file: written by the class activation map jobs.
        cmap: matplotlib's name of a colour map.
        scale: "image": the hottest colour is each map's own largest value; "set": the largest of all maps, so that pictures compare.
    """

    COLUMNS: ClassVar[list[str]] = [
        "id", "path", "class", "label", "predicted", "predicted_label", "confidence", "correct",
        "target", "score", "empty", "thumbnail", "overlay",
    ]  # fmt: skip

    def __init__(self, file: h5py.File, cmap: str, scale: str) -> None:
        self._file, self._cmap = file, cmap
        self._classes = json.loads(file.attrs["classes"])
        self._size = tuple(json.loads(file.attrs["input_size"]))
        self._ids, self._paths = store.read_text(file["id"]), store.read_text(file["path"])
        self.count = len(self._ids)
        self._top = float(file["maps"][()].max()) if scale == "set" and self.count else None

    def draw(self, folder: Path, on_image: Callable[[], None]) -> list[dict[str, Any]]:
        """Draw everything into a folder. Returns the table's rows; their paths start at the folder's parent."""
        rows, triplets, captions, sheets = [], [], [], 0
        for index in range(self.count):
            row, triplet, caption = self._draw_image(index, folder)
            rows.append(row)
            triplets.append(triplet)
            captions.append(caption)
            if len(triplets) == _PER_SHEET or index == self.count - 1:
                self._draw_sheet(folder / f"sheet_{sheets:03d}.png", triplets, captions)
                triplets, captions, sheets = [], [], sheets + 1
            on_image()
        if not self.count:
            self._draw_sheet(folder / "sheet_000.png", [], [])
        return rows

    def _draw_image(self, index: int, folder: Path) -> tuple[dict[str, Any], np.ndarray, str]:
        file, identity = self._file, self._ids[index]
        try:
            picture = read_image(self._paths[index])
        except BadImage as error:
            raise BadImage(f"{self._paths[index]}: {error}") from None
        photo = fit_image(picture, self._size, file.attrs["resize"])
        thumbnail = Path("photos") / f"{identity}.jpg"
        save_jpeg(folder / thumbnail, photo)
        names = []
        for target, score, heatmap in zip(
            file["targets"][index], file["scores"][index], file["maps"][index], strict=True
        ):
            shown = overlay(photo, heatmap, self._top or float(heatmap.max()), self._cmap)
            facts = f"{self._classes[target]}_{score:.2f}".replace("/", "-").replace(" ", "-")
            names.append(Path("overlays") / f"{identity}_{facts}.jpg")
            save_jpeg(folder / names[-1], shown)
        predicted, label = int(file["predicted"][index]), int(file["label"][index])
        confidence = float(file["probabilities"][index, predicted])
        truth = self._classes[label] if label >= 0 else ""
        target = int(file["targets"][index, 0])
        row = {
            "id": identity,
            "path": self._paths[index],
            "class": truth,
            "label": label,
            "predicted": self._classes[predicted],
            "predicted_label": predicted,
            "confidence": round(confidence, 4),
            "correct": predicted == label if label >= 0 else None,
            "target": self._classes[target],
            "score": round(float(file["scores"][index, 0]), 4),
            "empty": bool(file["empty"][index, 0]),
            "thumbnail": str(Path(folder.name) / thumbnail),
            "overlay": str(Path(folder.name) / names[0]),
        }
        caption = f"predicted {row['predicted']} ({confidence:.0%})" + (f", is {truth}" if truth else "")
        caption += f"\nevidence for {row['target']}" + (": none, the map is empty" if row["empty"] else "")
        return row, self._triplet(photo, file["maps"][index, 0], folder / names[0]), caption

    def _triplet(self, photo: np.ndarray, heatmap: np.ndarray, drawn: Path) -> np.ndarray:
        top = self._top or float(heatmap.max())
        levels = upsample(heatmap, photo.shape[:2]) / top if top > 0 else np.zeros(photo.shape[:2])
        hot = colormap(self._cmap, np.clip(levels, 0, 1)) if top > 0 else np.full_like(photo, 200)
        return np.concatenate([photo, hot, read_image(drawn)], axis=1)

    def _draw_sheet(self, path: Path, triplets: list[np.ndarray], captions: list[str]) -> None:
        side = min(self._size[0], 160)
        facts = {key: str(self._file.attrs[key]) for key in ("model", "method", "layer", "class")}
        save_png(path, contact_sheet(triplets, 3, (side, 3 * side), captions, margin=8), **facts)
