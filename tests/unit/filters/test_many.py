"""Classes, directions, several filters together, and patterns that are kept apart."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

from convscope.errors import UserError
from convscope.filters import figures
from convscope.filters.many import ManyObjective, Wanted, ascend_many, wanted_of
from convscope.filters.presets import settings_from
from convscope.models.spec import ModelSpec

layers = keras.layers
SPEC = ModelSpec(
    "small", (16, 16), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, classes=("red", "green", "blue"), head="multiclass"
)
SHORT = {"preset": "textbook", "size": 16, "steps": 5, "border": 0, "crop": 0}


def network(flat: bool = False) -> keras.Model:
    """A layer whose channels are the colours, and a class for each."""
    image = keras.Input((16, 16, 3) if flat else (None, None, 3))
    x = layers.Conv2D(3, 1, name="colours")(image)
    x = layers.Flatten()(x) if flat else layers.GlobalAveragePooling2D()(x)
    net = keras.Model(image, layers.Dense(3, name="head")(x))
    net.get_layer("colours").set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32)])
    if not flat:
        net.get_layer("head").set_weights([np.eye(3, dtype=np.float32), np.zeros(3, np.float32)])
    return net


def colours(net: keras.Model, wanted: Wanted, **settings: object) -> np.ndarray:
    """How far each pattern's mean colour is from its start."""
    found, _ = ascend_many(net, SPEC, "it", wanted, settings_from({**SHORT, **settings}), 3)
    assert not found.dead.any() and (found.objective[:, -1] > found.objective[:, 0]).all()
    return found.patterns.mean(axis=(1, 2)) - 0.5


def asked(part: dict, direction: list[float] | None = None, spec: ModelSpec = SPEC) -> Wanted:  # type: ignore[type-arg]
    return wanted_of(network(), spec, "it", {"patterns": 1, "diversity": 1, **part}, direction)


def test_a_class_is_maximised_by_its_logit() -> None:
    wanted = asked({"class": "blue"})
    assert wanted.layer == "" and wanted.weights.tolist() == [[0, 0, 1]] and wanted.labels == ["blue"]
    red, green, blue = colours(network(), wanted)[0]
    assert blue > 0.1 and abs(red) < 0.02 > abs(green)
    binary = ModelSpec("two", (16, 16), classes=("cat", "dog"), head="binary")
    assert asked({"class": "cat"}, spec=binary).weights.tolist() == [[-1]]
    assert asked({"class": "dog"}, spec=binary).weights.tolist() == [[1]]


def test_a_direction_and_a_sum_of_filters_with_weights() -> None:
    up_and_down = colours(network(), asked({"layer": "colours", "direction": [1, 0, -1]}, [1, 0, -1]))[0]
    assert up_and_down[0] > 0.1 and up_and_down[2] < -0.1
    both = asked({"layer": "colours", "filters": [0, 2], "weights": [1, -1]})
    np.testing.assert_allclose(colours(network(), both)[0], up_and_down, atol=1e-6)
    assert both.labels == ["0 + -1 x 2"]


def test_between_two_filters_all_begin_alike_and_go_over_into_each_other() -> None:
    wanted = asked({"layer": "colours", "filters": [0, 1], "between": 3})
    assert wanted.weights.tolist() == [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0]]
    assert wanted.labels == ["0 100% 1 0%", "0 50% 1 50%", "0 0% 1 100%"]
    found = colours(network(), wanted)
    assert found[0, 0] > found[1, 0] > found[2, 0] and found[0, 1] < found[1, 1] < found[2, 1]
    # The same noise to start with: only what was climbed differs.
    start = ascend_many(network(), SPEC, "it", wanted, settings_from({**SHORT, "steps": 1, "step_length": 1e-6}), 3)[
        0
    ].patterns
    np.testing.assert_allclose(start[0], start[2], atol=1e-4)


def test_as_many_between_two_as_may_be_asked_for_begin_alike() -> None:
    """More than are in memory together; between a filter and itself all are one picture."""
    wanted = asked({"layer": "colours", "filters": [0, 0], "between": 16})
    for preset in ("textbook", "sharp"):
        settings = settings_from({**SHORT, "preset": preset, "steps": 2, "coarse_steps": 0})
        found = ascend_many(network(), SPEC, "it", wanted, settings, 3)[0]
        assert found.channels.tolist() == list(range(16))
        np.testing.assert_allclose(found.patterns, np.broadcast_to(found.patterns[0], found.patterns.shape), atol=1e-4)


def test_patterns_that_are_kept_apart_are_less_alike() -> None:
    """One direction, three channels that it does not care about."""
    image = keras.Input((16, 16, 3))
    layer = layers.Conv2D(6, 3, padding="same", activation="relu", name="wide")
    net = keras.Model(image, layers.GlobalAveragePooling2D()(layer(image)))
    keras.utils.set_random_seed(2)
    layer.set_weights([np.random.default_rng(0).normal(size=(3, 3, 3, 6)).astype(np.float32), np.zeros(6, np.float32)])
    part = {"layer": "wide", "filters": [0, 1, 2, 3], "patterns": 3}

    def alike(diversity: float) -> float:
        wanted = wanted_of(net, SPEC, "it", {**part, "diversity": diversity}, None)
        assert wanted.labels[2].endswith(", 3")
        found, _ = ascend_many(
            net, SPEC, "it", wanted, settings_from({**SHORT, "preset": "sharp", "steps": 8, "coarse_steps": 0}), 3
        )
        maps = np.asarray(layer(found.patterns))
        grams = np.stack([m.reshape(-1, 6).T @ m.reshape(-1, 6) for m in maps]).reshape(3, -1)
        unit = grams / np.linalg.norm(grams, axis=1, keepdims=True)
        return float((unit @ unit.T)[np.triu_indices(3, 1)].mean())

    assert alike(3.0) < alike(0.0) - 0.02


