"""What an ascent of several things at once maximises: classes, directions among a layer's channels, several filters together."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from convscope.backends.memory import out_of_memory
from convscope.backends.running import REFUSALS
from convscope.data.groups import class_position
from convscope.errors import UserError
from convscope.filters.calls import call_of
from convscope.filters.keras_objective import summed_gradient
from convscope.filters.presets import AscentSettings
from convscope.filters.response import border_that_fits, inner
from convscope.filters.run import Ascent, FilterPatterns, joined
from convscope.models.graphs import flatten
from convscope.models.nodes import node_of, nodes_in_order, tensor_of
from convscope.models.spec import ModelSpec
from convscope.models.tokens import grid_of

# The layer of what is wanted of the network's own output.
_OUTPUT = ""
# Patterns in memory together, where none has to know of the others.
_AT_ONCE = 8


@dataclass(frozen=True)
class Wanted:
    """What some patterns are of.

    Attributes:
        layer: whose channels are weighted; "" for the network's output, before any softmax or sigmoid.
        weights: (K, C) float32: a row a pattern. What is maximised is the sum of the channels' means, each times its weight.
        labels: of the K patterns, for people.
        diversity: how much the patterns are kept apart, all at once; 0 not at all.
        same_start: whether all begin with the same noise, so that what differs is what is wanted.
    """

    layer: str
    weights: np.ndarray
    labels: list[str]
    diversity: float = 0.0
    same_start: bool = False


def wanted_of(
    network: keras.Model, spec: ModelSpec, name: str, part: Mapping[str, Any], direction: Sequence[float] | None
) -> Wanted:
    """What one entry of `filters.<model>.objectives` asks for.

    Args:
        network, spec: a canonical model.
        name: of the entry, for messages.
        part: `{class: }` or `{layer: , filters: , weights: , between: , patterns: , diversity: }` or `{layer: , direction: }`.
        direction: the numbers of its direction, read.

    Raises:
        UserError: there is no such class, layer or filter, or not as many numbers as channels.
    """
    key = f"filters.{spec.name}.objectives.{name}"
    if "class" in part:
        return _class(spec, key, part)
    channels = int(node_of(network, part["layer"]).outputs[0].shape[-1])
    if direction is not None:
        if len(direction) != channels:
            raise UserError(
                f"{key}.direction: {len(direction)} numbers; layer '{part['layer']}' has {channels} channels"
            )
        weights = np.asarray(direction, np.float32)[None]
        if not np.isfinite(weights).all() or not weights.any():
            raise UserError(
                f"{key}.direction: its numbers have to be finite, and not all 0; as they are nothing can be ascended"
            )
        return _several(part, weights, ["direction"])
    filters = list(part["filters"])
    if beyond := [each for each in filters if each >= channels]:
        raise UserError(
            f"{key}.filters: layer '{part['layer']}' has filters 0..{channels - 1}; filter {beyond[0]} does not exist"
        )
    shares = part.get("weights") or [1.0] * len(filters)
    if len(shares) != len(filters):
        raise UserError(f"{key}.weights: {len(shares)} weights of {len(filters)} filters; name one for each")
    each = np.zeros((len(filters), channels), np.float32)
    each[np.arange(len(filters)), filters] = shares
    if count := part.get("between"):
        if len(filters) != 2:
            raise UserError(f"{key}.between: there is nothing between {len(filters)} filters; name two")
        shares = np.linspace(0, 1, count, dtype=np.float32)[:, None]
        labels = [f"{filters[0]} {1 - share:.0%} {filters[1]} {share:.0%}" for share in shares[:, 0]]
        return Wanted(part["layer"], (1 - shares) * each[0] + shares * each[1], labels, same_start=True)
    words = " + ".join(
        f"{share:g} x {unit}" if share != 1 else str(unit) for share, unit in zip(shares, filters, strict=True)
    )
    return _several(part, each.sum(axis=0, keepdims=True), [words])


def _several(part: Mapping[str, Any], weights: np.ndarray, labels: list[str]) -> Wanted:
    """So many patterns of one thing, kept apart."""
    count = part["patterns"]
    names = labels if count == 1 else [f"{labels[0]}, {number + 1}" for number in range(count)]
    apart = float(part["diversity"]) if count > 1 else 0.0
    return Wanted(part.get("layer", _OUTPUT), np.repeat(weights, count, axis=0), names, apart)


def _class(spec: ModelSpec, key: str, part: Mapping[str, Any]) -> Wanted:
    if spec.head == "none":
        raise UserError(f"{key}.class: model '{spec.name}' has no head, and so no classes")
    try:
        place = class_position(part["class"], spec.classes, f"model '{spec.name}'")
    except UserError as error:
        raise UserError(f"{key}.class: {error}") from None
    label = spec.classes[place]
    if spec.head == "binary":
        return _several(part, np.array([[1.0 if place else -1.0]], np.float32), [label])
    return _several(part, np.eye(len(spec.classes), dtype=np.float32)[[place]], [label])


class ManyObjective:
    """A weighted sum of the means of a layer's channels, a row of weights a pattern; of the output where no layer is named.

    By Keras's own layers, in float32. Of maps `border` positions are dropped on each side, as by `ChannelResponse`.

    With `diversity`, patterns are kept apart: an objective loses that share of its size times the mean cosine of its Gram matrix
    (which channels of the layer answer at the same places; Gatys et al. 2015, 1505.07376) with those of the others, as in Olah et
    al. 2017, Feature Visualization. They ascend in one batch.

    Args:
        network: flat functional model, image (N, H, W, C) -> anything.
        wanted: what for.
        border: positions to drop.
        beside: of a layer of tokens, how many in front of those of the picture's places and how many behind belong to none
            (see `tokens_beside`): they are dropped, too.

    Attributes:
        filters: how many patterns.
        gated: False, nothing is hidden by a ReLU that could be opened.
        variables: the weights that are read.
    """

    gated = False

    def __init__(self, network: keras.Model, wanted: Wanted, border: int, beside: tuple[int, int] = (0, 0)) -> None:
        self._wanted, self._border, self._beside = wanted, border, beside
        self.filters = len(wanted.weights)
        tensor = node_of(network, wanted.layer).outputs[0] if wanted.layer else network.outputs[0]
        self._image, self._tensor = id(network.inputs[0]), id(tensor)
        needed, kept = {id(tensor)}, []
        for node in reversed(list(nodes_in_order(network))):
            if any(id(made) in needed for made in node.outputs):
                kept.append(node)
                needed.update(map(id, node.input_tensors))
        self._calls = [(call_of(node), list(map(id, node.outputs))) for node in reversed(kept)]
        self._depth = network.inputs[0].shape[-1]
        self.variables = list(network.variables)
        self._known: dict[int, tuple[int, ...] | None] = {}

    def fits(self, side: int) -> bool:
        """Whether the network takes a square image of that side, and leaves something of it."""
        if side not in self._known:
            try:
                found = self.maps(ops.zeros((1, side, side, self._depth)))
                self._known[side] = tuple(int(size) for size in found.shape[1:])
            except REFUSALS as error:
                if out_of_memory(error):
                    raise
                self._known[side] = None
        known = self._known[side]
        return known is not None and min(known) >= 1

    def map_size(self, side: int) -> tuple[int, int]:
        """Height and width of the layer's maps; 1, 1 for an output that has no places.

        Raises:
            UserError: the network takes no such image.
        """
        if not self.fits(side):
            raise UserError(
                f"the network takes no image of {side}x{side} pixels as far as "
                f"{f'layer {self._wanted.layer!r}' if self._wanted.layer else 'its classes'}; set size (and coarse_size: 0) to its own"
            )
        known = self._known[side]
        return (known[0], known[1]) if known is not None and len(known) == 3 else (1, 1)

    def maps(self, images: Any) -> Any:
        """What the layer answers to images (N, H, W, C) in model space: (N, h, w, channels) or (N, tokens, channels) float32."""
        values = {self._image: images}
        for call, outputs in self._calls:
            values.update(zip(outputs, call(values), strict=True))
        found = ops.cast(values[self._tensor], "float32")
        before, after = self._beside
        return found[:, before : found.shape[1] - after] if before or after else found

    def __call__(self, images: Any, channels: Any, opened: Any) -> Any:
        """Objective of each image, (N,) float32: that of the pattern whose number stands in `channels`, (N,) int32."""
        maps = self.maps(images)
        if len(maps.shape) == 4:
            border = min(border_that_fits(side, self._border) for side in maps.shape[1:3])
            maps = inner(maps, border)
            means = ops.mean(maps, axis=(1, 2))
        elif len(maps.shape) == 3 and self._wanted.layer:  # tokens
            means = ops.mean(maps, axis=1)
        else:
            means = ops.reshape(maps, (ops.shape(maps)[0], -1))
        weights = ops.take(ops.convert_to_tensor(self._wanted.weights), channels, axis=0)
        values = ops.sum(means * weights, axis=1)
        if not self._wanted.diversity or self.filters < 2:
            return values
        return values - self._wanted.diversity * ops.stop_gradient(ops.abs(values)) * _alike(maps)

    def value_and_gradient(self, images: Any, channels: Any, opened: Any) -> tuple[Any, Any]:
        """The objective, (N,) float32, and the gradient of its sum, (N, H, W, C) float32 (see `__call__`)."""
        return summed_gradient(self, images, channels, opened)


def _alike(maps: Any) -> Any:
    """The mean cosine of each image's Gram matrix with those of the others: (N, h, w, C) -> (N,); of an output, of its values."""
    count = maps.shape[0]
    flat = ops.reshape(maps, (count, -1, maps.shape[-1]))
    grams = ops.reshape(ops.matmul(ops.transpose(flat, (0, 2, 1)), flat), (count, -1))
    # Of maps that are all zero, too, the root has a gradient.
    unit = grams / ops.sqrt(ops.maximum(ops.sum(ops.square(grams), axis=1, keepdims=True), np.finfo(np.float32).tiny))
    cosines = ops.multiply(ops.matmul(unit, ops.transpose(unit)), 1 - np.eye(count, dtype=np.float32))
    return ops.sum(cosines, axis=1) / (count - 1)


