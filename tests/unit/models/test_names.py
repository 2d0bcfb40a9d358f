"""Layers known before the model is there: they must be those that the model then has."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from convscope.config import load_schema
from convscope.models.canonical import canonical
from convscope.models.names import (
    OF_PIXELS,
    XCEPTION_FILTERS,
    XCEPTION_POOLING,
    block_of,
    ends_in_maps,
    layer_names,
    layers_of,
    read_file_config,
    xception_filters,
    xception_layers,
)
from tests.completed import model as model_part

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("architecture", load_schema()["$defs"]["train"]["properties"]["architecture"]["enum"])
def test_foretold_layers_are_those_of_the_built_network(architecture: str, tmp_path: Path) -> None:
    from convscope.models import architectures, layers, load
    from convscope.models.spec import ModelSpec

    size = 96
    settings = model_part(architecture=architecture, image_size=size, width=0.25)
    network, _ = canonical(architectures.build(settings, 2))
    rows = layers.layer_table(network, ModelSpec("x", (size, size)))
    known = layers_of(settings)
    # Of pixels the last layer has as many filters as there are classes.
    classes = {"predictions": 2} if architecture in OF_PIXELS else {}
    assert {(k.name, k.block, k.role, classes.get(k.name, k.filters)) for k in known} == {
        (r.name, r.block, r.role, r.filters) for r in rows
    }
    load.save_model(network, tmp_path / "saved.keras")
    network.save(tmp_path / "saved.h5")
    for name in ("saved.keras", "saved.h5"):
        saved = layers_of({"source": "file", "path": str(tmp_path / name)})
        assert {(k.name, k.role) for k in saved} == {(r.name, r.role) for r in rows}
        filters = {r.name: r.filters for r in rows}
        assert all(k.filters == filters[k.name] for k in saved if k.role != "pool")


def test_xception_at_full_width_is_the_real_one_and_narrow_ones_keep_every_shortcut() -> None:
    assert tuple(map(tuple, xception_filters(1.0))) == XCEPTION_FILTERS
    for width in (0.03, 0.0625, 0.13, 0.5):
        known = xception_layers(xception_filters(width), XCEPTION_POOLING)
        shortcuts = [layer.name for layer in known if layer.role == "shortcut"]
        assert shortcuts == [f"block{i}_residual_conv" for i in (2, 3, 4, 13)]
        assert min(layer.filters for layer in known) >= 16


def test_the_real_xception_by_name_and_by_folder(tmp_path: Path) -> None:
    known = layers_of({"source": "preset", "preset": "xception_41_imagenet"})
    convolutions = [layer for layer in known if layer.role != "pool"]
    assert len(convolutions) == 40 and sum(layer.filters for layer in convolutions) == 27264
    folder = tmp_path / "presets" / "mine"
    folder.mkdir(parents=True)
    config = {
        "stackwise_conv_filters": [[4, 4], [8, 8], [8, 8, 8], [9]],
        "stackwise_pooling": [False, True, False, False],
    }
    (folder / "config.json").write_text(json.dumps({"class_name": "XceptionBackbone", "config": config}))
    names = layer_names({"source": "preset", "preset": "mine", "folder": str(tmp_path / "presets")})
    assert names == [
        *("block1_conv1", "block1_conv2"),
        *("block2_sepconv1", "block2_sepconv2", "block2_residual_conv", "block2_pool"),
        *("block3_sepconv1", "block3_sepconv2", "block3_sepconv3"),
        "block4_sepconv1",
    ]
    assert layer_names({"source": "preset", "preset": str(folder)}) == names


def test_a_block_without_change_of_filters_has_no_shortcut_convolution() -> None:
    assert all(layer.role == "conv" for layer in xception_layers([[4], [4], [4]], [False] * 3))


def test_none_where_it_cannot_be_known(tmp_path: Path) -> None:
    assert layer_names({"source": "preset", "preset": "resnet_50_imagenet"}) is None
    assert layer_names({"source": "application", "application": "ResNet50"}) is None
    assert layer_names({"source": "file", "path": str(tmp_path / "missing.keras")}) is None
    (tmp_path / "damaged.keras").write_bytes(b"PK\x03\x04")
    assert layer_names({"source": "file", "path": str(tmp_path / "damaged.keras")}) is None
    (tmp_path / "damaged.h5").write_bytes(b"no HDF5")
    assert layer_names({"source": "file", "path": str(tmp_path / "damaged.h5")}) is None
    entry = {"class_name": "Conv2D", "config": {"name": "same", "filters": 2}}
    with zipfile.ZipFile(tmp_path / "twins.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"class_name": "Functional", "config": {"layers": [entry, entry]}}))
    assert layer_names({"source": "file", "path": str(tmp_path / "twins.keras")}) is None


@pytest.mark.parametrize(
    ("name", "block"),
    [
        ("block3_sepconv1", "block3"),
        ("block14_sepconv2_act", "block14"),
        ("conv2_block1_1_conv", "conv2_block1"),
        ("block1a_expand_conv", "block1a"),
        ("block_13_project", "block_13"),
        ("stem_conv", ""),
        ("conv1", ""),
        ("blocker", ""),
    ],
)
def test_block_from_a_name(name: str, block: str) -> None:
    assert block_of(name) == block


def test_no_tensorflow_is_imported() -> None:
    loaded = "print(*(name in sys.modules for name in ('tensorflow', 'keras')))"
    code = f"import sys, convscope.models.names, convscope.models.spec; {loaded}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_convolutions_may_end_in_a_row_of_classes(tmp_path: Path) -> None:
    """One cell of classes is what a dense layer would give; a backbone ends in more."""
    import keras
    from keras import layers

    for ends in (
        [layers.Conv2D(5, 16), layers.Activation("softmax")],
        [layers.Conv2D(5, 1), layers.AveragePooling2D(16), layers.Activation("softmax")],
        [layers.GlobalAveragePooling2D(keepdims=True), layers.Conv2D(9, 1, activation="relu"), layers.Conv2D(5, 1)],
        [layers.Conv2D(16, 16), layers.ReLU(), layers.Conv2D(5, 1, activation="softmax")],
        [layers.Conv2D(5, 1, activation="softmax")],
        [layers.Conv2D(5, 5, padding="same"), layers.ReLU()],
    ):
        model = keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(8, 3, padding="same"), *ends])
        for suffix in ("keras", "h5"):
            model.save(path := tmp_path / f"m.{suffix}")
            assert ends_in_maps(read_file_config(path) or {}) == (model.output_shape[1:3] != (1, 1)), ends


def test_a_file_that_ends_in_maps_is_a_backbone(tmp_path: Path) -> None:
    """Judged by the config alone, as the network itself says by its output's rank."""
    import keras
    from keras import layers

    def small(*tail: keras.layers.Layer) -> keras.Model:
        inputs = keras.Input((16, 16, 3))
        x = layers.BatchNormalization()(layers.Conv2D(4, 3, padding="same")(inputs))
        x = layers.add([layers.ReLU()(x), layers.Conv2D(4, 1)(inputs)])
        for layer in tail:
            x = layer(x)
        return keras.Model(inputs, x)

    flat = (layers.GlobalAveragePooling2D(), layers.Dense(2))
    networks = [
        small(),
        small(layers.Activation("relu"), layers.Dropout(0.1)),
        small(layers.MaxPooling2D()),
        small(*flat),
        small(*flat, layers.Activation("softmax")),
        small(layers.Conv2D(2, 1), layers.GlobalMaxPooling2D(), layers.Softmax()),
        small(layers.Flatten()),
        keras.Sequential([keras.Input((16, 16, 3)), small(), layers.Activation("relu")]),
        keras.Sequential([keras.Input((16, 16, 3)), small(), *flat]),
        keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(3, 3), layers.BatchNormalization()]),
        keras.Sequential([keras.Input((16, 16, 3)), layers.Conv2D(3, 3, padding="same"), small(layers.Flatten())]),
    ]
    for number, network in enumerate(networks):
        for suffix in ("keras", "h5"):
            path = tmp_path / f"{number}.{suffix}"
            network.save(path)
            found = read_file_config(path)
            assert found is not None and ends_in_maps(found) == (len(network.outputs[0].shape) == 4), path
    for nonsense in ({}, {"config": []}, {"config": {"layers": [1]}}, {"config": {"layers": [{"config": {}}]}}):
        assert not ends_in_maps(nonsense)
