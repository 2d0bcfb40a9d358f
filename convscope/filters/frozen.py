"""Gradients through layers whose weights are frozen."""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator
from typing import Any

from tensorflow.python.ops import gen_nn_ops

_here = threading.local()


@contextlib.contextmanager
def weights_frozen() -> Iterator[None]:
    """Within it, and in this thread, no gradient of a convolution to its weights is computed.

    Outside of graphs TensorFlow computes it with the one to the maps, whether anybody watches the weights or not: a third of
    the convolutions' time. A tape that does watch them gets None there.
    """
    before = getattr(_here, "frozen", False)
    _here.frozen = True
    try:
        yield
    finally:
        _here.frozen = before


def _unless_frozen(gradient: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(gradient)
    def asked(*args: Any, **kwargs: Any) -> Any:
        return None if getattr(_here, "frozen", False) else gradient(*args, **kwargs)

    return asked


# What TensorFlow's own gradient functions of the two convolutions call. Where another version calls something else, nothing is saved
# and nothing is wrong.
for _name in ("conv2d_backprop_filter", "depthwise_conv2d_native_backprop_filter"):
    if hasattr(gen_nn_ops, _name):
        setattr(gen_nn_ops, _name, _unless_frozen(getattr(gen_nn_ops, _name)))
