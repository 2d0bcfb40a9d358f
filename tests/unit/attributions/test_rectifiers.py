"""Guided backprop, deconvnet, Guided Grad-CAM: every kind of ReLU is reached, the user's model stays as it is."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from convscope.attributions.base import heat
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.rectifiers import GuidedGradCam, RectifiedGradient, RectifiedNetwork
from convscope.cams.mapper import grad_cam
from convscope.errors import UserError
from convscope.models.canonical import canonical
from convscope.models.graphs import weights_digest
from convscope.models.spec import ModelSpec
from convscope.pictures.render import upsample

SPEC = ModelSpec(name="net", input_size=(9, 9), classes=("a", "b", "c"), head="multiclass")


def small(rectify: Callable[[Any], Any], second: Callable[[Any], Any] | None = None) -> keras.Model:
    """Two convolutions, each followed by a ReLU of some kind; weights of one seed."""
    keras.utils.set_random_seed(7)
    image = keras.Input((9, 9, 3))
    x = rectify(layers.Conv2D(5, 3, name="conv1")(image))
    x = (second or rectify)(layers.Conv2D(6, 3, name="conv2")(x))
    return keras.Model(image, layers.Dense(3, name="head")(layers.Flatten()(x)), name="net")


def with_activation(activation: Any) -> keras.Model:
    keras.utils.set_random_seed(7)
    image = keras.Input((9, 9, 3))
    x = layers.Conv2D(5, 3, name="conv1", activation=activation)(image)
    x = layers.Conv2D(6, 3, name="conv2", activation=activation)(x)
    return keras.Model(image, layers.Dense(3, name="head")(layers.Flatten()(x)), name="net")


def nested() -> keras.Model:
    keras.utils.set_random_seed(7)
    inner = keras.Input((9, 9, 3))
    backbone = keras.Model(inner, layers.ReLU()(layers.Conv2D(5, 3, name="conv1")(inner)), name="backbone")
    image = keras.Input((9, 9, 3))
    x = layers.Conv2D(6, 3, name="conv2", activation="relu")(backbone(image))
    return keras.Model(image, layers.Dense(3, name="head")(layers.Flatten()(x)), name="net")


def shared_layer() -> keras.Model:
    one = layers.ReLU()
    return small(one, one)


def photos(count: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 9, 9, 3)).astype(np.float32)


def by_hand(model: keras.Model, images: np.ndarray, target: int, rule: str) -> np.ndarray:
    """The backward pass written out: transposed convolutions, and the rule where each ReLU stands."""
    (k1, b1), (k2, b2), (k3, _) = (model.get_layer(name).get_weights() for name in ("conv1", "conv2", "head"))
    f1 = tf.nn.conv2d(images, k1, 1, "VALID") + b1
    f2 = tf.nn.conv2d(tf.nn.relu(f1), k2, 1, "VALID") + b2
    back = np.tile(k3[:, target].reshape(1, 5, 5, 6), (len(images), 1, 1, 1))
    for features, kernel, size in ((f2, k2, (7, 7, 5)), (f1, k1, (9, 9, 3))):
        back = np.where(back > 0, back, 0) if rule != "plain" else back
        back = np.where(features.numpy() > 0, back, 0) if rule != "deconvnet" else back
        back = tf.nn.conv2d_transpose(back, kernel, (len(images), *size), 1, "VALID").numpy()
    return back


KINDS: dict[str, Callable[[], keras.Model]] = {
    "a ReLU layer": lambda: small(lambda x: layers.ReLU()(x)),
    "an Activation layer": lambda: small(lambda x: layers.Activation("relu")(x)),
    "a function": lambda: small(ops.relu),
    "an activation's function": lambda: small(keras.activations.relu),
    "a maximum": lambda: small(lambda x: ops.maximum(x, 0)),
    "a name inside the layer": lambda: with_activation("relu"),
    "a layer inside the layer": lambda: with_activation(layers.ReLU()),
    "one layer called twice": shared_layer,
    "a nested model": nested,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_equals_the_backward_pass_written_by_hand(kind: str, rule: str) -> None:
    model, images = KINDS[kind](), photos()
    # Nested networks keep their layers to themselves; the weights come from the same seed in the same order.
    plain = KINDS["a ReLU layer"]()
    plain.set_weights(model.get_weights())
    explain = RectifiedGradient(model, SPEC, rule)
    found = explain(images, np.array([1, 1, 1]), ["x", "y", "z"])
    assert explain.patched == 2
    assert found.facts["patched_relus"].tolist() == [2, 2, 2]
    np.testing.assert_allclose(found.maps, by_hand(plain, images, 1, rule), rtol=1e-4, atol=1e-6)
    gradient = ClassScores(model, SPEC).gradient(images, np.ones(3))[0]
    np.testing.assert_allclose(gradient, by_hand(plain, images, 1, "plain"), rtol=1e-4, atol=1e-6)
    assert not np.allclose(found.maps, gradient, atol=1e-3)


def test_forward_numbers_do_not_change() -> None:
    model, images = nested(), photos()
    found = RectifiedNetwork(model, "guided")(tf.constant(images))
    np.testing.assert_allclose(found, model(images, training=False), rtol=1e-5, atol=1e-6)


def test_dropout_and_batch_normalisation_are_at_inference() -> None:
    model = small(lambda x: layers.Dropout(0.5)(layers.ReLU()(layers.BatchNormalization()(x))))
    images = photos()
    found = RectifiedNetwork(model, "guided")(tf.constant(images))
    np.testing.assert_allclose(found, model(images, training=False), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["a name inside the layer", "a nested model", "a layer inside the layer"])
def test_the_users_model_stays_as_it_is(kind: str) -> None:
    model, images = KINDS[kind](), photos()
    before, output, config = weights_digest(model), model(images).numpy(), model.get_config()
    gradient = ClassScores(model, SPEC).gradient(images, np.zeros(3))[0]
    RectifiedGradient(model, SPEC, "guided")(images, np.zeros(3, np.int64), ["x", "y", "z"])
    assert weights_digest(model) == before
    assert model.get_config() == config
    np.testing.assert_array_equal(model(images).numpy(), output)
    np.testing.assert_array_equal(ClassScores(model, SPEC).gradient(images, np.zeros(3))[0], gradient)


def test_a_residual_sum_is_no_relu() -> None:
    image = keras.Input((9, 9, 3))
    x = layers.Add()([layers.ReLU()(layers.Conv2D(3, 1)(image)), ops.maximum(image, -1)])
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(layers.Concatenate()([x, image]))))
    assert RectifiedNetwork(model, "guided").patched == 1


def test_a_ceiling_lets_nothing_through() -> None:
    image = keras.Input((1, 1, 3))
    model = keras.Model(image, layers.Dense(2, use_bias=False)(layers.Flatten()(layers.ReLU(max_value=6)(image))))
    model.layers[-1].set_weights([np.ones((3, 2))])
    spec = ModelSpec(name="net", input_size=(1, 1), classes=("a", "b"), head="multiclass")
    found = RectifiedGradient(model, spec, "guided")(
        np.array([-1, 3, 7], np.float32).reshape(1, 1, 1, 3), np.array([0]), ["x"]
    )
    assert found.maps.ravel().tolist() == [0, 1, 0]


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
@pytest.mark.parametrize(
    ("act", "kept"),
    [
        (lambda x: layers.Activation("gelu")(x), "gelu: 2"),
        (lambda x: ops.silu(x), "silu: 2"),
        (lambda x: layers.Activation("hard_swish")(x), "hard_silu: 2"),
        (lambda x: layers.LeakyReLU(negative_slope=0.1)(x), "leaky_relu: 2"),
        (lambda x: layers.PReLU(shared_axes=[1, 2])(x), "prelu: 2"),
        (lambda x: layers.Conv2D(2, 1, activation="elu")(x), "elu: 2"),
    ],
)
def test_a_network_without_a_relu_has_the_plain_gradient_and_says_so(act: Any, kept: str, rule: str) -> None:
    model, images = small(act), photos()
    explain = RectifiedGradient(model, SPEC, rule)
    assert explain.said == f"{rule}: no ReLU ({kept}), so this is the plain gradient"
    found = explain(images, np.zeros(3, int), ["a"] * 3)
    assert found.facts["patched_relus"].tolist() == [0, 0, 0]
    with tf.GradientTape() as tape:
        x = tf.constant(images)
        tape.watch(x)
        total = tf.reduce_sum(model(x, training=False)[:, 0])
    np.testing.assert_allclose(found.maps, tape.gradient(total, x), rtol=1e-5, atol=1e-6)


def test_what_a_rule_reaches_is_counted_by_kind() -> None:
    model = small(lambda x: layers.ReLU(6.0)(x), lambda x: layers.Activation("gelu")(layers.Activation("gelu")(x)))
    assert RectifiedNetwork(model, "guided").said() == "guided: 1 ReLU; gelu: 2 keep their own gradient"


@keras.saving.register_keras_serializable("tests")
class Block(layers.Layer):
    """A block of a class of its own: its ReLU is in no graph."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.relu = layers.ReLU()

    def call(self, x: Any) -> Any:
        return self.relu(x)


