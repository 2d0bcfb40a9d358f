"""Class activation maps and attributions of images, computed as the workflow's jobs compute them."""

from typing import Any

import keras
import numpy as np

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.attributions.names import needs_background
from convscope.cams.names import METHODS as CAMS
from convscope.errors import UserError, nearest
from convscope.models.spec import ModelSpec
from convscope.notebook import images as pictures
from convscope.notebook.explanations import Explanation
from convscope.notebook.models import file_of, layer_of_maps
from convscope.notebook.settings import known_keywords, of_stage, seed_of

_CAM_STYLE = ("colormap", "scale")
_ATTRIBUTION_STYLE = ("colormap", "diverging", "percentile", "scale")


def explanation(
    network: keras.Model, spec: ModelSpec, images: Any, method: str, target: str | int, settings: dict[str, Any]
) -> Explanation:
    """Explain images by a method; see `notebook.explain` for the arguments.

    Args:
        network, spec: a canonical model.
    """
    methods = dict.fromkeys([*CAMS, *ATTRIBUTIONS])
    if not isinstance(method, str) or method not in methods:
        raise UserError(f"explain: method '{method}' does not exist; {nearest(str(method), methods)}")
    make = _class_activation if method in CAMS else _attribution
    return make(network, spec, images, method, target, dict(settings))


