"""What a graphics processor takes: `python -m bench.graphics BACKEND [--tf32]`, one line of JSON a measurement.

The real-size Xception with random weights: patterns of 64 filters at three depths, Grad-CAM of 2,000 pictures; an epoch of the default
study's convnet. On a machine without one it measures the processor, with fewer of each (`--filters`, `--pictures`): the other side of
the table in docs/backends.md.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.network import LAYERS, save_random
from convscope.backends.names import BACKENDS, choose
from convscope.jobs.job import set_threads

DEPTHS = (LAYERS[0], LAYERS[4], LAYERS[7])


def main() -> None:
    """Measure."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("backend", choices=BACKENDS)
    given.add_argument("--filters", type=int, default=64)
    given.add_argument("--pictures", type=int, default=2000, help="of Grad-CAM and of an epoch; 0 leaves both out")
    given.add_argument("--layers", nargs="*", default=DEPTHS)
    given.add_argument("--presets", nargs="*", default=["sharp", "textbook"])
    given.add_argument("--precisions", nargs="*", default=["bfloat16", "float32"])
    given.add_argument("--batches", nargs="*", type=int, default=[0])
    given.add_argument("--images", nargs="*", type=int, default=[32, 128], help="pictures of Grad-CAM at once")
    given.add_argument("--width", type=float, default=1.0, help="factor on all filters, to try the program itself")
    given.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    given.add_argument("--tf32", action="store_true", help="float32 multiplied with 11 bits, which the pipeline leaves")
    args = given.parse_args()
    set_threads(args.cores, side_by_side=True)
    choose(args.backend)
    from convscope.backends.running import has_gpu
    from convscope.models.load import load_model

    gpu = has_gpu()
    if args.tf32:
        _round(args.backend)
    with tempfile.TemporaryDirectory() as folder:
        save_random(Path(folder), 1, args.width)
        began = time.perf_counter()
        network, spec = load_model(Path(folder) / "model.keras", Path(folder) / "model.json")
    _say(args, work="loading the network", seconds=time.perf_counter() - began, gpu=gpu)
    if args.pictures:
        for images in args.images:
            _gradcam(args, network, spec, images)
        _epoch(args)
    for preset in args.presets:
        for precision in args.precisions:
            for layer in args.layers:
                for batch in args.batches:
                    _patterns(args, network, spec, layer, preset, precision, batch, 1 if gpu else args.cores)


def _round(backend: str) -> None:
    if backend == "torch":
        import torch

        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    elif backend == "jax":
        import jax

        jax.config.update("jax_default_matmul_precision", "default")
    else:
        import tensorflow as tf

        tf.config.experimental.enable_tensor_float_32_execution(True)


def _patterns(
    args: Any, network: Any, spec: Any, layer: str, preset: str, precision: str, batch: int, at_once: int
) -> None:
    """One job of a layer, its compilation counted, and what each of its steps at full size takes."""
    from convscope.backends.running import to_numpy
    from convscope.filters import run
    from convscope.filters.presets import settings_from

    settings = replace(settings_from({"preset": preset, "precision": precision}), batch=batch)
    steps: list[float] = []

    class Timed(run.Ascent):
        def _step(self, size: int, *rest: Any) -> Any:
            began = time.perf_counter()
            found = super()._step(size, *rest)
            to_numpy(found[3])
            if size == settings.size:
                steps.append(time.perf_counter() - began)
            return found

    plain, run.Ascent = run.Ascent, Timed  # type: ignore[misc]
    try:
        began = time.perf_counter()
        found = run.ascend(network, spec, layer, range(args.filters), settings, seed=1, at_once=at_once)
        seconds = time.perf_counter() - began
    finally:
        run.Ascent = plain  # type: ignore[misc]
    _say(
        args, work="patterns", layer=layer, preset=preset, precision=run.own_precision(precision), batch=batch,
        filters=args.filters, seconds=seconds, step=statistics.median(steps), digest=sha256(found.patterns.tobytes()).hexdigest()[:8],
        objective=float(found.objective[:, -1].mean()),
    )  # fmt: skip


def _gradcam(args: Any, network: Any, spec: Any, at_once: int) -> None:
    import numpy as np

    from convscope.cams.mapper import ClassMapper
    from convscope.models.cam_layer import default_cam_layer

    pictures = np.random.default_rng(0).uniform(-1, 1, (at_once, *spec.input_size, 3)).astype(np.float32)
    mapper = ClassMapper(network, spec, default_cam_layer(network, spec.input_size))
    count = max(1, args.pictures // at_once)

    def run() -> None:
        for _ in range(count):
            mapper(pictures, np.full(at_once, -1), "predicted")

    first, again = _seconds(lambda: mapper(pictures, np.full(at_once, -1), "predicted")), _seconds(run)
    _say(args, work="gradcam", batch=at_once, pictures=count * at_once, first=first, seconds=again)


def _epoch(args: Any) -> None:
    """An epoch of as many pictures."""
    from bench.backends import training

    found = training(args.pictures)
    _say(args, work="epoch of the convnet, 112 px", pictures=args.pictures, first=found["first"],
         seconds=found["each"] * args.pictures)  # fmt: skip


def _seconds(run: Callable[[], object]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


def _say(args: Any, **facts: Any) -> None:
    facts = {key: round(value, 4) if isinstance(value, float) else value for key, value in facts.items()}
    print(json.dumps({"backend": args.backend, "tf32": args.tf32, **facts}), flush=True)


if __name__ == "__main__":
    main()
