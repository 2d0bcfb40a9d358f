"""Patterns of found concepts: what rises is the amount of one, and not that of the others that share its channels."""

import dataclasses
from pathlib import Path

import keras
import numpy as np

from convscope.filters.many import tokens_beside
from convscope.filters.presets import settings_from
from convscope.models.graphs import flatten
from convscope.models.spec import ModelSpec
from convscope.storage import store
from convscope.vectors.factors import amounts
from convscope.vectors.figures import CELL, patterns_drawn
from convscope.vectors.patterns import amounts_in, patterns_of, towards, write_patterns

SETTINGS = dataclasses.replace(settings_from({"preset": "textbook"}), size=24, steps=20, crop=0, border=0)


def test_what_is_ascended_is_the_amount() -> None:
    """Against what is counted in pictures, by another algorithm."""
    random = np.random.default_rng(0)
    parts = random.random((4, 9)).astype(np.float32)
    parts /= np.linalg.norm(parts, axis=1, keepdims=True)
    wanted = random.random((5, 6, 4)).astype(np.float32) + 0.5
    maps = wanted @ parts
    np.testing.assert_allclose(maps @ towards(parts).T, wanted, rtol=1e-4)
    np.testing.assert_allclose(maps @ towards(parts).T, amounts(maps, parts), rtol=1e-2)
    # The answers along the part itself, instead: mostly of the others.
    assert np.corrcoef((maps @ parts.T)[..., 0].ravel(), wanted[..., 0].ravel())[0, 1] < 0.9


def test_parts_without_common_channels_are_their_own_directions() -> None:
    parts = np.array([[0.6, 0.8, 0, 0], [0, 0, 1, 0]], np.float32)
    np.testing.assert_allclose(towards(parts), parts, atol=1e-6)


def test_parts_that_are_nearly_one_share_a_direction() -> None:
    """Their difference is noise; divided by it, the direction would be that noise alone."""
    parts = np.array([[1, 0, 0], [1, 1e-4, 0]], np.float32)
    first, second = towards(parts)
    np.testing.assert_allclose(first, second, atol=1e-3)
    assert np.abs(first).max() < 1


def planted() -> tuple[keras.Model, ModelSpec]:
    """A layer whose channels are the colours, behind a ReLU."""
    image = keras.Input((None, None, 3))
    weights = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)[None, None]
    layer = keras.layers.Conv2D(3, 1, use_bias=False, activation="relu", name="colours")
    maps = layer(image)
    layer.set_weights([weights])
    answer = keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling2D()(maps))
    spec = ModelSpec(
        "planted", (24, 24), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, classes=("a", "b"), head="multiclass"
    )
    return keras.Model(image, answer), spec


def test_the_pattern_of_what_two_parts_do_not_share() -> None:
    """Both are mostly red; one has some green, the other some blue. Each pattern is of its own colour, and not redder than grey."""
    network, spec = planted()
    parts = np.array([[0.9, 0.44, 0], [0.9, 0, 0.44]], np.float32)
    parts /= np.linalg.norm(parts, axis=1, keepdims=True)
    seen: list[int] = []
    found, used = patterns_of(network, spec, "colours", parts, SETTINGS, 1, seen.append)
    assert used == SETTINGS
    assert sum(seen) == 2 and not found.dead.any()
    mean = found.patterns.mean(axis=(1, 2))
    assert mean[0, 1] > mean[0, 2] + 0.1 and mean[1, 2] > mean[1, 1] + 0.1
    assert (found.objective[:, -1] > found.objective[:, 0]).all()


def test_a_layer_that_takes_one_size_is_shown_that_and_drawn_whole(tmp_path: Path) -> None:
    """What is cut from the sides is a share of the size that the pattern has, not of the one that was asked for."""
    network, spec = planted()
    image = keras.Input((24, 24, 3))
    fixed = keras.Model(image, network(keras.layers.Reshape((24, 24, 3))(keras.layers.Flatten()(image))))
    textbook = settings_from({"preset": "textbook", "steps": 2})
    found, used = patterns_of(flatten(fixed), spec, "colours", np.eye(3, dtype=np.float32)[:1], textbook, 1)
    assert found.patterns.shape == (1, 24, 24, 3) and (used.size, used.crop) == (24, 3)
    with store.create(tmp_path / "patterns.h5", settings=textbook.as_dict()) as file:
        write_patterns(file.create_group("a"), found, used, np.ones(1), np.zeros(1))
    with store.open_file(tmp_path / "patterns.h5") as file:
        (drawn,) = patterns_drawn(file, "a", spec.reads)
    assert drawn is not None and drawn.shape == (CELL, CELL, 3)


def test_a_pattern_that_nothing_moved_is_not_drawn(tmp_path: Path) -> None:
    network, spec = planted()
    parts = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    weights = network.get_layer("colours").get_weights()[0]
    weights[..., 2] = 0  # the third channel answers nothing
    network.get_layer("colours").set_weights([weights])
    found, used = patterns_of(network, spec, "colours", parts, SETTINGS, 1)
    assert found.dead.tolist() == [False, True]
    with store.create(tmp_path / "patterns.h5") as file:
        failed = write_patterns(file.create_group("a"), found, used, np.array([0.3, 0]), np.zeros(2))
        assert failed.tolist() == [False, True]
    with store.open_file(tmp_path / "patterns.h5") as file:
        first, second = patterns_drawn(file, "a", spec.reads)
        assert patterns_drawn(file, "another", spec.reads) == patterns_drawn(None, "a", spec.reads) == []
    assert first is not None and second is None


