"""Lists of pictures that somebody damaged: a dataset comes of one, or a line that says why not."""

import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data.datasets import scan_dataset
from convscope.errors import UserError

LISTS = (
    b"path,label,split\na.png,x,train\nb.png,y,train\nc.png,x,test\n",
    b"path;labels\na.png;x|y\nb.png;y\nc.png;\n",
    b"file_name\ttarget\na.png\t1.5\nb.png\t2\nc.png\t-3e2\n",
    b"path,sea,boat\na.png,0,1\nb.png,1,1\nc.png,0,0\n",
    b'{"file_name": "a.png", "label": 1}\n{"file_name": "b.png", "label": 0}\n',
    b'{"file_name": "a.png", "labels": ["x", "y"]}\n{"file_name": "b.png", "labels": []}\n',
)
PIECES = (
    *(b"\0", b'"', b"\n", b"\r", b",,,,", b"|||", b"1e999", b"NaN", b"9" * 5000, b"x" * 200_000, b"[" * 3000),
    *(b'{"a":' * 2000, b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"=cmd|x", b"../../etc/passwd", b"/dev/zero"),
)


def damaged(number: int) -> tuple[str, bytes]:
    """The list of a number, and the suffix of its kind."""
    rng = random.Random(number)  # noqa: S311
    whole = rng.choice(LISTS)
    content = bytearray(whole)
    for _ in range(rng.choice((1, 1, 2, 4))):
        place, act = rng.randrange(len(content) + 1), rng.random()
        if act < 0.3 and content:
            content[min(place, len(content) - 1)] = rng.randrange(256)
        elif act < 0.75:
            content[place:place] = rng.choice(PIECES)
        else:
            del content[place : place + rng.choice((1, 3, 10))]
    return ".jsonl" if whole.startswith(b"{") else ".csv", bytes(content)


@pytest.mark.parametrize("first", [0, 200])
def test_a_damaged_list_is_read_or_refused_in_one_line(tmp_path: Path, first: int) -> None:
    for name in "abc":
        Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / f"{name}.png")
    read = 0
    for number in range(first, first + 200):
        suffix, content = damaged(number)
        path = tmp_path / f"list{suffix}"
        path.write_bytes(content)
        try:
            found = scan_dataset(path, {"source": "table", "path": str(path)})
        except UserError as error:
            assert str(error) and "\n" not in str(error), number
            continue
        read += 1
        assert all(Path(row.path).parent == tmp_path for row in found.images), number
    assert 20 < read < 150
