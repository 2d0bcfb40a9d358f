"""Concepts found without labels: total Sobol indices of functions whose indices are known, and planted parts found again."""

import numpy as np
import pytest

from convscope.vectors.craft import importance
from convscope.vectors.factors import amounts, bank_of
from convscope.vectors.sobol import designs, standard_error, total_indices


def ishigami(points: np.ndarray) -> np.ndarray:
    x = np.pi * (2 * points - 1)
    return np.sin(x[..., 0]) + 7 * np.sin(x[..., 1]) ** 2 + 0.1 * x[..., 2] ** 4 * np.sin(x[..., 0])


def test_total_indices_of_the_ishigami_function() -> None:
    a, b = 7.0, 0.1
    variance = a**2 / 8 + b * np.pi**4 / 5 + b**2 * np.pi**8 / 18 + 0.5
    both = 8 * b**2 * np.pi**8 / 225
    first = 0.5 * (1 + b * np.pi**4 / 5) ** 2
    expected = [(first + both) / variance, a**2 / 8 / variance, both / variance]
    found = total_indices(ishigami(designs(3, 2048, 1)))
    np.testing.assert_allclose(found, expected, atol=0.02)
    np.testing.assert_allclose(found, scipys(ishigami), atol=0.03)


def test_what_inputs_do_together_counts_for_each() -> None:
    """The variance of x y is 7/144; x takes part in 4/144 of it, and so does y."""
    found = total_indices(designs(2, 2048, 3).prod(axis=-1))
    np.testing.assert_allclose(found, [4 / 7, 4 / 7], atol=0.02)
    # By few points one estimate alone may be above 1; it is not cut off there.
    weights = np.array([5.0, *[0.3] * 9])
    assert max(total_indices(designs(10, 8, seed) @ weights)[0] for seed in range(10)) > 1.1


def said_of(function, expected: float, count: int) -> tuple[float, float]:
    """Of 300 estimates of the first index the share above 1, and the share within two standard errors, in per cent."""
    values = np.stack([function(designs(10, count, seed)) for seed in range(300)], axis=2)
    found = total_indices(values)[0]
    errors = np.array([standard_error(each[..., None])[0] for each in np.moveaxis(values, 2, 0)])
    return round(100 * np.mean(found > 1)), round(100 * np.mean(abs(found - expected) <= 2 * errors))


def test_what_the_docs_say_of_few_points() -> None:
    weights = np.array([5.0, *[0.3] * 9])
    index = 25 / (weights @ weights)
    assert said_of(lambda points: points @ weights, index, 8)[0] == pytest.approx(48, abs=3)
    assert said_of(lambda points: points @ weights, index, 32) == pytest.approx((39, 97), abs=3)
    assert said_of(lambda points: points @ weights, index, 128)[0] <= 3
    assert said_of(ishigami, 0.558, 8)[1] == pytest.approx(74, abs=6)


def bootstrapped(values: np.ndarray, times: int = 2000) -> np.ndarray:
    """The standard deviation of the mean index of points drawn again, as SciPy reckons its intervals."""
    rng = np.random.default_rng(0)
    count = values.shape[1]
    drawn = [total_indices(values[:, rng.integers(count, size=count)]).mean(axis=1) for _ in range(times)]
    return np.std(drawn, axis=0)


def test_the_error_is_that_of_points_drawn_again() -> None:
    points = designs(3, 256, 4)
    functions = np.stack([ishigami(points), points @ np.array([3.0, 1.0, 0.5]), np.full(points.shape[:2], 7.3)], axis=2)
    np.testing.assert_allclose(standard_error(functions), bootstrapped(functions), rtol=0.15)


def test_the_error_covers_what_is_known_and_is_no_smaller_of_more_functions_at_the_same_points() -> None:
    weights = np.array([3.0, 0.0, -1.0, 2.0])
    expected = weights**2 / (weights**2).sum()
    within = []
    for seed in range(100):
        values = (designs(4, 32, seed) @ weights)[..., None]
        error = standard_error(values)
        within.append(abs(total_indices(values)[:, 0] - expected) <= 2 * error)
        np.testing.assert_allclose(standard_error(np.repeat(values, 9, axis=2)), error)
    assert np.mean(within) > 0.95
    assert (standard_error(np.full((4, 32, 2), 7.3, np.float32)) == 0).all()


def scipys(function) -> np.ndarray:
    from scipy.stats import sobol_indices, uniform

    found = sobol_indices(func=lambda x: function(x.T), n=2048, dists=[uniform()] * 3, rng=np.random.default_rng(1))
    return found.total_order


def test_total_indices_of_a_linear_function_are_its_squared_weights() -> None:
    weights = np.array([3.0, 0.0, -1.0, 2.0])
    found = total_indices(designs(4, 1024, 2) @ weights)
    np.testing.assert_allclose(found, weights**2 / (weights**2).sum(), atol=0.02)


def test_of_a_function_that_does_not_change_nothing_counts() -> None:
    assert (total_indices(np.full((4, 32), 7.3, np.float32)) == 0).all()
    assert np.array_equal(designs(3, 32, 5), designs(3, 32, 5))


