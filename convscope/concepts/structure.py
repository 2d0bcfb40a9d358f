"""How a picture changes from place to place: edges by their direction, texture, and how fine it is.

All of it is measured in CIELAB, where a difference of 2.3 is just noticeable (Mahy et al. 1994), over lightness and both colours
together (Di Zenzo 1986), at lengths in pixels of what the network is shown. Nothing is scaled by the picture itself: what is an
edge in one is an edge in all.
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Where nothing of a kind is, beside the indices of its names.
NOTHING = -1
# Just noticeable, in CIELAB.
NOTICEABLE = 2.3
# Of the structure tensor: the Gaussian in whose derivative the slope is seen, and that over which slopes are gathered, pixels.
SLOPE, GATHERED = 1.0, 1.5
# Edges are told from a step of about four noticeable differences on, ten: its slope, gathered over those lengths at its middle, is
# so much a pixel. Noise of a difference of 2 from pixel to pixel, as of a good JPEG, comes to 0.6.
_STEP = 4 * NOTICEABLE
STEEP = _STEP * (2 * np.sqrt(np.pi) * np.sqrt(2 * np.pi * (GATHERED**2 + SLOPE**2 / 2)) * SLOPE) ** -0.5
# Of one direction is what has three times the energy across it that it has along it, (3 - 1)/(3 + 1): an edge, stripes.
COHERENT = 1 / 2
# Texture is told over a length that holds several hairs or blades: two thirds of the pixels are steep there, and half of the slopes at
# least cancel, up and down a hair again, while those of an edge (1) and of a corner (0.7) do not.
ELEMENTS, BUSY, ONE_WAY = 6.0, 2 / 3, 0.5
# Stripes are several: over a length in which a single one of up to six pixels does not make two thirds steep.
STRIPES = 9.0
# Octaves of the pyramid, as the Gaussians between which they lie: most of what is kept has wavelengths of about 3, 6 and 13 pixels.
# All are gathered over one length, a wavelength of the coarsest, or the widest window would win wherever nothing is.
BANDS = (0.5, 1.0, 2.0, 4.0)
WINDOW = 4.0


def orientation_labels(lab: np.ndarray) -> NDArray[np.int64]:
    """In which direction the line of an edge runs at every pixel, by the structure tensor (Bigun and Granlund 1987).

    Four directions, each 22.5 degrees to both sides, in the order of `names.ORIENTATIONS`: horizontal, rising to the right, vertical,
    falling to the right.

    Args:
        lab: (H, W, 3) CIELAB.

    Returns:
        (H, W); `NOTHING` where there is no edge, or none of one direction.
    """
    energy, coherence, angle = tensor(lab, GATHERED)
    # The line runs across the slope: half a turn is the same line.
    line = np.mod(angle + np.pi / 2, np.pi)
    sector = np.mod(np.rint(line / (np.pi / 4)).astype(np.int64), 4)
    return np.where((energy >= STEEP**2) & (coherence >= COHERENT), sector, NOTHING)


def texture_labels(lab: np.ndarray) -> NDArray[np.int64]:
    """Where the picture changes nearly everywhere, and back again: an index of `names.TEXTURES`, and elsewhere `NOTHING`.

    Around such a pixel most pixels are steep, and slopes go both ways, as they do not at an edge and at the corner of something.
    Where no direction prevails it is rough (fur, grass, gravel), where one does there are stripes (a fence, wires, a tabby's coat).

    Args:
        lab: (H, W, 3) CIELAB.

    Returns:
        (H, W).
    """
    slopes = _slopes(lab)
    energy, coherence, _ = _tensor(slopes, ELEMENTS)
    steep = (_tensor(slopes, SLOPE)[0] >= STEEP**2).astype(np.float32)
    length = _smooth(np.sqrt((slopes**2).sum(axis=(0, 3))), ELEMENTS)
    together = np.sqrt(sum((_smooth(part, ELEMENTS) ** 2).sum(axis=-1) for part in slopes))
    there = (energy >= STEEP**2) & (together <= ONE_WAY * length)
    rough = there & (coherence < COHERENT) & (_smooth(steep, ELEMENTS) >= BUSY)
    striped = there & (coherence >= COHERENT) & (_smooth(steep, STRIPES) >= BUSY)
    return np.where(rough, 0, np.where(striped, 1, NOTHING))


def frequency_labels(lab: np.ndarray) -> NDArray[np.int64]:
    """How fine a picture is at every pixel: which octave of its Laplacian pyramid (Burt and Adelson 1983) has most energy there.

    An octave's energy is compared by its wavelength: in photos every octave has twice the energy of the next finer one (0.25 : 0.5
    : 1 in 42 photos of cats and dogs, at 112, 224 and 299 pixels alike). So that fine is what is finer than photos mostly are:
    hair, grass, and an outline that is sharp to the pixel.

    Args:
        lab: (H, W, 3) CIELAB.

    Returns:
        (H, W), an index of `names.FREQUENCIES`: fine, medium, coarse, or smooth where the difference is not noticeable in any octave.
    """
    levels = [_smooth(lab, length) for length in BANDS]
    octaves = itertools.pairwise(levels)
    energies = [_smooth(((finer - coarser) ** 2).sum(axis=-1), WINDOW) for finer, coarser in octaves]
    stacked = np.stack(energies)
    by_length = stacked / np.array(BANDS[1:], np.float32)[:, None, None]
    return np.where(stacked.max(axis=0) < NOTICEABLE**2, len(energies), by_length.argmax(axis=0))


def tensor(lab: np.ndarray, gathered: float) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """The structure tensor of all channels together, gathered over a Gaussian of that length.

    Args:
        lab: (H, W, 3).
        gathered: standard deviation, pixels.

    Returns:
        Three (H, W): the energy, the mean square of the slope (units of `lab` a pixel, squared); the coherence, 0 where no direction
        prevails to 1 where there is one alone; and the angle of the slope, upwards from the right, -pi/2 to pi/2.
    """
    return _tensor(_slopes(lab), gathered)


def _tensor(
    slopes: NDArray[np.float32], gathered: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    down, right = slopes
    across, along = (_smooth((part * part).sum(axis=-1), gathered) for part in (right, down))
    # Rows are counted downwards, angles upwards.
    both = _smooth(-(right * down).sum(axis=-1), gathered)
    energy = across + along
    apart = np.hypot(across - along, 2 * both)
    coherence = np.divide(apart, energy, out=np.zeros_like(energy), where=energy > 0)
    return energy, coherence, 0.5 * np.arctan2(2 * both, across - along)


def _slopes(lab: np.ndarray) -> NDArray[np.float32]:
    """How fast every channel grows downwards and to the right: (2, H, W, 3)."""
    return np.stack([_filtered(lab, SLOPE, order) for order in ((1, 0, 0), (0, 1, 0))])


def _smooth(values: np.ndarray, length: float) -> NDArray[np.float32]:
    return _filtered(values, length, (0,) * values.ndim)


def _filtered(values: np.ndarray, length: float, order: Sequence[int]) -> NDArray[np.float32]:
    """A Gaussian over both sides of a picture, mirrored at its border, so that the border is no edge."""
    from scipy.ndimage import gaussian_filter

    lengths: Any = (length, length, 0.0)[: values.ndim]
    result: NDArray[np.float32] = gaussian_filter(values.astype(np.float32), lengths, order, mode="reflect")
    return result
