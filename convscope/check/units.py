"""What units are compared with: whether the pictures can have the concepts that are asked for."""

from typing import Any

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