def tokens_beside(network: keras.Model, spec: ModelSpec, layer: str) -> tuple[int, int]:
    """How many tokens of a layer, in front of those of the picture's places and behind them, are of its class or of none.

    Args:
        network: flat functional model, model space -> anything.
        spec: of it; its size tells which tokens are places.
        layer: of feature maps, of tokens, or "".

    Returns:
        0, 0 where all are places, or nothing is known to be one.
    """
    if not layer or len(node_of(network, layer).outputs[0].shape) != 3:
        return 0, 0
    sized = flatten(network, input_shape=(*spec.input_size, spec.depth))
    try:
        grid = grid_of(sized, tensor_of(sized, layer))
    except UserError:
        return 0, 0
    return grid.before, grid.after


def ascend_many(
    network: keras.Model, spec: ModelSpec, name: str, wanted: Wanted, settings: AscentSettings, seed: int,
    step: Callable[[int], None] = lambda count: None, report: Callable[[str], None] = lambda line: None,
) -> tuple[FilterPatterns, AscentSettings]:  # fmt: skip
    """Find the patterns of one objective; those that are kept apart all in one batch, of others as many as the memory holds.

    Args:
        network: flat functional model whose input is model space.
        spec: its preprocessing.
        name: of the objective; its patterns' random starts belong to it.
        wanted: what is maximised.
        settings: see `AscentSettings`. Where the network takes pictures of its own size alone, that size is taken.
        seed: the run's seed.
        step: called with how many patterns were found.
        report: takes lines for the log.

    Returns:
        The patterns, whose `channels` are their numbers, and the settings that they were made with.

    Raises:
        UserError: the network takes no picture of that size.
    """
    objective = ManyObjective(network, wanted, settings.border, tokens_beside(network, spec, wanted.layer))
    height, width = spec.input_size
    if height == width and not objective.fits(settings.size):
        share = height / settings.size
        settings = dataclasses.replace(
            settings, size=height, coarse_size=round(settings.coarse_size * share), crop=round(settings.crop * share),
            step_length=settings.step_length * share,
        )  # fmt: skip
    ascent = Ascent(spec, name, settings, seed, objective, None)
    channels = list(range(objective.filters))
    apart = bool(wanted.diversity) and objective.filters > 1
    batch = len(channels) if apart else min(len(channels), _AT_ONCE)
    start_of = channels[0] if wanted.same_start else None
    parts = []
    for start in range(0, len(channels), batch):
        some = channels[start : start + batch]
        # Of those that are kept apart, half would be kept from half of the others.
        found = (
            ascent.run(some, batch, start_of)
            if apart
            else ascent.run_where_it_fits(some, batch, report, start_of, "patterns", "")
        )
        parts.append(FilterPatterns(np.asarray(some, np.int64), *(values[: len(some)] for values in found)))
        step(len(some))
    return joined(parts), settings
