"""The networks that a study can train: the textbook's convnet, its mini-Xception and what is left of it where one or all of
its three ideas are taken away, an Xception of any width, the four-layer network of fruit in shops, and the textbook's encoder-decoder
of pixels.

All but one end in a dense layer of logits: one unit for two classes, else one a class. The encoder-decoder ends in a map of them: a
logit of every class for every pixel.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
from keras import layers

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError, nearest
from convscope.models.names import (
    CONVNET_FILTERS,
    ENCODER_FILTERS,
    MINI_XCEPTION_FILTERS,
    MINI_XCEPTIONS,
    OF_PIXELS,
    RETAIL_FILTERS,
    XCEPTION_POOLING,
    MiniXception,
    scaled,
    too_small,
    xception_filters,
)
from convscope.models.settings import image_size

RETAIL_HIDDEN = 150
BATCH_NORM_MOMENTUM = 0.9


def build(settings: Mapping[str, Any], classes: int, depth: int = 3) -> keras.Model:
    """Build the network that a model's config asks for, with random weights from Keras's global seed.

    Args:
        settings: `architecture`, `image_size`, `width` (factor on all filters), `dropout`, and optionally `augmentation` (by
            habit: for the Xceptions).
        classes: number of classes, at least 2.
        depth: channels of the pictures.

    Raises:
        UserError: unknown architecture, or an image too small for it.
    """
    name = str(settings["architecture"])
    builders: dict[str, Callable[..., keras.Model]] = {
        "convnet": convnet,
        **{kind: partial(mini_xception, kind=kind) for kind in MINI_XCEPTIONS},
        "xception": xception,
        "retail": retail,
        "encoder_decoder": encoder_decoder,
    }
    if name not in builders:
        raise UserError(f"architecture is '{name}'; {nearest(name, builders)}")
    if reason := too_small(settings):
        raise UserError(reason)
    model = builders[name](
        (*image_size(settings["image_size"]), depth),
        units=1 if classes == 2 and name not in OF_PIXELS else classes,
        width=float(settings["width"]),
        dropout=float(settings["dropout"]),
        augmentation=bool(settings.get("augmentation", name.endswith("xception"))),
    )
    _shorten_batch_norm_memory(model)
    return model


def _shorten_batch_norm_memory(model: keras.Model) -> None:
    """Let the moving statistics forget within ten steps: Keras's habit of a hundred is more than a small set's epoch.

    With it a deep network of 75 steps an epoch is judged, for its first epochs, by statistics of weights long gone.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _shorten_batch_norm_memory(layer)
        elif isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM


def preprocessing(architecture: str) -> tuple[float, float]:
    """(scale, offset) from pixels 0..255 to what the network takes; the textbook's networks rescale inside."""
    return (1 / 127.5, -1.0) if architecture == "xception" else (1.0, 0.0)


def augmented(x: Any) -> Any:
    """Random flips, rotations and zooms of pictures in training: (N, H, W, C) -> the same, of any range of values."""
    x = layers.RandomFlip("horizontal", name="random_flip")(x)
    x = layers.RandomRotation(0.1, name="random_rotation")(x)
    return layers.RandomZoom(0.2, name="random_zoom")(x)


def _head(x: Any, units: int, dropout: float) -> Any:
    x = layers.GlobalAveragePooling2D(name="global_average_pooling")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    return layers.Dense(units, name="predictions")(x)


def convnet(
    shape: tuple[int, int, int], *, units: int, width: float, dropout: float, augmentation: bool
) -> keras.Model:
    """The textbook's small convnet: five 3x3 convolutions with 2x2 max-pooling between them.

    Input (N, *shape), values 0..255; output logits (N, units). Layers conv1..conv5, pool1..pool4.
    """
    inputs = keras.Input(shape, name="image")
    x = augmented(inputs) if augmentation else inputs
    x = layers.Rescaling(1 / 255, name="rescaling")(x)
    for number, filters in enumerate(CONVNET_FILTERS, start=1):
        if number > 1:
            x = layers.MaxPooling2D(2, name=f"pool{number - 1}")(x)
        x = layers.Conv2D(scaled(filters, width), 3, activation="relu", name=f"conv{number}")(x)
    return keras.Model(inputs, _head(x, units, dropout), name="convnet")


def retail(shape: tuple[int, int, int], *, units: int, width: float, dropout: float, augmentation: bool) -> keras.Model:
    """The network usual for 100x100 pictures of fruit: four 2x2 convolutions, each with 2x2 max-pooling, and a dense layer.

    Input (N, *shape), values 0..255; output logits (N, units). Layers conv1..conv4, pool1..pool4, hidden.
    """
    inputs = keras.Input(shape, name="image")
    x = augmented(inputs) if augmentation else inputs
    x = layers.Rescaling(1 / 255, name="rescaling")(x)
    for number, filters in enumerate(RETAIL_FILTERS, start=1):
        x = layers.Conv2D(scaled(filters, width), 2, padding="same", activation="relu", name=f"conv{number}")(x)
        x = layers.MaxPooling2D(2, name=f"pool{number}")(x)
    x = layers.Dropout(dropout, name="dropout")(x)
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(RETAIL_HIDDEN, activation="relu", name="hidden")(x)
    x = layers.Dropout(dropout, name="hidden_dropout")(x)
    return keras.Model(inputs, layers.Dense(units, name="predictions")(x), name="retail")


