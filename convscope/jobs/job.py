"""What every script of the pipeline does around its work: arguments, log file, threads, progress, errors for people.

A script defines `main(args)` and ends with `run(main, parser)`. Libraries are imported inside `main`: the number of
threads must be known before TensorFlow starts, and `--help` answers at once.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from convscope.backends.names import BACKENDS, DEFAULT, choose
from convscope.errors import BadImage, ChangedFile, UserError, in_one_line
from convscope.jobs import lack_of_memory
from convscope.jobs.disk_errors import told
from convscope.jobs.lean_imports import collect_rarely, keras_alone, leave_the_garbage
from convscope.jobs.scratch import own_temporary_folder, remove_own
from convscope.jobs.sealing import Sealing, output, paths_of
from convscope.storage import files, runs
from convscope.storage.addresses import without_secrets
from convscope.storage.arguments import read_arguments

if TYPE_CHECKING:
    from convscope.jobs.from_cache import Place

_SECONDS_BETWEEN_LINES = 15.0
_SECONDS_TO_TIDY_UP = 2.0
_terminal: IO[str] | None = None
_title = ""
_why_ended = ""
_sealing = Sealing(None)
_last: list[Callable[[], object]] = []


class JobParser(argparse.ArgumentParser):
    """Reads what is too long for a command line from the file that is named in its place; knows which arguments are outputs.

    What `trains` is taken from the cache that studies share, where it is there.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        self.outputs: list[str] = []
        self.trains = False
        super().__init__(*args, **options)

    def add_argument(self, *names: Any, **options: Any) -> argparse.Action:
        action = super().add_argument(*names, **options)
        if options.get("type") is output:
            self.outputs.append(action.dest)
        return action

    def parse_args(self, args=None, namespace=None):  # type: ignore[no-untyped-def, override]
        return super().parse_args(read_arguments(sys.argv[1:] if args is None else args), namespace)


def parser(description: str | None) -> JobParser:
    """An argument parser with the arguments every job has: --log, --threads, --seed, --backend, --passing.

    An argument of `type=Path` is read, one of `type=output` written: see `run`.
    """
    result = JobParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--log", type=Path, help="file for everything this job prints")
    result.add_argument("--threads", type=int, default=1, help="threads the job may use (default: 1)")
    result.add_argument("--passing", nargs="+", default=[], help="outputs that nobody keeps, by their argument's name")
    result.add_argument("--seed", type=int, default=0, help="the study's seed (default: 0)")
    result.add_argument("--backend", choices=BACKENDS, default=DEFAULT, help=f"what Keras runs on (default: {DEFAULT})")
    return result


def outputs_of_training(arguments: JobParser) -> None:
    """Add what every training writes, and the folder from which a killed one goes on; see `models.outcome`."""
    arguments.trains = True
    arguments.add_argument("--state", type=Path, help="folder that keeps what a resumed run needs")
    for name, what in (
        ("model", "the network (.keras)"),
        ("spec", "the facts beside it (.json)"),
        ("history", "one row an epoch (.csv)"),
        ("summary", "table of layers (.txt)"),
        ("training", "settings and best epoch (.json)"),
        ("epochs", "weights of some epochs (.h5)"),
    ):
        arguments.add_argument(f"--{name}", type=output, required=True, help=f"output: {what}")


def set_threads(threads: int, side_by_side: bool = False) -> None:
    """Bound the thread pools of TensorFlow, JAX, OpenMP (PyTorch) and BLAS. Call before they are imported.

    Args:
        threads: in all.
        side_by_side: every operation has one thread and as many run at the same time, for work that comes in equal parts;
            otherwise one operation at a time has all of them.
    """
    within, beside = (1, threads) if side_by_side else (threads, 1)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
        os.environ[name] = str(within)
    os.environ["TF_NUM_INTEROP_THREADS"] = str(beside)
    os.environ["NPROC"] = str(threads)  # of XLA, which has one pool


def run(
    main: Callable[[argparse.Namespace], Sequence[Path] | None], arguments: JobParser, side_by_side: bool = False
) -> None:
    """Run a script's `main`: log to --log, show progress on the terminal, end with one line on a user's mistake.

    No result is read that is not as it was written, and what the job writes is sealed (see `sealing`): its arguments of
    `type=output`, and what `main` returns.

    A job of a run (see `runs`) ends with it, however the run ends. `side_by_side` is that of `set_threads`.
    """
    global _terminal, _title, _sealing
    args = arguments.parse_args()
    set_threads(args.threads, side_by_side)
    choose(args.backend)
    collect_rarely()
    keras_alone()
    _title = Path(sys.argv[0]).stem
    if args.log:
        try:
            args.log.parent.mkdir(parents=True, exist_ok=True)
            log = args.log.open("w")
        except OSError as error:
            _fail(told(error) or f"{args.log}: {error.strerror}; a job needs it for what it says")
        _terminal = os.fdopen(os.dup(2), "w", buffering=1, errors="backslashreplace")
        with log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        # The name of a file may be no text.
        sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")  # type: ignore[union-attr]
    try:
        runs.watch(_end_with_the_run)
        own_temporary_folder()
        _sealing = Sealing(args.log)
        _sealing.check(paths_of(args, vars(args).keys() - {"log", *arguments.outputs}))
        place = _place_in_cache(args, arguments)
        taken = place is not None and place.take(say)
        made = () if taken else main(args) or ()
        _sealing.seal([*paths_of(args, set(arguments.outputs) - set(args.passing)), *made])
        if place is not None and not taken:
            place.keep(say)
        for function in _last:
            function()
    except (UserError, BadImage) as error:
        _fail(_told_by_seals(error))
    except runs.RunEnded as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail(_why_ended or "interrupted")
    except Exception as error:
        with contextlib.suppress(OSError):  # the log's disk may be full
            print(without_secrets(traceback.format_exc()), file=sys.stderr, flush=True)
        where = f" (the whole story is in {args.log})" if args.log else ""
        if line := told(error, vars(args).values()):
            _fail(line)
        if line := lack_of_memory.told(error, _title):
            _fail(f"{line}{where}")
        # The run looked for it at its start: in another environment, perhaps on another computer.
        if args.backend != DEFAULT and (getattr(error, "name", "") or "").partition(".")[0] in BACKENDS[args.backend]:
            _fail(
                f"backend: {args.backend} cannot be imported here ({error}), or is of a version that Keras does not take; install it "
                f"(pip install --upgrade {args.backend}), or leave backend out for {DEFAULT}{where}"
            )
        _fail(f"unexpected {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}{where}")
    finally:
        files.remove_unfinished()  # an interrupt between making a file and entering its block leaves the block for later
        if args.backend != "torch":  # whose compiler lists in the log what is left
            leave_the_garbage()


