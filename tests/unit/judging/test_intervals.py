"""The sign-flip test, Holm's adjustment, and the three kinds of intervals: by hand, by brute force, by simulation."""

from itertools import product

import numpy as np
import pytest
from scipy import stats

from convscope.judging.intervals import crossed, interval, proportion
from convscope.judging.signflip import (
    DRAWS,
    EXACT_BELOW,
    effect_of,
    effect_shown,
    holm,
    p_values,
    pictures_needed,
    subsets,
)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_the_sign_flip_test_by_brute_force(count: int) -> None:
    values = np.random.default_rng(count).normal(0.4, 1, (5, count))
    signs = np.array(list(product([1, -1], repeat=count)))
    more, less = p_values(values)
    for row, high, low in zip(values, more, less, strict=True):
        sums = signs @ row
        assert high == pytest.approx((sums >= row.sum() - 1e-12).mean())
        assert low == pytest.approx((sums <= row.sum() + 1e-12).mean())


def test_the_sign_flip_test_as_scipy_has_it() -> None:
    values = np.random.default_rng(3).normal(0.3, 1, 11)
    theirs = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", alternative="greater", n_resamples=np.inf
    )
    assert p_values(values)[0] == pytest.approx(theirs.pvalue)
    # Above the exact test's limit, about as many draws as they take.
    many = np.random.default_rng(4).normal(0.3, 1, 30)
    drawn = stats.permutation_test(
        (many,), np.sum, permutation_type="samples", alternative="greater", n_resamples=9999, rng=1
    )
    assert p_values(many)[0] == pytest.approx(drawn.pvalue, abs=4 * np.sqrt(0.05 / DRAWS))


def test_what_cannot_be_told() -> None:
    assert p_values(np.zeros(8)) == (1, 1)  # every flip gives the same sum
    assert p_values(np.zeros((2, 0)))[0].tolist() == [1, 1]
    assert p_values(np.full(8, 0.1))[0] == 1 / 256 and p_values(np.full(8, 0.1))[1] == 1
    assert p_values(np.full(40, 0.1))[0] == 1 / (DRAWS + 1)  # never 0
    # Equal but for the last digit: 0.1 + 0.2 is not 0.3.
    assert p_values(np.array([0.1, 0.2, -0.3]))[0] == p_values(np.array([1.0, 2.0, -3.0]))[0]
    assert len(subsets(EXACT_BELOW - 1)) == 2 ** (EXACT_BELOW - 1) - 1 and len(subsets(EXACT_BELOW)) == DRAWS


@pytest.mark.parametrize("count", [8, 14, 15, 30])
def test_the_interval_is_what_the_test_does_not_rule_out(count: int) -> None:
    rng = np.random.default_rng(count)
    for shift in rng.normal(0, 0.5, 40):
        values = rng.normal(shift, 1, count)
        found, (more, less) = interval(values), p_values(values)
        assert (found.low > 0) == (more <= 0.025) and (found.high < 0) == (less <= 0.025)
        assert found.low <= found.mean <= found.high and found.count == count
        edge = p_values(values - found.low - 1e-9)[0], p_values(values - found.low + 1e-9)[0]
        assert edge[0] > 0.025 >= edge[1]


@pytest.mark.parametrize("count", [8, 24])
def test_the_order_of_the_pictures_does_not_matter(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(20):
        values = rng.normal(0.4, 1, count)
        other = rng.permutation(values)
        assert p_values(values) == p_values(other) == p_values(-other)[::-1]
        assert (interval(values).low, interval(values).high) == (interval(other).low, interval(other).high)
        assert (interval(-other).low, interval(-other).high) == (-interval(values).high, -interval(values).low)


@pytest.mark.parametrize("count", [8, 10, 20])
def test_the_interval_agrees_with_the_test_on_sums_of_zero(count: int) -> None:
    """Thirds and tenths: sums that are 0 on paper are not in floating point, and must count for 0 on both sides."""
    rng = np.random.default_rng(count)
    borders = 0
    for step in range(600):
        values = rng.integers(-5, 11, count) / (3, 10)[step % 2]
        found, (more, less) = interval(values), p_values(values)
        assert (found.low > 0) == (more <= 0.025) and (found.high < 0) == (less <= 0.025), values
        borders += found.low == 0
    assert borders


def test_intervals_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(2, 1, 400)
    found = interval(values)
    error = values.std(ddof=1) / 20
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)
    assert interval(np.append(values, [np.nan, np.inf])) == found
    assert interval(np.array([np.nan])).count == 0 and np.isnan(interval(np.array([])).mean)
    for few in range(1, 6):
        assert interval(values[:few]).low == -np.inf and interval(values[:few]).high == np.inf
    assert interval(values[:6]).low == values[:6].min()  # of 64 flips one is 1.6 %


def test_pairs_are_compared_picture_by_picture() -> None:
    # Pictures differ much, methods differ little but always: only the paired comparison sees it.
    base = np.random.default_rng(0).normal(0, 10, 30)
    better = base + 0.1 + 0.01 * np.sin(np.arange(30))
    assert interval(better - base).low > 0.09
    assert interval(better).low < interval(base).high


