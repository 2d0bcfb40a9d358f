"""The real Xception, where it lies beside the checkout: patterns are structure, not noise; Grad-CAM finds the animal."""

import os
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.cams.mapper import METHODS, ClassMapper
from convscope.filters import steps
from convscope.filters.objectives import ChannelObjective
from convscope.filters.parameterisations import Pixels, filter_generator
from convscope.filters.presets import settings_from
from convscope.filters.run import ascend
from convscope.models.canonical import canonical
from convscope.models.spec import ModelSpec
from convscope.pictures.read import load_images
from convscope.pictures.render import standardise

SHARED = Path(os.environ.get("CONVSCOPE_SHARED", Path(__file__).parents[4] / "shared"))
PRESET = SHARED / "models/xception_cats_dogs"
PHOTOS = SHARED / "data/cats_and_dogs/validation"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not PRESET.is_dir(), reason="the real Xception is not beside the checkout (CONVSCOPE_SHARED)"),
]


@pytest.fixture(scope="module")
def xception() -> tuple[keras.Model, ModelSpec]:
    import keras_hub

    network, _ = canonical(keras_hub.models.ImageClassifier.from_preset(str(PRESET)))
    spec = ModelSpec(
        name="xception",
        input_size=(224, 224),
        resize="crop",
        scale=(1 / 127.5,) * 3,
        offset=(-1.0,) * 3,
        channels="rgb",
        classes=("cat", "dog"),
        head="multiclass",
        source="preset",
        digest="",
        requires=(),
    )
    return network, spec


def fed_back(network: keras.Model, layer: str, patterns: np.ndarray, channels: list[int]) -> np.ndarray:
    """What the displayed pictures, 0..255, make the filters answer: the raw objective grows with contrast alone."""
    pictures = np.stack([standardise(pattern) for pattern in patterns]).astype(np.float32) / 127.5 - 1
    objective = ChannelObjective(network, layer, 2)
    return objective(tf.constant(pictures), tf.constant(channels), tf.zeros(len(channels), tf.bool)).numpy()


def test_norm_over_the_last_axis_alone_would_be_noise(
    xception: tuple[keras.Model, ModelSpec], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, spec = xception
    settings = settings_from({"preset": "textbook", "size": 128, "steps": 12, "batch": 4})
    layer = "block8_sepconv1"
    right = ascend(network, spec, layer, [3, 7, 11, 20], settings, seed=1)
    monkeypatch.setattr(steps, "normalised_step", lambda gradient, norm, length: length * keras.ops.normalize(gradient))
    wrong = ascend(network, spec, layer, [3, 7, 11, 20], settings, seed=1)
    assert (right.objective[:, -1] > right.objective[:, 0] + 2).all()
    shown = fed_back(network, layer, right.patterns, [3, 7, 11, 20])
    assert (shown > fed_back(network, layer, wrong.patterns, [3, 7, 11, 20]) + 1).all()
    assert np.isfinite(right.patterns).all() and not right.dead.any()


def test_the_folded_trunk_climbs_as_the_network_does(xception: tuple[keras.Model, ModelSpec]) -> None:
    """The same pictures as the textbook's loop, as far as float32 itself lets two runs agree.

    Every step multiplies the last one's rounding: a start moved by a millionth gives another picture of the same texture after
    30 steps, in the textbook's loop as well. So the pixels are compared after three, and the responses after all.
    """
    network, spec = xception
    layer, channels = "block4_sepconv1", [3, 7]
    settings = settings_from({"preset": "textbook", "steps": 3, "batch": 2})
    ours = ascend(network, spec, layer, channels, settings, seed=1)
    extractor = keras.Model(network.inputs[0], network.get_layer(layer).output)
    for row, channel in enumerate(channels):
        image = tf.constant(Pixels(settings.start).begin([filter_generator(1, layer, channel)], settings.size))
        for _ in range(settings.steps):
            with tf.GradientTape() as tape:
                tape.watch(image)
                loss = tf.reduce_mean(extractor(image, training=False)[:, 2:-2, 2:-2, channel])
            gradient = tape.gradient(loss, image)
            image += 10 * gradient / tf.norm(gradient)
        assert np.corrcoef(ours.patterns[row].ravel(), image.numpy().ravel())[0, 1] > 0.99
        assert ours.objective[row, 2] == pytest.approx(float(loss), rel=0.01)


def test_a_fast_picture_fires_the_filter_as_strongly_as_the_textbooks(xception: tuple[keras.Model, ModelSpec]) -> None:
    network, spec = xception
    layer, channels = "block6_sepconv2", [0, 1, 2, 3]
    reached = {}
    for preset in ("textbook", "fast"):
        settings = settings_from({"preset": preset, "precision": "auto", "batch": 4})
        found = ascend(network, spec, layer, channels, settings, seed=1)
        cut = settings.crop
        shown = np.stack([standardise(pattern)[cut:-cut, cut:-cut] for pattern in found.patterns])
        objective = ChannelObjective(network, layer, 2)
        pictures = tf.constant(shown.astype(np.float32) / 127.5 - 1)
        reached[preset] = objective(pictures, tf.constant(channels), tf.zeros(4, tf.bool)).numpy()
    assert shown.shape[1:] == (150, 150, 3)
    assert np.median(reached["fast"] / reached["textbook"]) > 1


def test_class_maps_prefer_the_middle_of_pet_photos(xception: tuple[keras.Model, ModelSpec]) -> None:
    """Photographers put the pet in the middle: over many photos so does a map that is neither shifted nor mirrored."""
    network, spec = xception
    paths = sorted((PHOTOS / "cats").glob("*"))[:12] + sorted((PHOTOS / "dogs").glob("*"))[:12]
    labels = np.array([0] * 12 + [1] * 12)
    pictures = load_images(paths, spec.input_size, spec.resize)
    mapper = ClassMapper(network, spec, "block14_sepconv2_act", METHODS[:-1])
    found = mapper(spec.preprocess(pictures), labels, "true")
    mirrored = mapper(spec.preprocess(pictures[:, :, ::-1]), labels, "true")
    assert (found.predicted == labels).mean() > 0.9
    assert set(found.maps) == {"gradcam", "gradcam_plus_plus", "layer_cam", "eigen_cam", "cam"}
    for method, maps in found.maps.items():
        assert maps.shape == (24, 1, 7, 7)
        positive = np.maximum(maps[:, 0], 0)
        mean = (positive / positive.sum(axis=(1, 2), keepdims=True)).mean(axis=0)
        assert mean[2:5, 2:5].sum() > 1.5 * 9 / 49, method
        turned = mirrored.maps[method][:, 0, :, ::-1]
        assert np.corrcoef(maps[:, 0].ravel(), turned.ravel())[0, 1] > 0.9, method
    # The head is global average pooling and one dense layer: Grad-CAM is CAM, cut at 0, divided by the map's 49 places.
    cam = np.maximum(found.maps["cam"], 0)
    np.testing.assert_allclose(found.maps["gradcam"] * 49, cam, rtol=1e-3, atol=1e-3 * cam.max())
