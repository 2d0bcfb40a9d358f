"""The written-out trunk is held against Keras before an ascent; broken on purpose, it is found out, named and left."""

import gc
import threading
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.filters import proof
from convscope.filters.kept import KeptBatches
from convscope.filters.keras_graph import KerasTrunk
from convscope.filters.objectives import ChannelObjective
from convscope.filters.presets import AscentSettings, settings_from
from convscope.filters.run import FilterPatterns, ascend, joined
from convscope.filters.trunk_steps import Convolution, Depthwise, Relu
from convscope.models.canonical import canonical
from convscope.models.spec import ModelSpec

layers = keras.layers
SPEC = ModelSpec("small", (32, 32), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3)


def network() -> keras.Model:
    keras.utils.set_random_seed(5)
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="first")(image)
    x = layers.DepthwiseConv2D(3, padding="same", dilation_rate=2, name="second")(x)
    x = layers.ReLU(name="third")(layers.BatchNormalization(name="norm")(x))
    return keras.Model(image, layers.Conv2D(6, 3, name="last")(x))


def settings(**other: Any) -> AscentSettings:
    return settings_from({"preset": "textbook", "size": 32, "steps": 3, "batch": 2, **other})


def climbed(model: keras.Model, lines: list[str], at_once: int = 1, **other: Any) -> FilterPatterns:
    batches: list[FilterPatterns] = []
    reasons: list[str] = []
    wanted = [0, 1, 2, 3]
    found = ascend(
        model, SPEC, "last", wanted, settings(**other), 1, batches.append, (), at_once, lines.append, reasons.append
    )
    assert [line.split(": going on")[0] for line in lines if "going on" in line] == reasons
    assert [part.channels.tolist() for part in batches] == [[0, 1], [2, 3]]
    return found


def by_keras(model: keras.Model, monkeypatch: pytest.MonkeyPatch) -> FilterPatterns:
    with monkeypatch.context() as patch:
        patch.setattr(proof, "_VALUE", -1.0)
        lines: list[str] = []
        found = climbed(model, lines)
    assert "going on with Keras's own graph" in lines[-1]
    return found


