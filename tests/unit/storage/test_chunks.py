"""Chunks written past the system's cache: the same file by every way, and read back by HDF5 alone."""

import errno
import mmap
import os
from pathlib import Path

import numpy as np
import pytest

from convscope.storage import store
from convscope.storage.chunks import PAGE, ChunkWriter, rows_of_a_chunk


def written(path: Path, maps: np.ndarray, chunk: tuple[int, ...], page_aligned: bool = True) -> tuple[bytes, int]:
    """The file's bytes, and how many of the maps went through the cache."""
    with store.create(path, page_aligned=page_aligned) as file:
        writer = ChunkWriter(file)
        writer.dataset("maps", maps.shape, maps.dtype, chunk)
        cached = sum(
            writer.write("maps", (image, row, 0, 0), maps[image, row : row + chunk[1]])
            for image in range(len(maps))
            for row in range(0, maps.shape[1], chunk[1])
        )
        writer.close()
        store.write_array(file, "later", np.arange(1000), ("number",))
    with store.open_file(path) as file:
        np.testing.assert_array_equal(file["maps"][()], maps)
        assert file["later"][-1] == 999
    return path.read_bytes(), cached


CASES = [
    ((3, 20, 30, 64), (1, 20, 30, 64)),  # whole pages and a rest
    ((2, 64, 64, 64), (1, 10, 64, 64)),  # cut by rows, the last chunk filled up
    ((2, 8, 8, 4), (1, 8, 8, 4)),  # less than a page
    ((1, 2, 1100, 700), (1, 1, 1100, 700)),  # a row longer than the buffer
]


@pytest.mark.parametrize(("shape", "chunk"), CASES)
@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_same_file_with_and_without_the_cache(
    shape: tuple[int, ...], chunk: tuple[int, ...], dtype: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    maps = np.random.default_rng(0).normal(size=shape).astype(dtype)
    past, few = written(tmp_path / "past.h5", maps, chunk)
    monkeypatch.delattr(os, "O_DIRECT", raising=False)
    through, every = written(tmp_path / "through.h5", maps, chunk)
    assert past == through and few <= every
    assert every >= maps.nbytes


def test_whole_pages_go_past_the_cache_where_the_file_system_can(tmp_path: Path) -> None:
    try:
        os.close(os.open(tmp_path / "probe", os.O_CREAT | os.O_WRONLY | os.O_DIRECT))
    except (AttributeError, OSError):
        pytest.skip("this file system has no direct writes")
    maps = np.ones((3, 20, 30, 64), np.float32)
    _, cached = written(tmp_path / "a.h5", maps, (1, 20, 30, 64))
    assert cached == 3 * (20 * 30 * 64 * 4 % PAGE)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOSPC])
def test_a_refused_write_goes_through_the_cache_and_a_full_disk_is_an_error(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, direct = os.pwrite, []
    opened = os.open

    def remember(path: object, flags: int, *rest: int) -> int:
        handle = opened(path, flags & ~getattr(os, "O_DIRECT", 0), *rest)  # type: ignore[arg-type]
        if flags & getattr(os, "O_DIRECT", 0):
            direct.append(handle)
        return handle

    def refuse(handle: int, data: memoryview, offset: int) -> int:
        if handle in direct:
            raise OSError(number, os.strerror(number))
        return write(handle, data, offset)

    if not hasattr(os, "O_DIRECT"):
        pytest.skip("this system has no direct writes")
    monkeypatch.setattr(os, "open", remember)
    monkeypatch.setattr(os, "pwrite", refuse)
    maps = np.random.default_rng(1).normal(size=(2, 20, 30, 64)).astype(np.float32)
    if number == errno.ENOSPC:
        with pytest.raises(OSError, match="space"):
            written(tmp_path / "a.h5", maps, (1, 20, 30, 64))
        assert not (tmp_path / "a.h5").exists()
    else:
        _, cached = written(tmp_path / "a.h5", maps, (1, 20, 30, 64))
        assert direct and cached == maps.nbytes


def test_a_file_that_is_not_aligned_is_written_all_the_same(tmp_path: Path) -> None:
    maps = np.random.default_rng(2).normal(size=(2, 20, 30, 64)).astype(np.float32)
    written(tmp_path / "a.h5", maps, (1, 20, 30, 64), page_aligned=False)


def test_what_begins_at_a_page_of_memory_is_written_from_there(tmp_path: Path) -> None:
    maps = np.random.default_rng(3).normal(size=(2, 20, 30, 64)).astype(np.float16)
    copied, _ = written(tmp_path / "copied.h5", maps, (1, 20, 30, 64))
    apart = -(-maps[0].nbytes // PAGE) * PAGE
    memory = mmap.mmap(-1, len(maps) * apart)
    strides = (apart, *maps.strides[1:])
    aligned: np.ndarray = np.ndarray(maps.shape, maps.dtype, memory, strides=strides)
    aligned[:] = maps
    assert written(tmp_path / "in_place.h5", aligned, (1, 20, 30, 64))[0] == copied


@pytest.mark.parametrize(
    ("height", "width", "channels", "rows"),
    [
        (109, 109, 128, 16),  # 16 rows are 109 pages: 7 chunks have room for 112 rows, 4 of twice the size for 128
        (55, 55, 256, 8),
        (28, 28, 728, 14),  # 64 rows would fill whole pages: too many
        (7, 9, 3, 7),  # all of it is less than 1 MiB
        (40, 1, 2**20, 1),  # a row is more
    ],
)
def test_rows_of_a_chunk_end_at_a_page_where_that_is_possible(
    height: int, width: int, channels: int, rows: int
) -> None:
    assert rows_of_a_chunk(height, 2 * width * channels) == rows
