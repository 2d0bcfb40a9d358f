"""How far, and where, one step of an ascent goes."""

from typing import Any, Protocol

import numpy as np
import tensorflow as tf


def per_sample_norm(gradient: Any) -> Any:
    """L2 norm of each sample over all its axes: (N, ...) -> (N, 1, ...).

    Over the last axis alone (what `keras.ops.normalize` does) every pixel would move as far as every other, some two
    hundred times too far, and the patterns of deep layers drown in noise.
    """
    return tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=list(range(1, len(gradient.shape))), keepdims=True))


def normalised_step(gradient: Any, norm: Any, length: float) -> Any:
    """A step of L2 length `length` along each sample's gradient; no step (not NaN) where the gradient is zero."""
    return length * tf.math.divide_no_nan(gradient, norm)


def smoothed(gradient: Any, exponent: float) -> Any:
    """The gradient with every spatial frequency f divided by f^exponent: (N, H, W, C), the same shape.

    Ascent with this is ascent of amplitudes that are scaled by frequency (see `Fourier`), taken in pixels: coarse forms
    grow first, and far fewer steps reach the same response.
    """
    height, width = gradient.shape[1:3]
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    weight = np.maximum(frequency, 1 / max(height, width)) ** -exponent
    spectrum = tf.signal.rfft2d(tf.transpose(gradient, (0, 3, 1, 2))) * weight.astype(np.complex64)
    return tf.transpose(tf.signal.irfft2d(spectrum, [height, width]), (0, 2, 3, 1))


class StepRule(Protocol):
    """A rule that turns gradients into steps."""

    def begin(self, variables: Any) -> Any:
        """What the rule remembers between steps."""
        ...

    def move(self, memory: Any, gradient: Any) -> tuple[Any, Any]:
        """The step, of the shape of the gradient, and the new memory."""
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
        return tf.zeros(())

    def move(self, memory: Any, gradient: Any) -> tuple[Any, Any]:
        """A step of the length."""
        if self.smoothing:
            gradient = smoothed(gradient, self.smoothing)
        return normalised_step(gradient, per_sample_norm(gradient), self.length), memory


class Adam:
    """Adaptive steps (Kingma & Ba 2014, 1412.6980), upwards.

    Args:
        rate: size of a step, in units of the variables.
    """

    def __init__(self, rate: float, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.rate, self.beta1, self.beta2, self.epsilon = rate, beta1, beta2, epsilon

    def begin(self, variables: Any) -> Any:
        """First and second moment, and the number of steps taken."""
        return tf.zeros_like(variables), tf.zeros_like(variables), tf.zeros(())

    def move(self, memory: Any, gradient: Any) -> tuple[Any, Any]:
        """A step of about `rate` in every variable that has a steady gradient."""
        first, second, count = memory
        count += 1
        first = self.beta1 * first + (1 - self.beta1) * gradient
        second = self.beta2 * second + (1 - self.beta2) * tf.square(gradient)
        mean, spread = first / (1 - self.beta1**count), second / (1 - self.beta2**count)
        return self.rate * mean / (tf.sqrt(spread) + self.epsilon), (first, second, count)
