"""What of a config networks of pixels depend on, and whether it can be done. Imports nothing heavy."""

from typing import Any

from convscope.data.drawn.kinds import CLASSES as DRAWN_KINDS
from convscope.data.places import listing_if_any
from convscope.errors import UserError, nearest
from convscope.models.names import OF_PIXELS, layers_of
from convscope.models.settings import image_size
from convscope.segmentation.names import CLASSES_OF, DEFAULT_TARGET

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


def region_settings(part: dict[str, Any], region: str) -> dict[str, Any]:
    """What Seg-Grad-CAM of one kind of region depends on, from a model's `segmentation`."""
    used = {key: value for key, value in part["gradcam"].items() if key != "regions"}
    return used if region == "box" else {key: value for key, value in used.items() if key != "box"}


def regions_of(part: dict[str, Any]) -> list[str]:
    """The kinds of regions that a model's `segmentation` asks Seg-Grad-CAM of."""
    return list(part.get("gradcam", {}).get("regions", []))


def check_segmentation(config: dict[str, Any], model: str) -> None:
    """Check that what `segmentation.<model>` names can be made.

    Raises:
        UserError: the model answers no classes of pixels, or Seg-Grad-CAM is asked of a class, layer or box that it does not have.
    """
    if not is_of_pixels(config["models"][model]):
        raise UserError(
            f"segmentation.{model}: model '{model}' does not answer a class for every pixel; train one that does "
            f"({{source: train, architecture: {next(iter(OF_PIXELS))}}})"
        )
    part = config["segmentation"][model]
    if "gradcam" in part:
        _check_gradcam(f"segmentation.{model}.gradcam", part["gradcam"], config["models"][model])


def _check_gradcam(key: str, settings: dict[str, Any], model: dict[str, Any]) -> None:
    names = [layer.name for layer in layers_of(model) or []]
    if settings.get("layer", names[0]) not in names:
        raise UserError(f"{key}.layer: layer '{settings['layer']}' does not exist; {nearest(settings['layer'], names)}")
    # The parts of masks are known when they are there.
    known = CLASSES_OF.get(target_of(model), ())
    for name in settings["classes"] if known and settings["classes"] != "all" else ():
        if name not in known:
            raise UserError(f"{key}.classes: class '{name}' does not exist; {nearest(name, known)}")
    wanted, box = "box" in settings["regions"], settings.get("box")
    if wanted != (box is not None):
        given = "add box: [top, left, bottom, right]" if wanted else "add it to regions, or leave box out"
        raise UserError(
            f"{key}.box: {'regions name a box and none is given' if wanted else 'no region is a box'}; {given}"
        )
    if box and not (box[0] < box[2] and box[1] < box[3]):
        raise UserError(
            f"{key}.box: {box} is [top, left, bottom, right], so the last two must be more than the first two"
        )
