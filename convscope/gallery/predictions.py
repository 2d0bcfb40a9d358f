"""The table of all predictions of a model on a split, as a page shows it."""

from dataclasses import dataclass
from pathlib import Path

from convscope.gallery.tables import Row, existing, number, read_object, read_table, truth

MOST_ROWS = 4000


@dataclass(frozen=True)
class Prediction:
    """One row: the place of its small view on the sprite in cells, probabilities in 0..1; `file` where it can be linked.

    Of many labels, `class_name` and `predicted` are all that are there and that are predicted; of numbers they are those, with the
    `error`.
    """

    path: str
    file: Path | None
    class_name: str
    predicted: str
    correct: bool | None
    confidence: float | None
    of_truth: float | None
    column: int | None
    row: int | None
    error: float | None = None

    @property
    def result(self) -> str:
        """ "right", "wrong", or "" where the truth is unknown."""
        return "" if self.correct is None else "right" if self.correct else "wrong"


@dataclass(frozen=True)
class PredictionTable:
    """All predictions, errors first and the surest first; `total` counts those that were left out too.

    `classes` are the rows of the report's classes.csv, of numbers a row an output. `head` is "multilabel", "regression", or "".
    """

    dataset: str
    split: str
    rows: tuple[Prediction, ...]
    total: int
    truths: tuple[str, ...]
    answers: tuple[str, ...]
    sprite: Path | None
    columns: int
    lines: int
    files: tuple[Path, ...]
    classes: tuple[Row, ...] = ()
    head: str = ""

    def count(self, result: str) -> int:
        """How many of the rows are right or wrong."""
        return sum(row.result == result for row in self.rows)


def prediction_table(folder: Path, study: Path, reported: bool = True) -> PredictionTable:
    """Read the predictions of an evaluation's folder (`evaluation/<model>/<dataset>.<split>`).

    Pictures inside the study's folder are linked; others may not be where the gallery is looked at. Where no report is
    made of these predictions (`reported`), its thumbnails and numbers of every class would be of other ones.

    Raises:
        UserError: the table is damaged.
    """
    dataset, _, split = folder.name.rpartition(".")
    table = folder / "predictions.csv"
    sprite = existing(folder / "thumbnails.jpg") if reported else None
    geometry = read_object(folder / "thumbnails.json")
    head = str(read_object(folder / "metrics.json").get("head", ""))
    classes = (
        ("output", "mae", "rmse")
        if head == "regression"
        else ("class", "precision", "recall", "f1", "support", "roc_auc")
    )
    columns, drawn = int(geometry.get("columns", 1)), int(geometry.get("count", 0)) if sprite else 0
    found = []
    for k, row in enumerate(read_table(table, ("path", "class", "predicted"))):
        path = Path(row["path"])
        own = number(row["of_truth"] if "of_truth" in row else row.get(f"p_{_own_name(row)}"))
        many = head == "multilabel"
        found.append(
            Prediction(
                path=row["path"],
                file=path if path.is_relative_to(study) and path.is_file() else None,
                class_name=_spaced(row["labels"]) if many else row["class"],
                predicted=_spaced(row["predicted_labels"]) if many else row["predicted"],
                correct=truth(row.get("correct")),
                confidence=number(row.get("confidence")),
                of_truth=None if head else own,
                error=number(row.get("error")),
                column=k % columns if k < drawn else None,
                row=k // columns if k < drawn else None,
            )
        )
    surest = (lambda row: row.error) if head else (lambda row: row.confidence)
    found.sort(key=lambda row: (row.correct is not False, -(surest(row) or 0), row.path))
    return PredictionTable(
        dataset=dataset,
        split=split,
        rows=tuple(found[:MOST_ROWS]),
        total=len(found),
        truths=() if head == "regression" else tuple(sorted({row.class_name for row in found})),
        answers=() if head == "regression" else tuple(sorted({row.predicted for row in found})),
        sprite=sprite,
        columns=columns,
        lines=max(-(-drawn // columns), 1),
        files=tuple(
            path
            for path in (table, folder / "metrics.json", *([folder / "classes.csv"] if reported else []))
            if path.is_file()
        ),
        classes=tuple(read_table(folder / "classes.csv", classes)) if reported else (),
        head=head,
    )


def _spaced(labels: str) -> str:
    return ", ".join(labels.split("|")) or "none"


def _own_name(row: dict[str, str]) -> str:
    """The model's name of the true class: the dataset may call it differently ("cats" for "cat")."""
    names = [name.removeprefix("p_") for name in row if name.startswith("p_")]
    label = row.get("label", "")
    return names[int(label)] if label.isdigit() and int(label) < len(names) else ""
