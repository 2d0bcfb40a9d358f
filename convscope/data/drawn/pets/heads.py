"""Heads: skull, ears, muzzle, nose, eyes and whiskers, placed in three dimensions and turned.

Head coordinates: the skull's radius is about 1, x right, y down, z towards the viewer.
"""

from dataclasses import dataclass

import numpy as np

from convscope.data.drawn.geometry import Array, Rng, almond, closed_curve, ellipse, hull, open_curve, shifted
from convscope.data.drawn.pets.breeds import Breed
from convscope.data.drawn.pets.shapes import EARS, EYES, HEAD, MUZZLE, Colour, Shape


@dataclass(frozen=True)
class Face:
    """Colours and mood of one face; sampled alike for cats and dogs except for the eyes."""

    iris: Colour
    pupil: float  # width of the pupil relative to the eye, 0.15 (slit) .. 0.9
    nose: Colour
    ear_inside: Colour
    whiskers: float  # length in head radii, 0 for none
    closed: bool
    tongue: bool


CAT_EYES = ((132, 170, 84), (176, 186, 74), (214, 168, 52), (206, 124, 44), (96, 158, 196), (110, 176, 150))
DOG_EYES = (
    (74, 44, 26),
    (92, 56, 30),
    (58, 36, 24),
    (66, 42, 28),
    (84, 52, 34),
    (104, 66, 34),
    (70, 46, 34),
    (136, 176, 204),
)


def sample_face(rng: Rng, label: int, skin: Colour) -> Face:
    """A face for a cat (0) or dog (1); `skin` is the coat's colour of bare skin."""
    irises = DOG_EYES if label else CAT_EYES
    dark = rng.random() < (0.85 if label else 0.3)
    return Face(
        iris=irises[int(rng.integers(len(irises)))],
        pupil=float(rng.uniform(0.55, 0.75) if label else rng.choice([0.22, 0.3, 0.45, 0.62, 0.8])),
        nose=(44, 36, 38) if dark else (206, 132, 126),
        ear_inside=skin,
        whiskers=float(rng.uniform(0.9, 1.5)) if not label else float(rng.choice([0.0, 0.0, 0.0, 0.4])),
        closed=bool(rng.random() < 0.05),
        tongue=bool(rng.random() < (0.3 if label else 0.03)),
    )


class Pose3D:
    """Turns points of the head by yaw (positive to the right) and pitch (positive down) and drops their depth."""

    def __init__(self, yaw: float, pitch: float) -> None:
        self.yaw, self.pitch = yaw, pitch
        self._cy, self._sy, self._cp, self._sp = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch)

    def __call__(self, x: float, y: float, z: float) -> tuple[float, float]:
        across, depth = x * self._cy + z * self._sy, z * self._cy - x * self._sy
        near = 1.0 + 0.08 * depth
        return across * near, (y * self._cp + depth * self._sp) * near

    def depth(self, x: float, z: float) -> float:
        """How far towards the viewer a point lies after turning."""
        return float(z * self._cy - x * self._sy)


def build_head(breed: Breed, face: Face, yaw: float, pitch: float, rng: Rng) -> list[Shape]:
    """All shapes of one head in painting order, in head coordinates."""
    pose = Pose3D(yaw, pitch)
    far, near = (-1.0, 1.0) if yaw < 0 else (1.0, -1.0)
    fluff = 0.03 + 0.11 * breed.fluff if breed.fluff > 0.15 else 0.02 * breed.fluff
    shapes: list[Shape] = []
    erect = breed.ear in ("pointed", "bat")
    if erect:
        shapes += _erect_ear(breed, face, pose, far, fluff, rng) + _erect_ear(breed, face, pose, near, fluff, rng)
    elif breed.ear in ("floppy", "long"):
        shapes += _hanging_ear(breed, pose, far, fluff, rng)
    if breed.ruff > 0.2:
        size = 1.0 + 0.22 * breed.ruff
        ruff = ellipse(0, 0.22, breed.skull_width * size, breed.skull_height * size)
        shapes.append(Shape(ruff, HEAD, "ruff", fluff=0.13 + 0.06 * breed.ruff, cast=0.4, frame=(0, 0, 0, 1, 1)))
    skull = _skull(breed, yaw)
    shapes.append(Shape(skull, HEAD, "head", fluff=fluff, cast=0.5 if not erect else 0.25, frame=(0, 0, 0, 1, 1)))
    if breed.topknot > 0.4:
        puff = ellipse(0, -0.72, 0.66, 0.46)
        shapes.append(Shape(puff, HEAD, "crown", fluff=0.13, cast=0.3))
    if breed.ear in ("floppy", "long"):
        shapes += _hanging_ear(breed, pose, near, fluff, rng)
    elif breed.ear in ("folded", "semi"):
        shapes += _folded_ear(breed, pose, far, fluff) + _folded_ear(breed, pose, near, fluff)
    eyes = _eyes(breed, face, pose, far, near)
    if breed.muzzle_length > 0.5 and abs(yaw) > 0.35:
        shapes += eyes + _muzzle(breed, face, pose, fluff)
    else:
        shapes += _muzzle(breed, face, pose, fluff) + eyes
    if breed.wrinkles > 0.4:
        shapes.append(_wrinkles(breed, pose))
    if face.whiskers > 0:
        shapes.append(_whiskers(breed, face, pose, rng))
    return shapes