def mini_xception(
    shape: tuple[int, int, int],
    *,
    units: int,
    width: float,
    dropout: float,
    augmentation: bool,
    kind: str = "mini_xception",
) -> keras.Model:
    """The textbook's mini-Xception: five residual blocks of two batch-normalised separable convolutions each.

    Of the other kinds (`names.MINI_XCEPTIONS`) none or one of the three is there, and all else is the same. What batch normalisation
    does away with is done by hand where there is none: convolutions have biases, and start from weights that keep the size of
    what goes through (He et al., 1502.01852). From Keras's own, it leaves plain thirty times smaller, and nothing is learned.
    `plain` is the stack of Simonyan & Zisserman (1409.1556) in the same places; shortcuts are those of He et al. (1512.03385), batch
    normalisation is Ioffe & Szegedy's (1502.03167), separable convolutions are Chollet's (1610.02357).

    Input (N, *shape), values 0..255; output logits (N, units). Layers stem_conv, block<i>_sepconv<1|2> (block<i>_conv<1|2> where
    they are not separable), block<i>_residual_conv, block<i>_pool, block<i>_add.
    """
    has = MINI_XCEPTIONS[kind]
    bias = not has.batch_norm
    inputs = keras.Input(shape, name="image")
    x = augmented(inputs) if augmentation else inputs
    x = layers.Rescaling(1 / 255, name="rescaling")(x)
    x = layers.Conv2D(scaled(32, width), 5, use_bias=bias, name="stem_conv")(x)
    for block, base in enumerate(MINI_XCEPTION_FILTERS, start=1):
        filters = scaled(base, width)
        residual = x
        for number in (1, 2):
            x = _unit(x, filters, f"block{block}_{has.convolution}{number}", has)
        x = layers.MaxPooling2D(3, strides=2, padding="same", name=f"block{block}_pool")(x)
        if has.residual:
            shortcut = layers.Conv2D(
                filters, 1, strides=2, padding="same", use_bias=False, name=f"block{block}_residual_conv"
            )
            x = layers.Add(name=f"block{block}_add")([x, shortcut(residual)])
    return keras.Model(inputs, _head(x, units, dropout), name=kind)


def _unit(x: Any, filters: int, name: str, has: MiniXception) -> Any:
    """A 3x3 convolution of what was normalised, if it is, and rectified."""
    if has.batch_norm:
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
    x = layers.Activation("relu", name=f"{name}_act")(x)
    start: dict[str, Any] = {}
    if not has.batch_norm and has.separable:
        # A channel of a depthwise convolution sums nine values, which no ReLU has halved; Keras takes all channels for its inputs.
        start = {
            "depthwise_initializer": keras.initializers.RandomNormal(stddev=1 / 3),
            "pointwise_initializer": "he_normal",
        }
    elif not has.batch_norm:
        start = {"kernel_initializer": "he_normal"}
    convolution = layers.SeparableConv2D if has.separable else layers.Conv2D
    return convolution(filters, 3, padding="same", use_bias=not has.batch_norm, name=name, **start)(x)


def xception(
    shape: tuple[int, int, int], *, units: int, width: float, dropout: float, augmentation: bool
) -> keras.Model:
    """keras-hub's 14-block Xception with all filters times `width`, global average pooling and a dense head.

    Input (N, *shape), values -1..1; output logits (N, units). Layer names are those of `xception_41_imagenet`.
    """
    import keras_hub

    backbone = keras_hub.models.XceptionBackbone(
        stackwise_conv_filters=xception_filters(width),
        stackwise_pooling=list(XCEPTION_POOLING),
        image_shape=(None, None, shape[-1]),
        name="xception_backbone",
    )
    inputs = keras.Input(shape, name="image")
    x = augmented(inputs) if augmentation else inputs
    return keras.Model(inputs, _head(backbone(x), units, dropout), name="xception")


def encoder_decoder(
    shape: tuple[int, int, int], *, units: int, width: float, dropout: float, augmentation: bool
) -> keras.Model:
    """The textbook's network of pixels: strided 3x3 convolutions down to an eighth of the side, transposed ones up again.

    Chollet, Deep Learning with Python, 2nd ed., 9.2. It has no dropout, and its pictures are not augmented: masks would have to be
    turned with them. Sides are multiples of 8.

    Input (N, *shape), values 0..255; output logits (N, height, width, units). Layers down<i>_strided, down<i>_conv, up<i>_conv,
    up<i>_strided, predictions.
    """
    inputs = keras.Input(shape, name="image")
    x = layers.Rescaling(1 / 255, name="rescaling")(inputs)
    options = {"padding": "same", "activation": "relu"}
    for number, base in enumerate(ENCODER_FILTERS, start=1):
        filters = scaled(base, width)
        x = layers.Conv2D(filters, 3, strides=2, name=f"down{number}_strided", **options)(x)
        x = layers.Conv2D(filters, 3, name=f"down{number}_conv", **options)(x)
    for number, base in reversed(list(enumerate(ENCODER_FILTERS, start=1))):
        filters = scaled(base, width)
        x = layers.Conv2DTranspose(filters, 3, name=f"up{number}_conv", **options)(x)
        x = layers.Conv2DTranspose(filters, 3, strides=2, name=f"up{number}_strided", **options)(x)
    x = layers.Conv2D(units, 3, padding="same", name="predictions")(x)
    return keras.Model(inputs, x, name="encoder_decoder")
