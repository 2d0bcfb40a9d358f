"""What jobs ask for: more for more work and for another attempt, never less than what was measured."""

import pytest

from convscope.planning.needs import LONGEST, MOST_MEMORY, NEEDS, SHORTEST, Work, megabytes, minutes, seconds, threads
from scripts.needs_page import PAGE, page, read_measured


def test_a_line_for_each_quantity() -> None:
    work = Work(held=0.5, seen=10, pictures=2000)
    need = NEEDS["cam"]
    assert seconds("cam", work) == need.s + 2 * 10 + 2 * need.s_thousand
    exact = need.mb + 0.5 * need.mb_held + 2 * need.mb_thousand
    assert 0 <= megabytes("cam", work) - exact < 100


@pytest.mark.parametrize("rule", NEEDS)
def test_another_attempt_gets_as_much_again(rule: str) -> None:
    work = Work(held=0.1, seen=100, pictures=1000)
    for ask in (megabytes, minutes):
        assert [ask(rule, work, attempt) for attempt in (2, 3)] == [ask(rule, work) * 2, ask(rule, work) * 3]


@pytest.mark.parametrize("rule", NEEDS)
def test_there_is_a_floor_and_a_ceiling(rule: str) -> None:
    nothing, endless = Work(), Work(held=1e9, seen=1e12, pictures=10**9)
    assert SHORTEST <= minutes(rule, nothing) <= minutes(rule, endless) <= LONGEST
    assert 500 <= megabytes(rule, nothing) <= megabytes(rule, endless) <= MOST_MEMORY
    assert isinstance(minutes(rule, endless), int) and isinstance(megabytes(rule, endless), int)


def test_threads_where_they_are_worth_it() -> None:
    assert [threads(count) for count in (0, 1, 100, 101, 10**6)] == [1, 1, 1, 2, 8]


def test_the_page_has_the_table_and_nobody_took_more_than_is_asked_for() -> None:
    rows = read_measured()
    assert len(rows) > 50
    text = PAGE.read_text(encoding="utf-8")
    assert page(text, rows) == text, "make it anew: python -m scripts.needs_page"
    for row in rows:
        assert int(row["mb"]) <= int(row["asked_mb"]), row
        assert float(row["seconds"]) <= 60 * int(row["asked_minutes"]) / 2, row
