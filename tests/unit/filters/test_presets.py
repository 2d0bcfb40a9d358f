"""Fourier images, smoothed and adaptive steps, random moves, strength of filters, kept batches, and the presets."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.errors import UserError
from convscope.filters import steps
from convscope.filters.kept import KeptBatches
from convscope.filters.parameterisations import Fourier, Pixels, _planes, filter_generator
from convscope.filters.presets import (
    PRESETS,
    filters_a_batch,
    for_preset,
    pattern_settings,
    preset_names,
    resolved_precision,
    settings_from,
    without_effect,
)
from convscope.filters.run import FilterPatterns, _falling, ascend
from convscope.filters.steps import Adam, Rings, rings, smoothed
from convscope.filters.strength import dead_by_weights, filter_strength
from convscope.filters.transforms import Robustness, moved
from convscope.models.spec import ModelSpec

layers = keras.layers
SPEC = ModelSpec("small", (48, 48), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3)


def network() -> keras.Model:
    keras.utils.set_random_seed(5)
    image = keras.Input((None, None, 3))
    x = layers.Conv2D(16, 5, activation="relu", name="first")(image)
    x = layers.Conv2D(6, 3, use_bias=False, name="second")(layers.MaxPooling2D()(x))
    return keras.Model(image, layers.BatchNormalization(name="norm")(x))


@pytest.mark.parametrize("size", [16, 17])
def test_fourier_images_have_the_asked_size_and_one_amplitude_makes_one_wave(size: int) -> None:
    image = Fourier()
    start = image.begin([filter_generator(1, "conv", 0)], size)
    assert image.images(start, size).shape == (1, size, size, 3)
    wave = np.zeros_like(start)
    wave[0, 0, 0, 2, 0] = 0.01
    shown = image.images(tf.constant(wave), size).numpy()[0, :, :, 0]
    columns = np.arange(size)
    expected = np.cos(2 * np.pi * 2 * columns / (size + size % 2))
    assert np.corrcoef(shown[0], expected)[0, 1] > 0.999 and np.allclose(shown, shown[:1])


def test_no_frequency_is_louder_than_its_share() -> None:
    """Random amplitudes of one size give a picture whose spectrum falls as one over the frequency."""
    image = Fourier(0.01)
    start = image.begin([filter_generator(1, "conv", channel) for channel in range(48)], 64)
    waves = np.abs(np.fft.fft2(image.images(start, 64).numpy().mean(axis=3)))[:, 0]
    assert np.median(waves[:, 2]) / np.median(waves[:, 16]) == pytest.approx(8, rel=0.35)


def test_a_grown_fourier_image_is_the_same_picture() -> None:
    image = Fourier(0.02)
    start = tf.constant(image.begin([filter_generator(3, "conv", 0)], 16))
    small = image.images(start, 16).numpy()[0]
    grown = image.images(image.grow(start, 16, 32), 32).numpy()[0]
    assert np.corrcoef(small.ravel(), grown[::2, ::2].ravel())[0, 1] > 0.98
    assert grown.std() == pytest.approx(small.std(), rel=0.1)
    assert image.images(
        image.grow(tf.constant(image.begin([filter_generator(3, "conv", 0)], 15)), 15, 22), 22
    ).shape == ((1, 22, 22, 3))


def test_smoothing_divides_each_frequency() -> None:
    places = np.arange(32)
    slow, quick = (np.cos(2 * np.pi * cycles * places / 32) for cycles in (2, 8))
    gradient = np.tile((slow + quick)[None, None, :, None], (1, 32, 1, 3)).astype(np.float32)
    spectrum = np.abs(np.fft.rfft(smoothed(tf.constant(gradient), 1.0).numpy()[0, 0, :, 0]))
    assert spectrum[2] / spectrum[8] == pytest.approx(4, rel=1e-3)


def test_the_first_adaptive_step_is_the_rate_whatever_the_gradient() -> None:
    rule = Adam(0.05)
    gradient = tf.constant([[3.0, -0.001, 0.0]])
    step, memory = rule.move(rule.begin(gradient), gradient)
    np.testing.assert_allclose(step.numpy(), [[0.05, -0.05, 0.0]], atol=1e-5)
    assert rule.move(memory, gradient)[0].numpy()[0, 0] == pytest.approx(0.05, rel=1e-3)


@pytest.mark.parametrize("side", [8, 9])
def test_rings_are_whole_cycles_an_image(side: int) -> None:
    found = rings(side, (side + side % 2) // 2 + 1)
    assert found[0].tolist() == list(range((side + side % 2) // 2 + 1))
    assert found[1, 1] == 1 and found[-1, 1] == 1 and found[2, 2] == 3 and found[3, 4] == found[-3, 4] == 5
    assert found[side // 2, 0] == side // 2


def test_amplitudes_of_one_ring_are_measured_together_and_those_of_others_apart() -> None:
    gradient = np.random.default_rng(3).normal(size=(2, 3, 8, 5, 2)).astype(np.float32)
    gradient[:, :, 0, 2] *= 100
    gradient[1, 2] = 0
    rule = Rings(0.1)
    step = rule.move(rule.begin(gradient), tf.constant(gradient), 0.5)[0].numpy()
    ring = rings(8, 5)
    for sample in range(2):
        for number in range(ring.max() + 1):
            of_ring = gradient[sample][:, ring == number]
            own = np.square(of_ring).mean(axis=(1, 2))
            between = np.sqrt(own * own.mean())[:, None, None]
            expected = 0.05 * of_ring / np.maximum(np.sqrt(between), 1e-30)
            np.testing.assert_allclose(step[sample][:, ring == number], expected, rtol=1e-4, atol=1e-7)
    assert not rule.move(rule.begin(gradient), tf.zeros_like(gradient))[0].numpy().any()


def test_a_ring_forgets_half_of_the_last_gradient() -> None:
    rule, ones = Rings(0.1), tf.ones((1, 1, 4, 3, 2))
    _, memory = rule.move(rule.begin(ones), ones)
    step, _ = rule.move(memory, -ones)
    # Means without the start's zeros: of the gradient (0.5 * 0.5 - 0.5) / 0.75, of its square 1.
    np.testing.assert_allclose(step.numpy(), -0.1 / 3, rtol=1e-4)


@pytest.mark.parametrize(("size", "depth", "colours"), [(32, 3, 3), (33, 3, 3), (32, 1, 0)])
def test_a_held_image_has_its_contrast_and_its_form(size: int, depth: int, colours: int) -> None:
    """Whatever it had before; an image that is its own mirror in frequency, as gradients leave it."""
    image = Fourier(0.02, depth, colours, contrast=0.6)
    planes = np.random.default_rng(1).normal(size=(2, depth, size, size + size % 2)) * [[[[1.0]]], [[[9.0]]]]
    spectrum = np.fft.rfft2(planes)
    variables = np.stack([spectrum.real, spectrum.imag], axis=-1).astype(np.float32) * 1e-6
    found = image.images(image.held(tf.constant(variables), size), size).numpy().astype(np.float64)
    logits = np.log((1 + found) / (1 - found))
    deviation = np.sqrt(logits.var(axis=(1, 2)).mean(axis=1))
    np.testing.assert_allclose(deviation, 0.6, rtol=0.02 if size % 2 else 1e-3)
    before = image.images(tf.constant(variables), size).numpy()
    assert np.corrcoef(logits[0].ravel(), before[0].ravel())[0, 1] > 0.999
    np.testing.assert_array_equal(Fourier().held(variables, size), variables)
    assert not image.held(tf.zeros_like(variables), size).numpy().any()


def test_the_rate_and_the_moves_fall_evenly() -> None:
    np.testing.assert_allclose(_falling(0.2, 5), [1, 0.8, 0.6, 0.4, 0.2, 0.2])
    assert _falling(0.2, 1).tolist() == pytest.approx([1, 0.2]) and _falling(1, 3).tolist() == [1] * 4


def test_moves_shift_zoom_and_turn_about_the_centre() -> None:
    picture = np.random.default_rng(0).normal(size=(1, 21, 21, 3)).astype(np.float32)
    still = np.zeros((1, 4), np.float32)
    np.testing.assert_allclose(moved(picture, still).numpy(), picture, atol=1e-5)
    shifted = moved(picture, np.array([[2 / 21, 3 / 21, 0, 0]], np.float32)).numpy()
    np.testing.assert_allclose(shifted[0, :19, :18], picture[0, 2:, 3:], atol=1e-4)
    assert not shifted[0, 19:].any()
    turned = moved(picture, np.array([[0, 0, 0, np.pi / 2]], np.float32)).numpy()
    assert min(abs(turned[0] - np.rot90(picture[0], k)).max() for k in (1, 3)) < 1e-3
    spot = np.zeros((1, 21, 21, 3), np.float32)
    spot[0, 10, 14] = 1
    zoomed = moved(spot, np.array([[0, 0, np.log(2), 0]], np.float32)).numpy()
    assert np.unravel_index(zoomed[0, :, :, 0].argmax(), (21, 21)) == (10, 18)


def test_moves_belong_to_the_filter() -> None:
    robust = Robustness(0.1, 0.1, 5)
    both = robust.draw([filter_generator(1, "conv", channel) for channel in (4, 9)], 7)
    np.testing.assert_array_equal(both[:, 1], robust.draw([filter_generator(1, "conv", 9)], 7)[:, 0])
    assert both.shape == (7, 2, 4) and abs(both[..., 0]).max() <= 0.1 and abs(both[..., 3]).max() <= np.deg2rad(5)
    assert not Robustness() and robust


@pytest.mark.parametrize("preset", ["fast", "sharp"])
def test_presets_raise_the_response_and_do_not_depend_on_the_batch(preset: str) -> None:
    few = {"coarse_steps": 4, "steps": 3} if preset == "sharp" else {}
    settings = settings_from({"preset": preset, "size": 48, "precision": "float32", "batch": 4, **few})
    found = ascend(network(), SPEC, "second", [0, 1, 2, 3], settings, seed=2)
    assert found.patterns.shape == (4, 48, 48, 3)
    assert found.objective.shape == (4, sum(steps for _, steps in settings.stages) + 1)
    assert (found.objective[:, -1] > found.objective[:, 0]).all() and not found.dead.any()
    if preset == "sharp":
        assert abs(found.patterns).max() <= 1
    again = ascend(network(), SPEC, "second", [3, 1], settings_from({**settings.as_dict(), "batch": 1}), seed=2)
    np.testing.assert_allclose(again.patterns[1], found.patterns[1], atol=2e-2)


def test_the_last_objective_is_what_the_next_step_would_have_found() -> None:
    steady = {"rate_left": 1.0, "moves_left": 1.0}
    settings = {"preset": "sharp", "size": 48, "precision": "float32", "coarse_steps": 2, **steady}
    short = ascend(network(), SPEC, "second", [0, 3], settings_from({**settings, "steps": 3}), seed=2)
    long = ascend(network(), SPEC, "second", [0, 3], settings_from({**settings, "steps": 4}), seed=2)
    np.testing.assert_allclose(short.objective[:, 5], long.objective[:, 5], rtol=1e-4)
    assert (long.objective[:, 5] != long.objective[:, 6]).all()


@pytest.mark.parametrize("preset", ["textbook", "sharp"])
def test_batches_side_by_side_are_those_of_one_after_the_other(preset: str) -> None:
    settings = settings_from(
        {"preset": preset, "size": 48, "precision": "float32", "coarse_steps": 2, "steps": 2, "batch": 2}
    )
    order: list[int] = []
    alone = ascend(network(), SPEC, "second", [0, 1, 2, 3, 4], settings, 2)
    beside = ascend(
        network(), SPEC, "second", [0, 1, 2, 3, 4], settings, 2, lambda part: order.extend(part.channels), at_once=3
    )
    assert order == beside.channels.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(beside.patterns, alone.patterns)
    np.testing.assert_array_equal(beside.objective, alone.objective)


@pytest.mark.parametrize("size", [16, 15])
def test_the_gradient_of_the_spectrum_is_that_of_the_library(size: int) -> None:
    spectrum = tf.constant(Fourier(1.0).begin([filter_generator(3, "conv", 0)], size))
    weights = tf.random.stateless_normal((1, 3, size, size + size % 2), seed=(1, 2))

    def by_library(spectrum: Any) -> Any:
        planes = tf.complex(spectrum[..., 0], spectrum[..., 1])
        return tf.signal.irfft2d(planes, [size, size + size % 2])

    found = []
    for planes_of in (by_library, _planes):
        with tf.GradientTape() as tape:
            tape.watch(spectrum)
            planes = planes_of(spectrum)
        found.append((planes, tape.gradient(planes, spectrum, weights)))
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-6)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-6)


@pytest.mark.parametrize("side", [8, 13])
def test_rings_measure_the_same_on_a_graphics_processor(monkeypatch: pytest.MonkeyPatch, side: int) -> None:
    """There by what is gathered first: sums by place would be in any order."""
    columns = (side + side % 2) // 2 + 1
    spread = np.random.default_rng(1).uniform(0, 1, (3, 2, side, columns, 2)).astype(np.float32)
    here = Rings(0.1).shared(spread)
    monkeypatch.setattr(steps, "has_gpu", lambda: True)
    np.testing.assert_allclose(Rings(0.1).shared(spread), here, rtol=1e-5)


def test_the_members_of_rings_are_all_places_once_and_take_no_more_room_than_thrice_a_spectrum() -> None:
    for height, columns in ((13, 8), (160, 81), (1024, 513)):
        members, there = steps.members_of_rings(height, columns)
        assert sorted(members[there > 0]) == list(range(height * columns))
        assert (rings(height, columns).ravel()[members] == np.arange(len(members))[:, None])[there > 0].all()
        assert members.size < 3 * height * columns


def test_filters_are_spread_evenly_over_batches() -> None:
    free, fixed = settings_from({"preset": "textbook"}), settings_from({"preset": "textbook", "batch": 5})
    assert [filters_a_batch(free, "float32", count) for count in (1, 8, 9, 24, 64)] == [1, 8, 5, 8, 8]
    assert [filters_a_batch(free, "bfloat16", count) for count in (1, 8, 17, 24, 64)] == [1, 8, 9, 12, 16]
    assert [filters_a_batch(free, "float32", count, at_once=2) for count in (1, 8, 9, 24, 64)] == [1, 4, 3, 4, 4]
    assert [filters_a_batch(fixed, "bfloat16", count) for count in (3, 5, 64)] == [3, 5, 5]
    assert [filters_a_batch(free, "bfloat16", count, gpu=True) for count in (3, 64, 65, 728)] == [3, 64, 33, 61]


def test_strength_is_read_from_weights_and_the_gain_behind_them() -> None:
    model = network()
    kernel = model.get_layer("second").get_weights()[0]
    kernel[..., 2] = 0
    kernel[..., 4] *= 1e-3
    model.get_layer("second").set_weights([kernel])
    strength = filter_strength(model, "second")
    assert strength[2] == 0 and strength[4] < 0.01 and np.median(strength) == pytest.approx(1)
    assert dead_by_weights(model, "second").tolist() == [False, False, True, False, False, False]
    gamma, *rest = model.get_layer("norm").get_weights()
    gamma[1] = 0
    model.get_layer("norm").set_weights([gamma, *rest])
    assert filter_strength(model, "second")[1] == 0
    assert len(filter_strength(model, "first")) == 16


def test_a_norm_without_scale_has_its_gain_too() -> None:
    """Weights ten times smaller behind which the spread is a hundred times smaller are no weak filter's."""
    image = keras.Input((None, None, 3))
    x = layers.BatchNormalization(scale=False, epsilon=0.0, name="norm")(layers.Conv2D(3, 3, name="conv")(image))
    model = keras.Model(image, x)
    kernel = np.ones((3, 3, 3, 3), np.float32) * [1, 0.01, 0.5]
    model.get_layer("conv").set_weights([kernel, np.zeros(3)])
    model.get_layer("norm").set_weights([np.zeros(3), np.zeros(3), np.array([4.0, 0.0009, 1.0])])
    # The filters' weights by the root of the variance: .5, 1/3 and .5 of what a filter's weights are.
    np.testing.assert_allclose(filter_strength(model, "conv"), [1, 2 / 3, 1], rtol=1e-5)


