"""What a network costs: the parameters and the multiply-adds of each of its layers, counted from the graph."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras

from convscope.errors import UserError
from convscope.models.graphs import flatten
from convscope.models.nodes import is_kerass, nodes_in_order


@dataclass(frozen=True)
class Cost:
    """Of one call of a layer: its weights (the statistics of a batch normalisation among them), multiply-adds for one image."""

    layer: str
    parameters: int
    multiply_adds: int


def costs(model: keras.Model, size: tuple[int, int]) -> list[Cost]:
    """What each layer with weights costs, in the order of the network.

    A multiply-add is one product that is added to a sum, as papers count them (Howard et al. 2017, 1704.04861, section 3.1). Counted
    are convolutions (plain, depthwise, separable, transposed) and dense layers; what a normalisation, an activation, a bias, a
    pooling or a sum takes is not: a few operations a value, next to hundreds. Weights of a layer that is called twice count once.

    Args:
        model: a functional network of one picture.
        size: (height, width) of that picture in pixels.

    Raises:
        UserError: a layer has a matrix of weights, and how often that is used is not known here.
    """
    flat = flatten(model, input_shape=(*size, model.inputs[0].shape[-1]))
    found: list[Cost] = []
    counted: set[int] = set()
    for node in nodes_in_order(flat):
        layer = node.operation
        if not getattr(layer, "weights", None):
            continue
        parameters = 0 if id(layer) in counted else layer.count_params()
        counted.add(id(layer))
        ins, outs = (tuple(tensors[0].shape[1:]) for tensors in (node.input_tensors, node.outputs))
        found.append(Cost(str(layer.name), int(parameters), _multiply_adds(layer, ins, outs)))
    return found


def _multiply_adds(layer: Any, ins: Sequence[int], outs: Sequence[int]) -> int:
    """Multiply-adds of one call: shapes without the batch, channels last."""
    *place, channels = outs
    places = math.prod(place)
    if is_kerass(layer, "Conv2D"):
        return places * channels * math.prod(layer.kernel_size) * ins[-1] // layer.groups
    if is_kerass(layer, "DepthwiseConv2D"):
        return places * channels * math.prod(layer.kernel_size)
    if is_kerass(layer, "SeparableConv2D"):
        between = ins[-1] * layer.depth_multiplier
        return places * between * (math.prod(layer.kernel_size) + channels)
    if is_kerass(layer, "Conv2DTranspose"):
        return math.prod(ins) * channels * math.prod(layer.kernel_size)
    if is_kerass(layer, "Dense"):
        return math.prod(outs) * ins[-1]
    if any(len(weight.shape) > 1 for weight in layer.weights):
        raise UserError(
            f"layer '{layer.name}' ({type(layer).__name__}): its multiply-adds are not known; a comparison takes networks of "
            "convolutions and dense layers"
        )
    return 0
