"""By which way a picture fires a unit: a network where a pattern goes another way, and what is said of patterns."""

from pathlib import Path

import keras
import numpy as np
import pytest

from convscope.models.spec import ModelSpec
from convscope.storage import store
from convscope.units.measured import measure, shown_again
from convscope.units.paths import FEWEST, BestWays, Way, _fires
from convscope.units.selection import shown_pictures
from convscope.units.trust import (
    LayerPaths,
    count_presets,
    over_layers,
    read_paths,
    rows_of,
    silenced,
    verdict,
    way_of,
    write_paths,
)

layers = keras.layers
SIDE, COUNT = 16, 60
RED, GREEN, BLUE = range(3)
SPEC = ModelSpec("planted", (SIDE, SIDE))


def network() -> keras.Model:
    """Unit 0 of "top" answers to red and to blue alike, each by a channel of "below" of its own; unit 1 to green."""
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.ReLU(name="relu")(layers.Conv2D(3, 1, name="below")(image))
    x = layers.Conv2D(2, 1, name="top")(x)
    net = keras.Model(image, layers.Dense(2, name="head")(layers.Flatten()(layers.ReLU(name="out")(x))))
    net.get_layer("below").set_weights([np.eye(3, dtype=np.float32)[None, None], np.zeros(3, np.float32)])
    kernel = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    net.get_layer("top").set_weights([kernel[None, None], np.zeros(2, np.float32)])
    return net


def pictures() -> np.ndarray:
    """Dark noise; a square, in the first nine bright red, in the others a dull one that is green or blue: no other is red."""
    rng = np.random.default_rng(4)
    pixels = rng.uniform(0, 20, (COUNT, SIDE, SIDE, 3)).astype(np.float32)
    for n in range(COUNT):
        top, left = rng.integers(0, SIDE - 6, 2)
        pixels[n, top : top + 6, left : left + 6, RED if n < 9 else (GREEN, BLUE)[n % 2]] += 200 if n < 9 else 60
    return pixels


def patterns(path: Path, colours: list[int], brightness: float) -> Path:
    """A pattern of unit 0 of each colour."""
    made = np.full((len(colours), 20, 20, 3), -1, np.float32)
    for row, colour in enumerate(colours):
        made[row, 4:16, 4:16, colour] = brightness
    settings = {"crop": 2, "parameterisation": "fourier"}
    with store.create(path, settings=settings) as file:
        store.write_array(file, "filter", np.arange(len(colours)), ("filter",))
        store.write_array(file, "patterns", made.astype(np.float16), ("filter", "height", "width", "colour"))
        store.write_array(file, "dead", np.zeros(len(colours), bool), ("filter",))
    return path


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> LayerPaths:
    folder, net, real = tmp_path_factory.mktemp("paths"), network(), pictures()
    answers = np.stack([(real[..., RED] + real[..., BLUE]), real[..., GREEN]], -1).max(axis=(1, 2))
    shown = shown_pictures(answers, 9)
    files = {
        "same": patterns(folder / "same.h5", [RED, GREEN], 1),
        "other": patterns(folder / "other.h5", [BLUE, GREEN], 1),
        "weak": patterns(folder / "weak.h5", [RED, GREEN], -0.5),
        "sharp-negative": patterns(folder / "negative.h5", [GREEN, BLUE], 1),
    }
    return measure(
        lambda size: Way(net, "top", "out", ["below", "top"], size),
        SPEC, "top", files, shown, answers[shown, np.arange(2)[:, None]], COUNT, lambda rows: real[rows], seed=1,
    )  # fmt: skip


def test_a_pattern_that_takes_another_way_is_not_believed(found: LayerPaths) -> None:
    assert found.way == ["below", "top"] and found.units.tolist() == [0, 1]
    rows = {(row.preset, row.unit): row for row in rows_of(found)}
    same, other, weak = (rows[preset, 0] for preset in ("same", "other", "weak"))
    assert same.answer == other.answer == 255 and same.ratio == other.ratio > 1, "to the unit itself they are alike"
    assert (
        same.trust == "yes" and "by the way of its best ones" in same.words and same.path == pytest.approx(1, abs=0.15)
    )
    assert other.trust == "no" and "by another way" in other.words and other.path < 0
    assert weak.trust == "no" and weak.ratio == pytest.approx(64 / same.largest, rel=0.01)
    # Brightness is no way: the same colour, a quarter of it.
    assert weak.path == pytest.approx(same.path, abs=0.05)


def test_a_negative_pattern_is_held_against_the_most_silent_real_picture(found: LayerPaths) -> None:
    rows = {row.unit: row for row in rows_of(found) if row.preset == "sharp-negative"}
    assert rows[0].answer == rows[1].answer == 0
    assert rows[0].trust == "yes" and rows[0].words == "the unit answers no more than to the most silent real picture"
    assert {count.preset for count in count_presets(list(rows_of(found)))} == {"same", "other", "weak"}


