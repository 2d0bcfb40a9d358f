"""Every kind of picture is read as the same RGB, or refused with its reason."""

import hashlib
import io
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from convscope.errors import BadImage, UserError
from convscope.pictures import read as reading
from convscope.pictures.contact_sheets import contact_sheet, wrap_text
from convscope.pictures.read import fit_image, load_images, load_rows, read_image
from convscope.storage.files import sha256_of
from tests.unit.pictures.orientations import lying


@pytest.fixture
def photo():
    """Non-square, smooth, no two quadrants alike."""
    y, x = np.mgrid[0:24, 0:40]
    return np.stack([x * 6, y * 10, (x + y) * 4 % 256], axis=2).astype(np.uint8)


def png_16_bit(values, color_type, clear=()):
    """A 16-bit PNG made by hand: (H, W) gray or (H, W, C) samples, which PIL cannot write for colours; perhaps with a clear one."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    return png_by_hand(values.shape[1], values.shape[0], 16, color_type, rows, clear)


def png_by_hand(width, height, bits, color_type, rows, clear=()):
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0))
    header += chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear)) if clear else b""
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_lossless_formats_keep_every_pixel(tmp_path, photo, suffix):
    path = tmp_path / f"a{suffix}"
    Image.fromarray(photo).save(path, lossless=True)
    assert np.array_equal(read_image(path), photo)


def test_jpeg_is_close_and_not_transposed(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.jpg", quality=95, subsampling=0)
    read = read_image(tmp_path / "a.jpg")
    assert read.shape == (24, 40, 3) and read.dtype == np.uint8
    assert np.abs(read.astype(int) - photo).mean() < 4


def test_the_content_counts_not_the_name(tmp_path, photo):
    Image.fromarray(photo).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert np.array_equal(read_image(tmp_path / "a.jpg"), photo)


def test_gray_palette_and_bilevel_become_rgb(tmp_path):
    gray = np.arange(240, dtype=np.uint8).reshape(12, 20)
    Image.fromarray(gray).save(tmp_path / "gray.png")
    assert np.array_equal(read_image(tmp_path / "gray.png"), np.repeat(gray[..., None], 3, 2))
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "palette.png")
    assert read_image(tmp_path / "palette.png").tolist() == [[[10, 20, 30], [200, 100, 50]]]
    Image.fromarray(gray > 100).save(tmp_path / "bilevel.png")
    assert set(np.unique(read_image(tmp_path / "bilevel.png"))) == {0, 255}


def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 257, 32768, 65535]], dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(png_16_bit(values, 0))
    Image.fromarray(values).save(tmp_path / "a.tif")
    for name in ("a.png", "a.tif"):
        assert read_image(tmp_path / name)[0, :, 0].tolist() == [0, 1, 128, 255], name


def test_gray_in_32_bit_integers_is_not_black(tmp_path):
    for values, wanted in (
        ([[0, 100, 200, 255]], [0, 100, 200, 255]),
        ([[0, 1, 0, 1]], [0, 1, 0, 1]),
        ([[0, 257, 32768, 65535]], [0, 1, 128, 255]),
    ):
        Image.fromarray(np.array(values, np.int32)).save(tmp_path / "a.tif")
        assert read_image(tmp_path / "a.tif")[0, :, 0].tolist() == wanted
    for values in ([[0, 65536]], [[-1, 20]]):
        Image.fromarray(np.array(values, np.int32)).save(tmp_path / "a.tif")
        with pytest.raises(BadImage, match="range is unknown"):
            read_image(tmp_path / "a.tif")
    # A file of 16 bits says so: what is dark there is dark.
    dark = np.array([[0, 100, 200, 255]], np.uint16)
    Image.fromarray(dark).save(tmp_path / "dark.tif")
    (tmp_path / "dark.png").write_bytes(png_16_bit(dark, 0))
    for name in ("dark.tif", "dark.png"):
        assert read_image(tmp_path / name)[0, :, 0].tolist() == [0, 0, 1, 1], name


def test_sixteen_bit_colours_and_alpha(tmp_path):
    colours = np.array([[[65535, 0, 32768], [0, 65535, 257]]], dtype=np.uint16)
    (tmp_path / "rgb.png").write_bytes(png_16_bit(colours, 2))
    read = read_image(tmp_path / "rgb.png").astype(int)
    assert np.abs(read - [[[255, 0, 128], [0, 255, 1]]]).max() <= 1
    with_alpha = np.array([[[0, 0, 0, 0], [65535, 0, 0, 65535]]], dtype=np.uint16)
    (tmp_path / "rgba.png").write_bytes(png_16_bit(with_alpha, 6))
    assert read_image(tmp_path / "rgba.png").tolist() == [[[255, 255, 255], [255, 0, 0]]]


def test_transparency_is_laid_over_white(tmp_path):
    pixels = np.array([[[0, 0, 0, 0], [0, 0, 0, 255], [200, 0, 0, 128]]], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "rgba.png")
    read = read_image(tmp_path / "rgba.png")[0].astype(int)
    assert read[0].tolist() == [255, 255, 255] and read[1].tolist() == [0, 0, 0]
    assert np.abs(read[2] - [227, 127, 127]).max() <= 1
    Image.fromarray(pixels[..., [0, 3]]).save(tmp_path / "la.png")
    assert read_image(tmp_path / "la.png")[0, :2].tolist() == [[255] * 3, [0] * 3]
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 0, 0, 255])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "p.gif", transparency=0)
    assert read_image(tmp_path / "p.gif").tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_the_transparent_number_of_sixteen_bit_gray_is_white(tmp_path):
    Image.fromarray(np.array([[0, 8000, 65535]], np.uint16)).save(tmp_path / "a.png", transparency=8000)
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 255, 255]


@pytest.mark.parametrize("bits, row", [(2, 0b00011011), (4, 0x0123)])
def test_the_transparent_number_of_gray_of_few_bits_is_white(tmp_path, bits, row):
    rows = b"\0" + row.to_bytes(bits // 2, "big")
    (tmp_path / "a.png").write_bytes(png_by_hand(4, 1, bits, 0, rows, clear=(1,)))
    step = 255 // (2**bits - 1)
    assert read_image(tmp_path / "a.png")[0, :, 0].tolist() == [0, 255, 2 * step, 3 * step]


def test_the_transparent_colour_of_sixteen_bits_is_white_and_no_other(tmp_path):
    # The low bytes of the clear colour are those that another colour has as its high ones.
    values = np.array([[[0x1234, 0x5678, 0x9ABC], [0x3400, 0x7800, 0xBC00]]], np.uint16)
    (tmp_path / "a.png").write_bytes(png_16_bit(values, 2, clear=(0x1234, 0x5678, 0x9ABC)))
    assert read_image(tmp_path / "a.png")[0].tolist() == [[255, 255, 255], [0x34, 0x78, 0xBC]]


def test_cmyk_is_converted(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - [255, 0, 0]).max() < 12


def test_an_mpo_gives_its_first_picture(tmp_path, photo):
    other = Image.fromarray(255 - photo)
    Image.fromarray(photo).save(tmp_path / "a.mpo", save_all=True, append_images=[other], quality=95, subsampling=0)
    assert np.abs(read_image(tmp_path / "a.mpo").astype(int) - photo).mean() < 4


def test_an_animation_gives_its_first_frame(tmp_path):
    frames = [Image.new("RGB", (10, 8), colour) for colour in ((255, 0, 0), (0, 255, 0), (0, 0, 255))]
    for name in ("a.gif", "a.webp"):
        options = {"lossless": True} if name.endswith("webp") else {}
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:], **options)
        assert np.all(read_image(tmp_path / name) == [255, 0, 0]), name


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone(tmp_path, photo, orientation):
    stored, exif = lying(photo, orientation)
    Image.fromarray(stored).save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(read_image(tmp_path / "a.png"), photo)


def test_a_single_pixel_is_a_picture(tmp_path):
    Image.new("RGB", (1, 1), (1, 2, 3)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png").tolist() == [[[1, 2, 3]]]


def test_bad_files_are_refused_with_a_reason(tmp_path, photo):
    encoded = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    Image.fromarray(noise).save(encoded, "JPEG")
    bad = {
        "empty.jpg": (b"", "empty file"),
        "text.jpg": (b"this is no picture, only words", "not a picture"),
        "cut.jpg": (encoded.getvalue()[: len(encoded.getvalue()) // 2], "truncated"),
        "head.jpg": (encoded.getvalue()[:60], "damaged"),
        "vector.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        "drawing.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", "not a picture"),
    }
    for name, (content, reason) in bad.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadImage, match=reason) as error:
            read_image(tmp_path / name)
        assert str(tmp_path) not in str(error.value) and "\n" not in str(error.value)
        assert error.value.file == tmp_path / name, "a job tells which, and looks whether it is a result of the study"
    Image.fromarray(photo).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    (tmp_path / "cut.png").write_bytes(content[: len(content) * 2 // 3])
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "float.tif")
    for name, reason in (
        ("cut.png", "damaged"),
        ("float.tif", "floating"),
        ("none.png", "no such file"),
        (".", "folder"),
    ):
        with pytest.raises(BadImage, match=reason) as error:
            read_image(tmp_path / name)
        assert error.value.file == tmp_path / name


def test_every_truncation_is_an_error_or_a_picture_never_another_exception(tmp_path, photo):
    for name in ("a.png", "a.gif", "a.webp", "a.tif", "a.bmp", "a.jpg"):
        Image.fromarray(photo).save(tmp_path / name)
        content = (tmp_path / name).read_bytes()
        refused = 0
        for length in range(1, len(content), max(len(content) // 25, 1)):
            (tmp_path / name).write_bytes(content[:length])
            try:
                assert read_image(tmp_path / name).shape == photo.shape
            except BadImage:
                refused += 1
        assert refused > 15, name


def test_a_bomb_is_refused_by_its_header(tmp_path):
    # 30,000 x 30,000 pixels in 60 bytes; there is no pixel data to decode.
    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + b"IHDR" + header + struct.pack(">I", zlib.crc32(b"IHDR" + header))
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 0) + b"IDAT" + b"\0" * 4)
    with pytest.raises(BadImage, match="too large"):
        read_image(tmp_path / "bomb.png")
    Image.new("RGB", (30, 20)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", max_pixels=600).shape == (20, 30, 3)
    with pytest.raises(BadImage, match="too large: 30x20"):
        read_image(tmp_path / "a.png", max_pixels=599)


def test_crop_takes_the_centre():
    image = np.zeros((20, 60, 3), np.uint8)
    image[:, 20:40] = 255
    assert np.all(fit_image(image, (10, 10), "crop")[:, 1:-1] == 255)
    assert np.all(fit_image(np.ascontiguousarray(image.transpose(1, 0, 2)), (10, 10), "crop")[1:-1] == 255)


def test_crop_is_symmetric_for_odd_margins():
    image = np.random.default_rng(0).integers(0, 256, (30, 47, 3), dtype=np.uint8)
    one = fit_image(image, (16, 16), "crop")
    mirrored = fit_image(np.ascontiguousarray(image[:, ::-1]), (16, 16), "crop")[:, ::-1]
    assert np.abs(one.astype(int) - mirrored).max() <= 1


def test_stretch_and_pad():
    image = np.full((20, 40, 3), 200, np.uint8)
    assert np.all(fit_image(image, (16, 8), "stretch") == 200)
    padded = fit_image(image, (16, 16), "pad")
    assert np.all(padded[4:12] == 200) and not padded[:4].any() and not padded[12:].any()
    with pytest.raises(ValueError, match="one of crop"):
        fit_image(image, (4, 4), "squeeze")  # type: ignore[arg-type]


def test_shrinking_averages_instead_of_picking():
    checks = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    small = fit_image(np.repeat(checks[..., None], 3, 2), (8, 8), "stretch")
    assert np.abs(small.astype(int) - 127).max() < 8  # nearest would give 0 or 255


def test_the_same_size_is_a_copy(photo):
    same = fit_image(photo, (24, 40), "crop")
    same[0, 0] = 9
    assert photo[0, 0].tolist() == [0, 0, 0]


def test_load_images_keeps_the_order_for_any_number_of_threads(tmp_path):
    paths = []
    for level in range(6):
        paths.append(tmp_path / f"{level}.png")
        Image.new("RGB", (12 + level, 9), (level * 40,) * 3).save(paths[-1])
    for threads in (1, 3):
        batch = load_images(paths, (4, 6), "crop", threads)
        assert batch.shape == (6, 4, 6, 3) and batch[:, 0, 0, 0].tolist() == [0, 40, 80, 120, 160, 200]
    (tmp_path / "x.png").write_bytes(b"")
    with pytest.raises(BadImage, match=r"x\.png: empty file"):
        load_images([*paths, tmp_path / "x.png"], (4, 4), threads=2)


def test_contact_sheet_shows_every_picture_whole():
    pictures = [np.full((10, 30, 3), 250 - 40 * index, np.uint8) for index in range(5)]
    sheet = contact_sheet(pictures, 2, (20, 30), margin=5)
    assert sheet.shape == (5 + 3 * 25, 5 + 2 * 35, 3)
    for index in range(5):
        top, left = 5 + index // 2 * 25, 5 + index % 2 * 35
        assert np.all(sheet[top + 5 : top + 15, left : left + 30] == 250 - 40 * index)
    assert contact_sheet([], 3, 40).ndim == 3
    with pytest.raises(ValueError, match="1 captions for 5"):
        contact_sheet(pictures, 2, 20, ["a"])


def test_captions_are_wrapped_and_never_leave_their_cell():
    long = "Wjgqpy, an_extraordinarily_long_file_name_with_descenders_gjpqy.jpg\nÄÖÜ 99 %"
    black = np.zeros((60, 60, 3), np.uint8)
    sheet = contact_sheet([black, black], 2, 60, [long, ""], margin=6)
    other = contact_sheet([black, black], 2, 60, ["", long], margin=6)
    assert sheet.shape == other.shape and sheet.shape[0] > 72
    below = slice(66, None)
    assert (sheet[below, 6:66] < 128).any() and np.all(sheet[below, 66:] == 255), "the caption leaves its cell"
    assert np.all(sheet[below, :6] == 255) and np.all(sheet[-2:] == 255) and np.all(sheet[:6] == 255)
    assert np.array_equal(sheet[below, 6:66], other[below, 72:132])


def test_wrapping_drops_no_letter():
    from PIL import ImageFont

    font = ImageFont.load_default(size=12)
    text = "one two incomprehensibilities\nfour"
    lines = wrap_text(text, font, 50)
    assert "".join(lines) == "onetwoincomprehensibilitiesfour" or "".join(lines).replace(" ", "") == text.replace(
        " ", ""
    ).replace("\n", "")
    assert all(font.getlength(line) <= 50 for line in lines)


def test_a_picture_that_changed_since_it_was_listed_is_no_longer_that_picture(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9), (1, 2, 3)).save(path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    rows = [{"path": str(path), "sha256": digest[:16]}]
    assert (read_image(path, sha256=digest) == [1, 2, 3]).all()
    assert (load_rows(rows, (9, 9)) == [1, 2, 3]).all()
    Image.new("RGB", (9, 9), (1, 2, 4)).save(path)
    for read in (lambda: read_image(path, sha256=digest), lambda: load_rows(rows * 3, (9, 9), threads=2)):
        with pytest.raises(UserError, match=r"a\.png: the picture is not the one that was listed; run again"):
            read()
    with pytest.raises(ValueError, match="1 digests for 2 pictures"):
        load_images([path, path], (9, 9), digests=[digest])


def test_a_file_of_which_a_picture_is_a_small_part_is_not_kept_in_memory(tmp_path, monkeypatch):
    """A picture of 8x8 pixels and two gigabytes behind it took two gigabytes of every job that read it."""
    path = tmp_path / "a.png"
    Image.new("RGB", (9, 9), (1, 2, 3)).save(path)
    with path.open("r+b") as file:
        file.truncate(30_000_000)
    digest = sha256_of(path)
    monkeypatch.setattr(reading, "_IN_MEMORY", 1_000_000)
    tracemalloc.start()
    try:
        assert (read_image(path, sha256=digest) == [1, 2, 3]).all()
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()
    with path.open("r+b") as file:
        file.seek(20_000_000)
        file.write(b"x")
    with pytest.raises(UserError, match="the picture is not the one that was listed"):
        read_image(path, sha256=digest)
