"""Overlapping work: order, bounds, errors."""

import threading
import time
from collections.abc import Iterator

import pytest

from convscope.storage.prefetch import ahead, behind


def test_results_keep_the_order_of_the_items() -> None:
    def slow_at_first(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert list(ahead(slow_at_first, range(20), threads=4, depth=8)) == [number * number for number in range(20)]
    assert list(ahead(slow_at_first, [])) == []


def test_no_more_than_the_depth_is_made_ahead() -> None:
    taken = 0

    def items() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    results = ahead(lambda number: number, items(), threads=4, depth=5)
    assert taken == 5  # before the first is asked for
    for number in range(10):
        assert next(results) == number
        assert taken <= number + 6
    results.close()  # type: ignore[attr-defined]
    assert taken <= 15


def test_work_overlaps() -> None:
    """Two workers that wait for each other: alone neither would go on."""
    meeting = threading.Barrier(2, timeout=5)
    assert len(list(ahead(lambda _: meeting.wait(), range(4), threads=2, depth=2))) == 4


def test_an_error_comes_where_its_result_would_have() -> None:
    def work(number: int) -> int:
        if number == 3:
            raise ValueError("the third")
        return number

    results = ahead(work, range(1000), threads=3, depth=6)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="the third"):
        next(results)


def test_an_error_of_the_items_is_raised() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(ahead(lambda number: number, items(), depth=1))


def test_what_is_put_behind_is_done_in_order_before_the_block_ends() -> None:
    done: list[int] = []
    with behind(lambda number: done.append(number)) as put:
        for number in range(50):
            put(number)
    assert done == list(range(50))


def test_putting_waits_for_a_slow_worker() -> None:
    gate = threading.Event()
    put_so_far: list[int] = []

    def feed() -> None:
        with behind(lambda _: gate.wait(5), depth=2) as put:
            for number in range(10):
                put(number)
                put_so_far.append(number)

    thread = threading.Thread(target=feed)
    thread.start()
    time.sleep(0.1)
    assert len(put_so_far) <= 3  # one at work, two waiting
    gate.set()
    thread.join(5)
    assert len(put_so_far) == 10


def test_an_error_behind_reaches_the_caller_and_ends_the_work() -> None:
    done: list[int] = []

    def work(number: int) -> None:
        if number == 2:
            raise OSError("disk full")
        done.append(number)

    with pytest.raises(OSError, match="disk full"), behind(work) as put:
        for number in range(100):
            put(number)
    assert done == [0, 1]
    with pytest.raises(OSError, match="disk full"), behind(work) as put:
        put(2)  # the last one: nothing is put after it


def test_the_callers_own_error_is_not_replaced() -> None:
    with pytest.raises(KeyError), behind(lambda _: None) as put:
        put(1)
        raise KeyError("mine")
