"""Where units fire and what lies there, against a slow count written out pixel by pixel."""

import math

import numpy as np
import pytest

from convscope.models.fields import Axis, ReceptiveField
from convscope.units.answers import Peaks, thresholds
from convscope.units.compiled import BINS, lower_edges
from convscope.units.overlaps import Masks, Overlaps
from convscope.units.selection import SPREAD, shown_pictures


def pack(masks):
    """(..., H, W) bool -> (..., words) uint64, pixel 64 w + b in bit b of word w."""
    flat = masks.reshape(*masks.shape[:-2], -1)
    padded = np.zeros((*flat.shape[:-1], math.ceil(flat.shape[-1] / 64) * 64), bool)
    padded[..., : flat.shape[-1]] = flat
    return np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)


def half_pixel(pixels, cells):
    return Axis(pixels / cells / 2 - 0.5, pixels / cells, math.inf)


def enlarged(plane, rows, columns):
    """Bilinear between the middles of cells, edges repeated: (h, w) -> (rows, columns) float64, place by place."""
    h, w = plane.shape
    found = np.zeros((rows, columns))
    for y in range(rows):
        for x in range(columns):
            i = min(max((y + 0.5) * h / rows - 0.5, 0), h - 1)
            j = min(max((x + 0.5) * w / columns - 0.5, 0), w - 1)
            a, b = int(i), int(j)
            c, d = min(a + 1, h - 1), min(b + 1, w - 1)
            u, v = i - a, j - b
            found[y, x] = (
                plane[a, b] * (1 - u) * (1 - v)
                + plane[c, b] * u * (1 - v)
                + plane[a, d] * (1 - u) * v
                + plane[c, d] * u * v
            )
    return found


N, H, W, C, SIZE = 7, 5, 6, 4, (18, 23)


@pytest.fixture(scope="module")
def counted():
    rng = np.random.default_rng(3)
    maps = np.maximum(rng.normal(size=(N, H, W, C)), 0).astype(np.float32)
    maps[:, :, :, 2] = 0  # one that is dead
    masks = rng.uniform(size=(N, 3, *SIZE)) < np.array([0.1, 0.4, 0.0])[:, None, None]
    known = np.ones((N, 2, *SIZE), bool)
    known[2, 0] = False
    known[3, 0, :9] = False
    masks[:, :2] &= known[:, :1]
    kinds = np.array([0, 0, 1])
    packed = Masks.of(pack(masks), pack(known), kinds, SIZE, seed=1, shuffles=30, resamples=40)
    threshold = np.array([0.8, 1.5, 2.0**-24, 0.3], np.float32)
    field = ReceptiveField(half_pixel(60, H), half_pixel(80, W))
    overlaps = Overlaps(packed, (H, W, C), field, (60, 80))
    for rows in (np.array([4, 1]), np.array([0, 2, 3]), np.array([5, 6])):
        overlaps.add(rows, maps[rows], maps[rows].max(axis=(1, 2)), threshold)
    fired = np.stack([[enlarged(maps[n, :, :, c], *SIZE) >= threshold[c] for c in range(C)] for n in range(N)])
    return maps, masks, known, kinds, packed, threshold, fired, overlaps.result()


def share(fired, masks, known, kinds, c, k, partner=None, weights=None):
    """IoU of unit c and concept k, and the share inside, by loops over pictures."""
    both = either = inside = 0.0
    for n in range(N):
        other = n if partner is None else partner[n]
        weight = 1 if weights is None else weights[n]
        on = fired[n, c] & known[other, kinds[k]]
        both += weight * (on & masks[other, k]).sum()
        either += weight * on.sum()
        inside += weight * masks[n if weights is not None else other, k].sum()
    return both / (either + inside - both) if either + inside - both else np.nan, both / either if either else np.nan


def test_iou_and_share_inside_are_those_of_a_slow_count(counted):
    _, masks, known, kinds, _, _, fired, found = counted
    for c in range(C):
        for k in range(3):
            iou, inside = share(fired, masks, known, kinds, c, k)
            np.testing.assert_allclose(found.iou[c, k], iou, rtol=1e-6)
            np.testing.assert_allclose(found.inside[c, k], inside, rtol=1e-6)


