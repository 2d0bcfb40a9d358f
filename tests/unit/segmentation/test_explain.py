"""Seg-Grad-CAM: where it can be written down, by finite differences, and by a gradient of the whole network."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from convscope.errors import UserError
from convscope.models import architectures
from convscope.models.canonical import canonical
from convscope.models.spec import ModelSpec
from convscope.segmentation.explain import SegGradCam, chosen_classes, deepest_layer, regions_of
from tests.completed import model as model_part

SIZE = 32
CLASSES = ("background", "object", "border")
SPEC = ModelSpec("net", (SIZE, SIZE), classes=CLASSES, head="segmentation")


def a_region() -> np.ndarray:
    region = np.zeros((1, 1, SIZE, SIZE), np.bool_)
    region[0, 0, 4:20, 6:15] = True
    return region


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(3)
    settings = model_part(architecture="encoder_decoder", image_size=SIZE, width=0.1)
    return canonical(architectures.build(settings, 3), "net")[0]


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(5).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)


def test_of_a_layer_that_is_a_pixels_logits_but_for_a_sum_it_is_that_sum() -> None:
    """Behind A comes a 1x1 convolution W: `dz_ij,c / dA_uv,k` is W_kc at the same place and 0 elsewhere, so that a_k is W_kc times the
    region's share of the pixels, and the map is that share times what the logits are without their bias, where that is above 0."""
    keras.utils.set_random_seed(1)
    source = keras.Input((SIZE, SIZE, 3), name="image")
    maps = layers.Conv2D(5, 3, padding="same", activation="tanh", name="maps")(source)
    made = keras.Model(source, layers.Conv2D(3, 1, bias_initializer="ones", name="predictions")(maps), name="net")
    x = np.random.default_rng(0).normal(size=(2, SIZE, SIZE, 3)).astype(np.float32)
    region = np.concatenate([a_region()] * 2)
    found, scores = SegGradCam(made, SPEC, "maps")(x, np.repeat(region, 2, axis=1), [1, 2])
    logits = np.asarray(made(x))
    share = region.mean()
    np.testing.assert_allclose(found[:, 0], share * np.maximum(logits[..., 1] - 1, 0), atol=1e-6)
    np.testing.assert_allclose(found[:, 1], share * np.maximum(logits[..., 2] - 1, 0), atol=1e-6)
    np.testing.assert_allclose(scores[:, 0], (logits[..., 1] * region[:, 0]).sum((1, 2)), rtol=1e-4)


def test_finite_differences_give_its_weights(network: keras.Model, images: np.ndarray) -> None:
    """`a_k` is the change of the score as all of map k is raised, over the number of its places: no gradient is taken here."""
    layer = network.get_layer("up3_conv")
    below = keras.Model(network.inputs[0], layer.output)
    entry = keras.Input(layer.output.shape[1:])
    x = entry
    for later in network.layers[network.layers.index(layer) + 1 :]:
        x = later(x)
    above = keras.Model(entry, x)
    maps, region = np.asarray(below(images[:1])), a_region()

    def score(values: np.ndarray) -> float:
        return float((np.asarray(above(values), np.float64)[..., 1] * region[:, 0]).sum())

    # Smaller steps drown in rounding, larger ones pass a ReLU's corner.
    step, places = 1e-3 * float(np.abs(maps).max()), maps.shape[1] * maps.shape[2]
    weights = []
    for k in range(maps.shape[-1]):
        up, down = maps.copy(), maps.copy()
        up[..., k] += step
        down[..., k] -= step
        weights.append((score(up) - score(down)) / (2 * step * places))
    expected = np.maximum((maps * np.array(weights)).sum(-1), 0)
    found, scores = SegGradCam(network, SPEC, "up3_conv")(images[:1], region, [1])
    np.testing.assert_allclose(found[:, 0], expected, atol=0.02 * expected.max())
    assert expected.max() > 0 and scores[0, 0] == pytest.approx(score(maps), rel=1e-3)


@pytest.mark.parametrize("name", ["down2_conv", "down3_conv", "up1_strided"])
def test_a_gradient_of_the_whole_network_says_the_same(network: keras.Model, images: np.ndarray, name: str) -> None:
    both = keras.Model(network.inputs[0], [network.get_layer(name).output, network.outputs[0]])
    region = np.concatenate([a_region(), np.ones_like(a_region())])
    with tf.GradientTape() as tape:
        maps, logits = both(images)
        score = tf.reduce_sum(logits[..., 2] * region[:, 0].astype(np.float32))
    weights = tape.gradient(score, maps).numpy().mean(axis=(1, 2), keepdims=True)
    expected = np.maximum((weights * maps.numpy()).sum(axis=-1), 0)
    found, _ = SegGradCam(network, SPEC, name)(images, region, [2])
    assert found.shape == (2, 1, *expected.shape[1:]) and expected.max() > 0
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-3, atol=1e-5 * expected.max())


def test_an_empty_region_has_an_empty_map(network: keras.Model, images: np.ndarray) -> None:
    found, scores = SegGradCam(network, SPEC, "down3_conv")(images, np.zeros((2, 1, SIZE, SIZE), np.bool_), [1])
    assert not found.any() and not scores.any()


def test_where_the_encoder_ends(network: keras.Model) -> None:
    assert deepest_layer(network, SPEC) == "up3_conv"
    with pytest.raises(UserError, match="does not answer a class for every pixel"):
        SegGradCam(network, ModelSpec("net", (SIZE, SIZE)), "up3_conv")


def test_regions_and_classes() -> None:
    predicted, truth = np.array([[[0, 1], [1, 2]]]), np.array([[[0, 0], [1, -1]]])
    object_, border = regions_of("predicted", predicted, truth, [1, 2])[0].tolist()
    assert object_ == [[False, True], [True, False]] and border == [[False, False], [False, True]]
    assert regions_of("truth", predicted, truth, [1])[0, 0].tolist() == [[False, False], [True, False]]
    assert regions_of("whole", predicted, truth, [0, 1]).all()
    upper = regions_of("box", np.zeros((1, 4, 4)), truth, [1], [0, 0.25, 0.5, 1])
    assert np.argwhere(upper[0, 0]).tolist() == [[0, 1], [0, 2], [0, 3], [1, 1], [1, 2], [1, 3]]
    assert chosen_classes("all", CLASSES, "key") == [0, 1, 2]
    assert chosen_classes(["border", "object"], CLASSES, "key") == [1, 2]
    with pytest.raises(UserError, match="key: class 'pet' does not exist"):
        chosen_classes(["pet"], CLASSES, "key")
