"""Preprocessing, probabilities and class names of a model."""

import dataclasses

import numpy as np
import pytest

from convscope.errors import UserError
from convscope.models.spec import ModelSpec

BINARY = ModelSpec("pets", (4, 6), classes=("cat", "dog"), head="binary")
THREE = ModelSpec("three", (4, 6), classes=("cat", "dog", "newt"), head="multiclass")


def test_xception_preprocessing_maps_0_and_255_to_minus_one_and_one_and_back() -> None:
    spec = ModelSpec("x", (2, 3), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3)
    images = np.array([0, 127.5, 255], np.float32).reshape(1, 1, 1, 3) * np.ones((2, 2, 3, 1), np.float32)
    space = spec.preprocess(images)
    assert space.dtype == np.float32 and space.shape == (2, 2, 3, 3)
    np.testing.assert_allclose(space[0, 0, 0], [-1, 0, 1], atol=1e-6)
    np.testing.assert_allclose(spec.to_pixels(space), images, atol=1e-4)


def test_caffe_order_swaps_channels_before_the_offset() -> None:
    spec = ModelSpec("c", (1, 1), offset=(-103.939, -116.779, -123.68), channels="bgr")
    red = np.array([255, 0, 0], np.uint8).reshape(1, 1, 1, 3)
    space = spec.preprocess(red)
    np.testing.assert_allclose(space.ravel(), [-103.939, -116.779, 255 - 123.68], rtol=1e-5)
    np.testing.assert_allclose(spec.to_pixels(space).ravel(), [255, 0, 0], atol=1e-3)


def test_binary_head_has_two_columns_and_opposite_scores() -> None:
    logits = np.array([[0.0], [np.log(3)], [-78.0], [78.0]])
    p = BINARY.probabilities(logits)
    np.testing.assert_allclose(p[:2], [[0.5, 0.5], [0.25, 0.75]], rtol=1e-6)
    assert p[3, 0] > 0 and p[2, 1] > 0, "a sure answer must not round the other class to zero"
    np.testing.assert_array_equal(BINARY.class_scores(logits)[:, 0], -BINARY.class_scores(logits)[:, 1])
    assert BINARY.class_scores(logits).argmax(axis=1).tolist() == [0, 1, 0, 1]


def test_softmax_survives_large_logits() -> None:
    p = THREE.probabilities(np.array([[1000.0, 1000.0, -1000.0]]))
    np.testing.assert_allclose(p, [[0.5, 0.5, 0.0]])


def test_many_labels_have_a_probability_each() -> None:
    labels = ModelSpec("labels", (4, 6), classes=("cat", "dog", "newt"), head="multilabel")
    logits = np.array([[0.0, np.log(3), -78.0]], np.float32)
    p = labels.probabilities(logits)
    np.testing.assert_allclose(p[0, :2], [0.5, 0.75], rtol=1e-6)
    assert 0 < p[0, 2] < 1e-30, "a label that is surely absent is not exactly 0"
    np.testing.assert_array_equal(labels.class_scores(logits), logits)
    assert labels.units == 3 and labels.predicted(logits).tolist() == [1] and labels.is_classifier


def test_a_regression_is_its_outputs() -> None:
    one = ModelSpec("age", (4, 6), classes=("age",), head="regression")
    two = ModelSpec("gaze", (4, 6), classes=("yaw", "pitch"), head="regression")
    outputs = np.array([[-3.0, 41.5], [2.0, 1.0]], np.float32)
    for spec, values in ((one, outputs[:, :1]), (two, outputs)):
        np.testing.assert_array_equal(spec.probabilities(values), values)
        np.testing.assert_array_equal(spec.class_scores(values), values)
        assert spec.predicted(values).tolist() == [0, 0] and not spec.is_classifier
    with pytest.raises(UserError, match="name one for each output"):
        ModelSpec("age", (4, 6), head="regression")


