"""Checks across a study's configuration: every name must lead somewhere, before any work is done."""

import re
from pathlib import Path
from typing import Any

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.attributions.names import chosen_methods
from convscope.backends.support import check_backend
from convscope.comparisons.selection import check_comparison
from convscope.data.drawn.kinds import CLASSES as DRAWN_CLASSES
from convscope.data.groups import class_position, group_text, same_class
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
from convscope.data.rows import ONE_CLASS
from convscope.errors import UserError, nearest
from convscope.filters.presets import for_preset, preset_names, settings_from
from convscope.judging.selection import check_judging
from convscope.models.bases import check_base, check_layers, check_map_layer, known_layers
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
from convscope.segmentation.settings import check_of_pixels, check_segmentation, is_of_pixels
from convscope.storage.addresses import dataset_and_split, downloads_of
from convscope.storage.places import check_file, check_folder, looking_once
from convscope.watching.settings import check_watching

_KNOWN_COLORMAPS = (
    "jet",
    "viridis",
    "inferno",
    "magma",
    "plasma",
    "turbo",
    "gray",
    "coolwarm",
    "RdBu_r",
    "bwr",
    "seismic",
)
_TAKEN = ("downloads",)
_TRAINED = ("train", "transfer")
_IMAGE_SOURCES = ("dataset", "files", "folder", "urls")


@looking_once()
def check_study(config: dict[str, Any]) -> None:
    """Check that every name in a completed configuration (see `config.complete`) leads somewhere.

    Datasets, splits, models, image sets, classes, layers where they can be known without loading a network, folders, files.

    Raises:
        UserError: the first that does not: its key, its value, the nearest valid one.
    """
    _check_names(config)
    for name, dataset in config["datasets"].items():
        _check_dataset(f"datasets.{name}", dataset)
    for name, model in config["models"].items():
        _check_model(f"models.{name}", model, config["datasets"])
        if model["source"] == "transfer":
            check_base(f"models.{name}", config["models"], name, classes_of(config["datasets"][model["dataset"]]))
    for model, splits in config["evaluations"].items():
        key = f"evaluations.{model}"
        _among(f"{key}", "model", model, config["models"])
        _check_head(key, config["models"][model], "it predicts nothing to evaluate")
        for split in splits:
            dataset, _, part = split.partition("/")
            _check_split(key, dataset, part, config["datasets"])
    for name, image_set in config["image_sets"].items():
        _check_image_set(f"image_sets.{name}", image_set, config)
    downloads_of(config)
    for stage in ("activations", "filters", "segmentation", "cams", "attributions", "judging", "watching"):
        for model, settings in config[stage].items():
            key = f"{stage}.{model}"
            _among(key, "model", model, config["models"])
            for image_set in settings.get("images", []):
                _among(f"{key}.images", "image set", image_set, config["image_sets"])
            if "layers" in settings:
                check_layers(key, settings["layers"], config["models"], model)
    for model, settings in config["filters"].items():
        try:
            for preset in preset_names(settings):
                settings_from(for_preset(settings, preset))
        except UserError as error:
            raise UserError(f"filters.{model}: {str(error).removeprefix('filters: ')}") from None
    for model in config["segmentation"]:
        check_segmentation(config, model)
    for stage in ("cams", "watching"):
        for model, settings in config[stage].items():
            key = f"{stage}.{model}"
            _check_class(key, settings, model, config)
            _check_colormap(f"{key}.colormap", settings["colormap"])
            _check_head(key, config["models"][model])
            for part, own in (("", settings), (".activation", settings.get("activation", {}))):
                if "layer" in own:
                    check_map_layer(f"{key}{part}.layer", own["layer"], config["models"], model)
    for model in config["cams"]:
        _check_gap_head(f"cams.{model}.gap_head", model, config)
    for model in config["watching"]:
        check_watching(model, config)
    asked = {f"attributions.{name}.methods": part["methods"] for name, part in config["attributions"].items()}
    check_backend(config, {key: chosen_methods(wanted) for key, wanted in asked.items()})
    for model, settings in config["attributions"].items():
        _check_attributions(f"attributions.{model}", settings, model, config)
    for model in config["judging"]:
        check_judging(config, model)
    for name, comparison in config["comparisons"].items():
        check_comparison(config, name)
        dataset, split = dataset_and_split(comparison["split"])
        _check_split(f"comparisons.{name}.split", dataset, split, config["datasets"])


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


