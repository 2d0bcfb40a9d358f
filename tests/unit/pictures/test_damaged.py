"""Damaged files, some hundreds of each format (`make fuzz` reads more), and those that were once more than bad."""

import io
import struct
import subprocess
import sys
import time
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from convscope.data.masks import read_mask
from convscope.errors import BadImage
from convscope.pictures.channels import Channels
from convscope.pictures.read import read_image, read_pixels
from tests.fuzz_pictures.mutations import mutant
from tests.fuzz_pictures.seeds import FORMATS, pixels, png_chunk


def test_damaged_files_of_every_format_are_read_or_refused(root: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz_pictures", "--count", "250"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == list(FORMATS)
    # Neither all refused at once nor hardly damaged at all.
    assert all(20 <= int(line.split()[3]) <= 180 for line in lines), done.stdout


def test_a_number_is_one_file() -> None:
    assert all(mutant(kind, 11) == mutant(kind, 11) for kind in FORMATS)


def tiff(*entries: tuple[int, int, int, int], after: bytes = b"", following: int = 0) -> bytes:
    """A TIFF of one page: (tag, type, count, value) each, the place of the next page, and what follows."""
    table = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + table + struct.pack("<I", following) + after


SIZE = ((256, 4, 1, 16), (257, 4, 1, 12))
FLOATS = ((258, 3, 1, 32), (339, 3, 1, 3), (262, 3, 1, 1), (277, 3, 1, 6))


def test_pages_that_lead_back_to_one_another_end(tmp_path: Path) -> None:
    """A program that follows them page by page never ends; its list of pages fills the memory."""
    for length in (1, 3, 150):
        pages = [struct.pack("<H", 0) + struct.pack("<I", 8 + 6 * ((number + 1) % length)) for number in range(length)]
        (tmp_path / "a.tif").write_bytes(struct.pack("<2sHI", b"II", 42, 8) + b"".join(pages))
        for channels in (Channels(), Channels("bands", (0,))):
            began = time.monotonic()
            with pytest.raises(BadImage):
                read_pixels(tmp_path / "a.tif", channels)
            assert time.monotonic() - began < 5
    (tmp_path / "b.tif").write_bytes(tiff(*SIZE, *FLOATS, (273, 4, 1, 8), (279, 4, 1, 9), following=8))
    with pytest.raises(BadImage, match="lead back to one of them"):
        read_pixels(tmp_path / "b.tif", Channels("bands", (0,)))


def test_a_tile_has_its_limit_as_the_picture_has(tmp_path: Path) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels(), photometric="rgb", tile=(16, 16), compression="zlib")
    content = stream.getvalue()
    width = content.index(struct.pack("<HHI", 322, 4, 1))
    broken = content[:width] + struct.pack("<HHII", 322, 4, 1, 1 << 27) + content[width + 12 :]
    (tmp_path / "a.tif").write_bytes(broken)
    for channels in (Channels(), Channels("bands", (0,))):
        with pytest.raises(BadImage, match=f"tiles of {1 << 27}x16 pixels"):
            read_pixels(tmp_path / "a.tif", channels)


def test_bands_that_lie_in_no_known_way_are_not_whatever_was_in_memory(tmp_path: Path) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, pixels(), photometric="rgb")
    content = stream.getvalue()
    planes = content.index(struct.pack("<HHI", 284, 3, 1))
    (tmp_path / "a.tif").write_bytes(content[: planes + 8] + struct.pack("<I", 9) + content[planes + 12 :])
    for channels in (Channels(), Channels("bands", (0,))):
        with pytest.raises(BadImage, match=r"neither together nor in planes \(9\)"):
            read_pixels(tmp_path / "a.tif", channels)


def test_a_reason_is_one_short_line_whatever_a_decoder_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((9, 9, 3), np.uint8)).save(tmp_path / "a.png")

    def refuse(*given: object, **more: object) -> None:
        raise ValueError(f"{tmp_path / 'a.png'}\n" + "17, 256, " * 500)

    monkeypatch.setattr(Image, "open", refuse)
    for read in (read_image, read_mask):
        with pytest.raises(BadImage) as caught:
            read(tmp_path / "a.png")
        assert len(str(caught.value)) < 300 and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP"])
def test_what_a_picture_says_beside_its_pixels_has_its_limit(tmp_path: Path, kind: bytes) -> None:
    packed = zlib.compress(bytes(100 << 20), 9)
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0))
    words = png_chunk(kind, (b"x\0\1\0\0\0" if kind == b"iTXt" else b"x\0\0") + packed)
    rows = png_chunk(b"IDAT", zlib.compress(bytes(90)))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + words + rows + png_chunk(b"IEND", b""))
    with pytest.raises(BadImage, match="Decompressed data too large"):
        read_image(tmp_path / "a.png")


def test_pixels_beyond_the_picture_are_not_unpacked(tmp_path: Path) -> None:
    packed = zlib.compress(bytes(500 << 20), 1)
    chunks = ((b"IHDR", struct.pack(">IIBBBBB", 9, 9, 8, 0, 0, 0, 0)), (b"IDAT", packed), (b"IEND", b""))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks))
    tracemalloc.start()
    read_image(tmp_path / "a.png")
    assert tracemalloc.get_traced_memory()[1] < 20 << 20
    tracemalloc.stop()
