"""Small sound pictures of every format that is read, in many of its forms: what the damaged ones are made of."""

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401
import pydicom
import tifffile
from PIL import Image, ImageCms, PngImagePlugin
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

pillow_heif.register_heif_opener()

HEIGHT, WIDTH = 17, 24
# A file's name counts where its content does not tell its format.
SUFFIXES = {"TGA": ".tga", "DICOM": ".dcm"}


def pixels(depth: int = 3, kind: Any = np.uint8) -> np.ndarray:
    """(HEIGHT, WIDTH, depth), smooth with some noise; of depth 0 without that axis."""
    noise = np.random.default_rng(7).integers(0, 40, (HEIGHT, WIDTH, max(depth, 1)))
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    values = np.stack([x * 8 + y * channel for channel in range(max(depth, 1))], axis=-1) + noise
    values = values.clip(0, 255) * (257 if np.dtype(kind).itemsize > 1 else 1)
    return values[..., 0].astype(kind) if depth == 0 else values.astype(kind)


def _saved(picture: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _exif(orientation: int = 6) -> bytes:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "a picture"
    return exif.tobytes()


def _icc() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _rgb() -> Image.Image:
    return Image.fromarray(pixels())


def _rgba() -> Image.Image:
    return Image.fromarray(pixels(4))


def _gray() -> Image.Image:
    return Image.fromarray(pixels(0))


def _palette() -> Image.Image:
    return _rgb().quantize(17)


def _deep() -> Image.Image:
    return Image.fromarray(pixels(0, np.uint16))


def _jpeg() -> Iterator[bytes]:
    yield _saved(_rgb(), "JPEG", quality=90)
    yield _saved(_rgb(), "JPEG", quality=80, progressive=True, subsampling=2, exif=_exif(), icc_profile=_icc())
    yield _saved(_gray(), "JPEG", optimize=True, comment=b"words", xmp=b"<x:xmpmeta/>" * 9)
    yield _saved(_rgb().convert("CMYK"), "JPEG", quality=70)
    yield _saved(_rgb(), "JPEG", restart_marker_blocks=2, subsampling=1)
    yield _saved(_rgb(), "MPO", save_all=True, append_images=[_gray().convert("RGB")])


def _png() -> Iterator[bytes]:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("Title", "a picture")
    texts.add_text("Long", "word " * 200, zip=True)
    texts.add_itxt("Comment", "words", "en", "", zip=True)
    yield _saved(_rgb(), "PNG")
    yield _saved(_rgba(), "PNG", pnginfo=texts, exif=_exif(), icc_profile=_icc(), dpi=(72, 72))
    yield _saved(_gray(), "PNG", transparency=9)
    yield _saved(_palette(), "PNG", transparency=b"\0\x80\xff", bits=8)
    yield _saved(_gray().convert("1"), "PNG")
    yield _saved(_deep(), "PNG", transparency=5)
    yield _saved(_rgb(), "PNG", save_all=True, append_images=[_rgba().convert("RGB")] * 2)
    for depth in (3, 4):  # 16 bits, which Pillow does not write
        rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels(depth, np.uint16))
        head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, {3: 2, 4: 6}[depth], 0, 0, 0)
        chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
        yield b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, content) for kind, content in chunks)
    yield _interlaced()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _interlaced() -> bytes:
    gray, rows = pixels(0), b""
    for left, top, across, down in ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2)):
        rows += b"".join(b"\0" + row.tobytes() for row in gray[top::down, left::across])
    rows += b"".join(b"\0" + row.tobytes() for row in gray[1::2])
    head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 8, 0, 0, 0, 1)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(kind, content) for kind, content in chunks)


def _gif() -> Iterator[bytes]:
    yield _saved(_palette(), "GIF")
    yield _saved(_palette(), "GIF", interlace=True, comment=b"words", transparency=3)
    frames = [_palette().rotate(90 * turns) for turns in (1, 2)]
    yield _saved(_palette(), "GIF", save_all=True, append_images=frames, loop=0, duration=40, disposal=2)
    yield _saved(_gray(), "GIF")


