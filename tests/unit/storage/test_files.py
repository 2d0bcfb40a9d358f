"""Writing in one step: whole or not at all, and no litter."""

import contextlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from convscope.storage import files, runs
from convscope.storage.files import (
    atomic_path,
    read_json,
    remove_unfinished,
    sha256_of,
    whole_files,
    write_json,
    write_text,
)
from convscope.storage.processes import this_process


def test_it_appears_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "file.csv"
    with atomic_path(target) as temporary:
        assert temporary.suffix == ".csv" and temporary.parent == target.parent
        temporary.write_text("all of it")
        assert not target.exists()
    assert target.read_text() == "all of it"
    assert list(target.parent.iterdir()) == [target]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def write_forever(target: Path) -> None:
    with atomic_path(target) as temporary:
        temporary.write_text("half")
        time.sleep(60)


@contextlib.contextmanager
def writer_of(target: Path) -> Iterator[int]:
    """Another process that is in the middle of writing a file; its number."""
    process = multiprocessing.get_context("fork").Process(target=write_forever, args=(target,))
    process.start()
    while not any("half" in file.read_text() for file in target.parent.glob(".*")):
        time.sleep(0.01)
    assert process.pid
    yield process.pid
    process.kill()
    process.join()


FAMILY = "pattern_grid_of_the_network_for_layer_block10_residual_sepconv"  # more than fifty letters


@pytest.mark.parametrize("other", [f"{FAMILY}2.png", f"{FAMILY}1.png", f"{FAMILY}1.png.png"])
def test_a_writer_at_work_keeps_its_file_whatever_the_others_are_called(tmp_path: Path, other: str) -> None:
    with writer_of(tmp_path / f"{FAMILY}1.png"):
        (at_work,) = tmp_path.iterdir()
        files._leftovers.cache_clear()
        write_text(tmp_path / other, "whole")
        assert sorted(tmp_path.iterdir()) == sorted([at_work, tmp_path / other])
    files._leftovers.cache_clear()
    write_text(tmp_path / f"{FAMILY}1.png", "whole")  # now it is dead
    assert at_work not in tmp_path.iterdir()


@pytest.mark.parametrize(
    "name", ["x" * 251 + ".csv", "é" * 125 + ".csv", "a." + "b" * 250, "." + "h" * 200, "\udcff" * 255]
)
def test_names_of_any_length_are_written(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with atomic_path(target) as temporary:
        assert len(os.fsencode(temporary.name)) < 143  # the limit of an encrypted home
        assert target.suffix != ".csv" or temporary.suffix == ".csv"
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_another_machine_left_stays_for_a_week(tmp_path: Path) -> None:
    target = tmp_path / "few.csv"
    with atomic_path(target) as temporary:
        own = this_process().tag
        other = temporary.with_name(temporary.name.replace(own, "0" * 6 + own[6:]))
        before = temporary.with_name(temporary.name.replace(own, own[:7] + "0" * 6 + own[13:]))
    for path in (other, before):
        path.write_text("half")
    files._leftovers.cache_clear()
    write_text(target, "whole")
    # This machine's last start ended all that ran before it; of another machine nothing is known.
    assert other.exists() and not before.exists()
    os.utime(other, (time.time() - 8 * 86400,) * 2)
    files._leftovers.cache_clear()
    write_text(target, "whole")
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_takes_its_place_once_the_run_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model.h5"
    target.write_text("of the new run")
    run = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    run.start()
    pid = run.pid
    assert pid
    monkeypatch.setenv(runs.VARIABLE, runs.as_text(runs.Run(runs.local_process(pid), "", "")))
    write_text(tmp_path / "early.txt", "while it lives")
    with (
        pytest.raises(runs.RunEnded, match="the run that started this job has ended"),
        atomic_path(target) as temporary,
    ):
        temporary.write_text("of the old run")
        os.kill(pid, signal.SIGKILL)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)  # gone, though nobody has asked for its exit code yet
    run.join()
    assert target.read_text() == "of the new run"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["early.txt", "model.h5"]


def test_a_process_that_ends_at_once_removes_what_it_was_writing(tmp_path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), atomic_path(tmp_path / "file.txt") as temporary:
        temporary.write_text("half")
        remove_unfinished()
        assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_just_after_a_temporary_file_is_made_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(handle: int) -> None:
        closed(handle)
        assert len(list(tmp_path.iterdir())) == 1
        raise KeyboardInterrupt

    closed = os.close
    monkeypatch.setattr(os, "close", interrupted)
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "file.txt"):
        pytest.fail("the block was entered")
    monkeypatch.undo()
    assert list(tmp_path.iterdir()) == [] and not files._unfinished


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path: Path) -> None:
    target, other = tmp_path / "few.csv", tmp_path / "few.bad.csv"
    for path in (target, other):
        process = multiprocessing.get_context("fork").Process(target=write_forever, args=(path,))
        process.start()
        while not any("half" in file.read_text() for file in tmp_path.glob(f".{path.name}.*")):
            time.sleep(0.01)
        assert process.pid
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert not target.exists()
    assert len(list(tmp_path.iterdir())) == 2
    write_text(target, "whole")
    left = sorted(path.name for path in tmp_path.iterdir())
    assert len(left) == 2  # the other file's is not this writer's to remove
    assert left[0].startswith(".few.bad.csv.") and left[1] == "few.csv"
    assert target.read_text() == "whole"


def test_what_is_not_finished_is_not_listed(tmp_path: Path) -> None:
    for name in ("b.npz", "a.npz"):
        write_text(tmp_path / name, name)
    with atomic_path(tmp_path / "c.npz") as temporary:
        assert temporary in tmp_path.glob("*.npz")
        assert [path.name for path in whole_files(tmp_path, "*.npz")] == ["a.npz", "b.npz"]
    assert [path.name for path in whole_files(tmp_path.parent, f"{tmp_path.name}/*.npz")] == ["a.npz", "b.npz", "c.npz"]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        write_text(tmp_path / "file", "x")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


def test_json_is_stable_and_strict(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"b": [1, 2.5], "a": "é"})
    write_json(tmp_path / "b.json", {"a": "é", "b": [1, 2.5]})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert read_json(tmp_path / "a.json") == {"a": "é", "b": [1, 2.5]}
    (tmp_path / "deep.json").write_text("[" * 200_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(tmp_path / "deep.json")
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text())["a"] == "é"


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
