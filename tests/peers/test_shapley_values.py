"""Shapley values (1705.07874): KernelSHAP, GradientSHAP, DeepSHAP."""

import keras
import numpy as np
import pytest
import shap
import tensorflow as tf
import torch
from captum import attr
from keras import layers
from xplique.attributions import KernelShap

from convscope.attributions.base import generator
from convscope.attributions.batches import score_of
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.registry import explainer
from convscope.attributions.shap_values import kernel_values
from tests.peers.figures import Figures
from tests.peers.networks import KEYS, SIZE, SPEC, Pair, nchw, nhwc, one_hot

BLACK = np.full(3, -1.0, np.float32)
# Four bands of 8 rows, so that all 16 coalitions and all 24 orders can be taken.
BANDS = np.repeat(np.arange(SIZE) // 8, SIZE).reshape(SIZE, SIZE)
SQUARES = np.arange(16).reshape(4, 4).repeat(8, axis=0).repeat(8, axis=1)


def masked(image: np.ndarray, shown: np.ndarray, segments: np.ndarray) -> np.ndarray:
    """Copies of an image with some segments shown, the others black: (n, segments) -> (n, H, W, 3) float32."""
    return np.where(shown[:, segments][..., None] > 0.5, image, BLACK).astype(np.float32)


def test_kernel_shap_is_exact_where_all_coalitions_are_used(
    flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    """Captum walks through every order of the segments, shap's ExactExplainer through every coalition: both are the
    definition, `phi_i = sum_S |S|! (M - |S| - 1)! / M! (f(S + i) - f(S))`.
    """
    for image, target in zip(images, targets.tolist(), strict=True):
        score = score_of(flat.scores, target)
        ours, gap = kernel_values(score, image, BLACK, BANDS, 100, seed=0)
        assert abs(gap) < 1e-5
        theirs = attr.ShapleyValues(flat.torch).attribute(
            nchw(image[None]), -1.0, target, feature_mask=torch.tensor(BANDS)[None, None], perturbations_per_eval=16
        )
        theirs = nhwc(theirs)[0, :, 0, 0][::8]
        figures.agree("KernelSHAP, all coalitions", "captum, orders", ours, theirs)
        exact = shap.explainers.Exact(
            lambda shown, image=image, score=score: score(masked(image, np.asarray(shown), BANDS)).astype(np.float64),
            shap.maskers.Independent(np.zeros((1, 4))),
        )
        figures.agree("KernelSHAP, all coalitions", "shap, exact", ours, exact(np.ones((1, 4))).values[0])


def test_sampled_kernel_shap(flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """16 segments, coalitions drawn by each for itself: captum takes them from the Shapley kernel with equal weights, shap
    the smallest and largest ones all and the rest at random; alike but for chance.
    """
    torch.manual_seed(0)
    target = int(targets[0])
    ours, _ = kernel_values(score_of(flat.scores, target), images[0], BLACK, SQUARES, 3000, seed=0)
    theirs = attr.KernelShap(flat.torch).attribute(
        nchw(images[:1]), -1.0, target, feature_mask=torch.tensor(SQUARES)[None, None], n_samples=3000,
        return_input_shape=False, perturbations_per_eval=100,
    )  # fmt: skip
    figures.alike("KernelSHAP, own samples", "captum", ours, theirs[0].numpy(), 0.99)


def test_kernel_shap_of_a_linear_model(images: np.ndarray, figures: Figures) -> None:
    """On `f = w.x` every coalition tells the same, so that any sample gives `sum w (x - fill)` over the segment."""
    keras.utils.set_random_seed(2)
    image = keras.Input((SIZE, SIZE, 3))
    network = keras.Model(image, layers.Dense(3)(layers.Flatten()(image)))
    weights, bias = network.layers[-1].get_weights()
    ours, _ = kernel_values(score_of(ClassScores(network, SPEC), 1), images[0], BLACK, SQUARES, 200, seed=0)
    twin = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(SIZE * SIZE * 3, 3))
    by_colour = weights.reshape(SIZE, SIZE, 3, 3).transpose(2, 0, 1, 3).reshape(-1, 3)
    twin[1].weight.data, twin[1].bias.data = torch.tensor(by_colour.T.copy()), torch.tensor(bias)
    theirs = attr.KernelShap(twin).attribute(
        nchw(images[:1]), -1.0, 1, feature_mask=torch.tensor(SQUARES)[None, None], n_samples=200,
        return_input_shape=False,
    )  # fmt: skip
    figures.agree("KernelSHAP, linear model", "captum", ours, theirs[0].detach().numpy(), 1e-4)
    library = KernelShap(
        network, map_to_interpret_space=lambda _: tf.constant(SQUARES, tf.int32), nb_samples=200, ref_value=BLACK
    )
    theirs = library(images[:1], one_hot(np.array([1]))).numpy()[0, ..., 0]
    figures.agree("KernelSHAP, linear model", "xplique", ours[SQUARES], theirs, 1e-3)


def test_gradient_shap_with_the_same_draws(
    net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`E[(x - x') dF/dx(x' + a (x - x'))]`: backgrounds x' and places a as we draw them."""
    background, samples = images[1:] * 0.5, 40
    ours = explainer("gradient_shap", net.keras, SPEC, {"samples": samples}, background=background)
    found = ours(images[:1], targets[:1], KEYS[:1]).maps
    random = generator(0, "gradient_shap", KEYS[0])
    rows, places = random.integers(len(background), size=samples), random.uniform(size=samples).astype(np.float32)
    monkeypatch.setattr(np.random, "choice", lambda *_: rows)
    monkeypatch.setattr(np.random, "uniform", lambda *_: places)
    theirs = attr.GradientShap(net.torch).attribute(
        nchw(images[:1]), nchw(background), n_samples=samples, stdevs=0.0, target=int(targets[0])
    )
    figures.agree("GradientSHAP", "captum", found, nhwc(theirs))


def test_gradient_shap_with_draws_of_its_own(
    flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    background = images[1:] * 0.5
    ours = explainer("gradient_shap", flat.keras, SPEC, {"samples": 2000}, background=background)
    library = shap.GradientExplainer(flat.keras, background, batch_size=100)
    theirs = np.asarray(library.shap_values(images[:1], nsamples=2000, rseed=0))[..., int(targets[0])]
    figures.alike("GradientSHAP, own draws", "shap", ours(images[:1], targets[:1], KEYS[:1]).maps, theirs, 0.99)


def test_deep_shap(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """Captum's DeepLIFT with the rescale rule, `m = (f(x) - f(x')) / (x - x')` at every ReLU, averaged over x'."""
    background = images[1:] * 0.5
    ours = explainer("deep_shap", net.keras, SPEC, background=background)(images, targets, KEYS)
    theirs = attr.DeepLiftShap(net.torch).attribute(nchw(images), nchw(background), torch.tensor(targets))
    figures.agree("DeepSHAP", "captum", ours.maps, nhwc(theirs), 1e-4)
    assert np.abs(ours.facts["additivity_gap"]).max() < 1e-4