def test_a_filter_named_twice_ascends_once_and_lives() -> None:
    settings = settings_from({"preset": "textbook", "size": 32, "steps": 2, "batch": 2})
    found = ascend(network(), SPEC, "second", [3, 1, 3, 3], settings, seed=1)
    once = ascend(network(), SPEC, "second", [3, 1], settings, seed=1)
    assert found.channels.tolist() == [3, 1] and not found.dead.any()
    np.testing.assert_array_equal(found.patterns, once.patterns)
    assert found.only([3, 1, 3]).channels.tolist() == [3, 1, 3]


def test_no_time_is_spent_on_a_filter_without_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    model = network()
    kernel = model.get_layer("second").get_weights()[0]
    kernel[..., :3] = 0
    model.get_layer("second").set_weights([kernel])
    rows: list[int] = []
    begin = Pixels.begin
    monkeypatch.setattr(
        Pixels, "begin", lambda self, generators, size: rows.append(len(generators)) or begin(self, generators, size)
    )
    settings = settings_from({"preset": "textbook", "size": 32, "steps": 2, "batch": 3})
    found = ascend(model, SPEC, "second", [0, 1, 2, 3, 4], settings, seed=1)
    assert found.dead.tolist() == [True, True, True, False, False] and rows == [3]
    assert found.channels.tolist() == [0, 1, 2, 3, 4] and found.patterns[3:].any() and not found.patterns[:3].any()


