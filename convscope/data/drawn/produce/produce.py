"""One picture of drawn produce: place, items, light and camera, from a seed, a split, a label and an index."""

import zlib
from collections.abc import Callable

import numpy as np

from convscope.data.drawn.dataset import Drawn
from convscope.data.drawn.geometry import Rng, turn
from convscope.data.drawn.light import photograph
from convscope.data.drawn.masks import SUPERSAMPLING, shrink, shrink_parts, trimap_of
from convscope.data.drawn.produce import backgrounds, fruit, in_the_way, vegetables
from convscope.data.drawn.produce.pieces import Item
from convscope.data.drawn.produce.render import Canvas

PAINTERS: dict[str, Callable[[Rng], Item]] = {
    "apple": fruit.apple,
    "banana": fruit.banana,
    "broccoli": vegetables.broccoli,
    "carrot": vegetables.carrot,
    "cucumber": vegetables.cucumber,
    "eggplant": vegetables.eggplant,
    "grapes": fruit.grapes,
    "kiwi": fruit.kiwi,
    "lemon": fruit.lemon,
    "mushroom": vegetables.mushroom,
    "onion": vegetables.onion,
    "orange": fruit.orange,
    "pear": fruit.pear,
    "pepper": vegetables.pepper,
    "strawberry": fruit.strawberry,
    "tomato": vegetables.tomato,
}
CLASSES = tuple(PAINTERS)
STORE = "store"


def draw_produce(label: int, index: int, seed: int, size: int, split: str) -> Drawn:
    """Draw produce number `index` of a split: one to four items of one class.

    The same arguments always give the same picture; no picture depends on another one. Place, light and camera are
    drawn from distributions that do not know the label.

    Args:
        label: index into CLASSES.
        index: number of the picture within its split and class, from 0.
        seed: the study's seed.
        size: side of the picture in pixels, 64 to 512.
        split: name of the split. In "store" the produce lies in a shop: other places and light, water, bags, nets,
            hands; all other names share one distribution, clean paper with a slight shadow.

    Raises:
        ValueError: the label is outside the classes, or the size is outside 64..512.
    """
    if not 0 <= label < len(CLASSES):
        raise ValueError(f"label is {label}: must be 0 to {len(CLASSES) - 1}")
    if not 64 <= size <= 512:
        raise ValueError(f"size is {size}: must be 64 to 512")
    shop = split == STORE
    entropy = [seed & 0xFFFFFFFF, zlib.crc32(split.encode()), label, index]
    scene_rng, item_rng, paint_rng, camera_rng = (
        np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(entropy).spawn(4)
    )
    side = size * SUPERSAMPLING
    angle = scene_rng.uniform(-2.6, -0.5)
    background = (backgrounds.store if shop else backgrounds.clean)(side, scene_rng)
    canvas = Canvas(background, (float(np.cos(angle)), float(np.sin(angle))), gloss=1.7 if shop else 1.0)
    shadow = float(scene_rng.uniform(0.5, 0.8) if shop else scene_rng.uniform(0.12, 0.32))
    for item, place in _arranged(PAINTERS[CLASSES[label]], side, shop, scene_rng, item_rng):
        canvas.add(item, place, shadow, paint_rng)
    picture = canvas.colour
    if shop:
        _shop(canvas, scene_rng)
        picture = shrink(picture) * backgrounds.lamp(camera_rng).astype(np.float32)
        begin, end = camera_rng.uniform(0.6, 1.15, 2)
        slope = np.linspace(float(begin), float(end), size, dtype=np.float32)
        picture = picture * (slope[None, :, None] if camera_rng.random() < 0.5 else slope[:, None, None])
    else:
        picture = shrink(picture) * np.float32(camera_rng.uniform(0.93, 1.04))
    parts = shrink_parts(canvas.parts)
    return Drawn(photograph(picture, camera_rng, shop), parts, trimap_of(parts))


def _arranged(
    painter: Callable[[Rng], Item], side: int, shop: bool, scene_rng: Rng, item_rng: Rng
) -> list[tuple[Item, tuple[float, float, float, float]]]:
    """Items and their places (x, y, pixels of a unit, angle): one in the middle, or a few that touch."""
    first = painter(item_rng)
    count = min(
        int(scene_rng.choice([1, 2, 3, 4], p=(0.25, 0.25, 0.3, 0.2) if shop else (0.52, 0.2, 0.18, 0.1))), first.crowd
    )
    items = [first] + [painter(item_rng) for _ in range(count - 1)]
    fill = float(scene_rng.uniform(0.72, 1.0) if shop else scene_rng.uniform(0.66, 0.9))
    # Long things lie side by side, round ones in a ring.
    long = first.length > 1.6
    unit = side * fill / (first.length * (1.0, 1.3, 1.7, 1.8)[count - 1]) if not long else side * fill / first.length
    direction = float(scene_rng.uniform(0, 2 * np.pi))
    placed = []
    for k, item in enumerate(items):
        if long:
            gap = (k - (count - 1) / 2) * min(0.46, 0.62 / count + 0.2)
            x, y = turn(np.array([[0.0, gap]]), direction)[0]
            angle = direction + float(scene_rng.normal(0, 0.12)) + np.pi * float(scene_rng.integers(2))
        else:
            around = direction + 2 * np.pi * k / count + float(scene_rng.normal(0, 0.2))
            reach = (0.0, 0.47, 0.56, 0.66)[count - 1] * first.length
            x, y = reach * np.cos(around), reach * np.sin(around)
            angle = (
                float(scene_rng.uniform(-np.pi, np.pi))
                if scene_rng.random() < 0.6
                else float(scene_rng.normal(0, 0.25))
            )
        jitter = side * (0.06 if shop else 0.03)
        centre = side / 2 + scene_rng.normal(0, jitter, 2)
        size = unit * float(scene_rng.uniform(0.92, 1.08))
        placed.append((item, (float(centre[0] + x * unit), float(centre[1] + y * unit), size, angle)))
    return placed


def _shop(canvas: Canvas, rng: Rng) -> None:
    """Water, and perhaps something in the way."""
    if rng.random() < 0.5:
        in_the_way.drops(canvas.colour, canvas.parts, rng)
    if rng.random() < 0.6 and canvas.parts.any():
        rows, columns = np.flatnonzero(canvas.parts.any(axis=1)), np.flatnonzero(canvas.parts.any(axis=0))
        box = (float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1]))
        names = list(in_the_way.IN_THE_WAY)
        in_the_way.IN_THE_WAY[names[int(rng.choice(len(names), p=(0.45, 0.2, 0.35)))]](
            canvas.colour, canvas.parts, box, rng
        )