def test_a_right_trunk_is_held_against_keras_once_for_each_size(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures: list[tuple[int, ...]] = []
    measured = ChannelObjective.measured

    def counted(self: ChannelObjective, images: Any, *rest: Any) -> Any:
        if tf.executing_eagerly():
            pictures.append(tuple(images.shape))
        return measured(self, images, *rest)

    monkeypatch.setattr(ChannelObjective, "measured", counted)
    lines: list[str] = []
    climbed(network(), lines, coarse_size=20, coarse_steps=2)
    assert [line.split(":")[0] for line in lines] == ["held against Keras at 20 px", "held against Keras at 32 px"]
    assert pictures == [(1, 20, 20, 3), (1, 32, 32, 3)]


def broken(kind: type, method: str, change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = getattr(kind, method)
    monkeypatch.setattr(kind, method, lambda self, *arguments: change(right(self, *arguments)))


BREAKS = {
    "second": (Depthwise, "backward", lambda parts: [parts[0] * 1.2]),
    "first": (Convolution, "forward", lambda maps: maps + 0.1),
    "norm": (Depthwise, "forward", lambda maps: tf.roll(maps, 1, axis=2)),
    "third": (Relu, "backward", lambda parts: [part * 1.3 for part in parts]),
}


@pytest.mark.parametrize("layer", BREAKS)
def test_a_broken_kernel_is_named_and_keras_takes_over(layer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model, lines = network(), []  # type: ignore[var-annotated]
    expected = by_keras(model, monkeypatch)
    broken(*BREAKS[layer], monkeypatch)
    # Side by side, the batch that did not find it out stops, too.
    found = climbed(model, lines, at_once=2 if layer == "first" else 1)
    assert len(lines) == 1 and f"'{layer}'" in lines[0] and "at 32 px" in lines[0] and "Keras's own graph" in lines[0]
    np.testing.assert_array_equal(found.patterns, expected.patterns)
    np.testing.assert_array_equal(found.objective, expected.objective)


def test_no_thread_waits_for_the_comparison_and_none_hands_over_before_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    model, lines, went_on = network(), [], threading.Event()  # type: ignore[var-annotated]
    prove, check = proof.Proof._prove, proof.Proof.check
    comparing: list[int] = []

    def slowly(self: proof.Proof, *arguments: Any) -> None:
        comparing.append(threading.get_ident())
        # Until the other thread has come back from its own first step.
        assert went_on.wait(60)
        prove(self, *arguments)

    def checked(self: proof.Proof, *arguments: Any) -> None:
        check(self, *arguments)
        if comparing and threading.get_ident() not in comparing:
            went_on.set()

    monkeypatch.setattr(proof.Proof, "_prove", slowly)
    monkeypatch.setattr(proof.Proof, "check", checked)
    broken(*BREAKS["second"], monkeypatch)
    # `climbed` holds that no batch of the broken path was handed over.
    climbed(model, lines, at_once=2)
    assert len(lines) == 1 and "'second'" in lines[0]


def test_a_batch_that_went_on_while_only_zeros_were_compared_is_compared_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, lines, finished = network(), [], threading.Event()  # type: ignore[var-annotated]
    # Filters 0 and 1 take a channel alone that never answers: nothing reaches the image, though their weights are not zero.
    norm, last = model.get_layer("norm"), model.get_layer("last")
    norm.beta.assign([-1000.0, *norm.beta.numpy()[1:]])
    kernel, bias = last.get_weights()
    kernel[:, :, 1:, :2] = 0
    last.set_weights([kernel, bias])
    prove, settle = proof.Proof._prove, proof.Proof.settle
    check, comparing = proof.Proof.check, threading.Event()

    def slowly(self: proof.Proof, size: int, pictures: Any, channels: Any, *rest: Any) -> None:
        if channels.numpy()[0] == 0:
            comparing.set()
            # All steps of the other batch are taken meanwhile.
            assert finished.wait(60)
        prove(self, size, pictures, channels, *rest)

    def checked(self: proof.Proof, size: int, pictures: Any, channels: Any, *rest: Any) -> None:
        assert channels.numpy()[0] == 0 or comparing.wait(60)
        check(self, size, pictures, channels, *rest)

    def settled(self: proof.Proof) -> None:
        finished.set()
        settle(self)

    monkeypatch.setattr(proof.Proof, "_prove", slowly)
    monkeypatch.setattr(proof.Proof, "check", checked)
    monkeypatch.setattr(proof.Proof, "settle", settled)
    broken(*BREAKS["second"], monkeypatch)
    ascend(model, SPEC, "last", [0, 1, 2, 3], settings(), 1, None, (), 2, lines.append)
    assert "'second'" in lines[-1] and "Keras's own graph" in lines[-1]


def test_what_keras_takes_over_is_what_a_right_trunk_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    right, slow = climbed(model, []), by_keras(model, monkeypatch)
    np.testing.assert_allclose(slow.objective, right.objective, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(slow.patterns, right.patterns, atol=1e-2)


def test_in_bfloat16_the_same_steps_are_proved_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    climbed(network(), lines, precision="bfloat16")
    assert len(lines) == 1 and "held against Keras at 32 px" in lines[0]
    # Too small a fault to stand out of the rounding of bfloat16.
    broken(Depthwise, "backward", lambda parts: [parts[0] * 1.2], monkeypatch)
    lines.clear()
    climbed(network(), lines, precision="bfloat16")
    assert len(lines) == 1 and "layer 'second'" in lines[0]


def test_a_fault_of_bfloat16_alone_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    broken(
        Relu, "backward", lambda parts: [tf.reverse(part, [1]) if part.dtype == tf.bfloat16 else part for part in parts],
        monkeypatch,
    )  # fmt: skip
    lines: list[str] = []
    climbed(network(), lines, precision="bfloat16")
    assert len(lines) == 1 and "in bfloat16 its gradient is none of Keras's" in lines[0]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_fault_of_one_size_alone_is_found(precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(parts: list[Any]) -> list[Any]:
        return [tf.reverse(part, [1]) if part.shape[1] > 12 else part for part in parts]

    broken(Depthwise, "backward", elsewhere, monkeypatch)
    lines: list[str] = []
    climbed(network(), lines, coarse_size=20, coarse_steps=2, precision=precision)
    assert lines[0].startswith("held against Keras at 20 px: ")
    assert len(lines) == 2 and "at 32 px: going on with Keras's own graph" in lines[1]


def test_in_bfloat16_every_size_is_compared_and_the_smallest_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures: list[tuple[bool, int]] = []
    measured = ChannelObjective.measured

    def counted(self: ChannelObjective, images: Any, *rest: Any) -> Any:
        if tf.executing_eagerly():
            pictures.append((isinstance(self.trunk, KerasTrunk), images.shape[1]))
        return measured(self, images, *rest)

    monkeypatch.setattr(ChannelObjective, "measured", counted)
    climbed(network(), [], coarse_size=20, coarse_steps=2, precision="bfloat16")
    assert pictures == [(True, 20), (False, 20), (True, 32)]


def test_the_exact_weights_go_when_they_are_proved() -> None:
    model = network()
    exact = ChannelObjective(model, "last", 2)
    fast = exact.rounded("bfloat16")
    judge = proof.Proof(model, "last", 2, "bfloat16", lambda line: None, exact)
    held = weakref.ref(exact.trunk)
    del exact
    assert held() is not None
    images = tf.random.uniform((1, 32, 32, 3), seed=1)
    channels, opened = tf.constant([1]), tf.constant([False])
    values, gradient = fast.value_and_gradient(images, channels, opened)
    judge.check(32, lambda rows: images[rows], channels, opened, values, gradient, tf.norm(gradient)[None])
    gc.collect()
    assert held() is None


@pytest.mark.parametrize("activation", ["linear", "relu", "softmax"])
@pytest.mark.parametrize("opened", [True, False])
def test_the_yardstick_measures_as_the_traced_objective_of_keras(activation: str, opened: bool) -> None:
    image = keras.Input((None, None, 3))
    x = layers.SeparableConv2D(6, 3, strides=2, activation="relu", name="first")(image)
    model = keras.Model(image, layers.Conv2D(5, 3, activation=activation, name="last")(x))
    objective = ChannelObjective(model, "last", 2, by_keras=True)
    images = tf.random.normal((1, 23, 23, 3), seed=2)
    arguments = (images, tf.constant([3]), tf.constant([opened]))
    right = tf.function(objective.value_and_gradient, autograph=False)(*arguments)
    found = objective.measured(*arguments)
    np.testing.assert_allclose(found.values, right[0], rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(found.gradient, right[1], rtol=1e-4, atol=1e-6)
    assert found.size >= np.abs(found.values)
    # The gradient that arrives at the layer's input takes Keras's own layers back to the same image's.
    back = objective.trunk.forward(images)[1](found.at_maps)
    np.testing.assert_allclose(back, found.gradient, rtol=1e-5, atol=1e-7)


def test_mobilenet_v3_climbs_right() -> None:
    """Its hard swish adds a constant; batch norm at its start is nearly the identity, and is shaken."""
    keras.utils.set_random_seed(1)
    whole = keras.applications.MobileNetV3Small(weights=None, alpha=0.35, include_top=False, input_shape=(64, 64, 3))
    draw = np.random.default_rng(2)
    for layer in whole.layers:
        if isinstance(layer, layers.BatchNormalization):
            gamma, beta, mean, variance = layer.get_weights()
            layer.set_weights(
                [
                    gamma * draw.uniform(0.5, 1.5, gamma.shape),
                    draw.normal(0, 0.5, beta.shape),
                    draw.normal(0, 0.1, mean.shape),
                    variance * draw.uniform(0.1, 1, variance.shape),
                ]
            )
    model, _ = canonical(whole)
    spec = ModelSpec("mobilenet", (64, 64), scale=(1.0,) * 3, offset=(0.0,) * 3)
    lines: list[str] = []
    few = settings_from({"preset": "textbook", "size": 64, "steps": 2})
    found = ascend(model, spec, "expanded_conv_3_project", [0, 5], few, 1, report=lines.append)
    assert len(lines) == 1 and "held against Keras" in lines[0], lines
    assert (np.diff(found.objective) > 0).all()


def test_a_trunk_that_does_not_run_gives_way_too(monkeypatch: pytest.MonkeyPatch) -> None:
    model, lines = network(), []  # type: ignore[var-annotated]
    expected = by_keras(model, monkeypatch)

    def none(*_: Any) -> Any:
        raise ValueError("shapes do not fit")

    monkeypatch.setattr(Depthwise, "backward", none)
    found = climbed(model, lines, at_once=2)
    assert lines == [
        "ValueError: shapes do not fit, at 32 px: going on with Keras's own graph in float32, which takes longer"
    ]
    np.testing.assert_array_equal(found.patterns, expected.patterns)


def test_a_resumed_ascent_mixes_no_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    expected = by_keras(model, monkeypatch)
    kept = KeptBatches(tmp_path, model="m")
    kept.write(ascend(model, SPEC, "last", [0, 1], settings(), 1))
    broken(*BREAKS["third"], monkeypatch)
    # The batch that is done was found by the trunk that is found out now: all begin again.
    stopped, lines = [2], []  # type: ignore[var-annotated]

    def killed(part: FilterPatterns) -> None:
        if int(part.channels[0]) in stopped:
            raise KeyboardInterrupt
        kept.write(part)

    wanted = [0, 1, 2, 3]
    with pytest.raises(KeyboardInterrupt):
        ascend(model, SPEC, "last", wanted, settings(), 1, killed, [0, 1], 1, lines.append, kept.begin_again)
    again = KeptBatches(tmp_path, model="m")
    assert "layer 'third'" in again.mistrust and [part.channels.tolist() for part in again.read()] == [[0, 1]]
    assert KeptBatches(tmp_path, model="another").mistrust == ""
    # The next run does not ask whether another batch would have passed.
    lines.clear()
    rest = ascend(model, SPEC, "last", wanted, settings(), 1, done=[0, 1], report=lines.append, by_keras=True)
    assert not lines
    found = joined([*again.read(), rest])
    np.testing.assert_array_equal(found.patterns, expected.patterns)


def test_gradients_of_zero_prove_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 1, activation="relu", kernel_initializer="ones", name="first")(image)
    model = keras.Model(image, layers.Conv2D(2, 1, name="last")(x))
    lines: list[str] = []
    judge = proof.Proof(model, "last", 0, "float32", lines.append)
    fast = ChannelObjective(model, "last", 0)
    channels, opened = tf.constant([0, 1]), tf.constant([False, False])

    def check(shade: float, factor: float = 1.0) -> None:
        images = tf.fill((2, 8, 8, 3), shade)
        values, gradient = fast.value_and_gradient(images, channels, opened)
        gradient = gradient * factor
        norms = tf.norm(tf.reshape(gradient, (2, -1)), axis=1)
        judge.check(8, lambda rows: images[rows], channels, opened, values, gradient, norms)

    for _ in range(4):
        check(-1.0)
    assert len(lines) == 2, "two are compared, the others waited out"
    with pytest.raises(proof.Mistrust):
        check(1.0, 1.2)


@pytest.mark.parametrize(
    "last",
    [
        layers.Conv2D(4, 3, activation="relu", name="last"),
        layers.Conv2D(4, 3, activation="softmax", name="last"),
        layers.Conv2D(4, 3, groups=2, activation="gelu", name="last"),
        layers.DepthwiseConv2D(3, activation="relu", depthwise_initializer="ones", name="last"),
        layers.Conv2DTranspose(4, 3, strides=2, activation=layers.LeakyReLU(), name="last"),
    ],
    ids=["relu", "softmax", "groups", "depthwise", "transposed"],
)
@pytest.mark.parametrize("right", [True, False])
def test_layers_with_an_activation_climb_on_both_paths(
    last: keras.layers.Layer, right: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(4, 3, bias_initializer=keras.initializers.Constant(3), name="first")(image)
    model = keras.Model(image, type(last).from_config(last.get_config())(x))
    if not right:
        monkeypatch.setattr(proof, "_VALUE", -1.0)
    lines: list[str] = []
    found = ascend(model, SPEC, "last", [0, 1], settings(size=16, crop=0), 1, report=lines.append)
    assert ("held against" if right else "going on with Keras's") in lines[-1]
    # A filter may stay closed; the others climb.
    gain = found.objective[:, -1] - found.objective[:, 0]
    assert (gain >= 0).all() and gain.any()
