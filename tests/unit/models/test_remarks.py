"""What is said of a model as it is imported: the layer of its maps, the values that its first layers get, what looks wrong."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from convscope.models import load
from convscope.models.remarks import _photos
from convscope.models.spec import ModelSpec
from tests.completed import model as model_part

SIZE = 32


def network(first: Any, pools: int = 1, norm: bool = True) -> keras.Model:
    keras.utils.set_random_seed(1)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(8, 3, name="stem", padding="same")(first(image) if first else image)
    x = layers.BatchNormalization(name="norm")(x) if norm else x
    for number in range(pools):
        x = layers.MaxPooling2D()(layers.Conv2D(8, 3, padding="same", activation="relu", name=f"conv{number}")(x))
    return keras.Model(image, layers.Dense(3, activation="softmax")(layers.Flatten()(x)))


def trained(model: keras.Model, scale: float, offset: float = 0.0) -> keras.Model:
    """Its batch normalisation has the statistics of pictures of a range; not of those that are tried."""
    rng = np.random.default_rng(9)
    coarse = rng.integers(0, 256, (32, 4, 4, 3))
    pixels = np.kron(coarse, np.ones((1, 8, 8, 1))) * 0.7 + 40
    norm = model.get_layer("norm")
    values = keras.Model(model.inputs[0], norm.input)(pixels * scale + offset)
    norm.moving_mean.assign(keras.ops.mean(values, axis=(0, 1, 2)))
    norm.moving_variance.assign(keras.ops.var(values, axis=(0, 1, 2)))
    return model


def imported(model: keras.Model, **settings: Any) -> ModelSpec:
    return load.import_network("net", model, model_part("file", path="x", **settings))[1]


def test_pixels_of_another_range_than_in_training() -> None:
    unit = trained(network(None), 1 / 255)
    assert imported(unit, preprocessing={"scale": 1 / 255}).warnings == ()
    assert imported(unit, preprocessing="tf").warnings == (), "a factor of two cannot be told from other pictures"
    (warning,) = imported(unit).warnings
    assert "layer 'norm'" in warning and "times as far" in warning
    (warning,) = imported(unit, preprocessing={"scale": 1 / 255**2}).warnings
    assert "times less" in warning
    inside = trained(network(layers.Rescaling(1 / 255)), 1.0)
    assert imported(inside).warnings == ()
    assert "times less" in imported(inside, preprocessing="tf").warnings[0], "rescaled inside and outside"


def test_an_adapted_normalisation_tells_its_range() -> None:
    adapted = layers.Normalization(mean=[0.5, 0.5, 0.5], variance=[0.06, 0.06, 0.06])
    model = network(adapted, norm=False)
    assert imported(model, preprocessing={"scale": 1 / 255}).warnings == ()
    assert "times as far" in imported(model).warnings[0]


def test_where_nothing_can_be_said_nothing_is() -> None:
    assert imported(network(None)).warnings == (), "a batch normalisation that saw nothing"
    plain = imported(network(None, norm=False))
    assert plain.warnings == () and any("nothing in the network tells" in note for note in plain.notes)
    scaled = imported(network(layers.Rescaling(1 / 255), norm=False))
    assert not any("nothing in the network tells" in note for note in scaled.notes)


@pytest.mark.parametrize(("pools", "cells"), [(2, 16), (5, 2)])
def test_the_layer_of_the_maps_and_its_cells(pools: int, cells: int) -> None:
    spec = imported(network(None, pools, norm=False))
    assert any(f"of layer 'conv{pools - 1}', {cells}x{cells} cells" in note for note in spec.notes)
    assert any("too few to show a place" in warning for warning in spec.warnings) == (cells < 4)
    assert any(note.startswith("input 32x32, rgb, values 0 to 255") for note in spec.notes)


def said_of_maps(model: keras.Model) -> str:
    (note,) = (note for note in imported(model).notes if "class activation maps" in note)
    return note


def test_tokens_are_called_mixed_where_they_are() -> None:
    image = keras.Input((SIZE, SIZE, 3))
    tokens = layers.Reshape((64, 8), name="tokens")(layers.Conv2D(8, 4, 4)(image))
    attended = layers.Add(name="attended")([tokens, layers.MultiHeadAttention(2, 4)(tokens, tokens)])
    mixed = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling1D()(attended)))
    assert "'attended', 8x8 tokens; attention" in said_of_maps(mixed)
    pooled = layers.Dense(8, name="each")(tokens)
    alone = keras.Model(image, layers.Dense(3)(layers.GlobalAveragePooling1D()(layers.ReLU(name="last")(pooled))))
    assert said_of_maps(alone).endswith("'last', 8x8 tokens")


def test_so_few_tokens_are_too_few_to_show_a_place() -> None:
    image = keras.Input((SIZE, SIZE, 3))
    tokens = layers.Reshape((4, 8))(layers.Conv2D(8, 16, 16)(image))
    x = layers.GlobalAveragePooling1D()(layers.Dense(8, "relu")(layers.Dense(8, "relu")(tokens)))
    assert any("2x2 cells only" in warning for warning in imported(keras.Model(image, layers.Dense(3)(x))).warnings)


def test_what_passes_beside_the_maps_is_named() -> None:
    image = keras.Input((SIZE, SIZE, 3))
    one = layers.Conv2D(8, 3, 4, "same", activation="relu", name="one")(image)
    two = layers.Conv2D(8, 5, 4, "same", activation="relu", name="two")(image)
    both = layers.Concatenate()([layers.GlobalAveragePooling2D()(each) for each in (one, two)])
    note = said_of_maps(keras.Model(image, layers.Dense(3)(both)))
    assert "layer 'two'" in note and note.endswith("the answer is made of 'one' as well, of which they show nothing")
    gated = layers.Multiply(name="gated")([one, layers.Dense(8)(layers.GlobalAveragePooling2D(keepdims=True)(one))])
    assert said_of_maps(keras.Model(image, layers.Dense(3)(layers.Flatten()(gated)))).endswith("8x8 cells")


def test_what_is_said_is_kept_beside_the_model(tmp_path: Path) -> None:
    spec = imported(network(None, 5, norm=False))
    spec.save(tmp_path / "m.json")
    assert ModelSpec.load(tmp_path / "m.json") == spec
    silent = ModelSpec("silent", (8, 8))
    silent.save(tmp_path / "s.json")
    assert not {"notes", "warnings"} & set(json.loads((tmp_path / "s.json").read_text()))


def test_pictures_like_photographs() -> None:
    found = _photos(ModelSpec("net", (64, 48)), keras.Model(image := keras.Input((64, 48, 3)), image))
    assert found.shape == (4, 64, 48, 3) and found.min() >= 0 and found.max() <= 255
    assert abs(found.mean() - 117) < 5 and abs(found.std() - 60) < 6
    near = np.corrcoef(found[0, :, 1:, 0].ravel(), found[0, :, :-1, 0].ravel())[0, 1]
    assert near > 0.6, "neighbours are alike"
