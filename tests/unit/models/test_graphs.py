"""Opening nested networks, cutting them in two, and finding the last feature map."""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convscope.errors import UserError
from convscope.models import graphs, nodes
from convscope.models.cam_layer import default_cam_layer
from convscope.models.canonical import canonical

SHARED = Path(os.environ.get("CONVSCOPE_SHARED", Path(__file__).parents[4] / "shared"))
REAL = SHARED / "models/xception_cats_dogs"
needs_real = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real Xception is not beside the checkout (CONVSCOPE_SHARED)"
)


def pictures(count: int = 3, size: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, size, size, 3)).astype("float32")


def residual_block(x, filters: int, name: str):
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv1")(x)
    y = layers.BatchNormalization(name=f"{name}_bn")(y)
    y = layers.ReLU(name=f"{name}_relu")(y)
    y = layers.Conv2D(filters, 3, padding="same", name=f"{name}_conv2")(y)
    shortcut = layers.Conv2D(filters, 1, name=f"{name}_shortcut")(x)
    return layers.Add(name=f"{name}_add")([y, shortcut])


def backbone(name: str = "backbone") -> keras.Model:
    inputs = keras.Input((None, None, 3))
    x = residual_block(inputs, 4, "a")
    return keras.Model(inputs, residual_block(x, 5, "b"), name=name)


def nested(activation: str | None = "sigmoid", units: int = 1, size: int = 16) -> keras.Model:
    keras.utils.set_random_seed(3)
    inputs = keras.Input((size, size, 3), name="picture")
    x = keras.Sequential([layers.RandomFlip("horizontal"), layers.RandomRotation(0.1)], name="augmentation")(inputs)
    x = backbone()(x, training=False)
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D(name="gap")(x))
    return keras.Model(inputs, layers.Dense(units, activation=activation, name="answer")(x), name="nested")


def test_flatten_opens_nested_networks_and_computes_exactly_the_same() -> None:
    model = nested()
    flat = graphs.flatten(model)
    assert not graphs.is_flat(model) and graphs.is_flat(flat)
    assert {"a_conv1", "b_add", "gap", "answer"} <= {layer.name for layer in flat.layers}
    x = pictures()
    np.testing.assert_array_equal(flat(x, training=False), model(x, training=False))
    assert flat.get_layer("a_conv1") is model.get_layer("backbone").get_layer("a_conv1"), "weights are shared"


def test_copy_has_weights_of_its_own() -> None:
    model = nested()
    before = model.get_weights()
    copy = graphs.flatten(model, copy=True)
    copy.set_weights([value * 0 for value in copy.get_weights()])
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_colliding_names_get_the_outer_networks_name() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(3, 1, name="a_conv1")(inputs)
    x = layers.Conv2D(3, 1, name="between")(backbone("first")(x))
    model = keras.Model(inputs, backbone("second")(x))
    flat = graphs.flatten(model)
    names = [layer.name for layer in flat.layers]
    assert len(names) == len(set(names)) and "first_a_conv1" in names and "second_a_conv1" in names
    np.testing.assert_array_equal(flat(pictures(size=8)), model(pictures(size=8)))


def test_a_backbone_used_twice_keeps_sharing_its_weights() -> None:
    shared = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(3, 3, padding="same", name="twice")])
    inputs = keras.Input((8, 8, 3))
    model = keras.Model(inputs, layers.Add()([shared(shared(inputs)), inputs]))
    flat = graphs.flatten(model, copy=True)
    assert len(flat.weights) == len(model.weights) == 2
    np.testing.assert_allclose(flat(pictures(size=8)), model(pictures(size=8)), atol=1e-6)


@pytest.mark.parametrize("activation", ["sigmoid", "softmax", "linear"])
def test_canonical_ends_in_logits_without_random_layers(activation: str) -> None:
    model = nested(activation, units=1 if activation == "sigmoid" else 3)
    flat, removed = canonical(model, "mine")
    assert removed == activation and flat.name == "mine"
    assert not any(graphs.is_random(layer) for layer in flat.layers)
    assert flat.inputs[0].shape == (None, None, None, 3), "global pooling frees the image size"
    x = pictures()
    expected = model(x, training=False).numpy()
    logits = flat(x, training=False)
    np.testing.assert_allclose(getattr(keras.activations, activation)(logits), expected, atol=1e-6)
    assert model.get_layer("answer").activation.__name__ == activation, "the original must not change"


