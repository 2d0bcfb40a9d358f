"""Looks at the same pictures with a network whose weights are those of one epoch after another."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields

import keras
import numpy as np

from convscope.backends.running import to_numpy
from convscope.cams.mapper import ClassMapper
from convscope.errors import UserError
from convscope.models.nodes import tensor_of
from convscope.models.spec import ModelSpec


@dataclass(frozen=True)
class Look:
    """What a network says of N pictures.

    Attributes:
        maps: method -> (N, h, w) float32, raw.
        targets, predicted: (N,) int64.
        scores: (N,) float32, logits of the targets.
        probabilities: (N, C) float32.
        activation: (N, h, w) float32, one channel of one layer.
    """

    maps: dict[str, np.ndarray]
    targets: np.ndarray
    predicted: np.ndarray
    scores: np.ndarray
    probabilities: np.ndarray
    activation: np.ndarray


class Looker:
    """Computes looks; the network's weights may be others each time, and nothing is traced anew for it.

    Args:
        network: canonical, model space -> logits.
        spec: of it.
        methods: class activation maps.
        layer: whose feature maps carry them.
        watched: the layer one of whose channels is watched.

    Raises:
        UserError: unknown layers, or "cam" for a model without a GAP head.
    """

    def __init__(self, network: keras.Model, spec: ModelSpec, methods: Sequence[str], layer: str, watched: str) -> None:
        self._key = key = f"watching.{spec.name}"
        self._make: Callable[[], ClassMapper] = lambda: ClassMapper(network, spec, layer, methods, fold=False, key=key)
        self._mapper = self._make()
        # CAM's weights are read where the mapper is made.
        self._stays = "cam" not in methods
        self._answers = keras.Model(network.inputs[0], tensor_of(network, watched))
        if len(self._answers.outputs[0].shape) != 4:
            raise UserError(
                f"{key}.activation.layer: layer '{watched}' has no feature maps; name a convolution, or leave it out"
            )
        self.channels, self._watched = int(self._answers.outputs[0].shape[-1]), watched

    def chosen_channel(self, images: np.ndarray, wanted: int | None) -> int:
        """The channel wanted, or the one that answers most to all pictures together (of none, the first), (N, H, W, 3) in model space.

        Raises:
            UserError: the layer has no such channel.
        """
        if wanted is None:
            return int(self._maps(images).sum(axis=(0, 1, 2)).argmax()) if len(images) else 0
        if not 0 <= wanted < self.channels:
            raise UserError(
                f"{self._key}.activation.channel: layer '{self._watched}' has channels 0..{self.channels - 1}; channel {wanted} does "
                "not exist"
            )
        return wanted

    def __call__(self, images: np.ndarray, labels: np.ndarray, target: str | int, channel: int) -> Look:
        """What the network says now.

        Args:
            images: (N, H, W, 3) float32 in model space.
            labels: (N,) true classes, -1 unknown.
            target: see `ClassMapper.__call__`, but for "all".
            channel: the one watched.
        """
        if not len(
            images
        ):  # TensorFlow takes no empty batch everywhere: what is said of a blank picture, but for the picture
            blank = self(np.zeros((1, *images.shape[1:]), np.float32), np.zeros(1, np.int64), "predicted", channel)
            rest = (getattr(blank, field.name)[:0] for field in fields(Look) if field.name != "maps")
            return Look({method: maps[:0] for method, maps in blank.maps.items()}, *rest)
        mapper = self._mapper if self._stays else self._make()
        seen = mapper(images, labels, target)
        return Look(
            {method: maps[:, 0] for method, maps in seen.maps.items()},
            seen.targets[:, 0],
            seen.predicted,
            seen.scores[:, 0],
            seen.probabilities,
            self._maps(images)[..., channel],
        )

    def _maps(self, images: np.ndarray) -> np.ndarray:
        return to_numpy(self._answers(images, training=False)).astype(np.float32, copy=False)


def spread_rows(count: int, limit: int) -> list[int]:
    """At most `limit` of so many rows, evenly spread: a set is sorted by class."""
    return np.unique(np.linspace(0, count - 1, min(limit, count)).round().astype(int)).tolist() if count else []


def stacked(looks: Iterable[Look]) -> dict[str, np.ndarray]:
    """The arrays of several looks with an axis for the epochs in front; those of a method as `maps/<method>`."""
    every = list(looks)
    names = ("targets", "predicted", "scores", "probabilities", "activation")
    arrays = {name: np.stack([getattr(look, name) for look in every]) for name in names}
    return arrays | {f"maps/{method}": np.stack([look.maps[method] for look in every]) for method in every[0].maps}
