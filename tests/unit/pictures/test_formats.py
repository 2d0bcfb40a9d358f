"""Every format that people have: known by its content, read by its own reader, refused with a reason where it is broken."""

import io
import struct
import sys
import zlib

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401
import pytest
import tifffile
from PIL import Image

from convscope.errors import BadImage
from convscope.pictures.formats import open_picture
from convscope.pictures.jpeg_xl import size_of
from convscope.pictures.kinds import HEAD, format_of
from convscope.pictures.read import read_image
from convscope.pictures.window import listed_as
from tests.unit.pictures.orientations import lying

pillow_heif.register_heif_opener()

# How a format is written, and how far its pixels may be from what was written: 0 where it is lossless.
FORMATS = {
    "JPEG": ({"quality": 98, "subsampling": 0}, 8),
    "PNG": ({}, 0),
    "GIF": ({}, 40),
    "BMP": ({}, 0),
    "WEBP": ({"lossless": True}, 0),
    "TIFF": ({"compression": "tiff_lzw"}, 0),
    "AVIF": ({"quality": 100, "subsampling": "4:4:4"}, 4),
    "HEIF": ({"quality": -1, "chroma": 444, "matrix_coefficients": 0}, 0),
    "JXL": ({"lossless": True}, 0),
    "JPEG2000": ({}, 0),
    "PPM": ({}, 0),
    "QOI": ({}, 0),
    "TGA": ({}, 0),
}


@pytest.fixture
def photo():
    """Non-square, smooth, no two quadrants alike."""
    y, x = np.mgrid[0:24, 0:40]
    return np.stack([x * 6, y * 10, (x + y) * 4], axis=2).clip(0, 255).astype(np.uint8)


def encoded(pixels, kind, **options):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    return stream.getvalue()


def name_of(kind):
    return "a.tga" if kind == "TGA" else "a"


@pytest.mark.parametrize("kind", FORMATS)
def test_a_file_without_a_suffix_is_read_as_what_it_is(tmp_path, photo, kind):
    options, tolerance = FORMATS[kind]
    content = encoded(photo, kind, **options)
    if kind != "TGA":
        assert format_of(content[:HEAD]) == kind
    for name in {name_of(kind), "a.tga" if kind == "TGA" else "a.jpg", "a.tga" if kind == "TGA" else "a.txt"}:
        (tmp_path / name).write_bytes(content)
        read = read_image(tmp_path / name)
        assert read.shape == photo.shape and read.dtype == np.uint8
        assert np.abs(read.astype(int) - photo).max() <= tolerance, name