@pytest.mark.parametrize("last", [layers.Activation("softmax"), layers.Softmax()])
def test_canonical_removes_an_activation_that_is_a_layer(last: layers.Layer) -> None:
    body = [keras.Input((8, 8, 3)), layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(3), last]
    model = keras.Sequential(body)
    flat, removed = canonical(model)
    assert removed == "softmax"
    assert flat.inputs[0].shape == (None, 8, 8, 3), "a flattened map fixes the image size"
    logits = flat(pictures(size=8)).numpy()
    assert not np.allclose(logits.sum(axis=1), 1)
    np.testing.assert_allclose(keras.ops.softmax(logits), model(pictures(size=8)), atol=1e-6)


def test_a_class_that_does_more_than_its_graph_is_refused() -> None:
    class Sly(keras.Model):
        def call(self, inputs, training=None, mask=None):
            return super().call(inputs) + 1

    inputs = keras.Input((8, 8, 3))
    outputs = layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(inputs)))
    with pytest.raises(UserError, match="does not compute what calling it does"):
        canonical(Sly(inputs, outputs))


def test_a_model_without_a_graph_is_refused() -> None:
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    with pytest.raises(UserError, match="without a graph"):
        canonical(Own())


def test_default_cam_layer_is_the_last_map_after_its_activation() -> None:
    assert default_cam_layer(nested()) == "b_add"
    inputs = keras.Input((32, 32, 3))
    x = layers.SeparableConv2D(4, 3, name="conv")(inputs)
    after = layers.Activation("relu", name="act")(layers.BatchNormalization(name="bn")(x))
    gap = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(after)))
    assert default_cam_layer(gap) == "act"
    keeping = layers.GlobalAveragePooling2D(keepdims=True)(after)
    assert default_cam_layer(keras.Model(inputs, layers.Flatten()(layers.Conv2D(2, 1)(keeping)))) == "act"
    pooled = layers.MaxPooling2D(2)(after)
    assert default_cam_layer(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(pooled)))) == "act"
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    excited = layers.Multiply(name="gated")([x, layers.Dense(4, activation="sigmoid")(gate)])
    squeeze = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(excited)))
    assert default_cam_layer(squeeze) == "gated", "squeeze and excite is not the head"
    assert default_cam_layer(keras.Model(inputs, after)) == "act"
    with pytest.raises(UserError, match="no feature maps"):
        default_cam_layer(dense())


def turned(turn: Any) -> keras.Model:
    """A convolution, its output turned, and another that reads that."""
    inputs = keras.Input((32, 32, 3))
    x = turn(layers.Conv2D(8, 3, 4, "same", activation="relu", name="upright")(inputs))
    x = layers.Conv2D(4, 1, activation="relu", name="behind")(x)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)))


@pytest.mark.parametrize(
    "turn",
    [
        layers.Permute((2, 1, 3)),
        layers.Permute((3, 1, 2)),
        lambda x: keras.ops.swapaxes(x, 1, 2),
        lambda x: keras.ops.moveaxis(x, -1, 1),
        lambda x: keras.ops.flip(x, axis=2),
        lambda x: keras.ops.rot90(x, axes=(1, 2)),
        layers.Reshape((16, 32, 1)),
    ],
    ids=["columns", "channels first", "swapped", "moved", "mirrored", "rotated", "reshaped"],
)
def test_a_map_that_does_not_lie_as_the_picture_is_none(turn: Any) -> None:
    model = turned(turn)
    assert default_cam_layer(model) == "upright"
    with pytest.raises(UserError, match="output of layer 'behind' is permuted, mirrored or reshaped") as caught:
        graphs.cut_at(model, "behind")
    assert "\n" not in str(caught.value)


def test_a_map_that_is_turned_and_turned_back_is_one() -> None:
    twice = turned(lambda x: layers.Permute((2, 3, 1))(layers.Permute((3, 1, 2))(x)))
    assert default_cam_layer(twice) == "behind"
    assert default_cam_layer(turned(lambda x: keras.ops.flip(keras.ops.flip(x, 1), 1))) == "behind"


