"""Several networks compared over several seeds, as a page shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from convscope.comparisons.names import BETTER, UNDECIDED, WORSE
from convscope.gallery.asked import AskedComparison
from convscope.gallery.present import Present
from convscope.gallery.tables import read_object

_FIGURES = {
    "curves.png": "Training and validation by epoch: the mean of the seeds, and from the least to the greatest of them",
    "costs.png": "Accuracy by parameters, by multiply-adds and by time: small marks are seeds, lines 95 % intervals",
    "cams.png": "Where each network looks on the same pictures, for the class that it predicts",
    "filters.png": "The first filters of each network, from its first layers (above) to its last",
}
_OPPOSITE = {BETTER: WORSE, WORSE: BETTER}


@dataclass(frozen=True)
class Comparison:
    """Models compared: `models` and `pairs` as in comparison.json; `told` says what so many seeds can tell.

    `left_out`: pictures that not every network answered.
    """

    name: str
    split: str
    seeds: int
    images: int
    left_out: int
    told: str
    unmatched: str
    models: tuple[dict[str, Any], ...]
    pairs: tuple[dict[str, Any], ...]
    figures: tuple[tuple[Path, str], ...]
    files: tuple[Path, ...]

    @property
    def decided(self) -> int:
        """Of how many pairs it is shown which is better."""
        return sum(row["shows"] != UNDECIDED for row in self.pairs)

    def verdict(self, model: str, other: str) -> tuple[str, float] | None:
        """What the comparison shows of a model against another ("better", "worse" or "not decided"), and by how much."""
        for row in self.pairs:
            if (row["model"], row["other"]) == (model, other):
                return row["shows"], row["difference"]
            if (row["other"], row["model"]) == (model, other):
                return _OPPOSITE.get(row["shows"], row["shows"]), -row["difference"]
        return None


def comparisons(
    present: Present, asked: Sequence[AskedComparison], specs: Mapping[str, Mapping[str, Any]]
) -> tuple[Comparison, ...]:
    """The comparisons that are asked for, as far as they are of the models as they are now.

    Args:
        present: decides what may be shown.
        asked: by the config.
        specs: model -> its model.json.

    Raises:
        UserError: a file is damaged, after a whole run.
    """
    found: list[Comparison] = []
    for entry in asked:
        folder = present.results / "comparisons" / entry.name
        file = folder / "comparison.json"
        whole = present.read("Comparison", "", entry.name, partial(read_object, file), [file])
        if reason := _other(whole[0], entry, specs) if whole else "":
            present.leave_out("Comparison", "", entry.name, reason)
        elif whole:
            paths = [folder / name for name in _FIGURES if name in ("curves.png", "costs.png", *entry.sheets)]
            shown = [
                path
                for path in paths
                if present.read("Comparison", "", f"{entry.name}: {path.name}", partial(str, path), [path])
            ]
            found.append(_comparison(folder, whole[0], shown))
    return tuple(found)


def _other(whole: Mapping[str, Any], asked: AskedComparison, specs: Mapping[str, Mapping[str, Any]]) -> str:
    """Why a comparison is not the one that is asked for; "" where it is."""
    made = whole.get("identities", {})
    if set(made) != set(asked.models) or (whole.get("split"), whole.get("seeds")) != (asked.split, asked.seeds):
        return "made of other models, seeds or pictures than the config asks for now; run the study"
    changed = [name for name in asked.models if made[name] != specs.get(name, {}).get("identity")]
    return f"made with another {', '.join(changed)} than there is now; run the study" if changed else ""


def _comparison(folder: Path, whole: Mapping[str, Any], figures: Sequence[Path]) -> Comparison:
    return Comparison(
        name=folder.name,
        split=str(whole["split"]),
        seeds=int(whole["seeds"]),
        images=int(whole["images"]),
        left_out=int(whole["left_out"]),
        told=str(whole["told"]),
        unmatched=str(whole["unmatched"]),
        models=tuple(whole["models"]),
        pairs=tuple(whole["pairs"]),
        figures=tuple((path, _FIGURES[path.name]) for path in figures),
        files=tuple(path for path in (folder / "table.csv", folder / "pairs.csv") if path.is_file()),
    )