def _skull(breed: Breed, yaw: float) -> Array:
    t = np.linspace(0, 2 * np.pi, 64, endpoint=False)
    x, y = np.cos(t), np.sin(t)
    low = np.clip(y, 0, 1)
    cheek = breed.cheek * np.exp(-(((low - 0.45) / 0.28) ** 2)) * np.sign(x) * (np.abs(x) > 0.05)
    width = breed.skull_width * (1 - 0.06 * min(abs(yaw), 0.8))
    outline = np.stack([width * x * (1 - breed.jaw * low**1.6) + cheek, breed.skull_height * y], axis=1)
    return shifted(outline, 0.08 * float(np.sin(yaw)), 0.0)


def _erect_ear(breed: Breed, face: Face, pose: Pose3D, side: float, fluff: float, rng: Rng) -> list[Shape]:
    height, width = breed.ear_height, breed.ear_width
    lean = breed.ear_spread * height * 0.55
    turn_out = float(rng.uniform(0.85, 1.0))
    inner_x, outer_x = 0.16, min(0.16 + width * 1.05, 0.92 * breed.skull_width)
    top = breed.skull_height

    def at(x: float, y: float, z: float = -0.1) -> tuple[float, float]:
        return pose(side * x * (0.5 + 0.5 * breed.skull_width), y, z)

    tip = ((inner_x + outer_x) / 2 + 0.06 + lean, -0.62 * top - height)
    a, b = (inner_x, -0.72 * top), (outer_x, -0.22 * top)
    bulge = 0.14 if breed.ear == "bat" else 0.07
    middle_in = ((a[0] + tip[0]) / 2 - bulge * 0.8, (a[1] + tip[1]) / 2)
    middle_out = ((b[0] + tip[0]) / 2 + bulge, (b[1] + tip[1]) / 2 - bulge * 0.5)
    if breed.ear == "bat":  # a round top
        points = [
            a,
            middle_in,
            (tip[0] - 0.12, tip[1] + 0.08),
            (tip[0] + 0.1, tip[1] + 0.1),
            middle_out,
            b,
            (0.4, -0.2),
        ]
    else:
        near_tip = 0.035
        points = [
            a,
            middle_in,
            (tip[0] - near_tip, tip[1] + 0.04),
            (tip[0] + near_tip, tip[1] + 0.05),
            middle_out,
            b,
            (0.4, -0.2),
        ]
    outer = closed_curve([at(x, y) for x, y in points], 7)
    centre = np.array([(a[0] + b[0]) / 2 + 0.02, -0.5 * top])
    scale = np.array([0.58, 0.74]) * turn_out
    inner = closed_curve([at(x, y, 0.0) for x, y in centre + (np.array(points) - centre) * scale], 7)
    shapes = [
        Shape(outer, EARS, "ear", fluff=fluff * 0.45, shade=0.8),
        Shape(inner, EARS, colour=face.ear_inside, shade=0.7, soft=0.05, alpha=0.85),
    ]
    if breed.fluff > 0.3:  # hair that grows across the ear from its inner edge
        hair = closed_curve(
            [
                at(0.2, -0.6 * top, 0.02),
                at(tip[0] - 0.16, tip[1] + height * 0.45, 0.02),
                at(0.42, -0.55 * top, 0.02),
                at(0.5, -0.3 * top, 0.02),
            ],
            6,
        )
        shapes.append(Shape(hair, EARS, "light", fluff=0.06, shade=0.4, alpha=0.75))
    if breed.ear_tufts > 0.3:
        x, y = at(tip[0] + 0.02, tip[1] + 0.06)
        tuft = np.array([[x - 0.06, y + 0.06], [x + side * 0.04, y - 0.24 * breed.ear_tufts], [x + 0.06, y + 0.07]])
        shapes.append(Shape(tuft, EARS, "ear", shade=0.3))
    return shapes


