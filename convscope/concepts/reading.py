"""A picture as a network is shown it, with its part mask and its classes, from the tables of an image set and of its masks."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from convscope.concepts.picture import Shown
from convscope.data.groups import label_names
from convscope.data.masks import read_mask
from convscope.data.regions import fit_mask
from convscope.errors import BadImage
from convscope.pictures.channels import RGB, Channels
from convscope.pictures.read import fit_image, fitted_box, read_pixels

Row = Mapping[str, str]


def classes_of(row: Row) -> tuple[str, ...] | None:
    """What a picture of an image set shows: its class, or its labels, which may be none; None where that is not known."""
    if row.get("labels"):
        return label_names(row["labels"])
    return (row["class"],) if int(row["label"]) >= 0 else None


def classes_in(rows: Iterable[Row]) -> list[str]:
    """All that a set's pictures show, classes in the order of their labels, as the tables have them, and labels by name."""
    found = {(-1 if row.get("labels") else int(row["label"]), name) for row in rows for name in classes_of(row) or ()}
    return list(dict.fromkeys(name for _, name in sorted(found)))


class Reader:
    """Reads the pictures of a set.

    Args:
        size: (height, width) of the network's input.
        resize: as in `pictures.read.fit_image`.
        channels: what the network reads.
        masks: the dataset's table of part masks; of a row with a reason the mask is not used.
        part_names: names of their numbers.
    """

    def __init__(
        self,
        size: tuple[int, int],
        resize: str,
        channels: Channels = RGB,
        masks: Iterable[Row] = (),
        part_names: Sequence[str] = (),
    ) -> None:
        self.size, self.resize, self.channels, self.part_names = size, resize, channels, part_names
        self.masks = {row["path"]: row for row in masks if not row["reason"]}

    def __call__(self, row: Row) -> Shown:
        """One picture, by its row of the image set's table.

        Raises:
            BadImage: it, or its mask, cannot be read; the text names it.
            UserError: one of them is no longer the file that was listed.
        """
        try:
            pixels = read_pixels(row["path"], self.channels, sha256=row["sha256"])
        except BadImage as error:
            raise BadImage(f"{row['path']}: {error}", row["path"]) from None
        box = fitted_box((pixels.shape[0], pixels.shape[1]), self.size, self.resize)
        picture = self.channels.for_people(fit_image(pixels, self.size, self.resize))
        if row["path"] not in self.masks:
            return Shown(picture, box, classes=classes_of(row))
        mask = self.masks[row["path"]]
        try:
            numbers = read_mask(mask["mask"], named=bool(self.part_names), sha256=mask["sha256"])
        except BadImage as error:
            raise BadImage(f"{mask['mask']}: {error}", mask["mask"]) from None
        return Shown(picture, box, fit_mask(numbers, self.size, self.resize), np.unique(numbers), classes_of(row))
