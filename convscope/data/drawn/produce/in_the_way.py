"""What stands between the camera and the produce in a shop: drops of water, bags, nets, hands."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

from convscope.data.drawn.geometry import Array, Rng, closed_curve, limb

Box = tuple[float, float, float, float]
_SKINS = ((232, 186, 156), (196, 142, 108), (128, 86, 62), (244, 206, 180), (92, 62, 46))
_SLEEVES = ((60, 76, 110), (160, 60, 56), (220, 220, 216), (50, 52, 56), (110, 130, 90))


def drops(colour: NDArray[np.float32], parts: NDArray[np.uint8], rng: Rng) -> None:
    """Sprinkle what lies there with water, in place: each drop bright on one side, dark on the other."""
    rows, columns = np.nonzero(parts)
    if not len(rows):
        return
    size = parts.shape[0]
    for k in rng.integers(len(rows), size=int(rng.integers(18, 60))):
        x, y, r = columns[k], rows[k], float(rng.uniform(0.006, 0.016)) * size
        n = int(np.ceil(r)) + 1
        x0, y0, x1, y1 = max(0, x - n), max(0, y - n), min(size, x + n + 1), min(size, y + n + 1)
        dx = np.arange(x0, x1)[None, :] - x
        dy = np.arange(y0, y1)[:, None] - y
        inside = np.clip(r + 0.5 - np.hypot(dx, dy), 0, 1)
        light = np.clip(-(dx + dy) / (1.6 * r), -1, 1)
        spark = np.exp(-(((dx + 0.35 * r) ** 2 + (dy + 0.35 * r) ** 2) / (0.2 * r * r + 0.3)))
        target = colour[y0:y1, x0:x1]
        target *= (1 - 0.22 * inside * light)[..., None]
        target += (inside * spark * 0.9)[..., None] * (255 - target)


def _polygon(size: int, points: Array) -> NDArray[np.float32]:
    mask = Image.new("L", (size, size), 0)
    ImageDraw.Draw(mask).polygon(np.asarray(points).ravel().tolist(), fill=255)
    return gaussian_filter(np.asarray(mask, dtype=np.float32) / 255, 0.7)


def bag(colour: NDArray[np.float32], parts: NDArray[np.uint8], box: Box, rng: Rng) -> None:
    """Put it all in a thin plastic bag, in place: paler, with creases that catch the light. The masks stay."""
    size = parts.shape[0]
    x0, y0, x1, y1 = box
    cx, cy = (x0 + x1) / 2, (y0 + y1) / 2
    t = np.linspace(0, 2 * np.pi, 18, endpoint=False)
    reach = rng.uniform(1.02, 1.28, len(t))
    wide, tall = max(x1 - x0, 0.3 * size) * 0.58, max(y1 - y0, 0.3 * size) * 0.58
    outline = closed_curve(np.stack([cx + wide * reach * np.cos(t), cy + tall * reach * np.sin(t)], 1), 5)
    cover = _polygon(size, outline)
    veil = float(rng.uniform(0.16, 0.42))
    tone = np.array([(236, 240, 244), (236, 240, 244), (206, 224, 206), (250, 236, 214)][int(rng.integers(4))])
    colour += (cover * veil)[..., None] * (tone.astype(np.float32) - colour)
    creases = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(creases)
    for _ in range(int(rng.integers(14, 30))):
        x, y = cx + wide * rng.uniform(-1, 1), cy + tall * rng.uniform(-1, 1)
        a, n = rng.uniform(0, np.pi), size * rng.uniform(0.06, 0.26)
        bend = rng.normal(0, 0.15) * n
        line = [
            (x - n * np.cos(a), y - n * np.sin(a)),
            (x - bend * np.sin(a), y + bend * np.cos(a)),
            (x + n * np.cos(a), y + n * np.sin(a)),
        ]
        pen.line(line, fill=int(rng.integers(90, 255)), width=int(rng.integers(1, 4)))
    shine = gaussian_filter(np.asarray(creases, dtype=np.float32) / 255, 0.9) * cover
    colour += (np.clip(shine, 0, 0.95) * 0.8)[..., None] * (255 - colour)
    dark = np.roll(shine, (2, 2), axis=(0, 1))
    colour *= (1 - 0.25 * dark)[..., None]
    edge = np.clip(gaussian_filter(cover, 1.2) * (1 - gaussian_filter(cover, 1.2)) * 4, 0, 1)
    colour += (edge * 0.45)[..., None] * (250 - colour)


def net(colour: NDArray[np.float32], parts: NDArray[np.uint8], box: Box, rng: Rng) -> None:
    """Put it all in a net, in place; what the threads cover is background in the mask."""
    size = parts.shape[0]
    thread = np.array([(216, 60, 44), (236, 140, 40), (230, 200, 60), (70, 130, 70)][int(rng.integers(4))], np.float32)
    mask = Image.new("L", (size, size), 0)
    pen = ImageDraw.Draw(mask)
    step, slant = size * float(rng.uniform(0.07, 0.12)), float(rng.uniform(0.5, 0.9))
    for k in range(-int(size / step) - 2, 2 * int(size / step) + 2):
        pen.line([(k * step, 0), (k * step + slant * size, size)], fill=255, width=2)
        pen.line([(k * step, 0), (k * step - slant * size, size)], fill=255, width=2)
    x0, y0, x1, y1 = box
    t = np.linspace(0, 2 * np.pi, 20, endpoint=False)
    outline = np.stack([(x0 + x1) / 2 + 0.6 * (x1 - x0) * np.cos(t), (y0 + y1) / 2 + 0.6 * (y1 - y0) * np.sin(t)], 1)
    cover = gaussian_filter(np.asarray(mask, dtype=np.float32) / 255, 0.6) * _polygon(size, closed_curve(outline, 4))
    colour += cover[..., None] * (thread - colour)
    parts[cover >= 0.5] = 0


def hand(colour: NDArray[np.float32], parts: NDArray[np.uint8], box: Box, rng: Rng) -> None:
    """A hand that reaches in from a side and takes hold, in place; what it covers is background in the mask."""
    size = parts.shape[0]
    x0, y0, x1, y1 = box
    r = 0.16 * max(x1 - x0, y1 - y0, 0.5 * size)
    skin = np.array(_SKINS[int(rng.integers(len(_SKINS)))], np.float32)
    sleeve = np.array(_SLEEVES[int(rng.integers(len(_SLEEVES)))], np.float32)
    angle = float(rng.uniform(0, 2 * np.pi))
    away = np.array([np.cos(angle), np.sin(angle)])
    side = np.array([-away[1], away[0]])
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2]) + away * 0.34 * max(x1 - x0, y1 - y0)

    def at(along: float, across: float) -> Array:
        return np.asarray(middle + r * (along * away + across * side))

    pieces = [(limb([at(9, 0.8), at(3, 0.3), at(0.4, 0)], [1.15 * r, 0.95 * r, 0.9 * r]), skin)]
    for k, reach in enumerate((1.2, 1.5, 1.45, 1.15)):
        y = (k - 1.5) * 0.5
        finger = limb(
            [at(0.2, y * 0.9), at(-0.6 * reach, y * 1.1), at(-reach - 0.2, y * 0.9)], [0.27 * r, 0.26 * r, 0.2 * r], 6
        )
        pieces.append((finger, skin * (0.97 - 0.04 * (k % 2))))
    thumb = limb([at(0.5, 0.7), at(-0.1, 1.35), at(-0.9, 1.45)], [0.34 * r, 0.3 * r, 0.22 * r], 6)
    pieces.append((thumb, skin * 0.98))
    pieces.append((limb([at(10, 0.9), at(3.6, 0.36)], [1.5 * r, 1.25 * r], 4), sleeve))
    for outline, tone in pieces:
        cover = _polygon(size, outline)
        round_ = gaussian_filter(cover, max(1.0, 0.12 * r))
        shaded = (0.62 + 0.42 * round_)[..., None] * tone
        shadow = np.roll(gaussian_filter(cover, 0.1 * r), (int(0.1 * r), int(0.06 * r)), axis=(0, 1))
        colour *= (1 - 0.35 * shadow * (1 - cover))[..., None]
        colour += cover[..., None] * (shaded - colour)
        parts[cover >= 0.5] = 0


IN_THE_WAY: dict[str, Callable[[NDArray[np.float32], NDArray[np.uint8], Box, Rng], None]] = {
    "bag": bag,
    "net": net,
    "hand": hand,
}
