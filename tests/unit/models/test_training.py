"""Training: reproducible, resumable after a kill, and the best epoch is the one that is kept."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from convscope.errors import UserError
from convscope.models import architectures, training
from convscope.models.epochs import read_epochs, spread_epochs
from convscope.models.figures import draw_curves
from convscope.models.graphs import weights_digest
from convscope.models.load import load_model
from convscope.storage.files import sha256_of
from tests.completed import model as model_part

ROOT = Path(__file__).parents[3]
SIZE = 32
SETTINGS = model_part(architecture="mini_xception", image_size=SIZE, width=0.1, epochs=4, batch_size=8)


def draw(folder: Path) -> list[list[str]]:
    """Bright upper half against bright lower half, with noise: 24 pictures to train on, 8 to validate."""
    rows = [["split", "class", "label", "path", "width", "height", "sha256"]]
    random = np.random.default_rng(0)
    for split, count in (("train", 24), ("validation", 8)):
        for index in range(count):
            label = index % 2
            pixels = random.integers(0, 120, (SIZE, SIZE, 3))
            pixels[label * SIZE // 2 :][: SIZE // 2] += 100
            path = folder / f"{split}{index}.png"
            Image.fromarray(pixels.astype("uint8")).save(path)
            rows.append([split, "ab"[label], str(label), str(path), str(SIZE), str(SIZE), sha256_of(path)[:16]])
    return rows


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], list[int]]]:
    rows = draw(tmp_path_factory.mktemp("pictures"))[1:]
    return {
        split: ([row[3] for row in rows if row[0] == split], [int(row[2]) for row in rows if row[0] == split])
        for split in ("train", "validation")
    }


def small(settings, classes) -> keras.Model:
    """What a training has to do with, in few layers: TensorFlow compiles the steps of each run anew."""
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(4, 3, strides=2)(keras.layers.Rescaling(1 / 255)(inputs))
    x = keras.layers.ReLU()(keras.layers.BatchNormalization()(x))
    x = keras.layers.Dropout(0.2)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, keras.layers.Dense(1)(x))


def run(splits, settings=SETTINGS, cache: int = training.CACHE_BYTES, build=small, **options):
    keras.utils.set_random_seed(7)
    model = build(settings, 2)
    pictures = [
        training.Pictures(*splits[split], (SIZE, SIZE), "crop", cache_bytes=cache) for split in ("train", "validation")
    ]
    return model, training.train(model, *pictures, settings, seed=7, **options)


def without_seconds(history):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history]


class Killed(Exception):
    pass


def kill_after(epoch: int):
    def after(finished: int) -> None:
        if finished == epoch:
            raise Killed

    return after


def test_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(splits, tmp_path: Path) -> None:
    whole, result = run(splits, build=architectures.build)
    for stop in (1, 3):
        with pytest.raises(Killed):
            run(splits, build=architectures.build, state=tmp_path, tag="same", after_epoch=kill_after(stop))
    resumed, again = run(splits, build=architectures.build, state=tmp_path, tag="same")
    assert without_seconds(again.history) == without_seconds(result.history)
    assert again.best_epoch == result.best_epoch
    for left, right in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert again.kept.epochs(4) == result.kept.epochs(4) == [1, 2, 3, 4]
    for epoch in (1, 2, 3, 4):
        for left, right in zip(result.kept[epoch], again.kept[epoch], strict=True):
            np.testing.assert_array_equal(left, right)


def test_without_the_weights_of_earlier_epochs_it_starts_anew(splits, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(splits, state=tmp_path, tag="same", after_epoch=kill_after(2))
    (tmp_path / "epoch_00001.npz").unlink()
    finished: list[int] = []
    run(splits, state=tmp_path, tag="same", after_epoch=finished.append)
    assert finished == [1, 2, 3, 4]


def test_state_of_other_settings_is_ignored(splits, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(splits, state=tmp_path, tag="old", after_epoch=kill_after(1))
    finished: list[int] = []
    run(splits, SETTINGS | {"epochs": 1}, state=tmp_path, tag="new", after_epoch=finished.append)
    assert finished == [1], "it must start at epoch 1 again"


def test_a_damaged_state_is_ignored(splits, tmp_path: Path) -> None:
    with pytest.raises(Killed):
        run(splits, state=tmp_path, tag="same", after_epoch=kill_after(1))
    state = tmp_path / "training.npz"
    state.write_bytes(state.read_bytes()[:-100])
    finished: list[int] = []
    run(splits, SETTINGS | {"epochs": 1}, state=tmp_path, tag="same", after_epoch=finished.append)
    assert finished == [1]


def test_streaming_gives_what_the_cache_gives(splits) -> None:
    settings = SETTINGS | {"epochs": 1}
    cached, _ = run(splits, settings)
    streamed, _ = run(splits, settings, cache=0)
    for left, right in zip(cached.get_weights(), streamed.get_weights(), strict=True):
        np.testing.assert_array_equal(left, right)


def test_the_best_epoch_is_kept_and_patience_stops(splits, monkeypatch: pytest.MonkeyPatch) -> None:
    weights: list[list[np.ndarray]] = []
    losses = iter([0.9, 0.5, 0.7, 0.6, 0.4])
    original = training._Run.over

    def scripted(self, pictures, order, batch_size, *, learn):
        found = original(self, pictures, order, batch_size, learn=learn)
        if learn:
            weights.append([value.copy() for value in current[0].get_weights()])
            return found
        return next(losses), found[1]

    current: list[keras.Model] = []

    def remember(settings, classes):
        current.append(small(settings, classes))
        return current[0]

    monkeypatch.setattr(training._Run, "over", scripted)
    model, result = run(splits, SETTINGS | {"epochs": 5, "patience": 2}, build=remember)
    assert result.best_epoch == 2 and len(result.history) == 4 and result.best["val_loss"] == 0.5
    for kept, at_two in zip(model.get_weights(), weights[1], strict=True):
        np.testing.assert_array_equal(kept, at_two)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_validation_loss_that_is_no_number_is_not_the_best(
    splits, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, bad: float
) -> None:
    original = training._Run.over

    def scripted(self, pictures, order, batch_size, *, learn):
        found = original(self, pictures, order, batch_size, learn=learn)
        return found if learn else (next(losses), found[1])

    monkeypatch.setattr(training._Run, "over", scripted)
    losses = iter([bad, 0.9, bad, 0.5])
    _, result = run(splits)
    assert (result.best_epoch, result.best["val_loss"]) == (4, 0.5)
    losses = iter([bad, 0.9, 0.5, bad])
    with pytest.raises(Killed):  # also where the first epochs come from a saved state
        run(splits, state=tmp_path, tag="same", after_epoch=kill_after(1))
    _, result = run(splits, state=tmp_path, tag="same")
    assert (result.best_epoch, result.best["val_loss"]) == (3, 0.5)
    losses = iter([bad] * 4)
    with pytest.raises(UserError, match="no number in any of 4 epochs"):
        run(splits)


def test_it_learns(splits) -> None:
    settings = model_part(epochs=40, optimizer="adam", learning_rate=0.01)
    keras.utils.set_random_seed(1)
    inputs = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.AveragePooling2D(8)(keras.layers.Rescaling(1 / 255)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(x)))
    pictures = [training.Pictures(*splits[split], (SIZE, SIZE), "crop") for split in ("train", "validation")]
    result = training.train(model, *pictures, settings, seed=1)
    assert result.best["val_accuracy"] == 1.0 and result.history[0]["loss"] > 2 * result.best["loss"]


def test_more_than_two_classes_and_the_loss_is_the_cross_entropy(splits) -> None:
    inputs = keras.Input((SIZE, SIZE, 3))
    zeros = keras.layers.Dense(3, kernel_initializer="zeros")(keras.layers.GlobalAveragePooling2D()(inputs))
    pictures = [training.Pictures(*splits[split], (SIZE, SIZE), "crop") for split in ("train", "validation")]
    settings = model_part(epochs=1, learning_rate=1e-12)
    result = training.train(keras.Model(inputs, zeros), *pictures, settings, seed=1)
    assert result.best["val_loss"] == pytest.approx(np.log(3), rel=1e-5)


def test_mistakes(splits, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'adam'"):
        run(splits, SETTINGS | {"optimizer": "adan"})
    with pytest.raises(UserError, match="split 'validation' has no pictures"):
        run({"train": splits["train"], "validation": ([], [])})
    with pytest.raises(UserError, match="no such file"):
        training.Pictures([str(tmp_path / "gone.png")], [0], (SIZE, SIZE), "crop")
    with pytest.raises(UserError, match="lower learning_rate"):
        run(splits, SETTINGS | {"learning_rate": 1e38, "epochs": 3})


def test_history_and_curves_are_the_same_bytes_again(tmp_path: Path) -> None:
    rows = [
        {"epoch": e, "loss": 1 / e, "accuracy": 0.5, "val_loss": 1.1 / e, "val_accuracy": 0.4, "seconds": 1.0}
        for e in (1, 2)
    ]
    training.write_history(tmp_path / "history.csv", rows)
    assert (tmp_path / "history.csv").read_text().splitlines()[2] == "2,0.500000,0.500000,0.550000,0.400000,1.0"
    pictures = []
    for name in ("a.png", "b.png"):
        draw_curves(tmp_path / name, "mine", rows, 2)
        pictures.append((tmp_path / name).read_bytes())
    assert pictures[0] == pictures[1] and b"matplotlib" not in pictures[0].lower()


def test_the_tag_depends_on_every_part() -> None:
    assert training.state_tag({"a": 1}, 2) == training.state_tag({"a": 1}, 2)
    assert len({training.state_tag({"a": 1}, 2), training.state_tag({"a": 1}, 3), training.state_tag({"a": 2}, 2)}) == 3


@pytest.mark.slow
def test_kill_9_then_the_same_command_gives_the_files_of_an_uninterrupted_run(tmp_path: Path) -> None:
    (tmp_path / "images.csv").write_text("\n".join(",".join(row) for row in draw(tmp_path)) + "\n")
    (tmp_path / "classes.json").write_text('{"classes": ["a", "b"], "parts": []}')
    settings = json.dumps(SETTINGS | {"epochs": 30})

    def command(name: str) -> list[str]:
        out = tmp_path / name
        files = {"model": "model.keras", "spec": "model.json", "history": "history.csv"}
        files |= {"summary": "summary.txt", "training": "training.json", "epochs": "epochs.h5", "state": "state"}
        outputs = [part for key, file in files.items() for part in (f"--{key}", str(out / file))]
        data = ["--images", str(tmp_path / "images.csv"), "--classes", str(tmp_path / "classes.json")]
        line = [sys.executable, "-m", "scripts.train_model", "--name", "pets", "--settings", settings, "--seed", "3"]
        return line + data + outputs

    process = subprocess.Popen(command("killed"), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    state = tmp_path / "killed/state/training.npz"
    deadline = time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert state.exists() and not (tmp_path / "killed/model.keras").exists(), "it must have been killed in the middle"
    for name in ("killed", "whole"):
        subprocess.run(command(name), cwd=ROOT, check=True, capture_output=True)
    for file in ("model.keras", "model.json", "summary.txt", "training.json", "epochs.h5"):
        assert (tmp_path / "killed" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes(), file
    assert not list(state.parent.iterdir()), "a finished training leaves no state"
    found, best = read_epochs(tmp_path / "whole/epochs.h5")
    assert [entry.epoch for entry in found] == sorted({*spread_epochs(30), best})
    network, _ = load_model(tmp_path / "whole/model.keras", tmp_path / "whole/model.json")
    assert {entry.epoch: entry.digest for entry in found}[best] == weights_digest(network)
