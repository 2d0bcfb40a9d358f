"""Methods and judgements that no other library has: each a second time, by its definition and as plainly as possible."""

import itertools

import keras
import numpy as np
import pytest
import shap
from scipy.stats import spearmanr
from skimage.metrics import structural_similarity

from convscope.attributions.shap_values import partition_values
from convscope.cams.methods import eigen_cam
from convscope.judging.agreement import spearman, ssim
from convscope.judging.explainers import explainers
from convscope.judging.localisation import energy_inside, pointing_game
from convscope.judging.randomisation import cascades
from convscope.models.spec import ModelSpec


def test_eigen_cam_by_the_power_method() -> None:
    """The direction in which repeated `A^T A` turns any vector; the map is A times it, its sign that of most places."""
    rng = np.random.default_rng(0)
    # Below 0 as well, as behind a swish; the first direction stands out, so that the power method gets there.
    maps = rng.gamma(1.0, size=(4, 5, 7, 6)) - 0.3
    for found, one in zip(eigen_cam(maps.astype(np.float32)), maps, strict=True):
        flat, direction = one.reshape(-1, 6), rng.normal(size=6)
        for _ in range(500):
            direction = flat.T @ (flat @ direction)
            direction /= np.linalg.norm(direction)
        projection = flat @ direction
        if (projection > 0).sum() < (projection < 0).sum():
            projection = -projection
        np.testing.assert_allclose(found.ravel(), np.maximum(projection, 0), rtol=1e-3, atol=1e-4)


