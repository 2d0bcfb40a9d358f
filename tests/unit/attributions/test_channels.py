"""Attributions of networks of one, two, four and six channels: those of the twin in colour, and what was planted."""

import keras
import numpy as np
import pytest
from keras import layers

from convscope.attributions.base import heat
from convscope.attributions.baselines import named_baseline
from convscope.attributions.batches import fill_colour, in_lab, to_be_cut
from convscope.attributions.figures import Style, draw_map
from convscope.attributions.lime_segments import quickshift_segments
from convscope.attributions.names import METHODS
from convscope.attributions.registry import explainer
from convscope.attributions.shap_values import superpixels
from convscope.attributions.views import views
from convscope.errors import UserError
from convscope.models.spec import ModelSpec
from convscope.pictures.channels import Channels
from tests.one_channel import COLOUR, FACTS, GRAY, network, pair, pixels

KEYS = ["a", "b"]
TARGETS = np.array([0, 2])
FEW = {
    "rise": {"masks": 60, "grid": 4},
    "lime": {"samples": 60, "kernel_size": 1, "max_distance": 10},
    "kernel_shap": {"samples": 60, "segments": 16},
    "partition_shap": {"evaluations": 80},
    "gradient_shap": {"samples": 20},
    "smoothgrad": {"samples": 4},
    "integrated_gradients": {"steps": 8},
    "deep_shap": {"background": 2},
    "pertinent_negative": {"iterations": 20, "searches": 3},
    "pertinent_positive": {"iterations": 20, "searches": 3},
}
# What the twin's map is of gray's: the same, a third for each colour, the same when the colours are added up.
SAME = ("gradcam", "occlusion", "rise", "lime", "kernel_shap")
THIRD = ("saliency", "guided_backprop", "deconvnet", "guided_gradcam")
SHARED = ("input_x_gradient", "integrated_gradients", "gradient_shap", "deep_shap")


def spec_of(depth: int) -> ModelSpec:
    kind = {1: "gray", 3: "rgb", 4: "rgba"}.get(depth, "bands")
    bands = tuple(range(depth)) if kind == "bands" else ()
    return ModelSpec("net", (24, 24), channels=kind, bands=bands, classes=("a", "b", "c"), head="multiclass")


def explained(method: str, net: keras.Model, spec: ModelSpec, images: np.ndarray, more: np.ndarray | None = None):
    explain = explainer(method, net, spec, FEW.get(method), seed=1, background=images if more is None else more)
    return explain(images, TARGETS[: len(images)], KEYS[: len(images)])


@pytest.mark.parametrize("method", [*SAME, *THIRD, *SHARED])
def test_gray_is_explained_as_its_twin_in_colour(method: str) -> None:
    gray, colour = pair()
    one = GRAY.preprocess(pixels())
    mine = explained(method, gray, GRAY, one)
    twin = explained(method, colour, COLOUR, one.repeat(3, axis=3))
    close = {"rtol": 2e-3, "atol": 1e-4 * float(np.abs(mine.maps).max())}
    assert np.abs(mine.maps).max() > 0
    if method in SAME:
        assert mine.maps.shape == (2, 24, 24)
        np.testing.assert_allclose(twin.maps, mine.maps, **close)
        return
    assert mine.maps.shape == (2, 24, 24, 1) and twin.maps.shape == (2, 24, 24, 3)
    np.testing.assert_allclose(twin.maps.sum(axis=3), mine.maps[..., 0], **close)
    for channel in range(3):
        np.testing.assert_allclose(3 * twin.maps[..., channel], mine.maps[..., 0], **close)
    signed = METHODS[method].signed
    np.testing.assert_allclose(heat(twin.maps, signed), heat(mine.maps, signed) / (1 if signed else 3), **close)


@pytest.mark.parametrize("depth", [1, 2, 4, 6])
@pytest.mark.parametrize("method", METHODS)
def test_every_method_explains_every_depth(method: str, depth: int) -> None:
    random = np.random.default_rng(0)
    spec = spec_of(depth)
    images = spec.preprocess(random.integers(0, 256, (2, 24, 24, depth)))
    found = explained(method, network(depth), spec, images)
    assert found.maps.shape in ((2, 24, 24), (2, 24, 24, depth)) and np.isfinite(found.maps).all()
    assert heat(found.maps, METHODS[method].signed).shape == (2, 24, 24)


def planted(depth: int, fine: bool = False) -> tuple[keras.Model, ModelSpec, np.ndarray]:
    """A network that adds up one channel over a square and sees nothing else, and a picture that is bright there alone.

    LIME hides a part behind its mean, which keeps every sum: for it the square has a fine pattern, and the network looks for that.
    """
    image = keras.Input((24, 24, depth))
    net = keras.Model(image, layers.Dense(3)(layers.Flatten()(image)))
    weights = np.zeros((24, 24, depth, 3), np.float32)
    pattern = np.where(np.indices((6, 6)).sum(axis=0) % 2, 1, -1) if fine else np.ones((6, 6))
    weights[6:12, 12:18, depth - 1, 0] = 0.002 * pattern
    net.layers[-1].set_weights([weights.reshape(-1, 3), np.zeros(3, np.float32)])
    spec = spec_of(depth)
    picture = np.full((1, 24, 24, depth), 60)
    picture[0, 6:12, 12:18] = (200 + 20 * pattern)[..., None]
    return net, spec, spec.preprocess(picture)


