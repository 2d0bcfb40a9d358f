"""The tables of a comparison: every training, every model, every pair of models and what so many seeds decide of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from convscope.comparisons.names import BETTER, UNDECIDED, WORSE
from convscope.comparisons.spread import deals, difference, least
from convscope.errors import UserError
from convscope.judging.gate import MIN_NETWORKS
from convscope.judging.intervals import Interval, crossed, proportion
from convscope.judging.signflip import ALPHA, holm

# From two trainings their spread is known so badly that one in ten comparisons of equal models shows something.
MIN_SEEDS = MIN_NETWORKS
COLUMNS = ("model", "training", "seed", "parameters", "multiply_adds", "seconds", "epochs", "best_epoch", "train_accuracy",
           "val_accuracy", "accuracy", "images")  # fmt: skip
PAIR_COLUMNS = ("model", "other", "accuracy", "other_accuracy", "difference", "low", "high", "between_pictures",
                "between_trainings", "p", "p_adjusted", "p_deals", "apart", "shows")  # fmt: skip


@dataclass(frozen=True)
class Training:
    """One network: of which model, the how manieth, how it was trained, and what it answered.

    Attributes:
        model: its name.
        number: 1 is the study's own model.
        history: a row an epoch (see `models.training.HISTORY_COLUMNS`).
        facts: its training.json.
        correct: path of a picture -> whether its class was found; pictures of unknown class are left out.
    """

    model: str
    number: int
    history: Sequence[Mapping[str, float]]
    facts: Mapping[str, Any]
    correct: Mapping[str, bool]

    @property
    def seconds(self) -> float:
        """Median seconds of an epoch, the first left out where there are more: the graph is compiled in it."""
        times = [row["seconds"] for row in self.history]
        return round(float(np.median(times[1:] or times)), 3)


def correct_of(rows: Sequence[Mapping[str, str]]) -> dict[str, bool]:
    """Path -> whether the class was found, of the rows of a predictions.csv; rows of unknown class are left out."""
    return {row["path"]: row["correct"] == "true" for row in rows if row.get("correct")}


def answers(trainings: Sequence[Training]) -> tuple[dict[str, np.ndarray], int]:
    """What the trainings answered to the pictures that all of them saw.

    Returns:
        Model -> (N, R) float64 of 1 and 0, a row a picture, a column a training; and how many pictures were left out because
        some training lacks them.

    Raises:
        UserError: no picture of known class is left.
    """
    seen = set.union(*(set(training.correct) for training in trainings))
    common = sorted(set.intersection(*(set(training.correct) for training in trainings)))
    if not common:
        raise UserError(
            "no picture of a known class was answered by all networks; name another split for the comparison"
        )
    found: dict[str, list[list[bool]]] = {}
    for training in trainings:
        found.setdefault(training.model, []).append([training.correct[path] for path in common])
    return {model: np.array(columns, np.float64).T for model, columns in found.items()}, len(seen) - len(common)


def table(
    trainings: Sequence[Training], right: Mapping[str, np.ndarray], multiply_adds: Mapping[str, int]
) -> list[dict[str, Any]]:
    """A row a training, with `COLUMNS`; accuracies as shares, seconds those of an epoch on the machine that trained."""
    return [
        {
            "model": training.model,
            "training": training.number,
            "seed": training.facts["seed"],
            "parameters": training.facts["parameters"],
            "multiply_adds": multiply_adds[training.model],
            "seconds": training.seconds,
            "epochs": training.facts["epochs"],
            "best_epoch": training.facts["best_epoch"],
            "train_accuracy": _short(training.facts["accuracy"]),
            "val_accuracy": _short(training.facts["val_accuracy"]),
            "accuracy": _short(right[training.model][:, training.number - 1].mean()),
            "images": len(right[training.model]),
        }
        for training in trainings
    ]


def summaries(rows: Sequence[Mapping[str, Any]], right: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row a model: mean accuracy with its 95 % interval over pictures and trainings, the least and the best training's."""
    found = []
    for model, values in right.items():
        mine = [row for row in rows if row["model"] == model]
        interval, each = _interval(values), values.mean(axis=0)
        found.append(
            {
                "model": model,
                "trainings": len(mine),
                "parameters": mine[0]["parameters"],
                "multiply_adds": mine[0]["multiply_adds"],
                "seconds": round(float(np.median([row["seconds"] for row in mine])), 3),
                "accuracy": _short(each.mean()),
                "low": _bound(interval.low),
                "high": _bound(interval.high),
                "least": _short(each.min()),
                "best": _short(each.max()),
                "spread": _short(each.std(ddof=1)) if len(each) > 1 else None,
                "val_accuracy": _short(np.mean([row["val_accuracy"] for row in mine])),
                "train_accuracy": _short(np.mean([row["train_accuracy"] for row in mine])),
            }
        )
    return found


def _interval(values: np.ndarray) -> Interval:
    """The 95 % interval of a model's accuracy, of (N, R) answers."""
    if values.shape[1] > 1 and values.min() == values.max():
        # All right, or all wrong: a t-test has no spread to go by, and 20 of 20 are no certainty.
        return proportion(values[:, 0])
    return crossed(values).interval


