"""How well the places where a unit fires are those of a concept: counted over all pictures, by chance, and how sure that is."""

import dataclasses
from typing import Any

import numpy as np

from convscope.models.fields import Axis, ReceptiveField
from convscope.units.compiled import add_overlaps, add_weighted, fires
from convscope.units.results import Dissected

SHUFFLES, RESAMPLES = 200, 200
_LEVEL = 0.95
# Shares that are worked out at once.
_BLOCK_NUMBERS = 2**23


@dataclasses.dataclass(frozen=True)
class Masks:
    """The masks of all concepts as the counting wants them, and how the pictures are shuffled and drawn again.

    Attributes:
        words: (N, words, K + G) uint64: a picture's masks, then what is known of each kind; 64 pixels a word.
        kind_of: (K,) int64, for each concept its kind, 0..G-1.
        size: (H, W) of the masks.
        partners: (R, N) int64: whose masks a picture gets in each shuffle.
        weights: (N, B) uint8: how often a picture is drawn in each resample.
        fixed: (K,) bool: concepts that lie at the same place in every picture, of which no shuffle of pictures gives chance.
    """

    words: np.ndarray
    kind_of: np.ndarray
    size: tuple[int, int]
    partners: np.ndarray
    weights: np.ndarray
    fixed: np.ndarray

    @classmethod
    def of(
        cls,
        masks: np.ndarray,
        known: np.ndarray,
        kind_of: np.ndarray,
        size: tuple[int, int],
        seed: int,
        fixed: np.ndarray | None = None,
        shuffles: int = SHUFFLES,
        resamples: int = RESAMPLES,
    ) -> "Masks":
        """From masks (N, K, words) and what is known (N, G, words), uint64; shuffles and resamples come from the seed."""
        rng = np.random.default_rng([seed, 0xC0CE])
        partners = np.stack([rng.permutation(len(masks)) for _ in range(shuffles)])
        # Poisson weights are a bootstrap over pictures that needs no second pass (Chamandy et al. 2012, "Estimating uncertainty for
        # massive data streams").
        weights = np.minimum(rng.poisson(1.0, (len(masks), resamples)), 255).astype(np.uint8)
        words = np.ascontiguousarray(np.concatenate([masks, known], axis=1).transpose(0, 2, 1))
        same = np.zeros(len(kind_of), bool) if fixed is None else np.asarray(fixed, bool)
        return cls(words, np.asarray(kind_of, np.int64), size, partners, weights, same)


