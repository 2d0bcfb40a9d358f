"""Small Keras networks and their twins in torch, with the same weights."""

from collections import OrderedDict
from dataclasses import dataclass
from functools import cache

import keras
import numpy as np
import torch
from keras import layers

from convscope.attributions.class_scores import ClassScores
from convscope.model_spec import ModelSpec

SIZE = 32
KEYS = ["x", "y", "z"]
SPEC = ModelSpec(
    "small", (SIZE, SIZE), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, classes=("a", "b", "c"), head="multiclass"
)


@dataclass(frozen=True)
class Pair:
    """A network, twice.

    Attributes:
        keras: images (N, H, W, 3) -> logits (N, 3).
        torch: images (N, 3, H, W) -> the same logits; its layers have the same names.
    """

    keras: keras.Model
    torch: torch.nn.Module

    @property
    def scores(self) -> ClassScores:
        """The Keras network as class scores."""
        return ClassScores(self.keras, SPEC)


@cache
def pair(head: str) -> Pair:
    """Convolution, ReLU, convolution of stride 2, ReLU; then "gap" (pooling, dense) or "flat" (flatten, dense, ReLU, dense).

    Weights and biases of a fixed seed. The maps are 14 x 14, so that nothing falls on a whole pixel when they are enlarged.
    """
    keras.utils.set_random_seed(11)
    image = keras.Input((SIZE, SIZE, 3), name="image")
    bias = {"bias_initializer": keras.initializers.RandomNormal(stddev=0.1, seed=5)}
    x = layers.ReLU(name="relu1")(layers.Conv2D(8, 3, name="conv1", **bias)(image))
    x = layers.ReLU(name="relu2")(layers.Conv2D(6, 3, strides=2, name="conv2", **bias)(x))
    if head == "gap":
        x = layers.GlobalAveragePooling2D(name="pool")(x)
    else:
        x = layers.ReLU(name="relu3")(layers.Dense(16, name="hidden", **bias)(layers.Flatten(name="flatten")(x)))
    network = keras.Model(image, layers.Dense(3, name="logits", **bias)(x), name=head)
    return Pair(network, _twin(network, head))


def _twin(network: keras.Model, head: str) -> torch.nn.Module:
    parts: list[tuple[str, torch.nn.Module]] = [
        ("conv1", torch.nn.Conv2d(3, 8, 3)),
        ("relu1", torch.nn.ReLU()),
        ("conv2", torch.nn.Conv2d(8, 6, 3, stride=2)),
        ("relu2", torch.nn.ReLU()),
    ]
    if head == "gap":
        parts += [("pool", torch.nn.AdaptiveAvgPool2d(1)), ("flatten", torch.nn.Flatten())]
        parts += [("logits", torch.nn.Linear(6, 3))]
    else:
        parts += [("flatten", torch.nn.Flatten()), ("hidden", torch.nn.Linear(14 * 14 * 6, 16))]
        parts += [("relu3", torch.nn.ReLU()), ("logits", torch.nn.Linear(16, 3))]
    twin = torch.nn.Sequential(OrderedDict(parts))
    for name, layer in twin.named_children():
        if not list(layer.parameters()):
            continue
        kernel, bias = network.get_layer(name).get_weights()
        if kernel.ndim == 4:
            kernel = kernel.transpose(3, 2, 0, 1)
        else:
            # Keras flattens (H, W, C), torch (C, H, W).
            if name == "hidden":
                kernel = kernel.reshape(14, 14, 6, 16).transpose(2, 0, 1, 3).reshape(-1, 16)
            kernel = kernel.T
        layer.weight.data = torch.tensor(np.ascontiguousarray(kernel))
        layer.bias.data = torch.tensor(bias)
    return twin.eval()


def nchw(images: np.ndarray) -> torch.Tensor:
    """Images as torch wants them."""
    return torch.tensor(np.ascontiguousarray(np.moveaxis(images, -1, 1)))


def nhwc(tensor: torch.Tensor) -> np.ndarray:
    """What torch gives, colours last."""
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def one_hot(targets: np.ndarray) -> np.ndarray:
    """(N,) classes -> (N, 3) float32, as Xplique names them."""
    return np.eye(3, dtype=np.float32)[targets]