def test_chance_is_that_of_masks_of_other_pictures(counted):
    _, masks, known, kinds, packed, _, fired, found = counted
    for c, k in ((0, 0), (1, 1), (3, 0)):
        slow = [share(fired, masks, known, kinds, c, k, partner)[0] for partner in packed.partners]
        np.testing.assert_allclose(found.chance[c, k], np.mean(slow), rtol=1e-5)
        np.testing.assert_allclose(found.chance_high[c, k], np.percentile(slow, 99), rtol=1e-5)


def test_the_interval_is_of_pictures_drawn_again(counted):
    _, masks, known, kinds, packed, _, fired, found = counted
    for c, k in ((0, 0), (1, 1), (3, 0)):
        slow = [share(fired, masks, known, kinds, c, k, weights=w)[0] for w in packed.weights.T]
        np.testing.assert_allclose([found.low[c, k], found.high[c, k]], np.percentile(slow, [2.5, 97.5]), rtol=1e-5)


def test_a_unit_that_is_dead_has_no_share_and_a_concept_that_is_nowhere_none_in_common(counted):
    found = counted[-1]
    assert found.fired[2] == 0 and found.iou[2, 0] == 0 and np.isnan(found.inside[2, 0])
    assert found.iou[0, 2] == 0 and found.inside[0, 2] == 0


def test_the_share_of_cells_that_fire_is_counted(counted):
    maps, threshold, found = counted[0], counted[5], counted[-1]
    np.testing.assert_allclose(found.fired, (maps >= threshold).mean(axis=(0, 1, 2)), rtol=1e-6)


@pytest.mark.parametrize("kind", ["relu", "signed", "ceiling", "seldom"])
def test_a_unit_fires_at_half_a_percent_of_places_or_a_little_more(kind):
    rng = np.random.default_rng(5)
    maps = rng.normal(size=(40, 30, 30, 6)).astype(np.float32) * np.float32([1, 1e-3, 1e3, 1, 2, 3])
    if kind == "relu":
        maps = np.maximum(maps, 0)
    if kind == "ceiling":
        maps = np.clip(4 * maps, 0, 6)
    if kind == "seldom":  # the first picture is far above all others, which its answers would leave uncounted
        maps[0] += 100 * np.float32([1, 1e-3, 1e3, 1, 2, 3])
    peaks, passes = Peaks("conv", 40, (30, 30, 6), rectified=kind == "relu"), 0
    while True:
        passes += 1
        step = 1 if kind == "seldom" else 7
        for start in range(0, 40, step):
            rows = np.arange(start, min(start + step, 40))
            peaks.add(rows, maps[rows])
        if not peaks.again():
            break
    assert passes == (2 if kind == "seldom" else 1)
    found = peaks.result()
    fired = (maps >= found.threshold).mean(axis=(0, 1, 2))
    exact = np.quantile(maps.reshape(-1, 6), 1 - 0.005, axis=0)
    assert (fired >= 0.005).all()
    if kind != "ceiling":
        # Steps are 1.1 % apart, and what lies below the threshold is less than that away from the exact one.
        assert (np.abs(found.threshold - exact) <= 0.016 * np.abs(exact)).all()
    else:
        assert (found.threshold[[0, 2]] == 6).all()
    np.testing.assert_array_equal(found.maximum, maps.max(axis=(1, 2)))
    at = maps.reshape(40, -1, 6)
    np.testing.assert_array_equal(found.place, at.argmax(axis=1))
    np.testing.assert_allclose(found.mean, at.mean(axis=1), rtol=1e-5, atol=1e-6)


def test_the_threshold_depends_neither_on_the_batches_nor_on_which_came_first():
    maps = np.random.default_rng(6).gumbel(size=(20, 9, 9, 5)).astype(np.float32)
    maps[3] *= 10
    results = []
    for order, step in (
        (np.arange(20), 20),
        (np.arange(20)[::-1].copy(), 3),
        (np.random.default_rng(1).permutation(20), 1),
    ):
        peaks = Peaks("conv", 20, (9, 9, 5))
        while True:
            for start in range(0, 20, step):
                peaks.add(order[start : start + step], maps[order[start : start + step]])
            if not peaks.again():
                break
        results.append(peaks.result())
    for other in results[1:]:
        np.testing.assert_array_equal(results[0].threshold, other.threshold)
        np.testing.assert_array_equal(results[0].maximum, other.maximum)


