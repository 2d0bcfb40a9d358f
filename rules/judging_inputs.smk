"""What the judging takes: the maps of the methods, names of mask parts, and settings in the form its scripts want."""

import shlex

from convscope.judging.names import CONTROLS
from convscope.judging.selection import judged_groups, judged_methods, method_settings


def judged_maps(wildcards):
    """The files of maps that are judged: method -> file."""
    methods = judged_methods(config, wildcards.model, wildcards.images)
    return {
        method: f"{STUDY}/{stage}/{wildcards.model}/{wildcards.images}/{method}.h5"
        for method, stage in methods.items()
    }


def judge_sources(wildcards):
    """The maps of a method (for the controls of the first one: its classes are explained), and the part masks."""
    maps = judged_maps(wildcards)
    part = config["image_sets"][wildcards.images]
    sources = {"maps": maps[getattr(wildcards, "method", next(iter(maps)))]}
    method = getattr(wildcards, "method", None)
    if method and "autoencoder" in method_settings(
        config, wildcards.model, wildcards.images, method
    ):
        sources |= autoencoder(wildcards)
    if "dataset" in part:
        folder = f"{STUDY}/datasets/{part['dataset']}"
        sources |= {"masks": f"{folder}/masks.csv", "parts": f"{folder}/parts.json"}
    return sources


def judge_masks(wildcards, input):
    """The masks, and the auto-encoder of a contrastive method, as arguments."""
    given = [
        f"--{key} {shlex.quote(input[key])}"
        for key in ("masks", "parts", "autoencoder")
        if input.get(key)
    ]
    return " ".join(given)


def judge_method_settings(wildcards):
    """The settings that a method's maps were made with, as JSON."""
    part = method_settings(config, wildcards.model, wildcards.images, wildcards.method)
    return json.dumps(part, sort_keys=True)


def judge_settings(wildcards):
    """What a method's numbers depend on, as JSON, the groups of metrics by name; which images and methods is told otherwise."""
    part = dict(config["judging"][wildcards.model])
    for key in ("images", "methods", "metrics", "threads", "against", "survives"):
        part.pop(key, None)
    groups = judged_groups(config, wildcards.model)
    return json.dumps({**part, "groups": groups}, sort_keys=True)


def gate_settings(wildcards):
    """The same with what the verdicts depend on beside the numbers."""
    survives = config["judging"][wildcards.model]["survives"]
    settings = {**json.loads(judge_settings(wildcards)), "survives": survives}
    return json.dumps(settings, sort_keys=True)


def judging_tables():
    """The verdict of every model and image set that is judged, and the comparison with another model."""
    return [
        file
        for model, images in pairs("judging")
        for rule in [rules.judging_report]
        + [rules.judging_against] * ("against" in config["judging"][model])
        for file in files_of(rule, model=model, images=images)
    ]


def judged_numbers(model, images):
    """The numbers of every method and control of a model on an image set."""
    methods = [*judged_methods(config, model, images), *CONTROLS]
    return [f"{STUDY}/judging/{model}/{images}/methods/{name}.h5" for name in methods]


def rival(wildcards):
    """The model that a model's maps are compared with."""
    return config["judging"][wildcards.model]["against"]