def test_of_pooled_maps_of_several_depths_the_deepest_is_taken() -> None:
    """Even where it is a shallow one that comes last in the order of the network."""
    inputs = keras.Input((32, 32, 3))
    shallow = layers.Conv2D(4, 3, 2, name="shallow")(inputs)
    deep = layers.Conv2D(8, 3, 2, name="deep")(shallow)
    pooled = layers.Dense(4)(layers.Dense(4)(layers.GlobalAveragePooling2D()(deep)))
    both = layers.Concatenate()([pooled, layers.GlobalAveragePooling2D()(shallow)])
    model = keras.Model(inputs, layers.Dense(2)(both))
    assert default_cam_layer(model) == "deep"
    assert default_cam_layer(graphs.flatten(model, input_shape=(None, None, 3)), (32, 32)) == "deep"


def test_a_network_of_as_many_answers_as_the_picture_has_places_keeps_its_size() -> None:
    """Dense layers written as convolutions: at a larger size each of several places answers."""
    inputs = keras.Input((16, 16, 3))
    x = layers.Conv2D(4, 1)(layers.Conv2D(8, 4, activation="relu")(layers.Conv2D(8, 3, 4, "same")(inputs)))
    flat, _ = canonical(keras.Model(inputs, layers.Flatten()(x)))
    assert flat.inputs[0].shape[1:3] == (16, 16) and flat.outputs[0].shape == (None, 4)


def dense() -> keras.Model:
    inputs = keras.Input((5,))
    return keras.Model(inputs, layers.Dense(2)(inputs))


def gradient_through_everything(model: keras.Model, layer: str, x: np.ndarray) -> np.ndarray:
    """d(sum of outputs)/dA, found by adding a zero at A of the flat network and differentiating by that zero."""
    flat = graphs.flatten(model)
    cut = graphs.node_of(flat, layer).outputs[0]
    zero = tf.zeros(tf.shape(keras.Model(flat.inputs[0], cut)(x, training=False)))
    values = {id(flat.inputs[0]): tf.constant(x)}
    with tf.GradientTape() as tape:
        tape.watch(zero)
        for node in graphs.nodes_in_order(flat):
            args, kwargs = node.arguments.fill_in(values)
            if getattr(node.operation, "_call_has_training_arg", False):
                kwargs["training"] = False
            output = node.operation(*args, **kwargs)
            values[id(node.outputs[0])] = output + zero if node.outputs[0] is cut else output
        total = tf.reduce_sum(values[id(flat.outputs[0])])
    return tape.gradient(total, zero).numpy()


@pytest.mark.parametrize("layer", ["a_conv1", "a_bn", "a_relu", "a_shortcut", "a_add", "b_conv2", "b_add"])
def test_split_inside_and_behind_residual_blocks(layer: str) -> None:
    model = nested("sigmoid")
    head, tail = graphs.split_at(model, layer)
    x = pictures()
    maps, *side = head(x)
    inside = layer.split("_")[1] != "add"
    assert bool(side) == inside, "only a cut inside a block has tensors that bypass it"
    with tf.GradientTape() as tape:
        tape.watch(maps)
        out = tail(maps, *side)
        total = tf.reduce_sum(out)
    np.testing.assert_allclose(out, model(x, training=False), atol=1e-6)
    found = tape.gradient(total, maps)
    assert found is not None
    expected = gradient_through_everything(model, layer, x)
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, atol=1e-7)


def test_the_tail_runs_only_what_depends_on_the_cut_and_in_inference_mode() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, name="conv")(inputs)
    x = layers.BatchNormalization(name="bn")(x)
    x = layers.Dropout(0.9)(layers.GlobalAveragePooling2D()(x))
    model = keras.Model(inputs, layers.Dense(2)(x))
    model.get_layer("bn").moving_mean.assign([5.0, 6, 7, 8])
    head, tail = graphs.split_at(model, "conv")
    compiled = tf.function(tail)
    for _ in range(2):
        np.testing.assert_allclose(
            compiled(*head(pictures(size=8))), model(pictures(size=8), training=False), atol=1e-5
        )
    assert len(head(pictures(size=8))) == 1, "a list even where nothing bypasses the cut"


def test_unknown_layer_says_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean 'b_conv1'"):
        graphs.split_at(nested(), "b_cnov1")


def test_digest_follows_weights_only() -> None:
    model, other = nested(), nested()
    assert graphs.weights_digest(model) == graphs.weights_digest(other)
    other.get_layer("answer").bias.assign([1.0])
    assert graphs.weights_digest(model) != graphs.weights_digest(other)


