"""The textbook's loops on the benchmark's network."""

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from bench.sides.starts import start_images
from bench.textbook import deprocess_image, grad_cam_maker, pattern_maker
from bench.versions import versions_of


class Side:
    """Answers by the textbook's loops."""

    def __init__(self, folder: Path) -> None:
        self._model = keras.saving.load_model(folder / "model.keras", compile=False)

    def versions(self) -> dict[str, str]:
        """Versions of what computes."""
        return versions_of("keras", "tensorflow", "numpy")

    def ascent(
        self,
        layer: str,
        channels: list[int],
        steps: int,
        size: int,
        seed: int,
        save: str | None = None,
        nudge: float = 0.0,
    ) -> dict[str, Any]:
        """Patterns of some filters, one after the other; the seconds of each, and of making the loop.

        With `nudge` the start images are moved by normal noise of that size.
        """
        starts = start_images(seed, layer, channels, size)
        if nudge:
            starts = starts + np.random.default_rng(seed).normal(0, nudge, starts.shape).astype(np.float32)
        began = time.perf_counter()
        generate_filter_pattern = pattern_maker(self._model, layer, steps)
        seconds = []
        patterns = []
        made = time.perf_counter()
        for channel, start in zip(channels, starts, strict=True):
            then = time.perf_counter()
            pattern = generate_filter_pattern(channel, start)
            deprocess_image(pattern)
            seconds.append(time.perf_counter() - then)
            patterns.append(pattern)
        if save:
            np.save(save, np.stack(patterns))
        return {"start": made - began, "seconds": seconds}

    def grad_cam(self, layer: str, paths: list[str], folder: str) -> dict[str, Any]:
        """Grad-CAM of some pictures with overlays; the seconds of each, the first (which traces) left out."""
        make = grad_cam_maker(self._model, layer)
        make(paths[0], f"{folder}/first.jpg")
        seconds = []
        for number, path in enumerate(paths):
            then = time.perf_counter()
            make(path, f"{folder}/{number}.jpg")
            seconds.append(time.perf_counter() - then)
        return {"seconds": seconds}
