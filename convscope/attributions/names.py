"""The attribution methods by name, with their default settings. No TensorFlow here: the config's check reads it."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Method:
    """What is known of a method before it runs.

    Attributes:
        title: its name for people.
        signed: whether its heat has a sign: evidence for the class above 0, against it below.
        settings: what the config may set, with the defaults.
        layer: whether it reads the feature maps of one layer.
        colours: whether its map is a picture in colours, shown as such, and not a heat.
        by_name: whether `all` leaves it out: it cannot explain every network, or takes minutes an image.
    """

    title: str
    signed: bool
    settings: dict[str, Any] = field(default_factory=dict)
    layer: bool = False
    colours: bool = False
    by_name: bool = False


_CONTRASTIVE: dict[str, Any] = {
    "k": 0.0,
    "b": 0.1,
    "iterations": 1000,
    "learning_rate": 0.01,
    "constant": 10.0,
    "searches": 9,
    "margin": "logit",
    "neutral": [127.5, 127.5, 127.5],
    "gamma": 0.0,
    "autoencoder": None,
}
METHODS: dict[str, Method] = {
    "gradcam": Method("Grad-CAM", signed=False, layer=True),
    "saliency": Method("Saliency", signed=False),
    "input_x_gradient": Method("Input x gradient", signed=True, settings={"baseline": "grey", "blur": 10.0}),
    "smoothgrad": Method("SmoothGrad", signed=False, settings={"samples": 25, "noise": 0.15}),
    "guided_backprop": Method("Guided backprop", signed=False, colours=True),
    "deconvnet": Method("Deconvnet", signed=False, colours=True),
    "guided_gradcam": Method("Guided Grad-CAM", signed=False, layer=True, colours=True),
    "integrated_gradients": Method(
        "Integrated gradients", signed=True, settings={"steps": 50, "baseline": "grey", "blur": 10.0}
    ),
    "occlusion": Method(
        "Occlusion", signed=True, settings={"patch": None, "stride": None, "fill": [127.5, 127.5, 127.5]}
    ),
    "rise": Method(
        "RISE", signed=True, settings={"masks": 1000, "grid": 8, "keep": 0.5, "fill": [127.5, 127.5, 127.5]}
    ),
    "lime": Method(
        "LIME", signed=True, settings={"samples": 1000, "kernel_size": 4, "max_distance": 200, "ratio": 0.2}
    ),
    "kernel_shap": Method(
        "KernelSHAP", signed=True, settings={"samples": 1000, "segments": 60, "fill": [127.5, 127.5, 127.5]}
    ),
    "partition_shap": Method(
        "PartitionSHAP", signed=True, settings={"evaluations": 500, "fill": [127.5, 127.5, 127.5]}
    ),
    "gradient_shap": Method("GradientSHAP", signed=True, settings={"samples": 200}),
    "deep_shap": Method("DeepSHAP", signed=True, settings={"background": 20}, by_name=True),
    "pertinent_negative": Method("Pertinent negative", signed=False, settings=_CONTRASTIVE, by_name=True),
    "pertinent_positive": Method("Pertinent positive", signed=False, settings=_CONTRASTIVE, by_name=True),
}


def chosen_methods(wanted: str | list[str]) -> list[str]:
    """The methods that a config names, `all` standing for those that explain any network at a usual cost."""
    return [name for name in METHODS if not METHODS[name].by_name] if wanted == "all" else list(wanted)


def needs_background(method: str, settings: dict[str, Any]) -> bool:
    """Whether a method compares with the pictures of the image set."""
    return method in ("gradient_shap", "deep_shap") or settings.get("baseline") == "mean"
