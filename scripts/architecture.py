"""Draw which room of the library uses which, from the imports, and write the drawing of docs/architecture.md."""

import argparse
import re
from collections.abc import Mapping
from pathlib import Path

from convscope.jobs.code_digest import PACKAGES, imports_of
from convscope.jobs.job import parser, run, say

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "architecture.md"
# From the ground up, with what each is for: a room may use those above it in this list, and itself. A test holds the imports to it.
ROOMS = {
    "errors": "a user's mistake in one line",
    "backends": "what Keras computes with",
    "storage": "how anything is written and read, and by whom",
    "config": "the completed config",
    "jobs": "how one step of the workflow runs",
    "pictures": "pixels in, pictures out",
    "data": "datasets and image sets",
    "models": "networks of every origin in one form",
    "evaluation": "how good the classifier is",
    "activations": "what every layer answers",
    "filters": "what every filter looks for",
    "cams": "where the evidence lies",
    "segmentation": "what every pixel is taken for",
    "units": "what every unit looks for, in words",
    "concepts": "what a picture holds, place by place",
    "vectors": "which concepts a class depends on",
    "attributions": "which pixels count",
    "judging": "which of these to believe",
    "strategies": "which kinds of reasons a model has",
    "comparisons": "which networks are better, beyond their seeds",
    "figure_index": "every figure by its name",
    "gallery": "all of it to look at",
    "notebook": "a live model, in a cell",
    "watching": "a model while it learns",
    "planning": "what every job takes, and which go together",
    "check": "every name of a study leads somewhere",
    "command": "a study file from a model and pictures",
}
# What stands on the rooms, as it is called in the repository.
ABOVE = {
    "scripts": "one command for each rule",
    "rules": "what is made from what",
}
_MARKED = re.compile(r"(<!-- drawing: rooms -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_IN_RULES = re.compile(r"^(?:from|import) convscope\.(\w+)|\$CONVSCOPE_(SCRIPTS)\b", re.MULTILINE)


def uses(root: Path = ROOT) -> dict[str, set[str]]:
    """Part -> other parts that it imports or, of the rules, runs: the rooms, `scripts` and `rules`."""
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for package in PACKAGES
        for path in (root / package).rglob("*.py")
    }
    found: dict[str, set[str]] = {part: set() for part in (*ROOMS, *ABOVE)}
    for module in sorted(modules):
        for other in imports_of(module, root) & modules:
            if part_of(module) and part_of(other):
                found[part_of(module)].add(part_of(other))
    for path in (root / "Snakefile", *(root / "rules").glob("*.smk")):
        found["rules"].update(
            room or scripts.lower() for room, scripts in _IN_RULES.findall(path.read_text(encoding="utf-8"))
        )
    return {part: others - {part} for part, others in found.items()}


def part_of(module: str) -> str:
    """The room of a module of the library, "scripts" of a script, "" of the library's own `__init__` and `__main__`."""
    package, _, rest = module.partition(".")
    return package if package in ABOVE else rest.partition(".")[0].removeprefix("__main__")


def reduced(graph: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """A graph without circles and without the arrows that a way by others stands for already."""

    def reached(name: str) -> set[str]:
        return {name}.union(*(reached(other) for other in graph[name]))

    return {
        name: {one for one in others if not any(one in reached(other) for other in others - {one})}
        for name, others in graph.items()
    }


def drawing(graph: Mapping[str, set[str]]) -> str:
    """The reduced graph in Mermaid, what stands on others first."""
    purposes = {**ROOMS, **ABOVE}
    order = list(purposes)[::-1]
    lines = ["```mermaid", "flowchart TD"]
    lines += [f'    {part}["<b>{part}</b><br>{purposes[part]}"]' for part in order]
    arrows = reduced(graph)
    lines += [f"    {part} --> {other}" for part in order for other in sorted(arrows[part], key=order.index)]
    return "\n".join([*lines, "```", ""])


def read(text: str) -> str:
    """The drawing of a page; "" where there is none."""
    match = _MARKED.search(text)
    return match[2] if match else ""


def replaced(text: str, drawn: str) -> str:
    """The page with another drawing between its marks."""
    return _MARKED.sub(lambda match: match[1] + drawn + match[3], text)


def main(args: argparse.Namespace) -> None:
    drawn = drawing(uses())
    PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8"), drawn), encoding="utf-8")
    say(f"{PAGE.relative_to(ROOT)}: {drawn.count('-->')} arrows")


if __name__ == "__main__":
    run(main, parser(__doc__))
