"""How good a model is on a split, as a page shows it."""

from pathlib import Path

from convscope.gallery.heatmaps import class_name
from convscope.gallery.records import Evaluation
from convscope.gallery.tables import number, read_object, read_table, scalars, truth
from convscope.storage.files import whole_files

_SHOWN_ELSEWHERE = frozenset({"images", "model", "model_digest", "split", "head", "warnings"})
_HEADLINES = {
    "multilabel": ("average_precision", "mean average precision"),
    "regression": ("mae", "mean absolute error"),
}


def evaluation(folder: Path) -> Evaluation:
    """Read `evaluation/<model>/<dataset>.<split>`.

    Raises:
        UserError: a table is damaged.
    """
    dataset, _, split = folder.name.rpartition(".")
    rows = read_table(folder / "predictions.csv", ("class", "predicted"))
    metrics = read_object(folder / "metrics.json")
    confusion: dict[str, dict[str, int]] = {}
    right, judged = 0, 0
    surest: tuple[str, str, float] | None = None
    head = str(metrics.get("head", ""))
    for row in [] if head == "regression" else rows:
        # `predicted` is the class's name beside `class`, or its index where `predicted_label` holds the name.
        answer = class_name(row)
        by_answer = confusion.setdefault(row["class"] or "unknown", {})
        by_answer[answer] = by_answer.get(answer, 0) + 1
        correct = truth(row.get("correct"))
        judged += correct is not None
        right += correct is True
        sure = number(row.get("confidence"))
        if correct is False and not head and sure is not None and (surest is None or sure > surest[2]):
            surest = (row["class"], answer, sure)
    accuracy = number(metrics.get("accuracy"))
    accuracy = accuracy if accuracy is not None or not judged else right / judged
    key, words = _HEADLINES.get(head, ("accuracy", "accuracy"))
    headline = (number(metrics.get(key)) if head in _HEADLINES else accuracy, words)
    elsewhere = {*_SHOWN_ELSEWHERE, key}
    return Evaluation(
        dataset=dataset,
        split=split,
        images=len(rows) or int(number(metrics.get("images")) or 0),
        accuracy=accuracy,
        metrics={key: entry for key, entry in scalars(metrics).items() if key not in elsewhere},
        confusion={} if head else confusion,
        figures=tuple(whole_files(folder, "*.png")),
        files=tuple(path for path in (folder / "predictions.csv", folder / "metrics.json") if path.is_file()),
        head=head,
        headline=headline,
        warnings=tuple(str(text) for text in metrics.get("warnings", [])),
        surest=surest,
    )
