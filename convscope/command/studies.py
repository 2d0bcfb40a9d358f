"""The study files that `convscope explain` and `convscope init` write."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from convscope.command.look import (
    dataset_part,
    expanded,
    has_maps,
    has_relu,
    image_sets,
    model_part,
    name_from,
    outputs_of,
    takes_any_size,
)
from convscope.command.study_file import entry, head, listed, plain, stage
from convscope.config import load_schema
from convscope.errors import UserError
from convscope.models.places import MODEL_SUFFIXES

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_KEYS = "Every key, with its values, default and meaning: docs/config.md. Change what you like and run it again:"


def explain_study(
    model: str,
    pictures: Sequence[str],
    study: str | None = None,
    classes: Sequence[str] = (),
    size: int | list[int] | None = None,
    settings: Mapping[str, Any] = _NOTHING,
) -> tuple[str, str]:
    """A study that explains what a model says of some pictures.

    Args:
        model: file of a model, folder or name of a keras-hub preset, or name of a network of keras.applications.
        pictures: files, and folders of pictures.
        study: its name; that of the model where absent.
        classes: names of the model's classes in the order of its outputs; the model's own, or numbers, where absent.
        size: side of the square pictures that the model takes, where it does not say; [height, width] of others.
        settings: other keys of the model.

    Returns:
        (name of the study, its file's text).

    Raises:
        UserError: a model or picture is not there, or names for another number of classes than the model has.
    """
    part, name = model_entry(model, classes, size, settings=settings)
    sets = image_sets(pictures)
    study = study or f"explain_{name}"
    remarks = [f"Why does {model} say what it says of these pictures?", "", _KEYS, f"  convscope run {study}.yaml"]
    lines = [head(study, f"What {name} sees", remarks), "", "models:", entry(name, part), "", "image_sets:"]
    for label, chosen in sets.items():
        files = chosen.get("files")
        lines.append(listed(label, "files", files) if files else entry(label, chosen, "every picture below it"))
    if _has_maps(part):
        lines += ["", "# Where the evidence lies", stage("cams", name, list(sets))]
    lines += ["", "# Which pixels count", stage("attributions", name, list(sets), **_methods(part))]
    return study, "\n".join(lines) + "\n"


def init_study(
    study: str,
    data: str | None = None,
    model: str | None = None,
    classes: Sequence[str] = (),
    size: int | list[int] | None = None,
    settings: Mapping[str, Any] = _NOTHING,
) -> str:
    """A study of one's own folder and model, with what was found there filled in; a model to be trained where none is named.

    Args:
        study: its name.
        data: folder of class folders, or of splits of them.
        model, classes, size, settings: as for `explain_study`; the classes are those of the folder where the model says none.

    Raises:
        UserError: neither is named, or what is named is not there.
    """
    if data is None and model is None:
        raise UserError("name a folder of pictures (--data), a model (--model), or both")
    remarks = [f"A study of {' and '.join(filter(None, (data, model)))}.", "", _KEYS, f"  convscope run {study}.yaml"]
    lines = [head(study, re.sub("[_-]+", " ", study), remarks)]
    images, found, splits = "", list[str](), list[str]()
    if data:
        images = name_from(expanded(data).resolve().name)
        part, found, splits = dataset_part(data, to_train=model is None)
        lines += ["", "datasets:", entry(images, part, f"classes: {', '.join(found)}")]
    name = "convnet"
    if model:
        part, name = model_entry(model, classes, size, found, settings)
        guessed = (
            ""
            if classes or "classes" not in part
            else "classes in the order of the folders; check that it is the model's"
        )
        lines += ["", "models:", entry(name, part, guessed)]
    else:
        part = {"source": "train", "architecture": "convnet", "dataset": images, **settings}
        lines += ["", "models:", entry(name, part, "also mini_xception, xception, retail, plain ...")]
    maps = _has_maps(part)
    if images:
        tested = next((split for split in ("test", "validation") if split in splits), splits[-1])
        shown = {"dataset": images, "split": tested, "per_class": 4}
        lines += ["", "# How good the classifier is", "evaluations:", f"  {name}: {plain([f'{images}/{tested}'])}"]
        lines += ["", "image_sets:", entry("shown", shown, "pictures that the figures are made of")]
        if maps:
            lines += ["", "# What every layer answers", stage("activations", name, ["shown"])]
    if maps:
        lines += ["", "# What every filter looks for", stage("filters", name, [], filters=8, preset="sharp")]
    if images and maps:
        lines += ["", "# Where the evidence lies", stage("cams", name, ["shown"])]
    if images:
        lines += ["", "# Which pixels count", stage("attributions", name, ["shown"], **_methods(part))]
    return "\n".join(lines) + "\n"


def _name_of(model: str) -> str:
    path = Path(model)
    return name_from(path.stem if path.suffix in (*MODEL_SUFFIXES, ".zip") else path.name)


def model_entry(
    model: str,
    classes: Sequence[str],
    size: int | list[int] | None,
    found: Sequence[str] = (),
    settings: Mapping[str, Any] = _NOTHING,
) -> tuple[dict[str, Any], str]:
    """A model's entry under `models:`, and a name for it; arguments as of `explain_study`.

    `found` are class names that are taken where the model has as many outputs.

    Raises:
        UserError: there is no such model, it has another number of classes, or its size must be named.
    """
    part = model_part(model)
    outputs = outputs_of(expanded(model)) if part["source"] == "file" else None
    if classes and outputs and outputs != len(classes):
        raise UserError(f"{len(classes)} classes are named, and '{model}' tells {outputs} apart")
    # Keras reads class folders in the order of their letters; where that is not the natural one, nobody knows what the model means.
    named = list(classes) or (list(found) if outputs == len(found) and sorted(found) == list(found) else [])
    if named:
        part["classes"] = named
    if size is not None:
        part["image_size"] = size
    elif "image_size" not in settings and part["source"] == "file" and takes_any_size(expanded(model)):
        raise UserError(f"'{model}' takes pictures of any size; name the side by --image-size (224, say)")
    return {**part, **settings}, _name_of(model)


def _has_maps(part: dict[str, Any]) -> bool:
    return part["source"] != "file" or has_maps(expanded(part["path"]))


def _methods(part: dict[str, Any]) -> dict[str, Any]:
    """The methods that a model can have, where the defaults are too many."""
    default = load_schema()["$defs"]["attributions"]["properties"]["methods"]["default"]
    lacking = ["guided_gradcam"] if not _has_maps(part) else []
    if part["source"] == "file" and not has_relu(expanded(part["path"])):
        lacking = [name for name in default if name.startswith("guided")]
    return {"methods": [name for name in default if name not in lacking]} if lacking else {}