def _class_activation(
    network: keras.Model, spec: ModelSpec, images: Any, method: str, target: str | int, given: dict[str, Any]
) -> Explanation:
    from convscope.cams.mapper import ClassMapper
    from convscope.models.cam_layer import default_cam_layer
    from convscope.models.gap_head import GapHead

    own = {"score_cam": ["score_channels"], "cam": ["gap_head"]}.get(method, [])
    known_keywords(given, ["layer", "batch", *_CAM_STYLE, *own], method)
    head = given.pop("gap_head", None)
    settings = of_stage("cams", {"images": ["images"], "methods": [method], "class": target, **given})
    _check_colours(settings, method)
    layer = layer_of_maps(network, settings.get("layer") or default_cam_layer(network, spec.input_size), tokens=True)
    head = head if head is None or isinstance(head, GapHead) else GapHead.load(file_of(head, "gap_head"))
    mapper = ClassMapper(network, spec, layer, [method], head, settings.get("score_channels"), key="explain")
    read = _read(images, spec, target)
    batch = settings["batch"]
    parts = [
        mapper(spec.preprocess(read.pixels[i : i + batch]), read.labels[i : i + batch], settings["class"])
        for i in range(0, len(read.pixels), batch)
    ]
    names = ("targets", "scores", "probabilities", "predicted")
    found = {name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    found["maps"] = np.concatenate([part.maps[method] for part in parts])
    used: dict[str, Any] = {key: settings[key] for key in ("batch", "score_channels") if key in settings}
    style = {key: settings[key] for key in _CAM_STYLE}
    return _result(spec, read, method, settings["class"], found, layer, method == "cam", used, style)


def _attribution(
    network: keras.Model, spec: ModelSpec, images: Any, method: str, target: str | int, given: dict[str, Any]
) -> Explanation:
    from convscope.attributions.class_scores import ClassScores
    from convscope.attributions.explained import explained_batch
    from convscope.attributions.registry import explainer
    from convscope.models.load import load_keras

    known = ATTRIBUTIONS[method]
    compares = needs_background(method, given)
    more = ["layer"] * known.layer + ["compare_with"] * compares
    known_keywords(given, [*known.settings, *more, "seed", "batch", *_ATTRIBUTION_STYLE], method)
    seed, others = seed_of(given.pop("seed", None)), given.pop("compare_with", None)
    autoencoder = given.pop("autoencoder", None)
    own = {name: given.pop(name) for name in list(given) if name in known.settings}
    whole = {"images": ["images"], "methods": [method], "class": target, **given}
    settings = of_stage("attributions", {**whole, method: own} if known.settings else whole)
    own = settings.get(method, {})
    _check_colours(settings, method)
    if "layer" in settings:
        layer_of_maps(network, settings["layer"], tokens=True)
    read = _read(images, spec, target)
    background = _background(method, spec, read, others) if compares else None
    if autoencoder is not None and not isinstance(autoencoder, keras.Model):
        autoencoder = load_keras(file_of(autoencoder, "autoencoder"))
    if autoencoder is not None and tuple(autoencoder.output_shape[1:]) != tuple(autoencoder.input_shape[1:]):
        shapes = f"{autoencoder.input_shape[1:]} to {autoencoder.output_shape[1:]}"
        raise UserError(f"autoencoder: it makes {shapes}; one that gives back pictures of the same shape is needed")
    if own.get("gamma") and autoencoder is None:
        raise UserError(
            f"{method}.gamma weighs an auto-encoder; give autoencoder=, a Keras model of pictures in 0..1 or its file"
        )
    explain = explainer(method, network, spec, own, seed, settings.get("layer"), background, autoencoder)
    scores, batch = ClassScores(network, spec), settings["batch"]
    parts = [
        explained_batch(
            explain, scores, spec.preprocess(read.pixels[i : i + batch]), read.ids[i : i + batch],
            read.labels[i : i + batch], settings["class"],
        )
        for i in range(0, len(read.pixels), batch)
    ]  # fmt: skip
    found = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    layer = str(getattr(explain, "layer", settings.get("layer", ""))) if known.layer else ""
    style = {key: settings[key] for key in _ATTRIBUTION_STYLE}
    complete = {**known.settings, **own}
    return _result(spec, read, method, settings["class"], found, layer, explain.signed, complete, style)


def _read(images: Any, spec: ModelSpec, target: str | int) -> pictures.Pictures:
    read = pictures.read(images, spec)
    if target == "true" and (read.labels < 0).any():
        raise UserError("target 'true' needs the true classes; give a folder of class folders, or name a class")
    return read


def _background(method: str, spec: ModelSpec, read: pictures.Pictures, others: Any) -> np.ndarray:
    """What a method compares with: the images themselves, as in the workflow, or others."""
    from convscope.attributions.explained import background_places

    if others is None and len(read.pixels) < 2:
        raise UserError(f"{method} compares a picture with others and there is one; give more images, or compare_with=")
    pixels = (read if others is None else pictures.read(others, spec, "compare_with")).pixels
    return spec.preprocess(pixels[background_places(len(pixels))])


def _check_colours(settings: dict[str, Any], method: str) -> None:
    from matplotlib import colormaps

    for key in ("colormap", "diverging"):
        if key in settings and settings[key] not in colormaps:
            raise UserError(f"{method}.{key}: no colour map '{settings[key]}'; {nearest(settings[key], colormaps)}")


def _result(
    spec: ModelSpec,
    read: pictures.Pictures,
    method: str,
    wanted: str | int,
    found: dict[str, np.ndarray],
    layer: str,
    signed: bool,
    settings: dict[str, Any],
    style: dict[str, Any],
) -> Explanation:
    # One class an image needs no axis of its own; "all" keeps it, also of a single class.
    def plain(values: np.ndarray) -> np.ndarray:
        return values if wanted == "all" else values[:, 0]

    return Explanation(
        method=method,
        maps=plain(found["maps"]),
        targets=plain(found["targets"]),
        scores=plain(found["scores"]),
        predictions=found["probabilities"],
        predicted=found["predicted"],
        images=spec.reads.for_people(read.pixels),
        pixels=read.pixels,
        labels=read.labels,
        ids=read.ids,
        classes=spec.classes,
        model=spec.name,
        layer=layer,
        signed=signed,
        settings=settings,
        facts={
            name.removeprefix("facts/"): plain(values) for name, values in found.items() if name.startswith("facts/")
        },
        style=style,
        head=spec.head,
        reads=spec.reads,
        places=spec.places,
    )