def planted(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    parts = np.zeros((3, 12), np.float32)
    parts[0, :4], parts[1, 4:8], parts[2, 8:11] = 1, 2, 0.5  # the last channel is dead
    shares = rng.exponential(size=(80, 3)) * (rng.uniform(size=(80, 3)) < 0.6)
    return (shares @ parts).astype(np.float32), parts


def test_planted_parts_are_found_again() -> None:
    answers, parts = planted(np.random.default_rng(1))
    bank = bank_of(answers, 3, 1)
    alike = (parts / np.linalg.norm(parts, axis=1, keepdims=True)) @ bank.parts.T
    assert (alike.max(axis=1) > 0.99).all() and bank.error < 0.05
    np.testing.assert_allclose(np.linalg.norm(bank.parts, axis=1), 1, rtol=1e-5)
    assert (bank.parts[:, -1] == 0).all() and (bank.crops >= 0).all()


def test_a_layer_that_is_dead_has_no_concepts_and_one_that_answers_below_zero_is_refused() -> None:
    assert bank_of(np.zeros((5, 4), np.float32), 3, 1).parts.shape == (0, 4)
    assert bank_of(np.ones((1, 4), np.float32), 10, 1).parts.shape == (1, 4)
    with pytest.raises(ValueError, match="below 0"):
        bank_of(np.array([[1, -0.1]], np.float32), 1, 1)


def test_amounts_are_the_least_squares_that_are_not_negative() -> None:
    from scipy.optimize import nnls

    rng = np.random.default_rng(2)
    parts, maps = rng.uniform(size=(4, 9)).astype(np.float32), rng.uniform(size=(3, 2, 9)).astype(np.float32)
    expected = [nnls(parts.T.astype(float), place)[0] for place in maps.reshape(-1, 9).astype(float)]
    np.testing.assert_allclose(amounts(maps, parts).reshape(-1, 4), expected, atol=2e-3)


@pytest.mark.parametrize("apart", [1.0, 0.2, 0.05])
def test_amounts_of_parts_that_are_nearly_alike(apart: float) -> None:
    """Descent alone leaves most with whichever part comes first."""
    from scipy.optimize import nnls

    rng = np.random.default_rng(0)
    parts = (rng.random((1, 32)) + apart * rng.random((10, 32))).astype(np.float32)
    parts /= np.linalg.norm(parts, axis=1, keepdims=True)
    maps = (rng.exponential(size=(200, 10)) @ parts + 0.2 * rng.random((200, 32))).astype(np.float32)
    expected = np.array([nnls(parts.T.astype(float), place)[0] for place in maps.astype(float)])
    found = amounts(maps, parts)
    assert np.corrcoef(found.ravel(), expected.ravel())[0, 1] > 0.9999
    np.testing.assert_allclose(found, expected, atol=0.02)


def test_amounts_are_reckoned_more_exactly_than_the_maps_are_kept() -> None:
    """What tells parts apart that differ by a hundredth is a thousandth of a thousandth of what they share."""
    from scipy.optimize import nnls

    rng = np.random.default_rng(0)
    for parts, least in ((rng.random(64) + 0.01 * rng.random((6, 64)), 2e-3), (rng.random((40, 16)) ** 4, np.inf)):
        parts = (parts / np.linalg.norm(parts, axis=1, keepdims=True)).astype(np.float32)
        shares = rng.exponential(size=(200, len(parts))) * (rng.random((200, len(parts))) < 0.5)
        maps = (shares @ parts + 0.1 * rng.random((200, parts.shape[1]))).astype(np.float32)
        found = amounts(maps, parts).astype(float)
        for place, mine in zip(maps.astype(float), found, strict=True):
            expected, error = nnls(parts.T.astype(float), place, maxiter=5000)
            assert np.linalg.norm(mine - expected) <= least * np.linalg.norm(expected)
            assert np.linalg.norm(place - mine @ parts) <= error + 1e-5 * np.linalg.norm(place)


def test_amounts_of_the_same_part_twice_and_of_more_parts_than_channels() -> None:
    rng = np.random.default_rng(3)
    for parts in (np.repeat(rng.random((2, 9)), 2, axis=0), rng.random((12, 4)), rng.random((1, 5))):
        parts = (parts / np.linalg.norm(parts, axis=1, keepdims=True)).astype(np.float32)
        maps = (rng.random((40, len(parts))) @ parts).astype(np.float32)
        found = amounts(maps, parts)
        assert (found >= 0).all()
        np.testing.assert_allclose(found @ parts, maps, rtol=1e-3)
    assert amounts(np.ones((2, 3, 5), np.float32), np.zeros((0, 5), np.float32)).shape == (2, 3, 0)
    assert (amounts(np.zeros((2, 5), np.float32), parts) == 0).all()


def test_importance_of_a_linear_upper_part() -> None:
    parts = np.eye(3, 5, dtype=np.float32)
    own = np.zeros((2, 2, 3), np.float32)
    own[0, 0], own[1, 1] = [1, 2, 0], [3, 0, 0]
    weights = np.array([1.0, 1.0, 5.0, 9.0, 9.0])
    asked = importance(own, parts, designs(3, 512, 1), lambda maps: maps.sum(axis=(1, 2)) @ weights + 2, 8.5, 100)
    # Concept 0 is there 4 times, concept 1 twice, concept 2 not at all, however much it would count.
    np.testing.assert_allclose(asked.total, [16 / 20, 4 / 20, 0], atol=0.02)
    np.testing.assert_allclose(asked.removed, [4, 2, 0], atol=1e-5)
    np.testing.assert_allclose(asked.kept, [8.5, 8])
