"""Which units are alike and which feed which, by numbers worked out by hand."""

import keras
import numpy as np

from convscope.models.graphs import flatten
from convscope.units.relations import NEAREST, Numbers, alike_by_answers, alike_by_weights, wiring

layers = keras.layers


def test_numbers_count_filters_layer_after_layer():
    numbers = Numbers([("a", 3), ("b", 2), ("c", 4)])
    assert numbers.total == 9
    assert [numbers.of(number) for number in (0, 2, 3, 4, 5, 8)] == [
        ("a", 0), ("a", 2), ("b", 0), ("b", 1), ("c", 0), ("c", 3)
    ]  # fmt: skip


def test_alike_are_those_whose_answers_rise_together_in_any_layer():
    rng = np.random.default_rng(0)
    base = rng.normal(size=50)
    first = np.stack([base, rng.normal(size=50), np.full(50, 7.0)], axis=1).astype(np.float32)
    second = np.stack([-base, 3 * base + 5, rng.normal(size=50)], axis=1).astype(np.float32)
    a, b = alike_by_answers([first, second], [10, 20])
    assert a.units[0, 0] == 21 and abs(a.weights[0, 0] - 1) < 1e-5
    assert b.units[1, 0] == 10
    joined = np.corrcoef(np.concatenate([first[:, :2], second], axis=1).T)
    assert abs(a.weights[1, 0] - np.sort(joined[1])[-2]) < 1e-5
    # One that answers all pictures alike is like none, and none is like it.
    assert (a.units[2] == -1).all() and not (a.units == 12).any() and not (b.units == 12).any()
    assert a.units.shape == (3, NEAREST)


def test_alike_are_found_in_layers_of_very_different_measures():
    base = np.random.default_rng(3).random((50, 3)).astype(np.float32)
    large, small = alike_by_answers([base * np.float32(1e4), base * np.float32(1e-5)], [0, 3])
    assert small.units[:, 0].tolist() == [0, 1, 2] and large.units[:, 0].tolist() == [3, 4, 5]
    # Rounding alone is no answer: one that says 7 with an error in the last place is like none.
    noise = np.float32(7) + np.float32(5e-7) * (np.arange(50)[:, None] % 2).astype(np.float32)
    (found,) = alike_by_answers([np.concatenate([base, noise], axis=1)], [0])
    assert (found.units[3] == -1).all()


def test_of_very_many_pictures_units_that_differ_little_are_no_more_alike_than_they_are():
    answers = (1 - 1e-3 * np.random.default_rng(0).random((50_000, 3))).astype(np.float32)
    (found,) = alike_by_answers([answers], [0])
    by_pairs = np.corrcoef(answers.T.astype(np.float64))
    expected = [np.sort(row)[-2:-4:-1] for row in by_pairs]
    np.testing.assert_allclose(found.weights[:, :2], expected, atol=1e-3)


def test_of_no_pictures_none_are_alike():
    (found,) = alike_by_answers([np.zeros((0, 3), np.float32)], [0])
    assert (found.units == -1).all()


def test_alike_depthwise_filters_are_those_of_the_same_form_on_whatever_channel():
    layer = layers.DepthwiseConv2D(3, use_bias=False)
    layer.build((None, 8, 8, 5))
    kernel = np.random.default_rng(0).normal(size=(3, 3, 5, 1))
    kernel[..., 3, 0] = 2 * kernel[..., 1, 0]
    layer.set_weights([kernel])
    found = alike_by_weights(layer, 10)
    assert found.units[1, 0] == 13 and found.units[3, 0] == 11 and abs(found.weights[1, 0] - 1) < 1e-6


def test_alike_by_weights_are_those_of_the_largest_cosine():
    layer = layers.Conv2D(8, 1, use_bias=False)
    layer.build((None, 4, 4, 2))
    angles = np.deg2rad([0, 10, 90, 100, 180, 190, 45, 300])
    layer.set_weights([np.stack([np.cos(angles), np.sin(angles)])[None, None] * np.arange(1, 9)])
    found = alike_by_weights(layer, 100)
    assert found.units[0, 0] == 101 and abs(found.weights[0, 0] - np.cos(np.deg2rad(10))) < 1e-6
    assert found.units[2, :2].tolist() == [103, 106]


def test_what_feeds_and_what_is_fed():
    image = keras.Input((8, 8, 2))
    a = layers.Conv2D(3, 1, use_bias=False, name="a")(image)
    b = layers.Conv2D(2, 1, use_bias=False, name="b")(layers.ReLU()(a))
    b = layers.BatchNormalization(name="norm")(b)
    c = layers.Conv2D(1, 1, use_bias=False, name="c")(layers.ReLU()(b))
    net = keras.Model(image, c)
    net.get_layer("b").set_weights([np.array([[1.0, 0], [-3, 2], [0, 2]])[None, None]])
    net.get_layer("c").set_weights([np.array([[4.0], [-1]])[None, None]])
    net.get_layer("norm").gamma.assign([1, -1])
    feeding, feeds = wiring(flatten(net), Numbers([("a", 3), ("b", 2), ("c", 1)]))
    assert (feeding["a"].units == -1).all()
    # Filter 1 of b: its norm turns it round, so that its channels lower it.
    assert feeding["b"].units[:, :2].tolist() == [[1, 0], [1, 2]]
    np.testing.assert_allclose(feeding["b"].weights[:, :2], [[-0.75, 0.25], [-0.5, -0.5]], rtol=1e-6)
    assert (feeding["b"].units[:, 2:] == -1).all()
    assert feeds["a"].units[1, :2].tolist() == [3, 4] and feeds["a"].units[0, :2].tolist() == [3, -1]
    np.testing.assert_allclose(feeds["b"].weights[:, 0], [0.8, -0.2], rtol=1e-6)
    assert feeds["b"].units[:, 0].tolist() == [5, 5] and (feeds["c"].units == -1).all()
