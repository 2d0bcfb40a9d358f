"""The networks that a study can train."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from convscope.errors import UserError
from convscope.models import architectures
from convscope.models.names import MINI_XCEPTIONS, scaled
from tests.completed import model as model_part


def test_convnet_is_the_textbooks() -> None:
    model = architectures.build(model_part(architecture="convnet"), 2)
    assert model.inputs[0].shape == (None, 180, 180, 3) and model.outputs[0].shape == (None, 1)
    convolutions = [model.get_layer(f"conv{i}") for i in range(1, 6)]
    assert [layer.filters for layer in convolutions] == [32, 64, 128, 256, 512]
    assert [layer.output.shape[1] for layer in convolutions] == [178, 87, 41, 18, 7]
    # 3x3 kernels of 3-32-64-128-256-512 channels with biases, and one dense unit.
    channels = [3, 32, 64, 128, 256, 512]
    assert model.count_params() == sum(9 * a * b + b for a, b in itertools.pairwise(channels)) + 513


def test_retail_has_four_2x2_convolutions() -> None:
    model = architectures.build(model_part(architecture="retail", image_size=100), 16)
    assert model.outputs[0].shape == (None, 16)
    convolutions = [model.get_layer(f"conv{i}") for i in range(1, 5)]
    assert [layer.filters for layer in convolutions] == [16, 32, 64, 128]
    assert {layer.kernel_size for layer in convolutions} == {(2, 2)}
    assert [layer.output.shape[1] for layer in convolutions] == [100, 50, 25, 12]
    channels = [3, 16, 32, 64, 128]
    dense = 6 * 6 * 128 * 150 + 150 + 150 * 16 + 16
    assert model.count_params() == sum(4 * a * b + b for a, b in itertools.pairwise(channels)) + dense
    assert not any(layer.name.startswith("random") for layer in model.layers), "its habit is no augmentation"
    with pytest.raises(UserError, match="at least 16 pixels"):
        architectures.build(model_part(architecture="retail", image_size=15), 16)


def test_smallest_image_is_named_and_really_the_smallest() -> None:
    model = architectures.build(model_part(architecture="convnet", image_size=78, width=0.1), 2)
    assert model.get_layer("conv5").output.shape[1:3] == (1, 1)
    with pytest.raises(UserError, match="image_size is 77, too small for architecture convnet; at least 78 pixels"):
        architectures.build(model_part(architecture="convnet", image_size=77), 2)


def test_mini_xception_blocks() -> None:
    model = architectures.build(model_part(architecture="mini_xception"), 3)
    assert model.outputs[0].shape == (None, 3)
    assert model.get_layer("stem_conv").kernel_size == (5, 5) and not model.get_layer("stem_conv").use_bias
    assert model.get_layer("block5_add").output.shape == (None, 6, 6, 512)
    assert any(layer.name == "random_rotation" for layer in model.layers), "its habit is augmentation"


@pytest.mark.parametrize("name", list(MINI_XCEPTIONS))
def test_mini_xception_without_its_ideas(name: str) -> None:
    model = architectures.build(model_part(architecture=name, width=0.6, image_size=64, dropout=0.2), 2)
    has = MINI_XCEPTIONS[name]
    first, *rest = (scaled(filters, 0.6) for filters in (32, 32, 64, 128, 256, 512))
    expected = 75 * first + first * (not has.batch_norm)
    for before, filters in itertools.pairwise([first, *rest]):
        for inputs in (before, filters):
            expected += 9 * inputs + inputs * filters if has.separable else 9 * inputs * filters
            expected += 4 * inputs if has.batch_norm else filters  # scale, shift and two statistics, or biases
        expected += before * filters * has.residual
    assert model.count_params() == expected + rest[-1] + 1
    kinds = {type(layer).__name__ for layer in model.layers}
    assert (has.residual, has.batch_norm, has.separable) == tuple(
        kind in kinds for kind in ("Add", "BatchNormalization", "SeparableConv2D")
    )
    assert model.layers[-4].output.shape[1:3] == (2, 2), "every kind halves the size in the same places"


@pytest.mark.parametrize("name", list(MINI_XCEPTIONS))
def test_a_signal_gets_through_before_anything_is_learned(name: str) -> None:
    keras.utils.set_random_seed(0)
    model = architectures.build(model_part(architecture=name, width=0.4, image_size=64, augmentation=False), 2)
    maps = keras.Model(model.input, model.layers[-4].output)
    images = np.random.default_rng(0).uniform(0, 255, (4, 64, 64, 3)).astype("float32")
    spread = float(np.std(maps(images, training=True)))
    assert 0.1 < spread < 10, "batch normalisation sees to it, or the weights do"


def test_slim_xception_has_the_real_ones_layer_names() -> None:
    model = architectures.build(model_part(architecture="xception", width=0.05, image_size=64, augmentation=False), 2)
    backbone = model.get_layer("xception_backbone")
    names = {layer.name for layer in backbone.layers}
    assert {"block1_conv1", "block13_residual_conv", "block14_sepconv2_act"} <= names
    assert backbone.get_layer("block14_sepconv2").filters == 102 and len(backbone.layers) == 132
    assert architectures.preprocessing("xception") == (1 / 127.5, -1.0)


def test_augmentation_works_in_training_only() -> None:
    model = architectures.build(model_part(architecture="convnet", augmentation=True, width=0.1, image_size=96), 2)
    x = np.random.default_rng(0).uniform(0, 255, (2, 96, 96, 3)).astype("float32")
    np.testing.assert_array_equal(model(x, training=False), model(x, training=False))
    assert not np.array_equal(model(x, training=True), model(x, training=True))


def test_unknown_architecture() -> None:
    with pytest.raises(UserError, match="did you mean 'convnet'"):
        architectures.build(model_part(architecture="convnets"), 2)


@pytest.mark.parametrize("name", ["mini_xception", "xception"])
def test_batch_norm_forgets_within_a_small_epoch(name: str) -> None:
    model = architectures.build(model_part(architecture=name, image_size=64, width=0.1), 2)
    flat = list(model._flatten_layers())
    momenta = {layer.momentum for layer in flat if type(layer).__name__ == "BatchNormalization"}
    assert momenta == {architectures.BATCH_NORM_MOMENTUM}


def test_the_users_own_settings_of_keras_change_nothing(root: Path, tmp_path: Path) -> None:
    (tmp_path / "keras.json").write_text(
        '{"backend": "jax", "floatx": "float16", "epsilon": 0.001, "image_data_format": "channels_first"}'
    )
    program = """
from tests.completed import model
from convscope.models import architectures
from convscope.models.names import MINI_XCEPTIONS, scaled
import keras
built = architectures.build(model(architecture="retail", image_size=16, width=0.1), 2)
formats = [layer.data_format for layer in built.layers if hasattr(layer, "data_format")]
print(keras.config.backend(), keras.config.epsilon(), built.compute_dtype, formats)
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=root,
        env={**os.environ, "KERAS_HOME": str(tmp_path), "KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.strip()
    assert said.startswith("tensorflow 1e-07 float32 ['channels_last'"), said
    assert "channels_first" not in said


@pytest.mark.parametrize("name", ["convnet", "mini_xception", "xception", "retail", "plain"])
def test_an_architecture_of_a_rectangle(name: str) -> None:
    model = architectures.build(model_part(architecture=name, image_size=[80, 112], width=0.1), 3)
    assert model.inputs[0].shape == (None, 80, 112, 3), "height first"
    assert model(np.zeros((1, 80, 112, 3), "float32")).shape == (1, 3)
    with pytest.raises(UserError, match="image_size is 8, too small"):
        architectures.build(model_part(architecture=name, image_size=80) | {"image_size": [80, 8]}, 3)