@pytest.mark.parametrize("depth", [1, 2, 6])
@pytest.mark.parametrize(
    "method", ["occlusion", "rise", "lime", "kernel_shap", "partition_shap", "integrated_gradients"]
)
def test_what_is_planted_is_found(method: str, depth: int) -> None:
    net, spec, images = planted(depth, fine=method == "lime")
    few = {"rise": {"masks": 400, "grid": 8}, "kernel_shap": {"samples": 300, "segments": 16}}.get(
        method, FEW.get(method)
    )
    found = explainer(method, net, spec, few, seed=1, background=images)(images, np.array([0]), ["x"])
    warm = heat(found.maps, METHODS[method].signed)[0]
    inside = np.zeros((24, 24), bool)
    inside[6:12, 12:18] = True
    assert inside[np.unravel_index(warm.argmax(), warm.shape)]
    assert warm[inside].mean() > 4 * np.abs(warm[~inside]).mean()


def test_alpha_alone_may_speak() -> None:
    """Of RGBA the mid-grey of a baseline is opaque: what speaks for the class by being clear there is evidence against it."""
    net, spec, images = planted(4)
    found = explainer("integrated_gradients", net, spec, {"steps": 2})(images, np.array([0]), ["x"]).maps[0]
    assert found[8, 14, 3] == pytest.approx(0.002 * (220 - 255), rel=1e-4)
    assert not found[..., :3].any() and not found[:5, :, 3].any()


def test_a_colour_is_what_it_is_to_the_model() -> None:
    assert fill_colour([255, 0, 0], spec_of(1), "x").tolist() == [pytest.approx(76.245)]
    assert fill_colour([127.5] * 3, spec_of(1), "x").tolist() == [127.5]
    assert fill_colour([1, 2, 3], spec_of(4), "x").tolist() == [1, 2, 3, 255]
    assert fill_colour([9, 9, 9], spec_of(6), "x").tolist() == [9] * 6
    with pytest.raises(UserError, match=r"rise.fill is .*bands, which have no colours; give three equal numbers"):
        fill_colour([1, 2, 3], spec_of(6), "rise.fill")


@pytest.mark.parametrize("depth", [1, 2, 4, 6])
def test_baselines_have_the_model_s_channels(depth: int) -> None:
    spec, random = spec_of(depth), np.random.default_rng(0)
    images = spec.preprocess(random.integers(0, 256, (2, 24, 24, depth)))
    for name in ("grey", "black", "zero", "mean"):
        assert named_baseline(name, spec, images).shape[-1] == depth
    blurred = named_baseline("blurred", spec, blur=3.0)(images)
    assert blurred.shape == images.shape and blurred.std() < images.std() / 2
    flat = np.full((1, 24, 24, depth), 77, np.float32)
    np.testing.assert_array_equal(named_baseline("blurred", spec, blur=3.0)(flat), flat)


def test_a_map_of_gray_is_drawn_in_gray() -> None:
    values = np.random.default_rng(0).normal(size=(12, 12, 6)).astype(np.float32)
    photo = np.full((12, 12, 3), 90, np.uint8)
    style = Style()
    alone, _ = draw_map(photo, values[..., :1], False, style, colours=True, seen=(0,))
    assert alone.shape == (12, 12, 3) and np.ptp(alone, axis=2).max() == 0
    chosen, _ = draw_map(photo, values, False, style, colours=True, seen=(4, 2, 0))
    known, _ = draw_map(photo, values[..., [4, 2, 0]], False, style, colours=True, top=None)
    assert chosen.shape == known.shape == (12, 12, 3)


def test_a_contrastive_change_is_seen_as_the_model_s_channels_are() -> None:
    settings = {"neutral": [127.5] * 3}
    pixels_of = np.array([[[200, 100, 50, 0]]], np.uint8)
    photo = Channels("rgba").for_people(pixels_of)
    change = np.array([[[0, 0, 0, 1.0]]], np.float32)
    shown = views(
        "pertinent_negative",
        photo,
        change,
        lambda name: np.zeros(1),
        settings,
        "coolwarm",
        Channels("rgba"),
        lambda: pixels_of,
    )
    assert shown["changed"].tolist() == [[[200, 100, 50]]]
    gray = Channels("gray")
    alone = views(
        "pertinent_positive", photo, change[..., :1] + 0.25, lambda name: np.zeros(1), settings, "coolwarm", gray
    )
    assert alone["alone"].tolist() == [[[191, 191, 191]]]


def test_segments_follow_all_bands_whichever_people_see() -> None:
    """Two bands, an edge in the second alone: the first, which is shown, knows nothing of it."""
    spec = ModelSpec("net", (24, 24), channels="bands", bands=(0, 1), shown_bands=(0,), **FACTS)
    picture = np.full((1, 24, 24, 2), 90, np.float32)
    picture[:, :, 12:, 1] = 200
    cut = to_be_cut(picture, spec)
    for segments in (superpixels(cut[0], 4, in_lab(spec)), quickshift_segments(cut[0], 2, 20, 0.5, 1, in_lab(spec))):
        assert not set(segments[:, :12].ravel()) & set(segments[:, 12:].ravel())
    assert not in_lab(spec) and in_lab(GRAY)
    np.testing.assert_allclose(to_be_cut(np.full((1, 2, 2, 2), 255.0), spec), 100 / 2**0.5)
    np.testing.assert_allclose(to_be_cut(GRAY.preprocess(pixels(1)), GRAY)[..., :1], pixels(1) / 255, atol=1e-6)
