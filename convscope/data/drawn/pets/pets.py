"""One drawn pet: place, animal, light and camera, from a seed, a split, a label and an index."""

import zlib

import numpy as np

from convscope.data.drawn.dataset import Drawn
from convscope.data.drawn.geometry import Rng
from convscope.data.drawn.light import light_scene, photograph
from convscope.data.drawn.masks import SUPERSAMPLING, shrink, shrink_parts, trimap_of
from convscope.data.drawn.pets.backgrounds import CHOICES, FAMILIES, telling_place
from convscope.data.drawn.pets.bodies import build_pet, sample_pose
from convscope.data.drawn.pets.breeds import sample_breed
from convscope.data.drawn.pets.coats import Fields, sample_coat
from convscope.data.drawn.pets.heads import sample_face
from convscope.data.drawn.pets.render import Canvas
from convscope.data.drawn.pets.shapes import BODY, Shape, moved
from convscope.data.drawn.pets.shifted import SHIFTED_FAMILIES, paint_occluder
from convscope.data.drawn.scene import paint_background

CLASSES = ("cat", "dog")


def draw_pet(label: int, index: int, seed: int, size: int, split: str, background: str = "any") -> Drawn:
    """Draw pet number `index` of a split.

    The same arguments always give the same picture; no picture depends on another one. Everything but the animal's
    shape and eyes (place, coat, pose, light, camera) is drawn from distributions that do not know the label.

    Args:
        label: 0 for a cat, 1 for a dog.
        index: number of the picture within its split and class, from 0.
        seed: the study's seed.
        size: side of the picture in pixels, 64 to 512.
        split: name of the split. "shifted" has other places and lights, and things in front of the animal; all other
            names share one distribution.
        background: "any" place; "cheat", where cats are always in one kind of place and dogs in another; or "mixed",
            where the same animals are in the same two kinds of places, whatever their class. With the last two the
            split "swapped" shows the animals of "test", each in the other kind of place.

    Raises:
        ValueError: the label is neither 0 nor 1, the size is outside 64..512, or the background is unknown.
    """
    if label not in (0, 1):
        raise ValueError(f"label is {label}: must be 0 (cat) or 1 (dog)")
    if not 64 <= size <= 512:
        raise ValueError(f"size is {size}: must be 64 to 512")
    if background not in CHOICES:
        raise ValueError(f"background is {background!r}: must be one of {', '.join(CHOICES)}")
    shifted = split == "shifted"
    telling = background != "any" and not shifted
    swapped = telling and split == "swapped"
    entropy = [seed & 0xFFFFFFFF, zlib.crc32(b"test" if swapped else split.encode()), label, index]
    scene_rng, coat_rng, animal_rng, paint_rng, camera_rng, place_rng = (
        np.random.Generator(np.random.PCG64(s)) for s in np.random.SeedSequence(entropy).spawn(6)
    )
    canvas_size = size * SUPERSAMPLING
    if telling:
        place = telling_place(label, background, swapped, place_rng)
        behind, floor = paint_background(place, canvas_size, place_rng)
    else:
        places = list((SHIFTED_FAMILIES if shifted else FAMILIES).values())
        behind, floor = paint_background(places[int(scene_rng.integers(len(places)))], canvas_size, scene_rng)
    angle = scene_rng.uniform(-2.5, -0.65)
    canvas = Canvas(behind, (float(np.cos(angle)), float(np.sin(angle))))

    coat = sample_coat(coat_rng)
    pose = sample_pose(scene_rng)
    breed = sample_breed(animal_rng, label)
    face = sample_face(animal_rng, label, coat.skin)
    shapes, unit = _place(build_pet(breed, face, pose, animal_rng), pose, canvas_size, floor, scene_rng)
    fields = Fields(paint_rng, canvas_size, unit)
    if pose != "portrait":
        _ground_shadow(canvas, shapes, unit)
    for shape in shapes:
        canvas.add(shape, coat, fields, paint_rng)

    picture = canvas.colour
    if shifted and scene_rng.random() < 0.7 and canvas.parts.any():
        rows, columns = np.flatnonzero(canvas.parts.any(axis=1)), np.flatnonzero(canvas.parts.any(axis=0))
        box = (float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1]))
        colour, cover = paint_occluder(canvas_size, box, scene_rng)
        picture += cover[..., None] * (colour - picture)
        canvas.parts[cover >= 0.5] = 0
    picture = light_scene(shrink(picture), camera_rng, shifted)
    parts = shrink_parts(canvas.parts)
    return Drawn(photograph(picture, camera_rng, shifted), parts, trimap_of(parts))


def _place(shapes: list[Shape], pose: str, size: int, floor: float, rng: Rng) -> tuple[list[Shape], float]:
    """Put an animal built in body units into the picture; returns it in canvas pixels and the pixels of one unit."""
    points = np.concatenate([s.outline for s in shapes if s.part])
    if rng.random() < 0.5:
        points = points * (-1, 1)
        shapes = [_mirrored(s) for s in shapes]
    low, high = points.min(axis=0), points.max(axis=0)
    wide, tall = high - low
    if pose == "portrait":
        head = np.concatenate([s.outline for s in shapes if s.part > 1])
        head_low, head_high = head.min(axis=0), head.max(axis=0)
        unit = size * float(rng.uniform(0.6, 0.86)) / float(max(head_high - head_low))
        x = size * float(rng.uniform(0.4, 0.6)) - unit * float(head_low[0] + head_high[0]) / 2
        y = size * float(rng.uniform(0.42, 0.54)) - unit * float(head_low[1] + head_high[1]) / 2
        turn = 0.0
    else:
        unit = size * float(rng.uniform(0.76, 1.0)) / float(max(wide, tall))
        spare = max(0.0, size - unit * float(wide))
        x = spare * float(rng.uniform(0.12, 0.88)) - unit * float(low[0])
        lowest = size * 0.97
        highest = max(size * (floor + 0.06), unit * float(-low[1]) + 0.02 * size)
        y = float(rng.uniform(min(highest, lowest), lowest))
        turn = float(rng.normal(0, 0.015))
    return [moved(s, unit, turn, x, y) for s in shapes], unit


def _ground_shadow(canvas: Canvas, shapes: list[Shape], unit: float) -> None:
    body = np.concatenate([s.outline for s in shapes if s.part == BODY and s.zone != "tail"])
    low, high = body.min(axis=0), body.max(axis=0)
    middle, wide = (low[0] + high[0]) / 2, (high[0] - low[0]) / 2
    canvas.ground_shadow([(middle, high[1] - 0.05 * unit, wide * 1.06, 0.085 * unit)], 0.06 * unit, 0.5)
    near = []
    for shape in shapes:
        if shape.zone == "paw":
            a, b = shape.outline.min(axis=0), shape.outline.max(axis=0)
            if b[1] > high[1] - 0.12 * unit:
                near.append(((a[0] + b[0]) / 2, b[1] - 0.012 * unit, (b[0] - a[0]) * 0.5, 0.022 * unit))
    canvas.ground_shadow(near, 0.016 * unit, 0.55)


def _mirrored(shape: Shape) -> Shape:
    cx, cy, angle, half_length, half_width = shape.coat_frame()
    shape.outline = shape.outline * (-1, 1)
    shape.lines = [line * (-1, 1) for line in shape.lines]
    shape.frame = (-cx, cy, np.pi - angle, half_length, half_width)
    return shape