def test_what_a_unit_answers_itself_is_no_way_to_it() -> None:
    way = Way(network(), "top", "out", ["below", "top"], (SIDE, SIDE, 3))
    (along,) = way.along(pictures()[:1], [[0, 1]])
    assert along.vectors[1][0, 0] == 0 and along.vectors[1][1, 1] == 0
    np.testing.assert_allclose(np.linalg.norm(along.vectors[0], axis=1), 1, rtol=1e-5)


def test_ways_are_of_where_the_unit_fires() -> None:
    """A quarter is red, another is blue and fires less than half as much: that is not part of the way."""
    picture = np.zeros((1, SIDE, SIDE, 3), np.float32)
    picture[0, :8, :8, RED], picture[0, 8:, 8:, BLUE] = 200, 90
    (along,) = Way(network(), "top", "out", ["below", "top"], (SIDE, SIDE, 3)).along(picture, [[0]])
    np.testing.assert_allclose(along.vectors[0], [[1, 0, 0]], atol=1e-6)
    assert along.answers.tolist() == [200]
    silent = _fires(np.array([[[-1, -3], [-2, -5]], [[4, 3], [2, 0]]], np.float32), np.array([-1, 4], np.float32))
    np.testing.assert_allclose(silent, np.array([[[1, 0], [0, 0]], [[1, 0.5], [0, 0]]]))


def test_a_unit_that_is_silent_everywhere_is_asked_everywhere() -> None:
    """Its first place is a corner, where the layers below see padding."""
    silent = _fires(np.zeros((1, 2, 2), np.float32), np.zeros(1, np.float32))
    np.testing.assert_array_equal(silent, np.ones((1, 2, 2)))
    picture = np.zeros((1, SIDE, SIDE, 3), np.float32)
    picture[0, 0, 0, GREEN], picture[0, 4:12, 4:12, GREEN] = 1, 90
    net = network()
    net.get_layer("below").set_weights([np.eye(3, dtype=np.float32)[None, None], np.array([0, 0, 0], np.float32)])
    net.get_layer("top").set_weights([net.get_layer("top").get_weights()[0], np.array([-999, 0], np.float32)])
    (along,) = Way(net, "top", "out", ["below", "top"], (SIDE, SIDE, 3)).along(picture, [[0]])
    np.testing.assert_allclose(along.vectors[1], [[0, 1]], atol=1e-6)


def test_what_fires_between_two_cells_of_a_coarser_layer_has_a_way_through_them() -> None:
    """As in a decoder: the layer below has a cell of four pixels, the unit fires at one pixel."""
    image = keras.Input((SIDE, SIDE, 3))
    coarse = layers.ReLU(name="r")(layers.Conv2D(2, 4, strides=4, name="below", bias_initializer="ones")(image))
    both = layers.Concatenate()([layers.UpSampling2D(4)(coarse), image])
    net = keras.Model(image, layers.ReLU(name="out")(layers.Conv2D(1, 1, name="top")(both)))
    net.get_layer("below").set_weights([np.zeros((4, 4, 3, 2), np.float32), np.ones(2, np.float32)])
    net.get_layer("top").set_weights(
        [np.array([0, 0, 1, 0, 0], np.float32).reshape(1, 1, 5, 1), np.zeros(1, np.float32)]
    )
    way = Way(net, "top", "out", ["below", "top"], (SIDE, SIDE, 3))
    pictures = np.zeros((SIDE, SIDE, SIDE, 3), np.float32)
    pictures[np.arange(SIDE), np.arange(SIDE), np.arange(SIDE), RED] = 9
    for pixel, along in enumerate(way.along(pictures, [[0]] * SIDE)):
        np.testing.assert_allclose(along.vectors[0], np.full((1, 2), 0.5**0.5), atol=1e-6, err_msg=f"pixel {pixel}")


def test_few_random_pictures_do_not_tell_what_chance_does() -> None:
    rng = np.random.default_rng(0)
    for count in (2, FEWEST - 1, FEWEST):
        ways = BestWays([rng.normal(size=(count, 2, 20)).astype(np.float32)], np.zeros((count, 2), bool))
        for _ in range(9):
            ways.add(np.arange(2), [rng.normal(size=(2, 20)).astype(np.float32) + 5])
        assert np.isfinite(ways.alike().chance()).tolist() == [count >= FEWEST] * 2


