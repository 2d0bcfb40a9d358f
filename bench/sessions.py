"""The worker processes of one run of the benchmark, started when first asked for and kept."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.worker import Failed, Worker


class Team:
    """Workers by side, folder and threads.

    Args:
        cores: how many threads every side may use in all.
        peers: of each side that is another library, the interpreter of the environment that holds it; without those that are not
            installed.
    """

    def __init__(self, cores: int, peers: Mapping[str, Path]) -> None:
        self.cores, self._peers = cores, peers
        self._workers: dict[tuple[str, Path, int], list[Worker]] = {}
        self.failures: dict[str, str] = {}
        self.versions: dict[str, dict[str, str]] = {}

    def of(self, side: str, folder: Path, threads: int | None = None) -> list[Worker]:
        """The side's workers: one with all threads, or as many as fit when each has `threads`.

        Raises:
            Failed: the side does not run here.
        """
        threads = min(threads or self.cores, self.cores)
        key = (side, folder, threads)
        if key not in self._workers:
            python = str(self._peers[side]) if side.endswith("_side") else sys.executable
            try:
                self._workers[key] = [Worker(side, python, folder, threads) for _ in range(self.cores // threads)]
            except Failed as error:
                self.failures[side] = str(error)
                raise
            self.versions[side] = self._workers[key][0].facts["versions"]
        return self._workers[key]

    def ask(
        self, side: str, folder: Path, task: str, requests: dict[str, Any], threads: int | None = None
    ) -> list[dict[str, Any]]:
        """Ask all workers of a side the same at the same time; their answers.

        Every value of `requests` that is a list of lists is dealt out, one a worker.
        """
        workers = self.of(side, folder, threads)
        for number, worker in enumerate(workers):
            worker.send(task, **{key: value[number] if _dealt(value) else value for key, value in requests.items()})
        return [worker.answer() for worker in workers]

    def runs_here(self, side: str, folder: Path) -> bool:
        """Whether a side can be started; why not is kept in `failures`."""
        if side.endswith("_side") and side not in self._peers:
            self.failures[side] = "not installed; make bench-peers"
            return False
        try:
            self.of(side, folder)
        except Failed:
            return False
        return True

    def close(self) -> None:
        """End all workers."""
        for workers in self._workers.values():
            for worker in workers:
                worker.close()
        self._workers = {}


def _dealt(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], list)
