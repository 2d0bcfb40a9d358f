"""What of a study's results each figure is made of: files of the study's folder, by the config alone. Imports nothing heavy."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from convscope.attributions.names import chosen_methods
from convscope.cams.names import METHODS as CAMS
from convscope.comparisons.selection import pattern_preset
from convscope.data.groups import group_text
from convscope.filters.presets import preset_names
from convscope.strategies.selection import grouped_methods

Config = Mapping[str, Any]
# From a model's name to those of its layers whose patterns are asked for.
Layers = Callable[[str], list[str]]
# Groups of predictions that a model gets wrong.
_WRONG = ("errors", "most_confident_errors", "most_wrong", "false_negatives", "false_positives")


@dataclass(frozen=True)
class Source:
    """A part of a figure: one or a few pictures.

    Attributes:
        label: what it is of, "convnet test"; the pictures' files are named after it.
        files: what it is made of, relative to the study's folder: files, or folders that a job makes.
        drawn: how, a name of `draw.DRAWN`.
        chosen: which pictures of a table are taken (its columns), or those of a folder (a pattern).
    """

    label: str
    files: tuple[str, ...]
    drawn: str
    chosen: tuple[str, ...] = ()


def _pairs(config: Config, stage: str) -> Iterator[tuple[str, str]]:
    for model, part in (config.get(stage) or {}).items():
        for images in part["images"]:
            yield model, images


def photos(config: Config, layers: Layers) -> list[Source]:
    """The first picture of each image set that a stage shows."""
    stages = (
        "activations", "units", "concepts", "segmentation", "cams", "attributions", "judging", "strategies", "watching",
    )  # fmt: skip
    used = {images for stage in stages for _, images in _pairs(config, stage)}
    wanted = [name for name in config.get("image_sets") or {} if name in used]
    return [Source(name, (f"image_sets/{name}.csv",), "photo") for name in wanted]


def _trained(config: Config, *sources: str) -> list[str]:
    wanted = sources or ("train", "transfer")
    return [name for name, model in (config.get("models") or {}).items() if model["source"] in wanted]


def training_curves(config: Config, layers: Layers) -> list[Source]:
    """The curves of each model that the study trains, from scratch or as a new head on another one."""
    names = [name for name, model in (config.get("models") or {}).items() if model["source"] in ("train", "transfer")]
    return [Source(name, (f"models/{name}/curves.png",), "copied") for name in names]


def every_epoch(config: Config, layers: Layers) -> list[Source]:
    """The sheet of each model and image set that is watched."""
    return [
        Source(f"{model} {images}", (f"watching/{model}/{images}/sheet.png",), "copied")
        for model, images in _pairs(config, "watching")
    ]


def patterns_by_epoch(config: Config, layers: Layers) -> list[Source]:
    """The patterns of each model whose filters are watched."""
    watched = (config.get("watching") or {}).items()
    return [
        Source(model, (f"watching/{model}/filters.png",), "copied")
        for model, part in watched
        if part["filters"]["filters"] != 0
    ]


def of_evaluations(config: Config, file: str) -> list[Source]:
    """A file of each evaluation: a picture, or a table to be drawn."""
    found = []
    for model, parts in (config.get("evaluations") or {}).items():
        for part in parts:
            dataset, _, split = part.partition("/")
            path = f"evaluation/{model}/{dataset}.{split}/{file}"
            drawn = {"predictions.csv": "predictions", "classes.csv": "table"}.get(file, "copied")
            found.append(Source(f"{model} {dataset} {split}", (path,), drawn))
    return found


def _sheets(config: Config, chosen: str, sets: Mapping[str, Any] | None = None) -> list[Source]:
    return [
        Source(f"{model} {images}", (f"activations/{model}/{images}/sheets",), "folder", (chosen,))
        for model, images in _pairs(config, "activations")
        if config["activations"][model]["sheets"] and (sets is None or images in sets)
    ]


def one_channel(config: Config, layers: Layers) -> list[Source]:
    """One channel beside its picture, of each model and image set."""
    return _sheets(config, "*_channel_*.png")


def all_channels(config: Config, layers: Layers) -> list[Source]:
    """Every sheet of channels."""
    return _sheets(config, "*/*.png")


def misclassified_activations(config: Config, layers: Layers) -> list[Source]:
    """Every sheet of channels, of image sets that hold errors."""
    wrong = {
        name: entry
        for name, entry in (config.get("image_sets") or {}).items()
        if "group" in entry and group_text(entry["group"]).partition(":")[0] in _WRONG
    }
    return _sheets(config, "*/*.png", wrong)


def sparsity(config: Config, layers: Layers) -> list[Source]:
    """Sparsity by depth, of each model and image set."""
    return [
        Source(f"{model} {images}", (f"activations/{model}/{images}/sparsity.png",), "copied")
        for model, images in _pairs(config, "activations")
    ]


def units_by_depth(config: Config, layers: Layers) -> list[Source]:
    """What units detect by depth, of each model and image set."""
    return [
        Source(f"{model} {images}", (f"units/{model}/{images}/units.png",), "copied")
        for model, images in _pairs(config, "units")
    ]


def patterns_to_believe(config: Config, layers: Layers) -> list[Source]:
    """Which patterns to believe, of each model and image set whose units and filters are asked for."""
    return [
        Source(f"{model} {images}", (f"units/{model}/{images}/patterns.png",), "copied")
        for model, images in _pairs(config, "units")
        if model in (config.get("filters") or {})
    ]


def real_crops(config: Config, layers: Layers) -> list[Source]:
    """The first sheet of crops of each layer of the first job, of each model and image set."""
    return [
        Source(f"{model} {images}", (f"units/{model}/{images}/crops/0000",), "folder", ("*.00000.jpg",))
        for model, images in _pairs(config, "units")
    ]


def concepts(config: Config, layers: Layers) -> list[Source]:
    """The sheet of concepts of each model and image set."""
    return [
        Source(f"{model} {images}", (f"units/{model}/{images}/concepts.png",), "copied")
        for model, images in _pairs(config, "units")
    ]


def concept_vectors(config: Config, layers: Layers) -> list[Source]:
    """What the classes of each model depend on, by image set."""
    return [
        Source(f"{model} {images}", (f"concepts/{model}/{images}/vectors.png",), "copied")
        for model, images in _pairs(config, "concepts")
    ]


def found_concepts(config: Config, layers: Layers) -> list[Source]:
    """The sheets of the concepts that were found for each class and layer, of each model and image set."""
    return [
        Source(f"{model} {images}", (f"concepts/{model}/{images}/sheets",), "folder", ("*.png",))
        for model, images in _pairs(config, "concepts")
    ]


def _patterns(config: Config, layers: Layers, models: list[str] | None = None) -> Iterator[tuple[str, str, str, str]]:
    for model, part in (config.get("filters") or {}).items():
        if models is not None and model not in models:
            continue
        names = layers(model)
        for preset in preset_names(dict(part)):
            for layer in names:
                yield model, preset, layer, f"filters/{model}/{preset}"


def one_filter(config: Config, layers: Layers) -> list[Source]:
    """The pattern of one filter of each layer."""
    return [
        Source(f"{model} {preset} {layer}", (f"{folder}/{layer}.h5",), "pattern")
        for model, preset, layer, folder in _patterns(config, layers)
    ]


def filter_grids(config: Config, layers: Layers) -> list[Source]:
    """The grid of each layer."""
    return [
        Source(f"{model} {preset} {layer}", (f"{folder}/filters_for_layer_{layer}.png",), "copied")
        for model, preset, layer, folder in _patterns(config, layers)
    ]


def activation_maximisation(config: Config, layers: Layers) -> list[Source]:
    """Grid and objectives of each layer of the models that the study trains."""
    return [
        Source(f"{model} {preset} {layer} {kind}", (f"{folder}/{file}_{layer}.png",), "copied")
        for model, preset, layer, folder in _patterns(config, layers, _trained(config, "train"))
        for kind, file in (("patterns", "filters_for_layer"), ("objective", "objective"))
    ]


def _maps(config: Config, method: str) -> Iterator[tuple[str, str]]:
    for model, images in _pairs(config, "cams"):
        if method in config["cams"][model]["methods"]:
            yield f"{model} {images}", f"cams/{model}/{images}/{method}"


def heatmaps(config: Config, layers: Layers) -> list[Source]:
    """The first method's map of the first picture of each set, alone."""
    return [Source(label, (f"{path}.h5",), "heatmap", (colours,)) for label, path, colours in _first_maps(config)]


