"""Differences between models over pictures and trainings, by closed forms and by simulation."""

import numpy as np
import pytest
from scipy.stats import ttest_ind, ttest_rel

from convscope.comparisons.spread import deals, difference, least


def test_without_spread_of_trainings_it_is_the_paired_t_test_of_the_pictures() -> None:
    mine = np.tile([[1.0], [0], [1], [1], [0], [1], [1], [1]], 3)
    other = np.tile([[1.0], [0], [0], [1], [1], [0], [0], [1]], 3)
    found = difference(mine, other)
    known = ttest_rel(mine[:, 0], other[:, 0])
    assert found.mean == pytest.approx(0.25) and found.between_trainings == 0
    assert found.p == pytest.approx(known.pvalue)
    interval = known.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_without_spread_of_pictures_it_is_welchs_t_test_of_the_trainings() -> None:
    # So many pictures that their own chance is none: each training is as good as its mean.
    mine, other = np.array([0.9, 0.8, 0.85]), np.array([0.7, 0.75, 0.65, 0.6])
    answers = [np.array([1.0] * 20 + [0.0] * 0)[:, None] * values for values in (mine, other)]
    found = difference(*answers)
    known = ttest_ind(mine, other, equal_var=False)
    assert found.mean == pytest.approx(0.175) and found.between_pictures == pytest.approx(0)
    assert found.p == pytest.approx(known.pvalue)
    interval = known.confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high))


def test_the_other_way_round_is_the_opposite() -> None:
    random = np.random.default_rng(0)
    mine, other = random.integers(0, 2, (40, 3)), random.integers(0, 2, (40, 5))
    one, two = difference(mine, other), difference(other, mine)
    assert (one.mean, one.low, one.high) == pytest.approx((-two.mean, -two.high, -two.low))
    assert one.p == pytest.approx(two.p)


def test_what_has_no_spread() -> None:
    right, wrong = np.ones((9, 2)), np.zeros((9, 2))
    assert difference(right, right).p == 1 and difference(right, right).mean == 0
    # By hand: of 2^9 ways to set the signs of nine pictures two are as uneven as this.
    assert difference(right, wrong).p == 2 / 2**9 and difference(right, wrong).low == 1
    few = difference(right[:5], wrong[:5])
    assert few.p == 2 / 2**5 and few.low == -np.inf, "five pictures alike are chance once in 16 times"
    for mine in (np.ones((9, 1)), np.ones((1, 3))):
        found = difference(mine, np.zeros((len(mine), 3)))
        assert found.p == 1 and found.low == -np.inf, "of one training, or one picture, the spread is not known"


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.0), (3, 0.6), (5, 0.3)])
def test_models_that_are_alike_are_seldom_told_apart(seeds: int, spread: float) -> None:
    """Pictures of every difficulty, trainings better and worse by chance: 5 % of the studies at most show what is not there."""
    random = np.random.default_rng(seeds)
    shown = 0
    for _ in range(600):
        hard, luck = random.normal(1, 1.5, (100, 1)), random.normal(0, spread, (2, 1, seeds))
        chance = 1 / (1 + np.exp(-(hard + luck + random.normal(0, 0.5, (2, 100, seeds)))))
        mine, other = random.random(chance.shape) < chance
        shown += difference(mine, other).p <= 0.05
    assert shown <= 42, "5 % of 600 and twice its standard error"


def test_what_is_plain_is_found() -> None:
    random = np.random.default_rng(1)
    found = difference(random.random((300, 3)) < 0.92, random.random((300, 3)) < 0.8)
    assert found.p < 0.005 and found.low > 0.03
    # The same pictures answered by trainings that differ as much as the models do.
    lucky = difference(random.random((300, 3)) < [0.98, 0.92, 0.86], random.random((300, 3)) < [0.92, 0.86, 0.8])
    assert lucky.p > 0.05 and lucky.between_trainings > lucky.between_pictures


def test_dealing_out_anew_is_exact() -> None:
    assert deals(np.array([0.9, 0.91, 0.92]), np.array([0.8, 0.81, 0.82])) == pytest.approx(2 / 20) == least(3, 3)
    assert deals(np.array([0.9, 0.8]), np.array([0.8, 0.9])) == 1
    # 10 deals of 2 and 3; as uneven as the found one is none but it.
    assert deals(np.array([1.0, 0.9]), np.array([0.1, 0.2, 0.0])) == pytest.approx(1 / 10) == least(2, 3)
    assert np.isnan(deals(np.zeros(20), np.zeros(20))), "too many to try"
    assert least(4, 4) == pytest.approx(2 / 70)
