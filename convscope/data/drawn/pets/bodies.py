"""Bodies and poses. Body coordinates: the ground is y = 0, up is negative, animals seen from the side look to +x."""

from collections.abc import Callable

import numpy as np

from convscope.data.drawn.geometry import Rng, closed_curve, ellipse, limb, shifted
from convscope.data.drawn.pets.breeds import Breed
from convscope.data.drawn.pets.heads import Face, build_head
from convscope.data.drawn.pets.shapes import BODY, Shape, moved

POSES = ("portrait", "sitting", "sitting side", "standing", "lying", "crouching")
_ODDS = (0.34, 0.2, 0.14, 0.12, 0.09, 0.11)


def sample_pose(rng: Rng) -> str:
    """One of POSES."""
    return str(rng.choice(POSES, p=_ODDS))


def build_pet(breed: Breed, face: Face, pose: str, rng: Rng) -> list[Shape]:
    """All shapes of one animal in painting order, in body coordinates.

    Args:
        breed: its proportions.
        face: colours and mood of its face.
        pose: one of POSES.
        rng: source of the remaining variety (turn of the head, swing of the tail).
    """
    builders: dict[str, Callable[[Breed, float, Rng], tuple[list[Shape], tuple[float, float], tuple[float, float]]]] = {
        "portrait": _portrait,
        "sitting": _sitting,
        "sitting side": _sitting_side,
        "standing": _standing,
        "lying": _lying,
        "crouching": _crouching,
    }
    fluff = 0.012 + 0.05 * breed.fluff if breed.fluff > 0.15 else 0.0
    shapes, (x, y), (low, high) = builders[pose](breed, fluff, rng)
    yaw = float(rng.uniform(low, high))
    pitch = float(rng.uniform(-0.06, 0.2))
    roll = float(np.clip(rng.normal(0, 0.11), -0.3, 0.3))
    return shapes + [moved(s, breed.head_size, roll, x, y) for s in build_head(breed, face, yaw, pitch, rng)]


def _paw(x: float, y: float, size: float, dim: float = 1.0, front: bool = False) -> list[Shape]:
    shapes = [Shape(ellipse(x, y, size * (0.9 if front else 1.15), size * 0.66), BODY, "paw", dim=dim, cast=0.25)]
    if front:
        toes = [
            np.array([[x + k * size * 0.3, y + size * 0.06], [x + k * size * 0.34, y + size * 0.5]]) for k in (-1, 1)
        ]
        shapes.append(Shape(toes[0], 0, colour=(40, 30, 30), lines=toes, line_width=size * 0.12, alpha=0.4, shade=0.0))
    return shapes


def _tail(breed: Breed, x: float, y: float, ground: bool, fluff: float, rng: Rng, away: float = -1.0) -> Shape:
    """A tail rooted at (x, y); `away` is the side it points to; on the ground it lies around the animal."""
    n, w = breed.tail_length, 0.062
    if ground and breed.tail == "curl":  # carried over the back, so seen above the haunch
        y -= 0.22
    lift = float(rng.uniform(0.0, 1.0))
    kind = breed.tail
    if kind == "stub":
        points, widths = [(0, 0), (0.07 + 0.2 * n, -0.05 - 0.2 * n)], [0.08, 0.06]
    elif kind == "curl":
        points = [(0, 0), (0.13, -0.2), (0.02, -0.36), (-0.14, -0.3), (-0.1, -0.16)]
        widths = [0.07, 0.1, 0.1, 0.09, 0.05]
    elif ground:
        points = [(0, 0), (0.24 * n, 0.1), (0.55 * n, 0.08 - 0.1 * lift), (0.86 * n, -0.02 - 0.22 * lift)]
        widths = [w, w, w * 0.9, w * 0.6]
    elif kind == "whip":
        points = [(0, 0), (0.3 * n, -0.08 - 0.3 * lift), (0.42 * n, -0.4 * n - 0.25 * lift), (0.6 * n, -0.72 * n)]
        widths = [w, w * 0.92, w * 0.85, w * 0.6]
    elif kind == "plume":
        drop = 0.45 - 0.9 * lift
        points = [(0, 0), (0.3 * n, 0.1 * drop), (0.58 * n, drop * n * 0.6), (0.7 * n, drop * n)]
        widths = [0.07, 0.13, 0.14, 0.04]
    else:  # sabre, flag
        rise = 0.15 + 0.75 * lift
        points = [(0, 0), (0.3 * n, -0.3 * rise), (0.62 * n, -0.75 * rise), (0.72 * n, -1.05 * rise)]
        widths = [w * 1.15, w * 1.1, w * (1.3 if kind == "flag" and breed.fluff > 0.5 else 0.9), w * 0.4]
    if kind == "plume" and ground:
        widths = [0.07, 0.12, 0.13, 0.05]
    outline = limb([(x + away * px, y + py) for px, py in points], widths)
    end = points[-1]
    angle = float(np.arctan2(end[1], away * end[0]))
    half = float(np.hypot(*end)) / 2 + 0.05
    frame = (x + away * end[0] / 2, y + end[1] / 2, angle, half, 0.1)
    tail_fluff = fluff * (1.2 if kind in ("plume", "curl") else 0.5)
    return Shape(outline, BODY, "tail", fluff=tail_fluff, frame=frame, dim=0.95)


