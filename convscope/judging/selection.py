"""Which methods are judged on which maps. Imports nothing heavy: the rules and the check of the config use it."""

from typing import Any

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.attributions.names import chosen_methods
from convscope.cams.names import METHODS as CAMS
from convscope.errors import UserError, nearest
from convscope.judging.names import CONTROLS, GROUPS

_ALL = {"cams": list(CAMS), "attributions": chosen_methods("all")}
# What would have to be added or kept is no ranking of the pixels that are there, and takes minutes an image: by name only.
_BY_NAME_ONLY = ("pertinent_negative", "pertinent_positive")


def made_methods(config: dict[str, Any], model: str, images: str) -> dict[str, str]:
    """The methods whose maps the study makes for a model and an image set: name -> stage (`cams` or `attributions`)."""
    found: dict[str, str] = {}
    for stage, every in _ALL.items():
        part = config.get(stage, {}).get(model)
        if part and images in part["images"]:
            wanted = part["methods"]
            names = every if wanted == "all" or "all" in wanted else wanted
            found |= dict.fromkeys(names, stage)
    return found


def judged_methods(config: dict[str, Any], model: str, images: str) -> dict[str, str]:
    """Those of them that `judging` asks for, in its order: name -> stage. "all" leaves the contrastive ones out."""
    made = made_methods(config, model, images)
    wanted = config["judging"][model]["methods"]
    if wanted == "all":
        wanted = [name for name in made if name not in _BY_NAME_ONLY]
    return {name: made[name] for name in wanted}


def method_settings(config: dict[str, Any], model: str, images: str, method: str) -> dict[str, Any]:
    """The settings that a method's maps were made with; none for a control."""
    stage = judged_methods(config, model, images).get(method)
    if stage == "attributions":
        return dict(config[stage][model].get(method, {}))
    if stage == "cams" and method == "score_cam" and "score_channels" in config[stage][model]:
        return {"score_channels": config[stage][model]["score_channels"]}
    return {}


def judged_groups(config: dict[str, Any], model: str) -> list[str]:
    """The groups of metrics that are computed."""
    wanted = config["judging"][model]["metrics"]
    return [group for group in GROUPS if wanted == "all" or group in wanted]


def number_settings(config: dict[str, Any], model: str) -> dict[str, Any]:
    """What a method's numbers depend on, the groups of metrics by name; which images and methods is told otherwise."""
    ignored = ("images", "methods", "metrics", "threads", "against", "survives", "masks")
    used = {key: value for key, value in config["judging"][model].items() if key not in ignored}
    return {**used, "groups": judged_groups(config, model)}


def verdict_settings(config: dict[str, Any], model: str) -> dict[str, Any]:
    """The same with what the verdicts depend on beside the numbers."""
    return {**number_settings(config, model), "survives": config["judging"][model]["survives"]}


def check_judging(config: dict[str, Any], model: str) -> None:
    """Check that what `judging.<model>` names is made.

    Raises:
        UserError: an image set without maps, a method that is not made for it, an unknown metric, two classes, another model that
            cannot be compared with, or one whose masks are not predicted.
    """
    key, settings = f"judging.{model}", config["judging"][model]
    _check_against(config, model)
    _check_masks(config, model)
    for group in [] if settings["metrics"] == "all" else settings["metrics"]:
        if group not in GROUPS:
            raise UserError(f"{key}.metrics: metric '{group}' does not exist; {nearest(group, GROUPS)}")
    for images in settings["images"]:
        made = made_methods(config, model, images)
        if not made or (settings["methods"] == "all" and not judged_methods(config, model, images)):
            raise UserError(
                f"{key}.images: nothing explains image set '{images}' with model '{model}'; add it to "
                f"attributions.{model}.images or cams.{model}.images"
            )
        for name in [] if settings["methods"] == "all" else settings["methods"]:
            if name in made:
                continue
            if name in CONTROLS:
                raise UserError(f"{key}.methods: '{name}' is a control and always there; leave it out")
            if name in CAMS or name in ATTRIBUTIONS:
                stage = "cams" if name in CAMS else "attributions"
                raise UserError(
                    f"{key}.methods: '{name}' is not made for image set '{images}'; add it to {stage}.{model}.methods"
                )
            raise UserError(f"{key}.methods: method '{name}' does not exist; {nearest(name, made)}")
        # Methods are compared image by image, so they must explain the same class: `predicted` and `all` share one.
        classes = {
            stage: config[stage][model]["class"]
            for stage in sorted(set(judged_methods(config, model, images).values()))
        }
        kinds = {"predicted" if value == "all" else str(value) for value in classes.values()}
        if len(kinds) > 1:
            named = " and ".join(f"{stage}.{model}.class is '{value}'" for stage, value in classes.items())
            raise UserError(f"{key}: {named}; methods can only be compared on one class, so make them the same")


def _check_masks(config: dict[str, Any], model: str) -> None:
    key, settings = f"judging.{model}", config["judging"][model]
    other = settings.get("masks")
    if other is None:
        return
    segmented = config.get("segmentation", {})
    if other not in segmented:
        raise UserError(f"{key}.masks: model '{other}' predicts no masks in segmentation; {nearest(other, segmented)}")
    for images in settings["images"]:
        if images not in segmented[other]["images"]:
            raise UserError(
                f"{key}.masks: '{other}' predicts no masks of image set '{images}'; add it to segmentation.{other}.images"
            )


def _check_against(config: dict[str, Any], model: str) -> None:
    key, settings = f"judging.{model}", config["judging"][model]
    other = settings.get("against")
    if other is None:
        return
    others = [name for name in config["judging"] if name != model]
    if other not in others:
        raise UserError(f"{key}.against: model '{other}' is not another model of judging; {nearest(other, others)}")
    for images in settings["images"]:
        if images not in config["judging"][other]["images"]:
            raise UserError(
                f"{key}.against: '{other}' is not judged on image set '{images}'; add it to judging.{other}.images"
            )
    if config["judging"][other]["limit"] != settings["limit"]:
        raise UserError(f"{key}.limit: it must be that of judging.{other}, or other images are compared")
    for name in (model, other):
        if "localisation" not in judged_groups(config, name):
            raise UserError(f"judging.{name}.metrics: add localisation, which `against` compares")
