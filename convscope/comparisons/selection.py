"""What a comparison is made of, by the config. Imports nothing heavy: the rules and the check of the config use it."""

from collections.abc import Mapping, Sequence
from typing import Any

from convscope.errors import UserError, nearest
from convscope.filters.presets import preset_names
from convscope.segmentation.settings import is_of_pixels

# Rows of filter patterns on a sheet, from the first layer to the last.
MOST_LAYERS = 6


def trainings(comparison: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Each training of a comparison, model by model: (model, number); 1 is the study's own model."""
    return [(model, number) for model in comparison["models"] for number in range(1, comparison["seeds"] + 1)]


def pattern_preset(config: Mapping[str, Any], name: str) -> str | None:
    """The preset whose filter patterns are laid side by side: the first that all models of a comparison have; None where none is."""
    models = config["comparisons"][name]["models"]
    if any(model not in config["filters"] for model in models):
        return None
    first, *rest = (preset_names(config["filters"][model]) for model in models)
    return next((preset for preset in first if all(preset in others for others in rest)), None)


def layers_by_depth(layers: Mapping[str, Sequence[str]], most: int = MOST_LAYERS) -> dict[str, list[str]]:
    """As many layers of every model, evenly spread from its first to its last, for a row of a sheet each.

    Args:
        layers: model -> its layers with patterns, by depth.
        most: rows.

    Returns:
        model -> layers; as many as the model with the fewest has.
    """
    rows = min([most, *map(len, layers.values())])
    return {
        model: [names[round(row * (len(names) - 1) / max(rows - 1, 1))] for row in range(rows)]
        for model, names in layers.items()
    }


def check_comparison(config: dict[str, Any], name: str) -> None:
    """Check that what `comparisons.<name>` compares is made.

    Its split is checked with those of the evaluations.

    Raises:
        UserError: a model that the study does not have or does not train, or that has no classes; an image set without maps.
    """
    key, part = f"comparisons.{name}", config["comparisons"][name]
    for model in part["models"]:
        if model not in config["models"]:
            raise UserError(f"{key}.models: model '{model}' does not exist; {nearest(model, config['models'])}")
        source = config["models"][model]["source"]
        if source != "train":
            raise UserError(
                f"{key}.models: '{model}' comes from source: {source}, and only source: train has several seeds; leave it out"
            )
        if is_of_pixels(config["models"][model]):
            raise UserError(
                f"{key}.models: '{model}' predicts a mask and no class, so it has no accuracy to compare; leave it out"
            )
    images = part.get("images")
    if images is None:
        return
    if images not in config["image_sets"]:
        raise UserError(f"{key}.images: image set '{images}' does not exist; {nearest(images, config['image_sets'])}")
    for model in part["models"]:
        cams = config["cams"].get(model, {"images": [], "methods": []})
        for wanted, of in ((images, "images"), (part["method"], "methods")):
            if wanted not in cams[of]:
                raise UserError(
                    f"{key}: no {part['method']} is made of image set '{images}' for model '{model}'; add {wanted} to "
                    f"cams.{model}.{of}, or take images: out of the comparison"
                )