def test_batches_are_kept_until_the_result_is_written(tmp_path: Path) -> None:
    settings = settings_from({"preset": "textbook", "size": 32, "steps": 2, "batch": 2})
    kept = KeptBatches(tmp_path / "state", model="digest", settings=settings.as_dict())
    whole = ascend(network(), SPEC, "second", [0, 1, 2, 3], settings, seed=1, on_batch=kept.write)
    half = next((tmp_path / "state").glob("*/000002.npz")).with_name(".000004.npz.12345678.part.npz")
    half.write_bytes(b"")  # what a kill in the middle of writing leaves
    parts = kept.read()
    assert [part.channels.tolist() for part in parts] == [[0, 1], [2, 3]]
    np.testing.assert_array_equal(np.concatenate([part.patterns for part in parts]), whole.patterns)
    for other in ({"model": "another"}, {"settings": {}}, {"code": "new"}):
        facts = {"model": "digest", "settings": settings.as_dict(), **other}
        assert KeptBatches(tmp_path / "state", **facts).read() == []
    assert kept.mistrust == ""
    assert len(kept.read()) == 2
    first = next((tmp_path / "state").glob("*/000000.npz"))
    for damaged in (b"", first.read_bytes()[:-40], first.read_bytes().replace(b"\x01", b"\x02")):
        first.write_bytes(damaged)  # a power cut
        assert [part.channels.tolist() for part in kept.read()] == [[2, 3]]
    kept.forget()
    assert not (tmp_path / "state").exists()