_Built = tuple[list[Shape], tuple[float, float], tuple[float, float]]


def _portrait(breed: Breed, fluff: float, rng: Rng) -> _Built:
    wide = (0.40 + 0.1 * breed.stout) * (0.6 + breed.head_size)
    lean = float(rng.uniform(-0.08, 0.08))
    points = [
        (-0.24, -0.30),
        (0.24, -0.30),
        (wide * 0.9, -0.06),
        (wide + 0.1, 0.35),
        (wide + 0.12, 0.8),
        (0, 0.9),
        (-wide - 0.12, 0.8),
        (-wide - 0.1, 0.35),
        (-wide * 0.9, -0.06),
    ]
    torso = closed_curve(points, 8)
    chest = ellipse(lean, 0.2, 0.24, 0.42)
    shapes = [
        Shape(torso, BODY, "torso", fluff=fluff * 1.2, frame=(0, 0.2, np.pi / 2, 0.6, 0.5)),
        Shape(chest, BODY, "chest", fluff=fluff * 1.6 + 0.01, soft=0.08, shade=0.4),
    ]
    return shapes, (lean, -0.40), (-0.55, 0.55)


def _sitting(breed: Breed, fluff: float, rng: Rng) -> _Built:
    s, lw = breed.stout, 0.082 * breed.leg_width
    tall = 0.62 + 0.55 * breed.legs
    side = float(rng.choice([-1.0, 1.0]))
    body = [
        (0, -tall),
        (0.2 * s, -tall + 0.1),
        (0.27 * s, -0.55 * tall),
        (0.36 * s, -0.22),
        (0.3 * s, -0.02),
        (0, 0.0),
        (-0.3 * s, -0.02),
        (-0.36 * s, -0.22),
        (-0.27 * s, -0.55 * tall),
        (-0.2 * s, -tall + 0.1),
    ]
    shapes = [_tail(breed, side * 0.25 * s, -0.07, True, fluff, rng, away=side)]
    torso = Shape(closed_curve(body, 8), BODY, "torso", fluff=fluff, frame=(0, -tall / 2, np.pi / 2, tall / 2, 0.4))
    shapes.append(torso)
    for k in (-1.0, 1.0):
        shapes.append(
            Shape(ellipse(k * 0.29 * s, -0.17, 0.15 * s, 0.19, k * 0.25), BODY, "haunch", fluff=fluff * 0.6, soft=0.02)
        )
        shapes += _paw(k * 0.33 * s, -0.045, 0.095 * breed.leg_width, 0.95, front=True)
    shapes.append(
        Shape(ellipse(0, -0.66 * tall, 0.17 * s, 0.27), BODY, "chest", fluff=fluff * 1.4, soft=0.07, shade=0.5)
    )
    for k in (-1.0, 1.0):
        leg = limb([(k * 0.14 * s, -0.55 * tall), (k * 0.125, -0.25), (k * 0.12, -0.05)], [lw * 1.25, lw, lw * 0.92])
        shapes.append(Shape(leg, BODY, "leg", fluff=fluff * 0.4, cast=0.45, soft=0.015))
        shapes += _paw(k * 0.125, -0.045, 0.1 * breed.leg_width, front=True)
    return shapes, (0.0, -tall - breed.head_size * 0.5 - breed.neck * 0.5), (-0.6, 0.6)


