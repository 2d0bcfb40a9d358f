"""Insertion and deletion: hand-computed areas, the tie rule, independence of batch and order."""

from collections.abc import Callable

import numpy as np
import pytest

from convscope.judging.curves import area, blur, curves, ranking


def additive(weights: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A classifier whose probability of class 1 is a weighted sum of the pixels: every curve can be written down."""

    def predict(images: np.ndarray) -> np.ndarray:
        p = (images[..., 0] * weights).sum(axis=(1, 2))
        return np.stack([1 - p, p], axis=1)

    return predict


def gray(values: list[list[float]] | np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(values, np.float32)[None, ..., None], 3, axis=3)


def test_deletion_by_hand() -> None:
    image = gray([[0.4, 0.3], [0.2, 0.1]])
    found = curves(image, image[..., 0], np.array([1]), additive(np.full((2, 2), 0.25)), ["a"], steps=56)
    # The brightest first, each to the mean 0.25: sums of 1, 0.85, 0.8, 0.85, 1 over four pixels.
    np.testing.assert_allclose(found.fractions, [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(found.deletion[0], [0.25, 0.2125, 0.2, 0.2125, 0.25], rtol=1e-6)
    assert found.areas()["deletion"][0] == pytest.approx(0.21875, rel=1e-6)
    # Of class 0 it is the complement.
    other = curves(image, image[..., 0], np.array([0]), additive(np.full((2, 2), 0.25)), ["a"])
    assert other.areas()["deletion"][0] == pytest.approx(1 - 0.21875, rel=1e-6)


def test_insertion_by_hand() -> None:
    image = gray([[0.9, 0.1, 0.1], [0.1, 0.1, 0.1], [0.1, 0.1, 0.1]])
    weights = np.zeros((3, 3))
    weights[0, 0] = 1.0  # only the bright pixel counts
    start = float(blur(image)[0, 0, 0, 0])
    assert 0.1 < start < 0.9
    heat = np.zeros((1, 3, 3))
    heat[0, 0, 0] = 1
    first = curves(image, heat, np.array([1]), additive(weights), ["a"])
    last = curves(image, -heat, np.array([1]), additive(weights), ["a"])
    # One ninth of the way is a ramp, the rest is at the end (or at the start).
    assert first.areas()["insertion"][0] == pytest.approx((start + 0.9) / 2 / 9 + 0.9 * 8 / 9, rel=1e-5)
    assert last.areas()["insertion"][0] == pytest.approx((start + 0.9) / 2 / 9 + start * 8 / 9, rel=1e-5)
    assert first.areas()["faithfulness"][0] > last.areas()["faithfulness"][0]


def test_a_flat_map_is_chance_in_expectation() -> None:
    # The evidence lies in the top row: an order by rows would give a flat map nearly the best score there is.
    rng = np.random.default_rng(0)
    image = rng.uniform(0, 1, (1, 8, 8, 1)).astype(np.float32).repeat(3, axis=3)
    image[:, 0] = 1.0
    weights = np.zeros((8, 8))
    weights[0] = 1 / 8
    predict = additive(weights)
    ends = [float(predict(x)[0, 1]) for x in (blur(image), image)]
    chance = sum(ends) / 2  # each pixel is in at fraction f with probability f: a straight line on average
    flat = np.full((1, 8, 8), 0.3)
    areas = [
        curves(image, flat, np.array([1]), predict, [str(key)], steps=16, batch=16).areas()["insertion"][0]
        for key in range(300)
    ]
    error = np.std(areas) / np.sqrt(len(areas))
    assert abs(np.mean(areas) - chance) < 4 * error
    by_rows = -np.arange(64.0).reshape(1, 8, 8)
    biased = curves(image, by_rows, np.array([1]), predict, ["0"], steps=16).areas()["insertion"][0]
    assert biased - chance > 20 * error  # what a plain argsort would have made of the flat map


def test_ranking() -> None:
    heat = np.array([[3.0, 1.0], [2.0, 3.5]])
    assert ranking(heat, "a").tolist() == [3, 0, 2, 1]
    flat = np.zeros((6, 6))
    assert sorted(ranking(flat, "a")) == list(range(36))
    assert ranking(flat, "a").tolist() == ranking(flat + 7, "a").tolist()  # the same order on the same picture
    assert ranking(flat, "a").tolist() != ranking(flat, "b").tolist()
    assert ranking(flat, "a").tolist() != ranking(flat, "a", seed=1).tolist()
    with pytest.raises(ValueError, match="finite"):
        ranking(np.array([[np.nan, 1.0]]), "a")


def test_equal_pixels_come_after_greater_ones() -> None:
    heat = np.zeros((4, 4))
    heat[2, 1:3] = 5.0
    assert set(ranking(heat, "a")[:2].tolist()) == {9, 10}


def test_blur() -> None:
    constant = np.full((1, 9, 9, 3), -1.0, np.float32)
    np.testing.assert_allclose(blur(constant), constant, rtol=1e-6)  # no dark frame from padding with zeros
    impulse = np.zeros((1, 31, 31, 1), np.float32)
    impulse[0, 15, 15] = 1.0
    found = blur(impulse)[0, ..., 0]
    assert found.sum() == pytest.approx(1, rel=1e-5)
    assert np.count_nonzero(found) == 11 * 11
    assert found[15, 16] / found[15, 15] == pytest.approx(np.exp(-1 / 50), rel=1e-5)


def test_numbers_do_not_depend_on_batch_or_order() -> None:
    rng = np.random.default_rng(1)
    images = rng.uniform(0, 1, (3, 6, 8, 3)).astype(np.float32)  # not square
    heat = rng.integers(0, 3, (3, 6, 8)).astype(np.float32)  # many ties
    targets, keys = np.array([0, 1, 1]), ["a", "b", "c"]
    predict = additive(rng.uniform(0, 1 / 48, (6, 8)))
    one = curves(images, heat, targets, predict, keys, steps=10, batch=7)
    turned = curves(images[::-1], heat[::-1], targets[::-1], predict, keys[::-1], steps=10, batch=64)
    np.testing.assert_allclose(one.deletion, turned.deletion[::-1], rtol=1e-6)
    np.testing.assert_allclose(one.insertion, turned.insertion[::-1], rtol=1e-6)
    assert one.deletion.shape == (3, 11)
    with pytest.raises(ValueError, match="do not fit"):
        curves(images, heat[:, :3], targets, predict, keys)


def test_every_batch_is_full() -> None:
    sizes = []

    def predict(images: np.ndarray) -> np.ndarray:
        sizes.append(len(images))
        return np.zeros((len(images), 2), np.float32)

    images = np.zeros((2, 4, 4, 3), np.float32)
    curves(images, np.zeros((2, 4, 4)), np.array([0, 0]), predict, ["a", "b"], steps=5, batch=7)
    assert sizes == [7] * 4  # 24 pictures


def test_area() -> None:
    assert area(np.array([0, 0.5, 1]), np.array([[1, 0, 0]]))[0] == 0.25
    assert area(np.array([0, 0.1, 1]), np.array([[0, 1, 1]]))[0] == pytest.approx(0.95)  # unequal shares of the pixels
