"""What must hold of any file that is called a picture: it is read as what it is, the same each time, or refused with a reason."""

from pathlib import Path

import numpy as np

from convscope.data.masks import read_mask
from convscope.errors import BadImage, UserError
from convscope.pictures.channels import Channels
from convscope.pictures.describe import Looked, describe
from convscope.pictures.read import load_images, read_pixels

# Larger pictures are refused by their header, as a dataset's `max_pixels` says.
MOST_PIXELS = 2_000_000
_CHANNELS = (Channels("rgb"), Channels("gray"), Channels("rgba"), Channels("bands", (0,)))
_WINDOWS = (None, None, None, (0.0, 4095.0))
_SIZE = (16, 16)
_LONGEST_REASON = 300


class Fault(Exception):
    """What is wrong with how a file was read."""


def outcome(path: Path, number: int) -> str:
    """Read a file as a dataset's listing does, then as a network's input, and as a mask.

    Returns:
        "read" or "listed".

    Raises:
        Fault: something that must not be; and whatever else escapes the reading path.
    """
    window, channels = _WINDOWS[number % len(_WINDOWS)], _CHANNELS[number // 4 % len(_CHANNELS)]
    try:
        known = describe(path, Looked(max_pixels=MOST_PIXELS, window=window))
    except BadImage as error:
        _check_reason(str(error), path)
        # What is larger than asked for here is not so for a mask.
        if number % 8 == 5 and "too large" not in str(error):
            _check_mask(path)
        return "listed"
    if number % 8 == 5:
        _check_mask(path)
    pixels = read_pixels(path, max_pixels=MOST_PIXELS, sha256=known.sha256)
    if pixels.shape != (known.height, known.width, 3) or pixels.dtype != np.uint8:
        raise Fault(f"listed as {known.width}x{known.height} and read as {pixels.dtype} {pixels.shape}")
    if int(pixels.max()) != known.brightest or not 8 <= min(pixels.shape[:2]) <= MOST_PIXELS:
        raise Fault("read with other pixels the second time")
    try:
        first, second = (load_images([path], _SIZE, digests=[known.sha256], channels=channels) for _ in range(2))
    except BadImage as error:
        # Of bands more can be wrong than of what people see.
        _check_reason(str(error).removeprefix(f"{path}: "), path)
        if channels.kind != "bands":
            raise Fault(f"listed, and then: {error}") from None
        return "read"
    kind = np.float32 if channels.kind == "bands" else np.uint8
    if first.shape != (1, *_SIZE, channels.depth) or first.dtype != kind:
        raise Fault(f"a network is given {first.dtype} {first.shape}")
    if not np.isfinite(first).all():
        raise Fault("a network is given what is no number")
    if not np.array_equal(first, second):
        raise Fault("read twice, it is not the same")
    return "read"


def _check_mask(path: Path) -> None:
    try:
        mask = read_mask(path)
    except BadImage as error:
        _check_reason(str(error), path)
        return
    if mask.ndim != 2 or mask.dtype != np.uint8 or not mask.size:
        raise Fault(f"a mask of {mask.dtype} {mask.shape}")


def _check_reason(reason: str, path: Path) -> None:
    if not reason.strip() or "\n" in reason or len(reason) > _LONGEST_REASON or str(path) in reason:
        raise Fault(f"no reason for people: {reason[:300]!r}")
    reason.encode()  # it goes into a table


__all__ = ["MOST_PIXELS", "Fault", "UserError", "outcome"]
