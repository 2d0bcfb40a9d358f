"""Which channels a network takes: told by its depth, or by the config."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

from convscope.errors import UserError
from convscope.models import architectures, autoencoder, load, training
from convscope.pictures.channels import Channels
from convscope.pictures.read import load_images
from tests.completed import model as model_part

GRAY_FILES = ("digits_gray.h5", "emotions_mini_xception_gray.hdf5", "fashion_gray.keras")


def saved(depth: int, folder: Path) -> dict:
    """The config's part of a small network of so many channels."""
    keras.utils.set_random_seed(depth)
    inputs = keras.Input((8, 9, depth))
    maps = layers.Conv2D(4, 3, activation="relu")(inputs)
    model = keras.Model(inputs, layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D()(maps)))
    model.save(folder / f"{depth}.keras")
    return model_part("file", path=str(folder / f"{depth}.keras"))


@pytest.mark.parametrize(("depth", "channels"), [(1, "gray"), (3, "rgb"), (4, "rgba")])
def test_the_depth_tells(tmp_path: Path, depth: int, channels: str) -> None:
    network, spec = load.import_model("x", saved(depth, tmp_path) | {"preprocessing": "tf"})
    assert (spec.channels, spec.depth, spec.bands) == (channels, depth, ())
    assert spec.scale == (1 / 127.5,) * depth and spec.offset == (-1.0,) * depth
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 9, depth)).astype(np.uint8)
    original = keras.saving.load_model(tmp_path / f"{depth}.keras")
    expected = np.asarray(original(pixels.astype(np.float32) / 127.5 - 1))
    np.testing.assert_allclose(spec.probabilities(np.asarray(network(spec.preprocess(pixels)))), expected, atol=1e-6)


@pytest.mark.parametrize("depth", [2, 6])
def test_other_depths_ask_for_bands_once(tmp_path: Path, depth: int) -> None:
    part = saved(depth, tmp_path)
    with pytest.raises(
        UserError, match=rf"models.x: the network takes {depth} channels; say with bands .* bands: \[0, 1"
    ):
        load.import_model("x", part)
    wanted = list(range(depth))[::-1]
    _, spec = load.import_model("x", part | {"bands": wanted, "shown_bands": [0]})
    assert (spec.channels, spec.bands, spec.shown_bands) == ("bands", tuple(wanted), (0,))
    assert spec.scale == (1.0,) * depth


def test_colours_first_are_told_with_what_to_do() -> None:
    image = keras.Input((3, 8, 9))
    maps = layers.Conv2D(4, 3, activation="relu")(layers.Permute((2, 3, 1))(image))
    network = keras.Model(image, layers.Dense(3, "softmax")(layers.GlobalAveragePooling2D()(maps)))
    part = model_part("file", path="x.keras")
    with pytest.raises(UserError, match=r"takes colours first \(3x8x9\).*Permute\(\(3, 1, 2\)\)"):
        load.import_network("x", network, part)
    x = keras.Input((8, 9, 3))
    found, spec = load.import_network("x", keras.Model(x, network(layers.Permute((3, 1, 2))(x))), part)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 8, 9, 3)).astype(np.float32)
    expected = np.asarray(network(pixels.transpose(0, 3, 1, 2)))
    np.testing.assert_allclose(spec.probabilities(np.asarray(found(pixels))), expected, atol=1e-6)


def test_one_value_a_channel_in_the_network_s_order(tmp_path: Path) -> None:
    part = saved(3, tmp_path) | {"channels": "bgr", "preprocessing": {"scale": [1, 2, 3], "offset": 5}}
    _, spec = load.import_model("x", part)
    assert (spec.scale, spec.offset, spec.channels) == ((1.0, 2.0, 3.0), (5.0,) * 3, "bgr")
    assert spec.preprocess(np.array([[[[1, 10, 100]]]], np.uint8)).tolist() == [[[[105.0, 25.0, 8.0]]]]