def test_a_unit_that_never_fires_has_a_threshold_above_zero():
    histogram = np.zeros((1, BINS), np.uint32)
    histogram[0, BINS // 2] = 1000
    assert thresholds(histogram, 1000)[0] == np.float32(2.0**-24)


def test_the_steps_of_the_histogram_rise_and_hold_what_a_ceiling_gives():
    edges = lower_edges()
    assert (np.diff(edges) > 0).all() and len(edges) == BINS
    assert {6.0, 1.0, 0.5, 20.0} <= set(edges.tolist())


def test_pictures_shown_are_the_strongest_and_a_spread_to_the_most_silent():
    maximum = np.arange(21, dtype=np.float32)[:, None] * np.float32([1, -1])
    found = shown_pictures(maximum, 3)
    assert found.tolist() == [[20, 19, 18, 18, 15, 10, 5, 0], [0, 1, 2, 2, 5, 10, 15, 20]]
    assert shown_pictures(maximum[:2], 9).shape == (2, 2 + len(SPREAD))


def test_chance_of_what_lies_at_one_place_in_every_picture_is_that_of_any_place():
    maps = np.zeros((6, 8, 8, 1), np.float32)
    maps[:, 0, :2] = 1  # two cells of the top row, in every picture
    top = np.zeros((6, 1, 8, 8), bool)
    top[:, :, 0] = True
    known = np.ones((6, 1, 8, 8), bool)
    field = ReceptiveField(half_pixel(8, 8), half_pixel(8, 8))
    found = {}
    for fixed in (False, True):
        masks = Masks.of(pack(top), pack(known), np.array([0]), (8, 8), 0, fixed=np.array([fixed]))
        overlaps = Overlaps(masks, (8, 8, 1), field, (8, 8))
        overlaps.add(np.arange(6), maps, maps.max(axis=(1, 2)), np.float32([0.5]))
        found[fixed] = overlaps.result()
    assert found[False].chance == found[False].iou == found[True].iou == 0.25
    # A quarter of a cell in eight would lie there by chance: 2 * 1/8 of 2 + 8 - 1/4.
    np.testing.assert_allclose(found[True].chance, 0.25 / 9.75, rtol=1e-6)
    np.testing.assert_allclose(found[True].inside_chance, 1 / 8, rtol=1e-6)


def test_behind_a_relu_a_unit_that_seldom_fires_asks_for_no_other_pass():
    maps = np.zeros((10, 20, 20, 2), np.float32)
    maps[9, 3, 4, 0] = 2.5
    peaks = Peaks("conv", 10, (20, 20, 2), rectified=True)
    peaks.add(np.arange(10), maps)
    assert not peaks.again()
    found = peaks.result()
    # At fewer than half a percent of places: it fires wherever it answers.
    assert 0 < found.threshold[0] < 1e-6 and (maps >= found.threshold).sum() == 1


def test_a_few_units_at_a_time_give_the_same(monkeypatch):
    from convscope.units import overlaps as module

    rng = np.random.default_rng(4)
    maps = np.maximum(rng.normal(size=(5, H, W, 7)), 0).astype(np.float32)
    masks = Masks.of(
        pack(rng.uniform(size=(5, 2, *SIZE)) < 0.2), pack(np.ones((5, 1, *SIZE), bool)), np.zeros(2, int), SIZE, 0,
        fixed=np.array([False, True]),
    )  # fmt: skip
    overlaps = Overlaps(masks, (H, W, 7), ReceptiveField(half_pixel(60, H), half_pixel(80, W)), (60, 80))
    overlaps.add(np.arange(5), maps, maps.max(axis=(1, 2)), np.full(7, 0.9, np.float32))
    whole = overlaps.result()
    monkeypatch.setattr(module, "_BLOCK_NUMBERS", 3 * 200 * 3)
    parts = overlaps.result()
    for name in ("iou", "low", "high", "chance", "chance_high", "inside", "inside_chance", "fired"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))
