"""How the image of an ascent is held in variables."""

import zlib
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from keras import ops

from convscope.backends.running import enlarged, from_amplitudes, to_amplitudes

# Square root of the covariance of colours in natural photos (ImageNet), as published with Olah et al. 2017.
_COLOUR_ROOT = np.array([[0.26, 0.09, 0.02], [0.27, 0.0, -0.05], [0.27, -0.09, 0.03]], np.float32)
# Larger ones reach black and white before the form is found, smaller ones take more steps.
_CONTRAST = 0.25


def filter_generator(seed: int, layer: str, channel: int) -> np.random.Generator:
    """Random numbers that belong to one filter: a stateless function of the run's seed, the layer and the channel.

    The same filter starts the same on any machine, in any batch and in any order.
    """
    return np.random.default_rng([seed, zlib.crc32(layer.encode()), channel])


class Parameterisation(Protocol):
    """From variables to images where black is -1 and white is 1."""

    def begin(self, generators: list[np.random.Generator], size: int) -> np.ndarray:
        """Start variables, float32, one image a generator, of side `size`."""
        ...

    def images(self, variables: Any, size: int) -> Any:
        """(N, size, size, C) float32, differentiable."""
        ...

    def grow(self, variables: Any, size: int, larger: int) -> Any:
        """Variables of the same images at a larger side."""
        ...

    def held(self, variables: Any, size: int) -> Any:
        """The variables after a step, with what the parameterisation holds them to."""
        ...


class Pixels:
    """The image itself, each pixel a variable.

    Args:
        start: range of the uniform random start.
        depth: channels of the image.
    """

    def __init__(self, start: tuple[float, float], depth: int = 3) -> None:
        self.start, self.depth = start, depth

    def begin(self, generators: list[np.random.Generator], size: int) -> np.ndarray:
        """Uniform noise, (N, size, size, C)."""
        return np.stack([g.uniform(*self.start, (size, size, self.depth)) for g in generators]).astype(np.float32)

    def images(self, variables: Any, size: int) -> Any:
        """The variables."""
        return variables

    def grow(self, variables: Any, size: int, larger: int) -> Any:
        """Enlarged, bicubic: the eye sees no grid of the coarse pixels."""
        return enlarged(variables, larger)

    def held(self, variables: Any, size: int) -> Any:
        """The variables as they are."""
        return variables


