"""Locks of dead processes go, locks of live ones stay, and of two that come at once one gets it."""

import contextlib
import dataclasses
import errno
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from convscope.storage import locks, processes
from convscope.storage.locks import Lock, holder_of, waiting_for
from convscope.storage.processes import this_process
from tests.disks import small_disk

PROGRAM = """
import sys
from pathlib import Path
from convscope.storage.locks import Lock
holder = Lock(sys.argv[1]).acquire()
print(holder.process.pid if holder else "mine", flush=True)
sys.stdin.read()
"""


def start(root: Path, lock: Path) -> tuple["subprocess.Popen[str]", str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(lock)], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    return process, process.stdout.readline().strip()


def end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    assert process.stdin and process.stdout
    process.stdin.close()
    process.stdout.close()


@pytest.fixture(params=["kernel locks", "no kernel locks", "no links"])
def file_system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a place can do; the others of a test are processes of their own and can do all."""

    def refuse(*args: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "not supported")

    if request.param == "no kernel locks":
        monkeypatch.setattr(fcntl, "flock", refuse)
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("file_system")
def test_a_lock_lasts_as_long_as_its_process(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.lock"
    other, said = start(root, path)
    assert said == "mine"
    holder = Lock(path).acquire()
    assert holder and holder.known_to_live and holder.process and holder.process.pid == other.pid
    assert str(holder).startswith(f"process {other.pid} on ") and ", since 20" in str(holder)
    assert holder_of(path) == holder
    end(other)
    assert holder_of(path) is None and path.exists()
    lock = Lock(path)
    assert lock.acquire() is None
    third, said = start(root, path)
    end(third)
    assert said == str(os.getpid())
    lock.release()
    assert list(path.parent.iterdir()) == []


@pytest.mark.usefixtures("file_system")
def test_of_many_that_find_a_dead_ones_lock_one_gets_it(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    dead, _ = start(root, path)
    end(dead)
    many = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(path)],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    said = [process.stdout.readline().strip() for process in many if process.stdout]
    winner = next(process for process, line in zip(many, said, strict=True) if line == "mine")
    assert sorted(said) == sorted(["mine"] + 5 * [str(winner.pid)])
    holder = Lock(path).acquire()
    assert holder and holder.process and holder.process.pid == winner.pid
    for process in many:
        end(process)


def written(path: Path, **other: object) -> None:
    process = dataclasses.replace(this_process(), **other)  # type: ignore[arg-type]
    path.write_text(json.dumps({"process": process.as_dict(), "since": "2026-01-01 10:00", "token": "t"}))


def test_another_machines_lock_is_never_cleared(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    written(path, host="login2", boot="another")
    before = path.read_bytes()
    holder = Lock(path).acquire()  # the kernel of this machine knows of no lock on it
    assert holder and not holder.known_to_live
    assert str(holder) == f"process {os.getpid()} on login2, since 2026-01-01 10:00"
    assert path.read_bytes() == before


def test_a_lock_from_before_the_restart_is_nobodys(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    written(path, boot="before")
    assert Lock(path).acquire() is None


def test_a_number_given_out_again_holds_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    written(path, start="1")
    assert Lock(path).acquire() is None


def test_without_starts_of_processes_the_kernel_tells_whose_number_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS."""
    monkeypatch.setattr(processes, "_start_of", lambda pid: None)
    path = tmp_path / "a.lock"
    written(path, start="")  # of a process that lives, and knows nothing of it
    os.utime(path, (time.time() - 60,) * 2)
    with path.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        holder = holder_of(path)
        assert holder and holder.known_to_live
    lock = Lock(path)
    assert lock.acquire() is None
    os.utime(path, (time.time() - 60,) * 2)
    holder = holder_of(path)
    assert holder and holder.known_to_live
    lock.release()


def test_a_containers_lock_is_the_kernels_to_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.lock"
    written(path, space="pid:[1]", host="container")
    with path.open() as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        monkeypatch.setattr(locks, "_LOOKS", 0)
        holder = Lock(path).acquire()
        assert holder and holder.known_to_live
    assert Lock(path).acquire() is None


def test_a_damaged_lock_is_for_people_once_it_is_no_longer_being_written(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    path.write_text("")
    holder = Lock(path).acquire()
    assert holder and holder.known_to_live
    os.utime(path, (time.time() - 60,) * 2)
    holder = Lock(path).acquire()
    assert holder and not holder.known_to_live and str(holder) == "an unknown process"


def test_a_lock_that_has_no_room_leaves_nothing(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 0.0625) as disk:
        (disk / "runs").mkdir()
        with contextlib.suppress(OSError):
            (disk / "other").write_bytes(bytes(100_000))
        with pytest.raises(OSError, match="No space left"):
            Lock(disk / "runs" / "a.lock").acquire()
        assert list((disk / "runs").iterdir()) == []


def test_a_damaged_lock_of_the_future_is_not_being_written(tmp_path: Path) -> None:
    """Whoever left it, the clock was set back since."""
    path = tmp_path / "a.lock"
    path.write_text("")
    tomorrow = time.time() + 86400
    os.utime(path, (tomorrow, tomorrow))
    holder = Lock(path).acquire()
    assert holder is not None and not holder.known_to_live


def test_a_dead_users_lock_that_cannot_be_removed_is_for_people(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.lock"
    written(path, start="1")
    unlink = Path.unlink

    def refuse(self: Path, missing_ok: bool = False) -> None:
        if self == path:
            raise PermissionError(errno.EPERM, "not yours")
        unlink(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    holder = Lock(path).acquire()
    assert holder and not holder.known_to_live and [file.name for file in tmp_path.iterdir()] == ["a.lock"]


def test_what_is_no_longer_ones_own_is_not_released(tmp_path: Path) -> None:
    lock = Lock(tmp_path / "a.lock")
    assert lock.acquire() is None
    lock.path.unlink()
    other = Lock(tmp_path / "a.lock")
    assert other.acquire() is None
    lock.release()
    assert other.path.exists()
    other.release()
    other.release()
    assert list(tmp_path.iterdir()) == []


def test_waiting_ends_with_the_process_waited_for(root: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    other, _ = start(root, path)
    said: list[str] = []

    def say(text: str) -> None:
        said.append(text)
        end(other)

    with waiting_for(path, say):
        assert said and said[0].startswith(f"waiting for process {other.pid} on ")
    with waiting_for(path, said.append):
        pass
    assert len(said) == 1 and list(tmp_path.iterdir()) == []
