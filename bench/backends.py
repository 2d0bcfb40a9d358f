"""What the three backends take for the same work: `python -m bench.backends`, prints one table.

Filter patterns and Grad-CAM of the real-size Xception with random weights, and epochs of the default study's convnet, each backend in
a process of its own on the same threads, in turns. What is first traced or compiled stands in a column of its own. JAX and PyTorch
are taken from the environment of `make test-backends`, where that is.
"""

import argparse
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.network import LAYERS, ROOT
from bench.numbers import interleaved, ratios, spread
from convscope.backends.names import BACKENDS, choose
from convscope.jobs.job import set_threads

PYTHON = ROOT / ".venv-test-backends" / "bin" / "python"
# Of the work -> what one of it is.
WORK = {
    "patterns": f"a step of a filter of {LAYERS[4]}, `textbook`, in float32",
    "patterns_auto": f"a step of a filter of {LAYERS[4]}, `textbook`, as it is by default",
    "gradcam": "a picture by Grad-CAM, 224 px",
    "training": "a picture of an epoch, convnet, 112 px",
}
# Work -> backend -> what each round found.
Found = dict[str, dict[str, list[dict[str, float]]]]
_STEPS, _IMAGES, _LEARNT, _SIDE = 6, 64, 640, 112


def main() -> None:
    """Measure and print."""
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--rounds", type=int, default=3)
    given.add_argument("--cores", type=int, default=os.cpu_count() or 1)
    given.add_argument("--measure", nargs=2, metavar=("BACKEND", "WORK"), help="this alone, in this process, as JSON")
    given.add_argument("--folder", type=Path, help="of the network")
    args = given.parse_args()
    if args.measure:
        print(json.dumps(_measure(args.measure[0], args.measure[1], args.folder, args.cores)))
        return
    python = str(PYTHON) if PYTHON.exists() else sys.executable
    sides = [name for name in BACKENDS if PYTHON.exists() or find_spec(name)]
    found: Found = {work: {name: [] for name in sides} for work in WORK}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "bench.network", folder], cwd=ROOT, env=environment, check=True)  # noqa: S603
        for work, (_, name) in itertools.product(WORK, list(interleaved(sides, args.rounds))):
            command = [python, "-m", "bench.backends", "--measure", name, work]
            command += ["--folder", folder, "--cores", str(args.cores)]
            done = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
            found[work][name].append(json.loads(done.stdout.splitlines()[-1]))
            print(f"{work}, {name}: {found[work][name][-1]}", file=sys.stderr, flush=True)
    print("\n".join(table(found)))


def table(found: Found) -> Iterator[str]:
    """Lines of Markdown: a row for each work; seconds of the first backend, how many times as long the others take, what was first.

    Args:
        found: work -> backend -> of each round `{"start": s, "first": s, "each": s}`, rounds in the same order.
    """
    first, *others = next(iter(found.values()))
    heads = [f"{first}, s", *(f"{other}, times as long" for other in others)]
    heads += [f"compiling: {', '.join((first, *others))}, s"]
    yield "| | " + " | ".join(heads) + " |"
    yield "|---" * (len(heads) + 1) + "|"
    for work, sides in found.items():
        cells = _cells({name: [each["each"] for each in rounds] for name, rounds in sides.items()})
        begun = [f"{spread([each['first'] for each in rounds]).median:.1f}" for rounds in sides.values()]
        yield f"| {WORK[work]} | " + " | ".join([*cells, ", ".join(begun)]) + " |"
    starts = _cells(
        {name: [each["start"] for sides in found.values() for each in sides[name]] for name in (first, *others)}
    )
    yield "| libraries and network loaded | " + " | ".join(starts) + " | |"


def _cells(seconds: dict[str, list[float]]) -> list[str]:
    """Seconds of the first, ratios of the others to it: median (smallest .. largest)."""
    first, *others = seconds.values()
    return [str(spread(first)), *(str(spread(ratios(other, first))) for other in others)]


