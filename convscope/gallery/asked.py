"""What a config asks a gallery for. Whatever else lies in the results folder is an older config's, and is not shown."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.attributions.names import chosen_methods
from convscope.cams.names import METHODS as CAMS
from convscope.comparisons.selection import pattern_preset
from convscope.errors import UserError
from convscope.filters.presets import preset_names
from convscope.strategies.selection import grouped_methods


@dataclass(frozen=True)
class AskedModel:
    """What is asked for of a model; each of its names is that of a folder or a file of the results.

    Attributes:
        name: of the model.
        trained: whether the study trains it (then there are curves).
        transferred: whether it is another model's layers with a new head (then there is a comparison of heads).
        evaluations: "dataset.split" each.
        presets: of the filter patterns; none where no patterns are asked for.
        layers: "all", or layers and blocks whose patterns are asked for.
        objectives: by name, what else pictures are of.
        activations, segmentation, cams, attributions, judging: the image sets of each stage.
        regions: whose logits Seg-Grad-CAM sums.
        cam_methods, attribution_methods: in the order in which they are shown.
        against: the model whose maps its own are compared with.
        masks: the model whose predicted masks it is judged with.
        units: the image sets that tell what units look for.
        vectors: the image sets of which it is asked which concepts its classes depend on.
        strategies: the image sets whose heatmaps are put together by likeness, with the methods.
        watching: the image sets that are looked at after every kept epoch of its training.
        watched_filters: whether filter patterns are made after them, too.
        watched_board: whether they are logged for TensorBoard, too.
    """

    name: str
    trained: bool
    transferred: bool
    evaluations: tuple[str, ...]
    presets: tuple[str, ...]
    layers: str | tuple[str, ...]
    activations: tuple[str, ...]
    segmentation: tuple[str, ...]
    regions: tuple[str, ...]
    cams: tuple[str, ...]
    cam_methods: tuple[str, ...]
    attributions: tuple[str, ...]
    attribution_methods: tuple[str, ...]
    judging: tuple[str, ...]
    against: str | None
    masks: str | None = None
    watching: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    strategies: tuple[tuple[str, tuple[str, ...]], ...] = ()
    watched_filters: bool = False
    watched_board: bool = False
    objectives: tuple[str, ...] = ()


@dataclass(frozen=True)
class AskedComparison:
    """A comparison of models; `sheets` are its figures beside the curves and the costs."""

    name: str
    models: tuple[str, ...]
    split: str
    seeds: int
    sheets: tuple[str, ...]


@dataclass(frozen=True)
class Asked:
    """What a study asks for, in the config's order."""

    study: str
    title: str
    datasets: tuple[str, ...]
    image_sets: tuple[str, ...]
    models: tuple[AskedModel, ...]
    comparisons: tuple[AskedComparison, ...] = ()


def asked_for(config: Mapping[str, Any]) -> Asked:
    """List exactly what a config asks for: an absent or empty part asks for nothing.

    Args:
        config: a study's config as `convscope.config.complete` leaves it: with the schema's defaults filled in.

    Raises:
        UserError: the defaults are not filled in.
    """
    study = str(config.get("study", ""))
    return Asked(
        study=study,
        title=str(config.get("title") or study),
        datasets=_names(config.get("datasets")),
        image_sets=_names(config.get("image_sets")),
        models=tuple(_model(config, name) for name in _names(config.get("models"))),
        comparisons=tuple(_comparison(config, name) for name in _names(config.get("comparisons"))),
    )


def _comparison(config: Mapping[str, Any], name: str) -> AskedComparison:
    part = config["comparisons"][name]
    patterns = pattern_preset(config, name) is not None
    sheets = ("cams.png",) * ("images" in part) + ("filters.png",) * patterns
    return AskedComparison(name, tuple(part["models"]), part["split"], part["seeds"], sheets)


def _names(part: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(str, part or ())))


def _model(config: Mapping[str, Any], name: str) -> AskedModel:
    def part(stage: str) -> Mapping[str, Any]:
        return (config.get(stage) or {}).get(name) or {}

    def setting(stage: str, key: str) -> Any:
        if key not in part(stage):
            raise UserError(f"{stage}.{name}.{key}: missing; the gallery wants a config with its defaults filled in")
        return part(stage)[key]

    layers = setting("filters", "layers") if part("filters") else ()
    cams = setting("cams", "methods") if part("cams") else ()
    chosen = chosen_methods(setting("attributions", "methods")) if part("attributions") else ()
    source = (config["models"][name] or {}).get("source")
    return AskedModel(
        name=name,
        trained=source in ("train", "transfer"),
        transferred=source == "transfer",
        evaluations=tuple(entry.replace("/", ".") for entry in _names((config.get("evaluations") or {}).get(name))),
        presets=tuple(preset_names(dict(part("filters")))) if part("filters") else (),
        layers="all" if layers == "all" else _names(layers),
        activations=_names(part("activations").get("images")),
        segmentation=_names(part("segmentation").get("images")),
        regions=_names((part("segmentation").get("gradcam") or {}).get("regions")),
        cams=_names(part("cams").get("images")),
        cam_methods=tuple(method for method in CAMS if method in cams),
        attributions=_names(part("attributions").get("images")),
        attribution_methods=tuple(method for method in ATTRIBUTIONS if method in chosen),
        judging=_names(part("judging").get("images")),
        against=part("judging").get("against"),
        masks=part("judging").get("masks"),
        watching=_names(part("watching").get("images")),
        units=_names(part("units").get("images")),
        vectors=_names(part("concepts").get("images")),
        strategies=tuple(
            (images, tuple(grouped_methods(dict(config), name, images)))
            for images in _names(part("strategies").get("images"))
        ),
        watched_filters=bool(part("watching")) and setting("watching", "filters").get("filters") != 0,
        objectives=_names(part("filters").get("objectives")),
        watched_board=bool(part("watching").get("tensorboard")),
    )
