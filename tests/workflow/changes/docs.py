"""The table as a page of the docs."""

from tests.workflow.changes.files import FILES
from tests.workflow.changes.table import as_words, leaf_changes

PAGE = "docs/what_reruns.md"
_HEAD = """# What reruns after which change

A study that was run goes on after a change of its config, of a file that it reads, of a library or of its own code, and reruns what
depends on that: nothing stale, nothing in vain. The tables say what, a row for each leaf of the config
([config.md](config.md)) and for each kind of file, as found with small studies
(`tests/workflow/changes/studies.py`). They are generated from the table that the tests check (`make test-changes ARGS=--docs`), which
`make test-changes` does in full: it lets each finished study go on after each change, makes it a second time in a fresh folder, and
compares every result.

"x2" is the number of jobs. "pages" are the gallery and the list of studies: the gallery shows the config, so that no change of a leaf
leaves it alone. What depends on a list that is itself to be made again (the pictures of an image set, the layers of a model) is known
only then: these rows end with "and what follows".
"""
_CHECKPOINTS = {"image_set", "layers"}


def page() -> str:
    """The page's text."""
    lines = [_HEAD]
    section = ""
    for row in sorted(leaf_changes(), key=_place):
        if _section(row.name) != section:
            section = _section(row.name)
            lines += [f"\n## {section}\n", "| leaf | reruns |", "|---|---|"]
        lines.append(f"| `{row.leaf}`{row.name.removeprefix(row.leaf)} | {_reruns(row.reruns)} |")
    lines += ["\n## Files, libraries, code\n", "| what | reruns |", "|---|---|"]
    lines += [f"| {row.name} | {_reruns(row.reruns)} |" for row in FILES]
    return "\n".join(lines) + "\n"


def _section(name: str) -> str:
    return name.partition(".")[0] if "." in name else "The study"


_ORDER = (
    "The study",
    "datasets",
    "models",
    "evaluations",
    "image_sets",
    "segmentation",
    "activations",
    "filters",
    "cams",
    "attributions",
    "judging",
)


def _place(row: object) -> int:
    section = _section(row.name)  # type: ignore[attr-defined]
    return _ORDER.index(section) if section in _ORDER else 0


def _reruns(reruns: dict[str, int]) -> str:
    words = as_words(reruns) or "nothing"
    return f"{words}, and what follows" if _CHECKPOINTS & set(reruns) else words
