"""How far the explanations of a model on an image set can be believed, as a page shows it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from convscope.gallery.tables import existing, number, read_object, read_table
from convscope.judging.names import METRICS

_FIGURES = {
    "metrics.png": "Every metric with its 95 % interval; dotted lines are maps that know nothing of the model",
    "curves.png": "Deletion, insertion, and likeness to the original map as the model is randomised",
    "agreement.png": "Agreement between the methods",
}
_FILES = ("table.csv", "agreement.csv", "self_check.csv", "gate.json")


@dataclass(frozen=True)
class Gate:
    """The sanity gate's verdict on a method: `status` is passed, failed, not decided or not judged."""

    status: str
    labels: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def words(self) -> str:
        """The verdict in a few words, for beside a picture."""
        if self.labels:
            return ", ".join(self.labels)
        return {"passed": "passes the sanity gate"}.get(self.status, self.status)


@dataclass(frozen=True)
class Score:
    """A mean over `images` images with its 95 % interval; `best` among the methods (controls left out)."""

    mean: float
    low: float | None
    high: float | None
    images: int
    chance: float | None
    best: bool


@dataclass(frozen=True)
class Column:
    """A metric, or a metric on one part of the object, and the score of each method that has one."""

    title: str
    better: str
    scores: dict[str, Score]


@dataclass(frozen=True)
class Comparison:
    """The model against another one: `rows` as in against.csv, `revealing` the methods that show a difference."""

    other: str
    rows: tuple[dict[str, Any], ...]
    revealing: tuple[str, ...]
    figure: Path | None

    def row(self, method: str, metric: str) -> dict[str, Any] | None:
        """The row of a method and a metric."""
        return next((row for row in self.rows if (row["method"], row["metric"]) == (method, metric)), None)

    @property
    def methods(self) -> tuple[str, ...]:
        """All methods, the controls last."""
        return tuple(dict.fromkeys(row["method"] for row in self.rows))

    @property
    def metrics(self) -> tuple[tuple[str, str], ...]:
        """(name, title) of the metrics compared."""
        return tuple((name, METRICS[name].title) for name in dict.fromkeys(row["metric"] for row in self.rows))


@dataclass(frozen=True)
class Judging:
    """A model's explanations of an image set, judged; `gates` holds the methods, without the control maps.

    `told` says in a sentence what so many images can tell; `masks` is the model that predicted the part masks, None for the dataset's.
    """

    image_set: str
    images: int
    methods: tuple[str, ...]
    gates: dict[str, Gate]
    metrics: tuple[Column, ...]
    parts: tuple[Column, ...]
    checks: tuple[dict[str, str], ...]
    figures: tuple[tuple[Path, str], ...]
    files: tuple[Path, ...]
    against: Comparison | None = None
    told: str = ""
    masks: str | None = None

    @property
    def passed(self) -> int:
        """How many methods passed the gate."""
        return sum(gate.status == "passed" for gate in self.gates.values())


def judging(folder: Path, rival: str | None = None) -> Judging | None:
    """Read a folder `judging/<model>/<image set>`; None where nothing was judged.

    A comparison is read if it is with the model `rival`: one of an older config tells nothing.

    Raises:
        UserError: a table is damaged.
    """
    table = read_object(folder / "table.json")
    if not table:
        return None
    rows = table["rows"]
    # The rows have the order of the config; the keys of a JSON file are sorted.
    order_of = list(dict.fromkeys(row["method"] for row in rows))
    gates = {
        name: Gate(entry["status"], tuple(entry["labels"]), tuple(entry["reasons"]))
        for name, entry in sorted(
            table["gate"].items(), key=lambda item: order_of.index(item[0]) if item[0] in order_of else len(order_of)
        )
    }
    found: dict[tuple[str, str], dict[str, Score]] = {}
    for row in rows:
        better = table["metrics"][row["metric"]]["better"]
        rivals = [
            other["mean"]
            for other in rows
            if (other["metric"], other["region"]) == (row["metric"], row["region"]) and other["method"] in gates
        ]
        best = bool(better and rivals) and row["mean"] == (max if better == "higher" else min)(rivals)
        found.setdefault((row["metric"], row["region"]), {})[row["method"]] = Score(
            float(row["mean"]),
            number(row["low"]),
            number(row["high"]),
            int(row["images"]),
            number(row["chance"]),
            best and row["method"] in gates,
        )
    titles = table["metrics"]
    order = {metric: place for place, metric in enumerate(dict.fromkeys([*METRICS, *titles]))}
    columns = {
        key: Column(f"{key[1]}: {key[0]}" if key[1] else titles[key[0]]["title"], titles[key[0]]["better"], scores)
        for key, scores in sorted(found.items(), key=lambda item: (item[0][1], order[item[0][0]]))
    }
    against = _comparison(folder, rival)
    files = (*_FILES, "against.csv") if against else _FILES
    return Judging(
        image_set=folder.name,
        images=int(table["images"]),
        methods=tuple(dict.fromkeys([*gates, *(row["method"] for row in rows)])),
        gates=gates,
        metrics=tuple(column for (_, region), column in columns.items() if not region),
        parts=tuple(column for (_, region), column in columns.items() if region),
        checks=tuple(read_table(folder / "self_check.csv", ("method", "check", "value", "remark"))),
        figures=tuple((folder / name, words) for name, words in _FIGURES.items() if existing(folder / name)),
        files=tuple(path for path in (folder / name for name in files) if path.is_file()),
        against=against,
        told=str(table.get("told", "")),
    )


def _comparison(folder: Path, rival: str | None) -> Comparison | None:
    found = read_object(folder / "against.json") if rival else {}
    if not found or found["other"] != rival:
        return None
    return Comparison(
        other=str(found["other"]),
        rows=tuple(found["rows"]),
        revealing=tuple(found["revealing"]),
        figure=existing(folder / "against.png"),
    )