def pairs(right: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """A row for every two models, with `PAIR_COLUMNS` and `reason`, a sentence.

    Which is better is asked of all pairs together: p is adjusted for that (`signflip.holm`), and believed up to 5 %.
    """
    both = list(combinations(right, 2))
    found = [difference(right[model], right[other]) for model, other in both]
    asked = [min(right[model].shape[1], right[other].shape[1]) >= MIN_SEEDS for model, other in both]
    known = [
        entry.p if enough and np.isfinite(entry.low) else np.nan for entry, enough in zip(found, asked, strict=True)
    ]
    rows = []
    for (model, other), entry, adjusted in zip(both, found, holm(np.array(known)), strict=True):
        mine, theirs = right[model].mean(axis=0), right[other].mean(axis=0)
        decided = np.isfinite(adjusted) and adjusted <= 2 * ALPHA
        row = {
            "model": model,
            "other": other,
            "accuracy": _short(mine.mean()),
            "other_accuracy": _short(theirs.mean()),
            "difference": _short(entry.mean),
            "low": _bound(entry.low),
            "high": _bound(entry.high),
            "between_pictures": _bound(entry.between_pictures),
            "between_trainings": _bound(entry.between_trainings),
            "p": _bound(entry.p) if np.isfinite(adjusted) else None,
            "p_adjusted": _bound(float(adjusted)),
            "p_deals": _bound(deals(mine, theirs)),
            "apart": bool(mine.min() > theirs.max() or theirs.min() > mine.max()),
            "shows": (BETTER if entry.mean > 0 else WORSE) if decided else UNDECIDED,
        }
        rows.append(row | {"reason": _reason(row, len(right[model]), len(mine))})
    return rows


def _reason(row: Mapping[str, Any], images: int, seeds: int) -> str:
    first, second = ("model", "other") if row["difference"] >= 0 else ("other", "model")
    sign = 1 if row["difference"] >= 0 else -1
    high, low = sorted((row["accuracy"], row["other_accuracy"]), reverse=True)
    said = f"{100 * high:.1f} % against {100 * low:.1f} %"
    if row["low"] is not None:
        lowest, gap, highest = (
            _points(end) for end in sorted(sign * row[key] for key in ("low", "difference", "high"))
        )
        said += f", {gap} points, 95 % interval {lowest} to {highest}"
    said = f"{said} over {_count(seeds, 'seed')} and {_count(images, 'picture')}"
    if row["shows"] != UNDECIDED:
        apart = "every seed of the one above every seed of the other" if row["apart"] else "though some seeds overlap"
        return f"{row[first]} is better than {row[second]}: {said}; {apart}."
    if row["p"] is None:
        few = (
            f"{_count(seeds, 'seed')} of a model, of which {MIN_SEEDS} are the least,"
            if seeds < MIN_SEEDS
            else "So few pictures"
        )
        return f"{few} do not decide between {row[first]} and {row[second]}: {said}."
    more = "more seeds" if row["between_trainings"] > row["between_pictures"] else "more pictures"
    if row["p"] <= 2 * ALPHA:
        more = f"alone it would be shown, among all pairs it is not; {more}"
    return f"{_count(seeds, 'seed')} do not decide between {row[first]} and {row[second]} ({said}); {more} would tell."


def what_can_be_told(seeds: int, images: int, models: int) -> str:
    """In a few sentences, what so many seeds and pictures can tell."""
    asked = models * (models - 1) // 2
    if seeds < MIN_SEEDS:
        return (
            f"{_count(seeds, 'seed')} of a model decide nothing: how far its trainings lie apart is not known well enough. "
            f"{MIN_SEEDS} are the least, 5 are better."
        )
    floor = least(seeds, seeds)
    decides = "it decides none" if floor * asked > 2 * ALPHA else "it can decide"
    return (
        f"{_count(asked, 'pair')} asked about together. The intervals know that the seeds and the pictures were drawn, by a "
        "t-test that takes the seeds' spread for normal. Dealing the seeds out anew takes nothing for granted, and with "
        f"{seeds} each its p is never below {floor:.2g}: {decides}."
    )


def unmatched(models: Sequence[Mapping[str, Any]], tolerance: float = 0.1) -> str:
    """A sentence where the models differ in their parameters by more than a tenth; empty where they are of one size."""
    sizes = {str(row["model"]): int(row["parameters"]) for row in models}
    smallest, largest = min(sizes, key=sizes.__getitem__), max(sizes, key=sizes.__getitem__)
    if sizes[largest] <= (1 + tolerance) * sizes[smallest]:
        return ""
    return (
        f"They are not of one size: {largest} has {sizes[largest] / sizes[smallest]:.1f} times the parameters of {smallest}. What is "
        "better may be the larger one; width: makes them alike."
    )


def _points(share: float) -> str:
    return f"{100 * share:+.1f}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _short(value: Any) -> float:
    return float(f"{float(value):.6g}")


def _bound(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None
