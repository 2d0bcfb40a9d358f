"""What maps and attributions ask for: methods and their settings, classes, layers, colours, the head that CAM takes."""

from pathlib import Path
from typing import Any

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.check.choices import among, check_choice
from convscope.check.datasets import check_split, splits_of
from convscope.check.models import check_head, classes_of_model
from convscope.data.places import check_picture_folder
from convscope.errors import UserError
from convscope.models.bases import check_map_layer, known_layers

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


def check_attributions(key: str, settings: dict[str, Any], name: str, config: dict[str, Any]) -> None:
    """Check a model's part of `attributions`: methods, their settings, the class, the layer, the colours.

    Raises:
        UserError: it cannot be so.
    """
    for method in [] if settings["methods"] == "all" else settings["methods"]:
        among(f"{key}.methods", "method", method, [*ATTRIBUTIONS, "all"])
        _check_method(key, method, name, config)
    for method in ATTRIBUTIONS if settings["methods"] == "all" else settings["methods"]:
        _check_own_settings(f"{key}.{method}", method, settings.get(method, {}), config)
    check_head(key, config["models"][name])
    check_class(key, settings, name, config)
    if "layer" in settings:
        check_map_layer(f"{key}.layer", settings["layer"], config["models"], name)
    for part in ("colormap", "diverging"):
        check_colormap(f"{key}.{part}", settings[part])


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
        among(f"{key}.autoencoder", "dataset", own["autoencoder"], config["datasets"])
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


def check_gap_head(key: str, model: str, config: dict[str, Any]) -> None:
    """Check the pictures that the head which CAM takes is trained and tested with.

    Raises:
        UserError: it cannot be so.
    """
    head = gap_head_of(model, config)
    if head:
        for part in ("train", "test"):
            check_split(key, head["dataset"], head[part], config["datasets"])


def check_class(key: str, settings: dict[str, Any], name: str, config: dict[str, Any]) -> None:
    """Check that the class to explain is one of the model's, and that true classes are known where they are asked for.

    Raises:
        UserError: it cannot be so.
    """
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
    check_choice(f"{key}.class", wanted, classes, others=("predicted", "true", "all"))


def check_colormap(key: str, name: str) -> None:
    """Check that matplotlib has a colour map.

    Raises:
        UserError: it cannot be so.
    """
    if name in _KNOWN_COLORMAPS:
        return
    from matplotlib import colormaps  # seldom needed, and slow to import

    among(key, "colour map", name, colormaps)
