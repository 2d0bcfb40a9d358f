"""Judge simulated maps and simulated studies, and write the tables of docs/judging.md."""

import argparse
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from convscope.jobs.job import parser, run, say

PAGE = Path(__file__).parent.parent / "docs" / "judging.md"
STUDIES = 2000
PICTURES = (8, 12, 16, 24, 40)
EFFECTS, COUNTS = (0.3, 0.5, 0.8, -0.5, -0.8), (8, 12, 24, 44, 119)
LEFT, NETWORKS = (0.1, 0.3, 0.5, 0.7, 0.9), (3, 5)
METHODS = (1, 6, 14)

# The columns of the table of maps: metric, region of the mask ("" is the spot's own), heading.
COLUMNS = (
    ("faithfulness", "", "insertion minus deletion"),
    ("pointing", "", "pointing game"),
    ("energy", "", "energy inside"),
    ("energy", "beside", "energy inside, the mask beside"),
    ("unchanged", "", "left after random weights"),
    ("max_sensitivity", "", "change under noise"),
    ("seed_error", "", "from seed to seed"),
    ("gini", "", "Gini"),
)
Rows = list[list[str]]


def maps() -> Rows:
    """What each metric and the gate say of maps that are known to be right or wrong."""
    import numpy as np

    from convscope.judging.names import CONTROLS
    from convscope.judging.simulated import judge_maps, make_world, verdicts

    judged = judge_maps(make_world())
    gates = verdicts(judged)
    rows = [["map", *(heading for *_, heading in COLUMNS), "the gate"], ["---"] * (len(COLUMNS) + 2)]
    for name, found in judged.items():
        cells = []
        for metric, region, _ in COLUMNS:
            values = (found.regions[region] if region else found.metrics).get(metric)
            known = values is not None and np.isfinite(values).any()
            cells.append(_number(float(np.nanmean(values))) if known else "")  # type: ignore[arg-type]
        said = f"*{CONTROLS[name]}*" if name in CONTROLS else name
        gate = gates.get(name)
        rows.append([said, *cells, (", ".join(gate.labels) or gate.status) if gate else ""])
    return rows


def alarms(studies: int = STUDIES, pictures: Sequence[int] = PICTURES) -> Rows:
    """How often the gate is wrong where there is nothing to be found."""
    from convscope.judging.rates import SHAPES, false_alarms

    rows = [
        ["differences", "pictures", "one method beats one control", "is worse than it", "passes both", "some of six passes",
         "some of six is worse", "some of six reveals"],
        ["---"] * 8,
    ]  # fmt: skip
    for shape in SHAPES:
        for count in pictures:
            found = false_alarms(count, shape, studies=studies)
            shares = (found.beats, found.worse, found.passes, found.some_pass, found.some_worse, found.revealed)
            rows.append([shape, str(count), *map(_percent, shares)])
    return rows


def found(studies: int = STUDIES, counts: Sequence[int] = COUNTS) -> Rows:
    """What becomes of a method that differs from both controls."""
    from convscope.judging.rates import outcomes

    rows = [["difference", *(f"{count} pictures" for count in counts)], ["---"] * (len(counts) + 1)]
    for effect in EFFECTS:
        cells = [" / ".join(map(_percent, outcomes(effect, count, studies=studies))) for count in counts]
        rows.append([f"{effect:+g}", *cells])
    return rows


def random_weights(studies: int = STUDIES) -> Rows:
    """What is said of a method of whose map some is left."""
    from convscope.judging.rates import survival

    rows = [["left", *(f"{count} networks" for count in NETWORKS)], ["---"] * (len(NETWORKS) + 1)]
    for left in LEFT:
        cells = [" / ".join(map(_percent, survival(left, networks=count, studies=studies))) for count in NETWORKS]
        rows.append([f"{left:g}", *cells])
    return rows


def needed() -> Rows:
    """How many pictures show a difference nine times in ten."""
    from convscope.judging.names import RIVALS
    from convscope.judging.signflip import ALPHA, pictures_needed

    rows = [
        [
            "difference",
            "that it beats a control",
            *(f"that it is worse, of {count} method{'s' * (count > 1)}" for count in METHODS),
        ],
        ["---"] * (2 + len(METHODS)),
    ]
    for effect in (1.2, 0.8, 0.5, 0.3):
        worse = [pictures_needed(effect, ALPHA / (count * len(RIVALS))) for count in METHODS]
        rows.append([f"{effect:g}", str(pictures_needed(effect)), *map(str, worse)])
    return rows


TABLES: dict[str, Callable[[], Rows]] = {
    "maps": maps,
    "alarms": alarms,
    "found": found,
    "random weights": random_weights,
    "needed": needed,
}


def replaced(text: str, name: str, rows: Rows) -> str:
    """The page with another table between its marks."""
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    return re.sub(_marked(name), lambda m: f"{m[1]}\n{table}\n{m[3]}", text, flags=re.DOTALL)


def read(text: str, name: str) -> Rows:
    """A table of the page."""
    match = re.search(_marked(name), text, re.DOTALL)
    lines = match[2].strip().splitlines() if match else []
    return [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]


def _marked(name: str) -> str:
    return rf"(<!-- table: {name} -->)(.*?)(<!-- end -->)"


def _number(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00")


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def main(args: argparse.Namespace) -> None:
    text = PAGE.read_text(encoding="utf-8")
    for name in args.tables or TABLES:
        text = replaced(text, name, TABLES[name]())
        say(f"{name}: {len(read(text, name)) - 2} rows")
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("tables", nargs="*", metavar="TABLE", help=f"of {', '.join(TABLES)} (default: all)")
    run(main, arguments)
