"""The formulas of the class activation maps, on arrays."""

import numpy as np
import pytest

from convscope.cams.methods import class_map, eigen_cam, grad_cam, grad_cam_plus_plus, layer_cam


def arrays(seed: int, shape: tuple[int, ...] = (2, 4, 5, 3)) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.gamma(1.0, size=shape).astype(np.float32), rng.normal(size=shape).astype(np.float32)


def test_grad_cam_plus_plus_is_equation_19() -> None:
    a, g = (values.astype(np.float64) for values in arrays(0))
    total = a.sum(axis=(1, 2), keepdims=True)  # the sum over all places, not the mean
    alpha = g**2 / (2 * g**2 + total * g**3)
    weights = (alpha * np.maximum(g, 0)).sum(axis=(1, 2))
    expected = np.maximum(np.einsum("nhwk,nk->nhw", a, weights), 0)
    np.testing.assert_allclose(grad_cam_plus_plus(a.astype(np.float32), g.astype(np.float32)), expected, rtol=1e-4)


def test_grad_cam_plus_plus_by_hand() -> None:
    """One feature map [1, 3], gradient 1/2 everywhere: alpha = 1 / (2 + 4 / 2) = 1/4, w = 2 * 1/4 * 1/2 = 1/4."""
    a = np.array([1, 3], np.float32).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(grad_cam_plus_plus(a, np.full_like(a, 0.5)), [[[0.25, 0.75]]], rtol=1e-6)


@pytest.mark.parametrize("gradient", [0.0, 1e-30, -1e-30])
def test_grad_cam_plus_plus_takes_nothing_by_nothing_as_nothing(gradient: float) -> None:
    a = np.ones((1, 2, 2, 1), np.float32)
    found = grad_cam_plus_plus(a, np.full_like(a, gradient)).numpy()
    assert np.isfinite(found).all()
    # alpha is 1/2 for the smallest gradient above 0, though its square is not a float32.
    np.testing.assert_allclose(found, max(gradient, 0) * 2, rtol=1e-5)


def test_grad_cam_plus_plus_has_no_pole() -> None:
    """One map [2, S - 2], gradient 1: eq. 19 gives the weight 2 / (2 + S), which goes to infinity at S = -2 and is below 0 beyond.

    From S = 0 on down alpha stays 1/2: the weight 1, the value 2 at the first place.
    """
    for total in (-1.5, -1.99, -1.99999, -2.0, -2.00001, -2.01, -50.0):
        a = np.array([2, total - 2], np.float32).reshape(1, 1, 2, 1)
        np.testing.assert_allclose(grad_cam_plus_plus(a, np.ones_like(a)), [[[2, 0]]], rtol=1e-5)
    # And goes on continuously where the maps' sum passes through 0, to eq. 19 above it.
    values = [
        grad_cam_plus_plus(np.array([2, s - 2], np.float32).reshape(1, 1, 2, 1), np.ones((1, 1, 2, 1), np.float32))
        for s in (-0.01, 0, 0.01, 1)
    ]
    np.testing.assert_allclose(np.ravel([v[0, 0, 0] for v in values]), [2, 2, 4 / 2.01, 4 / 3], rtol=1e-5)


def test_grad_cam_plus_plus_of_maps_below_zero_is_bounded_and_continuous() -> None:
    a, g = arrays(7, (4, 5, 6, 8))
    a -= 1.5
    found = grad_cam_plus_plus(a, g).numpy()
    assert (found <= np.einsum("nhwk,nk->nhw", np.maximum(a, 0), np.maximum(g, 0).sum(axis=(1, 2)) / 2) * 1.0001).all()
    moved = grad_cam_plus_plus(a + np.float32(1e-4), g).numpy()
    assert np.abs(moved - found).max() < 0.01 * found.max()
    # Eq. 19 as it stands is neither: some denominator lies near its pole.
    total = a.sum(axis=(1, 2), keepdims=True)
    assert np.abs(np.maximum(g, 0) / (2 + total * g)).max() > np.maximum(g, 0).max()


def test_grad_cam_plus_plus_of_huge_values_is_finite() -> None:
    a = np.full((1, 2, 2, 1), 1e38, np.float32)
    assert np.isfinite(grad_cam_plus_plus(a, np.full_like(a, 1e30)).numpy()).all()


def test_layer_cam_weighs_every_place() -> None:
    a, g = arrays(1)
    np.testing.assert_allclose(layer_cam(a, g), (np.maximum(g, 0) * a).sum(axis=3), rtol=1e-5)
    # A gradient of one sign in one place alone: the other places are 0, which no weight for a whole map can give.
    g[:], g[0, 1, 2] = -1, 1
    found = layer_cam(a, g).numpy()
    assert found[0, 1, 2] > 0 and (found != 0).sum() == 1


def test_layer_cam_equals_grad_cam_where_the_gradient_is_flat_and_positive() -> None:
    a, _ = arrays(2)
    g = np.broadcast_to(np.array([0.5, 1, 2], np.float32), a.shape)
    np.testing.assert_allclose(layer_cam(a, g), grad_cam(a, g), rtol=1e-5)


def test_class_map_keeps_its_sign() -> None:
    a, _ = arrays(3)
    weights = np.array([[1, -2, 0], [0, 0, -1]], np.float32)
    np.testing.assert_allclose(class_map(a, weights)[1], -a[1, ..., 2], rtol=1e-6)


@pytest.mark.parametrize("shape", [(3, 4, 5, 40), (3, 6, 7, 4)])
def test_eigen_cam_is_the_projection_on_the_first_right_singular_vector(shape: tuple[int, ...]) -> None:
    a, _ = arrays(4, shape)
    for found, maps in zip(eigen_cam(a), a, strict=True):
        flat = maps.reshape(-1, shape[-1]).astype(np.float64)
        first = np.linalg.svd(flat, full_matrices=False)[2][0]
        np.testing.assert_allclose(found.ravel(), np.abs(flat @ first), rtol=1e-4)


def test_eigen_cam_has_the_sign_of_most_places() -> None:
    """Feature maps below 0 nearly everywhere, and the same turned round: the projection is positive in most places."""
    pattern = np.array([[1, 1, 1], [1, 1, -2]], np.float32)
    for sign in (1, -1):
        for weights in ([1, 2], [-1, 3], [-2, -1]):
            maps = sign * pattern[None, :, :, None] * np.array(weights, np.float32)
            found = eigen_cam(maps)[0]
            np.testing.assert_allclose(found, np.maximum(pattern, 0) * np.linalg.norm(weights), rtol=1e-5)


def test_eigen_cam_of_a_tie_has_a_positive_sum_whatever_the_sign_of_the_maps() -> None:
    pattern = np.array([[3, -1]], np.float32)
    for sign in (1, -1):
        found = eigen_cam(sign * pattern[None, :, :, None])[0]
        np.testing.assert_allclose(found, [[3, 0]], rtol=1e-6)


def test_eigen_cam_is_deterministic_and_knows_zeros_and_scale() -> None:
    a, _ = arrays(5)
    assert (eigen_cam(a) == eigen_cam(a)).all()
    np.testing.assert_allclose(eigen_cam(a * np.float32(1e30)), eigen_cam(a) * np.float32(1e30), rtol=1e-5)
    np.testing.assert_array_equal(eigen_cam(np.zeros_like(a)), np.zeros(a.shape[:3], np.float32))
