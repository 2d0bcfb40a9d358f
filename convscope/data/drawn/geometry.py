"""Curves and outlines: everything a pet is made of is a polygon of floats, shape (points, 2), x right, y down."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating]
Rng = np.random.Generator


@lru_cache(maxsize=16)
def _catmull_rom(samples: int) -> Array:
    """Weights (samples, 4) of four neighbouring points along one segment of a Catmull-Rom spline."""
    t = np.arange(samples) / samples
    t2, t3 = t * t, t * t * t
    return 0.5 * np.stack([-t3 + 2 * t2 - t, 3 * t3 - 5 * t2 + 2, -3 * t3 + 4 * t2 + t, t3 - t2], axis=1)


def closed_curve(points: object, samples: int = 8) -> Array:
    """A smooth closed outline through `points` (n, 2); returns (n * samples, 2)."""
    p = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([p[-1:], p, p[:2]])
    around = np.stack([padded[:-3], padded[1:-2], padded[2:-1], padded[3:]], axis=1)
    return np.einsum("sk,nkd->nsd", _catmull_rom(samples), around).reshape(-1, 2)


def open_curve(points: object, samples: int = 8) -> Array:
    """A smooth open curve through `points` (n, d), ends included; returns ((n - 1) * samples + 1, d)."""
    p = np.asarray(points, dtype=np.float64)
    padded = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    around = np.stack([padded[:-3], padded[1:-2], padded[2:-1], padded[3:]], axis=1)
    curve = np.einsum("sk,nkd->nsd", _catmull_rom(samples), around).reshape(-1, p.shape[1])
    return np.concatenate([curve, p[-1:]])


def ellipse(x: float, y: float, rx: float, ry: float, angle: float = 0.0, points: int = 36) -> Array:
    """An ellipse with half axes `rx`, `ry`, turned by `angle` (radians)."""
    t = np.linspace(0, 2 * np.pi, points, endpoint=False)
    return shifted(turn(np.stack([rx * np.cos(t), ry * np.sin(t)], axis=1), angle), x, y)


def almond(x: float, y: float, rx: float, ry: float, angle: float = 0.0, pointed: float = 1.5) -> Array:
    """An eye's outline: an ellipse for `pointed` 1, sharp corners for 2."""
    t = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    sine = np.sin(t)
    lids = ry * np.sign(sine) * np.abs(sine) ** pointed
    return shifted(turn(np.stack([rx * np.cos(t), lids], axis=1), angle), x, y)


def limb(points: object, widths: object, samples: int = 7) -> Array:
    """A tapering limb: a smooth stroke through `points` (n, 2) of half widths `widths` (n,), its ends round."""
    path = open_curve(np.column_stack([np.asarray(points), np.asarray(widths)]), samples)
    centre, width = path[:, :2], np.maximum(path[:, 2:], 1e-3)
    ahead = np.gradient(centre, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    side = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    t = np.linspace(0, np.pi, 9)[1:-1, None]
    end = centre[-1] + width[-1] * (np.cos(t) * side[-1] + np.sin(t) * ahead[-1])
    start = centre[0] - width[0] * (np.cos(t) * side[0] + np.sin(t) * ahead[0])
    return np.concatenate([centre + width * side, end, (centre - width * side)[::-1], start])


def hull(points: Array) -> Array:
    """The convex hull of points (n, 2), in order (Andrew's monotone chain)."""
    ordered = sorted(map(tuple, points.tolist()))

    def half(sequence: list[tuple[float, float]]) -> list[tuple[float, float]]:
        chain: list[tuple[float, float]] = []
        for p in sequence:
            while len(chain) > 1 and (
                (chain[-1][0] - chain[-2][0]) * (p[1] - chain[-2][1])
                <= (chain[-1][1] - chain[-2][1]) * (p[0] - chain[-2][0])
            ):
                chain.pop()
            chain.append(p)
        return chain[:-1]

    return np.array(half(ordered) + half(ordered[::-1]))


def turn(points: Array, angle: float) -> Array:
    """Turn points (n, 2) by `angle` radians around the origin (clockwise as seen, since y points down)."""
    c, s = np.cos(angle), np.sin(angle)
    return points @ np.array([[c, s], [-s, c]])


def shifted(points: Array, x: float, y: float) -> Array:
    """Move points (n, 2)."""
    return points + np.array([x, y])


def tufted(outline: Array, length: float, rng: Rng) -> Array:
    """Fur along an outline: locks of hair of up to `length` (in the outline's units), of uneven width and reach."""
    steps = np.linalg.norm(np.diff(outline, axis=0, append=outline[:1]), axis=1)
    around = float(steps.sum())
    locks = int(np.clip(around / max(length * 1.25, 1e-6), 12, 110))
    at = np.concatenate([[0.0], np.cumsum(steps)]) / around
    closed = np.concatenate([outline, outline[:1]])
    # A lock is a root, a swelling and a tip; neighbours differ in width.
    where = (np.arange(3 * locks) + np.tile([0.0, -0.1, 0.35], locks) + rng.uniform(-0.3, 0.3, 3 * locks)) / (3 * locks)
    where = np.sort(where % 1.0)
    points = np.stack([np.interp(where, at, closed[:, 0]), np.interp(where, at, closed[:, 1])], axis=1)
    around_points = np.concatenate([points[-1:], points, points[:1]])
    ahead = around_points[2:] - around_points[:-2]
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    outward = np.stack([ahead[:, 1], -ahead[:, 0]], axis=1)
    if _area(points) < 0:
        outward = -outward
    # Long hair grows in clumps: reach varies slowly around the outline, and a little from lock to lock.
    phase = rng.uniform(0, 2 * np.pi, 2)
    clump = 0.62 + 0.22 * np.sin(4 * np.pi * where * 3 + phase[0]) + 0.16 * np.sin(2 * np.pi * where * 11 + phase[1])
    reach = np.tile([-0.25, 0.25, 0.8], locks) * rng.uniform(0.3, 1.15, 3 * locks) * clump * length
    # Hair hangs: a lock leans down as well as out. The curve rounds its tip.
    return closed_curve(points + reach[:, None] * (outward + np.array([0.0, 0.45])), 3)


def _area(points: Array) -> float:
    x, y = points[:, 0], points[:, 1]
    return float(x @ np.append(y[1:], y[0]) - np.append(x[1:], x[0]) @ y)
