"""Breed-like proportions of cats and dogs. Lengths are in head radii for the head, in body units for the body."""

from dataclasses import dataclass, fields, replace

from convscope.data.drawn.geometry import Rng


@dataclass(frozen=True)
class Breed:
    """The shape of one kind of pet; `sample_breed` varies every number a little."""

    name: str
    # head
    skull_width: float = 1.0
    skull_height: float = 0.88
    cheek: float = 0.1
    jaw: float = 0.2
    ear: str = "pointed"  # pointed, bat, folded, floppy, long, semi
    ear_height: float = 0.75
    ear_width: float = 0.62
    ear_spread: float = 0.30
    muzzle_length: float = 0.25
    muzzle_width: float = 0.40
    muzzle_depth: float = 0.26
    nose: float = 0.11
    eye: float = 0.20
    eye_height: float = 0.85
    eye_apart: float = 0.42
    eye_level: float = -0.02
    eye_pointed: float = 1.3
    eye_tilt: float = 0.18
    # fur
    fluff: float = 0.25
    ruff: float = 0.0
    beard: float = 0.0
    topknot: float = 0.0
    wrinkles: float = 0.0
    ear_tufts: float = 0.0
    # body
    head_size: float = 0.38
    stout: float = 1.0
    legs: float = 0.42
    leg_width: float = 1.0
    length: float = 1.0
    neck: float = 0.1
    tail: str = "whip"  # whip, plume, stub, curl, sabre, flag
    tail_length: float = 0.85


_CAT = Breed("shorthair")
_DOG = Breed(
    "labrador",
    skull_width=0.88,
    skull_height=0.86,
    cheek=0.02,
    jaw=0.22,
    ear="floppy",
    ear_height=0.85,
    ear_width=0.55,
    ear_spread=0.35,
    muzzle_length=0.75,
    muzzle_width=0.40,
    muzzle_depth=0.36,
    nose=0.19,
    eye=0.125,
    eye_height=0.95,
    eye_apart=0.36,
    eye_level=-0.16,
    eye_pointed=1.1,
    eye_tilt=0.0,
    fluff=0.2,
    head_size=0.38,
    legs=0.46,
    leg_width=1.1,
    length=1.0,
    neck=0.16,
    tail="sabre",
    tail_length=0.6,
)

CATS: tuple[Breed, ...] = (
    _CAT,
    replace(_CAT, name="tabby", fluff=0.4, cheek=0.16, tail_length=0.9),
    replace(_CAT, name="british", skull_width=1.06, skull_height=0.93, cheek=0.22, jaw=0.1, ear_height=0.55,
            stout=1.22, eye_pointed=1.0, leg_width=1.15, legs=0.36, muzzle_width=0.46),
    replace(_CAT, name="persian", skull_width=1.08, skull_height=0.95, cheek=0.2, jaw=0.05, ear_height=0.42,
            ear_width=0.5, ear_spread=0.5, muzzle_length=0.1, muzzle_width=0.44, eye=0.22, eye_pointed=1.0,
            fluff=1.0, ruff=0.8, stout=1.3, legs=0.3, leg_width=1.3, tail="plume", tail_length=0.7),
    replace(_CAT, name="siamese", skull_width=0.88, skull_height=0.9, cheek=0.0, jaw=0.42, ear_height=1.0,
            ear_width=0.7, ear_spread=0.5, muzzle_length=0.38, muzzle_width=0.32, eye_tilt=0.38, eye_pointed=1.7,
            fluff=0.08, stout=0.8, legs=0.52, leg_width=0.8, head_size=0.34, neck=0.18, tail_length=1.0),
    replace(_CAT, name="sphynx", skull_width=0.86, skull_height=0.88, cheek=0.1, jaw=0.36, ear="bat", ear_height=1.0,
            ear_width=0.85, ear_spread=0.5, eye=0.22, eye_tilt=0.3, eye_pointed=1.4, fluff=0.0, wrinkles=1.0,
            stout=0.82, legs=0.5, leg_width=0.78, head_size=0.35, neck=0.18, tail_length=0.95),
    replace(_CAT, name="maine coon", skull_height=0.95, cheek=0.12, jaw=0.16, ear_height=0.95, ear_width=0.6,
            muzzle_length=0.36, muzzle_width=0.45, muzzle_depth=0.32, fluff=0.9, ruff=1.0, ear_tufts=1.0, stout=1.2,
            tail="plume", tail_length=1.0),
    replace(_CAT, name="scottish fold", skull_width=1.05, skull_height=0.92, cheek=0.16, jaw=0.1, ear="folded",
            ear_height=0.42, ear_width=0.62, eye=0.22, eye_pointed=1.0, stout=1.15, fluff=0.4),
    replace(_CAT, name="munchkin", legs=0.2, cheek=0.14, ear_height=0.7, length=1.05, fluff=0.5),
    replace(_CAT, name="bobtail", tail="stub", tail_length=0.2, fluff=0.4, cheek=0.14),
    replace(_CAT, name="norwegian", skull_height=0.92, jaw=0.26, ear_height=0.85, fluff=0.85, ruff=0.7,
            ear_tufts=0.6, tail="plume", tail_length=0.95, eye_tilt=0.28),
)  # fmt: skip

