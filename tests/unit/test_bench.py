"""The benchmark's arithmetic, and that the textbook's loop and ours make the same pictures. Nothing here is timed."""

import itertools
import json
from pathlib import Path

import keras
import numpy as np
import pytest
import yaml
from PIL import Image

from bench import backends, before, images, picture
from bench.figure import score
from bench.flops import convolution_flops, filter_step_flops
from bench.lines import Line, shown, table
from bench.network import LAYERS, settle
from bench.numbers import (
    Spread,
    along,
    interleaved,
    ratios,
    reached,
    side_by_side,
    spread,
    steady_cost,
    time_at,
    whole_network,
)
from bench.plan import STUDY, Plan
from bench.sides.starts import start_images
from bench.studies import derived
from bench.textbook import deprocess_image, grad_cam_maker, pattern_maker
from convscope.check import check_study
from convscope.config import complete
from convscope.filters.presets import settings_from
from convscope.filters.run import ascend
from convscope.models.names import layers_of
from convscope.models.spec import ModelSpec
from convscope.pictures.render import pattern_picture

TEXTBOOK = {"preset": "textbook", "size": 64, "steps": 6, "step_length": 10.0, "crop": 25}


def test_spread_is_median_and_range() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0)


def test_ratios_compare_within_a_round() -> None:
    """A round in which everything takes twice as long has the same ratio."""
    assert ratios([10.0, 20.0], [5.0, 10.0]) == [2.0, 2.0]
    with pytest.raises(ValueError):
        ratios([1.0], [1.0, 2.0])


def test_every_round_has_every_side_and_another_one_first() -> None:
    order = list(interleaved(["a", "b", "c"], 3))
    rounds = [[side for number, side in order if number == wanted] for wanted in range(3)]
    assert [part[0] for part in rounds] == ["a", "b", "c"]
    assert all(sorted(part) == ["a", "b", "c"] for part in rounds)
    assert [number for number, _ in order] == sorted(number for number, _ in order)


def test_the_start_is_not_counted_as_steps() -> None:
    """Two batches of 4 filters, 10 steps: 3 s of tracing, then 2 s a batch."""
    assert steady_cost([(5.0, 4), (7.0, 4)], 10) == {
        "per_filter_step": pytest.approx(0.05),
        "start": pytest.approx(3.0),
    }
    # The last batch may be smaller.
    assert steady_cost([(5.0, 4), (7.0, 4), (8.0, 2)], 10)["per_filter_step"] == pytest.approx(0.05)
    # One batch alone hides its start in its steps: too slow, never too fast.
    assert steady_cost([(5.0, 4)], 10) == {"per_filter_step": pytest.approx(0.125), "start": 0.0}


def test_jobs_side_by_side_add_their_rates() -> None:
    together = side_by_side([{"per_filter_step": 0.1, "start": 2.0}, {"per_filter_step": 0.1, "start": 4.0}])
    assert together == {"per_filter_step": pytest.approx(0.05), "start": pytest.approx(1.5)}
    one = {"per_filter_step": 0.1, "start": 2.0}
    assert side_by_side([one]) == pytest.approx(one)


def test_costs_lie_on_straight_lines_between_the_sampled_layers() -> None:
    positions = {"a": 0.0, "b": 1.0, "c": 2.0, "d": 4.0, "e": 9.0}
    assert along(positions, {"b": 10.0, "d": 40.0}) == {"a": 10.0, "b": 10.0, "c": 20.0, "d": 40.0, "e": 40.0}


def test_the_whole_network_is_the_sum_of_its_layers() -> None:
    positions, filters = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 10, "b": 20, "c": 30}
    sampled = {"a": {"per_filter_step": 1.0, "start": 5.0}, "c": {"per_filter_step": 3.0, "start": 5.0}}
    assert whole_network(positions, filters, sampled, 2) == 3 * 5 + 2 * (10 * 1 + 20 * 2 + 30 * 3)


def test_a_large_run_follows_from_two_smaller_ones() -> None:
    """4 s of start and 0.1 s an image."""
    assert time_at(2000, (40, 8.0), (140, 18.0)) == pytest.approx(204.0)
    with pytest.raises(ValueError):
        time_at(10, (5, 1.0), (5, 1.0))


def test_as_strong_means_at_most_one_percent_weaker() -> None:
    assert reached(0.991, 1.0) and reached(2.0, 1.0) and reached(-1.0, -1.0)
    assert not reached(0.98, 1.0) and not reached(-1.1, -1.0) and not reached(0.0, 1.0)


