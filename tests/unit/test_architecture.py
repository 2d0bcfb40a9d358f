"""The drawing of the rooms is that of the imports, and the recipes name what exists."""

import re
from pathlib import Path

from scripts import architecture

ROOT = Path(__file__).parents[2]


def test_the_drawing_is_that_of_the_imports() -> None:
    drawn = architecture.drawing(architecture.uses())
    assert architecture.read(architecture.PAGE.read_text(encoding="utf-8")) == drawn, (
        "draw it anew: python -m scripts.architecture"
    )


def test_a_drawing_leaves_out_what_a_way_by_others_says() -> None:
    graph = {"a": {"b", "c", "d"}, "b": {"c"}, "c": {"d"}, "d": set()}
    assert architecture.reduced(graph) == {"a": {"b"}, "b": {"c"}, "c": {"d"}, "d": set()}
    page = "x\n<!-- drawing: rooms -->\nold\n<!-- end -->\ny\n"
    assert architecture.replaced(page, "new \\1\n") == page.replace("old", "new \\1")
    assert architecture.read(page) == "old\n" and architecture.read("none") == ""


def test_the_recipes_name_files_that_exist() -> None:
    text = architecture.PAGE.read_text(encoding="utf-8")
    folders = "convscope|scripts|rules|report|schemas|tests|docs|config"
    named = set(re.findall(rf"`((?:{folders})/[^`\s]*|\w+\.md)`", text))
    assert len(named) > 30
    for name in named:
        # A placeholder stands for some file of that form.
        assert any(ROOT.glob(re.sub(r"<\w+>", "*", name.rstrip("/")))), name
