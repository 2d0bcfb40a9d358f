"""The table of layers."""

import os
from pathlib import Path

import keras
import pytest
from keras import layers as kl

from convscope.models.layers import LayerRow, layer_table
from convscope.models.spec import ModelSpec

SHARED = Path(os.environ.get("CONVSCOPE_SHARED", Path(__file__).parents[4] / "shared"))
REAL = SHARED / "models/xception_cats_dogs"


def table(inputs, outputs, size: tuple[int, int] = (32, 48)) -> dict[str, LayerRow]:
    rows = layer_table(keras.Model(inputs, outputs), ModelSpec("x", size))
    return {row.name: row for row in rows}


def test_sizes_kinds_and_relus_of_a_non_square_network() -> None:
    inputs = keras.Input((None, None, 3))
    x = kl.Conv2D(4, (3, 5), name="inside", activation="relu")(inputs)
    x = kl.MaxPooling2D(2, name="pool")(x)
    x = kl.SeparableConv2D(6, 3, name="through_bn", use_bias=False)(x)
    x = kl.BatchNormalization(name="bn")(x)
    x = kl.ReLU(name="relu")(x)
    x = kl.DepthwiseConv2D(3, name="blocked")(x)
    x = kl.AveragePooling2D(2, name="average")(x)
    x = kl.ReLU(name="too_far")(x)
    x = kl.Conv2D(2, 1, name="swish", activation="swish")(x)
    x = kl.ReLU(name="of_swish")(x)
    rows = table(inputs, kl.Dense(2)(kl.GlobalAveragePooling2D(name="gap")(x)))
    assert list(rows) == ["inside", "pool", "through_bn", "blocked", "average", "swish"]
    assert rows["inside"] == LayerRow("inside", "stage1", "Conv2D", 4, "3x5", 30, 44, 4, "inside", "conv")
    assert rows["pool"] == LayerRow("pool", "stage2", "MaxPooling2D", 4, "2x2", 15, 22, 4, "", "pool")
    assert (rows["through_bn"].relu, rows["blocked"].relu, rows["swish"].relu) == ("relu", "", "")
    assert rows["blocked"].filters == 6


def test_shortcuts_by_shape_of_the_graph_not_by_name() -> None:
    inputs = keras.Input((32, 48, 3))
    block = kl.Conv2D(8, 3, strides=2, padding="same", name="c1")(inputs)
    block = kl.Conv2D(8, 1, name="last_of_the_block")(block)
    block = kl.BatchNormalization(name="bn1")(block)
    past = kl.BatchNormalization(name="bn2")(kl.Conv2D(8, 1, strides=2, padding="same", name="past")(inputs))
    rows = table(inputs, kl.Add(name="sum")([block, past]))
    assert {name: row.role for name, row in rows.items()} == {
        "c1": "conv",
        "last_of_the_block": "conv",
        "past": "shortcut",
    }


def test_nested_backbone_is_seen_through() -> None:
    inner = keras.Sequential([keras.Input((None, None, 3)), kl.Conv2D(5, 3, name="block1_conv")], name="inner")
    inputs = keras.Input((32, 48, 3))
    rows = table(inputs, kl.Flatten()(inner(inputs)))
    assert rows["block1_conv"].block == "block1" and (rows["block1_conv"].height, rows["block1_conv"].width) == (30, 46)


def test_a_layer_used_twice_is_one_row() -> None:
    inputs = keras.Input((32, 48, 3))
    conv = kl.Conv2D(3, 3, padding="same", name="twice")
    assert list(table(inputs, conv(conv(inputs)))) == ["twice"]


@pytest.mark.shared
@pytest.mark.skipif(not REAL.is_dir(), reason="the real Xception is not beside the checkout (CONVSCOPE_SHARED)")
def test_the_real_xception_has_40_convolutions_with_27264_filters() -> None:
    import keras_hub

    from convscope.models.names import layers_of

    model = keras_hub.models.ImageClassifier.from_preset(str(REAL))
    rows = layer_table(model, ModelSpec("real", (224, 224)))
    convolutions = [row for row in rows if row.role != "pool"]
    assert len(convolutions) == 40 and sum(row.filters for row in convolutions) == 27264
    assert [row.name for row in rows if row.role == "shortcut"] == [f"block{i}_residual_conv" for i in (2, 3, 4, 13)]
    relu = {row.name: row.relu for row in rows}
    assert relu["block1_conv1"] == "block1_conv1_act" and relu["block14_sepconv2"] == "block14_sepconv2_act"
    assert relu["block2_sepconv1"] == "block2_sepconv2_act" and relu["block2_sepconv2"] == ""
    known = layers_of({"source": "preset", "preset": str(REAL)})
    assert [(k.name, k.block, k.role, k.filters) for k in known] == [(r.name, r.block, r.role, r.filters) for r in rows]


def test_the_activation_inside_counts_whether_a_function_or_a_layer() -> None:
    inputs = keras.Input((32, 48, 3))
    x = kl.ReLU(name="of_leaky")(kl.Conv2D(4, 3, name="leaky", activation=kl.LeakyReLU())(inputs))
    x = kl.Conv2D(4, 3, name="threshold", activation=kl.ReLU(threshold=0.3))(x)
    x = kl.Conv2D(4, 3, name="slope", activation=kl.ReLU(negative_slope=0.3))(x)
    x = keras.ops.maximum(kl.Activation("linear")(kl.Conv2D(4, 3, name="through_linear")(x)), 0)
    rows = table(inputs, x)
    assert {name: row.relu for name, row in rows.items() if name != "through_linear"} == {
        "leaky": "",
        "threshold": "threshold",
        "slope": "",
    }
    assert rows["through_linear"].relu.startswith("maximum")


def test_a_layer_used_twice_is_the_row_of_its_last_call() -> None:
    inputs = keras.Input((32, 48, 3))
    conv = kl.Conv2D(3, 3, name="twice", activation="relu")
    rows = table(inputs, conv(kl.MaxPooling2D(2, name="pool")(conv(inputs))))
    assert list(rows) == ["pool", "twice"]
    assert (rows["twice"].height, rows["twice"].width, rows["twice"].relu) == (13, 21, "twice")


def test_sizes_that_the_graph_does_not_tell_are_found_by_a_run() -> None:
    inputs = keras.Input((32, 48, 3))
    x = kl.EinsumDense("bhwc,cd->bhwd", (None, None, 5))(inputs)
    rows = table(inputs, kl.Conv2D(2, 3, name="conv")(x))
    assert (rows["conv"].height, rows["conv"].width, rows["conv"].channels) == (30, 46, 2)