def test_filters_found_before_are_left_out_and_the_others_do_not_change_by_a_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows: list[int] = []
    begin = Pixels.begin
    monkeypatch.setattr(
        Pixels, "begin", lambda self, generators, size: rows.append(len(generators)) or begin(self, generators, size)
    )
    settings = settings_from({"preset": "textbook", "size": 32, "steps": 3, "batch": 2})
    wanted = [0, 1, 2, 3, 4]
    batches: list[FilterPatterns] = []
    whole = ascend(network(), SPEC, "second", wanted, settings, seed=1, on_batch=batches.append)
    assert [part.channels.tolist() for part in batches] == [[0, 1], [2, 3], [4]]
    for done in ([0, 1], [0, 1, 2, 3], [1, 2, 3]):
        rows.clear()
        rest = ascend(network(), SPEC, "second", wanted, settings, seed=1, done=done)
        left = [channel for channel in wanted if channel not in done]
        assert rest.channels.tolist() == left
        assert rows == [2] * (2 if len(left) > 1 else 1)  # the last one, too, padded as in the whole run
        np.testing.assert_array_equal(rest.patterns[-1], whole.patterns[4])
        np.testing.assert_array_equal(rest.objective[-1], whole.objective[4])


def test_only_gives_the_asked_filters_in_order() -> None:
    rows = np.arange(3)
    found = FilterPatterns(rows + 5, rows[:, None], rows, rows > 0, rows)
    assert found.only([7, 5]).patterns.ravel().tolist() == [2, 0]