def test_what_is_said_of_a_model_is_no_part_of_what_it_is() -> None:
    said = dataclasses.replace(THREE, notes=("head: softmax",), warnings=("near chance",))
    assert said.identity == THREE.identity
    assert dataclasses.replace(THREE, head="multilabel").identity != THREE.identity


def test_wrong_number_of_logits_is_an_error() -> None:
    with pytest.raises(ValueError, match="shape"):
        THREE.probabilities(np.zeros((2, 2)))
    with pytest.raises(UserError, match="no classification head"):
        ModelSpec("backbone", (4, 4)).probabilities(np.zeros((2, 2)))


@pytest.mark.parametrize(("given", "index"), [("dog", 1), (2, 2), ("0", 0), (np.int64(1), 1)])
def test_class_by_name_or_number(given: str | int, index: int) -> None:
    assert THREE.class_index(given) == index


@pytest.mark.parametrize(
    ("given", "hint"), [("dgo", "did you mean 'dog'"), (3, "0 to 2"), ("-1", "0 to 2"), (-1, "0 to 2")]
)
def test_unknown_class_says_the_nearest(given: str | int, hint: str) -> None:
    with pytest.raises(UserError, match=hint):
        THREE.class_index(given)


def test_a_name_comes_before_a_number() -> None:
    """Classes called 1, 2, 3: class 1 is the first, whether written 1 or "1", and a position means nothing."""
    digits = ModelSpec("digits", (4, 6), classes=("1", "2", "3"), head="multiclass")
    assert [digits.class_index(given) for given in (1, "1", np.int64(2), "3")] == [0, 0, 1, 2]
    mixed = ModelSpec("mixed", (4, 6), classes=("7", "dog", "newt"), head="multiclass")
    assert (mixed.class_index(7), mixed.class_index("dog")) == (0, 1)
    for spec, given in ((digits, 0), (digits, "0"), (mixed, 1), (mixed, "2")):
        with pytest.raises(UserError, match=f"no class is called {given}"):
            spec.class_index(given)


@pytest.mark.parametrize(
    ("names", "given"), [(("+1", "-1"), 1), (("0.5", "1.5"), 1), (("0x0", "0x1"), 0), (("a", "1_0"), 0)]
)
def test_signs_and_points_are_numbers_too(names: tuple[str, str], given: int) -> None:
    """`class: +1` is YAML's 1: of classes called +1 and -1 it must not be the second, the other one."""
    spec = ModelSpec("signs", (4, 6), classes=names, head="multiclass")
    with pytest.raises(UserError, match=f"no class is called {given}"):
        spec.class_index(given)
    assert [spec.class_index(name) for name in names] == [0, 1]


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_the_order_in_memory_changes_no_value(channels: str) -> None:
    spec = ModelSpec("x", (5, 7), scale=(0.5, 2.0, -1.0), offset=(1.0, 0.0, 3.0), channels=channels)
    images = np.random.default_rng(0).integers(0, 256, (2, 5, 7, 3)).astype(np.float32)
    wanted = images[..., :: -1 if channels == "bgr" else 1] * np.float32(spec.scale) + np.float32(spec.offset)
    padded = np.zeros((2, 9, 14, 3), np.float32)
    padded[:, 2:7, ::2] = images
    views = [images, np.asfortranarray(images), padded[:, 2:7, ::2]]
    views += [np.ascontiguousarray(np.moveaxis(images, -1, 1)).transpose(0, 2, 3, 1)]
    views += [np.ascontiguousarray(images[:, ::-1])[:, ::-1], np.asfortranarray(images.astype(np.uint8))]
    for given in views:
        before = given.copy()
        np.testing.assert_array_equal(spec.preprocess(given), wanted)
        np.testing.assert_array_equal(given, before)


def test_save_and_load_give_the_same_spec(tmp_path) -> None:
    THREE.save(tmp_path / "model.json")
    assert ModelSpec.load(tmp_path / "model.json") == THREE


