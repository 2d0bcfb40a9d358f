"""The table of what reruns covers the config, whole, and the page of the docs is made of it."""

from collections import Counter
from pathlib import Path

import pytest

from convscope.config import complete, load_schema
from tests.workflow.changes.__main__ import one_of, together
from tests.workflow.changes.docs import PAGE, page
from tests.workflow.changes.files import FILES
from tests.workflow.changes.schema import leaves_of
from tests.workflow.changes.studies import DROP, STUDIES, changed
from tests.workflow.changes.table import LeafChange, as_words, jobs, leaf_changes

ROWS = leaf_changes()
SCHEMA = load_schema()


def test_every_leaf_of_the_config_has_a_row_and_every_row_a_leaf() -> None:
    leaves, rows = set(leaves_of(SCHEMA)), {row.leaf for row in ROWS}
    assert sorted(leaves - rows) == [], (
        "add to tests/workflow/changes/leaves.yaml how they are changed and what that reruns"
    )
    assert sorted(rows - leaves) == []
    assert len(leaves) > 200


def test_no_row_is_there_twice() -> None:
    assert [name for name, count in Counter(row.name for row in [*ROWS, *FILES]).items() if count > 1] == []


def test_leaves_of_every_form() -> None:
    text = {"type": "string"}
    schema = {
        "type": "object",
        "properties": {
            "title": text,
            "sets": {"type": "object", "additionalProperties": {"$ref": "#/$defs/set"}},
            "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
            "models": {"additionalProperties": {"oneOf": [{"$ref": "#/$defs/own"}, {"$ref": "#/$defs/other"}]}},
        },
        "$defs": {
            "set": {"type": "object", "properties": {"either": {"oneOf": [text, {"properties": {"scale": text}}]}}},
            "own": {"properties": {"source": {"const": "own"}, "epochs": text}},
            "other": {"properties": {"source": {"const": "other"}, "path": text}},
        },
    }
    assert leaves_of(schema) == [
        "title", "sets.either", "sets.either.scale", "counts", "models.own.source", "models.own.epochs", "models.other.source",
        "models.other.path",
    ]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_row_changes_a_valid_study_into_a_valid_one(row: LeafChange) -> None:
    before = complete(STUDIES[row.study], SCHEMA)
    after = complete(changed(STUDIES[row.study], _with_a_digest(row.edits)), SCHEMA)
    assert after != before


def _with_a_digest(edits: dict) -> dict:
    return {path: "0" * 64 if str(value).startswith("{sha256") else value for path, value in edits.items()}


def test_a_row_really_changes_its_leaf() -> None:
    for row in ROWS:
        *_, key = row.leaf.split(".")
        places = {part for path in row.edits for part in path.split(".")}
        assert key in places or any(key in _keys(value) for value in row.edits.values()) or key == "evaluation", (
            row.name
        )


def _keys(value: object) -> set[str]:
    if not isinstance(value, dict):
        return set()
    return {str(key) for key in value} | {inner for part in value.values() for inner in _keys(part)}


def test_jobs_in_words() -> None:
    assert jobs("judge x2, cam, pages") == Counter(judge=2, cam=1, gallery=1, index=1)
    assert as_words(Counter(judge=2, gallery=1, index=1, cam=1)) == "cam, judge x2, pages"
    assert as_words(Counter(index=1)) == "index"
    assert jobs("") == Counter()
    with pytest.raises(AssertionError, match="is no rule"):
        jobs("judge twice")


def test_a_key_can_be_replaced_added_and_taken_out() -> None:
    study = {"study": "s", "cams": {"net": {"layer": "x", "batch": 1}}}
    edits = {"cams.net.layer": DROP, "cams.net.batch": 2, "judging.net.seeds": {"seeds": 3}}
    assert changed(study, edits) == {
        "study": "s",
        "cams": {"net": {"batch": 2}},
        "judging": {"net": {"seeds": {"seeds": 3}}},
    }
    assert study["cams"]["net"] == {"layer": "x", "batch": 1}


def test_the_page_of_the_docs_is_that_of_the_table(root: Path) -> None:
    assert (root / PAGE).read_text(encoding="utf-8") == page(), "write it anew: make test-changes ARGS=--docs"


def test_leaves_that_are_compared_together_have_no_job_in_common() -> None:
    groups = together([*ROWS, *FILES])
    assert sorted(row.name for group in groups for row in group) == sorted(row.name for row in [*ROWS, *FILES])
    several = [group for group in groups if len(group) > 1]
    assert several and all(len({row.name.split(".")[1] for row in group}) == len(group) for group in several)
    assert all(len({row.study for row in group}) == 1 for group in several)
    first = one_of(next(group for group in several if group[0].study == "methods"))
    assert first.reruns["attribution"] == first.name.count("attributions.") and first.reruns["side_by_side"] == 1
