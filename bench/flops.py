"""How many floating-point operations an ascent needs: what the share of the matrix-multiply peak is a share of.

Counted are the convolutions, an addition and a multiplication as two, forward, and backward with respect to the input
(weights do not move): as much again. Of the target layer only the wanted filter is counted. Normalisation, activations,
pooling and sums of branches are not counted, though they take time: the share is of useful work.
"""

import keras

from convscope.models.graphs import flatten, nodes_in_order


def convolution_flops(layer: keras.layers.Layer, height: int, width: int, channels: int, filters: int) -> int:
    """Operations of the forward pass of one convolution, for one image.

    Args:
        layer: Conv2D, DepthwiseConv2D or SeparableConv2D.
        height, width: of its output.
        channels: of its input.
        filters: how many of its output channels are computed.
    """
    kind = type(layer).__name__
    taps = layer.kernel_size[0] * layer.kernel_size[1]
    places = height * width
    if kind == "Conv2D":
        return 2 * places * taps * channels // layer.groups * filters
    deep = channels * layer.depth_multiplier
    if kind == "DepthwiseConv2D":
        return 2 * places * taps * filters
    return 2 * places * (taps * deep + deep * filters)


def filter_step_flops(network: keras.Model, layer_name: str, size: int) -> int:
    """Operations of one ascent step of one filter: the convolutions below it and itself, forward and backward."""
    flat = flatten(network, input_shape=(size, size, 3))
    target = flat.get_layer(layer_name)
    call = next(node for node in nodes_in_order(flat) if node.operation is target)
    total = 0
    for node in nodes_in_order(keras.Model(flat.inputs, call.outputs[0])):
        layer = node.operation
        if type(layer).__name__ not in ("Conv2D", "DepthwiseConv2D", "SeparableConv2D"):
            continue
        _, height, width, filters = (int(n or 0) for n in node.outputs[0].shape)
        channels = int(node.input_tensors[0].shape[-1])
        total += convolution_flops(layer, height, width, channels, 1 if layer is target else filters)
    return 2 * total