def test_another_architecture_with_the_same_weights_is_another_network() -> None:
    def build(padding: str, activation: str) -> keras.Model:
        image = keras.Input((8, 8, 3), name="image")
        x = keras.layers.Conv2D(2, 3, padding=padding, activation=activation, kernel_initializer="ones", name="conv")(
            image
        )
        return keras.Model(image, keras.layers.GlobalAveragePooling2D(name="pool")(x), name="net")

    models = [build("same", "relu"), build("valid", "relu"), build("same", "linear")]
    assert len({graphs.weights_digest(model) for model in models}) == 1
    assert len({graphs.network_digest(model) for model in [*models, build("same", "relu")]}) == 3


@needs_real
@pytest.mark.shared
def test_real_xception_flat_is_the_nested_one() -> None:
    import keras_hub

    from convscope.pictures.read import load_images

    model = keras_hub.models.ImageClassifier.from_preset(str(REAL))
    flat, removed = canonical(model, "real")
    paths = sorted((SHARED / "data/cats_and_dogs/validation/dogs").iterdir())[:2]
    x = load_images(paths, (224, 224), "crop").astype("float32") / 127.5 - 1
    assert removed == "linear"
    np.testing.assert_allclose(flat(x, training=False), model(x, training=False), atol=1e-4)
    layer = default_cam_layer(model)
    assert layer == "block14_sepconv2_act"

    # The gradient of the nested model's own Model(inputs, [A, z]) is None; through the tail it is the real one.
    head, tail = graphs.split_at(model, layer)
    (maps,) = head(x)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        score = tf.reduce_sum(tail(maps)[:, 1])
    found = tape.gradient(score, maps)
    weights = model.get_layer("predictions").get_weights()[0][:, 1] / (maps.shape[1] * maps.shape[2])
    np.testing.assert_allclose(found, np.broadcast_to(weights, maps.shape), rtol=1e-4, atol=1e-7)

    inner = "block13_sepconv2"
    head, tail = graphs.split_at(model, inner)
    maps, *side = head(x)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        total = tf.reduce_sum(tail(maps, *side))
    expected = gradient_through_everything(model, inner, x)
    np.testing.assert_allclose(tape.gradient(total, maps), expected, atol=1e-5 * np.abs(expected).max())


def answers_as_before(model: keras.Model, activation: str, size: tuple[int, int] = (8, 8)) -> keras.Model:
    """The canonical form, which must answer as the model does once the activation is back."""
    flat, removed = canonical(model)
    x = np.random.default_rng(0).uniform(0, 1, (2, *size, 3)).astype("float32")
    assert removed == activation
    logits = flat(x, training=False)
    found = logits if activation == "linear" else getattr(keras.ops, activation)(logits)
    np.testing.assert_allclose(found, model(x, training=False), atol=1e-5)
    return flat


def test_canonical_knows_an_activation_that_is_a_layer_inside_a_layer() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(inputs)
    answers_as_before(keras.Model(inputs, layers.Dense(3, activation=layers.Softmax())(x)), "softmax")
    answers_as_before(keras.Model(inputs, layers.Dense(3, activation=layers.Activation("softmax"))(x)), "softmax")
    maps = layers.SeparableConv2D(3, 8, activation="softmax")(inputs)
    answers_as_before(keras.Model(inputs, layers.Flatten()(maps)), "softmax")
    maps = layers.Conv2D(3, 7, activation="softmax")(inputs)
    answers_as_before(keras.Model(inputs, layers.Flatten()(maps)), "linear")
    across = layers.Reshape((3,))(layers.Softmax(axis=1)(layers.Reshape((3, 1))(layers.Dense(3)(x))))
    answers_as_before(keras.Model(inputs, across), "linear")


def test_canonical_takes_the_last_call_of_an_activation_and_leaves_the_others() -> None:
    inputs = keras.Input((8, 8, 3))
    sigmoid = layers.Activation("sigmoid")
    x = layers.GlobalAveragePooling2D()(sigmoid(layers.Conv2D(4, 3)(inputs)))
    answers_as_before(keras.Model(inputs, sigmoid(layers.Dense(1)(x))), "sigmoid")
    dense = layers.Dense(3, activation="softmax")
    flat = answers_as_before(keras.Model(inputs, dense(dense(layers.GlobalAveragePooling2D()(inputs)))), "softmax")
    assert [layer.activation.__name__ for layer in flat.layers if hasattr(layer, "units")] == ["softmax", "linear"]


def test_canonical_finds_the_activation_in_front_of_a_nested_network() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(inputs))
    after = keras.Sequential([keras.Input((3,)), layers.Reshape((3,))])
    answers_as_before(keras.Model(inputs, after(x)), "softmax")


