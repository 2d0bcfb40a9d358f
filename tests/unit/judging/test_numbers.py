"""Gini, rank correlation, SSIM, sensitivity and seed error in closed form."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from convscope.judging.agreement import agreement_matrix, spearman, ssim
from convscope.judging.sparseness import gini
from convscope.judging.stability import max_sensitivity, seed_error


def test_gini_in_closed_form() -> None:
    assert gini(np.full((4, 5), 0.3)) == pytest.approx(0, abs=1e-12)
    one = np.zeros((4, 5))
    one[2, 2] = -3.0  # the sign does not matter
    assert gini(one) == pytest.approx(19 / 20)
    assert gini(np.arange(1, 11)) == pytest.approx((10 - 1) / (3 * 10))  # (n - 1) / 3n for 1..n
    assert gini(5 * np.arange(1, 11)) == pytest.approx(gini(np.arange(1, 11)))
    assert np.isnan(gini(np.zeros((3, 3))))


def test_spearman_as_scipy_has_it() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        a, b = rng.normal(size=(2, 9, 11))
        tied = np.round(a)
        assert spearman(a, b) == pytest.approx(spearmanr(a.ravel(), b.ravel()).statistic)
        assert spearman(tied, b) == pytest.approx(spearmanr(tied.ravel(), b.ravel()).statistic)
    assert spearman(a, np.exp(a)) == pytest.approx(1)
    assert spearman(a, -a) == pytest.approx(-1)


def test_constant_maps_have_a_defined_likeness() -> None:
    a, flat = np.random.default_rng(0).normal(size=(8, 8)), np.full((8, 8), 2.0)
    for measure in (spearman, ssim):
        assert np.isnan(measure(flat, flat * 0))  # neither says anything
        assert measure(a, flat) == 0


def test_ssim() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 24, 24))
    assert ssim(a, a) == pytest.approx(1)
    assert ssim(a, 7 * a + 3) == pytest.approx(1)  # as they would be shown
    assert abs(ssim(a, b)) < 0.3
    assert ssim(a[:5, :9], a[:5, :9]) == pytest.approx(1)  # smaller than the usual window


def test_agreement_matrix() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 3, 6, 6))
    found = agreement_matrix({"a": a, "minus": -a, "b": b, "flat": np.zeros_like(a)})
    np.testing.assert_allclose(np.diag(found)[:3], 1)
    assert np.isnan(found[3, 3])  # two empty maps are no agreement
    np.testing.assert_allclose(found, found.T)
    assert found[0, 1] == pytest.approx(-1)
    assert found[0, 2] == pytest.approx(
        np.mean([spearmanr(x.ravel(), y.ravel()).statistic for x, y in zip(a, b, strict=True)])
    )
    assert found[0, 3] == 0
    assert np.isnan(agreement_matrix({"a": a[:0], "b": b[:0]})).all()


def test_empty_maps_are_left_out_of_agreement() -> None:
    a = np.random.default_rng(0).normal(size=(3, 6, 6))
    half = a.copy()
    half[1] = 0
    found = agreement_matrix({"half": half, "also": half, "whole": a})
    assert found[0, 1] == pytest.approx(1)  # of two pictures
    assert found[0, 2] == pytest.approx(2 / 3)  # an empty map beside one that is not is no agreement


def test_max_sensitivity() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 1, (3, 4, 4, 3)).astype(np.float32)
    keys = ["a", "b", "c"]
    # A map that does not depend on the picture does not change; the picture itself changes as the noise does.
    still = max_sensitivity(lambda x, k: np.ones((len(x), 4, 4)), images, keys, radius=0.1, samples=2)
    np.testing.assert_array_equal(still, 0)
    found = max_sensitivity(lambda x, k: x, images, keys, radius=0.1, samples=4, seed=3)
    norm = np.linalg.norm(images.reshape(3, -1), axis=1)
    spread = images.max(axis=(1, 2, 3)) - images.min(axis=(1, 2, 3))
    assert (found <= 0.1 * spread * np.sqrt(48) / norm).all()
    assert (found > 0.04 * spread * np.sqrt(48) / norm).all()  # uniform noise has 0.58 of that length
    np.testing.assert_allclose(
        found[::-1], max_sensitivity(lambda x, k: x, images[::-1], keys[::-1], radius=0.1, samples=4, seed=3)
    )
    more = max_sensitivity(lambda x, k: x, images, keys, radius=0.1, samples=8, seed=3)
    assert (more >= found).all()
    assert np.isnan(max_sensitivity(lambda x, k: np.zeros((len(x), 4, 4)), images, keys, radius=0.1, samples=2)).all()
    # An empty map but for rounding, as a linear fit to equal scores leaves it, beside the map of a picture with noise.
    rounding = np.full(images.shape, 1e-30)
    assert np.isnan(max_sensitivity(lambda x, k: x, images, keys, radius=0.1, samples=2, original=rounding)).all()


def test_seed_error() -> None:
    images = np.zeros((2, 4, 4, 3), np.float32)
    calls = []

    def fixed(seed: int):  # type: ignore[no-untyped-def]
        calls.append(seed)
        return lambda x, k: np.ones((len(x), 4, 4))

    np.testing.assert_array_equal(seed_error(fixed, images, ["a", "b"], seeds=5), 0)
    assert calls == [0, 1]  # a method without randomness is not asked again

    def offset(seed: int):  # type: ignore[no-untyped-def]
        return lambda x, k: np.full((len(x), 4, 4), [2.0, 4.0, 6.0][seed])

    # Standard deviation 2 around the mean 4.
    np.testing.assert_allclose(seed_error(offset, images, ["a", "b"], seeds=3), 0.5)
