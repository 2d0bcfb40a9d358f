"""The rows of a dataset's tables: its pictures, and those that cannot be read."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from convscope.data.folders import SkippedRow
from convscope.data.groups import label_names
from convscope.data.places import LEARNED
from convscope.errors import UserError
from convscope.storage.tables import read_rows

# Why such a dataset trains nothing.
ONE_CLASS = (
    "many labels or a number of each picture, and training here is of one class a picture; name a column of classes by "
    "columns: {class: ...}, or bring the trained model: source: file"
)


def rows_to_learn(images: Path, classes: Sequence[str], splits: Sequence[str] = LEARNED) -> list[dict[str, str]]:
    """The rows of a dataset's table that a classifier learns from: those of the splits that have a class.

    Raises:
        UserError: its pictures have many labels or a number, or there are less than two classes.
    """
    table = read_rows(images)
    if any(row.get("labels") or row.get("target") for row in table):
        raise UserError(f"{images} says {ONE_CLASS}")
    if len(classes) < 2:
        raise UserError(f"{images}: training needs at least two classes, found {len(classes)}")
    return [row for row in table if row["split"] in splits and int(row["label"]) >= 0]


@dataclasses.dataclass(frozen=True)
class ImageRow:
    """A readable picture. `label` indexes the classes; `sha256` are the first 16 digits of what the file holds, and the window that
    it is read through, if any (`pictures.window.listed_as`).

    Of a dataset whose pictures have several labels or none, `labels` are their names with | between (`groups.labels_text`), "|"
    for none, and `class_` and `label` are the first of them. `target` is the number to predict, with | between where there are
    several. Both are columns of the tables alone that have them.
    """

    split: str
    class_: str
    label: int
    path: str
    width: int
    height: int
    sha256: str
    labels: str = ""
    target: str = ""

    def shows(self) -> str:
        """What it shows, for people: its class, its labels or its number."""
        return (", ".join(label_names(self.labels)) or "no label") if self.labels else self.target or self.class_


@dataclasses.dataclass(frozen=True)
class BadRow:
    """A file that should be a picture and is not, with the reason."""

    split: str
    class_: str
    path: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Dataset:
    """What a folder or a list holds: rows sorted by split, class and path; `truth` is what they say: "class", "labels", "target".

    `skipped` is what lies among the pictures and is none of them, `hidden` what of it is not visible, which no result depends on.
    `brightest` is the highest value, 0..255, of all of them.
    """

    images: list[ImageRow]
    bad: list[BadRow]
    classes: list[str]
    truth: str = "class"
    skipped: list[SkippedRow] = dataclasses.field(default_factory=list)
    hidden: list[SkippedRow] = dataclasses.field(default_factory=list)
    brightest: int = 255

    def counts(self) -> dict[tuple[str, str], int]:
        """Readable pictures by (split, class)."""
        result: dict[tuple[str, str], int] = {}
        for row in self.images:
            result[row.split, row.class_] = result.get((row.split, row.class_), 0) + 1
        return result

    def shared_between_splits(self) -> int:
        """How many different contents occur in more than one split: a test on them flatters the model."""
        splits: dict[str, set[str]] = {}
        for row in self.images:
            splits.setdefault(row.sha256, set()).add(row.split)
        return sum(len(names) > 1 for names in splits.values())

    def is_nearly_black(self) -> bool:
        """Whether the pictures use the lowest eighth of their range alone, as 12 bits in 16 do."""
        return self.brightest < 32

    def splits_without_a_common_class(self) -> list[str]:
        """Two splits that share no class, as the folders of classes with folders in them would; [] where there are none."""
        classes: dict[str, set[str]] = {}
        for row in self.images:
            classes.setdefault(row.split, set()).add(row.class_)
        names = sorted(classes)
        pairs = ([one, two] for one in names for two in names[:1] if one != two and not classes[one] & classes[two])
        return sorted(next(pairs, []))
