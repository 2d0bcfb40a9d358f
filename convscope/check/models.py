"""Models: what they are made of, and whether they have a class to explain."""

from pathlib import Path
from typing import Any

from convscope.check.choices import among
from convscope.check.datasets import classes_of, splits_of
from convscope.data.places import listing_if_any
from convscope.data.rows import ONE_CLASS
from convscope.errors import UserError
from convscope.models.end_choice import check_saved_ends
from convscope.models.names import NO_CLASS_OF_THE_PICTURE, read_file_config, too_small
from convscope.models.places import (
    check_model_file,
    check_preset_folder,
    check_weights_file,
    has_no_classifier,
    preset_folder,
    preset_is_a_path,
)
from convscope.models.settings import classes_beside
from convscope.segmentation.settings import check_of_pixels, is_of_pixels
from convscope.storage.places import check_folder

_TRAINED = ("train", "transfer")


def classes_of_model(model: dict[str, Any], datasets: dict[str, Any]) -> list[str] | None:
    """The classes of a model as far as they are known before it is there."""
    if model["source"] in _TRAINED:
        return classes_of(datasets[model["dataset"]])
    return model.get("classes") or classes_beside(model)


def check_model(key: str, model: dict[str, Any], datasets: dict[str, Any]) -> None:
    """Check a model's part of the config: what it is trained on or made of is there, and fits.

    Raises:
        UserError: it cannot be so.
    """
    if model["source"] == "train" and (reason := too_small(model)):
        raise UserError(f"{key}.{reason}")
    if model["source"] in _TRAINED:
        among(f"{key}.dataset", "dataset", model["dataset"], datasets)
        check_of_pixels(key, model, datasets[model["dataset"]])
        listing = None if is_of_pixels(model) else listing_if_any(datasets[model["dataset"]])
        if listing and listing.truth != "class":
            raise UserError(f"{key}.dataset: datasets.{model['dataset']} says {ONE_CLASS}")
        for split in ("train", "validation"):
            if split not in splits_of(datasets[model["dataset"]]):
                raise UserError(
                    f"{key}.dataset: training needs a split '{split}', which datasets.{model['dataset']} does not have"
                )
    if model["source"] == "file":
        check_model_file(key, model["path"], model.get("code"))
        check_saved_ends(read_file_config(Path(model["path"])) or {}, model, key)
    try:
        classes_beside(model)
    except UserError as error:
        raise UserError(f"{key}: {error}") from None
    if model["source"] == "application" and model["weights"] != "imagenet":
        check_weights_file(f"{key}.weights", model["weights"])
    if model["source"] == "preset":
        if model.get("folder"):
            check_folder(f"{key}.folder", Path(model["folder"]))
        if folder := preset_folder(model):
            check_preset_folder(f"{key}.preset", folder)
        elif preset_is_a_path(model["preset"]):
            check_preset_folder(f"{key}.preset", Path(model["preset"]))


def check_head(key: str, model: dict[str, Any], lacks: str = "there is no class to explain") -> None:
    """A backbone has no class to explain or to predict; a preset's folder or a file on disk tells whether it is one.

    Nor has a network that answers a class for every pixel one of the picture.
    """
    if is_of_pixels(model):
        raise UserError(f"{key}: model '{key.partition('.')[2]}' {NO_CLASS_OF_THE_PICTURE}")
    if has_no_classifier(model):
        name = model.get("preset") or model["path"]
        raise UserError(
            f"{key}: '{name}' is a backbone without a classifier, so {lacks}; name a model with a classification head"
        )