def heatmaps_over_photos(config: Config, layers: Layers) -> list[Source]:
    """The same over its photo."""
    return [Source(label, (f"{path}.csv", path), "row", ("overlay",)) for label, path, _ in _first_maps(config)]


def _first_maps(config: Config) -> list[tuple[str, str, str]]:
    """Of each model and image set the first method's maps, and the colours that they are drawn in."""
    found: dict[str, tuple[str, str, str]] = {}
    for method in CAMS:
        for model, images in _pairs(config, "cams"):
            part = config["cams"][model]
            if method in part["methods"]:
                label = f"{model} {images}"
                found.setdefault(label, (label, f"cams/{model}/{images}/{method}", str(part["colormap"])))
    return list(found.values())


def of_cam(config: Config, method: str) -> list[Source]:
    """A method's sheet, and its map of the first picture of each set over the photo."""
    return [
        source
        for label, path in _maps(config, method)
        for source in (
            Source(f"{label} sheet", (f"{path}_sheet.png",), "copied"),
            Source(label, (f"{path}.csv", path), "row", ("thumbnail", "overlay")),
        )
    ]


def of_attribution(config: Config, method: str) -> list[Source]:
    """A method's sheet, and its pictures of the first picture of each set."""
    found = []
    for model, images in _pairs(config, "attributions"):
        if method not in chosen_methods(config["attributions"][model]["methods"]):
            continue
        label, path = f"{model} {images}", f"attributions/{model}/{images}/{method}"
        row = Source(label, (f"{path}.csv", path), "row", ("thumbnail", "map", "overlay", "view_*"))
        sheet = Source(f"{label} sheet", (f"{path}_sheet.png",), "copied")
        # Of the first picture alone nothing may have to be kept.
        found += [sheet, row] if method.startswith("pertinent") else [row, sheet]
    return found


