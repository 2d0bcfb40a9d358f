"""The three views of a segment explanation: what speaks for the class alone, outlines by sign, coefficients as colours."""

import numpy as np

from convscope.pictures.render import colormap


def strongest(segments: np.ndarray, coefficients: np.ndarray, count: int, sign: int) -> np.ndarray:
    """Numbers of the strongest segments.

    Args:
        segments: (H, W) int.
        coefficients: (H, W) float, the same all over a segment.
        count: at most so many.
        sign: 1 those that speak for the class, -1 those against it, 0 both.

    Returns:
        (at most `count`,) int, strongest first; ties by number.
    """
    numbers, first = np.unique(segments, return_index=True)
    values = np.asarray(coefficients, np.float64).ravel()[first]
    strength = np.abs(values) if sign == 0 else values * sign
    order = np.argsort(-strength, kind="stable")
    return numbers[order[strength[order] > 0][:count]]


def relevant_only(
    image: np.ndarray, segments: np.ndarray, coefficients: np.ndarray, count: int = 5, hidden: int = 128
) -> np.ndarray:
    """First view: the segments that speak most for the class; the rest is hidden behind plain grey.

    Args:
        image: (H, W, 3) uint8.
        segments: (H, W) int.
        coefficients: (H, W) float, the same all over a segment.
        count: segments shown.
        hidden: level of the grey.

    Returns:
        (H, W, 3) uint8.
    """
    shown = np.isin(segments, strongest(segments, coefficients, count, 1))
    return np.where(shown[..., None], image, np.uint8(hidden)).astype(np.uint8)


def outlined(
    image: np.ndarray,
    segments: np.ndarray,
    coefficients: np.ndarray,
    count: int = 10,
    strength: float = 0.35,
    cmap: str = "coolwarm",
) -> np.ndarray:
    """Second view: the strongest segments tinted and outlined by their sign, in the colours of the third view.

    Args:
        image: (H, W, 3) uint8.
        segments: (H, W) int.
        coefficients: (H, W) float, the same all over a segment.
        count: segments marked, of both signs together.
        strength: share of the tint.
        cmap: matplotlib's name of a diverging map; its low end is against the class, its high end for it.

    Returns:
        (H, W, 3) uint8.
    """
    marked = np.isin(segments, strongest(segments, coefficients, count, 0))
    kind = np.where(marked, np.sign(coefficients), 0).astype(np.int8)
    colours = colormap(cmap, np.array([0.0, 0.5, 1.0])).astype(np.float32)[kind + 1]
    share = np.where(kind != 0, strength, 0.0)
    share[_inner_border(np.where(marked, segments, -1)) & (kind != 0)] = 1.0
    mixed = image * (1 - share[..., None]) + colours * share[..., None]
    return np.rint(mixed).astype(np.uint8)


def coefficient_colours(coefficients: np.ndarray, cmap: str, limit: float | None = None) -> np.ndarray:
    """Third view: the coefficients as colours on a scale symmetric about 0.

    Args:
        coefficients: (H, W) float.
        limit: value of the deepest colours; None: the largest absolute coefficient.
        cmap: matplotlib's name of a diverging map; its low end is against the class, its high end for it.

    Returns:
        (H, W, 3) uint8; the map's middle everywhere where every coefficient is 0.
    """
    top = float(np.abs(coefficients).max()) if limit is None else limit
    levels = np.full(coefficients.shape, 0.5) if top <= 0 else 0.5 + 0.5 * np.clip(coefficients / top, -1, 1)
    return colormap(cmap, levels)


def _inner_border(segments: np.ndarray) -> np.ndarray:
    """(H, W) bool: pixels with a neighbour, up, down, left or right, of another segment."""
    border = np.zeros(segments.shape, bool)
    down = segments[1:] != segments[:-1]
    right = segments[:, 1:] != segments[:, :-1]
    border[1:] |= down
    border[:-1] |= down
    border[:, 1:] |= right
    border[:, :-1] |= right
    return border
