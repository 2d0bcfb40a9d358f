"""Guided backprop (1412.6806), the deconvnet (1311.2901), Guided Grad-CAM (1610.02391), and the ReLUs that peers miss."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch
from captum import attr
from keras import layers, ops
from tf_keras_vis.saliency import Saliency as VisSaliency
from tf_keras_vis.utils.model_modifiers import GuidedBackpropagation
from tf_keras_vis.utils.scores import CategoricalScore
from xplique.attributions import DeconvNet, GuidedBackprop

from convscope.attributions.registry import explainer
from tests.peers.figures import Figures
from tests.peers.networks import KEYS, SIZE, SPEC, Pair, nchw, nhwc, one_hot


@pytest.mark.parametrize(
    ("method", "title", "captum", "xplique"),
    [
        ("guided_backprop", "guided backprop", attr.GuidedBackprop, GuidedBackprop),
        ("deconvnet", "deconvnet", attr.Deconvolution, DeconvNet),
    ],
)
def test_rules_for_the_way_back(
    method: str, title: str, captum: Any, xplique: Any, net: Pair, images: np.ndarray, targets: np.ndarray,
    figures: Figures,
) -> None:  # fmt: skip
    ours = explainer(method, net.keras, SPEC)(images, targets, KEYS).maps
    figures.agree(title, "captum", ours, nhwc(captum(net.torch).attribute(nchw(images), torch.tensor(targets))))
    figures.agree(title, "xplique", ours, xplique(net.keras, reducer=None)(images, one_hot(targets)).numpy())


def test_guided_grad_cam(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """The map is enlarged before it multiplies. The paper: bilinear; captum's default is the nearest of the map's values."""
    ours = explainer("guided_gradcam", net.keras, SPEC)(images, targets, KEYS).maps
    library = attr.GuidedGradCam(net.torch, net.torch.relu2)
    arguments = (nchw(images), torch.tensor(targets))
    bilinear = nhwc(library.attribute(*arguments, interpolate_mode="bilinear"))
    figures.agree("Guided Grad-CAM", "captum", ours, bilinear)
    figures.differ("Guided Grad-CAM, default", "captum", ours, nhwc(library.attribute(*arguments)), 0.01)


def small(rectify: Callable[[Any], Any], activation: str | None = None) -> keras.Model:
    """Two convolutions with a ReLU of some kind behind each; the same weights every time."""
    keras.utils.set_random_seed(7)
    image = keras.Input((SIZE, SIZE, 3))
    x = rectify(layers.Conv2D(5, 3, activation=activation)(image))
    x = rectify(layers.Conv2D(6, 3, activation=activation)(x))
    return keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))


KINDS = {
    "activation='relu'": lambda: small(lambda x: x, "relu"),
    "Activation layer": lambda: small(lambda x: layers.Activation("relu")(x)),
    "ReLU layer": lambda: small(lambda x: layers.ReLU()(x)),
    "keras.ops.relu": lambda: small(ops.relu),
}
# Which kinds each peer reaches: the others pass the plain gradient on, and nothing says so.
REACHED = {
    "xplique": ("activation='relu'", "Activation layer", "ReLU layer"),
    "tf-keras-vis": ("activation='relu'", "Activation layer"),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("peer", REACHED)
def test_the_relus_that_a_peer_reaches(
    peer: str, kind: str, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    """Guided backprop: `R_l = 1[f_l > 0] 1[R_(l+1) > 0] R_(l+1)` at *every* ReLU, however it is written.

    Xplique patches `layer.activation` and ReLU layers, tf-keras-vis `layer.activation` alone. Where a ReLU is not patched
    its gradient is `1[f_l > 0] R_(l+1)`: the result is plain saliency, with signs, without a word.
    """
    model = KINDS[kind]()
    ours = explainer("guided_backprop", model, SPEC)(images, targets, KEYS).maps
    if peer == "xplique":
        theirs = GuidedBackprop(model, reducer=None)(images, one_hot(targets)).numpy()
    else:
        library = VisSaliency(model, model_modifier=GuidedBackpropagation())
        theirs = library(
            CategoricalScore(targets.tolist()), images, gradient_modifier=None, keepdims=True, normalize_map=False
        )
    if kind in REACHED[peer]:
        figures.agree("guided backprop", peer, ours, theirs)
    else:
        figures.differ(f"guided backprop, {kind}", peer, ours, theirs, 0.05)
        plain = explainer("saliency", model, SPEC)(images, targets, KEYS).maps
        np.testing.assert_allclose(theirs, plain, atol=1e-6)


def test_captum_reaches_modules_only(flat: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """The same network with `torch.relu` in place of the modules: captum's hooks find nothing, and it gives saliency."""

    class Functional(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = flat.torch

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            for layer in self.inner:
                x = torch.relu(x) if isinstance(layer, torch.nn.ReLU) else layer(x)
            return x

    ours = explainer("guided_backprop", flat.keras, SPEC)(images, targets, KEYS).maps
    theirs = nhwc(attr.GuidedBackprop(Functional()).attribute(nchw(images), torch.tensor(targets)))
    figures.differ("guided backprop, torch.relu", "captum", ours, theirs, 0.05)
