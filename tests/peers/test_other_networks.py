"""The methods on networks with what the small ones lack: a one-unit head, batch norm, pooling, images that are not square,
separable convolutions, activations below 0. Each against captum on a twin in torch, or its formula on torch's gradients.
"""

from typing import Any

import numpy as np
import pytest
import torch
from captum import attr

from convscope.attributions.base import generator
from convscope.attributions.batches import score_of
from convscope.attributions.occlusion import occlusion_map
from convscope.attributions.registry import explainer
from convscope.cams.mapper import ClassMapper
from tests.peers.figures import Figures
from tests.peers.networks import KEYS, OTHERS, Pair, nchw, nhwc, other_pair

LAYER = "last"
RECTIFIED = [kind for kind in OTHERS if kind != "swish"]


def case(kind: str) -> tuple[Pair, np.ndarray, np.ndarray, torch.Tensor]:
    """A pair, three images in model space, their classes, and those for torch."""
    net = other_pair(kind)
    images = np.random.default_rng(3).uniform(-1, 1, (3, *net.spec.input_size, 3)).astype(np.float32)
    targets = np.array([1, 0, 1]) if net.spec.head == "binary" else np.array([2, 0, 1])
    return net, images, targets, torch.tensor(targets)


def ours_of(method: str, kind: str, settings: dict[str, Any] | None = None, **context: Any) -> np.ndarray:
    net, images, targets, _ = case(kind)
    return explainer(method, net.keras, net.spec, settings, **context)(images, targets, KEYS).maps


@pytest.mark.parametrize("kind", OTHERS)
def test_both_networks_answer_the_same(kind: str, figures: Figures) -> None:
    net, images, _, _ = case(kind)
    figures.agree(
        f"logits, {kind}", "torch", net.spec.class_scores(net.scores.logits(images)),
        net.torch(nchw(images)).detach().numpy(),
    )  # fmt: skip


@pytest.mark.parametrize("kind", OTHERS)
def test_plain_gradients(kind: str, figures: Figures) -> None:
    net, images, _, targets = case(kind)
    gradient = nhwc(attr.Saliency(net.torch).attribute(nchw(images), targets, abs=False))
    figures.agree(f"saliency, {kind}", "captum", ours_of("saliency", kind), gradient)
    found = nhwc(attr.InputXGradient(net.torch).attribute(nchw(images), targets))
    figures.agree(f"input x gradient, {kind}", "captum", ours_of("input_x_gradient", kind), found)
    # Of another baseline: the gradient times the difference.
    black = ours_of("input_x_gradient", kind, {"baseline": "black"})
    figures.agree(f"input x gradient from black, {kind}", "captum", black, gradient * (images + 1))


@pytest.mark.parametrize("kind", OTHERS)
def test_integrated_gradients(kind: str, figures: Figures) -> None:
    """Captum's trapezoid without its missing factor (see test_integrated_gradients)."""
    net, images, _, targets = case(kind)
    library = attr.IntegratedGradients(net.torch)
    for name, value in (("grey", 0.0), ("black", -1.0)):
        theirs = library.attribute(nchw(images), value, targets, n_steps=11, method="riemann_trapezoid")
        ours = ours_of("integrated_gradients", kind, {"steps": 10, "baseline": name})
        figures.agree(f"integrated gradients, {kind}", "captum", ours, nhwc(theirs) * 11 / 10)


@pytest.mark.parametrize("kind", RECTIFIED)
def test_rules_for_the_way_back(kind: str, figures: Figures) -> None:
    net, images, _, targets = case(kind)
    for method, library in (("guided_backprop", attr.GuidedBackprop), ("deconvnet", attr.Deconvolution)):
        theirs = nhwc(library(net.torch).attribute(nchw(images), targets))
        figures.agree(f"{method}, {kind}", "captum", ours_of(method, kind), theirs)
    theirs = attr.GuidedGradCam(net.torch, net.torch.get_submodule(LAYER)).attribute(
        nchw(images), targets, interpolate_mode="bilinear"
    )
    ours = ours_of("guided_gradcam", kind, layer=LAYER)
    figures.agree(f"guided_gradcam, {kind}", "captum", ours, nhwc(theirs))


@pytest.mark.parametrize("method", ["guided_backprop", "deconvnet"])
def test_without_a_rectifier_the_rules_leave_the_plain_gradient(method: str, figures: Figures) -> None:
    net, images, _, targets = case("swish")
    gradient = nhwc(attr.Saliency(net.torch).attribute(nchw(images), targets, abs=False))
    figures.agree(f"{method}, swish", "captum's plain gradient", ours_of(method, "swish"), gradient)