DOGS: tuple[Breed, ...] = (
    _DOG,
    replace(_DOG, name="beagle", ear="long", ear_height=1.15, ear_width=0.5, muzzle_length=0.7, muzzle_width=0.34,
            legs=0.38, tail="flag", eye=0.14),
    replace(_DOG, name="bloodhound", skull_width=0.84, skull_height=0.95, ear="long", ear_height=1.6, ear_width=0.55,
            muzzle_length=0.95, muzzle_width=0.4, muzzle_depth=0.46, wrinkles=0.6, eye_tilt=-0.25, tail="flag"),
    replace(_DOG, name="shepherd", ear="pointed", ear_height=0.95, ear_width=0.55, ear_spread=0.2, muzzle_length=1.0,
            muzzle_width=0.33, jaw=0.3, fluff=0.55, eye_pointed=1.4, eye_tilt=0.15, tail="plume", tail_length=0.8,
            legs=0.5, ruff=0.3),
    replace(_DOG, name="husky", ear="pointed", ear_height=0.68, ear_width=0.5, ear_spread=0.15, skull_width=0.93,
            muzzle_length=0.75, muzzle_width=0.33, fluff=0.7, eye_pointed=1.5, eye_tilt=0.22, tail="curl", ruff=0.5),
    replace(_DOG, name="corgi", ear="bat", ear_height=0.85, ear_width=0.6, ear_spread=0.35, muzzle_length=0.68,
            muzzle_width=0.31, jaw=0.34, legs=0.2, length=1.1, fluff=0.5, ruff=0.4, tail="stub", tail_length=0.2),
    replace(_DOG, name="pug", skull_width=1.0, skull_height=0.9, jaw=0.08, cheek=0.12, ear="semi", ear_height=0.4,
            ear_width=0.5, muzzle_length=0.2, muzzle_width=0.5, muzzle_depth=0.38, eye=0.185, eye_pointed=1.0,
            eye_apart=0.46, eye_level=-0.06, wrinkles=1.0, fluff=0.05, stout=1.25, legs=0.34, tail="curl",
            tail_length=0.5),
    replace(_DOG, name="bulldog", skull_width=1.05, skull_height=0.86, jaw=0.0, cheek=0.2, ear="semi",
            ear_height=0.42, ear_width=0.42, ear_spread=0.7, muzzle_length=0.3, muzzle_width=0.58, muzzle_depth=0.44,
            eye=0.13, wrinkles=0.9, fluff=0.02, stout=1.35, legs=0.3, leg_width=1.3, tail="stub", tail_length=0.18),
    replace(_DOG, name="french bulldog", skull_width=0.96, skull_height=0.86, jaw=0.05, cheek=0.1, ear="bat",
            ear_height=0.85, ear_width=0.52, ear_spread=0.32, muzzle_length=0.24, muzzle_width=0.5,
            muzzle_depth=0.38, eye=0.165, eye_apart=0.46, eye_level=-0.06, fluff=0.02, stout=1.2, legs=0.36,
            tail="stub", tail_length=0.16),
    replace(_DOG, name="terrier", ear="semi", ear_height=0.62, ear_width=0.52, muzzle_length=0.78, muzzle_width=0.34,
            fluff=0.55, beard=0.5, tail="flag", tail_length=0.45, legs=0.4),
    replace(_DOG, name="schnauzer", ear="semi", ear_height=0.66, ear_width=0.46, muzzle_length=0.78,
            muzzle_width=0.4, fluff=0.5, beard=1.0, tail="stub", tail_length=0.25),
    replace(_DOG, name="spitz", ear="pointed", ear_height=0.52, ear_width=0.42, skull_width=0.98, cheek=0.12,
            muzzle_length=0.5, muzzle_width=0.26, muzzle_depth=0.28, nose=0.15, fluff=1.0, ruff=1.2, stout=1.25,
            legs=0.32, tail="curl", eye=0.14),
    replace(_DOG, name="shiba", ear="pointed", ear_height=0.58, ear_width=0.46, skull_width=0.98, cheek=0.14,
            muzzle_length=0.62, muzzle_width=0.31, fluff=0.5, eye_pointed=1.6, eye_tilt=0.28, tail="curl"),
    replace(_DOG, name="spaniel", ear="long", ear_height=1.3, ear_width=0.68, muzzle_length=0.7, muzzle_width=0.36,
            fluff=0.85, eye=0.15, tail="flag", tail_length=0.4, legs=0.38),
    replace(_DOG, name="chihuahua", skull_width=0.98, skull_height=0.94, jaw=0.3, ear="bat", ear_height=0.95,
            ear_width=0.7, ear_spread=0.6, muzzle_length=0.42, muzzle_width=0.26, muzzle_depth=0.26, nose=0.14,
            eye=0.19, eye_apart=0.44, eye_level=-0.06, eye_pointed=1.0, head_size=0.41, stout=0.85, leg_width=0.75,
            fluff=0.1),
    replace(_DOG, name="poodle", skull_width=0.82, ear="long", ear_height=1.05, ear_width=0.62, muzzle_length=0.95,
            muzzle_width=0.27, muzzle_depth=0.28, fluff=0.9, topknot=1.0, tail="flag", tail_length=0.4, legs=0.5),
    replace(_DOG, name="dachshund", skull_width=0.8, ear="long", ear_height=1.0, ear_width=0.5, muzzle_length=1.0,
            muzzle_width=0.28, muzzle_depth=0.28, legs=0.17, length=1.3, fluff=0.1, head_size=0.34),
    replace(_DOG, name="collie", ear="semi", ear_height=0.7, ear_width=0.48, muzzle_length=1.0, muzzle_width=0.29,
            jaw=0.3, fluff=0.9, ruff=0.8, tail="plume", tail_length=0.8),
)  # fmt: skip


def sample_breed(rng: Rng, label: int) -> Breed:
    """A cat (label 0) or dog (label 1) of a random breed, its proportions varied by some per cent."""
    breeds = DOGS if label else CATS
    breed = breeds[int(rng.integers(len(breeds)))]
    changes = {
        f.name: value * float(rng.uniform(0.9, 1.1))
        for f in fields(Breed)
        if isinstance(value := getattr(breed, f.name), float)
    }
    return replace(breed, **changes)  # type: ignore[arg-type]
