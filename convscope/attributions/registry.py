"""Attribution methods by name, ready for a model."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from convscope.attributions.base import Explainer
from convscope.attributions.baselines import Baseline, named_baseline
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.lime_segments import Lime
from convscope.attributions.names import METHODS as NAMES
from convscope.attributions.occlusion import Occlusion
from convscope.attributions.rise import Rise
from convscope.attributions.shap_values import GradientShap, KernelShap, PartitionShap
from convscope.errors import UserError, nearest
from convscope.models.spec import ModelSpec

Factory = Callable[["Context"], Explainer]


class Context:
    """What a method may use to get ready.

    Attributes:
        network: model space -> logits.
        spec: the model's classes, head and preprocessing.
        scores: the network as class scores.
        settings: the method's settings, complete.
        seed: of everything random.
        layer: the layer whose feature maps carry a map; None: the last.
        background: (M, H, W, C) float32 in model space, pictures of the same image set; None where there are none.
        autoencoder: of pixels 0..1, for contrastive explanations; None where there is none.
    """

    def __init__(
        self,
        network: keras.Model,
        spec: ModelSpec,
        settings: dict[str, Any],
        seed: int = 0,
        layer: str | None = None,
        background: np.ndarray | None = None,
        autoencoder: keras.Model | None = None,
    ) -> None:
        self.network, self.spec, self.settings, self.seed = network, spec, settings, seed
        self.layer, self.background, self.autoencoder = layer, background, autoencoder
        self.scores = ClassScores(network, spec)


def explainer(
    method: str,
    network: keras.Model,
    spec: ModelSpec,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    layer: str | None = None,
    background: np.ndarray | None = None,
    autoencoder: keras.Model | None = None,
) -> Explainer:
    """An attribution method made ready for a model (see `Context` for the arguments).

    Args:
        method: a name of `METHODS`.
        settings: those that differ from the method's defaults.

    Raises:
        UserError: unknown method or setting, a model without a classifier, a method that cannot explain this model.
    """
    if method not in METHODS:
        raise UserError(f"attribution method '{method}' does not exist; {nearest(method, METHODS)}")
    defaults = NAMES[method].settings if method in NAMES else {}
    for name in settings or {}:
        if name not in defaults:
            raise UserError(f"{method}: unknown setting '{name}'; {nearest(name, defaults)}")
    complete = {**defaults, **(settings or {})}
    return METHODS[method](Context(network, spec, complete, seed, layer, background, autoencoder))


# Each factory imports its own module: a method whose library is missing harms no other.


def _saliency(context: Context) -> Explainer:
    from convscope.attributions.gradients import Saliency

    return Saliency(context.scores)


def _input_x_gradient(context: Context) -> Explainer:
    from convscope.attributions.gradients import InputGradient

    return InputGradient(context.scores, _baseline("input_x_gradient", context))


def _smoothgrad(context: Context) -> Explainer:
    from convscope.attributions.gradients import SmoothGrad

    return SmoothGrad(context.scores, seed=context.seed, **context.settings)


def _guided_backprop(context: Context) -> Explainer:
    from convscope.attributions.rectifiers import RectifiedGradient

    return RectifiedGradient(context.network, context.spec, "guided")


def _deconvnet(context: Context) -> Explainer:
    from convscope.attributions.rectifiers import RectifiedGradient

    return RectifiedGradient(context.network, context.spec, "deconvnet")


def _guided_gradcam(context: Context) -> Explainer:
    from convscope.attributions.rectifiers import GuidedGradCam

    return GuidedGradCam(context.network, context.spec, context.layer)


def _integrated_gradients(context: Context) -> Explainer:
    from convscope.attributions.integrated import IntegratedGradients

    return IntegratedGradients(context.scores, _baseline("integrated_gradients", context), context.settings["steps"])


def _baseline(method: str, context: Context) -> Baseline:
    settings = context.settings
    return named_baseline(settings["baseline"], context.spec, context.background, settings["blur"], method)


def _gradcam(context: Context) -> Explainer:
    from convscope.attributions.rectifiers import GradCam

    return GradCam(context.network, context.spec, context.layer)


def _deep_shap(context: Context) -> Explainer:
    from convscope.attributions.deep_shap import DeepShap

    return DeepShap(context.scores, context.settings, context.background)


def _contrastive(context: Context, positive: bool) -> Explainer:
    from convscope.attributions.contrastive import Contrastive

    return Contrastive(context.scores, context.settings, positive, context.autoencoder)


METHODS: dict[str, Factory] = {
    "gradcam": _gradcam,
    "saliency": _saliency,
    "input_x_gradient": _input_x_gradient,
    "smoothgrad": _smoothgrad,
    "guided_backprop": _guided_backprop,
    "deconvnet": _deconvnet,
    "guided_gradcam": _guided_gradcam,
    "integrated_gradients": _integrated_gradients,
    "occlusion": lambda context: Occlusion(context.scores, context.settings),
    "rise": lambda context: Rise(context.scores, context.settings, context.seed),
    "lime": lambda context: Lime(context.scores, context.settings, context.seed),
    "kernel_shap": lambda context: KernelShap(context.scores, context.settings, context.seed),
    "partition_shap": lambda context: PartitionShap(context.scores, context.settings, context.seed),
    "gradient_shap": lambda context: GradientShap(context.scores, context.settings, context.seed, context.background),
    "deep_shap": _deep_shap,
    "pertinent_negative": lambda context: _contrastive(context, positive=False),
    "pertinent_positive": lambda context: _contrastive(context, positive=True),
}
