"""Guided gradients against networks that are built of such rectifiers."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from convscope.attributions.rectifiers import RectifiedNetwork
from tests.fuzz.recipes import build, every_step
from tests.fuzz.subject import Difference, Subject, same, value_and_gradient


def check_rectifiers(subject: Subject) -> None:
    """Guided gradients and the deconvnet's, against the network built anew of such rectifiers."""
    for rule in subject.pick(["guided", "deconvnet"], 1):
        calls: list[str] = []
        other = build(
            subject.recipe, lambda *given, rule=rule, calls=calls: Rectifier(*given, rule, lambda: calls.append(rule))
        )
        calls.clear()
        expected = value_and_gradient(lambda x, other=other: other(x, training=False), subject.images)
        same(expected[0], subject.expected, "the network built of rectifiers", 1e-5)
        network = RectifiedNetwork(subject.model, rule)
        if not network.patched:
            # Keras also runs what a nested network answers and nobody takes.
            if calls:
                same(expected[1], subject.gradient, f"no ReLU is found, but of the {rule} gradient the plain one", 1e-5)
            continue
        found, gradient = value_and_gradient(network, subject.images)
        # A nested network may have an answer that nobody takes, or be given what it makes nothing of.
        bodies = [step.options["body"] for step in every_step(subject.recipe) if "body" in step.options]
        unused = any(len(body.outputs) > 1 or len(body.inputs) > 1 for body in bodies)
        if network.patched > len(calls) or (network.patched < len(calls) and not unused):
            raise Difference(f"{network.patched} ReLUs are patched of {len(calls)}")
        same(found, subject.expected, f"{rule}, forward", 1e-5)
        same(gradient, expected[1], f"{rule} gradient", 1e-4)


class Rectifier(keras.Layer):
    """A rectifier whose gradient is the guided or the deconvnet's: the same numbers forward."""

    def __init__(
        self, function: Callable[[Any], Any], low: float, high: float, rule: str, called: Callable[[], None]
    ) -> None:
        super().__init__()
        self.function, self.low, self.high, self.rule = function, low, high, rule
        self.called = called

    def call(self, x: Any) -> Any:
        self.called()

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