def test_a_relu_out_of_reach_is_named_not_missed() -> None:
    with pytest.raises(UserError, match="layer 'deep' hides a ReLU"):
        RectifiedNetwork(small(lambda x: layers.ReLU()(x), lambda x: Block(name="deep")(x)), "guided")


def test_guided_gradcam_is_the_product_with_the_map_drawn_up() -> None:
    model, images = small(lambda x: layers.ReLU()(x)), photos()
    targets = np.array([2, 0, 1])
    explain = GuidedGradCam(model, SPEC)
    found = explain(images, targets, ["x", "y", "z"])
    maps_model = keras.Model(model.inputs[0], model.get_layer(explain.layer).output)
    features = maps_model(images).numpy()
    slopes = model.get_layer("head").get_weights()[0].T[targets].reshape(3, 5, 5, 6)
    cams = grad_cam(tf.constant(features), tf.constant(slopes)).numpy()
    guided = RectifiedGradient(model, SPEC, "guided")(images, targets, ["x", "y", "z"]).maps
    expected = np.stack([g * upsample(c, (9, 9))[..., None] for g, c in zip(guided, cams, strict=True)])
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-7)
    assert heat(found.maps, signed=False).max() > 0


def test_a_one_unit_head_speaks_against_itself() -> None:
    """Evidence for class 0 is the guided gradient of -z, which is not minus that of z."""
    keras.utils.set_random_seed(3)
    image = keras.Input((9, 9, 3))
    x = layers.ReLU()(layers.Conv2D(4, 3)(image))
    model = keras.Model(image, layers.Dense(1)(layers.Flatten()(x)))
    spec = ModelSpec(name="net", input_size=(9, 9), classes=("cat", "dog"), head="binary")
    explain = RectifiedGradient(model, spec, "guided")
    cat, dog = (explain(photos(), np.full(3, index), ["x", "y", "z"]).maps for index in (0, 1))
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([-kernel, bias])
    turned = RectifiedGradient(model, spec, "guided")(photos(), np.ones(3), ["x", "y", "z"]).maps
    np.testing.assert_allclose(cat, turned, rtol=1e-5, atol=1e-7)
    assert not np.allclose(cat, -dog, atol=1e-3)


def test_a_canonical_softmax_model_is_reached() -> None:
    model = small(lambda x: layers.ReLU()(x))
    ended = keras.Model(model.inputs[0], layers.Softmax()(model.outputs[0]))
    network, _ = canonical(ended)
    assert RectifiedGradient(network, SPEC, "guided").patched == 2


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_a_leaky_relu_keeps_its_plain_gradient_in_every_form(rule: str) -> None:
    images = photos()
    forms = [
        small(lambda x: layers.ReLU()(x), lambda x: layers.LeakyReLU(negative_slope=0.2)(x)),
        small(lambda x: layers.ReLU()(x), lambda x: layers.ReLU(negative_slope=0.2)(x)),
        small(lambda x: layers.ReLU()(x), lambda x: ops.leaky_relu(x, negative_slope=0.2)),
    ]
    found = [RectifiedGradient(model, SPEC, rule) for model in forms]
    assert [each.patched for each in found] == [1, 1, 1]
    first, *others = [each(images, np.zeros(3, int), ["a"] * 3).maps for each in found]
    for other in others:
        np.testing.assert_allclose(other, first, atol=1e-6)
    assert not RectifiedNetwork(with_activation(layers.LeakyReLU()), rule).patched
