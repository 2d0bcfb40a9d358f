"""Chunks deflated by the project: any reader of HDF5 reads them, and the same values are the same bytes."""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from convscope.storage import deflated, store
from convscope.storage.digests import short_digest

WRITE = """
import sys
import numpy as np
from convscope.storage import deflated, store
values = np.maximum(np.random.default_rng(0).normal(size=(6, 40, 30, 16)), 0).astype(np.float16)
with store.create(sys.argv[1]) as file:
    target = deflated.dataset(file, "direct", values.shape, values.dtype, (1, 40, 30, 16))
    for index in range(len(values)):
        deflated.write(target, (index, 0, 0, 0), values[index : index + 1])
    store.write_array(file, "by_hdf5", values, "abcd", **deflated.DEFLATED)
"""


@pytest.mark.parametrize("dtype", ["f2", "f4", "u1", "i8"])
def test_hdf5_reads_what_was_written_here(tmp_path: Path, dtype: str) -> None:
    values = (np.random.default_rng(1).integers(-3, 9, (2, 7, 5, 3)).clip(0)).astype(dtype)
    with store.create(tmp_path / "a.h5") as file:
        target = deflated.dataset(file, "x", values.shape, values.dtype, (1, 4, 5, 3))
        for index in range(2):
            for row in (0, 4):
                digest = deflated.write(target, (index, row, 0, 0), values[index : index + 1, row : row + 4])
                assert digest == short_digest(target.id.read_direct_chunk((index, row, 0, 0))[1])
    with h5py.File(tmp_path / "a.h5") as file:
        assert file["x"].shuffle and file["x"].compression == "gzip"
        np.testing.assert_array_equal(file["x"][()], values)


def test_what_cannot_be_made_smaller_is_read_back_too(tmp_path: Path) -> None:
    noise = np.random.default_rng(2).integers(0, 256, (1, 64, 64, 4)).astype(np.uint8)
    with store.create(tmp_path / "a.h5") as file:
        deflated.write(deflated.dataset(file, "x", noise.shape, noise.dtype, noise.shape), (0, 0, 0, 0), noise)
    with h5py.File(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file["x"][()], noise)


def test_the_same_values_are_the_same_bytes_whatever_lay_in_memory_before(root: Path, tmp_path: Path) -> None:
    found = set()
    for dirt in ("0", "85", "170", "255"):
        path = tmp_path / f"{dirt}.h5"
        environment = {**os.environ, "PYTHONPATH": str(root), "MALLOC_PERTURB_": dirt}
        subprocess.run([sys.executable, "-c", WRITE, str(path)], check=True, env=environment)
        found.add(path.read_bytes())
    assert len(found) == 1


def test_nothing_is_compressed_by_what_reads_memory_that_nobody_cleared(root: Path) -> None:
    wrong = [str(path) for path in (root / "convscope").rglob("*.py") if '"lzf"' in path.read_text(encoding="utf-8")]
    assert wrong == []
