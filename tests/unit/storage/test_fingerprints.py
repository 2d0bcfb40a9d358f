"""What is remembered of files: right after every change, and whoever else writes it down at the same time."""

import multiprocessing
import os
from pathlib import Path

import pytest

from convscope.storage import fingerprints
from convscope.storage.files import sha256_of
from convscope.storage.fingerprints import file_digest, fingerprint


def test_a_large_file_is_read_once_and_again_when_it_was_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, cache = tmp_path / "a.zip", tmp_path / "cache.json"
    read: list[Path] = []
    monkeypatch.setattr(fingerprints, "sha256_of", lambda path: (read.append(path), sha256_of(path))[1])
    file.write_bytes(b"first")
    assert file_digest(file, cache) == sha256_of(file)
    assert not cache.exists()  # too young: a change within the same tick would not show
    monkeypatch.setattr(fingerprints.time, "time_ns", lambda: file.stat().st_ctime_ns + 10**10)
    for _ in range(3):
        assert file_digest(file, cache) == sha256_of(file)
    assert len(read) == 2
    file.write_bytes(b"other")
    assert file_digest(file, cache) == sha256_of(file)
    cache.write_text("nonsense")
    assert file_digest(file, cache) == sha256_of(file)


def ask_often(folder: str, cache: str, wanted: str) -> None:
    for _ in range(100):
        assert fingerprint(folder, cache) == wanted
        Path(cache).unlink(missing_ok=True)  # so that it is written again


def test_two_runs_remember_in_the_same_file(tmp_path: Path) -> None:
    folder, cache = tmp_path / "pictures", tmp_path / "cache.json"
    folder.mkdir()
    for number in range(20):
        (folder / f"{number}.png").write_bytes(bytes([number]))
        os.utime(folder / f"{number}.png", (1, 1))
    wanted = fingerprint(folder)
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=ask_often, args=(str(folder), str(cache), wanted)) for _ in range(3)]
    for process in others:
        process.start()
    for process in others:
        process.join()
    assert [process.exitcode for process in others] == [0, 0, 0]
    assert {path.name for path in tmp_path.iterdir()} <= {"pictures", "cache.json"}


def test_folders_without_files_of_their_own_count(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "train" / "cat").mkdir(parents=True)
    (folder / "train" / "cat" / "1.png").write_bytes(b"x")
    seen = [fingerprint(folder)]
    (folder / "train" / "dog").mkdir()  # a class, though an empty one
    seen.append(fingerprint(folder))
    (folder / "again").symlink_to("train")  # a split of the same pictures, whichever of the two is looked into first
    seen.append(fingerprint(folder))
    (folder / "again").rename(folder / "validation")
    seen.append(fingerprint(folder))
    (folder / "validation").unlink()
    assert fingerprint(folder) == seen[1]
    assert len(set(seen)) == len(seen)