@pytest.mark.parametrize("text", ["", "nope", "[]", "{}", "[" * 100_000, '{"name": "x", "input_size": 3}'])
def test_a_damaged_spec_is_said(text: str, tmp_path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(UserError, match=r"m.json' holds no facts of a model"):
        ModelSpec.load(tmp_path / "m.json")


def test_binary_head_wants_two_names() -> None:
    with pytest.raises(UserError, match="two classes"):
        ModelSpec("x", (4, 4), classes=("cat",), head="binary")
    with pytest.raises(UserError, match="did you mean 'stretch'"):
        ModelSpec("x", (4, 4), resize="strech")


def test_one_channel_four_and_bands_there_and_back() -> None:
    pixels = np.random.default_rng(1).uniform(0, 255, (2, 4, 6, 6)).astype(np.float32)
    gray = ModelSpec("g", (4, 6), scale=(1 / 127.5,), offset=(-1.0,), channels="gray")
    rgba = ModelSpec("a", (4, 6), scale=(0.5, 2.0, -1.0, 1 / 255), offset=(1.0, 0.0, 3.0, 0.0), channels="rgba")
    two = ModelSpec("b", (4, 6), scale=(257.0,), channels="bands", bands=(5, 1))
    for spec, depth in ((gray, 1), (rgba, 4), (two, 2)):
        given = pixels[..., :depth]
        assert spec.depth == depth == spec.reads.depth
        space = spec.preprocess(given)
        assert space.dtype == np.float32
        np.testing.assert_allclose(space, given * np.array(spec.scale) + np.array(spec.offset), rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(spec.to_pixels(space), given, atol=1e-3)
        assert spec.for_people(space).shape == (2, 4, 6, 3) and spec.for_people(space).dtype == np.uint8
        with pytest.raises(ValueError, match=f"pixels of {depth} channels"):
            spec.preprocess(pixels)
    assert np.ptp(gray.for_people(gray.preprocess(pixels[..., :1])), axis=-1).max() == 0
    assert np.asarray(two.preprocess(np.full((1, 1, 1, 2), 255))).tolist() == [[[[65535.0, 65535.0]]]]


def test_people_see_caffe_s_colours_in_their_order() -> None:
    spec = ModelSpec("c", (1, 1), offset=(-103.939, -116.779, -123.68), channels="bgr")
    red = np.array([255, 0, 0], np.uint8).reshape(1, 1, 1, 3)
    assert np.array_equal(spec.for_people(spec.preprocess(red)), red)


def test_a_spec_of_three_channels_says_what_it_always_said(tmp_path) -> None:
    """The digest of results that exist; one of bands counts them, and what people see of them."""
    assert BINARY.identity == "607f9d1ce62c7d59" and BINARY.scale == (1.0, 1.0, 1.0)
    BINARY.save(tmp_path / "model.json")
    assert "bands" not in (tmp_path / "model.json").read_text()
    specs = [
        ModelSpec("b", (1, 1), channels="bands", bands=bands, shown_bands=shown)
        for bands, shown in (((0, 1), ()), ((1, 0), ()), ((0, 1), (1,)))
    ]
    assert len({spec.identity for spec in specs}) == 3
    for spec in specs:
        spec.save(tmp_path / "b.json")
        assert ModelSpec.load(tmp_path / "b.json") == spec


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"channels": "bands"}, "bands is"),
        ({"bands": (0, 1)}, "one needs the other"),
        ({"channels": "bands", "bands": (0, 0)}, "different ones"),
        ({"channels": "bands", "bands": (-1, 0)}, "the first is 0"),
        ({"channels": "bands", "bands": (0, 1), "shown_bands": (2,)}, "one or three of the bands"),
        ({"channels": "bands", "bands": (0, 1), "shown_bands": (0, 1)}, "one or three"),
        ({"shown_bands": (0,)}, "networks that take bands"),
        ({"channels": "gray", "scale": (1.0, 1.0, 1.0)}, "takes 1 channels"),
        ({"channels": "grey"}, "did you mean 'gray'"),
    ],
)
def test_channels_that_do_not_fit(facts: dict, says: str) -> None:
    with pytest.raises(UserError, match=says):
        ModelSpec("x", (4, 4), **facts)
