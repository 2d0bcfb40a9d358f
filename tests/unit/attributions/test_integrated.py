"""Integrated gradients: closed forms, completeness, and baselines in image space."""

import keras
import numpy as np
import pytest
from keras import layers

from convscope.attributions.base import heat
from convscope.attributions.baselines import BASELINES, named_baseline
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.integrated import IntegratedGradients
from convscope.attributions.registry import explainer
from convscope.errors import UserError
from convscope.models.spec import ModelSpec

TF_STYLE = ModelSpec(
    name="net", input_size=(6, 6), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, classes=("a", "b"), head="multiclass"
)

PLAIN = ModelSpec(name="net", input_size=(6, 6), classes=("a", "b"), head="multiclass")


def linear() -> tuple[keras.Model, np.ndarray]:
    weights = np.random.default_rng(2).normal(size=(6, 6, 3, 2)).astype(np.float32)
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Dense(2, bias_initializer="ones")(layers.Flatten()(image)))
    model.layers[-1].set_weights([weights.reshape(-1, 2), np.ones(2, np.float32)])
    return model, weights


def curved() -> keras.Model:
    keras.utils.set_random_seed(1)
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, activation="relu")(image)
    return keras.Model(image, layers.Dense(2)(layers.Dense(5, activation="tanh")(layers.Flatten()(x))))


def fixed(name: str, spec: ModelSpec, background: np.ndarray | None = None) -> np.ndarray:
    baseline = named_baseline(name, spec, background)
    assert isinstance(baseline, np.ndarray)
    return baseline


def photos(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, size=(count, 6, 6, 3)).astype(np.float32)


@pytest.mark.parametrize("name", BASELINES)
def test_a_linear_model_gives_weight_times_difference(name: str) -> None:
    model, weights = linear()
    images = photos()
    baseline = named_baseline(name, TF_STYLE, photos(7), 2.0)
    start = baseline(images) if callable(baseline) else baseline
    found = IntegratedGradients(ClassScores(model, TF_STYLE), baseline, 3)(images, np.array([0, 1, 1]), ["x", "y", "z"])
    expected = (images - start) * weights[..., [0, 1, 1]].transpose(3, 0, 1, 2)
    np.testing.assert_allclose(found.maps, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.facts["completeness_gap"], 0, atol=1e-4)


def test_a_quadratic_is_exact_with_one_trapezoid() -> None:
    """The gradient of x^2 is linear on the way, and there a trapezoid is exact: x^2 - x'^2 of each pixel."""
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Dense(2, kernel_initializer="ones")(layers.Flatten()(keras.ops.square(image))))
    images, start = photos(2), photos(5)[4]
    explain = IntegratedGradients(ClassScores(model, TF_STYLE), start, 1)
    found = explain(images, np.array([0, 1]), ["x", "y"])
    np.testing.assert_allclose(found.maps, images**2 - start**2, rtol=1e-4, atol=1e-5)


def test_the_gap_is_what_the_sum_misses_and_shrinks_with_more_steps() -> None:
    model, images, targets = curved(), photos(), np.array([0, 1, 1])
    start = named_baseline("black", TF_STYLE)
    ends = model(images).numpy()[[0, 1, 2], targets] - model(np.full((1, 6, 6, 3), -1.0)).numpy()[0, targets]
    gaps = {}
    for steps in (2, 500):
        found = IntegratedGradients(ClassScores(model, TF_STYLE), start, steps)(images, targets, ["x", "y", "z"])
        gaps[steps] = found.facts["completeness_gap"]
        np.testing.assert_allclose(heat(found.maps, signed=True).sum(axis=(1, 2)) - ends, gaps[steps], atol=1e-4)
        np.testing.assert_allclose(
            found.facts["baseline_score"], model(np.full((1, 6, 6, 3), -1.0)).numpy()[0, targets], rtol=1e-4
        )
    assert np.abs(gaps[500]).max() < 0.01 * np.abs(ends).max()
    assert np.abs(gaps[500]).mean() < np.abs(gaps[2]).mean()


@pytest.mark.parametrize(("settings", "start"), [({}, 0.0), ({"baseline": "black"}, -1.0)])
def test_fifty_trapezoids_from_grey_or_from_the_paper_s_black(settings: dict, start: float) -> None:
    model, images = curved(), photos(1)
    found = explainer("integrated_gradients", model, TF_STYLE, settings)(images, np.array([1]), ["x"])
    expected = IntegratedGradients(ClassScores(model, TF_STYLE), np.full((1, 1, 1, 3), start), 50)
    np.testing.assert_allclose(found.maps, expected(images, np.array([1]), ["x"]).maps, atol=1e-6)


