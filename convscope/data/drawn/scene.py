"""A place under construction: a small painter's kit with coordinates as fractions, and the palettes of places."""

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from convscope.data.drawn.geometry import Rng

RGB = tuple[int, int, int]

WALLS: tuple[RGB, ...] = (
    (226, 214, 196),
    (196, 208, 204),
    (214, 190, 176),
    (184, 196, 212),
    (222, 206, 160),
    (168, 182, 160),
    (208, 172, 158),
    (150, 166, 176),
    (234, 228, 218),
    (122, 138, 128),
    (176, 148, 136),
)
WOODS: tuple[RGB, ...] = ((178, 134, 92), (146, 104, 70), (200, 164, 122), (118, 84, 60), (164, 130, 104))
FABRICS: tuple[RGB, ...] = (
    (112, 132, 150),
    (172, 92, 76),
    (98, 122, 98),
    (196, 158, 96),
    (140, 110, 132),
    (86, 104, 128),
    (190, 176, 160),
    (78, 118, 118),
    (164, 118, 94),
    (128, 128, 128),
)
GREENS: tuple[RGB, ...] = ((118, 152, 78), (96, 136, 70), (140, 164, 84), (86, 122, 72), (158, 170, 96))
SKIES: tuple[tuple[RGB, RGB], ...] = (
    ((126, 176, 220), (214, 232, 240)),
    ((150, 190, 214), (236, 232, 214)),
    ((170, 190, 204), (222, 226, 224)),
    ((108, 160, 206), (196, 220, 232)),
)


class Scene:
    """A picture under construction; coordinates are fractions of its side, y down."""

    def __init__(self, size: int, rng: Rng) -> None:
        self.size, self.rng = size, rng
        self.image = Image.new("RGB", (size, size))
        self.draw = ImageDraw.Draw(self.image)

    def pick(self, colours: tuple[RGB, ...], spread: float = 0.06) -> RGB:
        """One of the colours, a little lighter or darker."""
        return shade(colours[int(self.rng.integers(len(colours)))], float(self.rng.uniform(1 - spread, 1 + spread)))

    def gradient(self, top: RGB, bottom: RGB, y0: float = 0.0, y1: float = 1.0) -> None:
        """Fill from y0 to y1 with a vertical gradient."""
        a, b = round(y0 * self.size), round(y1 * self.size)
        if b <= a:
            return
        strip = Image.fromarray(np.array([[top], [bottom]], dtype=np.uint8))
        # The box leaves out the half pixels that bilinear scaling would keep flat at both ends.
        self.image.paste(strip.resize((self.size, b - a), Image.Resampling.BILINEAR, box=(0, 0.5, 1, 1.5)), (0, a))

    def box(self, x0: float, y0: float, x1: float, y1: float, colour: RGB, radius: float = 0.0) -> None:
        """A rectangle, its corners rounded."""
        n = self.size
        self.draw.rounded_rectangle([x0 * n, y0 * n, max(x1, x0) * n, max(y1, y0) * n], radius * n, fill=colour)

    def disc(self, x: float, y: float, rx: float, ry: float, colour: RGB) -> None:
        """A filled ellipse."""
        n = self.size
        self.draw.ellipse([(x - rx) * n, (y - ry) * n, (x + rx) * n, (y + ry) * n], fill=colour)

    def polygon(self, points: object, colour: RGB) -> None:
        """A filled polygon."""
        self.draw.polygon((np.asarray(points, dtype=np.float64) * self.size).ravel().tolist(), fill=colour)

    def line(self, points: object, colour: RGB, width: float) -> None:
        """A polyline."""
        pixels = (np.asarray(points, dtype=np.float64) * self.size).ravel().tolist()
        self.draw.line(pixels, fill=colour, width=max(1, round(width * self.size)))

    def blur(self, amount: float) -> None:
        """Blur all that was painted so far; `amount` is a fraction of the side."""
        self.image = self.image.filter(ImageFilter.BoxBlur(amount * self.size))
        self.draw = ImageDraw.Draw(self.image)


def shade(colour: RGB, factor: float) -> RGB:
    """The colour made lighter or darker."""
    r, g, b = (min(255, max(0, int(c * factor))) for c in colour)
    return r, g, b


def mix(a: RGB, b: RGB, t: float) -> RGB:
    """Colour `a` moved by the share `t` towards `b`."""
    r, g, b_ = (int(x + t * (y - x)) for x, y in zip(a, b, strict=True))
    return r, g, b_


Place = Callable[[Scene], float]


def paint_background(place: Place, size: int, rng: Rng) -> tuple[Image.Image, float]:
    """Paint a place, slightly out of focus.

    Returns:
        An RGB picture of `size` x `size` and the height (fraction of the side, y down) where the ground starts.
    """
    scene = Scene(size, rng)
    floor = place(scene)
    scene.blur(float(rng.uniform(0.004, 0.024)))
    return scene.image, floor
