"""Pictures of a model that learns: a strip and an animation for each picture, one sheet of all, and the table of its answers."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convscope.cams.figures import draw_map
from convscope.pictures.contact_sheets import contact_sheet
from convscope.pictures.render import enlarged, save_png
from convscope.storage.files import atomic_path
from convscope.storage.tables import write_table
from convscope.watching.record import Moment, Watched

COLUMNS = ("epoch", "id", "class", "predicted", "value", "correct", "flipped")
_CELL, _MILLISECONDS = 168, 700


def draw(folder: Path, watched: Watched, moments: Sequence[Moment], colormap: str = "jet") -> None:
    """Draw everything that was seen.

    Files: `strips/<id>.png`, the picture and the map over it after each epoch; `animations/<id>.webp`, the same one after the other;
    `sheet.png`, all strips; `predictions.csv`, a row a picture and epoch, which says what flipped.

    Args:
        folder: where; what is there of the same names is replaced.
        watched, moments: see `record.read`.
        colormap: matplotlib's name.
    """
    rows = answers(watched, moments)
    (folder / "strips").mkdir(parents=True, exist_ok=True)
    (folder / "animations").mkdir(exist_ok=True)
    cells, captions = [], []
    for number, name in enumerate(watched.ids):
        photo = enlarged(watched.images[number])
        shown = [photo, *(over(photo, moment.maps[number], colormap) for moment in moments)]
        told = [truth(watched, number), *(caption(row) for row in rows if row["id"] == name)]
        save_png(folder / "strips" / f"{name}.png", contact_sheet(shown, len(shown), cell_of(photo), told, margin=8))
        animate(folder / "animations" / f"{name}.webp", photo, shown[1:], told)
        cells += shown
        captions += told
    save_png(
        folder / "sheet.png", contact_sheet(cells, len(moments) + 1, cell_of(watched.images[0]), captions, margin=8)
    )
    write_table(folder / "predictions.csv", rows, COLUMNS)


def answers(watched: Watched, moments: Sequence[Moment]) -> list[dict[str, Any]]:
    """What the model says of each picture after each epoch, the pictures one after the other.

    Returns:
        `COLUMNS`; `value` is the probability of the class predicted (of a regression the first output), `correct` None where the truth
        is unknown, `flipped` whether the epoch before that was looked at had another answer.
    """
    rows = []
    for number, name in enumerate(watched.ids):
        before: int | None = None
        for moment in moments:
            predicted, label = int(moment.predicted[number]), int(watched.labels[number])
            number_alone = watched.head == "regression"
            rows.append({
                "epoch": moment.epoch,
                "id": name,
                "class": watched.classes[label] if label >= 0 else "",
                "predicted": watched.classes[predicted],
                "value": round(float(moment.probabilities[number, predicted]), 4),
                "correct": None if label < 0 or number_alone else predicted == label,
                "flipped": before is not None and before != predicted,
            })  # fmt: skip
            before = predicted
    return rows


def over(photo: np.ndarray, heatmap: np.ndarray, colormap: str) -> np.ndarray:
    """A map over its photo, its own largest value in the hottest colour."""
    return draw_map(photo, heatmap, float(heatmap.max()), colormap)[1]


def cell_of(picture: np.ndarray) -> tuple[int, int]:
    """(height, width) of a strip's cells for pictures of that form."""
    height, width = picture.shape[:2]
    return _CELL, max(round(_CELL * width / height), 1)


def truth(watched: Watched, number: int) -> str:
    """What a picture is; its name where that is unknown."""
    label = int(watched.labels[number])
    return watched.classes[label] if label >= 0 else watched.ids[number]


def caption(row: Mapping[str, Any]) -> str:
    """A row of `answers` in two or three short lines."""
    mark = {True: "right", False: "wrong", None: ""}[row["correct"]]
    more = ", ".join(filter(None, (mark, "flipped" if row["flipped"] else "")))
    return f"epoch {row['epoch']}\n{row['predicted']} {row['value']:.0%}" + (f"\n{more}" if more else "")


def animate(path: Path, photo: np.ndarray, shown: Sequence[np.ndarray], told: Sequence[str]) -> None:
    """Show the pictures one after the other beside the photo, as a WebP, which takes a tenth of the time of a GIF.

    Args:
        path: the file.
        photo: (H, W, 3) uint8.
        shown: pictures of its size, one an epoch.
        told: what stands below the photo, and below each of them.
    """
    frames = [
        contact_sheet([photo, picture], 2, cell_of(photo), [told[0], words], margin=8)
        for picture, words in zip(shown, told[1:], strict=True)
    ]
    if not frames:
        return
    # Captions of more lines make a taller frame; one animation has one size.
    height = max(len(frame) for frame in frames)
    padded = [np.pad(frame, ((0, height - len(frame)), (0, 0), (0, 0)), constant_values=255) for frame in frames]
    first, *rest = (Image.fromarray(frame) for frame in padded)
    with atomic_path(path) as temporary:
        first.save(
            temporary, format="WEBP", save_all=True, append_images=rest, duration=_MILLISECONDS, loop=0, quality=90
        )
