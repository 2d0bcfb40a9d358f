"""What sealing costs: activations to HDF5 with digests taken and sealed, and the same work without any of it.

`python -m bench.seals --images 48`: the real Xception where it is, or one of random weights, its every layer over drawn pets, all as
the job does it, in turns, in one process. Rounds of such work differ by more than digests take, so what is compared is each layer's
own pass over its maps, in which the digests are taken, by the processor time of its thread; what else sealing does is timed as it is.
"""

import argparse
import contextlib
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from bench.lines import Line, table
from bench.network import SIZE, real_preset, save_random, save_real
from bench.numbers import Spread, interleaved, spread
from bench.studies import write_jpegs
from convscope.jobs.job import say

_BAR = 0.02
_SIDES = ("sealed", "not sealed")
Seconds = defaultdict[Any, list[float]]


class _NoDigest:
    """Stands in for a digest of what comes piece by piece."""

    def update(self, content: Any) -> None: ...

    def intdigest(self) -> int:
        return 0


@contextlib.contextmanager
def _nothing_taken() -> Iterator[None]:
    """No digest of a chunk is taken, neither in the pass over the maps nor when they are written."""
    from convscope.activations.hot_digests import Functions

    with (
        mock.patch("convscope.activations.observed.functions", Functions),
        mock.patch("convscope.storage.chunks.short_digest", lambda content: 0),
        mock.patch("convscope.storage.chunks.ShortDigest", _NoDigest),
    ):
        yield


def _timed(function: Callable[..., Any], seconds: Seconds, kind: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any) -> Any:
        began = time.thread_time()
        result = function(*args)
        seconds[kind(*args)].append(time.thread_time() - began)
        return result

    return run


def _shape(maps: Any, scale: Any, offset: Any, floor: Any, after: Any, *rest: Any) -> Any:
    return maps.shape, len(after) > 0


class Stage:
    """The activations of all layers, as the job makes them.

    Args:
        folder: the network's, and where results go.
        pictures: folder of JPEG files.
        threads: of the pass.
    """

    def __init__(self, folder: Path, pictures: Path, threads: int) -> None:
        from convscope.activations.extract import ActivationModel
        from convscope.models.layers import layer_table
        from convscope.models.load import load_model
        from convscope.storage.files import sha256_of

        network, self._spec = load_model(folder / "model.keras", folder / "model.json")
        layers = layer_table(network, self._spec)
        arguments = (network, [row.name for row in layers], [row.relu for row in layers], "float16")
        self._models = {"sealed": ActivationModel(*arguments)}
        with _nothing_taken():
            self._models["not sealed"] = ActivationModel(*arguments)
        self._folder, self._threads = folder, threads
        self._rows = [{"path": str(path), "sha256": sha256_of(path)} for path in sorted(pictures.iterdir())]

    def run(self, side: str) -> tuple[Seconds, float, float, int]:
        """Make the file.

        Returns:
            By shape the seconds of passes over maps; those of what sealing does else; processor seconds of all; the file's bytes.
        """
        from convscope.activations import observed
        from convscope.storage import chunks

        passes: Seconds = defaultdict(list)
        beside: Seconds = defaultdict(list)
        path, began = self._folder / "study" / "activations.h5", time.process_time()
        with (
            mock.patch.object(observed, "_pass", _timed(observed._pass, passes, _shape)),
            mock.patch.object(chunks, "short_digest", _timed(chunks.short_digest, beside, len)),
            contextlib.nullcontext() if side == "sealed" else _nothing_taken(),
        ):
            sealing = self._make(side, path)
        took, size = time.process_time() - began, path.stat().st_size
        path.unlink()
        return passes, sealing + sum(map(sum, beside.values())), took, size

    def _make(self, side: str, path: Path) -> float:
        from convscope.activations.extract import Answers, ShardWriter
        from convscope.pictures.read import load_rows
        from convscope.storage import store
        from convscope.storage.prefetch import ahead, behind
        from convscope.storage.seals import seal

        model, spec, rows = self._models[side], self._spec, self._rows
        batch = model.batch_size(*spec.input_size, at_once=self._threads)

        def answer(start: int) -> Answers:
            images = load_rows(rows[start : start + batch], spec.input_size, spec.resize, channels=spec.reads)
            return model(spec.preprocess(images))

        took = 0.0
        with store.create(path, page_aligned=True, model=spec.name) as file:
            with ShardWriter(file, len(rows)) as writer, behind(writer, depth=1) as write:
                for answers in ahead(answer, range(0, len(rows), batch), self._threads, depth=self._threads + 1):
                    write(answers)
            began = time.thread_time()
            known = writer.digests() if side == "sealed" else None
            took += time.thread_time() - began
        began = time.thread_time()
        if known is not None:
            seal(path.parent, path, "logs/activations/bench.log", (), known)
        return took + time.thread_time() - began


def main() -> int:
    """Measure and say; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--preset", type=Path, help="keras-hub preset folder of the real Xception")
    args = parser.parse_args()
    preset = real_preset(args.preset)
    passes: dict[str, list[Seconds]] = {side: [] for side in _SIDES}
    beside: list[float] = []
    whole: list[float] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        folder = Path(temporary)
        if preset:
            save_real(folder, preset)
        else:
            save_random(folder, 1)
        write_jpegs(folder / "pictures", args.images)
        stage = Stage(folder, folder / "pictures", args.threads)
        for side in _SIDES:  # compiled, and the memory taken that is used again
            stage.run(side)
        for _, side in interleaved(_SIDES, args.rounds):
            found, sealing, took, size = stage.run(side)
            passes[side].append(found)
            beside += [sealing] if side == "sealed" else []
            whole += [took] if side == "not sealed" else []
            say(f"{side}: {took:.2f} s of processor time, {size / 1e6:.0f} MB")
    digests = [_more(with_, without) for with_, without in zip(*passes.values(), strict=True)]
    # A shape has a few passes a round: the medians of all rounds are the surer ones.
    every = {side: _together(rounds) for side, rounds in passes.items()}
    more, work = _more(*every.values()) / args.rounds, statistics.median(whole)
    shares = spread([(one + sealing) / work for one, sealing in zip(digests, beside, strict=True)])
    share = (more + statistics.median(beside)) / work
    what = f"sealing, over activations of {args.images} pictures at {SIZE} px"
    note = "real weights" if preset else "random weights"
    line = Line(what, Spread(share, shares.low, shares.high), "%", _BAR, True, note=note)
    print(table([line]))
    print(
        f"{share:.2%}: digests {more:.3f} s, the rest {statistics.median(beside):.3f} s, of {work:.2f} s without the start of a job"
    )
    return 0 if line.passed else 1


def _together(rounds: list[Seconds]) -> Seconds:
    found: Seconds = defaultdict(list)
    for one in rounds:
        for kind, seconds in one.items():
            found[kind] += seconds
    return found


def _more(with_: Seconds, without: Seconds) -> float:
    """By how many seconds passes are longer with digests, each shape by its medians."""
    return sum(
        len(found) * (statistics.median(found) - statistics.median(without[kind])) for kind, found in with_.items()
    )


if __name__ == "__main__":
    raise SystemExit(main())
