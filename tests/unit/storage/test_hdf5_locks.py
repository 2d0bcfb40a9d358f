"""HDF5 files are written and read without locks: file systems of clusters often have none, and a file has one writer."""

import fcntl
from pathlib import Path

import h5py

from convscope.storage.store import create, open_file


def is_locked(path: str) -> bool:
    with Path(path).open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_nothing_is_locked(tmp_path: Path) -> None:
    with create(tmp_path / "maps.h5") as file:
        file["maps"] = [1.0]
        assert not is_locked(file.filename)
    with open_file(tmp_path / "maps.h5") as file:
        assert not is_locked(file.filename)
    with h5py.File(tmp_path / "other.h5", "w", locking=True) as file:
        assert is_locked(file.filename), "and it would be seen"
