"""Read many damaged pictures of every format in processes of bounded memory and time, and print each that is not read or refused.

`make fuzz FORMAT=PNG FIRST=71 N=1 ARGS="--keep folder"` reads one again and writes what is at fault to a folder.
"""

import argparse
import contextlib
import dataclasses
import mmap
import os
import resource
import signal
import struct
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.fuzz_pictures.mutations import mutant
from tests.fuzz_pictures.seeds import FORMATS, SUFFIXES, seeds_of

SECONDS_A_FILE = 20
MEMORY = 3 << 30  # address space of a process, bytes
MOST_MORE = 200 << 20  # by which one file may raise the most that its process ever held
A_PROCESS = 5000
MOST_SAID = (
    100  # bytes that readers may print for each of a file, read eight times: a line for each strange tag of a TIFF
)
_STATE = struct.Struct("qqqq")  # the file that is being read, and how many were read, refused, at fault


@dataclasses.dataclass
class Tally:
    """What became of a format's files."""

    read: int = 0
    listed: int = 0
    faults: int = 0
    seconds: float = 0.0
    peak: int = 0

    def text(self, kind: str, files: int) -> str:
        return (
            f"{kind}: {files} files, {self.read} read, {self.listed} listed, {self.faults} at fault, {self.seconds:.0f} s, "
            f"at most {self.peak >> 20} MiB"
        )


def main(arguments: list[str] | None = None) -> int:
    """Read them; the exit status says whether any was at fault."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--first", type=int, default=0, help="number of the first file of each format")
    parser.add_argument("--count", type=int, default=100_000, help="files of each format")
    parser.add_argument("--format", choices=("ALL", *FORMATS), default=["ALL"], nargs="+", type=str.upper)
    parser.add_argument("--keep", type=Path, help="folder for the files that are at fault")
    args = parser.parse_args(arguments)
    kinds = FORMATS if "ALL" in args.format else args.format
    bad = 0
    for kind in kinds:
        tally = fuzz(kind, args.first, args.count, args.keep)
        print(tally.text(kind, args.count), flush=True)
        bad += tally.faults
    return 1 if bad else 0


def fuzz(kind: str, first: int, count: int, keep: Path | None = None) -> Tally:
    """Read so many files of a format from a number on, in processes of their own."""
    seeds_of(kind)  # made here, where the children find them
    import tests.fuzz_pictures.checks  # noqa: F401

    tally, began, last = Tally(), time.monotonic(), first + count
    shared = mmap.mmap(-1, _STATE.size)
    with tempfile.TemporaryDirectory(dir=_fast_folder()) as folder:
        while first < last:
            end = min(last, first + A_PROCESS)
            shared[:] = _STATE.pack(first, 0, 0, 0)
            sys.stdout.flush()
            child = os.fork()
            if not child:
                _read(kind, first, end, Path(folder), shared, keep)
            _, status, usage = os.wait4(child, 0)
            number, read, listed, faults = _STATE.unpack(shared[:])
            tally.read, tally.listed, tally.faults = tally.read + read, tally.listed + listed, tally.faults + faults
            tally.peak = max(tally.peak, usage.ru_maxrss << 10)
            first = end
            if status:
                tally.faults += 1
                _tell(kind, number, _end_of(status), keep)
                first = number + 1
    tally.seconds = time.monotonic() - began
    return tally


def _end_of(status: int) -> str:
    number = os.waitstatus_to_exitcode(status)
    if number == -signal.SIGALRM:
        return f"not read within {SECONDS_A_FILE} s"
    return f"the process ended ({signal.Signals(-number).name})" if number < 0 else f"the process ended with {number}"


def _fast_folder() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108


def _tell(kind: str, number: int, what: str, keep: Path | None) -> None:
    print(f"{kind} {number}: {what}", flush=True)
    if keep:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{kind}-{number}{SUFFIXES.get(kind, '')}").write_bytes(mutant(kind, number))


def _read(kind: str, first: int, end: int, folder: Path, shared: mmap.mmap, keep: Path | None) -> None:
    """The child's work; it never returns."""
    from tests.fuzz_pictures.checks import outcome

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    path, said = folder / f"picture{SUFFIXES.get(kind, '')}", folder / "said"
    counts: Counter[str] = Counter()
    terminal = os.dup(2)
    words = os.open(said, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    os.dup2(words, 2)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    status = 70
    try:
        for number in range(first, end):
            shared[:] = _STATE.pack(number, counts["read"], counts["listed"], counts["fault"])
            size = path.write_bytes(mutant(kind, number))
            signal.setitimer(signal.ITIMER_REAL, SECONDS_A_FILE)
            try:
                counts[outcome(path, number)] += 1
                fault = ""
            except Exception as error:
                fault = f"{type(error).__name__}: {str(error)[:500]}"
            signal.setitimer(signal.ITIMER_REAL, 0)
            sys.stderr.flush()
            if (length := os.fstat(words).st_size) > MOST_SAID * max(size, 200):
                printed = os.pread(words, 300, 0).decode(errors="replace").strip()
                fault = fault or f"prints {length} bytes: {printed}"
            if length:
                os.ftruncate(words, 0)
                os.lseek(words, 0, os.SEEK_SET)
            now = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            if now - most > MOST_MORE >> 10:
                fault = fault or f"took {(now - most) >> 10} MiB"
            most = max(most, now)
            if fault:
                counts["fault"] += 1
                _tell(kind, number, fault, keep)
        shared[:] = _STATE.pack(end, counts["read"], counts["listed"], counts["fault"])
        status = 0
    finally:
        with contextlib.suppress(OSError):
            os.dup2(terminal, 2)
        sys.stdout.flush()
        os._exit(status)


if __name__ == "__main__":
    sys.exit(main())
