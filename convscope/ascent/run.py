"""Gradient ascent in input space for many filters of one layer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.ascent.objectives import ChannelObjective
from convscope.ascent.parameterisations import Pixels
from convscope.ascent.presets import AscentSettings
from convscope.ascent.steps import normalised_step, per_sample_norm
from convscope.errors import UserError
from convscope.model_spec import ModelSpec


@dataclass(frozen=True)
class FilterPatterns:
    """Patterns of some filters of a layer.

    Attributes:
        channels: (N,) int64, the filters.
        patterns: (N, size, size, 3) float32, black -1 and white 1 (values beyond are common before display).
        objective: (N, steps + 1) float32, before every step and after the last.
        dead: (N,) bool, no gradient ever reached the image, or the ReLU of the layer stayed closed all the time.
        opened: (N,) int64, steps taken with the layer's own ReLU open because it hid the gradient.
        map_size: (height, width) of the layer's feature map.
        border_used: positions dropped on each side of it.
    """

    channels: np.ndarray
    patterns: np.ndarray
    objective: np.ndarray
    dead: np.ndarray
    opened: np.ndarray
    map_size: tuple[int, int]
    border_used: int


def ascend(
    network: keras.Model,
    spec: ModelSpec,
    layer: str,
    channels: Sequence[int],
    settings: AscentSettings,
    seed: int,
    on_batch: Callable[[int, float], None] | None = None,
) -> FilterPatterns:
    """Find the patterns of some filters of one layer by gradient ascent in input space.

    Each step adds `step_length * g / ||g||`, the norm taken over (H, W, C) of each sample (Chollet, Deep Learning with
    Python, ch. 10; Erhan et al. 2009). Filters ascend in batches, the last one padded so that one traced step serves all.

    Args:
        network: functional model whose input is model space.
        spec: its preprocessing; the ascent runs where black is -1 and white is 1, whatever model space is.
        layer: a convolution of the network.
        channels: the filters wanted.
        settings: see `AscentSettings`.
        seed: the run's seed.
        on_batch: called after each batch with the number of finished filters and their mean last objective.

    Raises:
        UserError: unknown or unsuitable layer, or a channel the layer does not have.
    """
    objective = ChannelObjective(network, layer, settings.size, settings.border)
    beyond = [channel for channel in channels if not 0 <= channel < objective.filters]
    if beyond:
        raise UserError(f"layer '{layer}' has filters 0..{objective.filters - 1}; filter {beyond[0]} does not exist")
    step = _traced_step(objective, spec, settings.step_length)
    image = Pixels(settings.size, settings.start)
    batch = min(settings.batch, len(channels))
    parts = []
    for first in range(0, len(channels), batch):
        wanted = list(channels[first : first + batch])
        padded = wanted + [wanted[-1]] * (batch - len(wanted))
        start = image.begin(seed, layer, padded)
        parts.append([part[: len(wanted)] for part in _ascend_batch(step, objective, start, padded, settings.steps)])
        if on_batch:
            on_batch(len(wanted), float(parts[-1][1][:, -1].mean()))
    patterns, values, dead, opened = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
    return FilterPatterns(
        np.asarray(channels), patterns, values, dead, opened, objective.map_size, objective.border_used
    )


def _traced_step(objective: ChannelObjective, spec: ModelSpec, length: float) -> Callable[..., Any]:
    to_model = _model_space(spec)

    @tf.function(reduce_retracing=True)
    def step(images: Any, channels: Any, opened: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(images)
            values = objective(to_model(images), channels, opened)
            # Sum, not mean: a mean would make a step depend on how many filters share the batch.
            total = tf.reduce_sum(values)
        gradient = tape.gradient(total, images)
        norm = per_sample_norm(gradient)
        return images + normalised_step(gradient, norm, length), values, tf.reshape(norm, [-1])

    return step


def _model_space(spec: ModelSpec) -> Callable[[Any], Any]:
    """From black -1, white 1 to the model's own space; for Xception the two are the same."""
    scale = np.asarray(spec.scale, np.float32) * 127.5
    offset = np.asarray(spec.scale, np.float32) * 127.5 + np.asarray(spec.offset, np.float32)
    reverse = spec.channels == "bgr"

    def convert(images: Any) -> Any:
        images = images[..., ::-1] if reverse else images
        return images if np.allclose(scale, 1) and np.allclose(offset, 0, atol=1e-6) else images * scale + offset

    return convert


def _ascend_batch(
    step: Callable[..., Any], objective: ChannelObjective, start: np.ndarray, channels: list[int], steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    images = tf.constant(start)
    wanted = tf.constant(channels, tf.int32)
    closed = tf.zeros(len(channels), tf.bool)
    values = np.zeros((len(channels), steps + 1), np.float32)
    opened = np.zeros(len(channels), np.int64)
    alive = np.zeros(len(channels), bool)

    def move(images: Any) -> tuple[Any, Any, np.ndarray]:
        """One step; a filter whose own ReLU hides the gradient climbs before it. Returns images, values, who was stuck."""
        moved, value, norm = step(images, wanted, closed)
        stuck = norm.numpy() == 0
        if objective.gated and stuck.any():
            past_relu, _, norm = step(images, wanted, tf.constant(stuck))
            moved = tf.where(stuck[:, None, None, None], past_relu, moved)
            opened[:] += stuck & (norm.numpy() > 0)
        alive[:] |= norm.numpy() > 0
        return moved, value, stuck

    # First let the sleeping ones wake, the others waiting; a network without such filters takes no step here.
    for _ in range(steps if objective.gated else 0):
        moved, _, stuck = move(images)
        if not (stuck & alive).any():
            break
        images = tf.where(stuck[:, None, None, None], moved, images)
    for index in range(steps + 1):
        moved, value, _ = move(images)
        values[:, index] = value.numpy()
        if index < steps:
            images = moved
    silent = objective.gated & (values.max(axis=1) == 0)
    return images.numpy(), values, ~alive | silent, opened
