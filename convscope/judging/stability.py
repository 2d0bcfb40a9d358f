"""Does a map stay the same where it should: under noise too small to see, and from seed to seed."""

import zlib
from collections.abc import Callable, Sequence

import numpy as np

# A map that is smaller than this share of its change is rounding about an empty one.
_NOTHING = 1e-6

# images (N, H, W, C) in model space, keys -> maps (N, ...)
Explain = Callable[[np.ndarray, Sequence[str]], np.ndarray]


def max_sensitivity(
    explain: Explain,
    images: np.ndarray,
    keys: Sequence[str],
    *,
    radius: float,
    samples: int,
    seed: int = 0,
    original: np.ndarray | None = None,
) -> np.ndarray:
    """Largest relative change of the map over random perturbations (Yeh et al. 2019, 1901.09392).

    `max_d |E(x + d) - E(x)| / |E(x)|` (L2), `d` uniform in +-`radius` times the range (max - min) of the image. A sampled
    maximum: a lower bound that grows with `samples`. The explainer's own randomness is the same for both maps, as
    it belongs to the key.

    Returns:
        (N,) float64; NaN where the original map is empty, but for rounding.
    """
    base = np.asarray(explain(images, keys) if original is None else original, np.float64)
    base = base.reshape(len(images), -1)
    norm = np.linalg.norm(base, axis=1)
    spread = images.max(axis=(1, 2, 3)) - images.min(axis=(1, 2, 3))
    worst = np.zeros(len(images))
    generators = [np.random.default_rng([seed, zlib.crc32(key.encode()), 2]) for key in keys]
    for _ in range(samples):
        noise = np.stack([g.uniform(-1, 1, images.shape[1:]) for g in generators])
        noisy = (images + radius * spread[:, None, None, None] * noise).astype(np.float32)
        maps = np.asarray(explain(noisy, keys), np.float64).reshape(len(images), -1)
        worst = np.maximum(worst, np.linalg.norm(maps - base, axis=1))
    return np.divide(worst, norm, out=np.full(len(images), np.nan), where=norm > _NOTHING * worst)


def seed_error(
    explain_with: Callable[[int], Explain], images: np.ndarray, keys: Sequence[str], seeds: int = 3
) -> np.ndarray:
    """Standard error over seeds of one map (of LIME, RISE, SmoothGrad, SHAP by samples), relative to the map.

    `sqrt(mean_s |E_s - M|^2 * S / (S - 1)) / |M|` (L2 over the pixels), `M` the mean of the maps `E_s` of `S` seeds: the sample
    standard deviation from seed to seed. It falls as the root of the method's samples, or faster. 0 for a method without
    randomness; such a one is asked twice only.

    Args:
        explain_with: seed -> explainer.
        seeds: how many, at least 2.

    Returns:
        (N,) float64; NaN where the mean map is empty.
    """
    maps = [np.asarray(explain_with(seed)(images, keys), np.float64).reshape(len(images), -1) for seed in (0, 1)]
    if not np.array_equal(maps[0], maps[1]):
        maps += [
            np.asarray(explain_with(seed)(images, keys), np.float64).reshape(len(images), -1)
            for seed in range(2, seeds)
        ]
    stack = np.stack(maps)
    centre = stack.mean(axis=0)
    spread = np.sqrt((np.linalg.norm(stack - centre, axis=2) ** 2).sum(axis=0) / (len(maps) - 1))
    norm = np.linalg.norm(centre, axis=1)
    return np.divide(spread, norm, out=np.full(len(images), np.nan), where=norm > 0)