@pytest.mark.parametrize("count", [FEWEST, 32])
def test_pictures_that_have_nothing_in_common_are_not_alike(count: int) -> None:
    """The mean that all are measured from is part of all: of many channels, chance and noise would else be far apart."""
    rng, units, depth = np.random.default_rng(0), 300, 3

    def noise(*size: int) -> list[np.ndarray]:
        return [rng.normal(size=(*size, units, 64)).astype(np.float32) for _ in range(depth)]

    ways = BestWays(noise(count), np.zeros((count, units), bool))
    for _ in range(9):
        ways.add(np.arange(units), noise())
    alike = ways.alike()
    of_noise = ways.of(np.arange(units), noise())
    assert np.abs(of_noise.mean(axis=0) - alike.random.mean(axis=(0, 1))).max() < 0.01, "a picture like any other"
    best, middle, found = (
        over_layers(each, alike.best, alike.middle()) for each in (alike.best, alike.middle(), of_noise)
    )
    said = [way_of(*map(float, each)) for each in zip(found, best, middle, alike.chance(), strict=True)]
    assert said.count("same") < 0.05 * units and said.count("other") < 0.05 * units


def test_a_layer_that_treats_all_pictures_alike_says_nothing() -> None:
    """Vectors of a single channel are all 1, but for the last digits of their mean."""
    ways = BestWays([np.ones((25, 1, 1), np.float32) * np.float32(1 - 6e-8)], np.zeros((25, 1), bool))
    for _ in range(3):
        ways.add(np.array([0]), [np.ones((1, 1), np.float32)])
    alike = ways.alike()
    assert not alike.best.any() and not alike.random.any()


def test_a_picture_that_does_not_fire_a_unit_is_none_of_its_best(tmp_path: Path) -> None:
    """Three pictures of sixty are red; that nine are asked for changes nothing."""
    net, real = network(), np.zeros((COUNT, SIDE, SIDE, 3), np.float32)
    real[..., GREEN] = np.random.default_rng(1).uniform(0, 50, real.shape[:3])
    real[:3, 5:9, 5:9, RED] = 200
    answers = np.stack([(real[..., RED] + real[..., BLUE]), real[..., GREEN]], -1).max(axis=(1, 2))
    file = patterns(tmp_path / "p.h5", [RED], 1)
    best = []
    for crops in (3, 9):
        shown = shown_pictures(answers, crops)
        found = measure(
            lambda size: Way(net, "top", "out", ["below", "top"], size),
            SPEC, "top", {"sharp": file}, shown, answers[shown, np.arange(2)[:, None]], COUNT, lambda rows: real[rows], seed=1,
        )  # fmt: skip
        (row,) = rows_of(found)
        best.append(row.best)
    assert best[0] > 0.9 and best[1] == pytest.approx(best[0], abs=1e-5)


def test_of_a_filter_that_is_turned_round_it_is_said_what_its_pattern_shows(tmp_path: Path) -> None:
    image = keras.Input((SIDE, SIDE, 3))
    norm = layers.BatchNormalization(name="norm")
    net = keras.Model(image, layers.ReLU(name="out")(norm(layers.Conv2D(2, 1, name="top")(image))))
    net.get_layer("top").set_weights([np.eye(3, 2, dtype=np.float32)[None, None], np.zeros(2, np.float32)])
    norm.gamma.assign([-1, 1])
    norm.beta.assign([300, 0])
    real = pictures()
    answers = np.stack([300 - real[..., RED], real[..., GREEN]], -1).max(axis=(1, 2))
    shown = shown_pictures(answers, 9)
    files = {name: patterns(tmp_path / f"{name}.h5", [RED, GREEN], 1) for name in ("sharp", "sharp-negative")}
    found = measure(
        lambda size: Way(net, "top", "out", ["top"], size),
        SPEC, "top", files, shown, answers[shown, np.arange(2)[:, None]], COUNT, lambda rows: real[rows], seed=1,
    )  # fmt: skip
    assert found.turned.tolist() == [True, False]
    said = {(row.preset, row.unit): row.words for row in rows_of(found)}
    assert [key for key, words in said.items() if words.endswith("this shows what silences the unit")] == [("sharp", 0)]


def test_cosines_by_hand() -> None:
    """Two random pictures at (1, 0) and (-1, 0) have their mean at 0, and each the other for the mean of the others."""
    random = np.array([[[1, 0]], [[-1, 0]], [[9, 9]]], np.float32)
    ways = BestWays([random], np.array([[False], [False], [True]]))
    for vector in ([0, 1], [0, 2], [3, 0]):
        ways.add(np.array([0]), [np.array([vector], np.float32)])
    alike = ways.alike()
    assert alike.best[0, 0] == pytest.approx(1 / 3), "of three pairs one points the same way"
    # The best ones from (-1, 0) are (1, 1), (1, 2), (4, 0), from (1, 0) they are (-1, 1), (-1, 2), (2, 0).
    two, five = 2**-0.5, 5**-0.5
    np.testing.assert_allclose(alike.random[:, 0, 0], [(two + five + 1) / 3, (two + five - 1) / 3, np.nan], rtol=1e-5)
    assert ways.of(np.array([0]), [np.array([[0, 5]], np.float32)])[0, 0] == pytest.approx(2 / 3)
    # A layer that takes best and random pictures alike does not count.
    best, middle = np.array([[0.5, 0.1]]), np.array([[0.1, 0.1]])
    assert over_layers(np.array([[0.2, 0.9]]), best, middle)[0] == pytest.approx(0.2)
    assert np.isnan(over_layers(np.array([[0.2, 0.9]]), middle, middle)[0])


