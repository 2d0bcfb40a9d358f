"""Judging the judge: pictures and a model of which it is known where it looks, and maps that are right or wrong in known ways."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import keras
import numpy as np

from convscope.judging import controls
from convscope.judging.gate import Verdict, sanity_gate
from convscope.judging.methods import Judged, Subject, judge
from convscope.judging.names import CONTROLS

SIDE, WINDOW, PICTURES = 32, 7, 24
SETTINGS: dict[str, Any] = {
    "steps": 16,
    "batch": 64,
    "tolerance": 0,
    "randomisation": {"images": 12, "steps": 2, "networks": 3},
    "sensitivity": {"images": 8, "samples": 2, "radius": 0.02},
    "seeds": {"images": 8, "seeds": 3},
}
_GROUPS = ("curves", "localisation", "randomisation", "sensitivity", "seeds", "sparseness")
# The colour that the model looks for, and nothing grey has: red for, blue against.
_COLOUR = np.array([1.0, 0.0, -1.0])


@dataclass(frozen=True)
class World:
    """Pictures of grey noise with a coloured spot, which is all that the model sees, and a striped patch, which it does not.

    Attributes:
        network: a convolution of one filter, its maximum over the picture, a logit.
        images: (N, 32, 32, 3) float32, -1..1.
        keys: ids.
        spots: (N, 32, 32) bool, the 7 x 7 pixels of the spot.
        stripes: (N, 32, 32) bool, those of the patch.
    """

    network: keras.Model
    images: np.ndarray
    keys: list[str]
    spots: np.ndarray
    stripes: np.ndarray

    def predict(self, images: np.ndarray) -> np.ndarray:
        """Probabilities (N, 2) of "no spot" and "spot"."""
        chance = 1 / (1 + np.exp(-np.asarray(self.network(images), np.float64)))
        return np.concatenate([1 - chance, chance], axis=1)


def _bell() -> np.ndarray:
    y, x = np.mgrid[:WINDOW, :WINDOW] - WINDOW // 2
    return np.exp(-(y**2 + x**2) / 8)


def make_world(pictures: int = PICTURES, seed: int = 0) -> World:
    """A model whose explanation can be written down, and its pictures."""
    random = np.random.default_rng(seed)
    images = random.normal(0, 0.08, (pictures, SIDE, SIDE, 1)).repeat(3, axis=3)
    spots, stripes = np.zeros((2, pictures, SIDE, SIDE), bool)
    for index in range(pictures):
        # One in the left half and one in the right: they never overlap.
        tops = random.integers(0, SIDE - WINDOW, 2)
        lefts = random.integers(0, SIDE // 2 - WINDOW, 2) + random.permutation([0, SIDE // 2])
        (at, beside) = (np.s_[top : top + WINDOW, left : left + WINDOW] for top, left in zip(tops, lefts, strict=True))
        spots[index][at] = stripes[index][beside] = True
        images[index][at] += random.uniform(0.6, 0.9) * _bell()[..., None] * _COLOUR
        images[index][beside] += 0.7 * np.where(np.arange(WINDOW) % 2, 1, -1)[:, None, None]
    image = keras.Input((SIDE, SIDE, 3))
    response = keras.layers.Conv2D(1, WINDOW, name="conv")(image)
    logit = keras.layers.Dense(1, name="logit")(keras.layers.GlobalMaxPooling2D()(response))
    network = keras.Model(image, logit)
    kernel = _bell()[..., None, None] * _COLOUR[:, None]
    # A spot of middling strength answers with 1.
    network.get_layer("conv").set_weights([(kernel / (0.75 * (kernel**2).sum())).astype(np.float32), np.zeros(1)])
    network.get_layer("logit").set_weights([np.full((1, 1), 8.0), np.full(1, -4.0)])
    keys = [f"simulated {index}" for index in range(pictures)]
    return World(network, np.clip(images, -1, 1).astype(np.float32), keys, spots, stripes)


def true_map(network: keras.Model, images: np.ndarray) -> np.ndarray:
    """Where a network of this kind looks: what each pixel adds to the logit beside the picture's mean colour, (N, H, W).

    The network is linear in the window with the largest answer, so the contributions are exact: `w (x - x')`.
    """
    kernel, bias = (np.asarray(w, np.float64) for w in network.get_layer("conv").get_weights())
    weight = float(network.get_layer("logit").get_weights()[0][0, 0])
    images = np.asarray(images, np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(images, (WINDOW, WINDOW), axis=(1, 2))
    answers = np.einsum("nyxchw,hwc->nyx", windows, kernel[..., 0], optimize=True) + bias
    away = images - images.mean(axis=(1, 2), keepdims=True)
    maps = np.zeros(images.shape[:3])
    for index, answer in enumerate(answers):
        top, left = np.unravel_index(np.argmax(answer), answer.shape)
        at = np.s_[top : top + WINDOW, left : left + WINDOW]
        maps[index][at] = weight * (away[index][at] * kernel[..., 0]).sum(axis=2)
    return maps


# (network, its pictures, their ids, the world, seed) -> (N, H, W)
_Maker = Callable[[keras.Model, np.ndarray, Sequence[str], World, int], np.ndarray]


def _with_noise(maps: np.ndarray, keys: Sequence[str], seed: int, *more: int) -> np.ndarray:
    noise = [np.random.default_rng([seed, crc32(key.encode()), *more]).normal(size=maps.shape[1:]) for key in keys]
    return np.asarray(maps + 0.25 * np.abs(maps).max(axis=(1, 2), keepdims=True) * np.stack(noise))


def _noisy(network: keras.Model, images: np.ndarray, keys: Sequence[str], world: World, seed: int) -> np.ndarray:
    """Noise that comes of what the model answers to samples: another model answers otherwise."""
    return _with_noise(
        true_map(network, images), keys, seed, crc32(network.get_layer("conv").get_weights()[0].tobytes())
    )


def _own_noise(network: keras.Model, images: np.ndarray, keys: Sequence[str], world: World, seed: int) -> np.ndarray:
    """Noise that is the method's own, as with masks that are drawn alike for every model."""
    return _with_noise(true_map(network, images), keys, seed, 5)