def test_canonical_keeps_what_works_outside_of_training_too() -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.AutoContrast(value_range=(0, 1))(inputs)
    flat = answers_as_before(keras.Model(inputs, layers.Dense(2)(layers.GlobalMaxPooling2D()(x))), "linear")
    assert any(type(layer).__name__ == "AutoContrast" for layer in flat.layers)


@pytest.mark.parametrize("shape", [(8, 8, 3), (4, 16, 3)])
def test_a_network_that_gives_its_maps_a_shape_keeps_its_size(shape: tuple[int, ...]) -> None:
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(2, 3)(layers.Reshape(shape)(layers.Conv2D(3, 3, padding="same")(inputs)))
    flat = answers_as_before(keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))), "linear")
    assert flat.inputs[0].shape == (None, 8, 8, 3)


def test_a_shuffle_of_channels_that_would_mix_images_of_another_size_keeps_its_size() -> None:
    inputs = keras.Input((8, 8, 4))
    groups = keras.ops.transpose(keras.ops.reshape(inputs, (-1, 8, 8, 2, 2)), (0, 1, 2, 4, 3))
    x = layers.Conv2D(4, 1)(keras.ops.reshape(groups, (-1, 8, 8, 4)))
    flat, _ = canonical(keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(x))))
    assert flat.inputs[0].shape == (None, 8, 8, 4)


def shared_relu() -> keras.Model:
    """A ReLU whose last map is not that of its last call."""
    inputs, relu = keras.Input((8, 9, 3)), layers.ReLU(name="relu")
    last = relu(layers.Conv2D(4, 3, name="conv")(inputs))
    gate = layers.Dense(4, name="dense")(relu(layers.GlobalAveragePooling2D(keepdims=True, name="pool")(last)))
    return keras.Model(
        inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Multiply(name="gated")([last, gate])))
    )


def test_a_name_is_the_last_call_and_an_address_any() -> None:
    model = shared_relu()
    first, last = (node.outputs[0] for node in graphs.nodes_in_order(model) if node.operation.name == "relu")
    assert graphs.tensor_of(model, "relu") is last and graphs.tensor_of(model, "relu@1") is first
    assert graphs.tensor_of(model, "relu@2") is last
    assert nodes.address_of(model, first) == "relu@1" and nodes.address_of(model, last) == "relu"
    for wrong in ("relu@0", "relu@3", "relu@1.1", "conv@x"):
        with pytest.raises(UserError, match="has no layer"):
            graphs.tensor_of(model, wrong)
    x = np.random.default_rng(0).normal(size=(2, 8, 9, 3)).astype("float32")
    for address, tensor in (("relu@1", first), ("relu", last)):
        head, tail = graphs.split_at(model, address)
        maps, *side = head(x)
        np.testing.assert_allclose(maps, keras.Model(model.inputs[0], tensor)(x), atol=1e-6)
        np.testing.assert_allclose(tail(maps, *side), model(x), atol=1e-6)


def test_every_tensor_of_a_network_has_an_address() -> None:
    inputs = keras.Input((8, 8, 4))
    first, second = keras.ops.split(layers.Conv2D(6, 3, name="conv")(inputs), 2, axis=-1)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(second)))
    tensors = [tensor for node in graphs.nodes_in_order(model) for tensor in node.outputs]
    assert all(graphs.tensor_of(model, nodes.address_of(model, tensor)) is tensor for tensor in tensors)
    assert default_cam_layer(model) == f"{first._keras_history.operation.name}@1.1"


def test_the_last_map_may_be_that_of_an_earlier_call() -> None:
    inputs, relu = keras.Input((8, 9, 3)), layers.ReLU(name="relu")
    pooled = layers.GlobalAveragePooling2D(name="gap")(relu(layers.Conv2D(4, 3)(inputs)))
    model = keras.Model(inputs, layers.Dense(2)(relu(layers.Dense(5)(pooled))))
    assert default_cam_layer(model) == "relu@1"