def _place_in_cache(args: argparse.Namespace, arguments: JobParser) -> "Place | None":
    if not arguments.trains:
        return None
    from convscope.jobs.from_cache import place_of

    return place_of(args, arguments.outputs, _title)


def last_of_all(function: Callable[[], object]) -> None:
    """Call a function when all that the job wrote is sealed, and in the cache that studies share where there is one.

    Snakemake removes what an interrupted job wrote, however whole it was: what a killed training goes on from must outlive a cache
    that is slow.
    """
    _last.append(function)


def check(paths: Iterable[Path]) -> None:
    """Look whether results are as they were written, which no argument names; see `run`.

    Raises:
        UserError: one is not.
    """
    _sealing.check(paths)


def _told_by_seals(error: UserError | BadImage) -> str:
    """What a mistake says; of a picture that the study made itself, what its seal says, for then it is made again."""
    try:
        if isinstance(error, ChangedFile | BadImage) and error.file:
            check([Path(error.file)])
    except UserError as damage:
        return str(damage)
    if not isinstance(error, BadImage):
        return str(error)
    named = str(error) if not error.file or str(error.file) in str(error) else f"{error.file}: {error}"
    return f"{named}; run again, and the pictures are listed anew"


def this_sealing() -> Sealing:
    """What this job knows of seals."""
    return _sealing


def _fail(message: str) -> NoReturn:
    line = in_one_line(without_secrets(f"{_title}: error: {message}"))
    for stream in (sys.stderr, _terminal):
        with contextlib.suppress(OSError):  # who would read it may be gone, or the log's disk is full
            if stream:
                print(line, file=stream, flush=True)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            # What the log had no room for would be tried again at the end, and Python would end with a code of its own.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    raise SystemExit(1)


def _end_with_the_run(why: str) -> None:
    """End this process, from another thread than the one at work: tidily if that is soon enough, else at once."""
    global _why_ended
    _why_ended = why
    with contextlib.suppress(OSError):
        say(why)
    # A signal wakes the main thread where it waits; what it holds open it removes on its way out.
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(_SECONDS_TO_TIDY_UP)
    import multiprocessing  # seldom needed

    for child in multiprocessing.active_children():
        child.kill()
    files.remove_unfinished()
    remove_own()
    os._exit(1)


def say(message: str) -> None:
    """Write one line to the job's log."""
    print(f"{time.strftime('%H:%M:%S')} {in_one_line(without_secrets(message))}", flush=True)


class Progress:
    """Progress of long work: a bar on a terminal, a readable line a step in the log.

    Args:
        total: how many steps the work has.
        what: what is being done ("filters of block3_sepconv1").
        unit: what one step is ("images").
    """

    def __init__(self, total: int, what: str, unit: str = "steps") -> None:
        self.total, self.what, self.unit = total, what, unit
        self.done = self._instant = 0
        self._started = time.monotonic()
        self._last_shown = 0.0
        say(f"{what}: {total} {unit}")

    def step(self, count: int = 1, note: str = "", instant: bool = False) -> None:
        """Record `count` finished steps; `instant` ones were done before and say nothing about the time still needed."""
        self.done += count
        self._instant += count if instant else 0
        elapsed, measured = time.monotonic() - self._started, self.done - self._instant
        text = f"{self.what}: {self.done}/{self.total} {self.unit}"
        if measured:
            left = elapsed / measured * (self.total - self.done)
            text += f", {duration(elapsed)} so far, {duration(left)} left"
        text += f", {note}" if note else ""
        say(text)
        self._show(text)

    def _show(self, text: str) -> None:
        if _terminal is None:
            return
        text = in_one_line(without_secrets(text))
        now = time.monotonic()
        finished = self.done >= self.total
        if _terminal.isatty():
            filled = round(20 * self.done / max(self.total, 1))
            bar = "#" * filled + "." * (20 - filled)
            print(f"\r\x1b[K[{bar}] {text}", end="\n" if finished else "", file=_terminal, flush=True)
        elif finished or now - self._last_shown > _SECONDS_BETWEEN_LINES:
            self._last_shown = now
            print(f"  {text}", file=_terminal)


def duration(seconds: float) -> str:
    """A time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
