"""Strangers' files are looked at in processes of their own: what a decoder does on damaged bytes takes one file with it, no more.

Decoders are C. Most of what is wrong in a file they report, some of it ends or stops their process. Here that is a reader: a copy of a
small process (the keeper) that has imported what reads pictures and nothing else. A reader that ends is told by its keeper, which
makes another one. What the two sides say to each other is JSON, a line each.
"""

import contextlib
import importlib
import json
import os
import queue
import resource
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, Self

from convscope.errors import BadImage, UserError

# Of computing, not of waiting: a slow disk makes no picture bad. Some of 100 million pixels take half a minute.
SECONDS = 120
# Address space of a reader: several times what 100 million pixels need.
MEMORY = 8 << 30
_PATIENCE = 5
_KEEPER = """
import importlib.util, sys
found = importlib.util.spec_from_file_location("convscope", sys.argv[1])
sys.modules["convscope"] = importlib.util.module_from_spec(found)
found.loader.exec_module(sys.modules["convscope"])
from convscope.pictures.apart import keep
keep([int(number) for number in sys.argv[2:]])
"""


class Readers:
    """Processes that look at files; a context, whose end is theirs.

    Args:
        count: files looked at side by side; as many threads may call.
        seconds: of computing, after which one file is given up.
    """

    def __init__(self, count: int, seconds: int = SECONDS) -> None:
        self.count, self.seconds = max(count, 1), seconds
        self._free: queue.SimpleQueue[_Connection] = queue.SimpleQueue()
        self._connections: list[_Connection] = []
        self._keeper: subprocess.Popen[bytes] | None = None
        self._start = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for connection in self._connections:
            connection.close()
        if self._keeper:
            # One that is still at work, since this process gives up, ends by its own limit.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._keeper.wait(_PATIENCE)

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What a function says of a file, as JSON has it: tuples are lists.

        Args:
            function: of a module of this library, by which the reader finds it.
            arguments: what JSON can hold.

        Raises:
            BadImage: the function's own, or what it did to its process.
        UserError: the function's own.
        """
        with self._start:
            if self._keeper is None:
                self._keeper = self._started()
        connection = self._free.get()
        try:
            return connection.ask([self.seconds, function.__module__, function.__qualname__, arguments])
        finally:
            self._free.put(connection)

    def _started(self) -> subprocess.Popen[bytes]:
        ours, theirs = zip(*(socket.socketpair() for _ in range(self.count)), strict=True)
        numbers = [end.fileno() for end in theirs]
        package = Path(__file__).parents[1] / "__init__.py"
        keeper = subprocess.Popen(  # noqa: S603
            [sys.executable, "-P", "-c", _KEEPER, str(package), *map(str, numbers)],
            pass_fds=numbers,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        )
        for end in theirs:
            end.close()
        self._connections = [_Connection(end) for end in ours]
        for connection in self._connections:
            self._free.put(connection)
        return keeper


class _Connection:
    """One reader after another, as the main process sees them."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._lines = end.makefile("rw", encoding="utf-8", newline="\n")
        self._asked = 0

    def close(self) -> None:
        """Let the reader end."""
        with contextlib.suppress(OSError):
            self._lines.close()
        self._end.close()

    def ask(self, request: list[Any]) -> Any:
        self._asked += 1
        # What ends a reader may be left by the file before: it is asked for once more, of a fresh one.
        for last in (False, True):
            self._say([self._asked, *request])
            number, kind, said = self._hear()
            while kind != "ended" and number != self._asked:
                number, kind, said = self._hear()
            if kind == "good":
                return said
            if kind != "ended":
                raise _RAISED[kind](said)
            if last:
                break
        raise BadImage(_why(said, request[0]))

    def _say(self, message: list[Any]) -> None:
        try:
            self._lines.write(json.dumps(message) + "\n")
            self._lines.flush()
        except OSError:
            raise _KeeperEnded from None

    def _hear(self) -> list[Any]:
        try:
            line = self._lines.readline()
        except OSError:
            line = ""
        if not line:
            raise _KeeperEnded
        return list(json.loads(line))


_RAISED: dict[str, type[Exception]] = {"bad": BadImage, "mistake": UserError, "failed": RuntimeError}


class _KeeperEnded(RuntimeError):
    def __init__(self) -> None:
        super().__init__("the process that looks at pictures was ended from outside; run again")


def _why(number: int, seconds: int) -> str:
    if number == signal.SIGPROF:
        return f"damaged: not read within {seconds} seconds of computing"
    if number == signal.SIGKILL:
        return "its reader was killed, perhaps for want of memory"
    name = signal.Signals(number).name if number > 0 else f"status {-number}"
    return f"damaged: its reader crashed on it ({name})"


def keep(numbers: list[int]) -> None:
    """The keeper's work: a reader for each end of a connection, and another one where it ends otherwise than by its end.

    Args:
        numbers: file descriptors of sockets.
    """
    importlib.import_module("convscope.pictures.describe")
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with the main process, which hears of it, too
    ends = [socket.socket(fileno=number) for number in numbers]
    readers = {_fork(end, ends): end for end in ends}
    while readers:
        process, status = os.wait()
        end = readers.pop(process)
        code = os.waitstatus_to_exitcode(status)
        if code == 0:
            continue
        try:
            end.sendall(json.dumps([0, "ended", -code]).encode() + b"\n")
        except OSError:
            continue  # nobody listens any more
        readers[_fork(end, ends)] = end


def _fork(end: socket.socket, ends: list[socket.socket]) -> int:
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        for other in ends:
            if other is not end:
                other.close()
        _bound_memory()
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        # Decoders print a line for each strange tag of a file. What matters of it is the reason that is listed.
        log = os.fdopen(os.dup(2), "w")
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        _answer(end, log)
        status = 0
    finally:
        os._exit(status)


def _bound_memory() -> None:
    """Bound this process' address space, where it is not bounded more tightly already: some clusters bound every job's."""
    told, most = resource.getrlimit(resource.RLIMIT_AS)
    bounds = [MEMORY, *(bound for bound in (told, most) if bound != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), most))


def _answer(end: socket.socket, log: IO[str]) -> None:
    """A reader's work, until nobody asks any more."""
    with end.makefile("rw", encoding="utf-8", newline="\n") as lines:
        while line := lines.readline():
            number, seconds, module, name, arguments = json.loads(line)
            function = getattr(importlib.import_module(module), name)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            try:
                answer = [number, "good", function(*arguments)]
            except BadImage as error:
                answer = [number, "bad", str(error)]
            except UserError as error:
                answer = [number, "mistake", str(error)]
            except Exception as error:
                traceback.print_exc(file=log)
                log.flush()
                answer = [number, "failed", f"{type(error).__name__}: {error}"]
            signal.setitimer(signal.ITIMER_PROF, 0)
            lines.write(json.dumps(answer) + "\n")
            lines.flush()
