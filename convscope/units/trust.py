"""Which patterns to believe: whether a unit answers to its pattern more than to real pictures, and by the way that those take."""

import dataclasses
from collections.abc import Iterator, Sequence

import h5py
import numpy as np

from convscope.filters.presets import NEGATIVE
from convscope.storage import store

# Real pictures that say what random ones do on the way to a unit.
RANDOM = 32
# Of a pattern of the convolution itself, as all are that fire a filter.
TURNED = (
    "; a negative factor of the normalisation behind the filter turns it round, so this shows what silences the unit"
)
# A unit that is nearer to its least answer than this share of the way to its largest is silent.
_SILENT = 0.005


@dataclasses.dataclass(frozen=True)
class LayerPaths:
    """What was measured of a layer's patterns; U units, L layers on the way, the layer itself the last.

    Attributes:
        layer: its name; `way`, those of the layers.
        units: (U,) int64.
        largest, least: (U,) float32, the unit's largest answer to a real picture, and to that to which it answers least.
        best: (U, L) float32, mean cosine of the best real pictures with one another, see `paths.Alike`.
        middle: (U, L) float32, that of random real pictures with the best ones.
        chance: (U,) float32, the cosine over all layers (`over_layers`) that 95 % of random pictures are below.
        answers: by preset (U,) float32, the largest answer to the pattern as it is shown; NaN where there is none.
        alike: by preset (U, L) float32, mean cosine of the pattern with the best real pictures.
        dead: by preset (U,) bool.
        turned: (U,) bool, whether the normalisation behind the convolution turns the unit round.
    """

    layer: str
    way: list[str]
    units: np.ndarray
    largest: np.ndarray
    least: np.ndarray
    best: np.ndarray
    middle: np.ndarray
    chance: np.ndarray
    answers: dict[str, np.ndarray]
    alike: dict[str, np.ndarray]
    dead: dict[str, np.ndarray]
    turned: np.ndarray


@dataclasses.dataclass(frozen=True)
class PatternRow:
    """A pattern: `trust` is "yes", "no", or "" where it cannot be told, `words` why.

    `answer` is the unit's to the pattern as it is shown, `largest` its largest to a real picture, `ratio` the one over the other.
    `alike` is the cosine over the layers on the way (`over_layers`) with the unit's best real pictures, `best` that of those with one
    another, `random` and `chance` that of random real pictures: their mean and what 95 % of them are below. `path` is `alike` where 0
    is `random` and 1 is `best`.
    """

    layer: str
    unit: int
    preset: str
    words: str
    trust: str
    answer: float
    largest: float
    ratio: float
    path: float
    alike: float
    best: float
    random: float
    chance: float


def rows_of(found: LayerPaths) -> Iterator[PatternRow]:
    """The rows of a layer's patterns, preset after preset."""
    best_of, middle_of = (over_layers(each, found.best, found.middle) for each in (found.best, found.middle))
    for preset, answers in found.answers.items():
        alike_of = over_layers(found.alike[preset], found.best, found.middle)
        for row, unit in enumerate(found.units):
            answer, largest = float(answers[row]), float(found.largest[row])
            if np.isnan(answer):
                continue
            alike, best, middle, chance = (float(each[row]) for each in (alike_of, best_of, middle_of, found.chance))
            ratio = answer / largest if largest > 0 else np.nan
            path = (alike - middle) / (best - middle) if best > middle else np.nan
            negative = preset.endswith(NEGATIVE)
            if found.dead[preset][row]:
                trust, words = (
                    "",
                    "dead: no step changed what it answers" if negative else "dead: no step made it answer",
                )
            elif negative:
                trust, words = silenced(answer, float(found.least[row]), largest)
            else:
                trust, words = verdict(ratio, way_of(alike, best, middle, chance))
                words += TURNED if found.turned[row] else ""
            yield PatternRow(
                found.layer, int(unit), preset, words, trust, answer, largest, ratio, path, alike, best, middle, chance
            )


def over_layers(cosines: np.ndarray, best: np.ndarray, middle: np.ndarray) -> np.ndarray:
    """The mean of cosines over the layers on the way, each weighted by how far it tells a unit's best real pictures from random ones.

    Where a layer treats those alike (the first ones mostly do), it says nothing of a way.

    Args:
        cosines: (U, L), any; `best`, `middle`: those of the best and of random pictures.

    Returns:
        (U,) float32; NaN where no layer tells them apart.
    """
    weights = np.maximum(np.nan_to_num(best - middle), 0)
    total = weights.sum(axis=1)
    mean = (np.where(weights > 0, cosines, 0) * weights).sum(axis=1) / np.where(total > 0, total, 1)
    return np.asarray(np.where(total > 0, mean, np.nan), np.float32)


def way_of(alike: float, best: float, middle: float, chance: float) -> str:
    """By which way a pattern fires a unit: "same" as its best real pictures, "other", or "" where it cannot be told.

    It is the same one where the pattern is more like them than 95 % of random pictures are. It is another one where it is nearer to
    the mean of those, and its best pictures have a way of their own: are themselves more alike than that.
    """
    if np.isnan([alike, best, middle, chance]).any() or best <= chance:
        return ""
    if alike > chance:
        return "same"
    return "other" if alike - middle < (best - middle) / 2 else ""