def test_a_bar_may_be_a_floor_or_a_ceiling() -> None:
    fast, slow = Spread(2.5, 1.0, 3.0), Spread(1.5, 1.0, 3.0)
    assert Line("a", fast, "x", 2.0).passed and not Line("a", slow, "x", 2.0).passed
    assert Line("a", slow, "s", 2.0, at_most=True).passed and not Line("a", fast, "s", 2.0, at_most=True).passed
    assert Line("a", fast, "x").passed is None
    assert score(Line("a", fast, "x", 2.0), 3.0) == 1.5 and score(Line("a", fast, "s", 2.0, at_most=True), 4.0) == 0.5


def test_the_table_says_pass_and_fail_in_words() -> None:
    lines = [
        Line("speed", Spread(2.5, 2.4, 2.6), "x", 2.0),
        Line("share", Spread(0.5, 0.4, 0.6), "%", 0.8, note="of the peak"),
        Line("memory", Spread(1500, 1500, 1500), "MiB", 2048, at_most=True),
    ]
    rows = table(lines).splitlines()
    assert "2.5x" in rows[1] and ">= 2x" in rows[1] and "pass" in rows[1]
    assert "50 %" in rows[2] and "FAIL" in rows[2] and rows[2].endswith("of the peak")
    assert "<= 2048 MiB" in rows[3] and "pass" in rows[3]
    assert shown(0.125, "s") == "0.125 s" and shown(12.34, "x") == "12.3x" and shown(0.7, "%") == "70 %"


def network() -> keras.Model:
    """A convolution, a depthwise one, a separable one with a stride, a pooling layer, and a head."""
    inputs = keras.Input((None, None, 3))
    x = keras.layers.Conv2D(8, 3, strides=2, padding="same", use_bias=False, name="first")(inputs)
    x = keras.layers.BatchNormalization(name="first_bn")(x)
    x = keras.layers.Activation("relu", name="first_act")(x)
    x = keras.layers.SeparableConv2D(12, 3, padding="same", use_bias=False, name="second")(x)
    x = keras.layers.BatchNormalization(name="second_bn")(x)
    x = keras.layers.Activation("relu", name="second_act")(x)
    x = keras.layers.MaxPooling2D(2, name="pool")(x)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="third")(x)
    x = keras.layers.GlobalAveragePooling2D(name="mean")(x)
    return keras.Model(inputs, keras.layers.Dense(3, name="classes")(x))


def settled(seed: int = 3) -> keras.Model:
    keras.utils.set_random_seed(seed)
    model = network()
    settle(model, seed)
    return model