def side_by_side(config: Config, layers: Layers) -> list[Source]:
    """The first picture of each set with every method."""
    return [
        Source(f"{model} {images}", (f"attributions/{model}/{images}/side_by_side.png",), "copied")
        for model, images in _pairs(config, "attributions")
    ]


def judging(config: Config, layers: Layers) -> list[Source]:
    """Every method by every measure, and the curves."""
    return [
        Source(f"{model} {images} {kind}", (f"judging/{model}/{images}/{kind}.png",), "copied")
        for model, images in _pairs(config, "judging")
        for kind in ("metrics", "curves")
    ]


def kinds_of_reasons(config: Config, layers: Layers) -> list[Source]:
    """The kinds of reasons of each model and image set, a method each."""
    return [
        Source(f"{model} {images} {method}", (f"strategies/{model}/{images}/{method}.png",), "copied")
        for model, images in _pairs(config, "strategies")
        for method in grouped_methods(dict(config), model, images)
    ]


def segmentation(config: Config, layers: Layers) -> list[Source]:
    """Predicted masks, the worst ones, the confusion of pixels and the overlap with the truth."""
    return [
        Source(f"{model} {images} {kind}", (f"segmentation/{model}/{images}/{kind}.png",), "copied")
        for model, images in _pairs(config, "segmentation")
        for kind in ("masks", "worst", "confusion", "overlap")
    ]


def comparisons(config: Config, layers: Layers) -> list[Source]:
    """Curves and costs of networks compared, and, where they are asked for, their heatmaps and patterns side by side."""
    return [
        Source(f"{name} {kind}", (f"comparisons/{name}/{kind}.png",), "copied")
        for name, part in (config.get("comparisons") or {}).items()
        for kind, there in (
            ("curves", True),
            ("costs", True),
            ("cams", "images" in part),
            ("filters", pattern_preset(config, name) is not None),
        )
        if there
    ]


def seg_gradcam(config: Config, layers: Layers) -> list[Source]:
    """The sheet of each kind of region."""
    return [
        Source(f"{model} {images} {region}", (f"segmentation/{model}/{images}/gradcam_{region}.png",), "copied")
        for model, images in _pairs(config, "segmentation")
        for region in config["segmentation"][model].get("gradcam", {}).get("regions", [])
    ]


def transfer_heads(config: Config, layers: Layers) -> list[Source]:
    """The heads that were tried on frozen layers, in a table."""
    return [Source(name, (f"models/{name}/heads.csv",), "table") for name in _trained(config, "transfer")]
