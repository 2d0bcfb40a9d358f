"""What a network answers at a layer, and what its upper part makes of it."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from convscope.backends.running import compiled, to_numpy, value_and_gradient
from convscope.errors import UserError
from convscope.models.cam_layer import default_cam_layer
from convscope.models.fields import Axis, ReceptiveField
from convscope.models.graphs import cut_at, flatten, is_flat
from convscope.models.lower_part import lower_part
from convscope.models.receptive_field import receptive_field
from convscope.models.spec import ModelSpec
from convscope.units.behind import answer_of
from convscope.vectors.names import LAST


def layer_to_cut(network: keras.Model, layer: str, relu: str, size: tuple[int, int]) -> str:
    """Where a layer's answers are as the network hands them on: behind its normalisation and its activation.

    Args:
        network: functional.
        layer: a convolution, or "last" for the last feature maps.
        relu: the ReLU that follows, as the table of layers names it, or "".
        size: (height, width) of the pictures.
    """
    if layer == LAST:
        return default_cam_layer(network, size)
    return relu or answer_of(network if is_flat(network) else flatten(network), layer)


class CutNetwork:
    """A network cut behind a layer.

    Args:
        network: functional, model space -> logits.
        spec: its classes and head.
        cut: the layer (see `layer_to_cut`).

    Raises:
        UserError: there is no such layer, or it makes no maps that lie as the picture does; or the model has no classifier.

    Attributes:
        field: what the cells of its maps see.
        shape: (h, w, C) of its maps.
    """

    def __init__(self, network: keras.Model, spec: ModelSpec, cut: str) -> None:
        spec.require_classes()
        self.spec, self.cut = spec, cut
        sized = flatten(network, input_shape=(*spec.input_size, spec.depth))
        flat, sources, self._tail = cut_at(sized, cut)
        self.shape: tuple[int, ...] = tuple(int(side) for side in sources[0].shape[1:])
        self.field = _field(sized, cut, spec.input_size, self.shape)
        self._head = lower_part(flat, sources)
        image = keras.KerasTensor((None, *flat.inputs[0].shape[1:]), "float32")
        self._forward = compiled(self._forward_pass, [image], flat.variables)
        parts = [keras.KerasTensor((None, *tensor.shape[1:]), tensor.dtype) for tensor in sources]
        self._differentiate = compiled(self._gradient, [parts, keras.KerasTensor((None,), "int32")], flat.variables)
        self._upper = compiled(self._scores, [parts], flat.variables)
        self._sides: list[Any] = []

    def _forward_pass(self, images: Any) -> Any:
        parts = self._head(images)
        return parts, self._scores(parts)

    def _scores(self, parts: Any) -> Any:
        logits = ops.cast(self._tail(*parts), "float32")
        # A one-unit head speaks for class 1 with z and for class 0 with -z.
        return ops.concatenate([-logits, logits], axis=1) if self.spec.head == "binary" else logits

    def _gradient(self, parts: Any, targets: Any) -> Any:
        def score(maps: Any) -> Any:
            chosen = ops.take_along_axis(self._scores([maps, *parts[1:]]), targets[:, None], axis=1)
            return ops.sum(chosen), chosen

        _, gradient = value_and_gradient(score, parts[0])
        return ops.cast(gradient, "float32")

    def batch_size(self) -> int:
        """Pictures that go through together: so many that their maps at the network's own input stay small."""
        return int(np.clip(2**22 // max(int(np.prod(self.spec.input_size)) * 4, 1), 1, 32))

    def __call__(self, images: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Maps (N, h, w, C) and the logits of all classes (N, classes), float32, of pictures in model space.

        Raises:
            UserError: the network gives no numbers.
        """
        self._sides, scores = self._forward(np.asarray(images, np.float32))
        maps = np.asarray(to_numpy(self._sides[0]), np.float32)
        found = np.asarray(to_numpy(scores), np.float32)
        if not (np.isfinite(maps).all() and np.isfinite(found).all()):
            raise UserError(
                f"model '{self.spec.name}' answers with infinity or with no number (NaN) at layer '{self.cut}': what counts there "
                "cannot be told; look at the weights, and at whether the preprocessing is the one that it was trained with"
            )
        return maps, found

    def gradients(self, targets: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
        """Gradients of the logits of some classes, one a picture of the last call, by its maps: (N, h, w, C) float32."""
        wanted = ops.convert_to_tensor(np.asarray(targets, np.int32))
        return np.asarray(to_numpy(self._differentiate(self._sides, wanted)), np.float32)

    def above(self, picture: int, maps: NDArray[np.float32], batch: int = 64) -> NDArray[np.float32]:
        """What the upper part makes of other maps in the place of a picture's of the last call.

        Args:
            picture: which one; what bypasses the layer stays as it is.
            maps: (n, h, w, C).
            batch: how many go through together.

        Returns:
            (n, classes) float32, the logits of all classes.
        """
        return np.concatenate(list(self._parts_above(picture, maps, batch)))

    def _parts_above(self, picture: int, maps: NDArray[np.float32], batch: int) -> Iterator[NDArray[np.float32]]:
        own = [side[picture : picture + 1] for side in self._sides[1:]]
        for start in range(0, len(maps), batch):
            part = ops.cast(ops.convert_to_tensor(maps[start : start + batch]), self._sides[0].dtype)
            sides = [ops.repeat(side, part.shape[0], axis=0) for side in own]
            yield np.asarray(to_numpy(self._upper([part, *sides])), np.float32)


def _field(sized: keras.Model, cut: str, pixels: tuple[int, int], shape: tuple[int, ...]) -> ReceptiveField:
    try:
        return receptive_field(sized, cut)
    except (UserError, ValueError):  # tokens: each lies where its patch does, and sees all of the picture
        rows, columns = (
            Axis(whole / cells / 2 - 0.5, whole / cells, float("inf"))
            for whole, cells in zip(pixels, shape, strict=False)
        )
        return ReceptiveField(rows, columns)
