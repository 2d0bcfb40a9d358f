"""Patterns measured as real pictures are: what their units answer to them, and by which way."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from convscope.models.spec import ModelSpec
from convscope.pictures.render import standardise
from convscope.storage import store
from convscope.units.paths import BestWays, Way
from convscope.units.selection import SPREAD
from convscope.units.trust import RANDOM, LayerPaths

# What random pictures do on the way to so many units is held at once.
_HELD_BYTES = 256 * 2**20
_NONE = -1


def shown_again(patterns: Any, settings: Mapping[str, Any]) -> np.ndarray:
    """Patterns as they are shown, as a network takes pictures: (N, H, W, C) float, black -1, white 1 -> the same, cropped, 0..255.

    Args:
        patterns: of one preset.
        settings: its own, as the patterns' file has them.
    """
    crop, bounded = settings["crop"], settings["parameterisation"] != "pixels"
    values = np.asarray(patterns, np.float32)
    pixels = (
        np.rint(np.clip((values + 1) * 127.5, 0, 255)) if bounded else np.stack([standardise(each) for each in values])
    )
    return np.asarray(pixels[:, crop : pixels.shape[1] - crop, crop : pixels.shape[2] - crop], np.float32)


def measure(
    way_of: Callable[[tuple[int, int, int]], Way],
    spec: ModelSpec,
    layer: str,
    patterns: Mapping[str, Path],
    shown: np.ndarray,
    shown_answers: np.ndarray,
    images: int,
    load: Callable[[np.ndarray], np.ndarray],
    seed: int,
    report: Callable[[int], None] = lambda pictures: None,
) -> LayerPaths:
    """Measure the patterns of a layer's units.

    Args:
        way_of: (height, width, depth) of pictures -> the way to the layer's units.
        spec: the model's.
        layer: its name.
        patterns: by preset the file of the layer's patterns.
        shown, shown_answers: (C, S), the real pictures shown of each unit and its largest answers (see `selection.shown_pictures`).
        images: how many real pictures there are.
        load: rows -> those real pictures in model space.
        seed: which of them are the random ones.
        report: called with the number of pictures that are done.
    """
    files = {preset: store.open_file(path) for preset, path in patterns.items()}
    try:
        filters = {preset: file["filter"][()] for preset, file in files.items()}
        units = np.unique(np.concatenate(list(filters.values())))
        real = way_of((*spec.input_size, spec.depth))
        ways = {
            shape: real if shape == (*spec.input_size, spec.depth) else way_of(shape)
            for shape in map(_shape, files.values())
        }
        random = np.sort(np.random.default_rng([seed, images]).permutation(images)[:RANDOM])
        strongest = slice(max(shown.shape[1] - len(SPREAD), 0))
        # A picture that does not fire a unit is none of its best ones, however few do.
        best = np.where(shown_answers[:, strongest] > 0, shown[:, strongest], _NONE)
        most = max(1, _HELD_BYTES // (4 * (RANDOM + best.shape[1]) * sum(real.channels)))
        parts = []
        for first in range(0, len(units), most):
            some = units[first : first + most]
            ready = _best_ways(real, some, best[some], random, load, report)
            of_presets = {
                preset: _of_patterns(ways[_shape(file)], spec, ready, some, filters[preset], file, report)
                for preset, file in files.items()
            }
            parts.append((ready.alike(), of_presets))
        dead = {preset: _in_order(units, filters[preset], file["dead"][()], False) for preset, file in files.items()}
    finally:
        for file in files.values():
            file.close()
    joined = {
        preset: tuple(np.concatenate([of_presets[preset][k] for _, of_presets in parts]) for k in (0, 1))
        for preset in files
    }
    return LayerPaths(
        layer=layer,
        way=real.layers,
        units=units,
        largest=shown_answers[units].max(axis=1, initial=-np.inf),
        least=shown_answers[units].min(axis=1, initial=np.inf),
        best=np.concatenate([alike.best for alike, _ in parts]),
        middle=np.concatenate([alike.middle() for alike, _ in parts]),
        chance=np.concatenate([alike.chance() for alike, _ in parts]),
        answers={preset: values[0] for preset, values in joined.items()},
        alike={preset: values[1] for preset, values in joined.items()},
        dead=dead,
        turned=real.turned[units],
    )


def _best_ways(
    way: Way,
    units: np.ndarray,
    best: np.ndarray,
    random: np.ndarray,
    load: Callable[[np.ndarray], np.ndarray],
    report: Callable[[int], None],
) -> BestWays:
    """What random pictures do on the way to some units, and their best ones; each picture is looked at once or twice."""
    batch = way.batch_size()
    held = [np.zeros((len(random), len(units), count), np.float32) for count in way.channels]
    for first in range(0, len(random), batch):
        rows = random[first : first + batch]
        for at, found in enumerate(way.along(load(rows), [units.tolist()] * len(rows))):
            for kept, vectors in zip(held, found.vectors, strict=True):
                kept[first + at] = vectors
        report(len(rows))
    ways = BestWays(held, (random[:, None, None] == best[None]).any(axis=2))
    wanted = np.unique(best[best != _NONE])
    for first in range(0, len(wanted), batch):
        rows = wanted[first : first + batch]
        asked = [np.flatnonzero((best == row).any(axis=1)) for row in rows]
        for own, found in zip(asked, way.along(load(rows), [units[each].tolist() for each in asked]), strict=True):
            ways.add(own, found.vectors)
        report(len(rows))
    return ways


def _of_patterns(
    way: Way,
    spec: ModelSpec,
    ways: BestWays,
    units: np.ndarray,
    filters: np.ndarray,
    file: Any,
    report: Callable[[int], None],
) -> tuple[np.ndarray, np.ndarray]:
    """Answers (U,) and cosines (U, L) of one preset's patterns, NaN where a unit has none."""
    answers = np.full(len(units), np.nan, np.float32)
    alike = np.full((len(units), len(way.layers)), np.nan, np.float32)
    settings, batch = json.loads(file.attrs["settings"]), way.batch_size()
    there = np.flatnonzero(np.isin(filters, units))
    for first in range(0, len(there), batch):
        rows = there[first : first + batch]
        pictures = shown_again(file["patterns"][rows], settings)
        for unit, found in zip(
            filters[rows], way.along(spec.preprocess(pictures), [[each] for each in filters[rows]]), strict=True
        ):
            at = np.flatnonzero(units == unit)
            answers[at], alike[at] = found.answers, ways.of(at, found.vectors)
        report(len(rows))
    return answers, alike


def _shape(file: Any) -> tuple[int, int, int]:
    height, width, depth = file["patterns"].shape[1:]
    crop = json.loads(file.attrs["settings"])["crop"]
    return height - 2 * crop, width - 2 * crop, depth


def _in_order(units: np.ndarray, filters: np.ndarray, values: np.ndarray, missing: Any) -> np.ndarray:
    found = np.full(len(units), missing, values.dtype)
    found[np.searchsorted(units, filters)] = values
    return found
