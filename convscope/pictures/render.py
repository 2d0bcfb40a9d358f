"""From raw numbers to pictures: the only place where maps and patterns are normalised for the eye."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from convscope.pictures.channels import RGB, Channels
from convscope.storage.files import atomic_path

# Pictures with sides below this many pixels are enlarged to about that many where people look at them.
SMALL, SHOWN = 64, 168
# The fastest: sheets of photos take a quarter of the time of the default and are a seventh larger.
_PNG_LEVEL = 1


def standardise(values: np.ndarray, spread: float = 64.0) -> np.ndarray:
    """`(x - mean) / std * spread + 128`, clipped to 0..255 (Chollet, Deep Learning with Python, ch. 10).

    A constant array has no spread to show: it becomes flat 128, and an array of zeros stays 0 (a blank channel).

    Args:
        values: any shape, float.

    Returns:
        uint8, same shape.
    """
    values = np.asarray(values, np.float64)
    if not values.any():
        return np.zeros(values.shape, np.uint8)
    deviation = values.std()
    centred = (
        (values - values.mean()) / deviation
        if deviation > 1e-12 * max(1.0, abs(values).max())
        else np.zeros_like(values)
    )
    return np.clip(centred * spread + 128, 0, 255).astype(np.uint8)


def pattern_picture(pattern: np.ndarray, crop: int, bounded: bool = False, channels: Channels = RGB) -> np.ndarray:
    """A pattern as it is shown: (H, W, C) float, black -1, white 1 -> (H - 2 crop, W - 2 crop, 3) uint8.

    Args:
        pattern: the pattern.
        crop: pixels cut from each side. The cut comes after the statistics in the textbook's listing; so it does here.
        bounded: the pattern lies between black and white and is shown as it is; otherwise it is standardised.
        channels: what its channels are; of bands those that people see are shown, alone in the statistics, too.
    """
    if bounded:
        picture = channels.for_people((pattern + 1) * 127.5)
    elif channels.kind == "bands":
        seen = standardise(pattern[..., list(channels.places)])
        picture = np.repeat(seen, 3, axis=-1) if seen.shape[-1] == 1 else seen
    else:
        picture = channels.for_people(standardise(pattern))
    height, width = picture.shape[:2]
    return picture[crop : height - crop, crop : width - crop]


def grid(cells: list[np.ndarray], columns: int, margin: int) -> np.ndarray:
    """Cells of one size in rows, a black margin around and between: list of (h, w, 3) uint8 -> (H, W, 3) uint8."""
    height, width = cells[0].shape[:2]
    columns = min(columns, len(cells))
    rows = -(-len(cells) // columns)
    canvas = np.zeros((margin + rows * (height + margin), margin + columns * (width + margin), 3), np.uint8)
    for index, cell in enumerate(cells):
        top = margin + index // columns * (height + margin)
        left = margin + index % columns * (width + margin)
        canvas[top : top + height, left : left + width] = cell
    return canvas


def colormap(name: str, levels: np.ndarray) -> np.ndarray:
    """Colours of a named matplotlib map: (...) float in 0..1 -> (..., 3) uint8."""
    return _colours(name).take(np.clip(np.rint(np.asarray(levels) * 255), 0, 255).astype(np.intp), axis=0)


@functools.cache
def _colours(name: str) -> np.ndarray:
    from matplotlib import colormaps

    return (colormaps[name](np.arange(256))[:, :3] * 255).round().astype(np.uint8)


def upsample(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear with half-pixel centres: (h, w) float -> (H, W) float32; [0, 1] doubles to [0, .25, .75, 1].

    A corner-aligned zoom would shift the map, and a cubic one would make negative values. It is worked out in double precision:
    between equal values lies just that value, and a map that is flat stays so, whatever points at its maximum.
    """
    rows, columns = (_axis_weights(*sides) for sides in zip(values.shape, size, strict=True))
    return np.asarray(rows @ np.asarray(values, np.float64) @ columns.T, np.float32)


@functools.cache
def _axis_weights(source: int, target: int) -> np.ndarray:
    centres = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
    low = np.floor(centres).astype(int)
    high = np.minimum(low + 1, source - 1)
    weights = np.zeros((target, source))
    weights[np.arange(target), low] += 1 - (centres - low)
    weights[np.arange(target), high] += centres - low
    return weights


def enlarged(picture: np.ndarray) -> np.ndarray:
    """A small picture by a whole factor, each pixel a square, so that it can be looked at: (H, W, C) -> (k H, k W, C).

    Its longer side is `SHOWN` or a little less then; one whose longer side is `SMALL` or more stays as it is.
    """
    longer = max(picture.shape[:2])
    return picture if longer >= SMALL else picture.repeat(SHOWN // longer, axis=0).repeat(SHOWN // longer, axis=1)


def overlay(image: np.ndarray, heatmap: np.ndarray, top: float, cmap: str, strength: float = 0.4) -> np.ndarray:
    """A heatmap laid over its image: `strength * colour + image`, rescaled to the brightest value (the textbook's look).

    Args:
        image: (H, W, 3) uint8.
        heatmap: (h, w) float, >= 0; drawn at the image's size.
        top: value shown as the map's hottest colour; 0 or less shows an empty map: the image, darkened, no colour.
        cmap: matplotlib's name.
        strength: share of the colour.

    Returns:
        (H, W, 3) uint8.
    """
    if top <= 0:
        return (image * 0.6).astype(np.uint8)
    return laid_over(image, colormap(cmap, upsample(heatmap, image.shape[:2]) / np.float32(top)), strength)


def laid_over(image: np.ndarray, colours: np.ndarray, strength: float = 0.4) -> np.ndarray:
    """`strength * colours + image`, rescaled to the brightest value: two (H, W, 3) uint8 -> (H, W, 3) uint8."""
    # In float32 and in place: over thousands of images this is what drawing costs, beside the JPEG itself.
    mixed = colours.astype(np.float32)
    mixed *= np.float32(strength)
    mixed += image
    brightest = mixed.max()
    if brightest > 255:
        mixed *= np.float32(255) / brightest
    return np.minimum(mixed, 255, out=mixed).astype(np.uint8)


def save_png(path: str | Path, pixels: np.ndarray, **metadata: Any) -> None:
    """Write a PNG in one step; keyword arguments go into its text metadata (values that are not text as JSON)."""
    text = PngImagePlugin.PngInfo()
    for key, value in metadata.items():
        text.add_text(key, value if isinstance(value, str) else json.dumps(value, sort_keys=True))
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG", pnginfo=text, compress_level=_PNG_LEVEL)


def save_jpeg(path: str | Path, pixels: np.ndarray, quality: int = 92) -> None:
    """Write a JPEG in one step."""
    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="JPEG", quality=quality, subsampling=0)