def _hanging_ear(breed: Breed, pose: Pose3D, side: float, fluff: float, rng: Rng) -> list[Shape]:
    length, width = breed.ear_height, breed.ear_width
    swing = float(rng.uniform(-0.04, 0.1))
    edge = breed.skull_width * 0.9
    start = -0.66 * breed.skull_height

    def at(x: float, y: float) -> tuple[float, float]:
        return pose(side * x, y, -0.05)

    out = 0.14 if breed.ear == "floppy" else 0.06
    points = [
        (edge - 0.34, start - 0.04),
        (edge - 0.02, start - 0.06),
        (edge + out + 0.1, start + 0.22),
        (edge + out + 0.16 + swing, start + 0.62 * length),
        (edge + out + 0.04 + swing, start + 0.98 * length),
        (edge + out - 0.5 * width + swing, start + 1.06 * length),
        (edge + 0.06 - 0.62 * width + swing, start + 0.72 * length),
        (edge - 0.5 * width, start + 0.36),
    ]
    outer = closed_curve([at(x, y) for x, y in points], 7)
    x, y = at(edge - 0.1, start + 0.5 * length)
    frame = (x, y, np.pi / 2, max(0.5 * length, 0.2), 0.4)
    return [Shape(outer, EARS, "ear", fluff=fluff * (1.0 if breed.fluff > 0.6 else 0.5), cast=0.55, frame=frame)]


def _folded_ear(breed: Breed, pose: Pose3D, side: float, fluff: float) -> list[Shape]:
    height, width, top = breed.ear_height, breed.ear_width, breed.skull_height

    def at(x: float, y: float, z: float) -> tuple[float, float]:
        return pose(side * x * breed.skull_width, y, z)

    if breed.ear == "folded":  # small caps that follow the skull (Scottish fold)
        cap = [
            (0.3, -0.86 * top, 0.1),
            (0.52, -0.86 * top - 0.38 * height, 0.0),
            (0.82, -0.66 * top - 0.2 * height, 0.0),
            (0.92, -0.42 * top, 0.1),
            (0.76, -0.4 * top, 0.4),
            (0.6, -0.5 * top, 0.5),
        ]
        return [Shape(closed_curve([at(*p) for p in cap], 7), EARS, "ear", fluff=fluff * 0.3, cast=0.4)]
    # An ear that stands and tips over at two thirds: the standing part, then the pointed flap in front of it.
    inner, outer = 0.2, 0.3 + width
    fold = -0.7 * top - 0.52 * height
    lean = 0.3 * breed.ear_spread
    stem = [
        (inner, -0.74 * top, 0.0),
        (inner + 0.12 + lean, fold, 0.0),
        (outer - 0.04 + lean, fold + 0.08, 0.0),
        (outer + 0.04, -0.35 * top, 0.0),
        (0.5, -0.3 * top, 0.1),
    ]
    tip = (0.5 * (inner + outer) + 0.16 + lean, fold + 0.98 * height, 0.3)
    flap = [
        (inner + 0.08 + lean, fold + 0.05, 0.05),
        (inner + 0.3 + lean, fold - 0.05, 0.05),
        (outer - 0.02 + lean, fold + 0.02, 0.05),
        (outer + 0.06 + lean, fold + 0.34 * height, 0.15),
        (tip[0] + 0.07, tip[1] - 0.1 * height, 0.3),
        tip,
        (tip[0] - 0.07, tip[1] - 0.07 * height, 0.3),
        (inner + 0.14 + lean, fold + 0.42 * height, 0.2),
    ]
    return [
        Shape(closed_curve([at(*p) for p in stem], 7), EARS, "ear", fluff=fluff * 0.4, shade=0.8),
        Shape(closed_curve([at(*p) for p in flap], 7), EARS, "ear", fluff=fluff * 0.4, cast=0.6),
    ]


