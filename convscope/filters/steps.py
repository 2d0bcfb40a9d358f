"""How far, and where, one step of an ascent goes."""

import functools
from typing import Any, Protocol

import numpy as np
from keras import ops

from convscope.backends.running import filtered, has_gpu


def per_sample_norm(gradient: Any) -> Any:
    """L2 norm of each sample over all its axes: (N, ...) -> (N, 1, ...).

    Over the last axis alone (what `keras.ops.normalize` does) every pixel would move as far as every other, some two
    hundred times too far, and the patterns of deep layers drown in noise.
    """
    return ops.sqrt(ops.sum(ops.square(gradient), axis=tuple(range(1, len(gradient.shape))), keepdims=True))


def normalised_step(gradient: Any, norm: Any, length: float) -> Any:
    """A step of L2 length `length` along each sample's gradient; no step (not NaN) where the gradient is zero."""
    return length * ops.divide_no_nan(gradient, norm)


def smoothed(gradient: Any, exponent: float) -> Any:
    """The gradient with every spatial frequency f divided by f^exponent: (N, H, W, C), the same shape.

    Ascent with this is ascent of amplitudes that are scaled by frequency (see `Fourier`), taken in pixels: coarse forms
    grow first, and far fewer steps reach the same response.
    """
    height, width = gradient.shape[1:3]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    weight = np.maximum(frequency, 1 / max(height, width)) ** -exponent
    return ops.transpose(filtered(ops.transpose(gradient, (0, 3, 1, 2)), weight.astype(np.float32)), (0, 2, 3, 1))


class StepRule(Protocol):
    """A rule that turns gradients into steps."""

    def begin(self, variables: Any) -> Any:
        """What the rule remembers between steps."""
        ...

    def move(self, memory: Any, gradient: Any, share: Any = 1.0) -> tuple[Any, Any]:
        """That share of a whole step, of the shape of the gradient, and the new memory."""
        ...


class NormalisedSteps:
    """Steps of one length along the gradient.

    Args:
        length: L2 length of a step, of each sample.
        smoothing: exponent of `smoothed`; 0 leaves the gradient as it is.
    """

    def __init__(self, length: float, smoothing: float = 0.0) -> None:
        self.length, self.smoothing = length, smoothing

    def begin(self, variables: Any) -> Any:
        """Nothing."""
        return ops.zeros(())

    def move(self, memory: Any, gradient: Any, share: Any = 1.0) -> tuple[Any, Any]:
        """A step of that share of the length."""
        if self.smoothing:
            gradient = smoothed(gradient, self.smoothing)
        return normalised_step(gradient, per_sample_norm(gradient), self.length * share), memory


class Adam:
    """Adaptive steps (Kingma & Ba 2014, 1412.6980), upwards.

    Args:
        rate: size of a step, in units of the variables.
    """

    def __init__(self, rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon

    def begin(self, variables: Any) -> Any:
        """First and second moment, and the number of steps taken."""
        return ops.zeros_like(variables), ops.zeros_like(variables), ops.zeros(())

    def move(self, memory: Any, gradient: Any, share: Any = 1.0) -> tuple[Any, Any]:
        """A step of about `rate` in every variable that has a steady gradient."""
        first, second, count = memory
        count = count + 1
        first = self.beta1 * first + (1 - self.beta1) * gradient
        second = self.beta2 * second + (1 - self.beta2) * ops.square(gradient)
        mean, spread = first / (1 - self.beta1**count), second / (1 - self.beta2**count)
        step = self.rate * share * mean / (ops.sqrt(self.shared(spread)) + self.epsilon)
        return step, (first, second, count)

    def shared(self, spread: Any) -> Any:
        """The mean square that each variable is measured by: its own."""
        return spread


class Rings(Adam):
    """Adam for amplitudes of spatial frequencies, with one mean square for all that have a frequency's magnitude in common.

    An amplitude's own mean square, of some twenty gradients, makes the step of a frequency that the filter does not care for as
    long as that of one that it asks for. What a ring in the spectrum has in common evens out the scales of a picture, and leaves
    within a scale what the gradient says. Between colours it is half evened out: measured together, pictures turn grey, and
    apart, they answer less. With so few steps a long memory is a late one.

    Args:
        rate: about the root of the mean square of a step over a ring, in units of the variables, while the gradient is steady.
    """

    def __init__(self, rate: float, beta1: float = 0.5, beta2: float = 0.9, epsilon: float = 1e-8) -> None:
        super().__init__(rate, beta1, beta2, epsilon)

    def shared(self, spread: Any) -> Any:
        """The mean over each ring, geometric between a plane's own and that of all planes.

        Amplitudes as `Fourier` holds them, (N, C, height, columns, 2) -> (N, C, height, columns, 1).
        """
        planes, height, columns = spread.shape[1:4]
        places = rings(height, columns).ravel()
        by_place = ops.transpose(ops.reshape(ops.mean(spread, axis=4), (-1, height * columns)))
        if has_gpu():
            # There sums by place take turns, or come in any order; what is gathered first does neither.
            members, there = members_of_rings(height, columns)
            sums = ops.sum(ops.multiply(ops.take(by_place, members, axis=0), there[..., None]), axis=1)
        else:
            sums = ops.segment_sum(by_place, places, num_segments=int(places.max()) + 1)
        means = ops.divide(sums, np.bincount(places)[:, None].astype(np.float32))
        means = ops.reshape(means, (means.shape[0], -1, planes))
        means = ops.sqrt(means) * ops.sqrt(ops.mean(means, axis=2, keepdims=True))
        by_plane = ops.reshape(means, (means.shape[0], -1))
        return ops.reshape(ops.transpose(ops.take(by_plane, places, axis=0)), (-1, planes, height, columns, 1))


def rings(height: int, columns: int) -> np.ndarray:
    """Whole cycles an image of each amplitude of a real transform, in its own direction: (height, columns) int32."""
    width = 2 * (columns - 1)
    down, across = np.fft.fftfreq(height) * height, np.fft.rfftfreq(width) * width
    # Of an image with an odd side the two directions differ by a pixel.
    return np.rint(np.hypot(down[:, None], across[None])).astype(np.int32)


@functools.cache
def members_of_rings(height: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """The places of each ring, (rings, places) int32, rows filled up with place 0, and a 1 for each that is one, else 0, float32."""
    places = rings(height, columns).ravel()
    counts = np.bincount(places)
    there = np.arange(counts.max()) < counts[:, None]
    members = np.zeros(there.shape, np.int32)
    members[there] = np.argsort(places, kind="stable")
    return members, there.astype(np.float32)