@pytest.mark.parametrize(("hits", "count"), [(8, 8), (0, 8), (3, 8), (20, 24)])
def test_shares_of_hits(hits: int, count: int) -> None:
    found = proportion(np.repeat([1.0, 0.0, np.nan], [hits, count - hits, 2]))
    theirs = stats.binomtest(hits, count).proportion_ci(0.95, "exact")
    assert (found.low, found.high) == pytest.approx((theirs.low, theirs.high)) and found.count == count
    assert found.low <= found.mean == hits / count <= found.high


def test_parts_of_hits_lie_between() -> None:
    low, part, high = (proportion(np.array([1.0] * 5 + [value] + [0.0] * 4)) for value in (0.0, 0.25, 1.0))
    assert low.low < part.low < high.low and low.high < part.high < high.high
    assert proportion(np.array([np.nan])).count == 0


def test_holm_by_hand() -> None:
    p = np.array([0.01, 0.04, 0.03, np.nan, 0.005])
    np.testing.assert_allclose(holm(p), [0.03, 0.06, 0.06, np.nan, 0.02])
    np.testing.assert_allclose(holm(np.stack([p, p[::-1]]))[1], holm(p)[::-1])
    assert holm(np.array([0.6, 0.7])).tolist() == [1, 1] and holm(np.array([0.02])).tolist() == [0.02]
    assert holm(np.zeros((3, 0))).shape == (3, 0) and np.isnan(holm(np.array([np.nan]))).all()


def test_how_many_pictures() -> None:
    assert [pictures_needed(effect) for effect in (0.8, -0.8, 0.5, 0.3)] == [19, 19, 44, 119]
    assert pictures_needed(0.0) is None and pictures_needed(0.01) is None
    assert (
        pictures_needed(np.inf) == 6 and pictures_needed(np.inf, alpha=0.025 / 28) == 11
    )  # 2^-n has to be small enough
    assert effect_shown(44) == pytest.approx(0.5, abs=0.01) and effect_shown(5) is None
    assert effect_of(np.array([1.0, 3.0])) == pytest.approx(2 / np.sqrt(2))
    assert effect_of(np.full(3, -0.25)) == -np.inf and effect_of(np.zeros(3)) == 0


@pytest.mark.parametrize(("effect", "count"), [(0.8, 19), (0.5, 44), (0.3, 119)])
def test_so_many_pictures_show_it(effect: float, count: int) -> None:
    values = np.random.default_rng(count).normal(effect, 1, (1000, count))
    assert (p_values(values)[0] <= 0.025).mean() == pytest.approx(0.9, abs=0.03)


@pytest.mark.parametrize("questions", [1, 12, 28])
def test_a_plain_difference_asks_for_more_than_all_signs_alike(questions: int) -> None:
    """With the fewest pictures that alpha allows all signs have to agree, which a difference of 2 does in 0.98^n of the studies."""
    alpha = 0.025 / questions
    values = np.random.default_rng(questions).normal(2, 1, (1000, pictures_needed(2.0, alpha) or 0))
    assert (p_values(values)[0] <= alpha).mean() > 0.87


def test_pictures_and_networks_were_both_drawn() -> None:
    values = np.array([[1.0, 2.0, 3.0], [2.0, 3.0, 4.0]])  # pictures 2 and 3, networks 1.5, 2.5, 3.5: nothing else
    found = crossed(values)
    variance = 0.5 / 2 + 1 / 3
    assert found.interval.mean == 2.5 and found.error == pytest.approx(np.sqrt(variance))
    assert found.freedom == pytest.approx(variance**2 / (0.25**2 + (1 / 3) ** 2 / 2))
    half = stats.t.ppf(0.975, found.freedom) * np.sqrt(variance)
    assert found.interval.high == pytest.approx(2.5 + half)
    above, below = found.p_values(2.0)
    assert above == pytest.approx(
        stats.t.sf(0.5 / np.sqrt(variance), found.freedom)
    ) and above + below == pytest.approx(1)
    assert interval(values) == found.interval
    np.testing.assert_allclose(crossed(np.append(values, [[np.nan, 1, 1]], axis=0)).error, found.error)


def test_too_few_of_either() -> None:
    for values in (np.ones((1, 3)), np.ones((5, 1))):
        assert crossed(values).interval.high == np.inf and crossed(values).p_values(0.5) == (1, 1)
    assert crossed(np.ones((4, 0))).interval.count == 0 and crossed(np.full((2, 2), np.nan)).interval.count == 0
    same = crossed(np.full((8, 3), 0.9))
    assert (same.interval.low, same.interval.high) == (0.9, 0.9)
    assert same.p_values(0.5) == (0, 1) and same.p_values(0.95) == (1, 0) and same.p_values(0.9) == (1, 1)


@pytest.mark.parametrize(("pictures", "networks", "rest"), [(0.2, 0.11, 0.05), (0.05, 0.11, 0.05), (0.2, 0.0, 0.1)])
def test_the_limit_is_passed_as_often_as_said(pictures: float, networks: float, rest: float) -> None:
    rng = np.random.default_rng(0)
    above = 0
    for _ in range(600):
        values = rng.normal(0, pictures, (8, 1)) + rng.normal(0, networks, (1, 3)) + rng.normal(0, rest, (8, 3))
        above += crossed(0.5 + values).p_values(0.5)[0] <= 0.025
    assert above / 600 < 0.05
