"""Where the memory does not hold a batch, half of it goes on."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from convscope.filters import run
from convscope.filters.many import Wanted, ascend_many
from convscope.filters.run import ascend
from tests.unit.filters.test_ascent import linear_model, small, spec


def holding(most: int, error: Exception, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let no more filters than `most` ascend at once; what was tried, as a list."""
    tried: list[int] = []
    plain = run.Ascent.run

    def bounded(self: Any, living: list[int], batch: int, *rest: Any) -> Any:
        tried.append(batch)
        if batch > most:
            raise error
        return plain(self, living, batch, *rest)

    monkeypatch.setattr(run.Ascent, "run", bounded)
    return tried


FULL = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[64,98,98,64]")


def test_half_a_batch_goes_on_and_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ascend(linear_model(11), spec(), "conv", range(11), small(batch=8), seed=1)
    tried, lines, parts = holding(2, FULL, monkeypatch), [], []  # type: ignore[var-annotated]
    found = ascend(linear_model(11), spec(), "conv", range(11), small(batch=8), 1, parts.append, report=lines.append)
    assert tried == [8, 4, 2, 2, 2, 2, 2, 2]
    assert [line for line in lines if "memory" in line] == [
        "memory for 8 filters at once is lacking: 4 at once from here on (`batch` under `filters`)",
        "memory for 4 filters at once is lacking: 2 at once from here on (`batch` under `filters`)",
    ]
    assert [len(part.channels) for part in parts] == [8, 3]  # kept as before, so that a resumed run knows them
    np.testing.assert_array_equal(found.channels, expected.channels)
    np.testing.assert_allclose(found.patterns, expected.patterns, atol=1e-5)
    np.testing.assert_allclose(found.objective, expected.objective, atol=1e-5)


def many(report: Any = lambda line: None, **wanted: Any) -> np.ndarray:
    """The patterns of ten weighted sums of a layer's filters."""
    weights = np.random.default_rng(4).normal(size=(10, 11)).astype(np.float32)
    labels = [str(number) for number in range(10)]
    asked = Wanted("conv", weights, labels, **wanted)
    found, _ = ascend_many(linear_model(11), spec(), "sums", asked, small(), 1, report=report)
    assert found.channels.tolist() == list(range(10))
    return found.patterns


@pytest.mark.parametrize("same_start", [False, True])
def test_half_of_many_goes_on_and_finds_the_same(monkeypatch: pytest.MonkeyPatch, same_start: bool) -> None:
    expected = many(same_start=same_start)
    tried, lines = holding(3, FULL, monkeypatch), []  # type: ignore[var-annotated]
    np.testing.assert_allclose(many(lines.append, same_start=same_start), expected, atol=1e-5)
    assert tried == [8, 4, 2, 2, 2, 2, 2]
    assert lines == [
        "memory for 8 patterns at once is lacking: 4 at once from here on",
        "memory for 4 patterns at once is lacking: 2 at once from here on",
    ]


def test_patterns_that_are_kept_apart_are_not_halved(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = holding(3, FULL, monkeypatch)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        many(diversity=1.0)
    assert tried == [10]


def test_where_not_even_one_fits_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = holding(0, FULL, monkeypatch)
    with pytest.raises(tf.errors.ResourceExhaustedError):
        ascend(linear_model(4), spec(), "conv", range(4), small(batch=4), seed=1)
    assert tried == [4, 2, 1]


def test_no_other_error_is_taken_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    tried = holding(0, ValueError("shapes do not fit"), monkeypatch)
    with pytest.raises(ValueError, match="shapes do not fit"):
        ascend(linear_model(4), spec(), "conv", range(4), small(batch=4), seed=1)
    assert tried == [4]


def test_a_graphics_processor_takes_one_batch_after_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    pools: list[int] = []
    plain = run.ThreadPoolExecutor

    def counted(workers: int) -> Any:
        pools.append(workers)
        return plain(workers)

    monkeypatch.setattr(run, "ThreadPoolExecutor", counted)
    for gpu in (False, True):
        monkeypatch.setattr(run, "has_gpu", lambda gpu=gpu: gpu)
        ascend(linear_model(4), spec(), "conv", range(4), small(steps=1), seed=1, at_once=3)
    assert pools == [3, 1]
