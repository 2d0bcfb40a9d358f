"""Which numbers of a picture a network takes, and how they are shown to people."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KINDS = ("rgb", "gray", "rgba", "bands")


@dataclass(frozen=True)
class Channels:
    """What is read of each picture, and how it is shown.

    Everywhere in this library a channel's values lie in 0..255, whatever the file holds: 0 is the darkest and 255 the brightest that
    its type can tell, or the ends of its dataset's window.

    Attributes:
        kind: "rgb"; "gray" (ITU-R 601-2 luma, PIL's "L"; transparency over white first); "rgba" (alpha 255 where there is none);
            "bands", the file's own, of a TIFF of any number of them.
        bands: for "bands", which of the file's, counted from 0, in the order in which the network takes them.
        shown: three of these bands that people see as red, green and blue, or one that they see as gray; empty: the first three,
            or the first where there are two.
    """

    kind: str = "rgb"
    bands: tuple[int, ...] = ()
    shown: tuple[int, ...] = ()

    @property
    def depth(self) -> int:
        """Number of channels."""
        return len(self.bands) if self.kind == "bands" else {"rgb": 3, "gray": 1, "rgba": 4}[self.kind]

    @property
    def colour(self) -> int:
        """How many of the first channels are red, green and blue: 3, or 0 where colours mean nothing."""
        return 3 if self.kind in ("rgb", "rgba") else 0

    @property
    def places(self) -> tuple[int, ...]:
        """Which channels people see: three as red, green and blue, or one as gray."""
        if self.kind != "bands":
            return (0,) if self.kind == "gray" else (0, 1, 2)
        if self.shown:
            return tuple(self.bands.index(band) for band in self.shown)
        return (0, 1, 2) if len(self.bands) >= 3 else (0,)

    def for_people(self, pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
        """What people see of pixels: (..., depth) in 0..255, of any type -> (..., 3) uint8; values beyond are clipped.

        Gray is repeated, transparency lies over white, of bands the chosen ones are shown.
        """
        if pixels.shape[-1] != self.depth:
            raise ValueError(f"pixels of {self.depth} channels expected, got shape {pixels.shape}")
        if self.kind == "rgb" and pixels.dtype == np.uint8:
            return pixels  # type: ignore[return-value]
        values = np.clip(np.asarray(pixels, np.float32), 0, 255)
        if self.kind == "rgba":
            alpha = values[..., 3:] / np.float32(255)
            values = values[..., :3] * alpha + (1 - alpha) * 255
        else:
            values = values[..., list(self.places)]
        seen = np.rint(values).astype(np.uint8)
        return np.repeat(seen, 3, axis=-1) if seen.shape[-1] == 1 else seen


RGB = Channels()
