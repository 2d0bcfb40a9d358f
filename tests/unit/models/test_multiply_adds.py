"""Parameters and multiply-adds, by closed forms and by TensorFlow's own count."""

import itertools

import keras
import pytest
import tensorflow as tf
from keras import layers

from convscope.errors import UserError
from convscope.models import architectures
from convscope.models.canonical import canonical
from convscope.models.multiply_adds import costs
from convscope.models.names import MINI_XCEPTIONS
from tests.completed import model as model_part


def of(layer: keras.layers.Layer, shape: tuple[int, ...]) -> tuple[int, int]:
    inputs = keras.Input(shape)
    (cost,) = costs(keras.Model(inputs, layer(inputs)), shape[:2])
    return cost.parameters, cost.multiply_adds


@pytest.mark.parametrize(
    ("layer", "parameters", "multiply_adds"),
    [
        (layers.Conv2D(5, (3, 2)), 3 * 2 * 4 * 5 + 5, (8 - 2) * (10 - 1) * 5 * 3 * 2 * 4),
        (layers.Conv2D(6, 3, groups=2, padding="same", use_bias=False), 9 * 2 * 6, 8 * 10 * 6 * 9 * 2),
        (layers.Conv2D(5, 3, strides=2, padding="same", dilation_rate=1), 9 * 4 * 5 + 5, 4 * 5 * 5 * 9 * 4),
        (layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False), 9 * 4 * 2, 6 * 8 * 8 * 9),
        (layers.SeparableConv2D(7, 3, padding="same"), 9 * 4 + 4 * 7 + 7, 8 * 10 * (9 * 4 + 4 * 7)),
        (layers.SeparableConv2D(7, 3, depth_multiplier=2), 9 * 8 + 8 * 7 + 7, 6 * 8 * (9 * 8 + 8 * 7)),
        (layers.Conv2DTranspose(3, 2, strides=2), 4 * 4 * 3 + 3, 8 * 10 * 4 * 3 * 4),
        (layers.Dense(3), 4 * 3 + 3, 8 * 10 * 4 * 3),
        (layers.BatchNormalization(), 4 * 4, 0),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_layer_by_its_closed_form(layer: keras.layers.Layer, parameters: int, multiply_adds: int) -> None:
    assert of(layer, (8, 10, 4)) == (parameters, multiply_adds)


def test_a_layer_called_twice_has_its_weights_once_and_its_work_twice() -> None:
    inputs = keras.Input((None, None, 4))
    shared = layers.Conv2D(4, 1, use_bias=False, name="shared")
    found = costs(keras.Model(inputs, shared(shared(inputs))), (6, 5))
    assert [(cost.layer, cost.parameters, cost.multiply_adds) for cost in found] == [
        ("shared", 16, 6 * 5 * 16), ("shared", 0, 6 * 5 * 16),
    ]  # fmt: skip


def test_what_is_not_known_is_told() -> None:
    inputs = keras.Input((8, 8, 4))
    rows = layers.Reshape((64, 4))(inputs)
    with pytest.raises(UserError, match=r"layer 'odd' \(LSTM\): its multiply-adds are not known"):
        costs(keras.Model(inputs, layers.LSTM(3, name="odd")(rows)), (8, 8))


def profiled(model: keras.Model, shape: tuple[int, ...]) -> int:
    """Multiply-adds by TensorFlow's profiler: half the floating-point operations of what multiplies matrices."""
    graph = tf.function(lambda x: model(x, training=False)).get_concrete_function(tf.TensorSpec((1, *shape))).graph
    names = {operation.name for operation in graph.get_operations() if operation.type in ("Conv2D", "MatMul")}
    names |= {operation.name for operation in graph.get_operations() if "Depthwise" in operation.type}
    builder = tf.compat.v1.profiler.ProfileOptionBuilder
    options = builder(builder.float_operation()).with_empty_output().build()
    root = tf.compat.v1.profiler.profile(graph, options=options)
    waiting, total = [root], 0
    while waiting:
        node = waiting.pop()
        waiting += node.children
        total += node.float_ops if node.name in names else 0
    assert total % 2 == 0
    return total // 2


@pytest.mark.parametrize("name", [*MINI_XCEPTIONS, "convnet", "retail"])
def test_a_network_by_tensorflows_profiler(name: str) -> None:
    built = architectures.build(model_part(architecture=name, image_size=[80, 96], width=0.3, augmentation=False), 3)
    network, _ = canonical(built)
    found = costs(network, (80, 96))
    assert sum(cost.multiply_adds for cost in found) == profiled(network, (80, 96, 3))
    assert sum(cost.parameters for cost in found) == built.count_params()


def test_mini_xception_by_hand() -> None:
    network, _ = canonical(architectures.build(model_part(architecture="mini_xception", image_size=64, width=1), 2))
    sides = [60, 30, 15, 8, 4, 2]
    total = 60 * 60 * 75 * 32 + 512
    channels = [32, 32, 64, 128, 256, 512]
    for (a, b), (side, halved) in zip(itertools.pairwise(channels), itertools.pairwise(sides), strict=True):
        total += side * side * (9 * a + a * b + 9 * b + b * b) + halved * halved * a * b
    assert sum(cost.multiply_adds for cost in costs(network, (64, 64))) == total
