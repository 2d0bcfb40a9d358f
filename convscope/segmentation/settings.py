"""What of a config networks of pixels depend on, and whether it can be done. Imports nothing heavy."""

from typing import Any

from convscope.data.drawn.kinds import CLASSES as DRAWN_KINDS
from convscope.data.places import listing_if_any
from convscope.errors import UserError
from convscope.models.names import OF_PIXELS
from convscope.models.settings import image_size
from convscope.segmentation.names import DEFAULT_TARGET

# What a network of pixels has no use for.
_NOT_OF_PIXELS = ("dropout", "augmentation", "threads")


def is_of_pixels(model: dict[str, Any]) -> bool:
    """Whether a model of the config answers a class for every pixel."""
    return model["source"] == "train" and model["architecture"] in OF_PIXELS


def target_of(model: dict[str, Any]) -> str:
    """What its pixels are classified as (see `names.TARGETS`)."""
    return str(model.get("target", DEFAULT_TARGET))


def training_settings(model: dict[str, Any]) -> dict[str, Any]:
    """What the training of a network of pixels depends on."""
    return {**{key: model[key] for key in model if key not in _NOT_OF_PIXELS}, "target": target_of(model)}


def check_of_pixels(key: str, model: dict[str, Any], dataset: dict[str, Any]) -> None:
    """Check that a network of pixels can be trained; of another network, that it is asked for nothing that only one of pixels has.

    Args:
        key: of the model's part of the config, for the message.
        model: the part, of the source `train`.
        dataset: the part of the dataset it is trained on.

    Raises:
        UserError: it cannot.
    """
    if not is_of_pixels(model):
        if "target" in model:
            raise UserError(f"{key}.target is for networks of pixels; take architecture: {next(iter(OF_PIXELS))}")
        return
    name, step = model["architecture"], OF_PIXELS[model["architecture"]]
    if wrong := [side for side in image_size(model["image_size"]) if side % step]:
        below = wrong[0] // step * step
        raise UserError(
            f"{key}.image_size is {wrong[0]}; {name} makes pictures smaller by {step} and larger again, so take a multiple of it: "
            f"{below} or {below + step}"
        )
    if model.get("augmentation"):
        raise UserError(f"{key}.augmentation: pictures are not augmented for {name}, for their masks would have to be")
    if not has_masks(dataset):
        raise UserError(
            f"{key}.dataset: {name} learns from masks, and datasets.{model['dataset']} has none; name their folder by masks:, or "
            "their column in a list"
        )


def has_masks(dataset: dict[str, Any]) -> bool:
    """Whether a dataset has part masks, as far as is known before it is there."""
    if dataset["source"] in DRAWN_KINDS or dataset.get("masks"):
        return True
    listing = listing_if_any(dataset)
    return bool(listing and any(entry.mask for entry in listing.entries))


def check_segmentation(config: dict[str, Any], model: str) -> None:
    """Check that what `segmentation.<model>` names can be made.

    Raises:
        UserError: the model answers no classes of pixels.
    """
    if not is_of_pixels(config["models"][model]):
        raise UserError(
            f"segmentation.{model}: model '{model}' does not answer a class for every pixel; train one that does "
            f"({{source: train, architecture: {next(iter(OF_PIXELS))}}})"
        )
