"""The same pictures' heatmaps and the filter patterns of several models, side by side."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from convscope.cams.figures import draw_map
from convscope.errors import UserError
from convscope.pictures.captions import answer
from convscope.pictures.channels import Channels
from convscope.pictures.contact_sheets import contact_sheet, sheet_cell
from convscope.pictures.read import shown_as
from convscope.pictures.render import enlarged, grid, pattern_picture
from convscope.storage import store

MOST_PICTURES = 8
# Patterns of a layer, in rows of two.
PATTERNS = 4
_CELL = 150
_LEAST = 120
_NO_PATTERN = 225


def heatmap_sheet(maps: Mapping[str, Path], cmap: str) -> np.ndarray:
    """A row a picture: the photo, then the map of every model over it, of the class that this model predicts.

    Args:
        maps: model -> HDF5 of the same method's maps of the same image set.
        cmap: matplotlib's name.

    Returns:
        (H, W, 3) uint8.

    Raises:
        UserError: the files have no picture in common.
    """
    by_model = {model: _pictures(path) for model, path in maps.items()}
    first, *others = by_model.values()
    common = [key for key in first if all(key in other for other in others)]
    if not common:
        raise UserError("the models' maps have no picture in common; run the study again")
    chosen = [common[i] for i in np.unique(np.linspace(0, len(common) - 1, MOST_PICTURES).round().astype(int))]
    rows = {model: _drawn(maps[model], [by_model[model][key] for key in chosen], cmap) for model in maps}
    cells, captions = [], []
    for place in range(len(chosen)):
        photo, truth = rows[next(iter(rows))][place][:2]
        cells.append(photo)
        captions.append(truth or "unknown class")
        for model, drawn in rows.items():
            cells.append(drawn[place][2])
            captions.append(f"{model}\n{drawn[place][3]}")
    height, width = sheet_cell(cells[0].shape[:2], 1)
    factor = -(-_LEAST // width)  # names of models are to fit below small pictures, too
    return contact_sheet(cells, 1 + len(maps), (factor * height, factor * width), captions, margin=8)


def _pictures(path: Path) -> dict[str, int]:
    """Id of a picture -> its place in a file of maps."""
    with store.open_file(path) as file:
        return {key: place for place, key in enumerate(store.read_text(file["id"]))}


def _drawn(path: Path, places: Sequence[int], cmap: str) -> list[tuple[np.ndarray, str, np.ndarray, str]]:
    """Photo, true class, overlay and what the model says, of the pictures at some places of a file of maps."""
    found = []
    with store.open_file(path) as file:
        classes, head = json.loads(file.attrs["classes"]), str(file.attrs.get("head", ""))
        size, resize = tuple(json.loads(file.attrs["input_size"])), str(file.attrs["resize"])
        reads = Channels.of_attributes(file.attrs)
        paths, digests = store.read_text(file["path"]), store.read_text(file["sha256"])
        for place in places:
            predicted, chances = int(file["predicted"][place]), file["probabilities"][place]
            said = answer(head, classes, predicted, float(chances[predicted]), int(file["label"][place]))
            # Where every class has a map, that of the predicted one.
            targets = file["targets"][place].tolist()
            target = targets.index(predicted) if predicted in targets else 0
            heatmap = file["maps"][place, target]
            photo = enlarged(shown_as(reads, paths[place], digests[place], size, resize))
            top = 0.0 if file["empty"][place, target] else float(heatmap.max())
            _, shown = draw_map(photo, heatmap, top, cmap)
            sign = {True: "right", False: "wrong"}.get(said["correct"], "")
            words = f"{said['predicted']} {said['confidence']:.0%}" + (f", {sign}" if sign else "")
            if targets[target] != predicted:
                words += f"; evidence for {classes[targets[target]]}"
            found.append((photo, str(said["class"]), shown, words + ("; empty map" if top <= 0 else "")))
    return found


def pattern_sheet(layers: Mapping[str, Sequence[Path]]) -> np.ndarray:
    """A column a model, a row a depth: the first filters of each layer, and the layer's name.

    Args:
        layers: model -> HDF5 of patterns of its layers, by depth; as many of each model.

    Returns:
        (H, W, 3) uint8.
    """
    cells, captions = [], []
    for row in zip(*layers.values(), strict=True):
        for model, path in zip(layers, row, strict=True):
            with store.open_file(path) as file:
                settings = json.loads(file.attrs["settings"])
                reads, dead = Channels.of_attributes(file.attrs), file["dead"][()]
                bounded = settings["parameterisation"] != "pixels"
                shown = [
                    pattern_picture(np.asarray(file["patterns"][i], np.float32), settings["crop"], bounded, reads)
                    for i in range(min(PATTERNS, len(dead)))
                ]
                # A dead filter has no pattern: what stands there is its start.
                shown = [np.full_like(cell, _NO_PATTERN) if dead[i] else cell for i, cell in enumerate(shown)]
                name = str(file.attrs["layer"])
            lost = f", {int(dead[:PATTERNS].sum())} dead" if dead[:PATTERNS].any() else ""
            cells.append(grid(shown, 2, 4))
            captions.append(f"{model}\n{name}{lost}")
    return contact_sheet(cells, len(layers), _CELL, captions, margin=8)
