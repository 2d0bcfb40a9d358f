"""The run that started this job, and its end: a job must not go on, nor put anything in place, once its run is gone.

Snakemake starts a shell for each job and the shell starts Python; a `kill -9` of Snakemake ends neither. The main process
therefore leaves its name in the environment (see `announce`), and whoever works for it looks whether it still lives. Without that
name, as for a script started by hand, there is nothing to look at.
"""

import dataclasses
import functools
import json
import os
import select
import threading
import time
from collections.abc import Callable
from pathlib import Path

from convscope.storage.processes import Process, is_here, lives, local_process, this_process

VARIABLE = "CONVSCOPE_RUN"
_SECONDS_BETWEEN_LOOKS = 1.0
_SHORTEST_LOOK = 0.01


class RunEnded(BaseException):
    """The run that started this job has ended. No `Exception`: nobody who expects trouble with a file should catch it."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A run as its jobs know it: the process to look at, its lock file, and what that file holds while it is this run's."""

    process: Process
    lock: str
    token: str


def announce(lock: str | os.PathLike[str], token: str) -> None:
    """Say to all jobs started from now on that they belong to this process, which holds the lock."""
    os.environ[VARIABLE] = as_text(Run(this_process(), str(Path(lock).absolute()), token))


def announce_again() -> None:
    """The same from a process that works for a run: on another machine, its jobs look at it instead of the run's own."""
    run = this_run()
    if run is None or not is_here(run.process):
        os.environ[VARIABLE] = as_text(Run(this_process(), run.lock if run else "", run.token if run else ""))


def this_run() -> Run | None:
    """The run this process works for; None where it was started by hand."""
    return _read(os.environ.get(VARIABLE, ""))


def why_ended() -> str:
    """Why the run of this process is over; "" while it is not, and where there is none."""
    run = this_run()
    if run is None:
        return ""
    if lives(run.process) is False:
        return "the run that started this job has ended, and the job with it"
    if run.lock and run.token and _token_in(run.lock) not in ("", run.token):
        return "another run has taken over from the one that started this job"
    return ""


def still_on() -> None:
    """Do nothing while the run lives: to be called before a result takes its place.

    Raises:
        RunEnded: it has ended.
    """
    if why := why_ended():
        raise RunEnded(why)


def watch(at_end: Callable[[str], None]) -> None:
    """Call `at_end` with the reason, from a thread, as soon as this job's run has ended, or what started the job was killed."""
    run = this_run()
    if run is not None:
        threading.Thread(target=_watch, args=(run, os.getppid(), at_end), name="run", daemon=True).start()


def _watch(run: Run, parent: int, at_end: Callable[[str], None]) -> None:
    watched = [_open(local_process(parent))] + ([_open(run.process)] if is_here(run.process) else [])
    poll = select.poll() if hasattr(select, "poll") else None
    descriptors = [descriptor for descriptor in watched if descriptor is not None]
    for descriptor in descriptors:
        if poll:
            poll.register(descriptor, select.POLLIN)
    while True:
        looked = time.monotonic()
        why = why_ended()
        if not why and os.getppid() != parent:
            why = "what started this job was killed, and the job ends with it"
        if why:
            at_end(why)
            return
        # Woken at once where the system can tell; what it cannot tell (another machine's lock) is looked at now and then.
        if poll and descriptors:
            poll.poll(_SECONDS_BETWEEN_LOOKS * 1000)
            time.sleep(max(0.0, _SHORTEST_LOOK - (time.monotonic() - looked)))
        else:
            time.sleep(_SECONDS_BETWEEN_LOOKS)


def _open(process: Process) -> int | None:
    try:
        return os.pidfd_open(process.pid)
    except (AttributeError, OSError):
        return None  # an older kernel, another system, or it is gone


def _token_in(lock: str) -> str:
    try:
        return str(json.loads(Path(lock).read_text(encoding="utf-8"))["token"])
    except (OSError, ValueError, TypeError, LookupError):
        return ""


def as_text(run: Run) -> str:
    """A run as the environment variable holds it."""
    return json.dumps({"process": run.process.as_dict(), "lock": run.lock, "token": run.token})


@functools.lru_cache(maxsize=4)
def _read(text: str) -> Run | None:
    try:
        value = json.loads(text)
        return Run(Process.from_dict(value["process"]), str(value["lock"]), str(value["token"]))
    except (ValueError, TypeError, LookupError):
        return None
