"""Judging a network of one channel is judging its twin in colour; of other depths it works as well."""

import numpy as np
import pytest

from convscope.judging import controls
from convscope.judging.curves import curves
from convscope.judging.methods import Subject, judge
from convscope.judging.scrambled import scrambled
from convscope.pictures.channels import Channels
from tests.one_channel import COLOUR, GRAY, network, pair, pixels

KEYS = ["a", "b", "c"]


def test_curves_of_gray_are_those_of_its_twin() -> None:
    gray, colour = pair()
    one, targets = GRAY.preprocess(pixels(3)), np.array([0, 1, 2])
    heat = np.random.default_rng(0).random((3, 24, 24))

    def predict(net, spec):
        return lambda images: spec.probabilities(np.asarray(net(images)))

    mine = curves(one, heat, targets, predict(gray, GRAY), KEYS, steps=8)
    twin = curves(one.repeat(3, axis=3), heat, targets, predict(colour, COLOUR), KEYS, steps=8)
    np.testing.assert_allclose(mine.deletion, twin.deletion, atol=1e-5)
    np.testing.assert_allclose(mine.insertion, twin.insertion, atol=1e-5)
    assert np.ptp(mine.deletion) > 0


def test_edges_of_gray_and_scrambled_gray_are_those_of_the_picture_in_colour() -> None:
    given = pixels(3)
    seen = Channels("gray").for_people(given)
    np.testing.assert_allclose(controls.edges(seen, KEYS), controls.edges(given.repeat(3, axis=3), KEYS))
    one = scrambled(given, KEYS)
    np.testing.assert_allclose(one.repeat(3, axis=3), scrambled(given.repeat(3, axis=3), KEYS), atol=1e-3)


@pytest.mark.parametrize("depth", [1, 2, 4, 6])
def test_every_metric_is_measured_at_every_depth(depth: int) -> None:
    random = np.random.default_rng(depth)
    net = network(depth)
    images = random.uniform(-1, 1, (3, 24, 24, depth)).astype(np.float32)
    targets = np.array([0, 1, 2])

    def explained(model, images, targets):
        import tensorflow as tf

        x = tf.constant(images)
        with tf.GradientTape() as tape:
            tape.watch(x)
            total = tf.reduce_sum(tf.gather(model(x), targets, axis=1, batch_dims=1))
        return np.abs(tape.gradient(total, x).numpy()).max(axis=3)

    def make(model, seed):
        return lambda images, targets, keys: explained(model, images, targets)

    square = np.zeros((24, 24), bool)
    square[4:12, 4:12] = True
    subject = Subject(images, targets, KEYS, explained(net, images, targets), [{"object": square}] * 3)
    settings = {
        "steps": 6, "batch": 8, "tolerance": 0, "randomisation": {"images": 2, "steps": 2, "networks": 2},
        "sensitivity": {"images": 2, "samples": 1, "radius": 0.02}, "seeds": {"images": 1, "seeds": 2},
    }  # fmt: skip
    groups = ("curves", "localisation", "randomisation", "sensitivity", "seeds", "sparseness")

    def predict(batch):
        scores = np.exp(np.asarray(net(batch), np.float64))
        return scores / scores.sum(axis=1, keepdims=True)

    found = judge(subject, groups, settings, predict, net, make, seed=1)
    assert {"deletion", "insertion", "faithfulness"} <= set(found.metrics)
    assert all(np.isfinite(np.asarray(values, np.float64)).any() for values in found.metrics.values())