def maps_and_gradients(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Feature maps and gradients of the class scores by torch: (N, h, w, K) each, float64."""
    net, images, _, targets = case(kind)
    place = list(dict(net.torch.named_children())).index(LAYER) + 1
    maps = net.torch[:place](nchw(images)).detach().requires_grad_()
    score = net.torch[place:](maps)[torch.arange(len(images)), targets].sum()
    return nhwc(maps).astype(np.float64), nhwc(torch.autograd.grad(score, maps)[0]).astype(np.float64)


@pytest.mark.parametrize("kind", OTHERS)
def test_class_activation_maps(kind: str, figures: Figures) -> None:
    net, images, targets, torch_targets = case(kind)
    methods = ["gradcam", "gradcam_plus_plus", "layer_cam", "eigen_cam"]
    pooled = any(name == "pool" for name, _ in net.torch.named_children()) and "average_pool" not in dict(
        net.torch.named_children()
    )
    found = ClassMapper(net.keras, net.spec, LAYER, [*methods, *["cam"] * pooled])(images, targets, "true").maps
    ours = {method: values[:, 0] for method, values in found.items()}
    library = attr.LayerGradCam(net.torch, net.torch.get_submodule(LAYER))
    theirs = nhwc(library.attribute(nchw(images), torch_targets, relu_attributions=True))[..., 0]
    figures.agree(f"Grad-CAM, {kind}", "captum", ours["gradcam"], theirs)
    maps, gradients = maps_and_gradients(kind)
    positive = np.maximum(gradients, 0)
    figures.agree(f"Layer-CAM, {kind}", "torch", ours["layer_cam"], np.maximum((positive * maps).sum(axis=3), 0))
    # Eq. 19; below 0, as behind the swish, the sum stops at 0 and alpha at 1/2.
    total = np.maximum(maps.sum(axis=(1, 2), keepdims=True), 0)
    alpha = positive**2 / np.where(positive > 0, 2 * positive**2 + total * positive**3, 1)
    weights = (alpha * positive).sum(axis=(1, 2))
    expected = np.maximum(np.einsum("nhwk,nk->nhw", maps, weights), 0)
    figures.agree(f"Grad-CAM++, {kind}", "torch, eq. 19", ours["gradcam_plus_plus"], expected)
    for row, one in enumerate(maps):
        flat = torch.tensor(one.reshape(-1, one.shape[-1]))
        projection = (flat @ torch.linalg.svd(flat, full_matrices=False).Vh[0]).numpy()
        votes = np.sign(projection[np.abs(projection) > 1e-9 * np.abs(projection).max()]).sum()
        projection = np.maximum(projection if votes >= 0 else -projection, 0).reshape(one.shape[:2])
        figures.agree(f"Eigen-CAM, {kind}", "torch, SVD", ours["eigen_cam"][row], projection, 1e-4)
    if pooled:
        products = attr.LayerGradientXActivation(net.torch, net.torch.get_submodule(LAYER))
        theirs = nhwc(products.attribute(nchw(images), torch_targets)).sum(axis=3)
        figures.agree(f"CAM, {kind}", "captum", ours["cam"], theirs * np.prod(theirs.shape[1:]))


@pytest.mark.parametrize("kind", OTHERS)
def test_occlusion(kind: str, figures: Figures) -> None:
    net, images, targets, torch_targets = case(kind)
    theirs = attr.Occlusion(net.torch).attribute(
        nchw(images), (3, 6, 6), (3, 4, 4), baselines=-1.0, target=torch_targets
    )
    black = np.full(3, -1.0, np.float32)
    ours = [
        occlusion_map(score_of(net.scores, int(target)), image, black, (6, 6), (4, 4))
        for image, target in zip(images, targets, strict=True)
    ]
    # Differences of two scores that are nearly alike: a rounding error counts for more.
    figures.agree(f"occlusion, {kind}", "captum", np.stack(ours), nhwc(theirs)[..., 0], 1e-4)


@pytest.mark.parametrize("kind", OTHERS)
def test_gradient_shap_with_the_same_draws(kind: str, figures: Figures, monkeypatch: pytest.MonkeyPatch) -> None:
    net, images, targets, _ = case(kind)
    background, samples = images[1:] * 0.5, 20
    explain = explainer("gradient_shap", net.keras, net.spec, {"samples": samples}, background=background)
    found = explain(images[:1], targets[:1], KEYS[:1]).maps
    random = generator(0, "gradient_shap", KEYS[0])
    rows, places = random.integers(len(background), size=samples), random.uniform(size=samples).astype(np.float32)
    monkeypatch.setattr(np.random, "choice", lambda *_: rows)
    monkeypatch.setattr(np.random, "uniform", lambda *_: places)
    theirs = attr.GradientShap(net.torch).attribute(
        nchw(images[:1]), nchw(background), n_samples=samples, stdevs=0.0, target=int(targets[0])
    )
    figures.agree(f"GradientSHAP, {kind}", "captum", found, nhwc(theirs))


@pytest.mark.parametrize("kind", ["binary head", "batch norm", "not square"])
def test_deep_shap(kind: str, figures: Figures) -> None:
    """Separable convolutions and the swish have no rule in the shap library; the explainer says so."""
    net, images, targets, torch_targets = case(kind)
    background = images[1:] * 0.5
    explain = explainer("deep_shap", net.keras, net.spec, background=background)
    found = explain(images, targets, KEYS)
    theirs = attr.DeepLiftShap(net.torch).attribute(nchw(images), nchw(background), torch_targets)
    figures.agree(f"DeepSHAP, {kind}", "captum", found.maps, nhwc(theirs), 1e-4)


def test_deep_shap_behind_max_pooling_adds_up_and_captum_s_does_not(figures: Figures) -> None:
    """What the rescale rule gives is a share of `F(x) - F(x')`, all of it together. Captum 0.9 loses some in a maximum."""
    net, images, targets, torch_targets = case("pooling")
    background = images[1:] * 0.5
    found = explainer("deep_shap", net.keras, net.spec, background=background)(images, targets, KEYS)
    theirs = nhwc(attr.DeepLiftShap(net.torch).attribute(nchw(images), nchw(background), torch_targets))
    before, after = (net.scores.logits(some) for some in (background, images))
    change = after[np.arange(len(images)), targets] - before.mean(axis=0)[targets]
    np.testing.assert_allclose(found.maps.sum(axis=(1, 2, 3)), change, atol=1e-5)
    assert (np.abs(theirs.sum(axis=(1, 2, 3)) - change) > 0.1 * np.abs(change)).all()
    figures.differ("DeepSHAP, max pooling", "captum", found.maps, theirs, 0.1)
