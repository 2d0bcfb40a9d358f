"""What the stage sees of kept epochs is what the network says with their weights, and what is drawn is what was seen."""

import json
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

from convscope.cams.mapper import ClassMapper
from convscope.errors import UserError
from convscope.models.epochs import MEASURED, KeptEpoch
from convscope.models.spec import ModelSpec
from convscope.storage import store
from convscope.watching import strips
from convscope.watching.looks import Looker, spread_rows, stacked
from convscope.watching.settings import ascent_settings, look_settings, with_filters
from convscope.watching.store import read_watch, write_epoch_numbers, write_watch

L = keras.layers
EPOCHS = [1, 2, 5]
ROWS = [{"id": name, "path": f"{name}.png", "class": kind, "sha256": "0"} for name, kind in (("x", "a"), ("y", "b"))]


def network() -> keras.Model:
    keras.utils.set_random_seed(2)
    image = keras.Input((12, 16, 3))
    x = L.BatchNormalization(name="norm")(L.Conv2D(5, 3, activation="relu", name="first")(image))
    x = L.Conv2D(4, 3, activation="relu", name="last")(x)
    return keras.Model(image, L.Dense(1, name="logit")(L.GlobalAveragePooling2D()(x)))


SPEC = ModelSpec("net", (12, 16), scale=(1 / 255,), offset=(0.0,), classes=("a", "b"), head="binary")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 255, (2, 12, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, pixels: np.ndarray) -> Path:
    """A file of three epochs; beside it the answers of a mapper made anew with each epoch's weights."""
    path = tmp_path_factory.mktemp("seen") / "watch.h5"
    model, random = network(), np.random.default_rng(3)
    images, labels = SPEC.preprocess(pixels), np.array([0, -1])
    looker = Looker(model, SPEC, ["gradcam", "cam"], "last", "first")
    assert looker.channels == 5
    maps = keras.Model(model.input, model.get_layer("first").output)(images).numpy()
    assert looker.chosen_channel(images, None) == maps.mean(axis=(0, 1, 2)).argmax()
    looks, anew = [], []
    for _ in EPOCHS:
        model.set_weights([random.uniform(-0.5, 1, weight.shape) for weight in model.get_weights()])
        looks.append(looker(images, labels, "predicted", 3))
        anew.append(ClassMapper(model, SPEC, "last", ["gradcam", "cam"])(images, labels, "predicted"))
        maps = keras.Model(model.input, model.get_layer("first").output)(images).numpy()
        np.testing.assert_allclose(looks[-1].activation, maps[..., 3], rtol=1e-5)
    for look, fresh in zip(looks, anew, strict=True):
        np.testing.assert_allclose(look.probabilities, fresh.probabilities, atol=1e-5)
        for method in ("gradcam", "cam"):
            np.testing.assert_allclose(look.maps[method], fresh.maps[method][:, 0], rtol=1e-3, atol=1e-5)
    kept = [KeptEpoch(epoch, dict.fromkeys(MEASURED, epoch / 10), "") for epoch in EPOCHS]
    facts = {"model": "net", "model_digest": "d", "images_digest": "i", "images": 2, "methods": ["gradcam", "cam"]}
    facts |= {"layer": "last", "class": "predicted", "classes": ["a", "b"], "head": "binary", "best_epoch": 2}
    facts |= {"activation_layer": "first", "activation_channel": 3, "left_out": {}}
    with store.create(path, **facts) as file:
        write_epoch_numbers(file, kept)
        write_watch(file, stacked(looks), ROWS, labels, pixels)
    return path


def test_what_is_written_is_read(seen: Path, pixels: np.ndarray) -> None:
    found = read_watch(seen)
    assert found.epochs == EPOCHS and found.methods == ["gradcam", "cam"] and found.watched.ids == ["x", "y"]
    np.testing.assert_array_equal(found.watched.images, pixels)
    assert [moment.epoch for moment in found.moments] == EPOCHS
    np.testing.assert_array_equal(found.moments[1].maps, found.arrays["maps/gradcam"][1])
    with h5py.File(seen) as file:
        assert [axis.label for axis in file["maps/gradcam"].dims] == ["epoch", "image", "height", "width"]
        assert file["val_loss"][()].tolist() == [0.1, 0.2, 0.5]