@pytest.mark.parametrize(
    "kind", ["Conv2D", "Conv2DTranspose", "SeparableConv2D", "DepthwiseConv2D", "Dense"], ids=lambda kind: kind
)
@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_that_loses_an_activation_with_weights_keeps_its_own(kind: str, bias: bool) -> None:
    """One of 3,000 random networks found it: a PReLU inside a layer has weights, which stand behind the layer's."""
    keras.utils.set_random_seed(3)
    slopes = keras.layers.PReLU(alpha_initializer="random_normal", shared_axes=[1, 2])
    sizes = {"Dense": (2,), "DepthwiseConv2D": (3,)}.get(kind, (2, 3))
    layer = getattr(keras.layers, kind)(*sizes, use_bias=bias, activation=slopes, name="it")
    image = keras.Input((6, 5, 3))
    network = keras.Model(image, layer(image))
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 3)).astype(np.float32)
    expected = network(x).numpy()  # the slopes are made by the first answer
    flat = graphs.flatten(network, linear=lambda node: node.operation is layer)
    own = flat.get_layer("it").get_weights()
    assert [part.shape for part in own] == [part.shape for part in layer.get_weights()[:-1]]
    before = flat(x).numpy()
    assert (before < 0).any() and np.allclose(slopes(before), expected, atol=1e-6)


class RandomFeatures(layers.Layer):
    """Random by name alone: what it computes is the same in training and after it."""

    def build(self, shape: Any) -> None:
        self.w = self.add_weight(shape=(shape[-1], shape[-1]), initializer="random_normal")

    def call(self, x: Any) -> Any:
        return keras.ops.cos(x @ self.w)


def test_a_layer_of_somebodys_own_called_random_stays_where_it_asks_for_no_training() -> None:
    image = keras.Input((8, 8, 3))
    model = keras.Model(image, layers.Dense(2)(RandomFeatures()(layers.GlobalAveragePooling2D()(image))))
    flat, _ = canonical(model)
    x = np.random.default_rng(0).uniform(0, 2, (2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(flat(x), model(x), rtol=1e-5)


def test_a_nested_network_of_a_list_called_with_names() -> None:
    first, second = keras.Input((8, 8, 3), name="z"), keras.Input((8, 8, 3), name="a")
    inner = keras.Model([first, second], layers.Subtract()([first, second]))
    image = keras.Input((8, 8, 3))
    x = inner({"a": image, "z": layers.Rescaling(3.0)(image)})
    model = keras.Model(image, layers.GlobalAveragePooling2D()(x))
    flat, _ = canonical(model)
    x = np.random.default_rng(0).uniform(0, 2, (2, 8, 8, 3)).astype(np.float32)
    np.testing.assert_allclose(flat(x), model(x), rtol=1e-5)
    assert float(keras.ops.min(flat(x))) > 0


def test_a_constant_of_the_pictures_size_keeps_that_size() -> None:
    image = keras.Input((8, 8, 3))
    x = image + np.arange(192, dtype=np.float32).reshape(1, 8, 8, 3)
    flat, _ = canonical(keras.Model(image, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(x))))
    assert flat.inputs[0].shape[1:3] == (8, 8)


def test_dense_layers_written_as_convolutions_make_no_maps() -> None:
    """As keras-hub's VGG has them: its convolution as large as the map leaves one cell."""
    inputs = keras.Input((None, None, 3))
    x = layers.MaxPooling2D(2)(layers.Conv2D(4, 3, padding="same", activation="relu", name="last")(inputs))
    x = layers.Conv2D(5, 8, activation="relu", name="fc1")(x)
    model = keras.Model(inputs, layers.Dense(2)(layers.GlobalAveragePooling2D()(layers.Conv2D(5, 1, name="fc2")(x))))
    assert default_cam_layer(model, (16, 16)) == "last"
    assert default_cam_layer(model, (32, 32)) == "fc2", "of larger pictures it is a map"


class Keeps(layers.Layer):
    """Saves a factor that is no weight."""

    factor = np.ones(3, np.float32)

    def call(self, x: Any) -> Any:
        return x * self.factor

    def save_own_variables(self, store: Any) -> None:
        store["factor"] = self.factor

    def load_own_variables(self, store: Any) -> None:
        self.factor = np.array(store["factor"])


def test_digest_follows_what_a_layer_saves_beside_its_weights() -> None:
    image = keras.Input((8, 8, 3), name="picture")
    layer = Keeps(name="keeps")
    model = keras.Model(image, layers.GlobalAveragePooling2D(name="pool")(layer(image)), name="model")
    before = graphs.network_digest(canonical(model)[0])
    assert graphs.network_digest(canonical(model)[0]) == before
    layer.factor = np.array([1, 2, 3], np.float32)
    assert graphs.network_digest(canonical(model)[0]) != before
