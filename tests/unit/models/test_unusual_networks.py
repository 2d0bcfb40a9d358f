"""Networks that are valid and seldom: half precision, names and classes of somebody's own, layers called by keyword."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.activations.extract import ActivationModel
from convscope.attributions.rectifiers import RectifiedNetwork
from convscope.errors import UserError
from convscope.filters.presets import settings_from
from convscope.filters.run import ascend
from convscope.models import graphs
from convscope.models.canonical import canonical
from convscope.models.folding import folded
from convscope.models.layers import layer_table
from convscope.models.spec import ModelSpec

layers = keras.layers
SPEC = ModelSpec("odd", (16, 16))
IMAGES = np.random.default_rng(0).uniform(-1, 1, (2, 16, 16, 3)).astype(np.float32)


def network(name: str = "", dtype: Any = "float32", by_keyword: bool = False) -> keras.Model:
    keras.utils.set_random_seed(4)
    image = keras.Input((None, None, 3))
    steps = [
        layers.Conv2D(6, 3, dtype=dtype, name=f"{name}first", bias_initializer="random_normal"),
        layers.BatchNormalization(dtype=dtype, name=f"{name}norm"),
        layers.ReLU(dtype=dtype, name=f"{name}relu"),
        layers.Conv2D(6, 3, dtype=dtype, activation=layers.PReLU(shared_axes=[1, 2], dtype=dtype, name=f"{name}slope")),
        layers.SpectralNormalization(layers.Conv2D(4, 1, dtype=dtype), dtype=dtype, name=f"{name}wrapped"),
        layers.Conv2D(5, 3, dtype=dtype, activation=layers.ReLU(dtype=dtype, name=f"{name}own"), name=f"{name}last"),
        layers.GlobalAveragePooling2D(dtype=dtype),
        layers.Dense(3, activation="softmax", dtype=dtype),
    ]
    x = image
    for step in steps:
        x = step(inputs=x) if by_keyword else step(x)
    model = keras.Model(image, x)
    draw = np.random.default_rng(1)
    model.get_layer(f"{name}norm").set_weights([draw.uniform(0.5, 1.5, 6) for _ in range(4)])
    return model


def answers_are_keras_s(flat: keras.Model) -> None:
    rows = layer_table(flat, SPEC)
    sources = [graphs.tensor_of(flat, row.name) for row in rows]
    behind = [graphs.tensor_of(flat, row.relu or row.name) for row in rows]
    expected = keras.Model(flat.inputs[0], [*sources, *behind])(IMAGES, training=False)
    maps, statistics = ActivationModel(flat, [row.name for row in rows], [row.relu for row in rows], "float16")(IMAGES)
    for row, own, after in zip(rows, expected, expected[len(rows) :], strict=False):
        np.testing.assert_allclose(maps[row.name], own, rtol=2e-3, atol=1e-4)
        np.testing.assert_allclose(statistics[row.name]["mean"], np.mean(after, (1, 2)), rtol=1e-4, atol=1e-6)


def climbs_by_the_written_out_trunk(flat: keras.Model, layer: str) -> None:
    lines: list[str] = []
    found = ascend(
        flat,
        SPEC,
        layer,
        [0, 1],
        settings_from({"preset": "textbook", "size": 16, "steps": 2, "crop": 0}),
        1,
        report=lines.append,
    )
    assert len(lines) == 1 and "held against Keras" in lines[0], lines
    assert found.objective.shape == (2, 3)


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
def test_a_network_of_any_precision_becomes_float32(dtype: str) -> None:
    model = network(dtype=dtype)
    flat, activation = canonical(model)
    assert {str(weight.dtype) for weight in flat.weights if "seed" not in weight.path} == {"float32"}
    assert {str(tensor.dtype) for node in graphs.nodes_in_order(flat) for tensor in node.outputs} == {"float32"}
    # Its own answers, but for their rounding.
    np.testing.assert_allclose(
        getattr(keras.ops, activation)(flat(IMAGES)), np.asarray(model(IMAGES), np.float32), atol=5e-3
    )
    answers_are_keras_s(flat)
    climbs_by_the_written_out_trunk(flat, "last")


def test_half_precision_hides_no_network_that_does_more_than_its_graph() -> None:
    class Sly(keras.Model):
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return 1 - super().call(inputs)

    half = network(dtype="mixed_float16")
    with pytest.raises(UserError, match="does not compute what calling it does"):
        canonical(Sly(half.inputs, half.outputs))


def test_names_that_begin_with_an_underscore_run_layer_by_layer() -> None:
    flat, _ = canonical(network("_"))
    answers_are_keras_s(flat)
    climbs_by_the_written_out_trunk(flat, "_last")
    rectified = tf.function(RectifiedNetwork(flat, "guided").__call__)
    np.testing.assert_allclose(rectified(tf.constant(IMAGES)), flat(IMAGES), atol=1e-5)
    head, tail = graphs.split_at(flat, "_first")
    np.testing.assert_allclose(tf.function(tail)(*head(tf.constant(IMAGES))), flat(IMAGES), atol=1e-5)


def test_layers_called_by_keyword() -> None:
    flat, _ = canonical(network(by_keyword=True))
    answers_are_keras_s(flat)
    climbs_by_the_written_out_trunk(flat, "last")


def test_a_class_named_like_kerass_is_not_taken_for_it() -> None:
    class BatchNormalization(keras.layers.BatchNormalization):
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return super().call(inputs, training=training) + 1

    class Conv2D(keras.layers.Conv2D):
        def call(self, inputs: Any) -> Any:
            return 2 * super().call(inputs)

    class ReLU(keras.layers.Layer):
        def call(self, inputs: Any) -> Any:
            return keras.ops.maximum(inputs, 0.1 * inputs)

    image = keras.Input((16, 16, 3))
    x = layers.BatchNormalization()(Conv2D(4, 3)(image))
    x = ReLU(name="leaky")(BatchNormalization()(layers.Conv2D(4, 3, name="before")(x)))
    flat = graphs.flatten(keras.Model(image, x))
    (found,) = folded(flat, flat.outputs)(tf.constant(IMAGES))
    np.testing.assert_allclose(found, flat(IMAGES, training=False), atol=1e-5)
    assert [row.relu for row in layer_table(flat, SPEC)] == ["", ""]


@pytest.mark.parametrize("name", ["first conv", "größe", "conv:1"])
def test_a_name_that_tensorflow_cannot_run_is_said_before_any_work(name: str) -> None:
    image = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, name=name)(image))
    with pytest.raises(UserError, match=f"a layer named '{name}'.*rename it"):
        canonical(keras.Model(image, layers.Dense(2)(x)))


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_rounding_that_a_softmax_makes_large_is_no_difference(dtype: str) -> None:
    """An attention over pixels 0..255: the last bit of half precision decides which place wins."""
    keras.utils.set_random_seed(0)
    image = keras.Input((16, 16, 3))
    x = layers.Reshape((256, 3))(image)
    x = layers.MultiHeadAttention(2, 4, dtype=dtype, name="attention")(x, x)
    model = keras.Model(image, layers.Dense(3, dtype=dtype)(layers.GlobalAveragePooling1D(dtype=dtype)(x)))
    flat, _ = canonical(model)
    assert {str(weight.dtype) for weight in flat.weights if "seed" not in weight.path} == {"float32"}
    assert {str(tensor.dtype) for node in graphs.nodes_in_order(flat) for tensor in node.outputs} == {"float32"}


def test_a_map_of_precisions_inside_a_layer_becomes_float32() -> None:
    class Outer(layers.Layer):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.inner = layers.Dense(3, dtype=self.dtype_policy)

        def build(self, shape: Any) -> None:
            self.inner.build(shape)

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

        def get_config(self) -> dict[str, Any]:
            return {"name": self.name, "dtype": keras.dtype_policies.serialize(self.dtype_policy)}

    policies = keras.dtype_policies.DTypePolicyMap(default_policy="mixed_float16")
    image = keras.Input((16, 16, 3))
    x = layers.GlobalAveragePooling2D()(Outer(dtype=policies)(image))
    flat, _ = canonical(keras.Model(image, layers.Dense(2)(x)))
    assert {layer.compute_dtype for layer in flat._flatten_layers() if hasattr(layer, "compute_dtype")} == {"float32"}
