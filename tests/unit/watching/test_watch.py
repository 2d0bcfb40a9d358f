"""A model that is watched learns as if nobody looked, and what is seen is what it says."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from PIL import Image

import convscope
from convscope.errors import UserError
from convscope.storage.tables import read_rows
from convscope.watching import record
from convscope.watching.callback import Watch, chosen_epochs
from convscope.watching.figures import answers
from convscope.watching.live import LiveNetwork

L = keras.layers
CLASSES = ["dark", "light"]


def data(count: int = 48) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(count) % 2
    pictures = rng.integers(0, 120, (count, 24, 32, 3)).astype("float32")
    pictures[labels == 1, 4:12, 6:16] += 100
    return pictures, labels


def network(head: str = "softmax") -> keras.Model:
    """Nested, with batch norms, dropout and augmentation, as people train them."""
    keras.utils.set_random_seed(4)
    inner = keras.Sequential(
        [keras.Input((24, 32, 8)), L.BatchNormalization(name="norm"), L.ReLU(), L.Dropout(0.3)], name="inner"
    )
    image = keras.Input((24, 32, 3))
    x = L.Conv2D(8, 3, padding="same", name="conv")(L.Rescaling(1 / 255)(L.RandomFlip(seed=1)(image)))
    x = L.Conv2D(6, 3, activation="relu", name="last")(inner(x))
    x = L.GlobalAveragePooling2D()(x)
    x = L.Dense(1, activation="sigmoid")(x) if head == "sigmoid" else L.Dense(2, activation="softmax")(x)
    model = keras.Model(image, x, name="net")
    loss = "binary_crossentropy" if head == "sigmoid" else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
    return model


def fitted(callbacks: list[Any], epochs: int = 4, head: str = "softmax") -> keras.Model:
    model = network(head)
    pictures, labels = data()
    model.fit(pictures, labels, batch_size=8, epochs=epochs, verbose=0, shuffle=False, callbacks=callbacks)
    return model


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, keras.Model, dict[int, list[np.ndarray]]]:
    """A watched training: its folder, its model, and the weights after each epoch."""
    folder = tmp_path_factory.mktemp("watched") / "seen"
    kept: dict[int, list[np.ndarray]] = {}
    keep = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: kept.update({epoch + 1: model_of(watch).get_weights()})
    )
    watch = Watch(data(6)[0], folder, epochs=[1, 3, 4], labels=data(6)[1], classes=CLASSES)
    return folder, fitted([watch, keep]), kept


def model_of(watch: Watch) -> keras.Model:
    return watch.model


def test_what_is_seen_is_what_the_model_says(watched: Any) -> None:
    folder, model, kept = watched
    seen, moments = record.read(folder)
    assert (
        [moment.epoch for moment in moments] == [1, 3, 4] and seen.layer == "last" and seen.classes == ("dark", "light")
    )
    pictures = np.rint(data(6)[0])
    final = model.get_weights()
    for moment in moments:
        model.set_weights(kept[moment.epoch])
        np.testing.assert_allclose(moment.probabilities, model.predict(pictures, verbose=0), atol=1e-5)
        same = convscope.explain(model, pictures, classes=CLASSES)
        np.testing.assert_allclose(moment.maps, same.maps, atol=1e-5 * max(same.maps.max(), 1))
        assert moment.logs.keys() == {"accuracy", "loss"}
    assert np.abs(moments[0].probabilities - moments[-1].probabilities).max() > 1e-3, "the test would see nothing"
    model.set_weights(final)


def test_the_training_does_not_notice(watched: Any) -> None:
    for mine, other in zip(watched[1].get_weights(), fitted([]).get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_what_is_drawn(watched: Any) -> None:
    folder, _, _ = watched
    seen, moments = record.read(folder)
    assert len(list((folder / "strips").iterdir())) == 6
    strip = Image.open(folder / "strips" / f"{seen.ids[0]}.png")
    assert strip.size[0] > 4 * 168
    animation = Image.open(folder / "animations" / f"{seen.ids[0]}.webp")
    assert animation.n_frames == 3
    rows = read_rows(folder / "predictions.csv")
    assert (
        len(rows) == 18
        and rows[0]["epoch"] == "1"
        and float(rows[0]["value"]) == pytest.approx(moments[0].probabilities[0].max(), abs=1e-4)
    )


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_weights_follow_without_a_new_trace(head: str) -> None:
    model = network(head)
    live = LiveNetwork(model, {})
    for weight in model.weights:
        weight.assign(np.asarray(weight) + 0.1)
    assert live.refresh() is False
    pictures = data(4)[0]
    fresh = LiveNetwork(model, {})
    np.testing.assert_allclose(live.network(pictures), fresh.network(pictures), atol=1e-6)


def test_a_model_of_several_inputs_is_made_anew_each_time() -> None:
    keras.utils.set_random_seed(1)
    image, meta = keras.Input((24, 32, 3), name="picture"), keras.Input((2,), name="meta")
    x = L.GlobalAveragePooling2D()(L.Conv2D(4, 3, activation="relu", name="conv")(image))
    model = keras.Model([image, meta], L.Dense(2, activation="softmax")(L.Concatenate()([x, meta])))
    live = LiveNetwork(model, {"inputs": {"meta": 0}})
    pictures = data(3)[0]
    for weight in model.weights:
        weight.assign(np.asarray(weight) * 1.5)
    assert live.refresh() is True
    expected = model.predict([pictures, np.zeros((3, 2))], verbose=0)
    np.testing.assert_allclose(live.spec.probabilities(np.asarray(live.network(pictures))), expected, atol=1e-5)


def test_cam_takes_the_heads_weights_of_its_epoch(tmp_path: Path) -> None:
    pictures = data(4)[0]
    model = fitted([Watch(pictures, tmp_path, epochs=[1, 2], method="cam", target="light", classes=CLASSES)], epochs=2)
    _, moments = record.read(tmp_path)
    same = convscope.explain(model, np.rint(pictures), "cam", "light", classes=CLASSES)
    np.testing.assert_allclose(moments[-1].maps, same.maps, atol=1e-5)


def test_flips_and_right_answers_are_told() -> None:
    def moment(epoch: int, first: float) -> record.Moment:
        p = np.array([[first, 1 - first], [0.2, 0.8]], np.float32)
        return record.Moment(epoch, np.zeros((2, 2, 2), np.float32), p.argmax(1), p.argmax(1), p.max(1), p, {})

    seen = record.Watched(
        ["x", "y"], np.zeros((2, 8, 8, 3), np.uint8), np.array([0, -1]), ("a", "b"), "multiclass", "gradcam", "l", ""
    )
    rows = answers(seen, [moment(1, 0.4), moment(5, 0.7)])
    assert [(row["id"], row["predicted"], row["correct"], row["flipped"]) for row in rows] == [
        ("x", "b", False, False),
        ("x", "a", True, True),
        ("y", "b", None, False),
        ("y", "b", None, False),
    ]


def test_another_training_does_not_join_the_folder(watched: Any) -> None:
    folder, _, _ = watched
    with pytest.raises(UserError, match="holds what was seen of other pictures"):
        fitted([Watch(data(4)[0], folder, classes=CLASSES)], epochs=1)


def test_a_training_that_begins_anew_replaces_what_was_seen_and_one_that_goes_on_keeps_it(tmp_path: Path) -> None:
    pictures, labels = data()

    def epochs_after(first: int, last: int, scale: float) -> list[int]:
        model = network()
        model.set_weights([weight * scale for weight in model.get_weights()])
        watch = Watch(pictures[:2], tmp_path, epochs=1, classes=CLASSES)
        model.fit(pictures, labels, batch_size=16, epochs=last, initial_epoch=first, verbose=0, callbacks=[watch])
        return [moment.epoch for moment in record.read(tmp_path)[1]]

    assert epochs_after(0, 3, 1) == [1, 2, 3]
    assert epochs_after(3, 5, 1) == [1, 2, 3, 4, 5]
    assert epochs_after(0, 2, 0.5) == [1, 2], "no strip of two trainings"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"method": "grad_cam"}, "method 'grad_cam' does not exist; did you mean 'gradcam'?"),
        ({"target": "all"}, "one class is explained"),
        ({"colours": 3}, "unknown setting 'colours'"),
        ({"target": "true"}, "needs the true classes"),
        ({"layer": "lst"}, "no layer 'lst'"),
        ({"epochs": 0}, "epochs is 0"),
        ({"epochs": [0, 2]}, "none would be looked at"),
        ({"colormap": "jett"}, "no colour map 'jett'; did you mean 'jet'"),
        ({"labels": [0]}, "one for each of 2 images"),
        ({"labels": [0, 2]}, "-1 to 1"),
    ],
)
def test_mistakes_are_one_line(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said) as caught:
        fitted([Watch(data(2)[0], tmp_path / "w", **given)], epochs=1)
    assert "\n" not in str(caught.value)


def test_epochs_are_spread_as_powers_are() -> None:
    assert sorted(chosen_epochs(None, 5)) == [1, 2, 3, 5] or sorted(chosen_epochs(None, 5)) == [1, 2, 3, 4, 5]
    assert sorted(chosen_epochs(None, 100)) == [1, 2, 4, 7, 14, 27, 52, 100]
    assert sorted(chosen_epochs(4, 10)) == [4, 8, 10] and chosen_epochs([2, 3], 10) == {2, 3}
    assert chosen_epochs(None, 1) == {1}


@pytest.mark.parametrize("first", ["stopper", "watch"])
def test_a_training_that_stops_early_is_looked_at_as_it_stopped(first: str, tmp_path: Path) -> None:
    stopper = keras.callbacks.EarlyStopping("loss", patience=5, min_delta=1e9, restore_best_weights=True)
    said: dict[int, np.ndarray] = {}
    listens = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: (
            logs.update(rate=np.float32(0.5)),
            said.update({epoch + 1: listens.model.predict(data(2)[0], verbose=0)}),
        )
    )
    watch = Watch(data(2)[0], tmp_path / "all", classes=CLASSES)
    named = Watch(data(2)[0], tmp_path / "named", epochs=[1, 50], classes=CLASSES)
    fitted([listens, *([stopper, watch] if first == "stopper" else [watch, stopper]), named], epochs=50)
    moments = record.read(tmp_path / "all")[1]
    assert len(said) == 6 and [moment.epoch for moment in moments] == [1, 2, 3, 5, 6]
    for moment in moments:
        np.testing.assert_allclose(moment.probabilities, said[moment.epoch], atol=1e-5)
        assert moment.logs["rate"] == 0.5
    assert [moment.epoch for moment in record.read(tmp_path / "named")[1]] == [1]


def test_a_model_that_answers_no_number_is_told(tmp_path: Path) -> None:
    broken = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: (
            broken.model.set_weights([weight * np.nan for weight in broken.model.get_weights()]) if epoch == 1 else None
        )
    )
    with pytest.raises(UserError, match=r"^watch: after epoch 2 what the model answers is no number"):
        fitted([broken, Watch(data(2)[0], tmp_path, epochs=1)], epochs=3)
