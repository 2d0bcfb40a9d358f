"""Which process this is, and whether another one still lives: by machine, start of its system, number and own start.

A process number alone says little: numbers are given out again, after a restart all of them are, and a folder may be shared with
other machines and with containers that count for themselves.
"""

import dataclasses
import functools
import hashlib
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclasses.dataclass(frozen=True)
class Process:
    """A process, for others to look up.

    Attributes:
        host: name of the machine.
        boot: tells one start of its system from all others; "" where the system does not say.
        space: the namespace that its number belongs to (a container has one of its own); "" where there is only one.
        pid: its number there.
        start: when it was started, in the system's own units; "" where the system does not say.
    """

    host: str
    boot: str
    space: str
    pid: int
    start: str

    def as_dict(self) -> dict[str, Any]:
        """For JSON; see `from_dict`."""
        return dataclasses.asdict(self)

    @staticmethod
    def from_dict(value: Any) -> "Process":
        """The process that `as_dict` wrote.

        Raises:
            ValueError: it is nothing of that kind.
        """
        try:
            host, boot, space, start = (str(value[key]) for key in ("host", "boot", "space", "start"))
            return Process(host, boot, space, int(value["pid"]), start)
        except (TypeError, LookupError) as error:
            raise ValueError(f"not a process: {value!r}") from error

    @property
    def tag(self) -> str:
        """Some 30 letters that stand for it in a file's name; see `tag_is_dead`."""
        return f"{_short(self.host, self.space)}-{_short(self.boot)}-{self.pid:x}-{self.start}"


def this_process() -> Process:
    """The process that asks."""
    return local_process(os.getpid())


def local_process(pid: int) -> Process:
    """A process of this machine by its number."""
    return Process(host(), _boot(), _space(), pid, _start_of(pid) or "")


def host() -> str:
    """Name of this machine."""
    return socket.gethostname()


def place() -> str:
    """Six letters for this machine, the same after a restart: where processes are known by number."""
    return _short(host(), _space())


def is_here(process: Process) -> bool:
    """Whether a process ran, or runs, where this one can see it."""
    here = this_process()
    same_machine = process.boot == here.boot if process.boot and here.boot else process.host == here.host
    return same_machine and process.space == here.space


def lives(process: Process) -> bool | None:
    """Whether a process is still there; None where that cannot be told from here (another machine, another container)."""
    if is_here(process):
        return _lives(process.pid, process.start)
    if process.boot and _boot() and process.boot != _boot() and process.host == host():
        return False  # before this machine's last start
    return None


def tag_is_dead(tag: str) -> bool | None:
    """Whether the process of a `Process.tag` is gone; None where that cannot be told from here, or the tag is none."""
    match = re.fullmatch(r"([0-9a-f]{6})-([0-9a-f]{6})-([0-9a-f]+)-(\d*)", tag)
    if not match or match[1] != place():
        return None
    return match[2] != _short(_boot()) or not _lives(int(match[3], 16), match[4])


def _lives(pid: int, start: str) -> bool:
    if start:
        return _start_of(pid) == start
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass  # it is another user's
    return True


def _start_of(pid: int) -> str | None:
    """When a process of this machine was started, in clock ticks since the system's start; None where it is none, or over."""
    try:
        # The name, in parentheses, may hold blanks and parentheses itself.
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        return None if fields[0] in "ZX" else fields[19]
    except (OSError, LookupError):
        return None


@functools.cache
def _boot() -> str:
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        pass
    if sys.platform == "darwin":
        asked = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
        try:
            done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - fixed arguments
            return done.stdout.strip()
        except (OSError, subprocess.SubprocessError):
            pass
    return ""


@functools.cache
def _space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _short(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:6]
