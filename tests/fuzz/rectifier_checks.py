"""Guided gradients against networks that are built of such rectifiers."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from convscope.attributions.rectifiers import RectifiedNetwork
from convscope.errors import UserError
from tests.fuzz.recipes import OPERATIONS, Recipe, build, every_step, is_rectifier
from tests.fuzz.subject import Difference, Subject, same, value_and_gradient


def check_rectifiers(subject: Subject) -> None:
    """Guided gradients and the deconvnet's, against the network built anew of such rectifiers."""
    count = _rectifiers_in(subject.recipe)
    for rule in subject.pick(["guided", "deconvnet"], 1):
        if not count:
            try:
                RectifiedNetwork(subject.model, rule)
            except UserError:
                continue
            raise Difference("a ReLU is patched where there is none")
        found, gradient = value_and_gradient(RectifiedNetwork(subject.model, rule), subject.images)
        same(found, subject.expected, f"{rule}, forward", 1e-5)
        other = build(subject.recipe, lambda *given, rule=rule: Rectifier(*given, rule))
        expected = value_and_gradient(lambda x, other=other: other(x, training=False), subject.images)
        same(expected[0], subject.expected, "the network built of rectifiers", 1e-5)
        same(gradient, expected[1], f"{rule} gradient", 1e-4)


def _rectifiers_in(recipe: Recipe) -> int:
    count = 0
    for step in every_step(recipe):
        given = step.options.get("activation")
        inner = (given[0], given[1]) if isinstance(given, tuple) else ("Activation", {"activation": given})
        own = step.kind not in ("Activation", *OPERATIONS) and is_rectifier(*inner)
        count += own or is_rectifier(step.kind, step.options) or step.kind == "hard swish"
    return count


class Rectifier(keras.Layer):
    """A rectifier whose gradient is the guided or the deconvnet's: the same numbers forward."""

    def __init__(self, function: Callable[[Any], Any], low: float, high: float, rule: str) -> None:
        super().__init__()
        self.function, self.low, self.high, self.rule = function, low, high, rule

    def call(self, x: Any) -> Any:
        @tf.custom_gradient
        def run(x: Any) -> Any:
            y = self.function(x)

            def back(upstream: Any) -> Any:
                passed = tf.maximum(upstream, 0.0)
                inside = tf.cast((x > self.low) & (x < self.high), tf.float32)
                return passed * inside if self.rule == "guided" else passed

            return y, back

        return run(x)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape
