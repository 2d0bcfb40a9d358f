"""The table: for each leaf of the config, how it is changed and what that reruns."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("leaves.yaml")
_ROOT = Path(__file__).parents[3]
_INCLUDED = re.findall(r'^include: "(rules/\w+\.smk)"', (_ROOT / "Snakefile").read_text(encoding="utf-8"), re.MULTILINE)
# In the order of a study.
RULES = tuple(
    rule
    for path in _INCLUDED
    for rule in re.findall(r"^(?:rule|checkpoint) (\w+):", (_ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
)
_SHORT = {"pages": ("gallery", "index")}


@dataclass(frozen=True)
class LeafChange:
    """A change of one leaf of a finished study's config.

    Attributes:
        name: the leaf, with a word in brackets where it has several rows.
        study: the study of `STUDIES` that is changed.
        edits: dotted path -> new value.
        reruns: rule -> jobs that are scheduled then, those after a checkpoint not being known yet.
        unrun: why it is scheduled only, and not run.
        differs: files that need not be those of a fresh folder, as patterns, with the reason.
    """

    name: str
    study: str
    edits: dict[str, Any]
    reruns: Counter[str]
    unrun: str = ""
    differs: dict[str, str] = field(default_factory=dict)
    act: None = None

    @property
    def leaf(self) -> str:
        """The leaf's name alone."""
        return self.name.partition(" (")[0]


def jobs(text: str) -> Counter[str]:
    """Rule -> jobs, from "judge x2, gallery"; "pages" stands for the gallery and the list of studies."""
    counts: Counter[str] = Counter()
    for word in filter(None, (part.strip() for part in text.split(","))):
        match = re.fullmatch(r"(\w+)(?: x(\d+))?", word)
        assert match, f"{word!r} is no rule with its number of jobs"
        for rule in _SHORT.get(match[1], (match[1],)):
            counts[rule] += int(match[2] or 1)
    return counts


def as_words(counts: Mapping[str, int]) -> str:
    """The same the other way round, the rules in the order of a study."""
    left = Counter(counts)
    words = []
    for short, rules in _SHORT.items():
        if all(left[rule] == 1 for rule in rules):
            left -= Counter(rules)
            words.append(short)
    named = sorted((name for name in left if left[name]), key=lambda name: (_place(name), name))
    return ", ".join([name if left[name] == 1 else f"{name} x{left[name]}" for name in named] + words)


def _place(rule: str) -> int:
    return RULES.index(rule) if rule in RULES else len(RULES)


def leaf_changes(path: Path = TABLE) -> list[LeafChange]:
    """The rows of the table."""
    found = []
    for study, rows in yaml.safe_load(path.read_text(encoding="utf-8")).items():
        for name, row in rows.items():
            found.append(
                LeafChange(
                    name, study, row["change"], jobs(row["reruns"]), row.get("unrun", ""), row.get("differs", {})
                )
            )
    return found
