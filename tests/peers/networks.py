"""Small Keras networks and their twins in torch, with the same weights."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import keras
import numpy as np
import torch
from keras import layers

from convscope.attributions.class_scores import ClassScores
from convscope.models.spec import ModelSpec

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
        torch: images (N, 3, H, W) -> the same scores, (N, classes); its layers have the same names.
        spec: of the network.
    """

    keras: keras.Model
    torch: torch.nn.Module
    spec: ModelSpec = SPEC

    @property
    def scores(self) -> ClassScores:
        """The Keras network as class scores."""
        return ClassScores(self.keras, self.spec)


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


class BothClasses(torch.nn.Module):
    """The two classes' scores of a one-unit head: -z and z."""

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """(N, 1) -> (N, 2)."""
        return torch.cat([-z, z], dim=1)


# A step of a network: its name, the Keras layer, the torch module.
Step = tuple[str, Any, torch.nn.Module]


def _convolution(name: str, before: int, after: int, stride: int = 1) -> Step:
    ours = layers.Conv2D(after, 3, strides=stride, name=name, bias_initializer=_noise(5))
    return name, ours, torch.nn.Conv2d(before, after, 3, stride=stride)


def _separable(name: str, before: int, after: int) -> Step:
    """Two filters a channel, then 1 x 1."""
    ours = layers.SeparableConv2D(after, 3, depth_multiplier=2, name=name, bias_initializer=_noise(6))
    depthwise = torch.nn.Conv2d(before, 2 * before, 3, groups=before, bias=False)
    return name, ours, torch.nn.Sequential(depthwise, torch.nn.Conv2d(2 * before, after, 1))


def _norm(name: str, channels: int) -> Step:
    """With statistics as after training."""
    ours = layers.BatchNormalization(
        name=name, gamma_initializer=keras.initializers.RandomUniform(0.5, 2, seed=1), beta_initializer=_noise(2),
        moving_mean_initializer=_noise(3), moving_variance_initializer=keras.initializers.RandomUniform(0.2, 2, seed=4),
    )  # fmt: skip
    return name, ours, torch.nn.BatchNorm2d(channels, eps=ours.epsilon)


def _noise(seed: int) -> Any:
    return keras.initializers.RandomNormal(stddev=0.1, seed=seed)


def _relu(name: str) -> Step:
    return name, layers.ReLU(name=name), torch.nn.ReLU()


def _swish(name: str) -> Step:
    return name, layers.Activation("silu", name=name), torch.nn.SiLU()


def _dense(before: int, after: int) -> Step:
    return "logits", layers.Dense(after, name="logits", bias_initializer=_noise(7)), torch.nn.Linear(before, after)


def _averaged() -> list[Step]:
    return [
        ("pool", layers.GlobalAveragePooling2D(name="pool"), torch.nn.AdaptiveAvgPool2d(1)),
        ("flatten", None, torch.nn.Flatten()),
    ]


def _pooled(kind: str) -> Step:
    ours, theirs = {
        "max": (layers.MaxPooling2D, torch.nn.MaxPool2d),
        "average": (layers.AveragePooling2D, torch.nn.AvgPool2d),
    }[kind]
    return f"{kind}_pool", ours(2, name=f"{kind}_pool"), theirs(2)


