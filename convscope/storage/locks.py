"""Locks that say who holds them: they end with a process however it dies, and are never taken from one that lives.

A lock is a file. It is made in one step, by whoever comes first from whatever machine, names its holder (machine, start of the
system, process and its start), and its holder also has the kernel's lock on it. The kernel's lock alone would not do: many
shared file systems keep it to one machine. The file alone would not do: it outlives a `kill -9`. So a lock of this machine is
live while its process or the kernel's lock lives, and gone otherwise; one of another machine is left to people.
"""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from convscope.storage.processes import Process, lives, this_process

# EBADF: NFS, of a file that is open for reading only.
_UNSUPPORTED = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL, errno.EBADF)
_NO_LINKS = (errno.EPERM, errno.EMLINK, errno.EXDEV, *_UNSUPPORTED)
_SECONDS_TO_WRITE = 10.0
_LOOKS, _BETWEEN_LOOKS = 20, 0.05
_PAUSE = 0.5


@dataclasses.dataclass(frozen=True)
class Holder:
    """Who holds a lock: the process (None where its file cannot be read), since when, and whether it is known to live."""

    process: Process | None
    since: str
    token: str
    known_to_live: bool

    def __str__(self) -> str:
        if self.process is None:
            return "an unknown process"
        since = f", since {self.since}" if self.since else ""
        return f"process {self.process.pid} on {self.process.host}{since}"


class Lock:
    """A lock on a file's name; see the module.

    Args:
        path: the lock's file; its folder is made.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.token = secrets.token_hex(8)
        self._descriptor: int | None = None

    def acquire(self) -> Holder | None:
        """Take the lock if nobody has it; None, or who has it.

        Raises:
            OSError: the place cannot be written.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        mine = self.path.with_name(f".{self.path.name}.{self.token}")
        descriptor = self._write(mine)
        looks = 0
        try:
            while not self._put(mine, descriptor):
                looks += 1
                holder = _look(self.path, clear=True)
                if holder is None:
                    continue
                if holder.process is None or lives(holder.process) is not False or looks > _LOOKS:
                    return holder
                # The process is gone and the kernel's lock is not: somebody else looks at it just now.
                time.sleep(_BETWEEN_LOOKS)
            return None
        finally:
            mine.unlink(missing_ok=True)
            if self._descriptor != descriptor:
                os.close(descriptor)

    def release(self) -> None:
        """Give the lock back, if it is still this one's."""
        if self._descriptor is None:
            return
        with contextlib.suppress(OSError):
            if _read(self.path).token == self.token:
                self.path.unlink(missing_ok=True)
        os.close(self._descriptor)
        self._descriptor = None

    def _put(self, mine: Path, descriptor: int) -> bool:
        """Give the written file the lock's name, unless that is taken."""
        try:
            try:
                os.link(mine, self.path)
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
                # Without links the file is there a moment before it says whose it is.
                descriptor = self._write(self.path)
        except FileExistsError:
            return False
        self._descriptor = descriptor
        return True

    def _write(self, path: Path) -> int:
        """Make a file that names this process, and hold the kernel's lock on it: its descriptor."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        value = {
            "process": this_process().as_dict(),
            "since": time.strftime("%Y-%m-%d %H:%M"),
            "token": self.token,
        }
        try:
            os.write(descriptor, json.dumps(value).encode())
            os.fsync(descriptor)  # after a power cut it must not be empty
        except OSError:  # a full disk
            path.unlink(missing_ok=True)
            os.close(descriptor)
            raise
        _kernel_lock(descriptor)
        return descriptor


def holder_of(path: str | os.PathLike[str]) -> Holder | None:
    """Who holds a lock; None where nobody does, or a process that is gone."""
    return _look(Path(path), clear=False)


@contextlib.contextmanager
def waiting_for(path: str | os.PathLike[str], say: Callable[[str], object] = print) -> Iterator[None]:
    """Hold a lock within the block; wait for it where another process of this machine has it, and say so once.

    For locks that only one machine's processes ask for: nobody else's is waited for.
    """
    lock = Lock(path)
    said = False
    while (holder := lock.acquire()) is not None and holder.known_to_live:
        if not said:
            say(f"waiting for {holder}")
            said = True
        time.sleep(_PAUSE)
    try:
        yield
    finally:
        lock.release()


def _look(path: Path, clear: bool) -> Holder | None:
    """Who holds a lock; None where nobody does. With `clear`, what a dead process left is removed."""
    try:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except PermissionError:  # another user's
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        # Whoever has the kernel's lock may remove the file: nobody else of this machine does at the same time.
        free = _kernel_lock(descriptor)
        holder = _read(path)
        if free is False:
            return dataclasses.replace(holder, known_to_live=True)
        # Of the future is what was written before the clock was set back.
        young = abs(time.time() - os.fstat(descriptor).st_mtime) < _SECONDS_TO_WRITE
        if holder.process is None:
            if young:
                return dataclasses.replace(holder, known_to_live=True)  # being written
            return holder
        alive = lives(holder.process)
        if alive is None and free and holder.process.boot == this_process().boot != "":
            alive = False  # another container's, and the kernel is the same: it says that nobody has it
        if alive and free and not young and not holder.process.start:
            alive = False  # where processes do not tell when they began, the number may be another's by now: the holder has its lock
        if alive is None:
            return holder
        if alive:
            return dataclasses.replace(holder, known_to_live=True)
        try:
            if clear and os.fstat(descriptor).st_ino == path.stat().st_ino:
                path.unlink()
        except FileNotFoundError:
            pass
        except OSError:
            return holder  # another user's, in a folder where only its owner removes
        return None
    finally:
        os.close(descriptor)


def _kernel_lock(descriptor: int) -> bool | None:
    """Take the kernel's lock on a file: whether nobody else has it; None where the file system has no such locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return None if error.errno in _UNSUPPORTED else False
    return True


def _read(path: Path) -> Holder:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        return Holder(Process.from_dict(value["process"]), str(value["since"]), str(value["token"]), False)
    except (OSError, ValueError, TypeError, LookupError):
        return Holder(None, "", "", False)