def test_presets_of_a_model_and_their_own_settings() -> None:
    config = {"preset": ["sharp", "textbook"], "size": 112, "sharp": {"steps": 9}, "filters": 4}
    assert preset_names(config) == ["sharp", "textbook"] and preset_names({"preset": "fast"}) == ["fast"]
    sharp = settings_from(for_preset(config, "sharp"))
    assert (sharp.preset, sharp.steps, sharp.size) == ("sharp", 9, 112) and sharp.coarse_size == round(96 * 112 / 160)
    assert settings_from(for_preset(config, "textbook")).steps == 30
    assert {settings.preset for settings in PRESETS.values()} == set(PRESETS)
    with pytest.raises(UserError, match="coarse_size 300 is larger than size 200"):
        settings_from({"preset": "textbook", "coarse_size": 300})


def test_auto_precision_follows_the_processor() -> None:
    assert resolved_precision("float32") == "float32" and resolved_precision("bfloat16") == "bfloat16"
    assert resolved_precision("auto") in ("float32", "bfloat16")
    assert resolved_precision("auto", gpu=True) == "bfloat16"


def test_a_layer_that_sees_nothing_of_the_coarse_image_takes_all_steps_at_full_size() -> None:
    settings = settings_from(
        {"preset": "textbook", "size": 24, "coarse_size": 8, "coarse_steps": 2, "steps": 3, "crop": 0}
    )
    found = ascend(network(), SPEC, "second", [0], settings, seed=1)
    assert found.objective.shape == (1, 6) and found.patterns.shape == (1, 24, 24, 3)
    with pytest.raises(UserError, match="empty for a 8x8 image; make"):
        ascend(network(), SPEC, "second", [0], settings_from({"preset": "textbook", "size": 8, "crop": 0}), seed=1)


