"""What watching depends on in a config, and what is wrong in it. Imports nothing heavy: the rules and the config's check read it."""

import importlib.util
from collections.abc import Mapping
from typing import Any

from convscope.errors import UserError, nearest
from convscope.filters.presets import AscentSettings
from convscope.models.bases import known_layers


def look_settings(part: Mapping[str, Any]) -> dict[str, Any]:
    """What the numbers of an image set depend on, of a model's part of `watching`."""
    return {key: part[key] for key in ("limit", "methods", "class", "layer", "activation") if key in part}


def with_filters(part: Mapping[str, Any]) -> bool:
    """Whether filter patterns are asked for."""
    return part["filters"]["filters"] != 0


def ascent_settings(filters: Mapping[str, Any]) -> AscentSettings:
    """The ascent of a model's part `filters`, the same for every epoch.

    Its start is loud: to a flat grey the first layers of a network that has hardly learned may not answer at all, and then no
    gradient comes through to the picture. Moves before each step wear the noise off again, and the precision is one on every
    machine: small differences between epochs are what is looked for.
    """
    size = filters["size"]
    return AscentSettings(
        preset="fast", size=size, steps=filters["steps"], step_length=size / 10, smoothing=0.75, jitter=0.1, zoom=0.1, turn=5.0,
        border=0, start=(-0.5, 0.5), crop=0,
    )  # fmt: skip


def need(module: str, key: str) -> None:
    """Make sure that a library is installed.

    Args:
        module: its name.
        key: what asks for it.

    Raises:
        UserError: it is not.
    """
    found = importlib.util.find_spec(module)
    if found is None or found.origin is None:  # a folder of that name, as runs leave one, is no library
        raise UserError(f"{key} needs {module}, which is not installed; pip install {module}, or leave it out")


def check_watching(model: str, config: Mapping[str, Any]) -> None:
    """Check what can be known of a model's part before anything runs.

    Raises:
        UserError: the study keeps no epochs of the model, all classes are asked for at once, filters of a layer that it lacks, or a
            log of a library that is not installed.
    """
    part, settings, key = config["watching"][model], config["models"][model], f"watching.{model}"
    if settings["source"] not in ("train", "transfer"):
        raise UserError(
            f"{key}: no epochs are kept of model '{model}' (source: {settings['source']}); name one with source: train or transfer, "
            "or give your own model.fit the callback convscope.Watch"
        )
    if part["class"] == "all":
        raise UserError(f"{key}.class: one class is explained after every epoch; predicted, true, or a class name")
    layer = part["filters"].get("layer")
    if part["tensorboard"]:
        need("tensorboard", f"{key}.tensorboard")
    known = [entry.name for entry in known_layers(config["models"], model) or [] if entry.role == "conv"]
    if layer and known and layer not in known:
        raise UserError(f"{key}.filters.layer: layer '{layer}' does not exist; {nearest(layer, known)}")
