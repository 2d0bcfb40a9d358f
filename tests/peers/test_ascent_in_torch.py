"""The textbook's gradient ascent, `x += 10 g / |g|`, by torch on the same weights from the same start."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from keras import ops

from convscope.filters.parameterisations import filter_generator
from convscope.filters.presets import settings_from
from convscope.filters.run import ascend
from tests.peers.figures import Figures
from tests.peers.networks import SIZE, SPEC, Pair

CHANNELS, STEPS, SEED = [0, 2, 5], 12, 3
SETTINGS = dataclasses.replace(settings_from({"preset": "textbook"}), size=SIZE, steps=STEPS, step_length=1.0, crop=0)


def by_torch(net: Pair, layer: str, step: Callable[[torch.Tensor], torch.Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Patterns (N, H, W, 3) and the objective before every step and after the last (N, steps + 1)."""
    before = net.torch[: [name for name, _ in net.torch.named_children()].index(layer) + 1]
    patterns, rise = [], []
    for channel in CHANNELS:
        start = filter_generator(SEED, layer, channel).uniform(0.4, 0.6, (1, SIZE, SIZE, 3)).astype(np.float32)
        image = torch.tensor(np.moveaxis(start, -1, 1))
        rise.append([])
        for number in range(STEPS + 1):
            image = image.detach().requires_grad_()
            # Two positions at each border are left out: they answer to the padding.
            objective = before(image)[0, channel, 2:-2, 2:-2].mean()
            rise[-1].append(float(objective.detach()))
            if number < STEPS:
                image = image + step(torch.autograd.grad(objective, image)[0])
        patterns.append(np.moveaxis(image.detach().numpy()[0], 0, -1))
    return np.stack(patterns), np.array(rise)


@pytest.mark.parametrize("layer", ["conv1", "conv2"])
def test_textbook_ascent(layer: str, flat: Pair, figures: Figures) -> None:
    """The norm is that of the whole image, over height, width and colour."""
    ours = ascend(flat.keras, SPEC, layer, CHANNELS, SETTINGS, SEED)
    patterns, rise = by_torch(flat, layer, lambda gradient: gradient / gradient.norm())
    figures.agree("gradient ascent, pattern", "torch", ours.patterns, patterns, 1e-4)
    figures.agree("gradient ascent, objective", "torch", ours.objective, rise, 1e-4)


def test_norm_over_the_last_axis(flat: Pair, figures: Figures) -> None:
    """`keras.ops.normalize(g)` normalises over the last axis, the colours of each pixel: `g_ij / |g_ij|`. Every pixel goes
    as far as every other, and the image `sqrt(H W)` times as far as the step says: here 32 times, in the textbook 200.
    """

    def last_axis(gradient: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(gradient, dim=1)

    gradient = np.random.default_rng(0).normal(size=(1, SIZE, SIZE, 3)).astype(np.float32)
    theirs = np.moveaxis(last_axis(torch.tensor(np.moveaxis(gradient, -1, 1))).numpy(), 1, -1)
    figures.agree("normalize over the last axis", "keras.ops", theirs, ops.convert_to_numpy(ops.normalize(gradient)))
    assert np.linalg.norm(theirs) == pytest.approx(SIZE, rel=1e-5)
    ours = ascend(flat.keras, SPEC, "conv2", CHANNELS, SETTINGS, SEED)
    figures.differ(
        "gradient ascent, norm a pixel", "keras.ops", ours.patterns, by_torch(flat, "conv2", last_axis)[0], 0.5
    )