def test_what_is_said() -> None:
    assert way_of(0.3, 0.4, 0, 0.2) == "same" and way_of(0.1, 0.4, 0, 0.3) == "other"
    assert way_of(0.25, 0.4, 0, 0.3) == "", "nearer to the best than to random ones, and not beyond chance"
    assert way_of(0.9, 0.2, 0, 0.3) == "", "its best pictures have no way of their own"
    assert way_of(0.9, np.nan, 0, 0.3) == ""
    assert verdict(np.nan, "same")[0] == "" and verdict(0.5, "same")[0] == "no" and verdict(-1, "")[0] == "no"
    assert verdict(0, "same") == ("no", "the unit does not answer at all"), "by no way"
    assert verdict(2, "") == (
        "",
        "the unit answers 2 times as much as to any real picture; by which way cannot be told",
    )
    assert verdict(0.996, "")[1] == "the unit answers 0.99 of what it does to the best real picture"
    assert verdict(1.004, "")[1].startswith("the unit answers as much as to the best real picture; ")
    assert silenced(1e-6, 0, 2) == ("yes", "the unit answers hardly more than to the most silent real picture")
    assert silenced(0, 0, 0)[0] == "" and silenced(-1, -0.5, 2)[0] == "yes"
    assert silenced(1, 0, 2) == (
        "no",
        "the unit is not silent: 50% of the way from its least to its largest answer to real pictures",
    )


@pytest.mark.parametrize("count", [0, 1])
def test_no_picture_or_one_tells_of_nothing(tmp_path: Path, count: int) -> None:
    net, real = network(), pictures()[:count]
    answers = np.stack([(real[..., RED] + real[..., BLUE]), real[..., GREEN]], -1).max(axis=(1, 2))
    shown = shown_pictures(answers, 9)
    found = measure(
        lambda size: Way(net, "top", "out", ["below", "top"], size),
        SPEC, "top", {"sharp": patterns(tmp_path / "p.h5", [RED], 1)}, shown, answers[shown, np.arange(2)[:, None]], count,
        lambda rows: real[rows], seed=1,
    )  # fmt: skip
    (row,) = rows_of(found)
    assert row.trust == "" and np.isnan(row.path) and np.isnan(row.ratio) == (count == 0)


def test_few_pictures_tell_of_no_way(tmp_path: Path) -> None:
    net, real = network(), pictures()[:3]
    answers = np.stack([(real[..., RED] + real[..., BLUE]), real[..., GREEN]], -1).max(axis=(1, 2))
    shown = shown_pictures(answers, 9)
    file = patterns(tmp_path / "p.h5", [RED], 1)
    few = measure(
        lambda size: Way(net, "top", "out", ["below", "top"], size),
        SPEC, "top", {"sharp": file}, shown, answers[shown, np.arange(2)[:, None]], 3, lambda rows: real[rows], seed=1,
    )  # fmt: skip
    (row,) = rows_of(few)
    assert row.trust == "" and np.isnan(row.path) and row.ratio > 1
    with store.create(tmp_path / "written.h5", layer="top") as made:
        write_paths(made, few)
    with store.open_file(tmp_path / "written.h5") as read:
        again = read_paths(read)
    np.testing.assert_array_equal(again.alike["sharp"], few.alike["sharp"])
    assert next(rows_of(again)).words == row.words


def test_a_pattern_is_measured_as_it_is_shown() -> None:
    pattern = np.linspace(-1.2, 1.2, 48, dtype=np.float32).reshape(1, 4, 4, 3)
    shown = shown_again(pattern, {"crop": 1, "parameterisation": "fourier"})
    assert shown.shape == (1, 2, 2, 3) and shown.min() >= 0 and shown.max() <= 255
    np.testing.assert_array_equal(shown, np.rint(np.clip((pattern + 1) * 127.5, 0, 255))[:, 1:3, 1:3])
    raw = shown_again(5 * pattern, {"crop": 0, "parameterisation": "pixels"})
    np.testing.assert_array_equal(raw, shown_again(pattern, {"crop": 0, "parameterisation": "pixels"}))
