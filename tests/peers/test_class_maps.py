"""CAM, Grad-CAM, Grad-CAM++, Layer-CAM: the raw maps, before anything is enlarged."""

from typing import Any

import numpy as np
import pytest
import tensorflow as tf
import torch
from captum import attr
from tf_keras_vis.gradcam import Gradcam
from tf_keras_vis.gradcam_plus_plus import GradcamPlusPlus
from tf_keras_vis.layercam import Layercam
from tf_keras_vis.utils.scores import CategoricalScore
from xplique.attributions import GradCAM, GradCAMPP

from convscope.cams.mapper import ClassMapper
from tests.peers.figures import Figures
from tests.peers.networks import SPEC, Pair, nchw, nhwc, one_hot, pair

LAYER = "relu2"


def ours_of(net: Pair, method: str, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return ClassMapper(net.keras, SPEC, LAYER, [method])(images, targets, "true").maps[method][:, 0]


def from_tf_keras_vis(library: Any, net: Pair, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Raw map; the layer is named, and not searched for."""
    return np.asarray(
        library(net.keras)(
            CategoricalScore(targets.tolist()), images, penultimate_layer=LAYER, seek_penultimate_conv_layer=False,
            expand_cam=False, normalize_cam=False,
        )
    )  # fmt: skip


def from_xplique(library: Any, net: Pair, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Raw map: its steps without the enlarging."""
    explain = library(net.keras, conv_layer=LAYER)
    maps, gradients = explain._gradient(explain.model, tf.constant(images), tf.constant(one_hot(targets)))
    return explain._apply_weights(explain._compute_weights(gradients, maps), maps).numpy()


def maps_and_gradients(net: Pair, images: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Feature maps and the gradients of the class scores with respect to them, by torch: (N, h, w, K) each, float64."""
    before = net.torch[: list(dict(net.torch.named_children())).index(LAYER) + 1]
    maps = before(nchw(images)).detach().requires_grad_()
    score = net.torch[len(before) :](maps)[torch.arange(len(images)), torch.tensor(targets)].sum()
    return nhwc(maps).astype(np.float64), nhwc(torch.autograd.grad(score, maps)[0]).astype(np.float64)


def test_grad_cam(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    ours = ours_of(net, "gradcam", images, targets)
    theirs = attr.LayerGradCam(net.torch, net.torch.relu2).attribute(
        nchw(images), torch.tensor(targets), relu_attributions=True
    )
    figures.agree("Grad-CAM", "captum", ours, nhwc(theirs)[..., 0])
    figures.agree("Grad-CAM", "xplique", ours, from_xplique(GradCAM, net, images, targets))
    figures.agree("Grad-CAM", "tf-keras-vis", ours, from_tf_keras_vis(Gradcam, net, images, targets))


def test_cam(images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """Behind global average pooling `dS_c/dA_ijk = w_ck / Z`: CAM is Z times captum's gradient x activation, signs kept."""
    net = pair("gap")
    library = attr.LayerGradientXActivation(net.torch, net.torch.relu2)
    theirs = nhwc(library.attribute(nchw(images), torch.tensor(targets))).sum(axis=3)
    figures.agree("CAM", "captum", ours_of(net, "cam", images, targets), theirs * 14 * 14)


def test_layer_cam(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    ours = ours_of(net, "layer_cam", images, targets)
    figures.agree("Layer-CAM", "tf-keras-vis", ours, from_tf_keras_vis(Layercam, net, images, targets))


# The paper, eq. 19: `alpha_ij = g^2 / (2 g^2 + (sum_ab A_ab) g^3)`, and `w_k = sum_ij alpha_ij ReLU(g_ij)`.


def by_eq_19(maps: np.ndarray, gradients: np.ndarray, total: np.ndarray, normalised: bool = False) -> np.ndarray:
    """The map in float64; `total` (N, 1, 1, K) stands for `sum_ab A_ab`, and `normalised` makes alpha add up to 1."""
    bottom = 2 * gradients**2 + total * gradients**3
    alpha = np.divide(gradients**2, bottom, out=np.zeros_like(bottom), where=bottom != 0)
    if normalised:
        whole = alpha.sum(axis=(1, 2), keepdims=True)
        alpha = np.divide(alpha, whole, out=alpha.copy(), where=whole != 0)
    weights = (alpha * np.maximum(gradients, 0)).sum(axis=(1, 2))
    return np.maximum(np.einsum("nhwk,nk->nhw", maps, weights), 0)


def test_grad_cam_plus_plus_of_torch_gradients(
    net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    maps, gradients = maps_and_gradients(net, images, targets)
    ours = ours_of(net, "gradcam_plus_plus", images, targets)
    figures.agree("Grad-CAM++", "torch, eq. 19", ours, by_eq_19(maps, gradients, maps.sum(axis=(1, 2), keepdims=True)))


def test_xplique_grad_cam_plus_plus_takes_the_mean(images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """Xplique has `mean_ab A_ab` where eq. 19 has `sum_ab A_ab`: Z times less, so that alpha stays near 1/2 everywhere.

    That is not a factor of the whole map: it weighs the channels otherwise. With the mean, and its mean over the places
    in place of the sum, the formula gives Xplique's numbers.
    """
    net = pair("flat")
    ours = ours_of(net, "gradcam_plus_plus", images, targets)
    theirs = from_xplique(GradCAMPP, net, images, targets)
    maps, gradients = maps_and_gradients(net, images, targets)
    places = maps.shape[1] * maps.shape[2]
    with_mean = by_eq_19(maps, gradients, maps.mean(axis=(1, 2), keepdims=True)) / places
    figures.agree("Grad-CAM++ with the mean of A", "xplique", with_mean, theirs)
    ours, theirs = (values / values.max(axis=(1, 2), keepdims=True) for values in (ours, theirs))
    figures.differ("Grad-CAM++, largest value 1", "xplique", ours, theirs, 0.005)


def test_tf_keras_vis_grad_cam_plus_plus_normalises_alpha(
    images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    """tf-keras-vis divides alpha by `sum_ij alpha_ij` (as the authors' own program does, not eq. 19), and multiplies by
    exp(S), which comes from the paper's `Y = exp(S)`. With both the formula gives its numbers.

    The sum has the alphas of negative gradients in it, where `2 g^2 + (sum_ab A_ab) g^3` passes through zero: one place
    near that pole can outweigh all others, and turns the sign of a channel's weight. Hence so poor a correlation.
    """
    net = pair("flat")
    ours = ours_of(net, "gradcam_plus_plus", images, targets)
    theirs = from_tf_keras_vis(GradcamPlusPlus, net, images, targets)
    maps, gradients = maps_and_gradients(net, images, targets)
    scores = net.scores.logits(images)[np.arange(len(images)), targets]
    formula = by_eq_19(maps, gradients, maps.sum(axis=(1, 2), keepdims=True), normalised=True)
    formula *= np.exp(scores)[:, None, None]
    # Near the pole float32 and float64 part.
    figures.agree("Grad-CAM++, alpha / sum, x exp(S)", "tf-keras-vis", formula, theirs, 1e-3)
    ours, theirs = (values / values.max(axis=(1, 2), keepdims=True) for values in (ours, theirs))
    figures.differ("Grad-CAM++, largest value 1", "tf-keras-vis", ours, theirs, 0.005)


@pytest.mark.filterwarnings("ignore:invalid value")
def test_tf_keras_vis_grad_cam_plus_plus_overflows(images: np.ndarray, targets: np.ndarray) -> None:
    """exp(S) is infinite in float32 from a logit of 89 on, and `inf / inf` is NaN. The factor is the same for the whole map;
    we leave it out, and a bias of 100 on the logits changes nothing.
    """
    net = pair("flat")
    head = net.keras.get_layer("logits")
    before = ours_of(net, "gradcam_plus_plus", images, targets)
    kernel, bias = head.get_weights()
    try:
        head.set_weights([kernel, bias + 100])
        after = ours_of(net, "gradcam_plus_plus", images, targets)
        theirs = from_tf_keras_vis(GradcamPlusPlus, net, images, targets)
    finally:
        head.set_weights([kernel, bias])
    np.testing.assert_allclose(after, before, rtol=1e-5, atol=1e-7)
    assert np.isnan(theirs).all()
