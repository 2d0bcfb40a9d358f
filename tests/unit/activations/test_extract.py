"""Activations: values, statistics after the following ReLU, file layout, every channel on the sheet."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.activations.extract import ActivationModel, Answers, ShardWriter, channel_statistics
from convscope.activations.sheets import channel_sheet
from convscope.activations.sparsity import sparsity_by_layer
from convscope.errors import UserError
from convscope.models.layers import layer_table
from convscope.models.spec import ModelSpec
from convscope.storage import store


def model() -> keras.Model:
    keras.utils.set_random_seed(1)
    image = keras.Input((16, 16, 3))
    x = keras.layers.Conv2D(5, 3, name="conv1")(image)
    x = keras.layers.ReLU(name="act1")(x)
    x = keras.layers.MaxPooling2D(name="pool1")(x)
    return keras.Model(image, keras.layers.Conv2D(7, 3, activation="relu", name="conv2")(x))


LAYERS, RELUS = ["conv1", "pool1", "conv2"], ["act1", "", "conv2"]


def test_outputs_are_the_layers_own_and_statistics_follow_the_relu(tmp_path: Path) -> None:
    images = np.random.default_rng(0).normal(size=(5, 16, 16, 3)).astype(np.float32)
    network = model()
    activations = ActivationModel(network, LAYERS, RELUS)
    with store.create(tmp_path / "a.h5", page_aligned=True, layers=LAYERS) as file, ShardWriter(file, 5) as write:
        for start in (0, 2, 4):
            write(activations(images[start : start + 2]))
    expected = keras.Model(network.inputs[0], network.get_layer("conv1").output)(images).numpy()
    with store.open_file(tmp_path / "a.h5") as file:
        conv1 = file["layers/conv1"]
        np.testing.assert_allclose(conv1[()], expected, atol=1e-5)
        assert [dimension.label for dimension in conv1.dims] == ["image", "height", "width", "channel"]
        assert conv1.chunks[0] == 1 and (conv1[()] < 0).any()
        zeros = file["statistics/conv1/zeros"][()]
        np.testing.assert_allclose(zeros, (expected <= 0).mean(axis=(1, 2)), atol=1e-6)
        rows = sparsity_by_layer(file, LAYERS, RELUS)
    assert [row["relu"] for row in rows] == RELUS
    assert rows[0]["zeros"] == pytest.approx((expected <= 0).mean(), abs=1e-6)


def test_float16_clips_instead_of_overflowing(tmp_path: Path) -> None:
    network = model()
    images = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    exact, _ = ActivationModel(network, LAYERS, RELUS)(images * 1e6)
    found = ActivationModel(network, LAYERS, RELUS, "float16")(images * 1e6)
    with store.create(tmp_path / "a.h5", page_aligned=True) as file, ShardWriter(file, 2) as write:
        write(found)
    largest = np.finfo(np.float16).max
    with store.open_file(tmp_path / "a.h5") as file:
        for name in LAYERS:
            stored = file[f"layers/{name}"][()]
            assert stored.dtype == np.float16 and np.abs(exact[name]).max() > largest
            np.testing.assert_allclose(stored, np.clip(exact[name], -largest, largest), rtol=1e-3)
    assert found[1]["conv1"]["maximum"].max() > largest  # measured before the values are cast


def test_float32_hides_no_overflow() -> None:
    images = np.zeros((1, 16, 16, 3), np.float32)
    images[0, 8, 8, 0] = np.inf
    maps, _ = ActivationModel(model(), LAYERS, RELUS)(images)
    assert np.isinf(maps["conv1"]).any()


def answers(**maps: np.ndarray) -> Answers:
    return maps, {name: {k: v.numpy() for k, v in channel_statistics(values).items()} for name, values in maps.items()}


def test_compression_is_kept_where_it_pays(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(1, 32, 32, 8)).astype(np.float32)
    with store.create(tmp_path / "a.h5", page_aligned=True) as file, ShardWriter(file, 1) as write:
        write(answers(noise=noise, sparse=np.where(noise > 1.5, noise, 0)))
        assert file["layers/noise"].compression is None and file["layers/sparse"].compression == "gzip"
        np.testing.assert_array_equal(file["layers/noise"][()], noise)


@pytest.mark.parametrize("channels", [1, 7, 100, 257])
def test_large_maps_are_cut_by_rows_and_read_back_whole(tmp_path: Path, channels: int) -> None:
    maps = np.random.default_rng(1).normal(size=(3, 70, 60, channels)).astype(np.float16)
    for name in ("a.h5", "b.h5"):
        with store.create(tmp_path / name, page_aligned=True) as file, ShardWriter(file, 3) as write:
            write(answers(layer=maps[:2]))
            write(answers(layer=maps[2:]))
    with store.open_file(tmp_path / "a.h5") as file:
        dataset = file["layers/layer"]
        assert (
            int(np.prod(dataset.chunks)) * 2 <= 2**20
            and dataset.chunks[0] == 1
            and dataset.chunks[2:] == (60, channels)
        )
        np.testing.assert_array_equal(dataset[()], maps)
        np.testing.assert_array_equal(dataset[1, :, :, -1], maps[1, :, :, -1])
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def test_dead_channels_are_those_no_image_wakes() -> None:
    maps = np.zeros((3, 4, 4, 3), np.float32)
    maps[1, 0, 0, 1] = 1
    maps[..., 2] = 1
    statistics = {name: values.numpy() for name, values in channel_statistics(maps).items()}
    assert (statistics["zeros"] == 1).all(axis=0).tolist() == [True, False, False]
    assert statistics["maximum"].max(axis=0).tolist() == [0, 1, 1]


@pytest.mark.parametrize("count", [1, 64, 150])
def test_statistics_of_many_batches_lie_in_the_images_order(tmp_path: Path, count: int) -> None:
    maps = np.random.default_rng(2).normal(size=(count, 6, 5, 3)).astype(np.float32)
    with store.create(tmp_path / "a.h5", page_aligned=True) as file, ShardWriter(file, count) as write:
        for start in range(0, count, 7):
            write(answers(layer=maps[start : start + 7]))
    with store.open_file(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["layers/layer"][()], maps)
        np.testing.assert_allclose(file["statistics/layer/mean"][()], maps.mean(axis=(1, 2)), atol=1e-6)
        np.testing.assert_array_equal(file["statistics/layer/maximum"][()], maps.max(axis=(1, 2)))


def test_statistics_agree_whatever_is_known_of_the_maps() -> None:
    maps = np.random.default_rng(3).normal(size=(2, 109, 97, 4)).astype(np.float32)
    maps[:, :, :60, 1] = 0
    rectified = np.maximum(maps, 0)
    unknown = tf.function(channel_statistics, input_signature=[tf.TensorSpec((None, None, None, 4), tf.float32)])
    for values, found in (
        (maps, channel_statistics(maps)),
        (maps, unknown(maps)),
        (rectified, channel_statistics(rectified)),
        (rectified, channel_statistics(rectified, rectified=True)),
    ):
        np.testing.assert_allclose(found["mean"], values.mean(axis=(1, 2), dtype=np.float64), atol=2e-6)
        np.testing.assert_array_equal(found["maximum"], values.max(axis=(1, 2)))
        np.testing.assert_allclose(found["zeros"], (values == 0).mean(axis=(1, 2)), atol=1e-7)


@pytest.mark.parametrize("channels", [5, 16, 728])
def test_every_channel_is_on_the_sheet(channels: int) -> None:
    maps = np.zeros((24, 24, channels), np.float32)
    maps[:12] = 1
    maps[..., 1] = 0
    sheet = channel_sheet(maps)
    rows = -(-channels // 16)
    assert sheet.shape == (rows * 25 + 1, 16 * 25 + 1, 3)
    tiles = [sheet[1 + i // 16 * 25 :, 1 + i % 16 * 25 :][:24, :24] for i in range(channels)]
    shown = [not (tile == tile[0, 0]).all() for tile in tiles]
    assert shown == [index != 1 for index in range(channels)]


def test_a_constant_channel_is_no_nan() -> None:
    with np.errstate(all="raise"):
        channel_sheet(np.full((8, 8, 2), 3.0, np.float32))


def test_unknown_layer_is_named() -> None:
    with pytest.raises(UserError, match="did you mean 'conv2'"):
        ActivationModel(model(), ["conv22"], [""])


def test_shards_join_without_copying(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    parts = []
    for index, count in enumerate((2, 3)):
        path = tmp_path / "shards" / f"{index}.h5"
        with store.create(path, model="m") as file:
            store.write_array(file, "path", [f"ä{index}{i}.jpg" for i in range(count)], ("image",))
            store.write_array(file, "raw", [f"\udcff{index}{i}.jpg" for i in range(count)], ("image",))
            store.write_array(
                file, "layers/c", rng.normal(size=(count, 2, 2, 4)), ("image", "height", "width", "channel")
            )
            store.write_array(file, "fixed", np.arange(3), ("class",))
        parts.append(path)
    for virtual in (True, False):
        whole = tmp_path / f"whole_{virtual}.h5"
        store.concatenate(parts, whole, "image", virtual=virtual)
        with store.open_file(whole) as file, store.open_file(parts[1]) as second:
            assert file["layers/c"].shape == (5, 2, 2, 4) and file.attrs["model"] == "m"
            np.testing.assert_array_equal(file["layers/c"][2:], second["layers/c"][()])
            assert store.read_text(file["path"]) == ["ä00.jpg", "ä01.jpg", "ä10.jpg", "ä11.jpg", "ä12.jpg"]
            assert store.read_text(file["raw"]) == [f"\udcff{name}.jpg" for name in ("00", "01", "10", "11", "12")]
            assert file["fixed"].shape == (3,) and bool(file["layers/c"].is_virtual) is virtual
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    (tmp_path / "shards").rename(moved / "shards")
    (tmp_path / "whole_True.h5").rename(moved / "whole_True.h5")
    with store.open_file(moved / "whole_True.h5") as file:
        assert np.abs(file["layers/c"][()]).min() > 0


def test_one_part_of_every_group_is_joined_under_the_groups_name(tmp_path: Path) -> None:
    for index, count in enumerate((2, 1)):
        with store.create(tmp_path / f"{index}.h5") as file:
            for number, method in enumerate(("one", "two")):
                store.write_array(file, f"maps/{method}", np.full((count, 3), 10 * index + number), ("image", "place"))
            store.write_array(file, "label", np.arange(count), ("image",))
    for virtual in (True, False):
        whole = tmp_path / f"whole_{virtual}.h5"
        store.concatenate([tmp_path / "0.h5", tmp_path / "1.h5"], whole, "image", virtual=virtual, part="two")
        with store.open_file(whole) as file:
            assert set(file) == {"maps", "label"}
            assert file["maps"][:, 0].tolist() == [1, 1, 11] and file["label"][()].tolist() == [0, 1, 0]
            assert [dimension.label for dimension in file["maps"].dims] == ["image", "place"]


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_a_relu_that_is_used_several_times_is_measured_where_it_follows_the_layer(dtype: str) -> None:
    keras.utils.set_random_seed(1)
    image, relu = keras.Input((12, 10, 3)), keras.layers.ReLU(name="relu")
    first = relu(keras.layers.Conv2D(4, 3, name="first")(image))
    normal = keras.layers.BatchNormalization(name="norm")(keras.layers.Conv2D(8, 3, name="second")(first))
    second = relu(normal)
    network = keras.Model(image, keras.layers.GlobalAveragePooling2D()(second))
    rows = layer_table(network, ModelSpec("x", (12, 10)))
    assert [(row.name, row.relu) for row in rows] == [("first", "relu@1"), ("second", "relu")]
    images = np.random.default_rng(0).normal(size=(2, 12, 10, 3)).astype(np.float32)
    _, statistics = ActivationModel(network, [row.name for row in rows], [row.relu for row in rows], dtype)(images)
    for name, expected in zip(("first", "second"), keras.Model(image, [first, second])(images), strict=True):
        maps = expected.numpy()
        np.testing.assert_allclose(statistics[name]["mean"], maps.mean(axis=(1, 2)), atol=1e-5)
        np.testing.assert_allclose(statistics[name]["zeros"], (maps == 0).mean(axis=(1, 2)), atol=1e-6)


@pytest.mark.parametrize(
    "leaky", [keras.layers.ReLU(negative_slope=0.3, name="leaky"), keras.layers.LeakyReLU(name="leaky")]
)
def test_a_leaky_relu_is_no_relu(leaky: keras.layers.Layer) -> None:
    keras.utils.set_random_seed(1)
    image = keras.Input((12, 10, 3))
    network = keras.Model(image, leaky(keras.layers.Conv2D(4, 3, name="conv")(image)))
    (row,) = layer_table(network, ModelSpec("x", (12, 10)))
    images = np.random.default_rng(0).normal(size=(2, 12, 10, 3)).astype(np.float32)
    for relu in (row.relu, "leaky"):
        for dtype in ("float16", "float32"):
            _, statistics = ActivationModel(network, ["conv"], [relu], dtype)(images)
            np.testing.assert_array_equal(statistics["conv"]["zeros"], 0)
    assert row.relu == ""


def test_a_relu_that_the_network_has_not_is_said() -> None:
    with pytest.raises(UserError, match="has no layer 'act2'; did you mean 'act1'"):
        ActivationModel(model(), ["conv1"], ["act2"])
    with pytest.raises(UserError, match="has no layer 'act1@2'"):
        ActivationModel(model(), ["conv1"], ["act1@2"])
