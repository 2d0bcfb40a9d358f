"""What sealing costs: activations to HDF5 with digests taken, checked in and sealed, and the same work without any of it.

`python -m bench.seals --images 48`: the real Xception where it is, or one of random weights, its every layer over drawn pets, all as
the job does it, in turns, in one process. What is compared is processor time, of all threads.
"""

import argparse
import contextlib
import os
import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from bench.lines import Line, table
from bench.network import SIZE, real_preset, save_random, save_real
from bench.numbers import interleaved, spread
from bench.studies import write_jpegs
from convscope.jobs.job import say

_BAR = 0.02
_SIDES = ("sealed", "not sealed")


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

    def run(self, side: str) -> tuple[float, float, int]:
        """Make the file; processor seconds without those of the system, all of them, and the file's bytes."""
        began = os.times()
        path = self._folder / "study" / "activations.h5"
        if side == "sealed":
            self._make(side, path)
        else:
            with _nothing_taken():
                self._make(side, path)
        ended, size = os.times(), path.stat().st_size
        path.unlink()
        own = ended.user - began.user
        return own, own + ended.system - began.system, size

    def _make(self, side: str, path: Path) -> None:
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

        with store.create(path, page_aligned=True, model=spec.name) as file:
            with ShardWriter(file, len(rows)) as writer, behind(writer, depth=1) as write:
                for answers in ahead(answer, range(0, len(rows), batch), self._threads, depth=self._threads + 1):
                    write(answers)
            chunks = writer.digests() if side == "sealed" else None
        if chunks is not None:
            seal(path.parent, path, "logs/activations/bench.log", (), chunks)


def main() -> int:
    """Measure and say; 1 where the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--images", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--preset", type=Path, help="keras-hub preset folder of the real Xception")
    args = parser.parse_args()
    preset = real_preset(args.preset)
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
        own: dict[str, list[float]] = {side: [] for side in _SIDES}
        every: list[float] = []
        for _, side in interleaved(_SIDES, args.rounds):
            user, took, size = stage.run(side)
            own[side].append(user)
            every += [took] if side == "not sealed" else []
            say(f"{side}: {took:.2f} s of processor time, {took - user:.2f} of them the system's, {size / 1e6:.0f} MB")
    # A digest asks nothing of the system, whose time for a gigabyte differs from round to round by more than all digests take.
    more = [(with_ - without) / statistics.median(every) for with_, without in zip(*own.values(), strict=True)]
    what = f"sealing, over activations of {args.images} pictures at {SIZE} px"
    line = Line(what, spread(more), "%", _BAR, True, note="real weights" if preset else "random weights")
    print(table([line]))
    least = (min(own["sealed"]) - min(own["not sealed"])) / statistics.median(every)
    print(f"median {line.value.median:.2%}; of the least seconds of each {least:.2%}")
    return 0 if line.passed else 1


if __name__ == "__main__":
    raise SystemExit(main())
