"""The page of every key: in step with the schema, and with what the schema can only tell of defaults."""

import re

import pytest

from convscope.attributions.names import METHODS
from convscope.config import load_schema, resolved
from scripts.config_page import PAGE, page
from tests.workflow.changes.schema import leaves_of

TEXT = page()


def test_the_page_of_the_docs_is_that_of_the_schema() -> None:
    assert PAGE.read_text(encoding="utf-8") == TEXT, "write it anew: make docs"


def rows_of(place: str) -> dict[str, list[str]]:
    """Key -> the other cells of its row, of the table below a heading."""
    below = TEXT.partition(f"\n{place}\n")[2]
    lines = [line for line in re.split(r"\n##|\nWhat the presets", below)[0].splitlines() if line.startswith("|")][2:]
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    return {re.sub(r"^\[?`([^`]+)`.*", r"\1", key): others for key, *others in cells}


def test_every_key_has_a_row_with_a_value_and_a_meaning() -> None:
    leaves = leaves_of(load_schema())
    assert len(leaves) > 200
    for leaf in leaves:
        section, _, key = leaf.partition(".")
        form, _, rest = key.partition(".")
        if section in ("datasets", "models"):
            found = rows_of(f"### {section}: {form}").get(rest)
        elif not key:
            found = rows_of("## The study").get(leaf)
        else:
            table = rows_of(f"## {section}")
            # Of keys that share a definition the first has the rows.
            found = table[form] if "mapping, as" in table[form][0] else table.get(key)
        assert found and len(found) == 3 and found[0] and found[2], leaf


@pytest.mark.parametrize(
    ("place", "row"),
    [
        (
            "### models: train",
            "| `width` | number > 0, ≤ 2 | `1.0` | Factor on the number of filters of every layer. |",
        ),
        (
            "### models: file",
            "| `preprocessing` | `none`, `tf`, `torch`, `caffe` or mapping | none; tf of Teachable Machine | ",
        ),
        ("## filters", "| `filters` | `all`, integer ≥ 1 or list of integers ≥ 0 | `64` | "),
        ("## attributions", "| `occlusion.fill` | list of 3 numbers 0 to 255 | mid-grey | "),
        ("## attributions", "| `pertinent_positive` | mapping, as `pertinent_negative` | | "),
        ("## judging", "| `images` | list of text | **required** | "),
        ("## The study", "| [`datasets`](#datasets) | section | none | "),
    ],
)
def test_rows(place: str, row: str) -> None:
    section = TEXT.partition(f"\n{place}\n")[2].partition("\n## ")[0]
    assert f"\n{row}" in section


def test_the_defaults_that_the_schema_tells_are_those_of_the_methods() -> None:
    schema = load_schema()
    described = schema["$defs"]["attributions"]["properties"]
    for method, known in METHODS.items():
        for name, default in known.settings.items():
            part = resolved(resolved(described[method], schema)["properties"][name], schema)
            match = re.search(r"\(default: ([^()]*)\)", part["description"])
            assert match, f"{method}.{name}"
            if isinstance(default, str):
                assert match[1] == default
            elif isinstance(default, list):
                assert match[1] == "mid-grey" and default == [127.5] * 3
            elif default is not None:
                assert float(match[1].partition(",")[0]) == default, f"{method}.{name}"
