"""DICOM: an X-ray's, a scanner's or a microscope's picture as its file says that it is to be looked at.

Modality, then window, then inversion, in the order of the standard (DICOM PS3.3 C.11): stored numbers become those of the
modality (Hounsfield units ...) by slope and intercept or a table, the file's first window makes 0..255 of them, and
MONOCHROME1, where the lowest number is white, is turned round. Needs pydicom.
"""

import io
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from convscope.errors import BadImage
from convscope.pictures.window import Window, bytes_between

_DEFLATED = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.8.1")


def read_dicom(stream: IO[bytes], max_pixels: int, window: Window | None = None) -> Image.Image:
    """The first picture of a DICOM file.

    Gray without a window of its own is spread from its lowest to its highest number, the file's padding left out.

    Args:
        stream: the file.
        max_pixels: larger ones are refused by the header.
        window: (black, white) in the modality's units, instead of the file's own.

    Returns:
        mode "L" or "RGB", decoded.

    Raises:
        BadImage: pydicom, or a decoder that it needs, is not installed; or the file is damaged or holds no picture.
    """
    try:
        import pydicom
    except ImportError:
        raise BadImage("a DICOM file, which needs the package pydicom: pip install pydicom") from None
    try:
        data = pydicom.dcmread(stream, force=True, stop_before_pixels=True)
        _check_header(data, max_pixels)
        stream.seek(0)
        data = pydicom.dcmread(stream, force=True)
        _check_inner(data)
        return _picture(data, window)
    except (BadImage, MemoryError):
        raise
    except Exception as error:
        # A file from anywhere, and a library that raises nearly anything on what it did not expect.
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise BadImage(f"damaged: {reason}") from None


def _check_header(data: Any, max_pixels: int) -> None:
    syntax = getattr(getattr(data, "file_meta", None), "TransferSyntaxUID", "")
    if syntax in _DEFLATED:
        raise BadImage("a deflated DICOM file, whose size is not known before it is unpacked; save it uncompressed")
    if "Rows" not in data or "Columns" not in data:
        raise BadImage("a DICOM file without a picture")
    width, height = int(data.Columns), int(data.Rows)
    if width <= 0 or height <= 0:
        raise BadImage(f"damaged: a size of {width}x{height} pixels")
    if width * height > max_pixels:
        raise BadImage(f"too large: {width}x{height} pixels, the limit is {max_pixels}")


def _check_inner(data: Any) -> None:
    """Check that a JPEG within has the size that the file says: its reader goes by its own, however large."""
    from pydicom.encaps import generate_frames

    syntax = getattr(getattr(data, "file_meta", None), "TransferSyntaxUID", None)
    if syntax is None or not syntax.is_encapsulated:
        return
    frame = next(generate_frames(data.PixelData, number_of_frames=int(data.get("NumberOfFrames", None) or 1)))
    try:
        with Image.open(io.BytesIO(frame), formats=("JPEG", "JPEG2000")) as inner:
            width, height = inner.size
    except UnidentifiedImageError:
        return  # of a kind that Pillow does not read
    if (width, height) != (int(data.Columns), int(data.Rows)):
        raise BadImage(
            f"damaged: a picture of {width}x{height} pixels where there should be {data.Columns}x{data.Rows}"
        )


def _picture(data: Any, window: Window | None) -> Image.Image:
    from pydicom.pixels import apply_color_lut, pixel_array

    values = np.asarray(pixel_array(data, index=0))
    kind = str(data.get("PhotometricInterpretation", "MONOCHROME2"))
    if kind == "PALETTE COLOR":
        values = np.asarray(apply_color_lut(values, data))
        deep = values.dtype.itemsize > 1
        return Image.fromarray((values.astype(np.uint32) // 257 if deep else values).astype(np.uint8))
    if values.ndim == 3:
        top = 2 ** int(data.BitsStored) - 1
        return Image.fromarray(np.round(np.clip(values, 0, top) * (255.0 / top)).astype(np.uint8))
    gray = _windowed(values, data, window)
    return Image.fromarray(255 - gray if kind == "MONOCHROME1" else gray)


def _windowed(values: NDArray[Any], data: Any, window: Window | None) -> NDArray[np.uint8]:
    from pydicom.pixels import apply_modality_lut

    numbers = np.asarray(apply_modality_lut(values, data), np.float64)
    if window is not None:
        return bytes_between(numbers, *window)
    if data.get("VOILUTSequence"):
        return _by_table(np.asarray(apply_modality_lut(values, data)), data)
    centre, width = _first(data, "WindowCenter"), _first(data, "WindowWidth")
    if centre is None or width is None or width <= 0:
        known = numbers[values != data.PixelPaddingValue] if "PixelPaddingValue" in data else numbers
        known = known if known.size else numbers
        return bytes_between(numbers, float(known.min()), float(known.max()))
    function = str(data.get("VOILUTFunction", None) or "LINEAR")
    if function == "SIGMOID":
        return np.round(255 / (1 + np.exp(np.clip(-4 * (numbers - centre) / width, -700, 700)))).astype(np.uint8)
    # LINEAR counts its ends in whole numbers (PS3.3 C.11.2.1.2.1), LINEAR_EXACT does not.
    half = (width - 1) / 2 if function == "LINEAR" else width / 2
    middle = centre - 0.5 if function == "LINEAR" else centre
    return bytes_between(numbers, middle - half, middle + half)


def _by_table(numbers: NDArray[Any], data: Any) -> NDArray[np.uint8]:
    from pydicom.pixels import apply_voi

    top = 2 ** int(data.VOILUTSequence[0].LUTDescriptor[2]) - 1
    return bytes_between(np.asarray(apply_voi(numbers, data, index=0), np.float64), 0.0, float(top))


def _first(data: Any, name: str) -> float | None:
    value = data.get(name)
    if value is None or value == "":
        return None
    number = float(value if isinstance(value, int | float | str) else value[0] if np.ndim(value) else value)
    return number if np.isfinite(number) else None