class Overlaps:
    """Counts, of one layer, the firing pixels that lie in each concept (Bau et al. 2017, 1704.05796).

    A unit's map is brought to the masks' size bilinearly, each cell in the middle of what it sees, and cut at the unit's threshold.
    All counts are sums over pictures, of whole numbers: their order does not matter.

    Args:
        masks: of all pictures.
        shape: (h, w, C) of the layer's maps.
        field: their receptive field.
        pixels: (height, width) of the network's input.
    """

    def __init__(self, masks: Masks, shape: tuple[int, ...], field: ReceptiveField, pixels: tuple[int, int]) -> None:
        self._masks, (height, width, channels) = masks, shape
        self._rows = _cells(field.rows, pixels[0], masks.size[0], height)
        self._columns = _cells(field.columns, pixels[1], masks.size[1], width)
        names = masks.words.shape[2]
        shuffles, resamples = len(masks.partners), masks.weights.shape[1]
        self._seen = 0
        self._cells = np.zeros(channels, np.uint64)
        self._here = np.zeros((channels, names), np.uint64)
        self._shuffled = np.zeros((shuffles, channels, names), np.uint32)
        self._drawn = np.zeros((resamples, channels, names), np.uint32)
        self._places = height * width
        # Words that what fires in one picture takes; doubled where it is more.
        self._room = max(channels * masks.words.shape[1] // 8, masks.words.shape[1])

    def add(self, rows: np.ndarray, maps: np.ndarray, maximum: np.ndarray, threshold: np.ndarray) -> None:
        """Take in pictures.

        Args:
            rows: (n,) int, which pictures they are.
            maps: (n, h, w, C) float32.
            maximum: (n, C) float32, the largest value of each.
            threshold: (C,) float32.
        """
        masks = self._masks
        for row, image, largest in zip(rows, maps, maximum, strict=True):
            units, ends, words, bits = self._fired(image, largest, threshold)
            self._seen += 1
            if not len(units):
                continue
            shared = np.zeros((len(units), masks.words.shape[2]), np.uint32)
            add_overlaps(np.arange(len(units), dtype=np.int32), ends, words, bits, masks.words[row], shared)
            self._here[units] += shared
            add_weighted(units, shared, masks.weights[row], self._drawn)
            for shuffle, partner in enumerate(masks.partners[:, row]):
                add_overlaps(units, ends, words, bits, masks.words[partner], self._shuffled[shuffle])

    def _fired(self, image: np.ndarray, largest: np.ndarray, threshold: np.ndarray) -> tuple[Any, ...]:
        channels = image.shape[2]
        while True:
            units, ends = np.empty(channels, np.int32), np.empty(channels, np.int64)
            words, bits = np.empty(self._room, np.int32), np.empty(self._room, np.uint64)
            cells = np.zeros(channels, np.uint64)
            count = fires(image, largest, threshold, *self._rows, *self._columns, units, ends, words, bits, cells)
            if count >= 0:
                self._cells += cells
                return units[:count], ends[:count], words, bits
            self._room *= 2

    def result(self) -> Dissected:
        """What was counted, when all pictures were taken in."""
        step = max(_BLOCK_NUMBERS // max(len(self._shuffled) * self._here.shape[1], 1), 1)
        parts = [self._result(slice(start, start + step)) for start in range(0, len(self._here), step)]
        return Dissected(*(np.concatenate(each) for each in zip(*map(dataclasses.astuple, parts), strict=True)))

    def _result(self, units: slice) -> Dissected:
        """The same of some units: shares of all shuffles and resamples at once are much memory."""
        masks, kind_of = self._masks, self._masks.kind_of
        concepts = len(kind_of)
        sizes = np.bitwise_count(masks.words[:, :, :concepts]).sum(axis=1, dtype=np.int64)
        total = sizes.sum(axis=0)
        drawn = masks.weights.T.astype(np.int64) @ sizes
        iou, inside = _shares(self._here[units], total, kind_of)
        # A shuffle hands every picture's masks to another one: their sum stays.
        by_chance, inside_by_chance = _shares(self._shuffled[:, units], total, kind_of)
        again, _ = _shares(self._drawn[:, units], drawn[:, None, :], kind_of)
        tail = 100 * (1 - _LEVEL) / 2
        with np.errstate(invalid="ignore"):
            low, high = np.percentile(again, [tail, 100 - tail], axis=0)
            chance, chance_high = by_chance.mean(axis=0), np.percentile(by_chance, 99, axis=0)
            fired = self._cells[units] / (self._places * max(self._seen, 1))
            inside_chance = inside_by_chance.mean(axis=0)
            anywhere = total / np.bitwise_count(masks.words[:, :, concepts:]).sum(axis=(0, 1), dtype=np.int64)[kind_of]
            both = self._here[units, concepts:].astype(np.float64)[:, kind_of] * anywhere
            everywhere = both / (both / anywhere + total - both)
        fixed = masks.fixed
        chance[:, fixed] = chance_high[:, fixed] = everywhere[:, fixed]
        inside_chance[:, fixed] = np.where(np.isnan(inside), np.nan, anywhere)[:, fixed]
        values = (iou, low, high, chance, chance_high, inside, inside_chance, fired)
        return Dissected(*(np.asarray(value, np.float32) for value in values))


def _shares(counts: np.ndarray, total: np.ndarray, kind_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Intersection over union, and over what fired: (..., C, K + G) counts -> two (..., C, K) float32."""
    concepts = len(kind_of)
    both = counts[..., :concepts].astype(np.float64)
    fired = counts[..., concepts:].astype(np.float64)[..., kind_of]
    with np.errstate(invalid="ignore", divide="ignore"):
        return (both / (fired + total - both)).astype(np.float32), (both / fired).astype(np.float32)


def _cells(axis: Axis, pixels: int, wanted: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """For each of `wanted` places along an axis the cell before it and the share of the one behind; see `Axis.between`."""
    return axis.between((np.arange(wanted) + 0.5) * pixels / wanted - 0.5, cells)
