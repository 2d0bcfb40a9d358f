"""Pictures as people have them in a notebook, brought to what the workflow would have read from files."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from convscope.data.image_sets import image_ids, select_images
from convscope.errors import BadImage, UserError
from convscope.evaluation.labels import labels_for
from convscope.models.spec import ModelSpec
from convscope.pictures.channels import Channels
from convscope.pictures.read import fit_image, load_rows, pixels_of, read_pixels

# Grey, red green blue, and those with transparency.
_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Pictures:
    """Pictures at a model's input size.

    Attributes:
        pixels: (N, H, W, C), 0..255, RGB or what the model reads: uint8, of bands float32.
        ids: N names; what is random in a map comes from them, as in the workflow: those of files are the same there.
        labels: (N,) int64, the true class as the model numbers it; -1 unknown. Known of a folder of class folders alone.
    """

    pixels: np.ndarray
    ids: list[str]
    labels: np.ndarray


def read(images: Any, spec: ModelSpec, what: str = "images") -> Pictures:
    """Read pictures of any kind and fit them to a model's input: PIL's bilinear filter, `spec.resize`, whole numbers 0..255.

    Args:
        images: one or many of: the path of a picture; a PIL picture; an array of a picture, (H, W, 3), (H, W) or (H, W, 1) grey,
            (H, W, 4) with transparency, 0..255, integers or floats (which are rounded); for a model that takes bands, these,
            (H, W, bands) in its order, not rounded. Or an array of many, (N, H, W, C); or a folder of pictures, or of class folders.
        spec: the model's input size and how pictures are brought to it.
        what: the argument's name, for the message.

    Raises:
        UserError: no pictures, one that cannot be read, or an array whose range is not 0..255.
    """
    if isinstance(images, str) and not images.strip():
        raise UserError("images: an empty path; name a picture or a folder of them")
    if isinstance(images, str | os.PathLike) and Path(images).expanduser().is_dir():
        return _folder(Path(images).expanduser(), spec, what)
    given = _listed(images, what)
    if not given:
        raise UserError(f"{what}: there are no pictures in it")
    pixels = [
        fit_image(_pixels(one, f"{what}[{index}]", spec.reads), spec.input_size, spec.resize)
        for index, one in enumerate(given)
    ]
    names = [str(one) if isinstance(one, str | os.PathLike) else f"image_{index}" for index, one in enumerate(given)]
    return Pictures(np.stack(pixels), image_ids([("", name) for name in names]), np.full(len(given), -1, np.int64))


def _folder(folder: Path, spec: ModelSpec, what: str) -> Pictures:
    chosen, bad = select_images({"folder": str(folder)})
    if bad:
        more = f", and {len(bad) - 1} more" if len(bad) > 1 else ""
        raise UserError(f"{what}: {bad[0].path}: {bad[0].reason}{more}; remove it, or give a list of files")
    if not chosen:
        raise UserError(f"{what}: there are no pictures in the folder {folder}")
    rows = [{"path": row.path, "sha256": row.sha256, "class": row.class_, "label": str(row.label)} for row in chosen]
    pixels = load_rows(rows, spec.input_size, spec.resize, channels=spec.reads)
    return Pictures(pixels, [row.id for row in chosen], labels_for(rows, spec.classes))


def _listed(images: Any, what: str) -> list[Any]:
    """One picture an entry."""
    if isinstance(images, str | os.PathLike | Image.Image):
        return [images]
    if hasattr(images, "__array__"):
        array = np.asarray(images)
        if array.dtype.kind in "OUS":  # an array of paths or of pictures
            return array.ravel().tolist()
        if array.ndim == 4:
            return list(array)
        return [array]
    if isinstance(images, Iterable):
        return list(images)
    raise UserError(f"{what} is of type {type(images).__name__}; give paths, PIL pictures, or arrays of pixels 0..255")


def _pixels(one: Any, what: str, channels: Channels) -> np.ndarray:
    """One picture as it would be read from a file: (H, W, C)."""
    try:
        if isinstance(one, str | os.PathLike):
            return read_pixels(Path(one).expanduser(), channels)
        if isinstance(one, Image.Image):
            return _opened(one, what, channels)
        if hasattr(one, "__array__"):
            return _from_array(np.asarray(one), what, channels)
    except BadImage as error:
        name = one if isinstance(one, str | os.PathLike) else what
        raise UserError(f"{name}: {error}; give another picture") from None
    raise UserError(f"{what} is of type {type(one).__name__}; give paths, PIL pictures, or arrays of pixels 0..255")


def _opened(picture: Image.Image, what: str, channels: Channels) -> np.ndarray:
    try:
        return pixels_of(picture, channels)
    except (OSError, ValueError, SyntaxError) as error:  # its file is closed, or ends too early: PIL reads late
        raise UserError(f"{what}: PIL cannot read it ({error}); open the file again, or give its path") from None


def _from_array(array: np.ndarray, what: str, channels: Channels) -> np.ndarray:
    if array.ndim == 2:
        array = array[..., None]
    bands = channels.kind == "bands"
    if array.ndim != 3 or array.shape[-1] not in ((channels.depth,) if bands else _CHANNELS) or not array.size:
        depth = channels.depth if bands else 3
        raise UserError(
            f"{what} has the shape {array.shape}; give (H, W, {depth}) or a batch (N, H, W, {depth}), colours last"
        )
    array = _checked(array, what, rounded=not bands)
    if bands:
        return array
    return pixels_of(Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array), channels)


def _checked(array: np.ndarray, what: str, rounded: bool = True) -> np.ndarray:
    """Pixels as uint8, or as float32 where they are not rounded, where nobody can doubt what they mean."""
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind not in "iuf" or not array.size:
        raise UserError(f"{what} is an array of {array.dtype}; give pixels 0..255, uint8 or float")
    low, high = float(array.min()), float(array.max())
    if array.dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            raise UserError(f"{what} holds values that are not finite; give pixels 0..255")
        if low >= 0 and 0 < high <= 1:
            raise UserError(
                f"{what} lies in 0..1; multiply by 255 (pixels are 0..255; so dark a picture give as uint8)"
            )
    if low < 0 or high > 255:
        raise UserError(
            f"{what} lies in {low:.4g}..{high:.4g}; give pixels 0..255, before any preprocessing (preprocessing= names it)"
        )
    return np.rint(array).astype(np.uint8) if rounded else array.astype(np.float32)
