"""tf-keras-vis's activation maximisation on the benchmark's network, without modifiers and regularisers: its cheapest form."""

import time
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from tf_keras_vis.activation_maximization import ActivationMaximization
from tf_keras_vis.utils.scores import CategoricalScore

from bench.sides.starts import start_images
from bench.versions import versions_of

BATCH = 16


class Side:
    """Answers by tf-keras-vis."""

    def __init__(self, folder: Path) -> None:
        self._model = keras.saving.load_model(folder / "model.keras", compile=False)

    def versions(self) -> dict[str, str]:
        """Versions of what computes."""
        return versions_of("tf-keras-vis", "keras", "tensorflow", "numpy")

    def batch(self) -> dict[str, int]:
        """Filters that ascend together."""
        return {"batch": BATCH}

    def ascent(self, layer: str, channels: list[int], steps: int, size: int) -> dict[str, Any]:
        """Seconds a batch of patterns."""
        starts = start_images(0, layer, channels, size)
        marks = []
        began = time.perf_counter()
        maximise = ActivationMaximization(
            keras.Model(self._model.inputs, self._model.get_layer(layer).output), clone=False
        )
        for first in range(0, len(channels), BATCH):
            part = channels[first : first + BATCH]
            maximise(
                CategoricalScore(part), seed_input=tf.constant(starts[first : first + BATCH]), steps=steps,
                input_range=(-1, 1), input_modifiers=None, regularizers=None,
            )  # fmt: skip
            marks.append((time.perf_counter() - began, len(part)))
        return {"marks": marks}
