"""Parameter randomisation: an explanation of the model must change when the model's weights do."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from convscope.judging.agreement import is_constant, rank_correlations, spearman, ssim
from convscope.models.graphs import flatten, nodes_in_order
from convscope.models.nodes import is_kerass

SIMILARITIES = ("spearman", "spearman_abs", "ssim")
RANKS = SIMILARITIES[:2]

# (network, whether maps of pictures without layout are wanted behind those of the images) -> maps
ExplainModel = Callable[[keras.Model, bool], np.ndarray]


def cascade_layers(network: keras.Model) -> list[list[str]]:
    """The layers with weights, from the output to the input, in groups of one layer with a kernel each.

    What has no kernel (batch normalisation) joins the layer with a kernel below it, whose output it takes. What was measured of
    pictures before any training (`Normalization`) is preprocessing and stays.
    """
    groups: list[list[str]] = []
    waiting: list[str] = []
    for node in reversed(list(nodes_in_order(network))):
        layer = node.operation
        if is_kerass(layer, "Normalization") or not getattr(layer, "weights", None):
            continue
        if layer.name in waiting or any(layer.name in g for g in groups):
            continue
        waiting.append(layer.name)
        if any(len(weight.shape) >= 2 for weight in layer.weights):
            groups.append(waiting)
            waiting = []
    return [*groups, waiting] if waiting else groups


def cascade_depths(groups: int, steps: int) -> list[int]:
    """How many groups are random after each step: the head alone first, everything last, evenly between."""
    if groups <= 0:
        return []
    points = np.linspace(1, groups, min(max(steps, 2), groups))
    return sorted({round(float(point)) for point in points})


def randomised(network: keras.Model, layers: Sequence[str], seed: int) -> keras.Model:
    """A copy of a network in which some layers start anew; the network itself is left alone.

    Each variable is drawn from its layer's own initialiser, with a seed of (seed, layer, variable). Batch normalisation
    goes back to its start too: scale 1, offset 0, moving mean 0, moving variance 1. A kernel whose initialiser is a constant
    (zeros, ones) is drawn from Glorot's uniform distribution instead: a test that leaves it as it was would test nothing.

    Args:
        network: functional, flat or not.
        layers: names of layers of the flat network.
        seed: of the run.
    """
    copy = flatten(network, copy=True)
    for name in layers:
        layer = copy.get_layer(name)
        layer.set_weights(_fresh_weights(layer, seed))
    return copy


def _fresh_weights(layer: Any, seed: int) -> list[np.ndarray]:
    config = layer.get_config()
    for key, value in config.items():
        if key.endswith("_initializer") and isinstance(value, dict) and "seed" in value.get("config", {}):
            own = zlib.crc32(f"{seed}/{layer.name}/{key}".encode()) & 0x7FFFFFFF
            config[key] = {**value, "config": {**value["config"], "seed": own}}
    fresh = type(layer).from_config(config)
    fresh.build_from_config(layer.get_build_config())
    values = []
    for index, (old, new) in enumerate(zip(layer.weights, fresh.weights, strict=True)):
        value = np.asarray(new)
        if value.ndim >= 2 and value.max() == value.min():
            own = zlib.crc32(f"{seed}/{layer.name}/{index}".encode()) & 0x7FFFFFFF
            value = keras.ops.convert_to_numpy(keras.initializers.GlorotUniform(seed=own)(value.shape))
        values.append(np.asarray(value, dtype=np.asarray(old).dtype))
    return values


@dataclass(frozen=True)
class Cascade:
    """Similarity of the maps of ever more randomised models to the original model's.

    Attributes:
        layers: (S,) the lowest layer that is random at each step.
        depths: (S,) share of the layers with a kernel that is random, 0..1.
        similarity: name of `SIMILARITIES` -> (N, S) float64, 1 is unchanged; at the last step the mean over the R networks.
        random: name -> (N, R), the same at the last step for each of R networks whose weights are all random.
        chance: name of `RANKS` -> (N, R) float64, mean similarity of an image's map to the R-th network's maps of pictures that
            have no layout; 0 without any.

    NaN is an image whose original map is constant: it says nothing that could be left.
    """

    layers: tuple[str, ...]
    depths: np.ndarray
    similarity: dict[str, np.ndarray]
    random: dict[str, np.ndarray]
    chance: dict[str, np.ndarray]

    def unchanged(self) -> np.ndarray:
        """How much of each map is left when the weights are all random, beyond chance: (N, R) float64, -1..1.

        `(r - c) / (1 - c)` of the rank correlation `r` with the random network's map of the same image and the mean `c`, 0 or more,
        with its maps of pictures without layout; of signed and absolute values the larger. Any two maps are alike where
        the architecture makes them so: borders that few positions see, grids of strides. That is no knowledge of this picture, and
        without the correction nearly every gradient would be called unchanged. Other pictures of the set would not do for it:
        where they are alike (faces, one object in the middle), so are their edges, and a map of edges would pass. A map
        that is exactly the same counts as 1 also where it is the same for all pictures.
        """
        found = []
        for name in RANKS:
            own, other = self.random[name], np.clip(self.chance[name], 0.0, 1.0)
            room = 1 - other
            beyond = np.divide(own - other, room, out=np.ones_like(own), where=room > 1e-6)
            found.append(np.where(own > 1 - 1e-6, 1.0, np.maximum(beyond, -1.0)))
        return np.max(found, axis=0)


def cascades(network: keras.Model, steps: int, seed: int) -> Iterator[tuple[str, float, keras.Model]]:
    """Networks randomised from the top, each made from the original: (lowest random layer, share, network)."""
    groups = cascade_layers(flatten(network))
    for depth in cascade_depths(len(groups), steps):
        chosen = [name for group in groups[:depth] for name in group]
        yield groups[depth - 1][-1], depth / len(groups), randomised(network, chosen, seed)


def cascading_randomisation(
    network: keras.Model,
    explain_model: ExplainModel,
    original: np.ndarray,
    *,
    steps: int = 4,
    networks: int = 3,
    seed: int = 0,
) -> Cascade:
    """Randomise a model from its output downwards and explain it anew (Adebayo et al. 2018, 1810.03292).

    Args:
        network: the model; it is not changed.
        explain_model: builds an explainer of the network it is given (never one that was built before) and returns maps
            (N, H, W), one value a pixel, signed where the method is, for the same images and the same classes as `original`. Its
            second argument asks for more: maps (K, H, W) of pictures without layout (`scrambled.scrambled`) behind them.
            Its own random numbers should be those of `original` too, and for the pictures without layout others: a map
            that is mostly the pattern of its random masks then stays what it was, and is found out.
        original: (N, H, W) the maps of the model as it is.
        steps: how many randomised models; the first has a random head, the last is random altogether.
        networks: R, how many networks are random altogether, of seeds `seed`, `seed + 1` ...: what is left differs from one to the
            next, often by more than from picture to picture.
        seed: of the new weights.
    """
    layers, depths, count = [], [], len(original)
    columns: dict[str, list[np.ndarray]] = {name: [] for name in SIMILARITIES}
    random: dict[str, list[np.ndarray]] = {name: [] for name in SIMILARITIES}
    chance: dict[str, list[np.ndarray]] = {name: [] for name in RANKS}
    empty = np.array([is_constant(heat) for heat in original], bool)

    def compare(name: str, maps: np.ndarray) -> np.ndarray:
        found = [_similar(name, a, b) for a, b in zip(original, maps[:count], strict=True)]
        return np.where(empty, np.nan, np.array(found, np.float64).reshape(count))

    def last(changed: keras.Model) -> None:
        maps = np.nan_to_num(np.asarray(explain_model(changed, True)))
        for name in SIMILARITIES:
            random[name].append(compare(name, maps))
        for name in RANKS:
            chance[name].append(_chance(name, original, maps[count:]))

    every = list(cascade_layers(flatten(network)))
    for layer, depth, changed in cascades(network, steps, seed):
        layers.append(layer)
        depths.append(depth)
        if depth == 1:
            last(changed)
        else:
            maps = np.nan_to_num(np.asarray(explain_model(changed, False)))
            for name in SIMILARITIES:
                columns[name].append(compare(name, maps))
    for number in range(1, networks if layers else 0):
        last(randomised(network, [name for group in every for name in group], seed + number))
    table = {name: np.array(values, np.float64).reshape(len(values), count).T for name, values in random.items()}
    for name in SIMILARITIES:
        columns[name] += [table[name].mean(axis=1)] if layers else []
    return Cascade(
        tuple(layers),
        np.array(depths),
        {name: np.array(values, np.float64).reshape(len(layers), count).T for name, values in columns.items()},
        table,
        {name: np.array(values, np.float64).reshape(len(values), count).T for name, values in chance.items()},
    )


def _similar(name: str, first: np.ndarray, second: np.ndarray) -> float:
    if name == "spearman":
        return spearman(first, second)
    if name == "spearman_abs":
        return spearman(np.abs(first), np.abs(second))
    return ssim(np.abs(first), np.abs(second))


def _chance(name: str, original: np.ndarray, unlike: np.ndarray) -> np.ndarray:
    """Mean rank correlation of each original map with the new maps of pictures without layout."""
    if not len(unlike):
        return np.zeros(len(original))
    signless = name == "spearman_abs"
    table = rank_correlations(*(np.abs(part) if signless else part for part in (original, unlike)))
    return np.asarray(np.nan_to_num(table).mean(axis=1))
