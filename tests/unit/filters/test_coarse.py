"""Keras's own layers in bfloat16: of a layer of somebody's own no copy is believed that is another one, and nothing ends by it."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from convscope.filters import run, steps
from convscope.filters.coarse import coarse_operations
from convscope.filters.keras_objective import KerasObjective
from convscope.filters.presets import settings_from
from convscope.models.nodes import nodes_in_order
from tests.unit.filters.test_ascent import spec

layers = keras.layers


class Block(layers.Layer):
    """Makes the weights of its layers when it is called first."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.conv, self.norm = layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization()

    def call(self, x: Any) -> Any:
        return self.norm(self.conv(x))


class Wave(layers.Layer):
    """Whose factor is set from outside."""

    factor = 1.0

    def call(self, x: Any) -> Any:
        return keras.ops.sin(self.factor * x)


class Secret(layers.Layer):
    """Has no settings to be made again from."""

    def __init__(self, table: Any, **options: Any) -> None:
        super().__init__(**options)
        self.table = table

    def get_config(self) -> dict[str, Any]:
        raise NotImplementedError("a table has no settings")

    def call(self, x: Any) -> Any:
        return x * self.table


class Scale(layers.Layer):
    """As a layer should be."""

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight(shape=(shape[-1],), name="scale")

    def call(self, x: Any) -> Any:
        return x * self.scale


def wave() -> layers.Layer:
    layer = Wave(name="own")
    layer.factor = 3.0
    return layer


OWN: dict[str, tuple[Callable[[], layers.Layer], str]] = {
    "composite": (lambda: Block(name="own"), "cannot be copied (its copy has 0 of its 6 weights)"),
    "set from outside": (wave, "is another layer (off by"),
    "no settings": (lambda: Secret(2.0, name="own"), "cannot be copied (a table has no settings)"),
    "right": (lambda: Scale(name="own"), ""),
}


def network(own: layers.Layer) -> keras.Model:
    keras.utils.set_random_seed(4)
    image = keras.Input((32, 32, 3))
    x = own(layers.Conv2D(4, 3, name="first")(image))
    return keras.Model(image, layers.Conv2D(5, 3, name="last")(layers.ReLU(name="relu")(x)))


@pytest.mark.parametrize("kind", OWN)
def test_a_copy_is_believed_where_it_is_the_same_layer(kind: str) -> None:
    own, said = OWN[kind]
    model, lines = network(own()), []  # type: ignore[var-annotated]
    found = coarse_operations(model, list(nodes_in_order(model)), "bfloat16", lines.append)
    formats = {layer.name: found[id(layer)].compute_dtype for layer in model.layers[1:]}
    assert formats == dict.fromkeys(("first", "own", "relu", "last"), "bfloat16") | ({"own": "float32"} if said else {})
    assert [line.startswith("layer 'own' goes on in float32: ") and said in line for line in lines] == [True] * bool(
        said
    )
    for layer in model.layers[1:]:
        for weight, other in zip(layer.get_weights(), found[id(layer)].get_weights(), strict=True):
            np.testing.assert_array_equal(weight, other)


@pytest.mark.parametrize("kind", OWN)
def test_what_rises_is_what_rises_in_float32(kind: str) -> None:
    model = network(OWN[kind][0]())
    pictures = keras.ops.convert_to_tensor(np.random.default_rng(1).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32))
    channels, closed = keras.ops.convert_to_tensor([0, 2, 4], "int32"), keras.ops.zeros(3, "bool")
    exact, rough = (KerasObjective(model, "last", 0, form) for form in ("float32", "bfloat16"))
    values, gradient = (
        keras.ops.convert_to_numpy(part) for part in exact.value_and_gradient(pictures, channels, closed)
    )
    near, other = (keras.ops.convert_to_numpy(part) for part in rough.value_and_gradient(pictures, channels, closed))
    np.testing.assert_allclose(near, values, atol=0.02 * np.abs(values).max())
    assert 0 < np.linalg.norm(other - gradient) < 0.2 * np.linalg.norm(gradient)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JAX and PyTorch ascend on a graphics processor."""
    monkeypatch.setattr(run, "NAME", "another")
    for module in (run, steps):
        monkeypatch.setattr(module, "has_gpu", lambda: True)


def test_what_does_not_run_in_bfloat16_goes_on_in_float32(elsewhere: None) -> None:
    """A function of the network's own, with a table in float32: no library multiplies two formats."""
    table = np.random.default_rng(2).normal(size=(3, 3, 4, 1)).astype(np.float32)
    image = keras.Input((32, 32, 3))
    x = keras.ops.depthwise_conv(layers.Conv2D(4, 3, name="first")(image), table)
    model = keras.Model(image, layers.Conv2D(5, 3, name="last")(x))
    lines: list[str] = []
    reasons: list[str] = []
    given = {"preset": "sharp", "size": 32, "steps": 2, "coarse_steps": 0}
    found = run.ascend(
        model, spec(), "last", [0, 3], settings_from(given), 1, report=lines.append, on_mistrust=reasons.append
    )
    assert len(lines) == len(reasons) == 1
    assert lines[0].startswith("in bfloat16 ") and "going on with Keras's own graph in float32" in lines[0]
    exact = settings_from({**given, "precision": "float32"})
    np.testing.assert_array_equal(found.patterns, run.ascend(model, spec(), "last", [0, 3], exact, 1).patterns)
    again: list[str] = []
    resumed = run.ascend(model, spec(), "last", [0, 3], settings_from(given), 1, report=again.append, by_keras=True)
    assert again == []  # a run that goes on does not try it again
    np.testing.assert_array_equal(resumed.patterns, found.patterns)
