"""Concepts: whether the pictures can have those that are asked for, and what is asked of them is there."""

from typing import Any

from convscope.check.choices import among, check_choice
from convscope.check.models import check_head, classes_of_model
from convscope.concepts.names import OF_PIXELS
from convscope.errors import UserError
from convscope.segmentation.settings import has_masks


def check_concepts(key: str, settings: dict[str, Any], config: dict[str, Any]) -> None:
    """Check that there is a concept for every image set of a model's part of `units`, as far as is known before anything runs.

    Raises:
        UserError: parts of pictures without masks, or classes of pictures without a class, and nothing else.
    """
    wanted = set(settings["concepts"])
    if wanted & set(OF_PIXELS):
        return
    for images in settings["images"]:
        part = config["image_sets"][images]
        dataset = config["datasets"].get(part.get("dataset", ""))
        there = {"class"} if dataset or "folder" in part else set()
        if dataset and has_masks(dataset):
            there.add("part")
        if not wanted & there:
            lacks = " and ".join({"part": "part masks", "class": "classes"}[kind] for kind in settings["concepts"])
            others = f"{', '.join(OF_PIXELS[:-1])} or {OF_PIXELS[-1]}"
            raise UserError(f"{key}.concepts: the pictures of image set '{images}' have no {lacks}; add {others}")


def check_vectors(key: str, settings: dict[str, Any], model: str, config: dict[str, Any]) -> None:
    """Check a model's part of `concepts`: a head, its classes, the image sets of the user's own concepts.

    Raises:
        UserError: it cannot be so.
    """
    check_head(key, config["models"][model], "no class of it depends on anything")
    for name, images in settings["pictures"].items():
        among(f"{key}.pictures.{name}", "image set", images, config["image_sets"])
    if "random" in settings:
        among(f"{key}.random", "image set", settings["random"], config["image_sets"])
    if not (settings["concepts"] or settings["pictures"] or settings["found"]):
        raise UserError(
            f"{key}: nothing is asked; name kinds of concepts, or pictures, or let some be found (found: 10)"
        )
    names = classes_of_model(config["models"][model], config["datasets"])
    if settings["classes"] == "all" or names is None:
        return
    for wanted in settings["classes"]:
        check_choice(f"{key}.classes", wanted, names, others=("all",))
