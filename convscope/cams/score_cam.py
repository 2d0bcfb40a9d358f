"""Score-CAM: a class activation map without gradients, from what masked images score."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from convscope.backends.running import compiled, to_numpy
from convscope.models.spec import ModelSpec

_BATCH = 16


class ScoreCam:
    """Score-CAM (Wang et al. 2019, 1910.01279): `ReLU(sum_k alpha_k A_k)`, a forward pass a feature map and image.

    `alpha = softmax_k(f(x * H_k) - f(baseline))`, `H_k` the map `A_k` upsampled to the image and brought to 0..1, f the
    logit. The baseline's score, the same for every k, cancels out of the softmax and is not computed. Feature maps that
    are constant over the image have no `H_k`: they are left out.

    What a mask hides is mid-grey: `x' + H_k (x - x')`. The paper's product makes it 0 in model space, which is near grey for the
    networks that it takes (mean and deviation), and black for one that takes 0..255: black objects would then never be hidden.

    Args:
        logits: images (N, H, W, C) in model space -> (N, units) float32 logits, of tensors.
        spec: the model's head.
        channels: how many feature maps an image to take: those with the largest standard deviation; all where None.
        variables: weights that `logits` reads.
    """

    def __init__(
        self,
        logits: Callable[[Any], Any],
        spec: ModelSpec,
        channels: int | None = None,
        variables: Sequence[Any] = (),
    ) -> None:
        self._spec, self._channels = spec, channels
        self._logits, self._variables = logits, variables
        self._compiled: dict[tuple[int, int], Callable[..., Any]] = {}

    def _masked(self, height: int, width: int) -> Callable[..., Any]:
        """For images of a size: (H, W, C) and masks (n, h, w) -> logits (n, units) of what the masks leave."""
        grey = self._spec.colour((127.5, 127.5, 127.5)).reshape(1, 1, 1, -1)

        def masked(image: Any, maps: Any) -> Any:
            # Bilinear with half-pixel centres, as overlays are drawn.
            large = ops.image.resize(maps[..., None], (height, width), "bilinear", data_format="channels_last")
            low = ops.min(large, axis=(1, 2, 3), keepdims=True)
            high = ops.max(large, axis=(1, 2, 3), keepdims=True)
            hidden = ops.convert_to_tensor(grey)
            return self._logits(hidden + (image[None] - hidden) * ops.divide_no_nan(large - low, high - low))

        if (height, width) not in self._compiled:
            # Free sizes of the masks: the few at the end need no trace of their own.
            pixels = keras.KerasTensor((height, width, self._spec.depth), "float32")
            masks = keras.KerasTensor((None, None, None), "float32")
            self._compiled[height, width] = compiled(masked, [pixels, masks], self._variables)
        return self._compiled[height, width]

    def __call__(self, images: np.ndarray, activations: np.ndarray, targets: np.ndarray) -> np.ndarray:
        """Maps of a batch.

        Args:
            images: (N, H, W, C) float32 in model space.
            activations: (N, h, w, K) float32, their feature maps.
            targets: (N, T) int64, the classes explained.

        Returns:
            (N, T, h, w) float32, >= 0; all zeros where every feature map is constant.
        """
        count, height, width, _ = activations.shape
        maps = np.zeros((count, targets.shape[1], height, width), np.float32)
        for index in range(count):
            chosen = self._chosen(activations[index])
            if not len(chosen):
                continue
            scores = self._scores(images[index], activations[index][..., chosen])
            for place, target in enumerate(targets[index]):
                raw = scores[:, target].astype(np.float64)
                weights = np.exp(raw - raw.max())
                combined = activations[index][..., chosen] @ (weights / weights.sum()).astype(np.float32)
                maps[index, place] = np.maximum(combined, 0)
        return maps

    def _chosen(self, activations: np.ndarray) -> np.ndarray:
        flat = activations.reshape(-1, activations.shape[-1])
        varied = np.flatnonzero(flat.max(axis=0) > flat.min(axis=0))
        if self._channels is None or len(varied) <= self._channels:
            return varied
        order = np.argsort(-flat[:, varied].std(axis=0, dtype=np.float64), kind="stable")
        return np.sort(varied[order[: self._channels]])

    def _scores(self, image: np.ndarray, maps: np.ndarray) -> np.ndarray:
        parts, masked = [], self._masked(*image.shape[:2])
        for start in range(0, maps.shape[-1], _BATCH):
            masks = np.moveaxis(maps[..., start : start + _BATCH], -1, 0)
            parts.append(to_numpy(masked(image, np.ascontiguousarray(masks))))
        return self._spec.class_scores(np.concatenate(parts))
