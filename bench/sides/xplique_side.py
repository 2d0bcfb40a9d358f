"""Xplique's feature visualisation on the benchmark's network, without transformations: its cheapest form."""

import time
from pathlib import Path
from typing import Any

import keras
from xplique.features_visualizations import Objective, optimize

from bench.versions import versions_of
from convscope.models.graphs import flatten

BATCH = 16


class Side:
    """Answers by Xplique; it wants a network of fixed size."""

    def __init__(self, folder: Path) -> None:
        self._model = keras.saving.load_model(folder / "model.keras", compile=False)
        self._sized: dict[int, keras.Model] = {}

    def versions(self) -> dict[str, str]:
        """Versions of what computes."""
        return versions_of("xplique", "keras", "tensorflow", "numpy")

    def batch(self) -> dict[str, int]:
        """Filters that ascend together."""
        return {"batch": BATCH}

    def fixed(self, size: int) -> keras.Model:
        """The network for pictures of this size alone."""
        if size not in self._sized:
            self._sized[size] = flatten(self._model, copy=True, input_shape=(size, size, 3))
        return self._sized[size]

    def ascent(self, layer: str, channels: list[int], steps: int, size: int) -> dict[str, Any]:
        """Seconds a batch of patterns; every batch builds its step anew, as each call of the library does."""
        model = self.fixed(size)
        marks = []
        began = time.perf_counter()
        for first in range(0, len(channels), BATCH):
            part = channels[first : first + BATCH]
            objective = Objective.channel(model, layer, part)
            images, _ = optimize(
                objective, nb_steps=steps, use_fft=False, std=0.5, values_range=(-1, 1),
                transformations=None, custom_shape=(size, size),
            )  # fmt: skip
            images[-1].numpy()
            marks.append((time.perf_counter() - began, len(part)))
        return {"marks": marks}