def test_what_a_pattern_has_is_counted_as_in_pictures(tmp_path: Path) -> None:
    """The amount that is ascended also rises where others fall below 0: a pattern may have less of its concept than pictures have."""
    network, spec = planted()
    parts = np.random.default_rng(1).random((3, 3)).astype(np.float32)
    found, used = patterns_of(network, spec, "colours", parts, SETTINGS, 1)
    had = amounts_in(network, spec, "colours", parts, found.patterns)
    maps = np.maximum(found.patterns, 0)  # the layer's answers are the colours above grey
    np.testing.assert_allclose(had, amounts(maps, parts).mean(axis=(1, 2)), rtol=1e-3, atol=1e-4)
    assert (had >= 0).all()
    own = np.diag(had)
    with store.create(tmp_path / "patterns.h5") as file:
        assert write_patterns(file.create_group("a"), found, used, own, own * [1, 1.1, 0.9]).tolist() == [0, 1, 0]
    with store.open_file(tmp_path / "patterns.h5") as file:
        assert [each is None for each in patterns_drawn(file, "a", spec.reads)] == [False, True, False]


def test_a_pattern_of_which_no_number_tells_what_it_has_fails_and_so_does_one_that_has_nothing(tmp_path: Path) -> None:
    network, spec = planted()
    found, used = patterns_of(network, spec, "colours", np.eye(3, dtype=np.float32), SETTINGS, 1)
    found.patterns[0, 3, 3] = np.nan
    own = np.diag(amounts_in(network, spec, "colours", np.eye(3, dtype=np.float32), found.patterns)).copy()
    assert np.isnan(own[0]) and own[2] > 0
    own[1] = 0
    with store.create(tmp_path / "patterns.h5") as file:
        assert write_patterns(file.create_group("a"), found, used, own, np.zeros(3)).tolist() == [True, True, False]


def test_of_tokens_the_mean_is_what_rises() -> None:
    """Where patches are tokens and a ReLU is behind them concepts are found, too."""
    image = keras.Input((24, 24, 3))
    weights = np.repeat(np.eye(3, dtype=np.float32)[None, None] / 16, 4, axis=0).repeat(4, axis=1)
    patches = keras.layers.Conv2D(3, 4, 4, use_bias=False, name="patches")
    tokens = keras.layers.ReLU(name="tokens")(keras.layers.Reshape((36, 3))(patches(image)))
    patches.set_weights([weights])
    answer = keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling1D()(tokens))
    spec = planted()[1]
    found, _ = patterns_of(keras.Model(image, answer), spec, "tokens", np.eye(3, dtype=np.float32)[:2], SETTINGS, 1)
    assert not found.dead.any() and (found.objective[:, -1] > found.objective[:, 0]).all()
    mean = found.patterns.mean(axis=(1, 2))
    assert mean[0].argmax() == 0 and mean[1].argmax() == 1


class WithClassToken(keras.layers.Layer):
    """A token in front that begins as nothing: what it has of the picture it reads later."""

    def call(self, tokens):  # type: ignore[no-untyped-def]
        return keras.ops.pad(tokens, [[0, 0], [1, 0], [0, 0]])

    def compute_output_shape(self, shape):  # type: ignore[no-untyped-def]
        return shape[0], shape[1] + 1, shape[2]


class Reading(keras.layers.Layer):
    """A class token that takes a hundred times the mean of the others with its channels turned round, as attention may."""

    def call(self, tokens):  # type: ignore[no-untyped-def]
        mean = keras.ops.mean(tokens[:, 1:], axis=1, keepdims=True)
        return keras.ops.concatenate([100 * keras.ops.flip(mean, axis=-1), tokens[:, 1:]], axis=1)

    def compute_output_shape(self, shape):  # type: ignore[no-untyped-def]
        return shape


def test_the_token_of_the_class_is_no_place() -> None:
    """What is found is of the picture's places; a class token would have the pattern show something else."""
    image = keras.Input((24, 24, 3))
    weights = np.repeat(np.eye(3, dtype=np.float32)[None, None] / 16, 4, axis=0).repeat(4, axis=1)
    patches = keras.layers.Conv2D(3, 4, 4, use_bias=False, name="patches")
    every = WithClassToken(name="with_class")(keras.layers.Reshape((36, 3))(patches(image)))
    tokens = keras.layers.ReLU(name="tokens")(Reading(name="reading")(every))
    patches.set_weights([weights])
    answer = keras.layers.Dense(2, name="logits")(keras.layers.GlobalAveragePooling1D()(tokens))
    network, spec = keras.Model(image, answer), planted()[1]
    assert tokens_beside(network, spec, "tokens") == (1, 0) and tokens_beside(network, spec, "patches") == (0, 0)
    found, _ = patterns_of(network, spec, "tokens", np.eye(3, dtype=np.float32)[:1], SETTINGS, 1)
    assert found.patterns.mean(axis=(1, 2))[0].argmax() == 0
    # The mean over places of the first channel, of red.
    np.testing.assert_allclose(found.objective[0, -1], np.maximum(found.patterns[0, ..., 0].mean(), 0), rtol=0.05)