@pytest.mark.parametrize(
    ("depth", "more", "says"),
    [
        (1, {"channels": "rgb"}, "models.x.channels: rgb, 3 channels, but the network takes 1"),
        (3, {"channels": "gray"}, "models.x.channels: gray, 1 channel, but the network takes 3"),
        (4, {"bands": [0, 1]}, "models.x.bands: 2 bands, but the network takes 4"),
        (4, {"channels": "bands"}, "models.x.bands: name the bands"),
        (3, {"channels": "rgb", "bands": [0, 1, 2]}, "channels is rgb, but bands are named"),
        (1, {"preprocessing": "caffe"}, "models.x.preprocessing: bgr, 3 channels, but the network takes 1"),
        (3, {"preprocessing": "caffe", "channels": "rgb"}, "preprocessing caffe is for bgr"),
        (1, {"preprocessing": "torch"}, "models.x.preprocessing: scale has 3 values, but the network takes 1 channel;"),
        (4, {"preprocessing": {"offset": [1, 2]}}, "offset has 2 values, but the network takes 4 channels"),
        (3, {"shown_bands": [0]}, "shown_bands is for networks that take bands"),
    ],
)
def test_what_does_not_fit(tmp_path: Path, depth: int, more: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        load.import_model("x", saved(depth, tmp_path) | more)


@pytest.mark.parametrize("name", GRAY_FILES)
def test_published_gray_networks_answer_as_the_library_that_saved_them(shared_folder: Path, name: str) -> None:
    wild = shared_folder / "wild"
    if not wild.is_dir():
        pytest.skip("no public model files beside the checkout")
    expected = json.loads((wild / "expected.json").read_text())[name]
    values = {"scale": expected["scale"], "offset": expected["offset"]}
    network, spec = load.import_model("x", model_part("file", path=str(wild / name), preprocessing=values))
    assert (spec.channels, list(spec.input_size)) == ("gray", expected["size"])
    paths = [wild / "pictures" / picture for picture in expected["pictures"]]
    pixels = load_images(paths, spec.input_size, spec.resize, channels=spec.reads)
    found = spec.probabilities(np.asarray(network(spec.preprocess(pixels))))
    np.testing.assert_allclose(found, expected["outputs"], atol=1e-3)


@pytest.mark.parametrize(("channels", "bands", "depth"), [("gray", (), 1), ("rgba", (), 4), ("bands", (1, 0), 2)])
def test_a_network_is_trained_on_its_channels(tmp_path: Path, channels: str, bands: tuple, depth: int) -> None:
    """What tells the classes apart is in the last channel alone, and it is found."""
    random = np.random.default_rng(0)
    paths, labels = [], []
    for index in range(24):
        pixels = random.integers(0, 256, (16, 16, max(depth, 3))).astype(np.uint8)
        pixels[..., 0 if bands else -1 if depth == 4 else slice(None)] = 40 + 160 * (index % 2)
        paths.append(tmp_path / f"{index}.png")
        Image.fromarray(pixels).save(paths[-1])
        labels.append(index % 2)
    reads = Channels(channels, bands)
    settings = model_part(
        architecture="retail", image_size=16, width=0.5, epochs=12, batch_size=8, dropout=0.0, optimizer="adam",
        learning_rate=0.01,
    )  # fmt: skip
    keras.utils.set_random_seed(3)
    model = architectures.build(settings, 2, reads.depth)
    assert model.input_shape == (None, 16, 16, depth)
    pictures = training.Pictures(paths, labels, (16, 16), "crop", channels=reads)
    again = training.Pictures(paths, labels, (16, 16), "crop", cache_bytes=0, channels=reads)
    for kept, read in zip(pictures.batches(np.arange(24), 8), again.batches(np.arange(24), 8), strict=True):
        np.testing.assert_array_equal(kept[0], read[0])
        assert kept[0].dtype == read[0].dtype == pictures.dtype
    result = training.train(model, pictures, pictures, settings, seed=3)
    assert result.best["val_accuracy"] == 1.0


@pytest.mark.parametrize("name", ["convnet", "mini_xception", "xception", "retail"])
def test_every_architecture_takes_one_channel_and_five(name: str) -> None:
    settings = model_part(architecture=name, image_size=80, width=0.1)
    for depth in (1, 5):
        model = architectures.build(settings, 3, depth)
        assert model(np.zeros((1, 80, 80, depth), np.float32)).shape == (1, 3)


def test_an_auto_encoder_redraws_its_channels() -> None:
    model = autoencoder.build_autoencoder((10, 12), 4, depth=2)
    assert model(np.zeros((1, 10, 12, 2), np.float32)).shape == (1, 10, 12, 2)
