"""Which numbers of a picture a network takes, and how they are shown to people."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# ITU-R 601-2, as PIL's "L".
_LUMA = (0.299, 0.587, 0.114)


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

    def of_colour(self, colour: Sequence[float]) -> NDArray[np.float32]:
        """The pixel, (depth,) in 0..255, that a colour is: its luma in gray, opaque with alpha, its one value in every band.

        Raises:
            ValueError: a colour that is none of the grays, for bands, which have no colours.
        """
        values = np.asarray(colour, np.float32)
        gray = len(set(values.tolist())) == 1
        if self.kind == "bands":
            if not gray:
                raise ValueError("the model takes bands, which have no colours; give three equal numbers")
            return np.full(self.depth, values[0])
        if self.kind == "gray":
            return values[:1] if gray else np.array([values @ np.array(_LUMA)], np.float32)
        return np.append(values, np.float32(255)) if self.kind == "rgba" else values

    def described(self) -> dict[str, Any]:
        """The attribute by which a file of results says what its model reads; none where it is RGB."""
        return {} if self.kind == "rgb" else {"reads": {"kind": self.kind, "bands": self.bands, "shown": self.shown}}

    @classmethod
    def of_attributes(cls, attributes: Mapping[str, Any]) -> "Channels":
        """What `described` wrote."""
        if "reads" not in attributes:
            return cls()
        facts = json.loads(attributes["reads"])
        return cls(facts["kind"], tuple(facts["bands"]), tuple(facts["shown"]))

    def seen(self, pixels: NDArray[np.generic]) -> NDArray[np.float32]:
        """What people see of pixels: (..., depth) in 0..255 -> (..., 3) float32, red, green and blue, neither rounded nor clipped.

        Gray is repeated, transparency lies over white, of bands the chosen ones are seen.
        """
        if pixels.shape[-1] != self.depth:
            raise ValueError(f"pixels of {self.depth} channels expected, got shape {pixels.shape}")
        values = np.asarray(pixels, np.float32)
        if self.kind == "rgba":
            alpha = np.clip(values[..., 3:] / np.float32(255), 0, 1)
            return values[..., :3] * alpha + (1 - alpha) * np.float32(255)
        if self.kind == "rgb":
            return values
        values = values[..., list(self.places)]
        return np.repeat(values, 3, axis=-1) if values.shape[-1] == 1 else values

    def for_people(self, pixels: NDArray[np.generic]) -> NDArray[np.uint8]:
        """What `seen` gives as a picture: (..., 3) uint8; values beyond 0..255 are clipped."""
        if self.kind == "rgb" and pixels.dtype == np.uint8:
            return pixels  # type: ignore[return-value]
        return np.rint(np.clip(self.seen(pixels), 0, 255)).astype(np.uint8)


RGB = Channels()
