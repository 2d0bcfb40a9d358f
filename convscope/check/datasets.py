"""Datasets, their splits and classes, and the image sets that are chosen of them."""

import re
from pathlib import Path
from typing import Any

from convscope.check.choices import among, check_choice
from convscope.data.drawn.kinds import CLASSES as DRAWN_CLASSES
from convscope.data.groups import group_text, same_class
from convscope.data.places import (
    check_address,
    check_below,
    check_dataset_folder,
    check_list,
    check_picture_folder,
    classes_on_disk,
    listing_if_any,
    split_folders,
)
from convscope.errors import UserError
from convscope.storage.places import check_file, check_folder

_IMAGE_SOURCES = ("dataset", "files", "folder", "urls")


def splits_of(dataset: dict[str, Any]) -> list[str]:
    """The splits a dataset of the configuration has; ["all"] where it is not divided."""
    if (listing := listing_if_any(dataset)) and listing.splits != ["all"]:
        return listing.splits
    if "images_per_class" not in dataset and "splits" not in dataset and dataset.get("source") == "path":
        return list(split_folders(dataset))
    return list(dataset.get("images_per_class") or dataset.get("splits") or {"all": ""})


def classes_of(dataset: dict[str, Any]) -> list[str] | None:
    """The classes of a dataset as far as they are known before it is there."""
    if dataset["source"] in DRAWN_CLASSES:
        return list(DRAWN_CLASSES[dataset["source"]])
    if dataset.get("classes"):
        return list(dataset["classes"])
    if dataset["source"] in ("path", "table"):
        return classes_on_disk(dataset)
    return None


def check_dataset(key: str, dataset: dict[str, Any]) -> None:
    """Check a dataset's part of the config: what excludes what, and that what it names is there.

    Raises:
        UserError: it cannot be so.
    """
    if dataset.get("splits") and dataset.get("images_per_class"):
        raise UserError(f"{key}: splits and images_per_class exclude each other; keep one")
    check_below(f"{key}.pictures", dataset.get("pictures", ""))
    if dataset.get("pictures") and dataset.get("splits"):
        raise UserError(f"{key}.splits: pictures of one folder are divided by images_per_class; leave splits out")
    if "class_from" in dataset and "pictures" not in dataset:
        raise UserError(f"{key}.class_from is for pictures without class folders; name their folder by pictures:")
    for split, name in dataset.get("splits", {}).items():
        check_below(f"{key}.splits.{split}", name)
    _check_window(key, dataset)
    for name in dataset.get("classes", []) if dataset["source"] != "table" else []:
        check_below(f"{key}.classes", name)
    if dataset["source"] == "path":
        check_dataset_folder(key, dataset)
    if dataset["source"] == "table":
        path = check_file(f"{key}.path", dataset["path"], "for class folders: source: path")
        check_folder(f"{key}.folder", path.parent / dataset["folder"])
        check_list(f"{key}.path", dataset)
    if dataset["source"] == "archive":
        check_below(f"{key}.folder", dataset["folder"])
        check_address(f"{key}.url", dataset["url"], archive=True)
        check_below(f"{key}.masks", dataset.get("masks", ""))
        if "masks_url" in dataset:
            check_address(f"{key}.masks_url", dataset["masks_url"], archive=True)


def _check_window(key: str, part: dict[str, Any]) -> None:
    low, high = part.get("window", (0, 1))
    if low >= high:
        raise UserError(f"{key}.window: [{low}, {high}] goes from black to white, so the first must be the less")


def check_split(key: str, dataset: str, split: str, datasets: dict[str, Any]) -> None:
    """Check that a dataset has a split, whose name can be a part of a file's.

    Raises:
        UserError: it cannot be so.
    """
    among(key, "dataset", dataset, datasets)
    among(key, f"split of '{dataset}'", split, splits_of(datasets[dataset]))
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", split):
        raise UserError(
            f"{key}: the split '{split}' of '{dataset}' becomes a part of files' names, which takes letters, digits, - and _ alone; "
            + (
                "call it otherwise in the list"
                if datasets[dataset]["source"] == "table"
                else f"name the folder in datasets.{dataset}.splits"
            )
        )


def check_image_set(key: str, settings: dict[str, Any], config: dict[str, Any]) -> None:
    """Check where the pictures of an image set come from, and that they are there.

    Raises:
        UserError: it cannot be so.
    """
    given = [source for source in _IMAGE_SOURCES if source in settings]
    if len(given) != 1:
        raise UserError(
            f"{key}: name one of {', '.join(_IMAGE_SOURCES)}" + (f", not {' and '.join(given)}" if given else "")
        )
    _check_window(key, settings)
    if "window" in settings and "dataset" in settings:
        raise UserError(
            f"{key}.window: the pictures of a dataset have its window; write it in datasets.{settings['dataset']}"
        )
    for path in settings.get("files", []):
        check_file(f"{key}.files", path, "for all pictures of a folder: folder:")
    for url in settings.get("urls", []):
        check_address(f"{key}.urls", url)
    if "folder" in settings:
        found = check_picture_folder(f"{key}.folder", Path(settings["folder"]), settings.get("classes"))
        for name in settings.get("classes", []):
            check_choice(f"{key}.classes", name, found)
    if "evaluation" in settings and "dataset" not in settings:
        raise UserError(f"{key}: an evaluation's group needs the keys dataset and split")
    if "dataset" not in settings:
        return
    among(f"{key}.dataset", "dataset", settings["dataset"], config["datasets"])
    if "split" not in settings:
        raise UserError(
            f"{key}: the key 'split' is missing (one of {', '.join(splits_of(config['datasets'][settings['dataset']]))})"
        )
    check_split(key, settings["dataset"], settings["split"], config["datasets"])
    known = classes_of(config["datasets"][settings["dataset"]])
    for name in settings.get("classes", []) if known else []:
        check_choice(f"{key}.classes", name, known or [])
    if "evaluation" in settings:
        model = settings["evaluation"]
        among(f"{key}.evaluation", "evaluation", model, config["evaluations"])
        split = f"{settings['dataset']}/{settings['split']}"
        among(f"{key}", f"evaluation of '{model}' on", split, config["evaluations"][model])
        if "group" not in settings:
            raise UserError(f"{key}: the key 'group' is missing (errors, correct, false_negatives:<class> ...)")
        group, _, name = group_text(settings["group"]).partition(":")
        if name and known and not same_class(name, known):
            check_choice(f"{key}.group", name, known, f"class of {group}")