def classes_of_model(model: dict[str, Any], datasets: dict[str, Any]) -> list[str] | None:
    """The classes of a model as far as they are known before it is there."""
    if model["source"] in _TRAINED:
        return classes_of(datasets[model["dataset"]])
    return model.get("classes") or classes_beside(model)


def _check_names(config: dict[str, Any]) -> None:
    """Names become names of files and folders, also where no difference is made between a and A."""
    if config["study"].lower() in _TAKEN:
        raise UserError(f"study: results/{config['study']} holds what other studies use, too; choose another name")
    for section in ("datasets", "models", "image_sets", "comparisons"):
        known: dict[str, str] = {}
        for name in config[section]:
            other = known.setdefault(name.lower(), name)
            if other != name:
                raise UserError(
                    f"{section}.{name}: '{other}' differs in case alone, and some disks make no difference; rename one"
                )


def _among(key: str, what: str, name: str, valid: Any) -> None:
    if name not in valid:
        raise UserError(f"{key}: {what} '{name}' does not exist; {nearest(name, valid)}")


def _check_dataset(key: str, dataset: dict[str, Any]) -> None:
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


def _check_model(key: str, model: dict[str, Any], datasets: dict[str, Any]) -> None:
    if model["source"] == "train" and (reason := too_small(model)):
        raise UserError(f"{key}.{reason}")
    if model["source"] in _TRAINED:
        _among(f"{key}.dataset", "dataset", model["dataset"], datasets)
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


def _check_split(key: str, dataset: str, split: str, datasets: dict[str, Any]) -> None:
    _among(key, "dataset", dataset, datasets)
    _among(key, f"split of '{dataset}'", split, splits_of(datasets[dataset]))
    if not re.fullmatch("[A-Za-z0-9][A-Za-z0-9_-]*", split):
        raise UserError(
            f"{key}: the split '{split}' of '{dataset}' becomes a part of files' names, which takes letters, digits, - and _ alone; "
            + (
                "call it otherwise in the list"
                if datasets[dataset]["source"] == "table"
                else f"name the folder in datasets.{dataset}.splits"
            )
        )


def _check_image_set(key: str, settings: dict[str, Any], config: dict[str, Any]) -> None:
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
            _check_choice(f"{key}.classes", name, found)
    if "evaluation" in settings and "dataset" not in settings:
        raise UserError(f"{key}: an evaluation's group needs the keys dataset and split")
    if "dataset" not in settings:
        return
    _among(f"{key}.dataset", "dataset", settings["dataset"], config["datasets"])
    if "split" not in settings:
        raise UserError(
            f"{key}: the key 'split' is missing (one of {', '.join(splits_of(config['datasets'][settings['dataset']]))})"
        )
    _check_split(key, settings["dataset"], settings["split"], config["datasets"])
    known = classes_of(config["datasets"][settings["dataset"]])
    for name in settings.get("classes", []) if known else []:
        _check_choice(f"{key}.classes", name, known or [])
    if "evaluation" in settings:
        model = settings["evaluation"]
        _among(f"{key}.evaluation", "evaluation", model, config["evaluations"])
        split = f"{settings['dataset']}/{settings['split']}"
        _among(f"{key}", f"evaluation of '{model}' on", split, config["evaluations"][model])
        if "group" not in settings:
            raise UserError(f"{key}: the key 'group' is missing (errors, correct, false_negatives:<class> ...)")
        group, _, name = group_text(settings["group"]).partition(":")
        if name and known and not same_class(name, known):
            _check_choice(f"{key}.group", name, known, f"class of {group}")


def _check_colormap(key: str, name: str) -> None:
    if name in _KNOWN_COLORMAPS:
        return
    from matplotlib import colormaps  # seldom needed, and slow to import

    _among(key, "colour map", name, colormaps)


def _check_attributions(key: str, settings: dict[str, Any], name: str, config: dict[str, Any]) -> None:
    for method in [] if settings["methods"] == "all" else settings["methods"]:
        _among(f"{key}.methods", "method", method, [*ATTRIBUTIONS, "all"])
        _check_method(key, method, name, config)
    for method in ATTRIBUTIONS if settings["methods"] == "all" else settings["methods"]:
        _check_own_settings(f"{key}.{method}", method, settings.get(method, {}), config)
    _check_head(key, config["models"][name])
    _check_class(key, settings, name, config)
    if "layer" in settings:
        check_map_layer(f"{key}.layer", settings["layer"], config["models"], name)
    for part in ("colormap", "diverging"):
        _check_colormap(f"{key}.{part}", settings[part])


