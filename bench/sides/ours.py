"""This project's library on the benchmark's network."""

import time
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from bench.flops import filter_step_flops
from bench.numbers import steady_cost
from bench.versions import versions_of
from convscope.filters.presets import filters_a_batch, resolved_precision, settings_from
from convscope.filters.run import ascend
from convscope.models.layers import layer_table
from convscope.models.load import load_model
from convscope.pictures.render import pattern_picture


class Side:
    """Answers by the library."""

    def __init__(self, folder: Path) -> None:
        self._network, self._spec = load_model(folder / "model.keras", folder / "model.json")

    def versions(self) -> dict[str, str]:
        """Versions of what computes."""
        return versions_of("keras", "tensorflow", "numpy")

    def facts(self, size: int) -> dict[str, Any]:
        """Of every convolution: its filters, and the operations that one filter-step needs."""
        rows = [row for row in layer_table(self._network, self._spec) if row.role != "pool"]
        return {
            "filters": {row.name: row.filters for row in rows},
            "flops": {row.name: filter_step_flops(self._network, row.name, size) for row in rows},
        }

    def batch(self, config: dict[str, Any]) -> dict[str, Any]:
        """Filters of a long list that ascend together."""
        settings = settings_from(config)
        return {"batch": filters_a_batch(settings, resolved_precision(settings.precision), 960)}

    def ascent(
        self, layer: str, channels: list[int], config: dict[str, Any], seed: int, save: str | None = None
    ) -> dict[str, Any]:
        """Patterns of some filters; when each batch was done, and what of it is the start."""
        settings = settings_from(config)
        marks: list[tuple[float, int]] = []
        began = time.perf_counter()

        def mark(done: Any, *_: Any) -> None:
            count = done if isinstance(done, int) else len(done.channels)
            marks.append((time.perf_counter() - began, count))

        found = ascend(self._network, self._spec, layer, channels, settings, seed, on_batch=mark)
        if save:
            np.save(save, found.patterns)
        return {"marks": marks, "dead": int(found.dead.sum()), **steady_cost(marks, 1)}

    def shown(
        self, layer: str, channels: list[int], patterns: str, crop: int, bounded: bool = False, border: int = 2
    ) -> dict[str, Any]:
        """What the displayed pictures (0..255, cropped), fed back, make their filters answer."""
        pictures = np.stack([pattern_picture(pattern, crop, bounded) for pattern in np.load(patterns)])
        maps = keras.Model(self._network.inputs[0], self._network.get_layer(layer).output)(
            self._spec.preprocess(pictures), training=False
        )
        whole = keras.ops.convert_to_numpy(maps)
        inner = whole[:, border : whole.shape[1] - border, border : whole.shape[2] - border]
        answers = [inner[index, :, :, channel].mean() for index, channel in enumerate(channels)]
        return {"shown": [float(value) for value in answers]}

    def crop(self, config: dict[str, Any]) -> dict[str, Any]:
        """What the settings cut from each side of the displayed picture."""
        return {"crop": settings_from(config).crop}

    def peak(self, seconds: float = 1.0, side: int = 2048) -> dict[str, Any]:
        """The fastest matrix multiplication seen, operations per second, float32 and bfloat16."""
        result = {}
        for dtype in ("float32", "bfloat16"):
            matrix = tf.cast(tf.random.stateless_normal((side, side), seed=(1, 2)), dtype)
            multiply = tf.function(lambda a, b: tf.matmul(a, b))
            multiply(matrix, matrix).numpy()
            best, until = float("inf"), time.perf_counter() + seconds
            while time.perf_counter() < until:
                then = time.perf_counter()
                multiply(matrix, matrix).numpy()
                best = min(best, time.perf_counter() - then)
            result[dtype] = 2 * side**3 / best
        return result

    def forward(self, images: int, batch: int = 32) -> dict[str, Any]:
        """Seconds of the forward pass alone, over pictures that lie in memory."""
        height, width = self._spec.input_size
        pictures = np.random.default_rng(0).uniform(-1, 1, (batch, height, width, 3)).astype(np.float32)
        run = tf.function(lambda x: self._network(x, training=False))
        run(tf.constant(pictures)).numpy()
        began = time.perf_counter()
        for _ in range(max(1, images // batch)):
            run(tf.constant(pictures)).numpy()
        return {"seconds": time.perf_counter() - began, "images": max(1, images // batch) * batch}
