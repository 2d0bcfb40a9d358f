"""Concept vectors of planted examples: what a class depends on is found, what it does not is not, and chance is not taken for more."""

import numpy as np
import pytest

from convscope.vectors.cav import PENALTY, _held_out, _logistic, learn
from convscope.vectors.tcav import Examples, against_chance, against_random, holm, judged, random_concepts

NUMBERS, SIZE, SETS = 24, 16, 8


def trial(seed: int, weight: float = 0.0, shift: float = 0.0):
    """A concept that moves number 0 by `shift`, at a layer from which a class takes it with that weight."""
    rng = np.random.default_rng(seed)
    drawn = np.abs(rng.normal(size=((SETS + 1) * SIZE, NUMBERS)))
    drawn[:SIZE, 0] += shift
    weights = rng.normal(size=NUMBERS)
    weights[0] = weight
    # Behind a ReLU each picture's gradient lacks some of the weights.
    gradients = weights * (rng.uniform(size=(20, NUMBERS)) < 0.7)
    examples = Examples(
        drawn.astype(np.float32),
        np.arange(len(drawn)),
        [gradients.astype(np.float32), -gradients.astype(np.float32)],
        seed,
    )
    sets = list(np.arange(SIZE, len(drawn)).reshape(SETS, SIZE))
    return judged(against_random(examples, np.arange(SIZE), sets), random_concepts(examples, sets, SIZE))


@pytest.mark.parametrize("weight", [4.0, -4.0])
def test_a_class_that_depends_on_a_direction(weight: float) -> None:
    found = trial(1, weight, 4.0)
    assert found.accuracy > 0.9 and found.accuracy_p < 0.01
    assert (found.p < 0.01).all() and found.sensitivity[0] * weight > 0
    # The other class is this one's opposite.
    np.testing.assert_allclose(found.sensitivity[1], -found.sensitivity[0])
    np.testing.assert_allclose(found.score[1], 1 - found.score[0])


def test_a_class_that_does_not_depend_on_a_concept_that_is_there() -> None:
    found = [trial(seed, 0.0, 4.0) for seed in range(6)]
    assert all(one.accuracy_p < 0.01 for one in found)
    assert sum((one.p < 0.05).any() for one in found) <= 1


def test_random_concepts_are_rejected_at_the_nominal_rate_and_more_often_by_the_papers_test() -> None:
    found = [trial(seed) for seed in range(50)]
    rejected = sum(one.p[0] < 0.1 for one in found)
    assert 1 <= rejected <= 11, "5 of 50 are expected; of fewer or more the chance is about 0.01"
    assert sum(one.p_welch[0] < 0.1 for one in found) > 2 * 5
    assert sum(one.accuracy_p < 0.1 for one in found) <= 11


def test_the_test_is_exact_for_sums_of_normal_numbers() -> None:
    rng = np.random.default_rng(3)
    p = []
    for _ in range(4000):
        means = rng.normal(size=6)
        every = means[1:]
        by_chance = np.array([own - np.delete(every, k).mean() for k, own in enumerate(every)])
        p.append(against_chance(means[0] - every.mean(), by_chance))
    for level in (0.01, 0.05, 0.2):
        assert abs((np.array(p) < level).mean() - level) < 4 * np.sqrt(level / 4000)


def test_sets_that_share_pictures_are_taken_for_what_they_are() -> None:
    rng = np.random.default_rng(4)
    size, pictures, sets = 10, 40, 12
    p, careless = [], []
    for _ in range(2000):
        pool = rng.normal(size=pictures)
        every = np.array([rng.permutation(pool)[:size].mean() for _ in range(sets)])
        by_chance = np.array([own - np.delete(every, k).mean() for k, own in enumerate(every)])
        value = rng.normal(size=size).mean() - every.mean()
        p.append(against_chance(value, by_chance, size / pictures))
        careless.append(against_chance(value, by_chance))
    assert (np.array(p) < 0.05).mean() < 0.065
    assert (np.array(careless) < 0.05).mean() > 0.08


def test_the_normal_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    rng = np.random.default_rng(5)
    points, truth = rng.normal(size=(30, 6)), np.arange(30) % 2
    slopes, intercept = _logistic(points, truth, PENALTY)
    theirs = LogisticRegression(C=1 / (PENALTY * 30), tol=1e-10, max_iter=10000).fit(points, truth)
    np.testing.assert_allclose(slopes, theirs.coef_[0], atol=1e-5)
    np.testing.assert_allclose(intercept, theirs.intercept_[0], atol=1e-5)


def test_a_cav_is_a_unit_normal_towards_the_concept_whatever_the_layers_units_are() -> None:
    rng = np.random.default_rng(6)
    drawn = rng.normal(size=(40, 100))
    drawn[:20, 0] += 5
    rows = np.arange(40)
    cavs = []
    for unit in (1.0, 1e4):
        scaled = unit * drawn + unit * 7
        cav = learn(scaled @ scaled.T, rows[:20], rows[20:], rows, np.random.default_rng(1))
        vector = cav.weights @ scaled[cav.rows]
        np.testing.assert_allclose(np.linalg.norm(vector), 1, rtol=1e-6)
        assert vector[0] > 0.6 and cav.accuracy > 0.9
        cavs.append(vector)
    np.testing.assert_allclose(cavs[0], cavs[1], atol=1e-4)


def test_examples_that_are_all_the_same_give_no_vector() -> None:
    cav = learn(np.ones((20, 20)), np.arange(10), np.arange(10, 20), np.arange(20), np.random.default_rng(1))
    assert not cav.weights.any() and cav.accuracy == 0.5


def test_crops_of_a_picture_are_held_out_together() -> None:
    sources = np.repeat(np.arange(10), 4)
    truth = np.tile([0, 0, 1, 1], 10)
    tested = _held_out(sources, truth, np.random.default_rng(1))
    assert set(sources[tested]).isdisjoint(sources[~tested])
    assert all(1 / 3 <= tested[truth == kind].mean() < 0.5 for kind in (0, 1))
    with pytest.raises(ValueError, match="too few pictures"):
        _held_out(np.zeros(8, int), truth[:8], np.random.default_rng(1))


def test_pictures_without_a_gradient_rise_towards_nothing() -> None:
    """Of a head with a closed ReLU: they were counted as rising towards every vector that was turned round."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=((SETS + 1) * SIZE, 6)).astype(np.float32)
    drawn[:SIZE, 0] += 6
    gradients = np.zeros((20, 6), np.float32)
    gradients[:5, 0] = 1
    examples = Examples(drawn, np.arange(len(drawn)), [gradients], 0)
    rows = list(np.arange(len(drawn)).reshape(SETS + 1, SIZE))
    found = judged(against_random(examples, rows[0], rows[1:]), random_concepts(examples, rows[1:], SIZE))
    # A quarter can rise or fall.
    assert found.score[0] == 0.25 and found.score_random[0] == 0.125


def test_holm_by_hand() -> None:
    np.testing.assert_allclose(
        holm(np.array([0.01, np.nan, 0.04, 0.03, 0.6])), [0.04, np.nan, 0.09, 0.09, 0.6], equal_nan=True
    )
    assert holm(np.array([])).size == 0