def _muzzle(breed: Breed, face: Face, pose: Pose3D, fluff: float) -> list[Shape]:
    width, depth, length = breed.muzzle_width, breed.muzzle_depth, breed.muzzle_length
    level = 0.40 * breed.skull_height if length > 0.45 else 0.42 * breed.skull_height
    root, tip = (0.0, level - 0.05, 0.62), (0.0, level + 0.05, 0.72 + length)
    canine = depth > 0.275 and width / depth < 1.6
    shapes: list[Shape] = []
    tx, ty = pose(*tip)
    jaw_x, jaw_y = pose(0, level + depth * 0.85, 0.6 + 0.8 * length)
    if canine and face.tongue:
        tongue = closed_curve(
            [
                (jaw_x - 0.12, jaw_y),
                (jaw_x + 0.12, jaw_y),
                (jaw_x + 0.11, jaw_y + 0.34),
                (jaw_x, jaw_y + 0.42),
                (jaw_x - 0.11, jaw_y + 0.34),
            ],
            6,
        )
    chin = ellipse(jaw_x, jaw_y - 0.02, width * 0.62, depth * 0.5)
    shapes.append(Shape(chin, MUZZLE, "muzzle", fluff=fluff * 0.4 + 0.12 * breed.beard, dim=0.86, cast=0.5))
    if canine and face.tongue:
        shapes.append(Shape(tongue, MUZZLE, colour=(226, 112, 122), shade=0.6))
    x, y = pose(*root)
    narrow = 1.0 - 0.16 * min(length, 1.0)
    bridge = hull(
        np.concatenate(
            [ellipse(x, y - 0.06, width * 0.86, depth * 0.95), ellipse(tx, ty, width * narrow, depth * 0.86)]
        )
    )
    front = 0.4 if length > 0.5 else 0.15
    shapes.append(
        Shape(bridge, MUZZLE, "muzzle", fluff=fluff * 0.2 + 0.05 * breed.beard, cast=front, soft=0.10, shade=0.85)
    )
    for side in (-1.0, 1.0):  # the two pads that carry the whiskers
        px, py = pose(side * width * 0.44, level + depth * (0.22 if canine else 0.12), 0.72 + 0.96 * length)
        pad = ellipse(px, py, width * 0.52, depth * (0.66 if canine else 0.72), side * 0.25)
        pad_fluff = fluff * 0.15 + 0.13 * breed.beard
        shapes.append(Shape(pad, MUZZLE, "muzzle", fluff=pad_fluff, shade=0.7, soft=0.04))
    nx, ny = pose(0, level - depth * (0.5 if canine else 0.42), 0.82 + length)
    w = breed.nose
    h = w * (0.74 if canine else 0.66)
    nose = closed_curve(
        [
            (nx - w, ny - h * 0.55),
            (nx, ny - h * 0.85),
            (nx + w, ny - h * 0.55),
            (nx + w * 0.75, ny + h * 0.35),
            (nx, ny + h),
            (nx - w * 0.75, ny + h * 0.35),
        ],
        6,
    )
    mouth_x, mouth_y = pose(0, level + depth * (0.42 if canine else 0.3), 0.78 + length)
    smile = width * (0.62 if canine else 0.5)
    droop = depth * (0.36 if canine else 0.3)
    lines = [open_curve([(nx, ny + h * 0.8), (mouth_x, mouth_y)], 4)]
    mouth = level + depth * (0.42 if canine else 0.3)
    for side in (-1.0, 1.0):
        if canine and side * pose.yaw > 0.35:  # hidden behind the muzzle
            continue
        half = pose(side * smile * 0.55, mouth + droop * 0.85, 0.74 + length)
        end = pose(side * smile, mouth + droop * 0.35, 0.62 + 0.72 * length)
        lines.append(open_curve([(mouth_x, mouth_y), half, end], 6))
    ink: Colour = (52, 36, 36)
    shapes.append(Shape(lines[0], 0, colour=ink, lines=lines, line_width=0.035, alpha=0.75, shade=0.0))
    shapes.append(Shape(nose, MUZZLE, colour=face.nose, shade=0.9))
    gleam = ellipse(nx - 0.25 * w, ny - 0.38 * h, 0.28 * w, 0.16 * h, points=12)
    shapes.append(Shape(gleam, 0, colour=(255, 250, 248), alpha=0.55, shade=0.0))
    return shapes