def verdict(ratio: float, way: str) -> tuple[str, str]:
    """Whether to believe a pattern ("yes", "no", ""), and why.

    Args:
        ratio: the unit's answer to it over its largest to a real picture; NaN where it fires at none.
        way: see `way_of`.
    """
    if np.isnan(ratio):
        return "", "no real picture fires the unit: there is nothing to hold it against"
    if ratio <= 0:
        return "no", "the unit does not answer at all"
    if ratio < 1:
        weak = f"the unit answers {min(ratio, 0.99):.2g} of what it does to the best real picture"
        return "no", weak + {"same": ", by the same way", "other": ", and by another way", "": ""}[way]
    times = f"{ratio:.2g}" if ratio < 10 else f"{ratio:.0f}"
    strong = (
        "the unit answers as much as to the best real picture"
        if times == "1"
        else f"the unit answers {times} times as much as to any real picture"
    )
    return {
        "same": ("yes", f"{strong}, by the way of its best ones"),
        "other": (
            "no",
            f"{strong}, but by another way: the layers below treat it no more like its best ones than random pictures",
        ),
        "": ("", f"{strong}; by which way cannot be told"),
    }[way]


def silenced(answer: float, least: float, largest: float) -> tuple[str, str]:
    """Whether a negative pattern does what it is for, and in words.

    Args:
        answer: the unit's to it.
        least, largest: those to the real pictures to which it answers least and most.
    """
    if not largest > least:
        return "", "the unit answers all real pictures alike: there is nothing to hold it against"
    if answer <= least:
        return "yes", "the unit answers no more than to the most silent real picture"
    share = (answer - least) / (largest - least)
    if share < _SILENT:
        return "yes", "the unit answers hardly more than to the most silent real picture"
    return "no", f"the unit is not silent: {share:.0%} of the way from its least to its largest answer to real pictures"


def write_paths(file: h5py.File, found: LayerPaths) -> None:
    """Write what was measured of a layer.

    Layout: `way` (layer), `unit`, `largest`, `least`, `chance`, `turned` (unit), `best`, `middle` (unit, layer); by preset
    `presets/<preset>/answer`, `dead` (unit) and `alike` (unit, layer), as `LayerPaths` says.
    """
    store.write_array(file, "way", found.way, ("layer",), dtype=store.TEXT)
    store.write_array(file, "unit", found.units, ("unit",))
    for name in ("largest", "least", "chance", "turned"):
        store.write_array(file, name, getattr(found, name), ("unit",))
    for name in ("best", "middle"):
        store.write_array(file, name, getattr(found, name), ("unit", "layer"))
    store.write_array(file, "preset", list(found.answers), ("preset",), dtype=store.TEXT)
    for preset in found.answers:
        group = file.create_group(f"presets/{preset}")
        store.write_array(group, "answer", found.answers[preset], ("unit",))
        store.write_array(group, "dead", found.dead[preset], ("unit",))
        store.write_array(group, "alike", found.alike[preset], ("unit", "layer"))


def read_paths(file: h5py.File) -> LayerPaths:
    """What was measured of a layer."""
    presets = {name: file["presets"][name] for name in store.read_text(file["preset"])}
    of_presets: dict[str, dict[str, np.ndarray]] = {
        name: {preset: group[key][()] for preset, group in presets.items()}
        for name, key in (("answers", "answer"), ("alike", "alike"), ("dead", "dead"))
    }
    return LayerPaths(
        layer=str(file.attrs["layer"]),
        way=store.read_text(file["way"]),
        units=file["unit"][()],
        **{name: file[name][()] for name in ("largest", "least", "best", "middle", "chance", "turned")},
        answers=of_presets["answers"],
        alike=of_presets["alike"],
        dead=of_presets["dead"],
    )


@dataclasses.dataclass(frozen=True)
class PresetCount:
    """How the patterns of a layer by one preset fare: how many there are, are believed and are not, medians of ratio and path."""

    layer: str
    preset: str
    patterns: int
    trusted: int
    doubted: int
    ratio: float
    path: float


def count_presets(rows: Sequence[PatternRow]) -> list[PresetCount]:
    """By layer and preset, in the order of the rows; negative patterns and dead ones do not count."""
    groups: dict[tuple[str, str], list[PatternRow]] = {}
    for row in rows:
        if not row.preset.endswith(NEGATIVE) and not row.words.startswith("dead"):
            groups.setdefault((row.layer, row.preset), []).append(row)
    return [
        PresetCount(
            layer, preset, len(of), sum(row.trust == "yes" for row in of), sum(row.trust == "no" for row in of),
            _median([row.ratio for row in of]), _median([row.path for row in of]),
        )
        for (layer, preset), of in groups.items()
    ]  # fmt: skip


def _median(values: Sequence[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.median(known)) if known else float("nan")
