"""Integrated gradients: `(x - x') * integral_0^1 dS/dx(x' + a (x - x')) da` (1703.01365), and how each peer sums it."""

import numpy as np
import torch
from captum import attr
from xplique.attributions import IntegratedGradients

from convscope.attributions.base import heat
from convscope.attributions.registry import explainer
from tests.peers.figures import Figures
from tests.peers.networks import KEYS, SPEC, Pair, nchw, nhwc, one_hot

# Black in model space.
BLACK = -1.0


def ours_of(net: Pair, images: np.ndarray, targets: np.ndarray, steps: int) -> np.ndarray:
    return explainer("integrated_gradients", net.keras, SPEC, {"steps": steps, "baseline": "black"})(
        images, targets, KEYS
    ).maps


def test_xplique_with_the_same_points(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """Xplique counts the points, we count the trapezoids between them."""
    theirs = IntegratedGradients(net.keras, steps=21, baseline_value=BLACK, reducer="sum")(images, one_hot(targets))
    ours = heat(ours_of(net, images, targets, 20), signed=True)
    figures.agree("integrated gradients", "xplique", ours, theirs.numpy()[..., 0])


def test_captum_in_the_limit(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """Captum's default, Gauss-Legendre, and our trapezoids approach the same integral: of a network with ReLUs, whose
    gradient jumps, both with an error of 1/n.
    """
    library = attr.IntegratedGradients(net.torch)
    theirs = library.attribute(nchw(images), BLACK, torch.tensor(targets), n_steps=200)
    figures.agree("integrated gradients, limit", "captum", ours_of(net, images, targets, 400), nhwc(theirs), 0.01)


def test_captum_trapezoid_lacks_a_share_of_the_integral(
    net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures
) -> None:
    """The trapezoid rule on n points has n - 1 intervals: `1/(n-1) (g_1/2 + g_2 + ... + g_n/2)`.

    Captum's `riemann_trapezoid` divides by n: its weights add up to (n - 1)/n, so that it misses completeness,
    `sum = F(x) - F(x')`, by 1/n whatever the function. Apart from that factor it is ours.
    """
    points = 21
    library = attr.IntegratedGradients(net.torch)
    theirs = nhwc(
        library.attribute(nchw(images), BLACK, torch.tensor(targets), n_steps=points, method="riemann_trapezoid")
    )
    ours = ours_of(net, images, targets, points - 1)
    figures.agree("integrated gradients, trapezoid", "captum", ours, theirs * points / (points - 1))
    figures.differ("integrated gradients, as given", "captum", ours, theirs, 0.9 / points)


def test_completeness(net: Pair, images: np.ndarray, targets: np.ndarray) -> None:
    """Our completeness gap is the one that captum finds for our map."""
    found = explainer("integrated_gradients", net.keras, SPEC, {"steps": 60, "baseline": "black"})(
        images, targets, KEYS
    )
    delta = attr.IntegratedGradients(net.torch).compute_convergence_delta(
        nchw(found.maps), BLACK * torch.ones_like(nchw(images)), nchw(images), target=torch.tensor(targets)
    )
    np.testing.assert_allclose(found.facts["completeness_gap"], delta.numpy(), atol=2e-5)
    assert np.abs(found.facts["completeness_gap"]).max() > 1e-5
