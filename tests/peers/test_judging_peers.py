"""The judgements of a map: insertion and deletion curves (1806.07421), max-sensitivity (1901.09392)."""

import zlib
from typing import Any

import numpy as np
import pytest
import torch
from captum import attr
from captum.metrics import sensitivity_max
from xplique.metrics import Deletion, Insertion

from convscope.attributions.base import heat
from convscope.attributions.registry import explainer
from convscope.judging.curves import blur, curves
from convscope.judging.stability import max_sensitivity
from tests.peers.figures import Figures
from tests.peers.networks import KEYS, SPEC, Pair, nchw, one_hot

STEPS = 16


def test_insertion_and_deletion(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    maps = heat(explainer("saliency", net.keras, SPEC)(images, targets, KEYS).maps, signed=False)
    found = curves(images, maps, targets, net.scores.probabilities, KEYS, steps=STEPS)
    areas = found.areas()
    # Xplique's default baseline is 0 for both; the paper deletes to a constant and inserts into a blur.
    for library, baseline, name, ours in (
        (Deletion, lambda x: np.broadcast_to(x.mean(axis=(1, 2), keepdims=True), x.shape), "deletion", found.deletion),
        (Insertion, lambda x: blur(x), "insertion", found.insertion),
    ):
        # It gives the mean over the images: one alone.
        metric = library(
            net.keras, images[:1], one_hot(targets[:1]), baseline_mode=baseline, steps=STEPS, activation="softmax"
        )
        figures.agree(f"{name} curve", "xplique", ours[0], list(metric.detailed_evaluate(maps[:1]).values()))
        assert areas[name][0] == pytest.approx(metric.evaluate(maps[:1]), rel=1e-5)


def test_max_sensitivity(net: Pair, images: np.ndarray, targets: np.ndarray, figures: Figures) -> None:
    """`max_d |E(x + d) - E(x)| / |E(x)|` over the same moves d; captum draws them in a box of its own unless told."""
    ours = max_sensitivity(
        lambda some, keys: explainer("saliency", net.keras, SPEC)(some, targets, keys).maps,
        images,
        KEYS,
        radius=0.02,
        samples=4,
    )
    spread = images.max(axis=(1, 2, 3)) - images.min(axis=(1, 2, 3))
    generators = [np.random.default_rng([0, zlib.crc32(key.encode()), 2]) for key in KEYS]
    noise = np.stack([[g.uniform(-1, 1, images.shape[1:]) for _ in range(4)] for g in generators])
    moves = (0.02 * spread[:, None, None, None, None] * noise).reshape(-1, *images.shape[1:]).astype(np.float32)

    def explain(inputs: Any, target: torch.Tensor) -> Any:
        with torch.enable_grad():
            return attr.Saliency(net.torch).attribute(inputs, target, abs=False)

    theirs = sensitivity_max(
        explain, nchw(images), lambda inputs: inputs + nchw(moves), n_perturb_samples=4,
        target=torch.tensor(targets),
    )  # fmt: skip
    figures.agree("max-sensitivity", "captum", ours, theirs.numpy(), 1e-4)
