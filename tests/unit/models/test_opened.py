"""Layers made of layers are opened: the same numbers, and every part has a name."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from convscope.models.cam_layer import default_cam_layer
from convscope.models.canonical import canonical
from convscope.models.graphs import flatten, tensor_of
from convscope.models.load import load_keras, save_model
from convscope.models.tokens import Grid, grid_of


class Pair(layers.Layer):
    """Two convolutions; also says how often it was asked, which is no tensor."""

    def __init__(self, filters: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.first, self.second = layers.Conv2D(filters, 3, activation="relu", name="first"), layers.Conv2D(filters, 1)

    def call(self, inputs: Any) -> Any:
        return self.second(self.first(inputs)) + 1.0


class Halves(layers.Layer):
    """Reads sizes off its input, as one of a fixed size may; inside, a layer that answers None beside its tensor."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.inner = Scores(name="inner")

    def call(self, inputs: Any) -> Any:
        batch, height, width, channels = ops.shape(inputs)
        rows = ops.reshape(inputs, (batch, height * width, channels))
        return ops.reshape(self.inner(rows)[0], (batch, height, width, channels))


class Scores(layers.Layer):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.dense = layers.Dense(4, name="dense")

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs), None


class Weighted(layers.Layer):
    """Has a weight of its own beside a layer: it stays one."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.dense = layers.Dense(4)

    def build(self, shape: Any) -> None:
        self.factor = self.add_weight(shape=(4,), initializer="random_normal")

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs) * self.factor


def network(*parts: Any, size: Any = (12, 10, 3)) -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input(size)
    x = layers.Conv2D(4, 3, name="stem")(inputs)
    for part in parts:
        x = part(x)
    return keras.Model(inputs, layers.Dense(3, name="answers")(layers.GlobalAveragePooling2D()(x)))


def names(model: keras.Model) -> list[str]:
    return [layer.name for layer in model.layers]


def same(first: keras.Model, second: keras.Model, *size: int) -> None:
    images = np.random.default_rng(0).normal(size=(2, *size, 3)).astype("float32")
    np.testing.assert_allclose(first(images, training=False), second(images, training=False), rtol=1e-5, atol=1e-6)


def test_what_is_inside_has_the_outer_name_before_its_own(tmp_path: Path) -> None:
    model = network(Pair(6, name="pair"), Pair(5, name="other"))
    flat, _ = canonical(model)
    assert [name for name in names(flat) if "first" in name] == ["pair_first", "other_first"]
    assert sum(isinstance(layer, layers.Conv2D) for layer in flat.layers) == 5
    assert flat.inputs[0].shape[1:] == (None, None, 3), "opened, it is still free in size"
    same(model, flat, 12, 10)
    save_model(flat, tmp_path / "flat.keras")
    same(model, load_keras(tmp_path / "flat.keras"), 12, 10)
    assert flat.get_layer("pair_first") is not model.get_layer("pair").first, "the given network stays as it is"


def test_names_do_not_depend_on_what_the_process_did_before() -> None:
    model = network(Pair(6, name="pair"))
    first = canonical(model)[0].get_config()
    for _ in range(3):
        ops.add(keras.Input((3,)), 1.0)
    assert canonical(model)[0].get_config() == first


def test_sizes_read_while_opening_are_not_taken_for_the_networks_own() -> None:
    model = network(Halves(name="halves"))
    flat, _ = canonical(model)
    assert "halves_inner_dense" in names(flat)
    same(model, flat, 12, 10)
    height = flat.inputs[0].shape[1]
    assert height in (12, None)
    if height is None:
        same(network(Halves(name="halves"), size=(20, 26, 3)), flat, 20, 26)


def test_weights_of_a_layers_own_keep_it_closed() -> None:
    model = network(Weighted(name="weighted"))
    flat = flatten(model, opened=True)
    assert "weighted" in names(flat)
    same(model, flat, 12, 10)


@pytest.mark.parametrize("act", ["relu", "gelu"])
def test_blocks_of_a_hub_network_are_opened(act: str) -> None:
    hub = pytest.importorskip("keras_hub")
    backbone = hub.models.HGNetV2Backbone(
        depths=[1, 1], embedding_size=8, hidden_sizes=[16, 32], stem_channels=[3, 8, 8], hidden_act=act,
        use_learnable_affine_block=True, stackwise_stage_filters=[(8, 8, 16, 1, 2, 3), (16, 8, 32, 1, 2, 3)],
        apply_downsample=[False, True], use_lightweight_conv_block=[False, True], image_shape=(64, 64, 3),
    )  # fmt: skip
    model = hub.models.HGNetV2ImageClassifier(backbone=backbone, preprocessor=None, num_classes=5, head_filters=16)
    flat, _ = canonical(model)
    assert sum(isinstance(layer, layers.Conv2D) for layer in flat.layers) == sum(
        isinstance(layer, layers.Conv2D) for layer in model._flatten_layers()
    )
    same(model, flat, 64, 64)


class Nameless(layers.Layer):
    """Its activation is a function without a name, which no file can hold."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.act = layers.Activation(lambda x: keras.activations.gelu(x, approximate=False), name="act")
        self.dense = layers.Dense(4, name="dense")

    def call(self, inputs: Any) -> Any:
        return self.act(self.dense(inputs))


def test_a_function_without_a_name_is_followed(tmp_path: Path) -> None:
    model = network(Nameless(name="nameless"))
    flat, _ = canonical(model)
    assert "nameless_dense" in names(flat)
    save_model(flat, tmp_path / "flat.keras")
    same(model, load_keras(tmp_path / "flat.keras"), 12, 10)


def test_windows_of_as_many_tokens_are_not_taken_for_the_pictures() -> None:
    hub = pytest.importorskip("keras_hub")
    size = {"image_shape": (48, 48, 3), "embed_dim": 8, "depths": (1, 1), "num_heads": (1, 2), "window_size": 6}
    model = hub.models.SwinTransformerImageClassifier(
        backbone=hub.models.SwinTransformerBackbone(**size), num_classes=5
    )
    flat, _ = canonical(model)
    assert default_cam_layer(flat) == "norm"
    assert grid_of(flat, tensor_of(flat, "norm")) == Grid(6, 6, 0, 0)
