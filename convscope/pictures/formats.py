"""Opening a picture of any format, known by what it holds, with that format's reader alone.

A name says nothing here: a photo without a suffix or with a wrong one is read, and a reader never sees what is not of its
format. Every reader refuses by the header what is larger than the limit, before anything is decoded.
"""

import dataclasses
import importlib
import warnings
from typing import IO, Any

import numpy as np
from PIL import Image

from convscope.errors import BadImage
from convscope.pictures import bands, dicom, jpeg_xl
from convscope.pictures.kinds import FOREIGN, HEAD, NAMES, format_of
from convscope.pictures.window import Window, through_window

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
# Sizes are checked here against `max_pixels`, damage is an error here: the warnings would only repeat both.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.|pydicom\.|pillow_heif\.")


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
    head = stream.read(HEAD)
    if not head:
        raise BadImage("empty file")
    known = format_of(head)
    # Most raw files are TIFFs by their first bytes; a photo that is only called like one is a photo.
    if suffix in FOREIGN and known in ("", "TIFF"):
        raise BadImage(f"not a picture that can be read: {FOREIGN[suffix]}")
    kind = known or {".tga": "TGA", ".dcm": "DICOM", ".dicom": "DICOM"}.get(suffix, "")
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
        if kind == "TIFF":
            bands.check_layout(stream, max_pixels)
        picture = Image.open(stream, formats=(kind,))
    check_size(*picture.size, max_pixels)
    deep = len(picture.getbands()) > 1 and any("16" in mode for mode in _raw_modes(picture))
    facts = _tiff_facts(picture) if kind == "TIFF" else None
    most = _ppm_most(picture) if kind == "PPM" else 0
    deep = deep or (most > 255 and len(picture.getbands()) > 1)
    if kind == "PNG":
        _scale_clear(picture)
    picture.load()
    if facts and facts.is_misread(picture):
        stream.seek(0)
        return bands.as_picture(bands.tiff_bands(stream, max_pixels), window)
    if facts and facts.is_white_first:
        picture = Image.fromarray(np.asarray(facts.most - np.asarray(picture), np.uint16))
    if window is None:
        return picture
    if deep and kind == "TIFF":
        stream.seek(0)
        return bands.as_picture(bands.tiff_bands(stream, max_pixels), window)
    if deep:
        raise BadImage(
            "16 bits for each of several channels, of which a window would see 8; save it as TIFF, in gray or in 8 bits"
        )
    if most:
        # Pillow has spread them to 255 or 65535.
        numbers = np.rint(np.asarray(picture, np.float64) * (most / (65535 if picture.mode == "I" else 255)))
        picture = Image.fromarray(numbers.astype(np.uint8 if most <= 255 else np.uint16))
    return through_window(picture, window)


@dataclasses.dataclass(frozen=True)
class _TiffFacts:
    """What a TIFF's header says of its numbers: `bits`, and `format` and `photometric` as the standard counts them."""

    bits: int
    format: int
    photometric: int
    planes: bool

    @property
    def most(self) -> int:
        """The largest number."""
        return int(2**self.bits - 1)

    @property
    def is_white_first(self) -> bool:
        """Whether 0 is white, which Pillow turns round up to 8 bits alone."""
        return self.photometric == 0 and self.format == 1 and 8 < self.bits <= 16

    def is_misread(self, picture: Image.Image) -> bool:
        """Whether Pillow takes the numbers for others: signed bytes, deep planes, large numbers without a sign."""
        if (self.format == 2 and self.bits == 8) or (self.planes and self.bits > 8):
            return True
        return picture.mode == "I" and self.format == 1 and self.bits == 32 and int(np.asarray(picture).min()) < 0


def _tiff_facts(picture: Image.Image) -> _TiffFacts:
    """Those of an open TIFF; of several samples the first one's."""

    def first(tag: int, otherwise: int) -> int:
        value = picture.tag_v2.get(tag, otherwise)  # type: ignore[attr-defined]
        return int(value[0] if isinstance(value, tuple) else value)

    return _TiffFacts(first(258, 1), first(339, 1), first(262, 1), first(284, 1) == 2)


def _ppm_most(picture: Image.Image) -> int:
    """The number that is white in a PPM or PGM by its header; 0 where Pillow reads its numbers as they are."""
    arguments: Any = picture.tile[0][3] if picture.tile else ()  # type: ignore[attr-defined]
    is_spread = isinstance(arguments, tuple) and len(arguments) == 2
    return int(arguments[1]) if is_spread else 0


def _raw_modes(picture: Image.Image) -> list[str]:
    """How the numbers lie in the file, in Pillow's words."""
    arguments = [tile[3] for tile in getattr(picture, "tile", ())]
    return [str(some[0] if isinstance(some, tuple) and some else some) for some in arguments]


def _scale_clear(picture: Image.Image) -> None:
    """Bring the colour that a PNG calls transparent to the numbers that its pixels are given as.

    Pillow spreads 2 and 4 bits to 8 and cuts 16 bits of a colour to 8, but leaves this one as it is in the file: it would meet no
    pixel, or another colour's.
    """
    clear, modes = picture.info.get("transparency"), _raw_modes(picture)
    if isinstance(clear, int) and modes[:1] in (["L;2"], ["L;4"]):
        picture.info["transparency"] = clear * (85 if modes[0] == "L;2" else 17)
    elif isinstance(clear, tuple) and modes[:1] == ["RGB;16B"]:
        picture.info["transparency"] = tuple(number >> 8 for number in clear)


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
