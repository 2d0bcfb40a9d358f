"""Which format a file has, by its first bytes, and which names pictures have. Imports nothing heavy."""

import re
import struct

# So much of a file's beginning tells its format: DICOM's four letters are the last to come.
HEAD = 160
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
_JPEG_XL = (b"\0\0\0\x0cJXL \r\n\x87\n", b"\xff\x0a")
_JPEG_2000 = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIF_BRANDS = {b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}


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
    if head.startswith(_JPEG_XL):
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