def _sitting_side(breed: Breed, fluff: float, rng: Rng) -> _Built:
    s, lw = breed.stout, 0.08 * breed.leg_width
    tall = 0.6 + 0.6 * breed.legs
    back = 0.42 * (0.5 + 0.5 * breed.length)
    body = [
        (0.1, -tall - 0.04),
        (0.27, -tall * 0.95),
        (0.30 + 0.05 * s, -tall * 0.62),
        (0.26, -tall * 0.32),
        (0.1, -0.1),
        (-0.2, -0.01),
        (-back - 0.02, -0.03),
        (-back - 0.1 * s, -0.22),
        (-back + 0.06, -0.55 * tall),
        (-0.12, -tall * 0.88),
    ]
    shapes = [_tail(breed, -back - 0.02, -0.08, True, fluff, rng)]
    far = limb([(0.2, -0.5 * tall), (0.31, -0.22), (0.31, -0.06)], [lw * 1.1, lw * 0.92, lw * 0.8])
    shapes.append(Shape(far, BODY, "leg", dim=0.8, fluff=fluff * 0.4))
    shapes += _paw(0.34, -0.05, 0.088 * breed.leg_width, 0.8)
    shapes.append(Shape(closed_curve(body, 8), BODY, "torso", fluff=fluff, frame=(-0.05, -tall / 2, 1.15, 0.6, 0.36)))
    shapes.append(
        Shape(ellipse(0.23, -0.68 * tall, 0.11 * s, 0.24, -0.1), BODY, "chest", fluff=fluff, soft=0.06, shade=0.4)
    )
    haunch = ellipse(-back + 0.16, -0.22, 0.25 * s, 0.22, -0.35)
    shapes.append(Shape(haunch, BODY, "haunch", fluff=fluff * 0.5, cast=0.4, soft=0.02))
    shapes += _paw(-back + 0.36, -0.05, 0.1 * breed.leg_width)
    near = limb([(0.15, -0.55 * tall), (0.2, -0.26), (0.2, -0.06)], [lw * 1.35, lw, lw * 0.9])
    shapes.append(Shape(near, BODY, "leg", fluff=fluff * 0.4, cast=0.4, soft=0.015))
    shapes += _paw(0.23, -0.05, 0.1 * breed.leg_width)
    return shapes, (0.17, -tall - breed.head_size * 0.5 - breed.neck * 0.5), (-0.3, 0.95)


def _standing(breed: Breed, fluff: float, rng: Rng) -> _Built:
    n, t, lw = breed.legs, 0.33 * breed.stout, 0.07 * breed.leg_width
    half = 0.5 * breed.length
    back = -(n + t)
    step = float(rng.uniform(-0.09, 0.09))
    torso = [
        (-half + 0.02, back),
        (-0.1, back * 0.97),
        (half - 0.16, back - 0.02),
        (half + 0.02, -(n + 0.72 * t)),
        (half - 0.02, -(n + 0.16 * t)),
        (half - 0.2, -n + 0.045),
        (0.0, -n),
        (-half + 0.24, -(n + 0.24 * t)),
        (-half - 0.06, -(n + 0.3 * t)),
        (-half - 0.1, -(n + 0.75 * t)),
    ]

    def front(x: float, move: float) -> tuple[np.ndarray, float]:
        return limb([(x, -n - 0.1), (x + move * 0.5, -n * 0.5), (x + move, -0.05)], [lw * 1.4, lw, lw * 0.82]), x + move

    def hind(x: float, move: float) -> tuple[np.ndarray, float]:
        path = [
            (x, -n - 0.13),
            (x + 0.08 + move * 0.3, -n * 0.68),
            (x - 0.07 + move * 0.7, -n * 0.34),
            (x + move, -0.05),
        ]
        return limb(path, [lw * 2.3, lw * 1.5, lw * 0.9, lw * 0.8]), x + move

    shapes = [_tail(breed, -half - 0.03, back + 0.08, False, fluff, rng)]
    for make, x, move in ((front, half - 0.09, step), (hind, -half + 0.18, -step)):
        outline, foot = make(x, move)
        shapes.append(Shape(outline, BODY, "leg", dim=0.76, fluff=fluff * 0.3))
        shapes += _paw(foot + 0.035, -0.045, 0.078 * breed.leg_width, 0.76)
    head = (half + 0.12 + 0.3 * breed.neck, back - breed.head_size * 0.42 - breed.neck * 0.8)
    neck = limb(
        [(half - 0.17, -(n + 0.62 * t)), (half - 0.03, back + 0.02), (head[0] - 0.03, head[1] + 0.05)],
        [0.2 * breed.stout, 0.17 * breed.stout, 0.15],
    )
    body_frame = (0.0, -(n + 0.5 * t), 0.0, half, 0.5 * t)
    shapes.append(Shape(neck, BODY, "torso", fluff=fluff, frame=body_frame))
    shapes.append(Shape(closed_curve(torso, 8), BODY, "torso", fluff=fluff, frame=body_frame, soft=0.03))
    bib = ellipse(half - 0.01, -(n + 0.6 * t), 0.09, 0.2 * breed.stout, -0.25)
    shapes.append(Shape(bib, BODY, "chest", fluff=fluff, soft=0.06, shade=0.3))
    for make, x, move in ((hind, -half + 0.07, step), (front, half - 0.2, -step)):
        outline, foot = make(x, move)
        shapes.append(Shape(outline, BODY, "leg", cast=0.2, fluff=fluff * 0.3, soft=0.045, shade=0.8))
        shapes += _paw(foot + 0.035, -0.045, 0.085 * breed.leg_width)
    return shapes, head, (-0.1, 1.0)