def test_the_penalty_by_hand() -> None:
    """Of two patterns with the same Gram matrix each loses its share; of two that have nothing in common, none."""
    wanted = Wanted("colours", np.array([[1, 1, 1], [1, 1, 1]], np.float32), ["a", "b"], diversity=0.25)
    objective = ManyObjective(network(), wanted, 0)
    images = np.zeros((2, 4, 4, 3), np.float32)
    images[:, :, :, 0] = 3
    opened = np.zeros(2, bool)
    np.testing.assert_allclose(objective(images, np.arange(2), opened), [3 * 0.75] * 2, rtol=1e-5)
    images[1] = np.roll(images[1], 1, axis=-1)
    np.testing.assert_allclose(objective(images, np.arange(2), opened), [3, 3], rtol=1e-5)


def test_maps_that_are_all_zero_have_a_gradient_of_numbers() -> None:
    """On JAX: there nothing times the infinite slope of a root is no number."""
    wanted = Wanted("colours", np.ones((3, 3), np.float32), ["a", "b", "c"], diversity=1.0)
    objective = ManyObjective(network(), wanted, 0)
    images = np.ones((3, 4, 4, 3), np.float32)
    images[0] = 0
    _, gradient = objective.value_and_gradient(
        ops.convert_to_tensor(images), ops.convert_to_tensor(np.arange(3, dtype=np.int32)), ops.zeros(3, "bool")
    )
    assert np.isfinite(np.asarray(gradient)).all()


def test_the_ends_between_two_filters_are_the_filters_own_patterns() -> None:
    asked_for = settings_from({**SHORT, "preset": "sharp", "steps": 3, "coarse_steps": 0})
    between = asked({"layer": "colours", "filters": [0, 1], "between": 3})
    several = ascend_many(network(), SPEC, "it", between, asked_for, 3)[0].patterns
    for place, unit in ((0, 0), (2, 1)):
        alone = ascend_many(network(), SPEC, "it", asked({"layer": "colours", "filters": [unit]}), asked_for, 3)[0]
        np.testing.assert_allclose(several[place], alone.patterns[0], atol=1e-4)


def test_a_network_that_takes_one_size_is_shown_that() -> None:
    net = network(flat=True)
    _, settings = ascend_many(
        net, SPEC, "it", asked({"class": "red"}), settings_from({**SHORT, "size": 32, "crop": 4}), 3
    )
    assert (settings.size, settings.crop, settings.step_length) == (16, 2, pytest.approx(10 * 16 / 200))
    wide = ManyObjective(net, asked({"class": "red"}), 0)
    with pytest.raises(UserError, match="takes no image of 32x32"):
        wide.map_size(32)


@pytest.mark.parametrize(
    ("part", "direction", "message"),
    [
        ({"class": "rad"}, None, "no class 'rad'; .*red"),
        ({"layer": "colours", "filters": [3]}, None, "filters 0..2; filter 3 does not exist"),
        ({"layer": "colours", "direction": [1]}, [1], "1 numbers; layer 'colours' has 3 channels"),
        (
            {"layer": "colours", "direction": "a.csv"},
            [1, float("nan"), 0],
            "its numbers have to be finite, and not all 0",
        ),
        ({"layer": "colours", "direction": [0, 0, 0]}, [0, 0, 0], "its numbers have to be finite, and not all 0"),
        ({"layer": "colours", "filters": [0, 1], "weights": [1]}, None, "1 weights of 2 filters"),
        ({"layer": "colours", "filters": [0], "between": 3}, None, "nothing between 1 filters"),
        ({"layer": "colors", "filters": [0]}, None, "no layer 'colors'"),
    ],
)
def test_mistakes_are_named(part: dict, direction: list[float] | None, message: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UserError, match=message):
        asked(part, direction)
    with pytest.raises(UserError, match="has no head"):
        asked({"class": "x"}, spec=ModelSpec("bare", (16, 16)))


def test_labels_of_patterns_side_by_side_are_broken_and_lie_beside_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ImageNet's names and sums of many filters are longer than a pattern is wide."""
    kept: list[Any] = []
    save = figures.save_figure
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: kept.append(figure) or save(figure, path))  # type: ignore[func-returns-value]
    labels = ["great white shark, white shark, man-eater, man-eating shark", " + ".join(map(str, range(64))), "c"]
    figures.labelled_patterns(tmp_path / "p.png", "net: it", [np.zeros((9, 9, 3), np.uint8)] * 3, labels)
    boxes = [axis.xaxis.label.get_window_extent() for axis in kept[0].axes]
    width, _ = kept[0].bbox.size
    assert boxes[0].x0 >= 0 and boxes[0].x1 < boxes[1].x0 and boxes[1].x1 < boxes[2].x0 and boxes[2].x1 <= width
    assert all(box.y0 >= 0 for box in boxes) and kept[0].axes[1].xaxis.label.get_text().endswith("\u2026")
