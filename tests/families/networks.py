"""One network of every family of keras.applications and of keras-hub's image classifiers: small, and of all parts that it has."""

import dataclasses
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from convscope.models.applications import APPLICATION_MODES


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of networks.

    Attributes:
        name: as people call it.
        members: names of keras.applications, or the one of a classifier of keras-hub, that are of this family.
        build: makes the one that is measured, weights fresh.
        preprocessing: as of a model of the config.
        target: pattern of the one layer that a person takes for class activation maps.
    """

    name: str
    members: tuple[str, ...]
    build: Callable[[], keras.Model]
    preprocessing: Any
    target: str


def applications() -> list[str]:
    """Every network of keras.applications."""
    return sorted(name for name, value in vars(keras.applications).items() if name[0].isupper() and callable(value))


def hub_classifiers() -> list[str]:
    """Every image classifier of keras-hub that has a network of its own."""
    import keras_hub

    found, waiting = set(), [keras_hub.models.ImageClassifier]
    while waiting:
        for kind in waiting.pop().__subclasses__():
            found.add(kind.__name__)
            waiting.append(kind)
    return sorted(found)


def perturbed(model: keras.Model, images: np.ndarray) -> keras.Model:
    """The same network with statistics of what passes, and factors and offsets that none of a fresh one has.

    Fresh ones (0 and 1) hide mistakes; statistics that have nothing to do with what passes let a deep network's signal die out, or
    grow until its answers are chaos, so that they are taken after the factors are changed.

    Args:
        model: is changed, and given back.
        images: (N, H, W, 3) in model space, of which the statistics are taken.
    """
    rng = np.random.default_rng(0)
    for weight in model.weights:
        kind, values = weight.path.rpartition("/")[2], np.asarray(weight)
        if kind == "gamma":
            weight.assign(values * rng.uniform(0.6, 1.5, values.shape))
        elif kind in ("beta", "bias"):
            weight.assign(values + 0.1 * rng.normal(size=values.shape))
    norms = [layer for layer in model._flatten_layers() if isinstance(layer, keras.layers.BatchNormalization)]
    kept = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    if norms:
        model(images, training=True)
    for layer, momentum in zip(norms, kept, strict=True):
        layer.momentum = momentum
    for layer in norms:
        variance, mean = np.asarray(layer.moving_variance), np.asarray(layer.moving_mean)
        layer.moving_variance.assign(variance * rng.uniform(0.8, 1.25, variance.shape))
        layer.moving_mean.assign(mean + 0.1 * np.sqrt(variance) * rng.normal(size=mean.shape))
    return model


def _application(name: str, target: str, like: str, side: int = 128) -> Family:
    def build() -> keras.Model:
        make = getattr(keras.applications, name)
        return make(weights=None, input_shape=(side, side, 3), classes=10, classifier_activation=None)

    members = tuple(each for each in applications() if re.fullmatch(like, each))
    return Family(f"keras.applications {name}", members, build, APPLICATION_MODES.get(name, "none"), target)


def _hub(
    name: str, target: str, backbone: dict[str, Any], head: dict[str, Any] | None = None, kind: str = ""
) -> Family:
    def build() -> keras.Model:
        import keras_hub

        body = getattr(keras_hub.models, f"{name}Backbone")(**backbone)
        return getattr(keras_hub.models, f"{name}ImageClassifier")(backbone=body, num_classes=10, **(head or {}))

    return Family(f"keras-hub {name}{kind}", (f"{name}ImageClassifier",), build, "torch", target)


_FIVE = {"image_shape": (128, 128, 3)}
_TOKENS = {"image_shape": (64, 96, 3), "patch_size": 8, "num_layers": 3, "num_heads": 2, "hidden_dim": 32}
_RESNET = {
    "input_conv_filters": [64], "input_conv_kernel_sizes": [7], "stackwise_num_filters": [64, 64, 64, 64],
    "stackwise_num_blocks": [2, 2, 2, 2], "stackwise_num_strides": [1, 2, 2, 2], **_FIVE,
}  # fmt: skip
_VD = {"input_conv_filters": [8, 8, 16], "input_conv_kernel_sizes": [3, 3, 3]}
_EFFICIENT = {
    "stackwise_width_coefficients": [1.0] * 4, "stackwise_depth_coefficients": [1.0] * 4,
    "stackwise_force_input_filters": [0] * 4, "stackwise_nores_option": [False] * 4,
    "stackwise_kernel_sizes": [3, 3, 5, 3], "stackwise_num_repeats": [1, 2, 2, 2], "stackwise_input_filters": [16, 8, 16, 24],
    "stackwise_output_filters": [8, 16, 24, 32], "stackwise_expansion_ratios": [1, 4, 4, 4], "stackwise_strides": [1, 2, 2, 2],
    "stackwise_squeeze_and_excite_ratios": [0.25] * 4, "num_features": 64, "input_shape": (128, 128, 3),
}  # fmt: skip
_V5 = {
    "stackwise_block_types": [["er"], ["uir", "uir"], ["uir", "mqa"]], "stackwise_num_blocks": [1, 2, 2],
    "stackwise_num_filters": [[24], [48, 48], [64, 64]], "stackwise_strides": [[2], [2, 1], [2, 1]],
    "stackwise_act_layers": [["relu"], ["relu", "relu"], ["relu", "relu"]], "stackwise_exp_ratios": [[4.0], [6.0, 6.0], [4.0, 1.0]],
    "stackwise_se_ratios": [[0.0], [0.0, 0.0], [0.0, 0.0]], "stackwise_dw_kernel_sizes": [[0], [5, 5], [3, 3]],
    "stackwise_dw_start_kernel_sizes": [[0], [0, 0], [0, 0]], "stackwise_dw_end_kernel_sizes": [[0], [0, 0], [0, 0]],
    "stackwise_exp_kernel_sizes": [[3], [0, 0], [0, 0]], "stackwise_pw_kernel_sizes": [[1], [0, 0], [0, 0]],
    "stackwise_num_heads": [[0], [0, 0], [0, 4]], "stackwise_key_dims": [[0], [0, 0], [0, 16]],
    "stackwise_value_dims": [[0], [0, 0], [0, 16]], "stackwise_kv_strides": [[0], [0, 0], [0, 1]],
    "stackwise_use_cpe": [[False], [False, False], [False, False]], "use_msfa": False, **_FIVE,
}  # fmt: skip

FAMILIES: tuple[Family, ...] = (
    _hub("ViT", r".*block_3_ln_1", {**_TOKENS, "mlp_dim": 64}),
    _hub("ViT", r".*_ln", {**_TOKENS, "mlp_dim": 64}, {"pooling": "gap"}, " (tokens pooled)"),
    _hub("DeiT", r".*block_3_ln_1", {**_TOKENS, "intermediate_dim": 64}),
    _hub(
        "SwinTransformer", "norm",
        {"image_shape": (96, 96, 3), "embed_dim": 16, "depths": (2, 2, 2), "num_heads": (1, 2, 4), "window_size": 6},
    ),
    _hub(
        "MiT", r".*output_level_3",
        {"layerwise_depths": [1, 1, 1, 1], "num_layers": 4, "layerwise_num_heads": [1, 2, 2, 4], "hidden_dims": [16, 24, 32, 48],
         "layerwise_sr_ratios": [8, 4, 2, 1], "max_drop_path_rate": 0.1, "layerwise_patch_sizes": [7, 3, 3, 3],
         "layerwise_strides": [4, 2, 2, 2], **_FIVE},
    ),
    _hub("ResNet", r"stack3_block1_out", {**_RESNET, "block_type": "basic_block"}),
    _hub("ResNet", r"post_relu", {**_RESNET, "block_type": "bottleneck_block", "use_pre_activation": True}, None, " (v2)"),
    _hub("ResNet", r"stack3_block1_out", {**_RESNET, **_VD, "block_type": "bottleneck_block_vd"}, None, " (vd)"),
    _hub("VGG", r"block5_conv2", {"stackwise_num_repeats": [1, 1, 2, 2, 2], "stackwise_num_filters": [8, 16, 24, 32,
    40], "image_shape": (224, 224, 3)},
         {"pooling_hidden_dim": 64}),
    _hub("DenseNet", r"relu", {"stackwise_num_repeats": [2, 2, 2, 2], "growth_rate": 12, **_FIVE}),
    _hub("Xception", r"block3_sepconv2_act", {"stackwise_conv_filters": [[16, 24], [32, 32], [48, 64]], "stackwise_pooling": [True,
     True, False], **_FIVE}),
    _hub("EfficientNet", r"top_activation", {**_EFFICIENT, "stackwise_block_types": ["v1"] * 4}),
    _hub("EfficientNet", r"top_activation", {**_EFFICIENT, "stackwise_block_types": ["fused", "fused", "unfused",
     "unfused"]}, None, " (v2)"),
    _hub("EfficientNet", r"top_activation", {**_EFFICIENT, "stackwise_block_types": ["v1"] * 4, "activation": "relu6",
         "stackwise_squeeze_and_excite_ratios": [0.0] * 4}, None, " (lite)"),
    _hub(
        "MobileNet", r"block_4_0_activation(_\d+)?",
        {"stackwise_expansion": [[40, 56], [64, 144], [144, 288]], "stackwise_num_blocks": [2, 2, 2],
         "stackwise_num_filters": [[16, 16], [24, 24], [48, 48]], "stackwise_kernel_size": [[3, 3], [5, 5], [5, 5]],
         "stackwise_num_strides": [[2, 1], [2, 1], [2, 1]], "stackwise_se_ratio": [[None, None], [0.25, 0.25], [0.3, 0.25]],
         "stackwise_activation": [["relu", "relu"], ["hard_swish", "hard_swish"], ["hard_swish", "hard_swish"]],
         "stackwise_padding": [[1, 1], [2, 2], [2, 2]], "output_num_filters": 96, "input_activation": "hard_swish",
         "output_activation": "hard_swish", "input_num_filters": 16, "depthwise_filters": 8, "depthwise_stride": 2,
         "depthwise_residual": False, "squeeze_and_excite": 0.5, "last_layer_filter": 96, "image_shape": (256, 256, 3)},
    ),
    _hub("MobileNetV5", r"mobile_attention_add", _V5, {"head_hidden_size": 64}),
    _hub(
        "CSPNet", r"stage_3_csp_transition_activation",
        {"stem_filters": 8, "stem_kernel_size": 3, "stem_strides": 1, "stackwise_depth": [1, 2, 2, 1],
         "stackwise_num_filters": [16, 32, 48, 64], "bottle_ratio": (0.5, 1.0), "block_ratio": (1.0, 0.5), "expand_ratio": (2.0, 1.0),
         "stem_padding": "same", "stem_pooling": None, "stage_type": "csp", "groups": 1, "block_type": "dark_block",
         "down_growth": True, "stackwise_strides": [2, 2, 2, 2], "avg_down": False, "cross_linear": False, **_FIVE},
    ),
    _hub(
        "HGNetV2", r"head_last_lab",
        {"depths": [1, 1, 2], "embedding_size": 16, "hidden_sizes": [24, 32, 64], "stem_channels": [3, 8, 16], "hidden_act": "relu",
         "use_learnable_affine_block": True, "stackwise_stage_filters": [(16, 8, 24, 1, 2, 3), (24, 8, 32, 1, 2, 3),
          (32, 16, 64, 2, 2, 5)],
         "apply_downsample": [False, True, True], "use_lightweight_conv_block": [False, False, True], **_FIVE},
        {"preprocessor": None, "head_filters": 64},
    ),
    _application("MobileNet", r"conv_pw_13_relu", r"MobileNet", 256),
    _application("MobileNetV2", r"out_relu", r"MobileNetV2", 256),
    _application("MobileNetV3Small", r"activation_17", r"MobileNetV3.*", 256),
    _application("VGG16", r"block5_conv3", r"VGG.*"),
    _application("ResNet50", r"conv5_block3_out", r"ResNet\d+"),
    _application("ResNet50V2", r"post_relu", r"ResNet\d+V2"),
    _application("DenseNet121", r"relu", r"DenseNet.*", 256),
    _application("Xception", r"block14_sepconv2_act", r"Xception"),
    _application("InceptionV3", r"mixed10", r"InceptionV3", 299),
    _application("InceptionResNetV2", r"conv_7b_ac", r"InceptionResNetV2", 299),
    _application("EfficientNetB0", r"top_activation", r"EfficientNetB\d", 256),
    _application("EfficientNetV2B0", r"top_activation", r"EfficientNetV2.*", 256),
    _application("NASNetMobile", r"activation_187", r"NASNet.*", 256),
    _application("ConvNeXtTiny", r"add_17", r"ConvNeXt.*"),
)  # fmt: skip