def test_what_is_drawn(seen: Path, tmp_path: Path) -> None:
    found = read_watch(seen)
    rows, sheet = strips.draw_seen(tmp_path, found, "jet")
    assert [(row["id"], row["epoch"]) for row in rows] == [(name, epoch) for name in "xy" for epoch in EPOCHS]
    assert [row["correct"] for row in rows[3:]] == [None] * 3, "no truth is known of the second"
    answers = [row["predicted"] for row in rows[:3]]
    assert [row["flipped"] for row in rows[:3]] == [False, answers[0] != answers[1], answers[1] != answers[2]]
    facts = strips.facts_of(found)
    assert facts["rows"] == ["Grad-CAM at last", "CAM at last", "first, channel 3"]
    frames = Image.open(tmp_path / "frames" / "x.jpg")
    # 12 x 16 is enlarged tenfold; a column for the photo and one an epoch, a row a method and one for the channel.
    assert facts["cell"] == [120, 160] and frames.size == (4 * 160, 3 * 120)
    assert Image.open(tmp_path / "animations" / "x.webp").n_frames == 3
    assert json.loads(Image.open(tmp_path / "strips" / "y.png").info["epochs"]) == EPOCHS
    assert sheet.shape[1] > 4 * 160
    again = tmp_path / "again"
    strips.draw_seen(again, found, "jet")
    for path in again.rglob("*.*"):
        assert path.read_bytes() == (tmp_path / path.relative_to(again)).read_bytes(), path


def test_a_set_without_images() -> None:
    model = network()
    images, labels = SPEC.preprocess(np.zeros((0, 12, 16, 3), np.uint8)), np.zeros(0, np.int64)
    looker = Looker(model, SPEC, ["gradcam"], "last", "first")
    channel = looker.chosen_channel(images, None)
    look = looker(images, labels, "predicted", channel)
    assert channel == 0 and look.maps["gradcam"].shape[0] == 0 and look.activation.shape[0] == 0
    assert look.probabilities.shape == (0, 2)


def test_patterns(tmp_path: Path) -> None:
    path = tmp_path / "filters.h5"
    with store.create(path, model="net", layer="conv") as file:
        store.write_array(file, "epoch", np.array(EPOCHS), ("epoch",))
        store.write_array(file, "filter", np.array([0, 7]), ("filter",))
        store.write_array(file, "patterns", np.zeros((3, 2, 20, 20, 3), np.float16), ("epoch", "filter", "h", "w", "c"))
        store.write_array(file, "objective_by_step", np.ones((3, 2, 4)), ("epoch", "filter", "step"))
        dead = np.array([[False, True], [False, False], [False, False]])
        store.write_array(file, "dead", dead, ("epoch", "filter"))
    with store.open_file(path) as file:
        facts = strips.draw_patterns(file, tmp_path / "f.png", tmp_path / "f.jpg")
    assert facts["rows"] == ["filter 0", "filter 7"] and facts["cell"] == [20, 20]
    frames = np.asarray(Image.open(tmp_path / "f.jpg"))
    assert frames.shape == (40, 60, 3)
    assert abs(int(frames[30, 10, 0]) - 238) < 4 and frames[30, 30, 0] < 4, "a dead one is blank"


def test_mistakes() -> None:
    with pytest.raises(UserError, match=r"^watching\.net\.activation\.layer: layer 'logit' has no feature maps"):
        Looker(network(), SPEC, ["gradcam"], "last", "logit")
    looker = Looker(network(), SPEC, ["gradcam"], "last", "last")
    with pytest.raises(
        UserError, match=r"^watching\.net\.activation\.channel: layer 'last' has channels 0\.\.3; channel 4 does"
    ):
        looker.chosen_channel(np.zeros((1, 12, 16, 3), np.float32), 4)
    with pytest.raises(UserError, match=r"^watching\.net: class 'true' needs labels"):
        looker(np.zeros((1, 12, 16, 3), np.float32), np.array([-1]), "true", 0)


def test_rows_and_settings() -> None:
    assert spread_rows(24, 3) == [0, 12, 23] and spread_rows(2, 8) == [0, 1] and spread_rows(0, 8) == []
    part = {
        "images": ["a"],
        "limit": 3,
        "methods": ["cam"],
        "class": "true",
        "activation": {},
        "filters": {"filters": 0},
    }
    assert look_settings(part) == {"limit": 3, "methods": ["cam"], "class": "true", "activation": {}}
    assert ascent_settings({"size": 80, "steps": 40}).stages == [(80, 40)]
    assert not with_filters(part) and with_filters(part | {"filters": {"filters": [0]}})
