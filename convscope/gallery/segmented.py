"""The masks that a network of pixels predicts on an image set, as a page shows them."""

from dataclasses import dataclass
from pathlib import Path

from convscope.gallery.tables import Row, existing, number, read_object, read_table

_FIGURES = {
    "masks": "Masks beside their photos",
    "worst": "The pictures with the lowest mean IoU, the worst first",
    "confusion": "What the pixels of each class are taken for",
    "overlap": "Intersection over union of every class, a dot a picture",
}
_FILES = ("masks.h5", "metrics.json", "classes.csv", "pictures.csv")


@dataclass(frozen=True)
class PixelClass:
    """A class: its IoU of sums over all pictures, and the mean of the pictures' own; None where there is none."""

    name: str
    iou: float | None
    iou_of_pictures: float | None
    pictures: int
    precision: float | None
    recall: float | None
    pixels: int


@dataclass(frozen=True)
class Segmented:
    """The masks of an image set; numbers are None where no picture has a true mask.

    `pictures` are the rows of the table, those with the lowest mean IoU first; `unused` masks could not be read or do not fit. `cams`
    are sheets of Seg-Grad-CAM, with whose logits are summed.
    """

    image_set: str
    images: int
    with_mask: int
    unused: int
    ignored: int
    mean_iou: float | None
    mean_iou_of_pictures: float | None
    no_information_iou: float | None
    pixel_accuracy: float | None
    no_information_rate: float | None
    classes: tuple[PixelClass, ...]
    pictures: tuple[Row, ...]
    sheets: tuple[tuple[Path, str], ...]
    plots: tuple[tuple[Path, str], ...]
    cams: tuple[tuple[str, Path], ...]
    files: tuple[Path, ...]

    @property
    def differs(self) -> bool:
        """Whether the two ways to take the mean IoU differ where people see it."""
        return f"{self.mean_iou or 0:.3f}" != f"{self.mean_iou_of_pictures or 0:.3f}"


def segmented(folder: Path, cams: tuple[tuple[str, Path], ...] = ()) -> Segmented:
    """Read a folder `segmentation/<model>/<image set>`.

    Args:
        folder: the folder.
        cams: of Seg-Grad-CAM, whose logits are summed, in words, and the sheet.

    Raises:
        UserError: a table is damaged.
    """
    found = read_object(folder / "metrics.json")
    known = bool(found.get("with_mask"))
    pictures = read_table(folder / "pictures.csv", ("id", "mean_iou"))
    figures = [(existing(folder / f"{name}.png"), name, words) for name, words in _FIGURES.items()]
    shown = [
        (path, words, name)
        for path, name, words in figures
        # Without a truth there is nothing on the others.
        if path and (known or name == "masks")
    ]
    return Segmented(
        image_set=folder.name,
        images=int(number(found.get("images")) or 0),
        with_mask=int(number(found.get("with_mask")) or 0),
        unused=int(number(found.get("masks_not_used")) or 0),
        ignored=int(number(found.get("ignored")) or 0),
        mean_iou=number(found.get("mean_iou")),
        mean_iou_of_pictures=number(found.get("mean_iou_of_pictures")),
        no_information_iou=number(found.get("no_information_iou")),
        pixel_accuracy=number(found.get("pixel_accuracy")),
        no_information_rate=number(found.get("no_information_rate")),
        classes=tuple(
            PixelClass(
                row["class"],
                number(row["iou"]),
                number(row["iou_of_pictures"]),
                int(number(row["pictures"]) or 0),
                number(row["precision"]),
                number(row["recall"]),
                int(number(row["pixels"]) or 0),
            )
            for row in read_table(folder / "classes.csv", ("class", "iou", "iou_of_pictures", "pixels"))
        ),
        pictures=tuple(sorted(pictures, key=_worst_first)),
        sheets=tuple((path, words) for path, words, name in shown if name in ("masks", "worst")),
        plots=tuple((path, words) for path, words, name in shown if name not in ("masks", "worst")),
        cams=cams,
        files=tuple(
            path
            for path in (*(folder / name for name in _FILES), *(sheet.with_suffix(".h5") for _, sheet in cams))
            if path.is_file()
        ),
    )


def _worst_first(row: Row) -> tuple[bool, float]:
    value = number(row["mean_iou"])
    return value is None, value or 0.0