def owen_values(value, merges: np.ndarray, leaves: int) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Mean marginal contribution over all orders in which the members of every group of the hierarchy stay together.

    Args:
        value: tuple of members, sorted -> the game's value.
        merges: (leaves - 1, 2) the two groups that each merge joins, as in `scipy.cluster.hierarchy`.
        leaves: how many players.
    """
    total = np.zeros(leaves)
    known: dict[tuple[int, ...], float] = {}

    def worth(members: tuple[int, ...]) -> float:
        key = tuple(sorted(members))
        if key not in known:
            known[key] = value(key)
        return known[key]

    turns = list(itertools.product((False, True), repeat=len(merges)))
    for turned in turns:
        groups: list[tuple[int, ...]] = [(leaf,) for leaf in range(leaves)]
        for (first, second), turn in zip(merges.astype(int), turned, strict=True):
            groups.append(groups[second] + groups[first] if turn else groups[first] + groups[second])
        before = worth(())
        for place, member in enumerate(groups[-1]):
            after = worth(groups[-1][: place + 1])
            total[member] += (after - before) / len(turns)
            before = after
    return total


def test_partition_shap_is_the_mean_over_the_orders_that_keep_the_parts_together() -> None:
    """Owen values of a game with interactions within and between the parts, on 2 x 2 pixels of 3 colours."""
    rng = np.random.default_rng(1)
    image, fill = rng.uniform(-1, 1, (2, 2, 3)).astype(np.float32), np.array([0.2, -0.1, 0.4], np.float32)
    pairs, weights = rng.normal(size=(12, 12)), rng.normal(size=12)

    def score(images: np.ndarray) -> np.ndarray:
        flat = np.asarray(images, np.float64).reshape(len(images), 12)
        return flat @ weights + ((flat @ pairs) * flat).sum(axis=1) + np.tanh(3 * flat.sum(axis=1))

    def value(members: tuple[int, ...]) -> float:
        shown = np.broadcast_to(fill, image.shape).astype(np.float32).ravel().copy()
        shown[list(members)] = image.ravel()[list(members)]
        return float(score(shown.reshape(1, 2, 2, 3))[0])

    found, gap = partition_values(score, image, fill, 1500, seed=0)
    hierarchy = shap.maskers.Image(np.zeros((2, 2, 3)), (2, 2, 3)).clustering
    expected = owen_values(value, hierarchy[:, :2], 12)
    assert np.abs(expected - weights * (image - fill).ravel()).max() > 0.1  # the interactions matter
    np.testing.assert_allclose(found.ravel(), expected, atol=1e-4)
    assert abs(gap) < 1e-4


def test_pointing_and_energy_pixel_by_pixel() -> None:
    rng = np.random.default_rng(2)
    for trial in range(30):
        # Few values, so that maxima share their place; some below 0; a blob for a mask, sometimes with a border.
        heat = rng.integers(-3, 4, (6, 8)).astype(float)
        mask = rng.random((6, 8)) < 0.3
        mask[2, 3] = True
        ignored = (rng.random((6, 8)) < 0.2) & ~mask if trial % 2 else np.zeros((6, 8), bool)
        tolerance = int(rng.integers(0, 3))
        best, hits, maxima, within, total = -np.inf, 0, 0, 0.0, 0.0
        for row, column in itertools.product(range(6), range(8)):
            if ignored[row, column]:
                continue
            value = heat[row, column]
            total += max(value, 0)
            within += max(value, 0) if mask[row, column] else 0
            near = any(
                mask[y, x] and (y - row) ** 2 + (x - column) ** 2 <= tolerance**2
                for y, x in itertools.product(range(6), range(8))
            )
            if value > best:
                best, hits, maxima = value, 0, 0
            if value == best:
                hits, maxima = hits + near, maxima + 1
        region = np.ma.array(mask, mask=ignored) if ignored.any() else mask
        assert pointing_game(heat, region, tolerance) == pytest.approx(hits / maxima)
        assert energy_inside(heat, region) == pytest.approx(within / total)


def test_randomisation_of_a_network_whose_gradient_is_known() -> None:
    """`z = w2 . W1 x`: the gradient is `W1^T w2`, whatever x. First w2 is random, then W1 as well."""
    keras.utils.set_random_seed(3)
    image = keras.Input((5, 6, 3))
    hidden = keras.layers.Dense(7, name="hidden")(keras.layers.Flatten()(image))
    model = keras.Model(image, keras.layers.Dense(1, name="logit")(hidden))
    spec = ModelSpec("net", (5, 6), classes=("cat", "dog"), head="binary")
    images = np.random.default_rng(4).normal(size=(2, 5, 6, 3)).astype(np.float32)
    make = explainers("input_x_gradient", model, spec, {"baseline": "zero"})
    assert make is not None

    def by_hand(one: keras.Model) -> np.ndarray:
        first, last = (one.get_layer(name).get_weights()[0] for name in ("hidden", "logit"))
        gradient = (first @ last).reshape(5, 6, 3)
        # Of cat, then of dog: -z and z.
        return np.stack([(-images[0] * gradient).sum(axis=2), (images[1] * gradient).sum(axis=2)])

    original = by_hand(model)
    steps = list(cascades(model, 2, seed=9))
    assert [(layer, share) for layer, share, _ in steps] == [("logit", 0.5), ("hidden", 1.0)]
    for (_, _, changed), kept in zip(steps, (("hidden",), ()), strict=True):
        for name in ("hidden", "logit"):
            same = np.array_equal(changed.get_layer(name).get_weights()[0], model.get_layer(name).get_weights()[0])
            assert same == (name in kept)
        maps = make(changed, 0)(images, np.array([0, 1]), ["a", "b"])
        np.testing.assert_allclose(maps, by_hand(changed), rtol=1e-4, atol=1e-5)
        for before, after in zip(original, maps, strict=True):
            assert spearman(before, after) == pytest.approx(
                spearmanr(before.ravel(), after.ravel()).statistic, abs=1e-9
            )
            sizes = [np.clip((m - m.min()) / (np.percentile(m, 99) - m.min()), 0, 1) for m in (abs(before), abs(after))]
            assert ssim(abs(before), abs(after)) == pytest.approx(
                structural_similarity(*sizes, data_range=1.0, win_size=5), abs=1e-5
            )