def test_flops_by_hand() -> None:
    """At 16x16 the first map is 8x8, the last 4x4; multiply and add are two operations; backward is as much again."""
    model = network()
    first = 2 * 8 * 8 * 9 * 3 * 8
    assert convolution_flops(model.get_layer("first"), 8, 8, 3, 8) == first
    deep, point = 2 * 8 * 8 * 9 * 8, 2 * 8 * 8 * 8 * 12
    assert convolution_flops(model.get_layer("second"), 8, 8, 8, 12) == deep + point
    third = 2 * 4 * 4 * 9
    # Of the layer itself one filter is computed: an eighth, or all of the depthwise part and one column of the pointwise.
    assert filter_step_flops(model, "first", 16) == 2 * first // 8
    assert filter_step_flops(model, "second", 16) == 2 * (first + deep + point // 12)
    assert filter_step_flops(model, "third", 16) == 2 * (first + deep + point + third)


def test_settling_gives_every_normalisation_what_arrives_there() -> None:
    model = settled()
    pictures = np.random.default_rng(3).uniform(-1, 1, (4, 128, 128, 3)).astype("float32")
    maps = keras.Model(model.inputs[0], model.get_layer("second_bn").output)(pictures, training=False)
    values = keras.ops.convert_to_numpy(maps)
    np.testing.assert_allclose(values.mean(axis=(0, 1, 2)), 0, atol=1e-3)
    # Normalisation adds 0.001 to the variance.
    assert (values.std(axis=(0, 1, 2)) < 1.001).all() and (values.std(axis=(0, 1, 2)) > 0.5).all()


def test_the_textbook_loop_and_ours_make_the_same_pictures() -> None:
    model = settled()
    spec = ModelSpec("net", (64, 64), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3)
    channels = [0, 3, 7]
    starts = start_images(5, "second", channels, 64)
    make = pattern_maker(model, "second", iterations=6)
    theirs = np.stack([make(channel, start) for channel, start in zip(channels, starts, strict=True)])
    # The name of the network's precision is a setting of newer versions alone; exact is float32.
    exact = {key: value for key, value in {**TEXTBOOK, "precision": "float32"}.items() if key in known_settings()}
    ours = ascend(model, spec, "second", channels, settings_from(exact), seed=5)
    assert np.abs(theirs - starts).max() > 0.1
    np.testing.assert_allclose(ours.patterns, theirs, atol=2e-3)
    ones, others = (np.stack([picture(pattern) for pattern in patterns]) for picture, patterns in (
        (deprocess_image, theirs), (lambda pattern: pattern_picture(pattern, 25), ours.patterns),
    ))  # fmt: skip
    assert ones.shape == (3, 14, 14, 3)
    assert np.abs(ones.astype(int) - others.astype(int)).max() <= 2


def known_settings() -> set[str]:
    return {"preset", *settings_from({"preset": "textbook"}).as_dict()}


# The notebook's line, kept as it is: a model of a list of its input, called with the input.
@pytest.mark.filterwarnings("ignore:The structure of `inputs` does")
def test_the_textbook_grad_cam_is_grad_cam(tmp_path: Path) -> None:
    """Its heatmap is ours over its largest value."""
    from convscope.cams.mapper import ClassMapper

    model = settled()
    pixels = np.random.default_rng(1).integers(0, 256, (224, 224, 3), np.uint8)
    keras.utils.save_img(tmp_path / "picture.png", pixels, scale=False)
    heatmap = grad_cam_maker(model, "second_act")(str(tmp_path / "picture.png"), str(tmp_path / "out" / "shown.jpg"))
    assert (tmp_path / "out" / "shown.jpg").is_file()
    spec = ModelSpec("net", (224, 224), classes=("a", "b", "c"), head="multiclass")
    inputs = (pixels[None] / 127.5 - 1).astype(np.float32)
    mapper = ClassMapper(model, spec, "second_act", ["gradcam"])
    maps = mapper(inputs, np.array([-1]), "predicted").maps
    ours = (maps["gradcam"] if isinstance(maps, dict) else maps)[0, 0]
    assert heatmap.max() == pytest.approx(1.0) and heatmap.std() > 0
    np.testing.assert_allclose(heatmap, ours / ours.max(), atol=1e-4)


def test_a_picture_that_never_gets_strong_counts_as_no_speed_at_all() -> None:
    layers = {
        "one": {
            "seconds": {"textbook": [[3.0, 3.0]], "fast": [0.5]},
            "shown": {"textbook": [1.0, 1.0], "fast": [1.2, 0.5]},
        }
    }
    assert picture.speedups(layers, 0, "fast") == [6.0, 0.0]


def test_pictures_by_both_settings_of_sharp_are_compared_filter_by_filter() -> None:
    layer = {
        "seconds": {"before": [3.0, 6.0], "sharp": [1.0, 2.0]},
        # The second answers less than nothing to both pictures, and to plain grey still less: the new one is stronger.
        "shown": {"before": [1.0, -1.0, 4.0], "sharp": [0.9, -0.5, 4.0], "rest": [0.0, -2.0, 0.0]},
        "slopes": {"before": [-2.4], "sharp": [-2.2]},
    }
    times, strength, weakest, *slopes = before.lines(
        {"one": layer, "other": {**layer, "seconds": {"before": [1.0, 6.0], "sharp": [1.0, 1.0]}}}, 2
    )
    assert (times.value.low, times.value.high) == (2.0, 4.0)
    assert before.strength(layer["shown"]) == pytest.approx([0.9, 1.5, 1.0])  # type: ignore[arg-type]
    assert strength.value.median == pytest.approx(1.0) and weakest.value.median == pytest.approx(0.9)
    assert [line.value.median for line in slopes] == [-2.4, -2.2]
    old, new = (settings_from(side) for side in before.SIDES.values())
    assert old.stages == [(96, 72), (160, 56)] and old.size == new.size and old.rule == "adam"


def test_the_slope_of_a_spectrum_is_its_exponent() -> None:
    frequency = np.hypot(np.fft.fftfreq(128)[:, None], np.fft.rfftfreq(128)[None])
    waves = np.exp(2j * np.pi * np.random.default_rng(0).random(frequency.shape))
    for exponent in (1.0, 1.5):
        picture_of = np.fft.irfft2(waves / np.maximum(frequency, 1 / 128) ** exponent)
        assert before.spectrum_slope(np.repeat(picture_of[..., None], 3, axis=2)) == pytest.approx(
            -2 * exponent, abs=0.2
        )


def test_filters_are_spread_over_the_layer() -> None:
    plan = Plan(Path(), 2, 1, False, 100, 10, None)
    chosen = picture.chosen(728, plan)
    assert len(set(chosen)) == 8 and min(chosen) < 728 // 8 and max(chosen) > 728 * 7 // 8
    assert len(set(picture.chosen(16, plan))) == 8 and max(picture.chosen(16, plan)) < 16


def test_image_rates_come_from_the_same_round() -> None:
    """Forward 0.02 s an image; Grad-CAM 4 s and 0.025 s an image; the textbook 0.1 s an image; memory grows by a tenth.

    A Grad-CAM job starts in 3 s and takes 0.02 s an image, one of activations in 4 s and 0.03 s.
    """
    one = {
        "forward": {"seconds": 6.4, "images": 320},
        "textbook": {"seconds": [0.1, 0.1]},
        "gradcam": {"few": 5.0, "many": 54.0, "maps": 40.0, "jobs": {"few": 3.8, "many": 43.0}},
        "all": {"maps": 50.0},
        "activations": {"activated_few": 6.0, "activated": 18.0, "jobs": {"activated_few": 5.5, "activated": 19.0}},
    }
    raw = {
        "sizes": {"few": 40, "many": 2000, "activated": 500, "activated_few": 50},
        "methods": ["gradcam", "layer_cam"],
        "shards": {"cams": 2000, "activations": 1000},
        "rounds": [one],
        "memory": {"overlays": [], "activations": [{"seconds": 1.0, "mib": 900.0}]},
        "largest_cam_job": {"few": 1000.0, "many": 1100.0},
    }
    found = {line.what: line for line in images.lines_of(raw)}
    assert found["Grad-CAM against the forward pass"].value.median == pytest.approx(2000 * 0.02 / 54)
    assert found["Grad-CAM against the textbook loop"].value.median == pytest.approx(200 / 54)
    marginal = found["activations to HDF5 against the forward pass, start aside"]
    assert marginal.value.median == pytest.approx(0.02 / (12 / 450)) and not marginal.passed
    assert found["the same, jobs' start and Snakemake included"].value.median == pytest.approx(500 * 0.02 / 18)
    start = found["start of a job, Grad-CAM of 2,000 images"]
    assert start.value.median == pytest.approx(3 / 43) and start.passed
    start = found["start of a job, activations of 1,000 images"]
    assert start.value.median == pytest.approx(4 / 34) and not start.passed
    assert found["time of all CAM methods over Grad-CAM's"].value.median == pytest.approx(1.25)
    assert found["its growth with the number of images"].value.median == pytest.approx(1.1)
    assert found["memory of the largest job of rule activations"].passed


def test_the_study_is_valid_and_so_is_what_the_benchmark_makes_of_it(tmp_path: Path) -> None:
    config = complete(yaml.safe_load(STUDY.read_text()))
    check_study(config)
    assert config["filters"]["xception"]["layers"] == list(LAYERS)
    assert set(LAYERS) <= {layer.name for layer in layers_of(config["models"]["xception"]) or []}
    (tmp_path / "pictures").mkdir()
    Image.new("RGB", (16, 16)).save(tmp_path / "pictures" / "a.png")
    model = tmp_path / "model.keras"
    network().save(model)
    made = derived(tmp_path, dict.fromkeys(("few", "many", "activated"), tmp_path / "pictures"))
    made.pop("filters")  # those are Xception's layers
    check_study(complete(made))
    assert made["cams"] == yaml.safe_load(STUDY.read_text())["cams"]
    json.dumps(made)


def test_every_stage_of_the_plan_has_settings() -> None:
    plan = Plan(Path(), 2, 1, True, 100, 10, None)
    assert plan.settings("filters")["threads"] >= 1 and plan.settings("cams")["shard"] > 0
    assert len(plan.layers) < len(LAYERS) and plan.layers[-1] == LAYERS[-1]
    assert all(one != other for one, other in itertools.pairwise(plan.layers))


def test_backends_are_compared_round_by_round() -> None:
    """A round in which everything takes twice as long says the same; what is compiled and the start stand apart."""

    def rounds(each: float) -> list[dict[str, float]]:
        return [{"start": 2 * slow, "first": 3.0, "each": slow * each} for slow in (1, 2)]

    lines = list(backends.table({"gradcam": {"tensorflow": rounds(1), "jax": rounds(3)}}))
    assert lines == [
        "| | tensorflow, s | jax, times as long | compiling: tensorflow, jax, s |",
        "|---|---|---|---|",
        "| a picture by Grad-CAM, 224 px | 1.5 (1 .. 2) | 3 (3 .. 3) | 3.0, 3.0 |",
        "| libraries and network loaded | 3 (2 .. 4) | 1 (1 .. 1) | |",
    ]
