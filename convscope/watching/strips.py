"""Pictures of a trained model's kept epochs: a strip, an animation and a row of frames a picture, and filter patterns by epoch."""

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from convscope.cams.names import METHODS
from convscope.pictures.channels import Channels
from convscope.pictures.contact_sheets import contact_sheet
from convscope.pictures.render import SHOWN, colormap, enlarged, pattern_picture, save_jpeg, save_png, upsample
from convscope.watching.figures import animate, answers, caption, cell_of, over, truth
from convscope.watching.store import Seen

_EMPTY = 238
_ANIMATED = 300


def draw_seen(folder: Path, seen: Seen, cmap: str) -> tuple[list[dict[str, Any]], np.ndarray]:
    """Draw what was seen of every picture.

    Files, named after the pictures: `strips/<id>.png`, a row a method and one for the channel, a column an epoch;
    `animations/<id>.webp`, the photo beside the first map; `frames/<id>.jpg`, the strip's cells alone, without margins.

    Args:
        folder: where.
        seen: see `store.read_watch`.
        cmap: matplotlib's name, for the maps.

    Returns:
        The table's rows (`figures.answers`) and a sheet of all pictures with the first method.
    """
    for name in ("strips", "animations", "frames"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    rows, titles, count = answers(seen.watched, seen.moments), row_titles(seen), len(seen.epochs)
    cells, captions = [], []
    for number, name in enumerate(seen.watched.ids):
        photo = enlarged(seen.watched.images[number])
        told = [caption(row) for row in rows[number * count : (number + 1) * count]]
        shown = _shown(photo, seen, number, cmap)
        strip, words = [], []
        for title, line in zip(titles, shown, strict=True):
            strip += [photo, *line]
            words += [f"{truth(seen.watched, number)}\n{title}", *(told if title == titles[0] else [""] * count)]
        about = {"model": seen.facts["model"], "image": name, "epochs": seen.epochs, "rows": titles}
        save_png(folder / "strips" / f"{name}.png", contact_sheet(strip, count + 1, cell_of(photo), words, 8), **about)
        animate(folder / "animations" / f"{name}.webp", photo, shown[0], [truth(seen.watched, number), *told])
        save_jpeg(folder / "frames" / f"{name}.jpg", contact_sheet(strip, count + 1, frame_cell(photo), margin=0))
        cells += [photo, *shown[0]]
        captions += [truth(seen.watched, number), *told]
    cell = cell_of(seen.watched.images[0]) if cells else SHOWN
    return rows, contact_sheet(cells, count + 1, cell, captions, margin=8)


def row_titles(seen: Seen) -> list[str]:
    """What the rows of a strip show: each method, then the channel."""
    maps = [f"{METHODS[method]} at {seen.facts['layer']}" for method in seen.methods]
    return [*maps, f"{seen.facts['activation_layer']}, channel {seen.facts['activation_channel']}"]


def frame_cell(photo: np.ndarray) -> tuple[int, int]:
    """(height, width) of one frame: the photo's, larger ones made smaller."""
    height, width = photo.shape[:2]
    factor = min(_ANIMATED / max(height, width), 1)
    return max(round(height * factor), 1), max(round(width * factor), 1)


def _shown(photo: np.ndarray, seen: Seen, number: int, cmap: str) -> list[list[np.ndarray]]:
    """A row a method, one for the channel, of a picture an epoch each."""
    maps = [[over(photo, heat, cmap) for heat in seen.arrays[f"maps/{method}"][:, number]] for method in seen.methods]
    # One scale for all epochs of a picture: a channel that does not answer yet is dark.
    maps_of_channel = np.maximum(seen.arrays["activation"][:, number], 0)
    top = max(float(maps_of_channel.max(initial=0)), 1e-12)
    return [*maps, [colormap("viridis", upsample(values / top, photo.shape[:2])) for values in maps_of_channel]]


def draw_patterns(file: h5py.File, strip: Path, frames: Path) -> dict[str, Any]:
    """Draw filter patterns, a row a filter and a column an epoch: with captions, and the cells alone.

    Args:
        file: of the rule watch_filters.
        strip: a PNG.
        frames: a JPEG.

    Returns:
        What the frames are: `rows`, `epochs`, `cell` (height, width).
    """
    channels, epochs = file["filter"][()].tolist(), file["epoch"][()].tolist()
    objective, dead = file["objective_by_step"][..., -1], file["dead"][()]
    reads = Channels.of_attributes(file.attrs)
    cells, captions = [], []
    for column, channel in enumerate(channels):
        for row, epoch in enumerate(epochs):
            pattern = pattern_picture(file["patterns"][row, column].astype(np.float32), 0, channels=reads)
            gone = bool(dead[row, column])
            cells.append(np.full_like(pattern, _EMPTY) if gone else pattern)
            mean = "dead" if gone else f"mean response {objective[row, column]:.3g}"
            captions.append(f"epoch {epoch}\nfilter {channel}\n{mean}")
    about = {"model": file.attrs["model"], "layer": file.attrs["layer"], "epochs": epochs, "filters": channels}
    save_png(strip, contact_sheet(cells, len(epochs), SHOWN, captions, margin=8), **about)
    save_jpeg(frames, contact_sheet(cells, len(epochs), cells[0].shape[:2], margin=0))
    rows = [f"filter {channel}" for channel in channels]
    return {"rows": rows, "epochs": epochs, "cell": list(cells[0].shape[:2]), "layer": str(file.attrs["layer"])}


def facts_of(seen: Seen) -> dict[str, Any]:
    """What a page has to know of the frames and of what was seen, for JSON."""
    photo = enlarged(seen.watched.images[0]) if len(seen.watched.ids) else np.zeros((1, 1, 3), np.uint8)
    return {
        "model_digest": str(seen.facts["model_digest"]),
        "images_digest": str(seen.facts["images_digest"]),
        "images": int(seen.facts["images"]),
        "epochs": seen.epochs,
        "best_epoch": int(seen.facts["best_epoch"]),
        "rows": row_titles(seen),
        "cell": list(frame_cell(photo)),
        "left_out": json.loads(seen.facts["left_out"]),
    }
