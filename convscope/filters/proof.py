"""The fast path proves itself: its first gradient of each image size is held against Keras's own before anything follows from it."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from convscope.errors import UserError
from convscope.filters.keras_graph import KerasTrunk
from convscope.filters.mistrust import Mistrust as Mistrust
from convscope.filters.objectives import ChannelObjective, Measured
from convscope.filters.trunk import Trunk

# Of the mean magnitude of the responses, and of the gradient's length. Exact sums in another order move the value by millionths. The
# gradient of a ReLU or of a maximum has steps, and among millions of numbers some always lie on one: of a picture in ten the gradient
# of a deep network differs by one or two per cent, of all others by thousandths or less.
_VALUE, _GRADIENT = 1e-3, 0.05
# In bfloat16 (8 bits; the float32 of a graphics processor is TF32, 11 bits) many more lie on a step, in every layer some: the real
# Xception's gradient has a cosine with the exact one of .99 in block 2, .93 in block 8 and .87 in block 14, that of a random ResNet50
# .81, all of the right length within 7 %. No bound that these pass tells a wrong sum from a rounded one. So the same steps are
# proved in float32, and here only that coarser numbers have not brought something else.
_COARSE_VALUE, _COSINE, _LENGTH = 0.3, 0.5, 2.0


class Proof:
    """Holds gradients of the written-out trunk against Keras's own.

    Args:
        network, layer_name, border: those of the objective.
        precision: of the fast path.
        report: takes a line for the log.
        exact: the fast path in float32; made here, when it is needed, where it is not given.
    """

    def __init__(
        self, network: keras.Model, layer_name: str, border: int, precision: str, report: Callable[[str], None],
        exact: ChannelObjective | None = None,
    ) -> None:  # fmt: skip
        self._network, self._layer, self._border = network, layer_name, border
        self._precision, self._report = precision, report
        # Whether the fast path rounds as float32 does, or coarser.
        self._exact = precision == "float32" and not (
            tf.config.list_physical_devices("GPU") and tf.config.experimental.tensor_float_32_execution_enabled()
        )
        self._written = exact
        self._reference = ChannelObjective(network, layer_name, border, by_keras=True)
        self._lock = threading.Lock()
        self._tries: dict[int, int] = {}
        self._proved: set[int] = set()
        self._exact_proved = self._exact
        self._failed: Mistrust | None = None
        # By thread and size: what could not be compared as another thread was comparing.
        self._left: dict[tuple[int, int], tuple[Any, ...]] = {}

    def check(
        self,
        size: int,
        pictures: Callable[[slice], Any],
        channels: Any,
        opened: Any,
        values: Any,
        gradients: Any,
        norms: Any,
    ) -> None:
        """Compare the first gradients of a size; later ones are believed, at no cost.

        Nothing is believed before a gradient that is not zero was right: zeros are compared twice, and then waited out. While
        one thread compares, the others go on: what it finds they are told at their next step, or by `settle`, which compares
        their own first gradient where it found nothing.

        Args:
            size: side of the images.
            pictures: from a slice of the batch to its images in model space, (n, size, size, C).
            channels, opened: those of the batch (`ChannelObjective.value_and_gradient`).
            values, gradients: (N,) and (N, size, size, C), what the fast path found for them.
            norms: (N,), of the gradients, or of what is made of them: zero where they are.

        Raises:
            Mistrust: they are not Keras's, here or in another thread.
        """
        if self._failed:
            raise self._failed
        if size in self._proved:
            return
        if not self._lock.acquire(blocking=False):
            if norms.numpy().any():
                made = (pictures, channels, opened, values.numpy(), gradients.numpy())
                self._left.setdefault((threading.get_ident(), size), made)
            return
        try:
            if self._failed:
                raise self._failed
            if size not in self._proved and (self._tries.get(size, 0) < 2 or norms.numpy().any()):
                with _exact_sums():
                    self._prove(size, pictures, channels, opened, values.numpy(), gradients.numpy())
        finally:
            self._lock.release()

    def settle(self) -> None:
        """Wait for a comparison that is going on in another thread: to be called before a batch is handed over.

        That one may have seen zeros only, or another size: then what this thread left out is compared now.

        Raises:
            Mistrust: what was compared is not Keras's.
        """
        with self._lock:
            if self._failed:
                raise self._failed
            for thread, size in list(self._left):
                if thread == threading.get_ident():
                    made = self._left.pop((thread, size))
                    if size not in self._proved:
                        with _exact_sums():
                            self._prove(size, *made)

    def _prove(
        self, size: int, pictures: Any, channels: Any, opened: Any, values: np.ndarray, gradients: np.ndarray
    ) -> None:
        lengths = np.einsum("nhwc,nhwc->n", gradients, gradients)
        # Behind a closed ReLU nothing can be seen; where a gradient is not a number it is looked at first.
        row = int(np.argmax(lengths))
        one = slice(row, row + 1)
        # Cut by NumPy: the first slice of each type costs TensorFlow milliseconds.
        images, wanted, before = pictures(one), tf.constant(channels.numpy()[one]), tf.constant(opened.numpy()[one])
        expected = self._reference.measured(images, wanted, before)
        off = _off(expected, values[row], gradients[row])
        if self._exact:
            self._judge(size, images, wanted, before, expected, off)
        else:
            if not self._exact_proved:
                found = self._written_out().measured(images, wanted, before)
                exactly = _off(expected, found.values.numpy()[0], found.gradient.numpy()[0])
                self._judge(size, images, wanted, before, expected, exactly)
            if not (off[0] <= _COARSE_VALUE and off[2] >= _COSINE and 1 / _LENGTH <= off[3] <= _LENGTH):
                self._fail(
                    f"layer '{self._layer}': in {self._precision} its gradient is none of Keras's ({_said(off)})", size
                )
        self._report(f"held against Keras at {size} px: {_said(off)}")
        self._tries[size] = self._tries.get(size, 0) + 1
        # A gradient of zero says little of how it is made.
        if lengths[row] != 0:
            self._proved.add(size)
            self._exact_proved = True
            # Its weights are not held for the hours that may follow.
            self._written = None

    def _written_out(self) -> ChannelObjective:
        return self._written or ChannelObjective(self._network, self._layer, self._border)

    def _judge(
        self, size: int, images: Any, channels: Any, opened: Any, expected: Measured, off: tuple[float, ...]
    ) -> None:
        if off[0] <= _VALUE and off[1] <= _GRADIENT:
            return
        where = first_difference(self._written_out(), self._reference, images, channels, opened, expected)
        self._fail(f"{where} ({_said(off)})", size)

    # What is none of the fast path's mistakes: Keras's own graph would end by it, too.
    passed_on = (UserError, tf.errors.ResourceExhaustedError, MemoryError)

    def gave_up(self, error: Exception, size: int) -> Mistrust:
        """What to raise where the fast path has no answer at all."""
        with self._lock:
            text = " ".join(str(error).split())[:200]
            self._failed = self._failed or Mistrust(f"{type(error).__name__}: {text}, at {size} px")
            return self._failed

    def _fail(self, reason: str, size: int) -> None:
        self._failed = Mistrust(f"{reason}, at {size} px")
        raise self._failed


@contextlib.contextmanager
def _exact_sums() -> Iterator[None]:
    """Float32 that is float32 on a graphics processor, too."""
    rounded = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(rounded)


def _off(expected: Measured, value: np.ndarray, gradient: np.ndarray) -> tuple[float, float, float, float]:
    """How far from Keras's one picture is: the value (share of the responses' magnitude), the gradient (share of its length), its
    cosine with Keras's, and the ratio of their lengths. What Keras itself does not make a number of passes.
    """
    size, wanted = float(expected.size.numpy()[0]), expected.gradient.numpy()[0].astype(np.float64)
    exact = float(expected.values.numpy()[0])
    if not (np.isfinite(exact) and np.isfinite(wanted).all()):
        return 0.0, 0.0, 1.0, 1.0
    off, length, other = (float(np.linalg.norm(part)) for part in (gradient - wanted, wanted, gradient))
    value_off = abs(float(value) - exact) / max(size, 1e-6)
    if length == 0 or other == 0:
        return value_off, float(length != other), float(length == other), 1.0
    return value_off, off / length, float(np.vdot(gradient, wanted)) / length / other, other / length


def _said(off: tuple[float, ...]) -> str:
    return f"value off by {off[0]:.1e} of the responses, gradient by {off[1]:.1e} of its length, cosine {off[2]:.3f}"


def first_difference(
    fast: ChannelObjective,
    reference: ChannelObjective,
    images: Any,
    channels: Any,
    opened: Any,
    expected: Measured,
) -> str:
    """Where the written-out path and Keras's part, in words.

    Forward, the first layer whose output differs; if none does, on the way back the first whose input's gradient does.
    """
    trunk, whole = fast.trunk, reference.trunk
    if not isinstance(trunk, Trunk) or not isinstance(whole, KerasTrunk):
        raise TypeError("the written-out path is held against Keras's")
    unread = fast.measured(images, channels, opened).unread
    values, gradients = trunk.gradients(images, unread.cut(expected.at_maps), unread)
    known, arrived = whole.gradients(images, expected.at_maps)
    for node in whole.nodes:
        for key in map(id, node.outputs):
            if key not in values or not known[key].dtype.is_floating:
                continue
            right = unread.cut(known[key]) if trunk.lacks(key) else known[key]
            if _apart(values[key], right) > _VALUE:
                return f"layer '{node.operation.name}': its output is not Keras's"
    for node in reversed(whole.nodes):
        for tensor in node.input_tensors:
            key = id(tensor)
            if key in gradients and key in arrived and _apart(gradients[key], arrived[key]) > _GRADIENT:
                takers = [
                    taker.operation.name for taker in whole.nodes if any(id(t) == key for t in taker.input_tensors)
                ]
                return f"layer '{' or '.join(takers)}': the gradient to its input is not Keras's"
    return f"layer '{fast.layer_name}': its own responses, or the compiled step, are not Keras's"


def _apart(found: Any, right: Any) -> float:
    """Distance of two tensors, as a share of the length of the second."""
    found, right = tf.cast(found, tf.float32).numpy(), tf.cast(right, tf.float32).numpy()
    return (
        float(np.linalg.norm(found - right) / max(float(np.linalg.norm(right)), 1e-12))
        if found.shape == right.shape
        else np.inf
    )