class Fourier:
    """Amplitudes of spatial frequencies in decorrelated colours (Olah, Mordvintsev & Schubert 2017, Feature Visualization).

    Every frequency is divided by its magnitude, as in natural pictures, so that a step moves all scales alike and the image
    is not drowned in the finest ones. A sigmoid keeps it between black and white. Channels that are no colours (gray, alpha, bands)
    go together in no known way: each has a plane of its own, of the contrast that gray has in the plane of brightness.

    Args:
        deviation: of the normal random start.
        depth: channels of the image.
        colours: how many of the first are red, green and blue: 3, or 0.
        contrast: standard deviation of the image before the sigmoid that `held` gives it; 0 leaves it as it is.
    """

    def __init__(self, deviation: float = 0.01, depth: int = 3, colours: int = 3, contrast: float = 0.0) -> None:
        self.deviation, self.depth, self.contrast = deviation, depth, contrast
        self._mixing = np.diag(np.full(depth, np.float32(3**-0.5)))
        if colours:
            self._mixing[:colours, :colours] = _COLOUR_ROOT / np.linalg.norm(_COLOUR_ROOT, axis=0).max()

    def begin(self, generators: list[np.random.Generator], size: int) -> np.ndarray:
        """Small random amplitudes, (N, C, size, even width // 2 + 1, 2): real and imaginary parts, a channel a plane."""
        shape = (self.depth, size, _even(size) // 2 + 1, 2)
        return np.stack([g.normal(0, self.deviation, shape) for g in generators]).astype(np.float32)

    def images(self, variables: Any, size: int) -> Any:
        """(N, size, size, C) in -1..1."""
        # The inverse transform gives an even width only; an odd image leaves its last column out.
        return self.mixed(_planes(ops.multiply(variables, _frequency_scale(size)))[..., :size], size)

    def mixed(self, planes: Any, size: int) -> Any:
        """Decorrelated planes (N, C, size, size) as an image between black and white, (N, size, size, C)."""
        pixels = ops.reshape(ops.transpose(planes, (0, 2, 3, 1)), (-1, self.depth))
        mixed = ops.matmul(pixels, np.ascontiguousarray(self._mixing.T))
        return 2 * ops.sigmoid(ops.reshape(mixed, (-1, size, size, self.depth))) - 1

    def grow(self, variables: Any, size: int, larger: int) -> Any:
        """The same frequencies in a finer spectrum, the new ones zero; the picture is the same, enlarged."""
        spectrum = ops.multiply(variables, _frequency_scale(size))
        rows, columns = spectrum.shape[2], _even(larger) // 2 + 1
        gap = ops.zeros((*spectrum.shape[:2], larger - rows, *spectrum.shape[3:]))
        half = (rows + 1) // 2
        spectrum = ops.concatenate([spectrum[:, :, :half], gap, spectrum[:, :, half:]], axis=2)
        spectrum = ops.pad(spectrum, [[0, 0], [0, 0], [0, 0], [0, columns - spectrum.shape[3]], [0, 0]])
        # The inverse transform divides by the number of pixels.
        return ops.divide(spectrum * ((larger * _even(larger)) / (size * _even(size))), _frequency_scale(larger))

    def held(self, variables: Any, size: int) -> Any:
        """Multiplied so that the image has the contrast: then a step turns a picture rather than making it louder.

        A network with normalised maps answers to contrast hardly more than to half of it, and amplitudes that grow make every
        step a smaller part of the picture. By Parseval's theorem, without a transform; the mean of a plane does not count.
        """
        if not self.contrast:
            return variables
        weight = np.square(_frequency_scale(size)[..., 0])
        rows, columns = weight.shape
        # The half of the spectrum that is not held mirrors every column but the first and the last.
        weight[:, 1:-1] *= 2
        weight[0, 0] = 0
        weight /= (rows * 2 * (columns - 1)) ** 2
        shape = ops.shape(variables)
        mixed = ops.matmul(self._mixing, ops.reshape(variables, (shape[0], self.depth, rows * columns * 2)))
        square = ops.mean(ops.square(ops.reshape(mixed, shape)), axis=1)
        variance = ops.sum(ops.multiply(square, weight[..., None]), axis=(1, 2, 3))
        return variables * ops.reshape(ops.divide_no_nan(self.contrast, ops.sqrt(variance)), (-1, 1, 1, 1, 1))


class Phase:
    """Phases of spatial frequencies in decorrelated colours, whose magnitudes are held at those of natural pictures.

    Magnitude constrained optimisation (MACO; Fel et al. 2023, 2306.06805). Theirs are the mean of ImageNet's spectra. These are the
    law that such means follow: one over the frequency (Field 1987, doi 10.1364/JOSAA.4.002379), alike in every decorrelated colour.
    Each phase is held as a pair of numbers, of which the direction alone counts; the mean of a picture is grey. Mapped to colours,
    and between black and white, as `Fourier` does it, with the deviation 1 a plane that theirs have. A picture of an odd side leaves
    out the last column of an even one: of that alone all this is exactly so.

    Args:
        depth: channels of the image.
        colours: how many of the first are red, green and blue: 3, or 0.
    """

    def __init__(self, depth: int = 3, colours: int = 3) -> None:
        self.depth = depth
        self._mixed = Fourier(depth=depth, colours=colours).mixed

    def begin(self, generators: list[np.random.Generator], size: int) -> np.ndarray:
        """Random phases, (N, C, size, even width // 2 + 1, 2), each pair of length 1."""
        shape = (self.depth, size, _even(size) // 2 + 1, 2)
        pairs = np.stack([g.normal(0, 1, shape) for g in generators])
        return np.asarray(pairs / np.linalg.norm(pairs, axis=-1, keepdims=True), np.float32)

    def images(self, variables: Any, size: int) -> Any:
        """(N, size, size, C) in -1..1."""
        planes = _planes(ops.multiply(_unit(_hermitian(variables)), _natural_magnitude(size)))[..., :size]
        return self._mixed(planes, size)

    def grow(self, variables: Any, size: int, larger: int) -> Any:
        """The same phases; the new, finer frequencies have those of noise, the same for every image."""
        rows, columns = variables.shape[2], _even(larger) // 2 + 1
        half = (rows + 1) // 2
        noise = self.begin([np.random.default_rng([larger, size])], larger)
        noise = ops.broadcast_to(ops.convert_to_tensor(noise), (variables.shape[0], *noise.shape[1:]))
        own = _unit(variables)
        width = own.shape[3]
        top = ops.concatenate(
            [own[:, :, :half], noise[:, :, half : half + larger - rows, :width], own[:, :, half:]], axis=2
        )
        return ops.concatenate([top, noise[:, :, :, width:columns]], axis=3)

    def held(self, variables: Any, size: int) -> Any:
        """Pairs of length 1 again: longer ones would turn less at the next step."""
        return _unit(variables)


def _unit(pairs: Any) -> Any:
    """Pairs of length 1; zeros stay."""
    lengths = ops.sqrt(ops.maximum(ops.sum(ops.square(pairs), axis=-1, keepdims=True), 1e-12))
    return pairs / lengths


def _hermitian(pairs: Any) -> Any:
    """The first and the last column of a half spectrum made those of a real image: else what the transform takes of them is shorter.

    Pairs (N, C, size, columns, 2): each of those two columns holds a frequency and its mirror, of which a real image has one.
    """

    def mirrored(column: Any) -> Any:
        turned = ops.concatenate([column[:, :, :1], ops.flip(column[:, :, 1:], axis=2)], axis=2)
        return column + ops.multiply(turned, np.array([1, -1], np.float32))

    return ops.concatenate([mirrored(pairs[:, :, :, :1]), pairs[:, :, :, 1:-1], mirrored(pairs[:, :, :, -1:])], axis=3)


def _natural_magnitude(size: int) -> np.ndarray:
    """One over the frequency, of deviation 1 a plane, without a mean: (size, even width // 2 + 1, 1) float32."""
    scale = _frequency_scale(size)[..., 0].astype(np.float64)
    scale[0, 0] = 0
    rows, columns = scale.shape
    weight = np.full(columns, 2.0)
    weight[[0, -1]] = 1
    deviation = np.sqrt((np.square(scale) * weight).sum()) / (rows * 2 * (columns - 1))
    return np.asarray(scale / deviation, np.float32)[..., None]


@ops.custom_gradient
def _planes(spectrum: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Inverse real Fourier transform of amplitudes held as pairs (N, C, size, width // 2 + 1, 2) -> (N, C, size, width).

    The gradient is the forward transform, every column but the first and the last counted twice: the half of the spectrum
    that is not held mirrors it. Written out, it takes a third of the library's time.
    """
    size, columns = spectrum.shape[2:4]
    width = 2 * (columns - 1)
    share = np.full((columns, 1), 2 / (size * width), np.float32)
    share[[0, -1]] /= 2

    def backward(*gradients: Any, upstream: Any = None) -> Any:
        gradient = gradients[0] if upstream is None else upstream
        return ops.multiply(to_amplitudes(gradient), share)

    return from_amplitudes(spectrum, size, width), backward


def _even(size: int) -> int:
    return size + size % 2


def _frequency_scale(size: int) -> np.ndarray:
    """One over the frequency of each amplitude, so that the image's contrast does not depend on its size.

    Returns (size, even width // 2 + 1, 1) float32.
    """
    width = _even(size)
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(width)[None])
    return (_CONTRAST * np.sqrt(size * width) / np.maximum(frequency, 1 / width))[..., None].astype(np.float32)