@pytest.mark.parametrize("preset", ["textbook", "sharp"])
def test_settings_without_effect_have_none_and_those_of_the_other_parameterisation_do(preset: str) -> None:
    config = {"preset": preset, "size": 24, "coarse_size": 0, "steps": 2, "crop": 0, "precision": "float32"}
    ignored = without_effect(config)

    def patterns(**more: float) -> np.ndarray:
        return ascend(network(), SPEC, "second", [0], settings_from({**config, **more}), seed=1).patterns

    first = patterns()
    for name, value in {"step_length": 3.0, "smoothing": 1.5, "rate": 0.2}.items():
        assert (patterns(**{name: value}).tobytes() == first.tobytes()) == (name in ignored), name


def test_layers_threads_and_what_has_no_effect_are_no_part_of_a_patterns_settings() -> None:
    part = {
        "layers": ["conv1"],
        "threads": 3,
        "filters": 8,
        "rate": 0.1,
        "step_length": 4.0,
        "sharp": {"steps": 9},
        "textbook": {"steps": 5},
    }
    textbook, sharp = (pattern_settings(part, name) for name in ("textbook", "sharp"))
    assert textbook == {"filters": 8, "step_length": 4.0, "steps": 5, "preset": "textbook"}
    assert sharp == {"filters": 8, "rate": 0.1, "steps": 9, "preset": "sharp"}
