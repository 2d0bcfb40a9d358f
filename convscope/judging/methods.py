"""All numbers of one method on one model and image set."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from convscope.judging import localisation
from convscope.judging.curves import Curves, Predict, curves
from convscope.judging.randomisation import Cascade, ExplainModel, cascading_randomisation
from convscope.judging.scrambled import other_keys, scrambled
from convscope.judging.sparseness import gini
from convscope.judging.stability import max_sensitivity, seed_error
from convscope.pictures.render import upsample

# How many pictures without a layout say what likeness the architecture alone makes.
UNLIKE = 4
# (network, seed) -> explainer of that network: images, targets, keys -> maps (N, h, w), one value a pixel
MakeExplainer = Callable[[keras.Model, int], Callable[[np.ndarray, np.ndarray, Sequence[str]], np.ndarray]]


@dataclass(frozen=True)
class Subject:
    """The pictures a method is judged on.

    Attributes:
        images: (N, H, W, C) float32 in model space.
        targets: (N,) int64, the class explained in each.
        keys: ids.
        maps: (N, H, W) float32, the method's maps at the pictures' resolution, signed where it is.
        masks: for each picture the regions of its part mask by name, `object` first; empty without a mask.
    """

    images: np.ndarray
    targets: np.ndarray
    keys: Sequence[str]
    maps: np.ndarray
    masks: Sequence[Mapping[str, np.ndarray]] = ()


@dataclass
class Judged:
    """Numbers of a method: `metrics[name]` (N,), NaN where it was not computed for an image; `regions[name]` likewise.

    What randomisation finds is (N, R): a column for each network whose weights are all random.
    """

    metrics: dict[str, np.ndarray] = field(default_factory=dict)
    regions: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    curves: Curves | None = None
    cascade: Cascade | None = None
    cascade_images: np.ndarray | None = None


def at_resolution(maps: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Maps (N, h, w) brought to (N, H, W) float32 as they are shown: bilinear with half-pixel centres."""
    maps = np.nan_to_num(np.asarray(maps, np.float32))
    if maps.shape[1:] == tuple(size):
        return maps
    return np.stack([upsample(heat, size) for heat in maps]) if len(maps) else np.zeros((0, *size), np.float32)


def spread_over(count: int, wanted: int) -> np.ndarray:
    """Indices of `wanted` of `count` images, evenly spread (a set is sorted by class), all where there are fewer."""
    return np.unique(np.linspace(0, count - 1, min(wanted, count)).round().astype(int)) if count else np.zeros(0, int)


def localise(subject: Subject, tolerance: int = 0) -> dict[str, dict[str, np.ndarray]]:
    """Pointing game and energy of each region, and what chance gives: its area and, with a tolerance, `pointing_chance`.

    Returns:
        region -> {"pointing", "energy", "area", "pointing_chance"} -> (N,), NaN where the region is absent.
    """
    count = len(subject.keys)
    names = dict.fromkeys(name for regions in subject.masks for name in regions)
    kinds = ("pointing", "energy", "area", "pointing_chance")
    result = {n: {k: np.full(count, np.nan) for k in kinds} for n in names}
    for index, regions in enumerate(subject.masks):
        for name, mask in regions.items():
            row = result[name]
            row["pointing"][index] = localisation.pointing_game(subject.maps[index], mask, tolerance)
            row["energy"][index] = localisation.energy_inside(subject.maps[index], mask)
            row["area"][index] = localisation.chance(mask)
            row["pointing_chance"][index] = localisation.chance(mask, tolerance)
    return result