def darkness() -> keras.Model:
    """Class 1 is what is dark in the middle: its score falls with the brightness there, given as 0..255."""
    weights = np.zeros((6, 6, 3, 2), np.float32)
    weights[2:4, 2:4, :, 1] = -1 / 255
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(image)))
    model.set_weights([weights.reshape(-1, 2), np.array([0, 6], np.float32)])
    return model


@pytest.mark.parametrize("method", ["integrated_gradients", "input_x_gradient"])
def test_a_black_object_is_evidence_unless_the_baseline_is_black(method: str) -> None:
    images = np.full((1, 6, 6, 3), 200, np.float32)
    images[:, 2:4, 2:4] = 0
    for settings, expected in (({}, 1.5), ({"baseline": "black"}, 0), ({"baseline": "zero"}, 0)):
        found = heat(explainer(method, darkness(), PLAIN, settings)(images, np.array([1]), ["x"]).maps, signed=True)[0]
        np.testing.assert_allclose(found[2:4, 2:4], expected, atol=1e-5)
        assert not found[0].any()


def test_input_x_gradient_as_published_where_zero_is_the_baseline() -> None:
    """`x * dS/dx`; where preprocessing makes mid-grey 0, that is the default."""
    model, images, targets = curved(), photos(), np.array([0, 1, 1])
    gradients = ClassScores(model, TF_STYLE).gradient(images, targets)[0]
    for settings in ({}, {"baseline": "zero"}):
        found = explainer("input_x_gradient", model, TF_STYLE, settings)(images, targets, ["x", "y", "z"]).maps
        np.testing.assert_allclose(found, images * gradients, atol=1e-6)
    zero = explainer("input_x_gradient", model, PLAIN, {"baseline": "zero"})(images, targets, ["x", "y", "z"]).maps
    np.testing.assert_allclose(zero, images * gradients, atol=1e-6)
    grey = explainer("input_x_gradient", model, PLAIN)(images, targets, ["x", "y", "z"]).maps
    np.testing.assert_allclose(grey, (images - 127.5) * gradients, rtol=1e-4, atol=1e-3)


def test_baselines_are_given_in_image_space() -> None:
    caffe = ModelSpec(
        name="net",
        input_size=(6, 6),
        offset=(-103.9, -116.8, -123.7),
        channels="bgr",
        classes=("a", "b"),
        head="multiclass",
    )
    for spec, black, grey in (
        (TF_STYLE, -1, 0),
        (PLAIN, 0, 127.5),
        (caffe, [-103.9, -116.8, -123.7], [23.6, 10.7, 3.8]),
    ):
        np.testing.assert_allclose(np.ravel(fixed("black", spec)) - black, 0, atol=1e-4)
        np.testing.assert_allclose(np.ravel(fixed("grey", spec)) - grey, 0, atol=1e-4)


def test_blurring_keeps_a_flat_image_and_smooths_an_edge_of_each_image_alone() -> None:
    blur = named_baseline("blurred", TF_STYLE, blur=2.0)
    assert callable(blur)
    flat = np.full((1, 6, 6, 3), TF_STYLE.preprocess(np.full((1, 1, 1, 3), 77)).ravel()[0], np.float32)
    np.testing.assert_allclose(blur(flat), flat, atol=1e-5)
    edge = flat.copy()
    edge[:, :, 3:] = 1
    both = blur(np.concatenate([edge, flat]))
    assert np.abs(np.diff(both[0, 0, :, 0])).max() < 0.5 * np.abs(np.diff(edge[0, 0, :, 0])).max()
    np.testing.assert_allclose(both[1], flat[0], atol=1e-5)


def test_the_mean_needs_a_set_and_names_are_checked() -> None:
    np.testing.assert_allclose(fixed("mean", TF_STYLE, photos(5)), photos(5).mean(axis=0)[None], atol=1e-6)
    with pytest.raises(UserError, match="rise: baseline 'mean' needs the images of a set"):
        named_baseline("mean", TF_STYLE, method="rise")
    with pytest.raises(UserError, match="baseline 'gray' does not exist; did you mean 'grey'"):
        named_baseline("gray", TF_STYLE)
