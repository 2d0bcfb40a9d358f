"""One side of the benchmark as a process of its own: it answers questions, a JSON line each, on its standard input.

A process of its own has the number of threads it is given, its own library versions, and costs nothing while others run.
"""

import argparse
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any

from convscope.jobs.job import set_threads


class Failed(RuntimeError):
    """A side that cannot run, with the reason."""


class Worker:
    """The other end of a worker process.

    Args:
        side: a module of `bench.sides`.
        python: the interpreter that has its libraries.
        folder: where `model.keras` and `model.json` lie; its messages go to `<side>.log` there.
        threads: threads it may use.
    """

    def __init__(self, side: str, python: str, folder: Path, threads: int) -> None:
        self.side, self.threads = side, threads
        self._log = (folder / f"{side}.log").open("a")
        root = Path(__file__).parent.parent
        self._process = subprocess.Popen(  # noqa: S603
            [python, "-m", "bench.worker", side, "--folder", str(folder), "--threads", str(threads)],
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(root), "TF_CPP_MIN_LOG_LEVEL": "3"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        self.facts = self.answer()

    def send(self, task: str, **request: Any) -> None:
        """Ask; the answer is fetched with `answer`, so that several workers can work at the same time."""
        print(json.dumps({"task": task, **request}), file=self._pipe(self._process.stdin), flush=True)

    def answer(self) -> dict[str, Any]:
        """Wait for the answer.

        Raises:
            Failed: the side could not do it, or ended.
        """
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise Failed(f"{self.side} ended without an answer; see {self._log.name}")
        result = json.loads(line)
        if "error" in result:
            raise Failed(f"{self.side}: {result['error']}")
        return result

    def ask(self, task: str, **request: Any) -> dict[str, Any]:
        """Ask and wait."""
        self.send(task, **request)
        return self.answer()

    def close(self) -> None:
        """End the process."""
        self._pipe(self._process.stdin).close()
        self._process.wait(timeout=60)
        self._pipe(self._process.stdout).close()
        self._log.close()

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        assert pipe is not None  # noqa: S101
        return pipe


def serve(side: str, folder: Path) -> None:
    """Load the side and answer until the input ends. What libraries print goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    started = time.perf_counter()
    try:
        worker = importlib.import_module(f"bench.sides.{side}").Side(folder)
    except Exception as error:
        print(json.dumps({"error": _reason(error)}), file=answers)
        return
    print(json.dumps({"seconds": time.perf_counter() - started, "versions": worker.versions()}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            result = getattr(worker, request.pop("task"))(**request)
        except Exception as error:
            result = {"error": _reason(error)}
        print(json.dumps(result), file=answers)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0][:300]}"


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("side")
    arguments.add_argument("--folder", type=Path, required=True)
    arguments.add_argument("--threads", type=int, required=True)
    given = arguments.parse_args()
    set_threads(given.threads)
    serve(given.side, given.folder)