def _lying(breed: Breed, fluff: float, rng: Rng) -> _Built:
    s, lw, half = breed.stout, 0.075 * breed.leg_width, 0.52 * breed.length
    tall = 0.4 * s
    body = [
        (-half, -tall * 0.75),
        (-0.15, -tall * 1.02),
        (half * 0.55, -tall * 1.14),
        (half * 0.95, -tall * 0.85),
        (half * 0.95, -0.1),
        (half * 0.5, -0.01),
        (-0.1, 0.0),
        (-half, -0.01),
        (-half - 0.12, -tall * 0.35),
    ]
    shapes = [_tail(breed, -half - 0.04, -0.08, True, fluff, rng)]
    far = limb([(half * 0.7, -0.14), (half + 0.16, -0.1), (half + 0.36, -0.065)], [lw * 1.2, lw, lw * 0.85])
    shapes.append(Shape(far, BODY, "leg", dim=0.8, fluff=fluff * 0.4))
    shapes += _paw(half + 0.38, -0.06, 0.085 * breed.leg_width, 0.8)
    frame = (0.0, -tall / 2, 0.0, half, tall / 2)
    shapes.append(Shape(closed_curve(body, 8), BODY, "torso", fluff=fluff, frame=frame))
    shapes.append(
        Shape(ellipse(half * 0.86, -tall * 0.66, 0.11, 0.2, -0.1), BODY, "chest", fluff=fluff, soft=0.06, shade=0.4)
    )
    haunch = ellipse(-half + 0.2, -tall * 0.46, 0.25, tall * 0.45, -0.2)
    shapes.append(Shape(haunch, BODY, "haunch", fluff=fluff * 0.5, cast=0.35, soft=0.02))
    shapes += _paw(-half + 0.42, -0.05, 0.095 * breed.leg_width)
    near = limb([(half * 0.55, -0.15), (half * 0.9, -0.085), (half + 0.22, -0.06)], [lw * 1.5, lw * 1.1, lw * 0.9])
    shapes.append(Shape(near, BODY, "leg", cast=0.4, fluff=fluff * 0.4, soft=0.015))
    shapes += _paw(half + 0.25, -0.055, 0.09 * breed.leg_width)
    return shapes, (half * 0.8, -tall * 1.05 - breed.head_size * 0.5 - breed.neck * 0.5), (-0.45, 0.75)


def _crouching(breed: Breed, fluff: float, rng: Rng) -> _Built:
    s = breed.stout
    side = float(rng.choice([-1.0, 1.0]))
    shift = side * float(rng.uniform(0.0, 0.16))
    tall = 0.5 * s
    body = [
        (-0.36 * s, -0.42 * tall),
        (-0.26 * s, -0.85 * tall),
        (0, -tall),
        (0.26 * s, -0.85 * tall),
        (0.38 * s, -0.42 * tall),
        (0.34 * s, -0.03),
        (0, 0.0),
        (-0.34 * s, -0.03),
    ]
    shapes = [_tail(breed, side * 0.26 * s, -0.07, True, fluff, rng, away=side)]
    outline = shifted(closed_curve(body, 8), shift, 0.0)
    shapes.append(Shape(outline, BODY, "torso", fluff=fluff, frame=(shift, -0.25 * s, np.pi / 2, 0.34 * s, 0.42 * s)))
    for k in (-1.0, 1.0):
        hip = ellipse(shift + k * 0.29 * s, -0.17, 0.13 * s, 0.17, k * 0.2)
        shapes.append(Shape(hip, BODY, "haunch", fluff=fluff * 0.5, soft=0.02))
    shapes.append(Shape(ellipse(0, -0.26, 0.2 * s, 0.2), BODY, "chest", fluff=fluff * 1.3, soft=0.07, shade=0.4))
    for k in (-1.0, 1.0):
        arm = limb([(k * 0.2, -0.2), (k * 0.19, -0.09), (k * 0.17, -0.055)], [0.09, 0.09, 0.085 * breed.leg_width])
        shapes.append(Shape(arm, BODY, "leg", cast=0.35, fluff=fluff * 0.4, soft=0.02))
        shapes += _paw(k * 0.17, -0.05, 0.1 * breed.leg_width, front=True)
    return shapes, (0.0, -0.27 - breed.head_size * 0.75), (-0.6, 0.6)