def _check_method(key: str, method: str, name: str, config: dict[str, Any]) -> None:
    """What can be said of one method on a model before anything runs."""
    if method.startswith("pertinent_") and config["models"][name].get("head") == "regression":
        raise UserError(f"{key}.methods: {method} needs classes, and model '{name}' predicts numbers; leave it out")
    if method == "deep_shap":
        separable = [layer.name for layer in known_layers(config["models"], name) or [] if "sepconv" in layer.name]
        if separable:
            raise UserError(
                f"{key}.methods: deep_shap cannot explain model '{name}': the shap library has no rule for the separable "
                f"convolution '{separable[0]}'; use kernel_shap or gradient_shap instead"
            )


def _check_own_settings(key: str, method: str, own: dict[str, Any], config: dict[str, Any]) -> None:
    """What can be said of one method's settings before anything runs."""
    if "autoencoder" in own:
        _among(f"{key}.autoencoder", "dataset", own["autoencoder"], config["datasets"])
    elif own.get("gamma"):
        raise UserError(
            f"{key}.gamma weighs an auto-encoder and none is named; add autoencoder: and a dataset to train it on"
        )
    if method == "kernel_shap":
        full = {**ATTRIBUTIONS[method].settings, **own}
        if full["samples"] < 2 * full["segments"]:
            raise UserError(
                f"{key}.samples is {full['samples']}, too few for {full['segments']} segments; use at least "
                f"{2 * full['segments']}, or fewer segments"
            )
    if "patch" in own and own.get("stride", 1) > own["patch"]:
        raise UserError(
            f"{key}.stride is {own['stride']}, longer than the patch of {own['patch']}: pixels would be skipped"
        )


def _check_head(key: str, model: dict[str, Any], lacks: str = "there is no class to explain") -> None:
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


def gap_head_of(model: str, config: dict[str, Any]) -> dict[str, str] | None:
    """The dataset and its splits `train` and `test` that a model's GAP head is trained and tested with.

    None where CAM is not among the model's methods, or where neither the config nor the model names a dataset.
    """
    settings = config["cams"][model]
    # The pictures that the model was trained on, where none are named.
    named = settings.get("gap_head") or {"dataset": config["models"][model].get("dataset"), "train": "train"}
    dataset = named["dataset"]
    if "cam" not in settings["methods"] or dataset is None:
        return None
    splits = splits_of(config["datasets"].get(dataset, {}))
    test = named.get("test") or ("test" if "test" in splits else "validation")
    return {"dataset": dataset, "train": named["train"], "test": test}


def _check_gap_head(key: str, model: str, config: dict[str, Any]) -> None:
    head = gap_head_of(model, config)
    if head:
        for part in ("train", "test"):
            _check_split(key, head["dataset"], head[part], config["datasets"])


def _check_class(key: str, settings: dict[str, Any], name: str, config: dict[str, Any]) -> None:
    wanted = settings["class"]
    if wanted == "true":
        for image_set in settings["images"]:
            part = config["image_sets"][image_set]
            folder = part.get("folder")
            loose = folder and not check_picture_folder(
                f"image_sets.{image_set}.folder", Path(folder), part.get("classes")
            )
            if loose or {"files", "urls"} & part.keys():
                raise UserError(
                    f"{key}.class: 'true' needs labels, and image set '{image_set}' has none; use predicted or a class name"
                )
    if wanted in ("predicted", "true", "all"):
        return
    classes = classes_of_model(config["models"][name], config["datasets"])
    if classes is None:
        return
    _check_choice(f"{key}.class", wanted, classes, others=("predicted", "true", "all"))


def _check_choice(
    key: str, wanted: str | int, classes: list[str], what: str = "class", others: tuple[str, ...] = ()
) -> None:
    """A class by name, or by number where numbers are no names."""
    if isinstance(wanted, int) or wanted.isdecimal():
        class_position(wanted, classes, key)
    else:
        _among(key, what, wanted, [*classes, *others])