def _bmp() -> Iterator[bytes]:
    yield _saved(_rgb(), "BMP")
    yield _saved(_palette(), "BMP")
    yield _saved(_rgba(), "BMP")
    yield _saved(_gray().convert("1"), "BMP")
    # Lengths of runs, bytes as they are, ends and a jump: RLE of 8 bits.
    runs = b"".join(bytes([WIDTH - 8, row, 0, 4, 1, 2, 3, 4, 4, 9]) + b"\0\0" for row in range(HEIGHT - 2))
    runs += bytes([3, 1]) + b"\0\x02\x03\x01" + bytes([WIDTH - 6, 7, WIDTH, 9]) + b"\0\x01"
    head = struct.pack("<IiiHHIIiiII", 40, WIDTH, HEIGHT, 1, 8, 1, len(runs), 2835, 2835, 256, 0)
    table = bytes(value for index in range(256) for value in (index, 255 - index, index // 2, 0))
    start = 14 + len(head) + len(table)
    yield struct.pack("<2sIHHI", b"BM", start + len(runs), 0, 0, start) + head + table + runs
    masks = struct.pack("<IIII", 0xF800, 0x07E0, 0x001F, 0)
    raw = pixels(0, np.uint16).tobytes()
    head = struct.pack("<IiiHHIIiiII", 56, WIDTH, -HEIGHT, 1, 16, 3, len(raw), 2835, 2835, 0, 0) + masks
    yield struct.pack("<2sIHHI", b"BM", 14 + len(head) + len(raw), 0, 0, 14 + len(head)) + head + raw


def _webp() -> Iterator[bytes]:
    yield _saved(_rgb(), "WEBP", quality=80)
    yield _saved(_rgba(), "WEBP", lossless=True, exif=_exif(), icc_profile=_icc(), xmp=b"<x:xmpmeta/>")
    yield _saved(_rgba(), "WEBP", quality=60, alpha_quality=50)
    yield _saved(_rgb(), "WEBP", save_all=True, append_images=[_rgb().rotate(180)], lossless=True, minimize_size=True)


def _tiff() -> Iterator[bytes]:
    yield _saved(_rgb(), "TIFF", exif=_exif(3), icc_profile=_icc())
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg", "zstd", "lzma"):
        yield _saved(_rgb(), "TIFF", compression=compression)
    yield _saved(_gray().convert("1"), "TIFF", compression="group4")
    yield _saved(_deep(), "TIFF", compression="tiff_lzw")
    yield _saved(_palette(), "TIFF")
    yield _saved(_rgb().convert("CMYK"), "TIFF")
    written: tuple[tuple[np.ndarray, dict[str, Any]], ...] = (
        (pixels(3, np.uint16), {"photometric": "rgb"}),
        (
            np.moveaxis(pixels(3, np.uint16), -1, 0),
            {"photometric": "rgb", "planarconfig": "separate", "byteorder": ">"},
        ),
        (pixels(6, np.uint16), {"photometric": "minisblack", "planarconfig": "contig"}),
        (pixels(0, np.uint16), {"photometric": "miniswhite", "bigtiff": True}),
        (pixels(0, np.float32), {"photometric": "minisblack", "predictor": False}),
        (pixels(3), {"photometric": "rgb", "tile": (16, 16), "compression": "zlib", "predictor": True}),
        (np.moveaxis(pixels(4, np.uint16), -1, 0), {"photometric": "minisblack"}),
        (pixels(0, np.int8), {"photometric": "minisblack"}),
    )
    for values, options in written:
        stream = io.BytesIO()
        tifffile.imwrite(stream, values, **options)
        yield stream.getvalue()


def _avif() -> Iterator[bytes]:
    yield _saved(_rgb(), "AVIF", quality=60)
    yield _saved(_rgba(), "AVIF", quality=80, exif=_exif(), icc_profile=_icc(), subsampling="4:4:4")
    yield _saved(_rgb(), "AVIF", save_all=True, append_images=[_rgb().rotate(180)])


def _heif() -> Iterator[bytes]:
    yield _saved(_rgb(), "HEIF", quality=60)
    yield _saved(_rgba(), "HEIF", quality=80, exif=_exif(), icc_profile=_icc())
    yield _saved(_gray(), "HEIF", quality=-1)
    yield _saved(_rgb(), "HEIF", save_all=True, append_images=[_rgb().rotate(90)])


def _jxl() -> Iterator[bytes]:
    yield _saved(_rgb(), "JXL", quality=80)
    yield _saved(_rgba(), "JXL", lossless=True)
    yield _saved(_gray(), "JXL", lossless=True, effort=1)
    yield _saved(_rgb(), "JXL", lossless=True, exif=_exif(), use_container=True)


def _jpeg2000() -> Iterator[bytes]:
    yield _saved(_rgb(), "JPEG2000")
    yield _saved(_rgba(), "JPEG2000", irreversible=True, quality_layers=[20, 5])
    yield _saved(_gray(), "JPEG2000", no_jp2=True)
    yield _saved(_deep(), "JPEG2000", tile_size=(16, 16))


def _ppm() -> Iterator[bytes]:
    yield _saved(_rgb(), "PPM")
    yield _saved(_gray(), "PPM")
    yield _saved(_gray().convert("1"), "PPM")
    yield _saved(_deep(), "PPM")
    size = f"{WIDTH} {HEIGHT}\n".encode()
    yield b"P3\n# words\n" + size + b"100\n" + b" ".join(b"%d" % (value % 101) for value in pixels().reshape(-1))
    yield b"P2\n" + size + b"9\n" + b" ".join(b"%d" % (value % 10) for value in pixels(0).reshape(-1))
    yield b"P1\n" + size + b" ".join(b"%d" % (value % 2) for value in pixels(0).reshape(-1))
    yield b"P5 " + size + b"4095\n" + (pixels(0, np.uint16) % 4096).astype(">u2").tobytes()
    yield b"Pf\n" + size + b"-1.0\n" + pixels(0, np.float32).tobytes()


def _qoi() -> Iterator[bytes]:
    yield _saved(_rgb(), "QOI")
    yield _saved(_rgba(), "QOI")
    yield _saved(Image.new("RGB", (WIDTH, HEIGHT), (9, 8, 7)), "QOI")


def _tga() -> Iterator[bytes]:
    yield _saved(_rgb(), "TGA")
    yield _saved(_rgba(), "TGA", compression="tga_rle")
    yield _saved(_gray(), "TGA", id_section=b"words")
    yield _saved(_palette(), "TGA", compression="tga_rle", orientation=1)
    yield _saved(_gray().convert("1"), "TGA")


def dicom(values: np.ndarray, syntax: str = ExplicitVRLittleEndian, **tags: Any) -> bytes:
    """A DICOM file of (H, W), (H, W, 3) or (frames, H, W) numbers."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, "1.2.3"
    meta.TransferSyntaxUID = syntax
    data = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)  # type: ignore[arg-type]
    colour = values.ndim == 3 and values.shape[-1] == 3
    data.SOPClassUID, data.SOPInstanceUID = CTImageStorage, "1.2.3"
    data.Rows, data.Columns = values.shape[:2] if colour else values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation = (3, "RGB") if colour else (1, "MONOCHROME2")
    if colour:
        data.PlanarConfiguration = 0
    elif values.ndim == 3:
        data.NumberOfFrames = len(values)
    data.BitsAllocated = data.BitsStored = 8 * values.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(values.dtype.kind == "i")
    for name, value in tags.items():
        setattr(data, name, value)
    if syntax == RLELossless:
        data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data.PixelData = values.tobytes()
        data.compress(RLELossless, values, generate_instance_uid=False)
    elif "PixelData" not in data:
        data.PixelData = values.tobytes() + b"\0" * (values.nbytes % 2)
        data["PixelData"].VR = "OB" if values.itemsize == 1 else "OW"
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def _dicom() -> Iterator[bytes]:
    from pydicom.encaps import encapsulate

    yield dicom(pixels(0, np.uint16), WindowCenter=600, WindowWidth=900, RescaleSlope=2, RescaleIntercept=-1024)
    yield dicom(pixels(0), PhotometricInterpretation="MONOCHROME1", WindowCenter=[40, 80], WindowWidth=[400, 90])
    yield dicom(pixels())
    yield dicom(pixels(0, np.int16), VOILUTFunction="SIGMOID", WindowCenter=60, WindowWidth=90, PixelPaddingValue=3)
    yield dicom(np.stack([pixels(0)] * 3))
    yield dicom(pixels(0, np.uint16), ImplicitVRLittleEndian)
    yield dicom(pixels(0, np.uint16), RLELossless)
    table = pydicom.Dataset()
    table.LUTDescriptor = [256, 0, 8]
    table.add_new("LUTData", "US", list(range(256)))
    yield dicom(pixels(0), VOILUTSequence=[table])
    for content, syntax in (
        (_saved(_gray(), "JPEG"), "1.2.840.10008.1.2.4.50"),
        (_saved(_gray(), "JPEG2000", no_jp2=True), "1.2.840.10008.1.2.4.90"),
    ):
        yield dicom(pixels(0), syntax, PixelData=encapsulate([content]))


_MAKERS: dict[str, Callable[[], Iterator[bytes]]] = {
    "JPEG": _jpeg,
    "PNG": _png,
    "GIF": _gif,
    "BMP": _bmp,
    "WEBP": _webp,
    "TIFF": _tiff,
    "AVIF": _avif,
    "HEIF": _heif,
    "JXL": _jxl,
    "JPEG2000": _jpeg2000,
    "PPM": _ppm,
    "QOI": _qoi,
    "TGA": _tga,
    "DICOM": _dicom,
}
FORMATS = tuple(_MAKERS)


@cache
def seeds_of(kind: str) -> tuple[bytes, ...]:
    """The sound files of a format."""
    return tuple(_MAKERS[kind]())
