"""What is found of the units of a layer, step by step: plain arrays, which whatever reads them needs no network for."""

import dataclasses

import numpy as np

# A unit fires where it answers as much as at this share of all places (Bau et al. 2017).
SHARE = 0.005


@dataclasses.dataclass
class LayerAnswers:
    """What the first pass finds of one layer.

    Attributes:
        maximum, mean: (N, C) float32, of each picture.
        place: (N, C) int32, the cell of the maximum, row by row.
        threshold: (C,) float32; a unit fires where it answers as much.
    """

    maximum: np.ndarray
    mean: np.ndarray
    place: np.ndarray
    threshold: np.ndarray


@dataclasses.dataclass(frozen=True)
class Dissected:
    """What was counted of one layer; C units, K concepts. Shares are in 0..1, NaN where nothing fires or nothing is known.

    Attributes:
        iou: (C, K) float32, intersection over union of firing pixels and the concept's, summed over all pictures.
        low, high: (C, K) float32, its interval of 95 % (bootstrap over pictures).
        chance: (C, K) float32, its mean where every picture has the masks of another one; of what lies at the same place in every
            picture, that of as many places anywhere.
        chance_high: (C, K) float32, the 99th percentile of the former.
        inside: (C, K) float32, share of the firing pixels that lie in the concept, of those where it is known.
        inside_chance: (C, K) float32, the same by chance.
        fired: (C,) float32, share of the map's cells at which the unit fires.
    """

    iou: np.ndarray
    low: np.ndarray
    high: np.ndarray
    chance: np.ndarray
    chance_high: np.ndarray
    inside: np.ndarray
    inside_chance: np.ndarray
    fired: np.ndarray


@dataclasses.dataclass
class Shown:
    """Which pictures are shown of each unit, and what it answers to them.

    Attributes:
        images: (C, S) int32, rows: the strongest first, then the spread from strong to silent.
        maps: (C, S, h, w) float16, in units of `scale`.
        scale: (C,) float32, a power of two: what a map is to be multiplied by. Half precision ends at 65504.
    """

    images: np.ndarray
    maps: np.ndarray
    scale: np.ndarray


@dataclasses.dataclass(frozen=True)
class Related:
    """For each unit others, the nearest or strongest first.

    Attributes:
        units: (C, k) int32, numbers in the network's count of filters (`Numbers`); -1 where there are no more.
        weights: (C, k) float32: a correlation, a cosine, or a signed share.
    """

    units: np.ndarray
    weights: np.ndarray
