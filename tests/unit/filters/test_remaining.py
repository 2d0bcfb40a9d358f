"""The time left of a long ascent: exact where the cost is what is assumed, and unknown before anything was measured."""

import pytest

from convscope.filters.remaining import LayerWork, depth_cost, seconds_each, seconds_left


def test_cost_counts_every_multiplication_up_to_the_layer() -> None:
    rows = [
        {"name": "a", "type": "Conv2D", "kernel": "3x3", "height": "10", "width": "20", "channels": "8", "role": "conv"},
        {"name": "p", "type": "MaxPooling2D", "kernel": "2x2", "height": "5", "width": "10", "channels": "8", "role": "pool"},
        {"name": "b", "type": "SeparableConv2D", "kernel": "3x3", "height": "5", "width": "10", "channels": "16", "role": "conv"},
    ]  # fmt: skip
    cost = depth_cost(rows)
    first = 10 * 20 * 3 * 9 * 8 / 1e6
    assert cost["a"] == cost["p"] == pytest.approx(first)
    assert cost["b"] == pytest.approx(first + 5 * 10 * 8 * (9 + 16) / 1e6)


def test_time_left_follows_from_what_the_finished_layers_took() -> None:
    def work(weight: float, filters: int, done: int) -> LayerWork:
        return LayerWork(f"at {weight}", weight, filters, done, 0.5 + 2 * weight if done == filters else None)

    layers = [work(1, 10, 10), work(4, 20, 20), work(6, 30, 12)]
    assert seconds_left(layers) == pytest.approx(18 * 12.5)
    assert seconds_left(layers[:2]) == 0
    assert seconds_left(layers[2:]) is None
    assert seconds_left([layers[0], layers[2]]) == pytest.approx(18 * 6 * 2.5), "one measure: in proportion"
    begun = LayerWork("begun", 6, 30, 12, 3.0)
    assert seconds_left([layers[0], begun]) == pytest.approx(18 * 3), "its own measure counts"


def test_a_pause_between_two_runs_is_no_work() -> None:
    marks = [(10.0 * n + (5000 if n > 3 else 0), 8) for n in range(8)]
    assert seconds_each(marks[::-1], 1) == pytest.approx(10 / 8)
    assert seconds_each(marks[:1], 1) is None and seconds_each([], 2) is None
    beside = [(10.0 * (n // 3) + 0.1 * (n % 3), 4) for n in range(9)]
    assert seconds_each(beside, 3) == pytest.approx(3 * 10 / 12)
