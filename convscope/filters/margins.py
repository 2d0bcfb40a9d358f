"""Positions at the sides of feature maps that nobody asks for."""

from typing import Any, NamedTuple

import tensorflow as tf


class Margins(NamedTuple):
    """Positions left out at each side of a map; all of them zero or more."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def cut(self, maps: Any) -> Any:
        """(N, h, w, C) without its margins."""
        if not any(self):
            return maps
        height, width = maps.shape[1:3]
        return maps[:, self.top : height - self.bottom, self.left : width - self.right]

    def put_back(self, maps: Any) -> Any:
        """(N, h, w, C) with margins of zeros: the gradient of `cut`."""
        if not any(self):
            return maps
        return tf.pad(maps, [[0, 0], [self.top, self.bottom], [self.left, self.right], [0, 0]])


NONE = Margins()


def margins_unread(layer: Any, size: tuple[int, int], dropped: int) -> Margins | None:
    """What a convolution does not read of its input when positions at its output's sides are dropped.

    Args:
        layer: Conv2D or SeparableConv2D.
        size: height and width of its input.
        dropped: output positions at each side that are not wanted.

    Returns:
        The margins of the input; the convolution of the rest, without padding, is exactly the wanted output. None where the
        wanted output needs the padding.
    """
    margins: list[int] = []
    axes = zip(size, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    for length, kernel, stride, dilation in axes:
        reach = (kernel - 1) * dilation + 1
        if layer.padding == "same":
            outputs = -(-length // stride)
            padded = max((outputs - 1) * stride + reach - length, 0) // 2
        else:
            outputs, padded = (length - reach) // stride + 1, 0
        first = dropped * stride - padded
        last = (outputs - 1 - dropped) * stride - padded + reach
        margins += [first, length - last]
    return Margins(*margins) if min(margins) >= 0 else None
