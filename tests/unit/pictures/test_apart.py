"""A file that ends, stops or fills the process that looks at it is bad, and the others are read."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data.datasets import scan_dataset
from convscope.errors import BadImage, UserError
from convscope.pictures.apart import Readers
from convscope.pictures.describe import Looked, describe, describe_apart
from tests.unit.pictures import takers


@pytest.fixture
def readers(root: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Readers]:
    monkeypatch.setenv("PYTHONPATH", str(root))
    with Readers(2, seconds=1) as readers:
        yield readers


def test_whatever_one_file_does_the_others_are_read(readers: Readers, tmp_path: Path) -> None:
    names = [*"abcde", "crash", "f", "hang", "unlucky", "crash", "fill", "slow", "bad", *"ghij"]
    paths = [tmp_path / str(number) / name for number, name in enumerate(names)]
    for path in paths:
        path.parent.mkdir()

    def read(path: Path) -> str:
        try:
            return str(readers.call(takers.read, str(path), ["'", "\n"])[:3])
        except (BadImage, RuntimeError) as error:
            return str(error)

    with ThreadPoolExecutor(2) as pool:
        said = list(pool.map(read, paths))
    expected = {
        "crash": "damaged: its reader crashed on it (SIGSEGV)",
        "hang": "damaged: not read within 1 seconds of computing",
        "fill": "MemoryError: ",
        "bad": "no picture",
    }
    assert said == [expected.get(name, str([name, "'", "\n"])) for name in names]


def test_mistakes_stay_mistakes_and_bugs_bugs(readers: Readers, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not the one that was listed"):
        readers.call(takers.read, str(tmp_path / "mistake"), [])
    with pytest.raises(RuntimeError, match="KeyError: 'what'"):
        readers.call(takers.read, str(tmp_path / "bug"), [])


def test_a_reader_that_is_killed_between_two_files_costs_nothing(readers: Readers, tmp_path: Path) -> None:
    for _ in range(4):
        reader = int(readers.call(takers.read, str(tmp_path / "a"), [])[-1])
        os.kill(reader, signal.SIGKILL)
    assert readers.call(takers.read, str(tmp_path / "b"), ["c"])[:2] == ["b", "c"]


@pytest.mark.parametrize("which", ["hard", "soft"])
def test_where_the_memory_of_all_is_bounded_more_tightly_pictures_are_read(
    which: str, root: Path, tmp_path: Path
) -> None:
    """As schedulers do with `ulimit -v`: each reader ended before its first picture, and all of them were called damaged."""
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    code = f"""
import resource
bound, most = 4 << 30, resource.getrlimit(resource.RLIMIT_AS)[1]
resource.setrlimit(resource.RLIMIT_AS, (bound, bound if {which == "hard"} else most))
from convscope.pictures.apart import Readers
from convscope.pictures.describe import Looked, describe_apart
with Readers(1) as readers:
    print(describe_apart(readers)({str(tmp_path / "a.png")!r}, Looked())[:2])
"""
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout == "(48, 64)\n", done.stderr


def test_nothing_is_left_behind(readers: Readers, tmp_path: Path) -> None:
    reader = int(readers.call(takers.read, str(tmp_path / "a"), [])[-1])
    readers.__exit__()
    with pytest.raises(ProcessLookupError):
        os.kill(reader, 0)


def test_a_dataset_is_the_same_read_here_or_apart(readers: Readers, tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    for name in ("cat", "dog\n\udcff"):
        (tmp_path / name).mkdir()
        for number in range(3):
            Image.fromarray(noise.integers(0, 256, (9, 12, 3), np.uint8)).save(tmp_path / name / f"{number}.png")
        (tmp_path / name / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
        Image.fromarray(noise.integers(0, 256, (9, 7, 3), np.uint8)).save(tmp_path / name / "small.png")
    settings = {"source": "path", "window": [3, 200]}
    apart = scan_dataset(tmp_path, settings, 2, look=describe_apart(readers))
    assert apart == scan_dataset(tmp_path, settings)
    assert len(apart.images) == 6 and len(apart.bad) == 4
    path = tmp_path / "cat" / "0.png"
    assert describe_apart(readers)(path, Looked()) == describe(path, Looked())