def _eyes(breed: Breed, face: Face, pose: Pose3D, far: float, near: float) -> list[Shape]:
    shapes: list[Shape] = []
    for side in (far, near):
        depth = float(np.sqrt(max(0.05, 1 - breed.eye_apart**2 - breed.eye_level**2))) * 0.92
        facing = pose.depth(side * breed.eye_apart, depth)
        if facing < 0.28:
            continue
        x, y = pose(side * breed.eye_apart, breed.eye_level, depth)
        rx, ry = breed.eye * min(1.0, 0.25 + facing), breed.eye * breed.eye_height
        tilt = -side * breed.eye_tilt
        if face.closed:
            lid = almond(x, y, rx, ry * 0.6, tilt, 1.0)[2:15]
            rim = almond(x, y, rx, ry * 0.5, tilt, 1.4)
            shapes.append(Shape(rim, EYES, "head", shade=0.3, alpha=0.9))
            shapes.append(Shape(lid, 0, colour=(40, 28, 28), lines=[lid], line_width=0.05, alpha=0.9, shade=0.0))
            continue
        pointed = breed.eye_pointed
        rim = almond(x, y, rx * 1.2, ry * 1.2, tilt, pointed)
        iris = almond(x, y + 0.01, rx, ry, tilt, pointed)
        wide = min(face.pupil, 0.92)
        pupil = ellipse(x, y, rx * wide, ry * (0.86 if wide < 0.5 else max(wide, 0.72)), tilt * 0.3, points=20)
        r, g, b = face.iris
        shapes.append(Shape(rim, EYES, colour=(36, 26, 26), shade=0.0, alpha=0.92))
        shapes.append(Shape(iris, EYES, colour=(r, g, b), shade=0.75))
        shapes.append(Shape(pupil, EYES, colour=(16, 12, 14), shade=0.0))
        glint = ellipse(x - 0.3 * rx, y - 0.36 * ry, 0.22 * breed.eye, 0.2 * breed.eye, points=14)
        low = ellipse(x + 0.3 * rx, y + 0.42 * ry, 0.1 * breed.eye, 0.09 * breed.eye, points=10)
        shapes.append(Shape(glint, EYES, colour=(255, 255, 255), shade=0.0))
        shapes.append(Shape(low, EYES, colour=(255, 255, 255), shade=0.0, alpha=0.5))
    return shapes


def _wrinkles(breed: Breed, pose: Pose3D) -> Shape:
    lines = []
    for level, wide, drop in ((-0.62, 0.34, -0.1), (-0.48, 0.4, -0.12), (-0.34, 0.24, -0.1)):
        points = [pose(x * wide, level + drop * (1 - abs(x)) ** 0.7, 0.75) for x in (-1.0, -0.5, 0.0, 0.5, 1.0)]
        lines.append(open_curve(points, 4))
    return Shape(lines[0], 0, colour=(40, 28, 24), lines=lines, line_width=0.04, alpha=0.25 * breed.wrinkles, shade=0.0)


def _whiskers(breed: Breed, face: Face, pose: Pose3D, rng: Rng) -> Shape:
    lines = []
    level = 0.44 * breed.skull_height
    for side in (-1.0, 1.0):
        for k in range(3):
            start = pose(side * breed.muzzle_width * 0.6, level + 0.07 * k - 0.06, 0.8 + breed.muzzle_length)
            length = face.whiskers * float(rng.uniform(0.85, 1.1))
            slope = -0.16 + 0.2 * k + float(rng.uniform(-0.06, 0.06))
            reach = side * length * (1.0 - 0.25 * side * np.sin(pose.yaw))
            middle = (start[0] + 0.5 * reach, start[1] + 0.5 * length * slope - 0.05)
            end = (start[0] + reach, start[1] + length * slope + 0.12 * length)
            lines.append(open_curve([start, middle, end], 5))
    return Shape(
        lines[0],
        0,
        colour=(250, 248, 244),
        lines=lines,
        line_width=0.018,
        alpha=0.85 if face.whiskers > 0.6 else 0.5,
        shade=0.0,
    )