def _measure(backend: str, work: str, folder: Path, cores: int) -> dict[str, float]:
    """One work by one backend, in this process: seconds of the start, of what is compiled, and of each one."""
    # As the job of it is started.
    set_threads(cores, side_by_side=work.startswith("patterns"))
    choose(backend)
    began = time.perf_counter()
    from convscope.models.load import load_model

    network, spec = load_model(folder / "model.keras", folder / "model.json")
    start = time.perf_counter() - began
    if work == "training":
        found = training()
    elif work == "gradcam":
        found = _gradcam(network, spec)
    else:
        found = _patterns(network, spec, "auto" if work == "patterns_auto" else "float32", cores)
    return {"start": start, **found}


def _patterns(network: Any, spec: Any, precision: str, cores: int) -> dict[str, float]:
    from convscope.filters.presets import filters_a_batch, settings_from
    from convscope.filters.run import ascend, own_precision

    settings = settings_from({"preset": "textbook", "precision": precision, "steps": _STEPS})
    batch = filters_a_batch(settings, own_precision(settings.precision), 960, cores)
    settings = replace(settings, batch=batch)

    def run(batches: int) -> None:
        ascend(network, spec, LAYERS[4], range(batches * batch), settings, seed=1, at_once=cores)

    # Each ascent is traced and compiled anew: what three rounds of batches take beyond one is the steady cost.
    once, thrice = _seconds(lambda: run(cores)), _seconds(lambda: run(3 * cores))
    each = (thrice - once) / (2 * cores * batch)
    return {"first": once - cores * batch * each, "each": each / _STEPS}


def _gradcam(network: Any, spec: Any) -> dict[str, float]:
    import numpy as np

    from convscope.cams.mapper import ClassMapper
    from convscope.models.cam_layer import default_cam_layer

    pictures = np.random.default_rng(0).uniform(-1, 1, (_IMAGES, *spec.input_size, 3)).astype(np.float32)
    mapper = ClassMapper(network, spec, default_cam_layer(network, spec.input_size))

    def run() -> None:
        for start in range(0, _IMAGES, 32):
            mapper(pictures[start : start + 32], np.full(32, -1), "predicted")

    return _first_and_each(run, _IMAGES)


def training(learnt: int = _LEARNT, **settings: Any) -> dict[str, float]:
    """Epochs of the default study's convnet, of so many pictures: seconds of the first beyond the others, and of each picture."""
    import numpy as np

    from convscope.models.architectures import build
    from convscope.models.training import seed_everything, train

    class Drawn:
        """Pictures in memory."""

        def __init__(self, count: int) -> None:
            random = np.random.default_rng(1)
            self.pictures = random.integers(0, 255, (count, _SIDE, _SIDE, 3)).astype(np.uint8)
            self.labels, self.dtype = random.integers(0, 2, count), self.pictures.dtype

        def __len__(self) -> int:
            return len(self.labels)

        def batches(self, order: Any, batch_size: int) -> Iterator[tuple[Any, Any]]:
            for start in range(0, len(order), batch_size):
                part = order[start : start + batch_size]
                yield self.pictures[part], self.labels[part]

    seed_everything(1)
    model = build({"architecture": "convnet", "image_size": _SIDE, "width": 0.5, "dropout": 0.25, **settings}, 2)
    settings = {"epochs": 3, "batch_size": 32, "learning_rate": 1e-3, "optimizer": "adam"}
    marks = [time.perf_counter()]
    train(
        model, Drawn(learnt), Drawn(32), settings, seed=1, after_epoch=lambda _: marks.append(time.perf_counter())
    )  # fmt: skip
    each = (marks[-1] - marks[1]) / 2 / learnt
    return {"first": marks[1] - marks[0] - each * learnt, "each": each}


def _first_and_each(run: Callable[[], None], count: int) -> dict[str, float]:
    """Seconds of one, and by how much the first run of all took longer."""
    first, again = _seconds(run), _seconds(run)
    return {"first": first - again, "each": again / count}


def _seconds(run: Callable[[], None]) -> float:
    began = time.perf_counter()
    run()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