def _of_mask(network: keras.Model, images: np.ndarray, keys: Sequence[str], world: World, seed: int) -> np.ndarray:
    """The spot's outline, known from elsewhere; of a picture without layout, some place."""
    maps = np.zeros(images.shape[:3])
    for index, key in enumerate(keys):
        if key in world.keys:
            maps[index] = world.spots[world.keys.index(key)]
        else:
            top, left = np.random.default_rng(crc32(key.encode())).integers(0, SIDE - WINDOW, 2)
            maps[index, top : top + WINDOW, left : left + WINDOW] = 1
    return maps


def _contrast(images: np.ndarray) -> np.ndarray:
    """How far each pixel's brightness is from the picture's."""
    gray = np.asarray(images, np.float64).mean(axis=3)
    return np.asarray(np.abs(gray - gray.mean(axis=(1, 2), keepdims=True)))


MAPS: dict[str, _Maker] = {
    "perfect": lambda network, images, keys, world, seed: true_map(network, images),
    "noisy": _noisy,
    "noise of its own": _own_noise,
    "one pixel off": lambda network, images, keys, world, seed: np.roll(true_map(network, images), (1, 1), axis=(1, 2)),
    "inverted": lambda network, images, keys, world, seed: -true_map(network, images),
    "picture-driven": lambda network, images, keys, world, seed: _contrast(images),
    "mask-driven": _of_mask,
    "constant": lambda network, images, keys, world, seed: np.full(images.shape[:3], 0.5),
    "empty": lambda network, images, keys, world, seed: np.zeros(images.shape[:3]),
}


def judge_maps(world: World, names: Sequence[str] = tuple(MAPS), seed: int = 0) -> dict[str, Judged]:
    """Every metric of simulated maps and of the control maps.

    The masks are those of the spot; what the localisation would say if they were those of the patch, at which the model does
    not look, is under the region `beside`.

    Args:
        world: of `make_world`.
        names: of `MAPS`.
        seed: of the run.
    """
    masks: list[Mapping[str, np.ndarray]] = [
        {"object": spot, "beside": patch} for spot, patch in zip(world.spots, world.stripes, strict=True)
    ]
    targets = np.ones(len(world.keys), np.int64)
    found = {}
    for name in (*names, *CONTROLS):
        if name in CONTROLS:
            make, maps = None, controls.MAPS[name](127.5 * (world.images + 1), world.keys, seed)
        else:
            make = _maker(name, world)
            maps = make(world.network, seed)(world.images, targets, world.keys)
        subject = Subject(world.images, targets, world.keys, np.asarray(maps, np.float32), masks)
        found[name] = judge(subject, _GROUPS, SETTINGS, world.predict, world.network, make, seed=seed)
    return found


def verdicts(judged: Mapping[str, Judged]) -> dict[str, Verdict]:
    """What the gate says of them."""
    return sanity_gate({name: found.metrics for name, found in judged.items()})


def _maker(name: str, world: World) -> Callable[[keras.Model, int], Any]:
    def make(network: keras.Model, seed: int) -> Any:
        return lambda images, targets, keys: MAPS[name](network, images, keys, world, seed).astype(np.float32)

    return make
