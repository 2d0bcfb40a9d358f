"""Large files made on a node's own disk: the same bytes in their place, and nothing left where they were made."""

import errno
import multiprocessing
import time
from pathlib import Path

import numpy as np
import pytest

from convscope.errors import UserError
from convscope.jobs.disk_errors import told
from convscope.storage import files, store
from convscope.storage.chunks import ChunkWriter
from convscope.storage.files import built_on
from convscope.storage.node_disk import VARIABLE, own_disk
from tests.disks import small_disk

MAPS = np.random.default_rng(0).normal(size=(4, 64, 64, 64)).astype("float16")


def write(path: Path) -> bytes:
    with store.create(path, page_aligned=True, model="net") as file:
        writer = ChunkWriter(file)
        writer.dataset("maps", MAPS.shape, MAPS.dtype, (1, *MAPS.shape[1:]))
        for image in range(len(MAPS)):
            writer.write("maps", (image, 0, 0, 0), MAPS[image])
        writer.close()
        assert file.filename != str(path)
    return path.read_bytes()


def test_the_same_file_by_way_of_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at_once = write(tmp_path / "a.h5")
    fast = tmp_path / "fast"
    fast.mkdir()
    monkeypatch.setenv("NODE", str(fast))
    monkeypatch.setenv(VARIABLE, "$NODE")
    seen: list[str] = []
    usual = files.shutil.copyfile

    def noted(source: Path, target: Path) -> None:
        seen.append(str(source))
        usual(source, target)

    monkeypatch.setattr(files.shutil, "copyfile", noted)
    assert write(tmp_path / "place" / "a.h5") == at_once
    assert [Path(name).parent for name in seen] == [fast]
    assert not list(fast.iterdir()) and [path.name for path in (tmp_path / "place").iterdir()] == ["a.h5"]
    assert (tmp_path / "place" / "a.h5").stat().st_mode == (tmp_path / "a.h5").stat().st_mode


def test_an_error_leaves_nothing_on_either_disk(tmp_path: Path) -> None:
    fast = tmp_path / "fast"
    fast.mkdir()
    (tmp_path / "a.h5").write_text("old")
    with pytest.raises(ZeroDivisionError), built_on(fast, tmp_path / "a.h5") as temporary:
        assert temporary.parent == fast
        raise ZeroDivisionError
    assert not list(fast.iterdir()) and (tmp_path / "a.h5").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 2


def forever(folder: Path, path: Path) -> None:
    with built_on(folder, path):
        time.sleep(60)


def test_what_a_killed_writer_left_there_goes(tmp_path: Path) -> None:
    fast = tmp_path / "fast"
    fast.mkdir()
    process = multiprocessing.get_context("fork").Process(target=forever, args=(fast, tmp_path / "a.h5"))
    process.start()
    while not list(fast.iterdir()):
        time.sleep(0.01)
    process.kill()
    process.join()
    files._leftovers.cache_clear()
    with built_on(fast, tmp_path / "a.h5") as temporary:
        assert list(fast.iterdir()) == [temporary]
    assert not list(fast.iterdir()) and [path.name for path in tmp_path.glob("*.h5")] == ["a.h5"]


def test_what_another_user_left_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that all users of a node share, as /tmp: there only the owner of a file removes it."""
    fast = tmp_path / "fast"
    fast.mkdir()
    process = multiprocessing.get_context("fork").Process(target=forever, args=(fast, tmp_path / "a.h5"))
    process.start()
    while not (left := list(fast.iterdir())):
        time.sleep(0.01)
    process.kill()
    process.join()
    files._leftovers.cache_clear()
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path in left:
            raise PermissionError(errno.EPERM, "Operation not permitted", str(path))
        unlink(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", refused)
    with built_on(fast, tmp_path / "a.h5") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "a.h5").read_text() == "new" and list(fast.iterdir()) == left


def test_a_full_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with small_disk(tmp_path / "fast", 1) as disk:
        monkeypatch.setenv(VARIABLE, str(disk))
        with pytest.raises(OSError) as caught:
            write(tmp_path / "a.h5")
        assert told(caught.value, [tmp_path / "a.h5"]).startswith(f"{disk}: too little space is left (")
        assert not list(disk.iterdir()) and not (tmp_path / "a.h5").exists()


@pytest.mark.parametrize(
    ("named", "said"),
    [
        ("$NOT_SET_HERE/x", "is not set on"),
        ("$EMPTY", "no whole path"),
        ("fast", "no whole path"),
        ("/nowhere/at/all", "no folder on"),
        ("/etc/hostname", "no folder on"),
    ],
)
def test_one_that_is_none(named: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv(VARIABLE, named)
    with pytest.raises(UserError, match=said) as caught:
        own_disk()
    assert str(caught.value).startswith(f"{VARIABLE}={named}: ") and "take it away" in str(caught.value)


def test_none_is_the_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    for value in (None, ""):
        monkeypatch.delenv(VARIABLE, raising=False) if value is None else monkeypatch.setenv(VARIABLE, value)
        assert own_disk() is None
