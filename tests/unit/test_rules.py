"""What every rule says of itself."""

import re
from pathlib import Path

import pytest

from convscope.planning.groups import GROUPED
from convscope.planning.needs import NEEDS

NAMED = [
    pytest.param(name, text, id=name)
    for path in sorted((Path(__file__).parents[2] / "rules").glob("*.smk"))
    for name, text in re.findall(
        r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(encoding="utf-8"), re.M | re.S
    )
]

RULES = [pytest.param(param.values[1], id=param.id) for param in NAMED]


def test_there_are_rules() -> None:
    assert len(RULES) > 40


@pytest.mark.parametrize(("name", "text"), NAMED)
def test_a_rule_asks_for_what_the_table_says(name: str, text: str) -> None:
    """Nothing fixed: a job that a cluster has killed for want of memory or time would be killed again."""
    if "    shell:" in text or "    script:" in text or "    run:" in text:
        assert f'        mem_mb=megabytes("{name}"),\n' in text
        assert f'        runtime=minutes("{name}"),\n' in text
        assert ("        gpu=GPU,\n" in text) == NEEDS[name].gpu
        assert not re.search(r"^    threads: (?!1$)\d+$", text, re.M), "as many as the work is worth, or the study says"
        assert (f'    group:\n        together("{name}")\n' in text) == (name in GROUPED)


def test_every_line_of_the_table_is_a_rule() -> None:
    assert set(NEEDS) <= {name for name, _ in (param.values for param in NAMED)}
    assert set(GROUPED) <= set(NEEDS)


@pytest.mark.parametrize("text", RULES)
def test_a_rule_says_what_it_is_and_takes(text: str) -> None:
    assert text.lstrip().startswith(('"""', 'r"""')), "a docstring"
    if "    shell:" in text or "    script:" in text or "    run:" in text:
        for section in ("log", "benchmark", "threads", "resources", "conda"):
            assert f"\n    {section}:" in text, section
        assert "code=code(" in text