# What the two networks above have not: every one has its maps at "last", before what makes scores of them.
OTHERS: dict[str, tuple[tuple[int, int], Callable[[], list[Step]]]] = {
    "binary head": (
        (SIZE, SIZE),
        lambda: [_convolution("conv1", 3, 8), _relu("relu1"), _convolution("conv2", 8, 6, 2), _relu("last"),
                 *_averaged(), _dense(6, 1)],
    ),
    "batch norm": (
        (SIZE, SIZE),
        lambda: [_convolution("conv1", 3, 8), _norm("norm1", 8), _relu("relu1"), _convolution("conv2", 8, 6, 2),
                 _norm("norm2", 6), _relu("last"), *_averaged(), _dense(6, 3)],
    ),
    "pooling": (
        (SIZE, SIZE),
        lambda: [_convolution("conv1", 3, 8), _relu("relu1"), _pooled("max"), _convolution("conv2", 8, 6),
                 _relu("last"), _pooled("average"), *_averaged(), _dense(6, 3)],
    ),
    "not square": (
        (20, 36),
        lambda: [_convolution("conv1", 3, 8), _relu("relu1"), _convolution("conv2", 8, 6, 2), _relu("last"),
                 ("flatten", layers.Flatten(name="flatten"), torch.nn.Flatten()), _dense(8 * 16 * 6, 3)],
    ),
    "separable": (
        (SIZE, SIZE),
        lambda: [_convolution("conv1", 3, 8), _relu("relu1"), _separable("separable", 8, 6), _relu("last"),
                 *_averaged(), _dense(6, 3)],
    ),
    "swish": (
        (SIZE, SIZE),
        lambda: [_convolution("conv1", 3, 8), _swish("swish1"), _convolution("conv2", 8, 6, 2), _swish("last"),
                 *_averaged(), _dense(6, 3)],
    ),
    "all of it": (
        (22, 38),
        lambda: [_convolution("conv1", 3, 8), _norm("norm1", 8), _relu("relu1"), _pooled("max"),
                 _separable("separable", 8, 6), _norm("norm2", 6), _relu("last"), _pooled("average"), *_averaged(),
                 _dense(6, 1)],
    ),
}  # fmt: skip


@cache
def other_pair(kind: str) -> Pair:
    """One of `OTHERS` and its twin, with the same weights."""
    keras.utils.set_random_seed(11)
    size, make = OTHERS[kind]
    steps = make()
    image = keras.Input((*size, 3), name="image")
    x = image
    shapes = {}
    for name, ours, _ in steps:
        if ours is not None:
            shapes[name] = x.shape
            x = ours(x)
    network = keras.Model(image, x, name=kind.replace(" ", "_"))
    units = x.shape[-1]
    modules = [(name, module) for name, _, module in steps]
    modules += [("classes", BothClasses())] if units == 1 else []
    twin = torch.nn.Sequential(OrderedDict(modules))
    for name, ours, module in steps:
        if ours is not None and ours.weights:
            # Behind a flatten the dense kernel's rows are (H, W, C) in Keras and (C, H, W) in torch.
            flattened = next((shapes[n] for n, layer, _ in steps if isinstance(layer, layers.Flatten)), None)
            _copy(ours.get_weights(), module, flattened if name == "logits" else None)
    classes = ("cat", "dog") if units == 1 else SPEC.classes
    spec = ModelSpec(
        kind, size, scale=SPEC.scale, offset=SPEC.offset, classes=classes, head="binary" if units == 1 else "multiclass"
    )
    return Pair(network, twin.eval(), spec)


def _copy(weights: list[np.ndarray], module: torch.nn.Module, flattened: tuple[int, ...] | None) -> None:
    """Give a torch module the weights of its Keras layer."""
    values = [torch.tensor(np.ascontiguousarray(value)) for value in weights]
    if isinstance(module, torch.nn.BatchNorm2d):
        module.weight.data, module.bias.data, module.running_mean, module.running_var = values
    elif isinstance(module, torch.nn.Sequential):
        depthwise, pointwise = module
        # (h, w, channel, filter of the channel) -> (channel and filter, 1, h, w)
        kernel = weights[0].transpose(2, 3, 0, 1).reshape(-1, 1, *weights[0].shape[:2])
        depthwise.weight.data = torch.tensor(np.ascontiguousarray(kernel))
        pointwise.weight.data, pointwise.bias.data = values[1].permute(3, 2, 0, 1).contiguous(), values[2]
    elif isinstance(module, torch.nn.Conv2d):
        module.weight.data, module.bias.data = values[0].permute(3, 2, 0, 1).contiguous(), values[1]
    else:
        kernel = values[0]
        if flattened:
            kernel = kernel.reshape(*flattened[1:], -1).permute(2, 0, 1, 3).reshape(kernel.shape)
        module.weight.data, module.bias.data = kernel.T.contiguous(), values[1]


def nchw(images: np.ndarray) -> torch.Tensor:
    """Images as torch wants them."""
    return torch.tensor(np.ascontiguousarray(np.moveaxis(images, -1, 1)))


def nhwc(tensor: torch.Tensor) -> np.ndarray:
    """What torch gives, colours last."""
    return np.moveaxis(tensor.detach().numpy(), 1, -1)


def one_hot(targets: np.ndarray) -> np.ndarray:
    """(N,) classes -> (N, 3) float32, as Xplique names them."""
    return np.eye(3, dtype=np.float32)[targets]