@pytest.mark.filterwarnings("ignore:::PIL")
@pytest.mark.parametrize("kind", FORMATS)
def test_broken_in_any_place_a_file_is_bad_and_no_more(tmp_path, photo, kind):
    content = encoded(photo, kind, **FORMATS[kind][0])
    path = tmp_path / name_of(kind)
    damaged = [content[:length] for length in range(0, len(content), max(len(content) // 40, 1))]
    random = np.random.default_rng(0)
    for _ in range(60):
        flipped = bytearray(content)
        for place in random.integers(0, len(content), 3):
            flipped[place] = random.integers(0, 256)
        damaged.append(bytes(flipped))
    reasons = []
    for broken in damaged:
        path.write_bytes(broken)
        try:
            read_image(path, max_pixels=1_000_000)
        except BadImage as error:
            reasons.append(str(error))
    assert len(reasons) >= 35 and all(
        reason and "\n" not in reason and str(tmp_path) not in reason for reason in reasons
    )


@pytest.mark.parametrize("kind", [kind for kind in FORMATS if kind != "TGA"])
def test_too_large_is_told_by_the_header(tmp_path, photo, kind, monkeypatch):
    (tmp_path / "a").write_bytes(encoded(photo, kind, **FORMATS[kind][0]))
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(BadImage, match="too large: 40x24 pixels, the limit is 959"):
        read_image(tmp_path / "a", max_pixels=959)


@pytest.mark.parametrize("kind", ["AVIF", "HEIF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_avif_and_heic_is_undone_once(tmp_path, photo, kind, orientation):
    stored, exif = lying(photo, orientation)
    options, tolerance = FORMATS[kind]
    (tmp_path / "a").write_bytes(encoded(stored, kind, exif=exif.tobytes(), **options))
    read = read_image(tmp_path / "a")
    assert read.shape == photo.shape and np.abs(read.astype(int) - photo).max() <= max(tolerance, 2)


def test_an_animated_png_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (10, 8), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    for kind in ("PNG", "AVIF", "GIF", "WEBP", "TIFF"):
        options = {"lossless": True} if kind == "WEBP" else {}
        stream = io.BytesIO()
        frames[0].save(stream, kind, save_all=True, append_images=frames[1:], **options)
        (tmp_path / "a").write_bytes(stream.getvalue())
        assert np.abs(read_image(tmp_path / "a").astype(int) - [255, 0, 0]).max() <= (2 if kind == "AVIF" else 0), kind


def test_the_size_of_a_jpeg_xl_is_read_from_its_header():
    for height, width in ((8, 8), (8, 16), (256, 192), (24, 40), (1, 1), (1000, 777), (9000, 30), (240, 320)):
        for options in ({}, {"use_container": True}):
            content = encoded(np.zeros((height, width), np.uint8), "JXL", lossless=True, effort=1, **options)
            assert size_of(content) == (width, height)


def test_a_text_is_no_picture_though_it_begins_like_one(tmp_path):
    for text in ("BMW is a car, not a bitmap", "P5 is a size of paper", "P1\n", "GIFs are fun", "II* and more"):
        assert format_of(text.encode()) == "", text


def test_what_another_program_must_convert_is_told(tmp_path, monkeypatch):
    for name, reason in (("a.nef", "raw file"), ("a.svg", "vectors"), ("a.psd", "Photoshop")):
        (tmp_path / name).write_bytes(encoded(np.zeros((9, 9), np.uint8), "TIFF"))
        with pytest.raises(BadImage, match=reason):
            read_image(tmp_path / name)
    (tmp_path / "a.jxl").write_bytes(encoded(np.zeros((9, 9), np.uint8), "JXL"))
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    with pytest.raises(BadImage, match="pip install pillow-jxl-plugin"):
        read_image(tmp_path / "a.jxl")


def test_a_photo_that_is_only_called_like_a_raw_file_is_read(tmp_path, photo):
    for name in ("a.dng", "a.svg", "a.psd"):
        (tmp_path / name).write_bytes(encoded(photo, "PNG"))
        assert np.array_equal(read_image(tmp_path / name), photo)


def test_what_pillow_takes_for_other_numbers_is_read_as_the_header_says(tmp_path, photo):
    gray = np.array([[0, 20000, 65535]], np.uint16)
    tifffile.imwrite(tmp_path / "white.tif", gray, photometric="miniswhite")
    assert read_image(tmp_path / "white.tif")[0, :, 0].tolist() == [255, 177, 0]
    assert windowed(tmp_path / "white.tif", 45535, 65535)[0, :, 0].tolist() == [255, 0, 0]
    tifffile.imwrite(tmp_path / "white8.tif", (gray // 257).astype(np.uint8), photometric="miniswhite")
    assert read_image(tmp_path / "white8.tif")[0, :, 0].tolist() == [255, 178, 0]
    deep = np.moveaxis(photo.astype(np.uint16) * 257, 2, 0)
    tifffile.imwrite(tmp_path / "planes.tif", deep, photometric="rgb", planarconfig="separate")
    assert np.array_equal(read_image(tmp_path / "planes.tif"), photo)
    tifffile.imwrite(tmp_path / "large.tif", np.array([[0, 2**31, 2**32 - 1]], np.uint32))
    assert windowed(tmp_path / "large.tif", 0, 2**32 - 1)[0, :, 0].tolist() == [0, 128, 255]
    tifffile.imwrite(tmp_path / "signed.tif", np.array([[-128, 0, 127]], np.int8))
    assert windowed(tmp_path / "signed.tif", -128, 127)[0, :, 0].tolist() == [0, 128, 255]
    for name in ("large.tif", "signed.tif"):
        with pytest.raises(BadImage, match="range is unknown"):
            read_image(tmp_path / name)


def test_a_format_never_asks_for_another_reader(tmp_path):
    # PostScript would be run by Ghostscript.
    for content in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", b"\xc5\xd0\xd3\xc6" + bytes(200)):
        with pytest.raises(BadImage, match="not a picture"):
            open_picture(io.BytesIO(content), 100)


def windowed(path, low, high):
    return read_image(path, sha256=listed_as("", (low, high)))


def test_a_window_makes_bytes_of_any_numbers(tmp_path):
    values = np.array([[0.0, 0.5, 1.0, 2.0, -3.0, np.nan]], np.float32)
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(BadImage, match="range is unknown; give the dataset window"):
        read_image(tmp_path / "a.tif")
    assert windowed(tmp_path / "a.tif", 0, 1)[0, :, 0].tolist() == [0, 128, 255, 255, 0, 0]
    assert windowed(tmp_path / "a.tif", -3, 2)[0, :, 0].tolist() == [153, 178, 204, 255, 0, 0]
    twelve_bits = np.array([[0, 1000, 2048, 4095, 60000]], np.uint16)
    Image.fromarray(twelve_bits).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 4, 8, 16, 233]
    assert windowed(tmp_path / "a.png", 0, 4095)[0, :, 0].tolist() == [0, 62, 128, 255, 255]
    signed = np.array([[-1024, 0, 1024, 100000]], np.int32)
    Image.fromarray(signed).save(tmp_path / "b.tif")
    assert windowed(tmp_path / "b.tif", -1024, 1024)[0, :, 0].tolist() == [0, 128, 255, 255]


def test_a_window_on_eight_bits_spreads_them_and_keeps_colour_and_orientation(tmp_path, photo):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(photo).save(tmp_path / "a.png", exif=exif)
    wanted = np.round(np.clip((np.rot90(photo, -1).astype(float) - 50) / 100, 0, 1) * 255)
    assert np.array_equal(windowed(tmp_path / "a.png", 50, 150), wanted)
    see_through = np.array([[[100, 100, 100, 0], [100, 150, 50, 255]]], np.uint8)
    Image.fromarray(see_through).save(tmp_path / "b.png")
    assert windowed(tmp_path / "b.png", 50, 150).tolist() == [[[255, 255, 255], [128, 255, 0]]]


def test_a_window_sees_the_numbers_of_a_pgm_and_not_what_pillow_makes_of_them(tmp_path):
    (tmp_path / "a.pgm").write_bytes(b"P5\n4 1\n4095\n" + struct.pack(">4H", 0, 1000, 2000, 4095))
    assert read_image(tmp_path / "a.pgm")[0, :, 0].tolist() == [0, 62, 125, 255]
    assert windowed(tmp_path / "a.pgm", 0, 2000)[0, :, 0].tolist() == [0, 128, 255, 255]
    (tmp_path / "b.pgm").write_bytes(b"P5\n3 1\n100\n" + bytes([0, 50, 100]))
    assert windowed(tmp_path / "b.pgm", 0, 200)[0, :, 0].tolist() == [0, 64, 128]
    (tmp_path / "c.ppm").write_bytes(b"P6\n1 1\n65535\n" + struct.pack(">3H", 9, 99, 999))
    with pytest.raises(BadImage, match="16 bits for each of several channels"):
        windowed(tmp_path / "c.ppm", 0, 999)
    (tmp_path / "d.pgm").write_bytes(b"P2\n2 1\n65535\n200 100\n")
    assert read_image(tmp_path / "d.pgm")[0, :, 0].tolist() == [1, 0], "dark, and not bytes"


def test_bytes_among_pictures_of_more_bits_are_bad_and_not_black(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    with pytest.raises(BadImage, match=r"8 bits, or read as 8: the window \[0, 4095\]"):
        windowed(tmp_path / "a.png", 0, 4095)
    assert windowed(tmp_path / "a.png", 0, 510).max() == 124, "248 / 2"


def test_a_window_never_works_on_half_of_sixteen_bits(tmp_path):
    header = struct.pack("<2sHI", b"II", 42, 8)
    tags = [
        (256, 3, 1, 2),
        (257, 3, 1, 1),
        (258, 3, 3, 134),
        (259, 3, 1, 1),
        (262, 3, 1, 2),
        (273, 4, 1, 140),
        (277, 3, 1, 3),
        (278, 3, 1, 1),
        (279, 4, 1, 12),
    ]
    directory = struct.pack("<H", len(tags)) + b"".join(struct.pack("<HHII", *tag) for tag in tags) + bytes(4)
    content = (
        (header + directory).ljust(134, b"\0")
        + struct.pack("<3H", 16, 16, 16)
        + struct.pack("<6H", 0, 100, 200, 300, 4000, 65535)
    )
    (tmp_path / "a.tif").write_bytes(content)
    assert read_image(tmp_path / "a.tif").tolist() == [[[0, 0, 0], [1, 15, 255]]]
    assert windowed(tmp_path / "a.tif", 0, 4095).tolist() == [[[0, 6, 12], [19, 249, 255]]]
    colours = np.array([[[0, 100, 200], [300, 4000, 65535]]], np.uint16)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in colours)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0))
    content = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(BadImage, match="16 bits for each of several channels"):
        windowed(tmp_path / "a.png", 0, 4095)
