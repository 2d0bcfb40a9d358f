"""When units fire, and what is kept of what they answer, in unusual networks and sets."""

import h5py
import numpy as np
import pytest

from convscope.models.fields import Axis, ReceptiveField
from convscope.units.answers import Peaks, look
from convscope.units.overlaps import Masks, Overlaps
from convscope.units.results import LayerAnswers
from convscope.units.store import group_of, read_answers, write_layer

FIELD = ReceptiveField(Axis(0.0, 1.0, 3.0), Axis(0.0, 1.0, 3.0))


class Planted:
    """A network whose maps are known; its pictures are rows."""

    def __init__(self, maps):
        self.maps, self.layers, self.shapes = maps, ["conv"], {"conv": maps.shape[1:]}

    def __call__(self, rows):
        return {"conv": np.ascontiguousarray(self.maps[rows])}


def asked(maps):
    """Answers, what is shown, what lies there, and how many passes it took; masks are anything."""
    peaks, passes = Peaks("conv", len(maps), maps.shape[1:]), 1
    while True:
        for row in range(len(maps)):
            peaks.add(np.array([row]), maps[row : row + 1])
        if not peaks.again():
            break
        passes += 1
    answers = peaks.result()
    known = np.full((len(maps), 1, 1), 2**64 - 1, np.uint64)
    masks = Masks.of(known // np.uint64(3), known, np.zeros(1, np.int64), (8, 8), seed=0)
    overlaps = Overlaps(masks, maps.shape[1:], FIELD, maps.shape[1:3])

    def load(order):
        return [(order, order)] if len(order) else []

    shown = look(Planted(maps), load, {"conv": answers}, {"conv": overlaps}, 9)["conv"]
    return answers, shown, overlaps.result(), passes


@pytest.mark.parametrize("measure", [1e-6, 1.0, 1e6, -1.0])
def test_a_map_that_is_kept_fires_where_the_unit_did_whatever_the_measure(measure):
    maps = np.abs(np.random.default_rng(1).normal(size=(30, 8, 8, 16))).astype(np.float32) * np.float32(measure)
    answers, shown, *_ = asked(maps)
    kept = shown.maps.astype(np.float32) * shown.scale[:, None, None, None]
    real = np.stack([maps[rows, :, :, unit] for unit, rows in enumerate(shown.images)])
    np.testing.assert_allclose(kept, real, rtol=1e-3, atol=abs(measure) * 1e-6)
    limit = answers.threshold[:, None, None, None]
    # Thresholds are numbers of half precision: rounding takes nothing below them.
    assert (kept >= limit)[real >= limit].all() and ((kept >= limit) == (real >= limit)).mean() > 0.999


def test_without_a_relu_a_unit_that_seldom_fires_is_counted_again():
    values = np.random.default_rng(1).normal(size=(30, 8, 8, 16)).astype(np.float32)
    # The first picture, of which it is told what need not be counted, is far above all others.
    values[0] += 100
    values[1:] -= 200
    values[0, 2:] -= 300  # so few are that far above that all are counted
    answers, _, found, passes = asked(values)
    cells = np.sort(values.reshape(-1, 16), axis=0)[-10]
    assert passes == 2 and (answers.threshold <= cells).all() and (answers.threshold > 0.98 * cells).all()
    assert (found.fired >= 0.005).all()


def test_a_set_without_pictures_has_no_answers(tmp_path):
    answers, shown, found, _ = asked(np.zeros((0, 4, 4, 3), np.float32))
    assert shown.images.shape == (3, 0) and (found.fired == 0).all()
    with h5py.File(tmp_path / "empty.h5", "w") as file:
        write_layer(file, "conv", FIELD, answers, found, shown)
        assert read_answers(group_of(file, "conv")).maximum.shape == (0, 3)


def test_a_layer_may_be_called_as_what_is_of_all_of_them(tmp_path):
    answers, shown, found, _ = asked(np.ones((2, 4, 4, 3), np.float32))
    with h5py.File(tmp_path / "names.h5", "w") as file:
        file["class"] = [1]
        write_layer(file, "class", FIELD, answers, found, shown)
        assert isinstance(read_answers(group_of(file, "class")), LayerAnswers)
