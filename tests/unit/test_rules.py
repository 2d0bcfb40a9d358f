"""What every rule says of itself."""

import re
from pathlib import Path

import pytest

RULES = [
    pytest.param(text, id=name)
    for path in sorted((Path(__file__).parents[2] / "rules").glob("*.smk"))
    for name, text in re.findall(
        r"^(?:rule|checkpoint) (\w+):\n(.*?)(?=^\S|\Z)", path.read_text(encoding="utf-8"), re.M | re.S
    )
]


def test_there_are_rules() -> None:
    assert len(RULES) > 40


@pytest.mark.parametrize("text", RULES)
def test_a_job_that_was_killed_for_memory_or_time_gets_more(text: str) -> None:
    """Nothing fixed: a job that a cluster has killed would be killed again."""
    if "    shell:" in text or "    script:" in text or "    run:" in text:
        assert re.search(r"^        mem_mb=grows\(\d+\),$", text, re.M)
        assert re.search(r"^        runtime=grows\(\d+\),$", text, re.M)


@pytest.mark.parametrize("text", RULES)
def test_a_rule_says_what_it_is_and_takes(text: str) -> None:
    assert text.lstrip().startswith(('"""', 'r"""')), "a docstring"
    if "    shell:" in text or "    script:" in text or "    run:" in text:
        for section in ("log", "benchmark", "threads", "resources", "conda"):
            assert f"\n    {section}:" in text, section
        assert "code=code(" in text