def judge(
    subject: Subject,
    groups: Sequence[str],
    settings: Mapping[str, Any],
    predict: Predict,
    network: keras.Model | None = None,
    make: MakeExplainer | None = None,
    *,
    seed: int = 0,
    on_group: Callable[[str], None] = lambda name: None,
) -> Judged:
    """Compute the metrics of one method.

    Args:
        subject: pictures and maps.
        groups: of `names.GROUPS`; those that need the model's explanation anew are left out without `make` (controls).
        settings: `judging` settings of the model: batch, steps, tolerance, randomisation, sensitivity, seeds.
        predict: model-space images -> probabilities.
        network: the model, for randomisation.
        make: makes the method's explainer for a network and a seed.
        seed: of the run.
        on_group: called with the name of each group when it is done.
    """
    result, count = Judged(), len(subject.keys)
    if "curves" in groups:
        result.curves = curves(
            subject.images,
            subject.maps,
            subject.targets,
            predict,
            subject.keys,
            steps=settings["steps"],
            batch=settings["batch"],
            seed=seed,
        )
        result.metrics |= result.curves.areas()
        on_group("curves")
    if "localisation" in groups and any(subject.masks):
        result.regions = localise(subject, settings["tolerance"])
        whole = result.regions["object"]
        result.metrics |= {"pointing": whole["pointing"], "energy": whole["energy"]}
        result.metrics["energy_gain"] = whole["energy"] / whole["area"]
        on_group("localisation")
    if "sparseness" in groups:
        result.metrics["gini"] = np.array([gini(heat) for heat in subject.maps])
        on_group("sparseness")
    if make is None or network is None or not count:
        return result
    if "randomisation" in groups:
        part = spread_over(count, settings["randomisation"]["images"])
        result.cascade_images = part
        result.cascade = cascading_randomisation(
            network,
            _asked_anew(make, subject, part, seed),
            subject.maps[part],
            steps=settings["randomisation"]["steps"],
            networks=settings["randomisation"]["networks"],
            seed=seed,
        )
        for name, values in result.cascade.random.items():
            result.metrics[f"randomised_{name}"] = _scattered(values, part, count)
        result.metrics["unchanged"] = _scattered(result.cascade.unchanged(), part, count)
        on_group("randomisation")
    if "sensitivity" in groups:
        part = spread_over(count, settings["sensitivity"]["images"])
        explain = make(network, seed)
        values = max_sensitivity(
            lambda images, keys: explain(images, subject.targets[part], keys),
            subject.images[part],
            [subject.keys[i] for i in part],
            radius=settings["sensitivity"]["radius"],
            samples=settings["sensitivity"]["samples"],
            seed=seed,
        )
        result.metrics["max_sensitivity"] = _scattered(values, part, count)
        on_group("sensitivity")
    if "seeds" in groups:
        part = spread_over(count, settings["seeds"]["images"])
        values = seed_error(
            lambda number: lambda images, keys: make(network, seed + number)(images, subject.targets[part], keys),
            subject.images[part],
            [subject.keys[i] for i in part],
            settings["seeds"]["seeds"],
        )
        result.metrics["seed_error"] = _scattered(values, part, count)
        on_group("seeds")
    return result


def _asked_anew(make: MakeExplainer, subject: Subject, part: np.ndarray, seed: int) -> ExplainModel:
    """Explains a network on the subject's pictures and, if asked, on what is left of them without their layout."""
    images, targets = subject.images[part], subject.targets[part]
    keys = [subject.keys[i] for i in part]
    few = spread_over(len(part), UNLIKE)
    strange = scrambled(images[few], [keys[i] for i in few], seed)

    def explain(changed: keras.Model, unlike: bool) -> np.ndarray:
        # In one call: an explainer of another network is traced anew for every number of pictures.
        extra = few if unlike else few[:0]
        maps = make(changed, seed)(
            np.concatenate([images, strange[: len(extra)]]),
            np.concatenate([targets, targets[extra]]),
            [*keys, *other_keys([keys[i] for i in extra])],
        )
        return at_resolution(maps, subject.maps.shape[1:])  # type: ignore[arg-type]

    return explain


def _scattered(values: np.ndarray, part: np.ndarray, count: int) -> np.ndarray:
    result = np.full((count, *values.shape[1:]), np.nan)
    result[part] = values
    return result
