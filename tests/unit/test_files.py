"""Writing in one step: whole or not at all, and no litter."""

import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from convscope.files import atomic_path, read_json, sha256_of, whole_files, write_json, write_text


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
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "a.json", {"a": float("nan")})
    assert json.loads((tmp_path / "a.json").read_text())["a"] == "é"


def test_sha256_of_a_known_text(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
