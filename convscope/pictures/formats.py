"""Which format a file has, by what it holds, and opening it with that format's reader alone.

A name says nothing here: a photo without a suffix or with a wrong one is read, and a reader never sees what is not of its
format. Every reader refuses by the header what is larger than the limit, before anything is decoded.
"""

import importlib
import re
import struct
import warnings
from typing import IO

from PIL import Image

from convscope.errors import BadImage
from convscope.pictures import dicom, jpeg_xl
from convscope.pictures.window import Window, through_window

# So much of a file's beginning tells its format: DICOM's four letters are the last to come.
HEAD = 160
# Readers of Pillow's own, by the module that holds them: those that it does not load by itself have to be imported.
_PILLOW = {
    "JPEG": "JpegImagePlugin",
    "PNG": "PngImagePlugin",
    "GIF": "GifImagePlugin",
    "BMP": "BmpImagePlugin",
    "WEBP": "WebPImagePlugin",
    "TIFF": "TiffImagePlugin",
    "AVIF": "AvifImagePlugin",
    "JPEG2000": "Jpeg2KImagePlugin",
    "PPM": "PpmImagePlugin",
    "QOI": "QoiImagePlugin",
    "TGA": "TgaImagePlugin",
}
NAMES = "JPEG, PNG, GIF, BMP, WEBP, TIFF, AVIF, HEIC, JPEG XL, JPEG 2000, PPM, QOI, TGA or DICOM"
SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".avif"),
    *(".heic", ".heif", ".hif", ".jxl", ".jp2", ".j2k", ".jpf", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".pfm", ".qoi"),
    *(".tga", ".dcm", ".dicom"),
)
# Pictures to people that are none to this library; they are listed as bad, with what to do, not passed over.
_CAMERA_RAW = (".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw")
FOREIGN = {
    **dict.fromkeys(
        _CAMERA_RAW, "a camera's raw file, which holds a small preview beside it; export it as TIFF or JPEG"
    ),
    ".svg": "a drawing in vectors, which has no pixels; export it as PNG",
    ".psd": "a file of Photoshop; export it as PNG or TIFF",
}
_JPEG_2000 = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}

# Sizes are checked here against `max_pixels`, damage is an error here: the warnings would only repeat both.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.|pydicom\.|pillow_heif\.")


def format_of(head: bytes) -> str:
    """The format of a file by its first `HEAD` bytes; "" where they are no picture's.

    TGA has no mark at its beginning: such a file is known by its name alone.
    """
    if head.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if head.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    # Two letters alone would take a text for a picture.
    if (
        head.startswith(b"BM")
        and len(head) >= 18
        and struct.unpack("<I", head[14:18])[0] in (12, 40, 52, 56, 64, 108, 124)
    ):
        return "BMP"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "WEBP"
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):
        return "TIFF"
    if head.startswith(_JPEG_2000):
        return "JPEG2000"
    if re.match(rb"P[1-6Ff]\s[#0-9 ]", head):
        return "PPM"
    if head.startswith(b"qoif"):
        return "QOI"
    if jpeg_xl.is_jpeg_xl(head):
        return "JXL"
    if head[128:132] == b"DICM":
        return "DICOM"
    return _of_brands(head)


def _of_brands(head: bytes) -> str:
    """AVIF and HEIC share their container; what it is made for tells them apart."""
    if head[4:8] != b"ftyp":
        return ""
    length = min(int.from_bytes(head[:4], "big"), len(head))
    brands = [head[8:12], *(head[start : start + 4] for start in range(16, length - 3, 4))]
    if brands[0] in _AVIF_BRANDS:
        return "AVIF"
    if brands[0] not in _HEIF_BRANDS:
        return ""
    return "AVIF" if brands[0] in (b"mif1", b"msf1") and _AVIF_BRANDS & set(brands) else "HEIF"


def is_picture_name(name: str) -> bool:
    """Whether a file is a picture by its name, readable or not."""
    return name.lower().endswith((*SUFFIXES, *FOREIGN))


def open_picture(stream: IO[bytes], max_pixels: int, name: str = "", window: Window | None = None) -> Image.Image:
    """Open a picture of any format: its first frame, of an allowed size, decoded.

    Args:
        stream: the file, read from its beginning and open while the picture is in use.
        max_pixels: larger ones are refused by their header.
        name: the file's, which counts where the content cannot tell: TGA, and DICOM without its mark.
        window: (black, white), see `window.through_window`.

    Raises:
        BadImage: no picture, too large, or a reader is missing; the text says what to do.
        Exception: anything, from a decoder, on damage.
    """
    suffix = "." + name.lower().rpartition(".")[2]
    if suffix in FOREIGN:
        raise BadImage(f"not a picture that can be read: {FOREIGN[suffix]}")
    head = stream.read(HEAD)
    if not head:
        raise BadImage("empty file")
    kind = format_of(head) or {".tga": "TGA", ".dcm": "DICOM", ".dicom": "DICOM"}.get(suffix, "")
    stream.seek(0)
    if not kind:
        raise BadImage(f"not a picture ({NAMES})")
    if kind == "DICOM":
        return dicom.read_dicom(stream, max_pixels, window)
    if kind == "JXL":
        check_size(*jpeg_xl.size_of(stream.read()), max_pixels)
        stream.seek(0)
        picture = jpeg_xl.open_jpeg_xl(stream)
    else:
        _load_reader(kind)
        picture = Image.open(stream, formats=(kind,))
    check_size(*picture.size, max_pixels)
    deep = len(picture.getbands()) > 1 and any("16" in str(tile[3]) for tile in picture.tile)  # type: ignore[attr-defined]
    picture.load()
    if window is None:
        return picture
    if deep:
        raise BadImage(
            "16 bits for each of several channels, of which a window would see 8; save it in gray or in 8 bits"
        )
    return through_window(picture, window)


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raises:
    BadImage: there are more pixels than the limit, or none.
    """
    if width <= 0 or height <= 0:
        raise BadImage(f"damaged: a size of {width}x{height} pixels")
    if width * height > max_pixels:
        raise BadImage(f"too large: {width}x{height} pixels, the limit is {max_pixels}")


def _load_reader(kind: str) -> None:
    if kind != "HEIF":
        importlib.import_module(f"PIL.{_PILLOW[kind]}")
        return
    import pillow_heif

    if "HEIF" not in Image.OPEN:
        # A thumbnail or a depth map beside the picture is not wanted, and one thread is one thread.
        pillow_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
