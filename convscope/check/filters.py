"""The section `filters`: what else pictures are of."""

from pathlib import Path
from typing import Any

from convscope.check.choices import check_choice
from convscope.check.models import check_head, classes_of_model
from convscope.errors import UserError
from convscope.models.bases import check_layers


def check_objective(key: str, part: dict[str, Any], name: str, config: dict[str, Any]) -> None:
    """Check that an entry of `filters.<model>.objectives` says what its pictures are of, once.

    Args:
        key: `filters.<model>.objectives.<name>`.
        part: the entry.
        name: of the model.
        config: the study.

    Raises:
        UserError: it says nothing, or two things at once, or names what is not there.
    """
    if "class" in part:
        if twice := [each for each in ("layer", "filters", "direction", "weights", "between") if each in part]:
            raise UserError(f"{key}: class and {twice[0]}: a picture is of one of them; leave the other out")
        check_head(key, config["models"][name])
        classes = classes_of_model(config["models"][name], config["datasets"])
        if classes is not None:
            check_choice(f"{key}.class", part["class"], classes)
        return
    if "layer" not in part:
        raise UserError(f"{key}: name a class, or a layer with filters or a direction")
    check_layers(key, [part["layer"]], config["models"], name)
    if ("filters" in part) == ("direction" in part):
        raise UserError(f"{key}: a layer goes with filters, or with a direction: name one of them")
    direction = part.get("direction")
    if isinstance(direction, str) and not Path(direction).is_file():
        raise UserError(
            f"{key}.direction: '{direction}' is no file; name one with a number for each channel, or list them"
        )
    if "direction" in part and (useless := [each for each in ("weights", "between") if each in part]):
        raise UserError(f"{key}.{useless[0]}: weighs filters, and there is a direction; leave it out")
    filters = part.get("filters", [])
    if "weights" in part and len(part["weights"]) != len(filters):
        raise UserError(f"{key}.weights: {len(part['weights'])} weights of {len(filters)} filters; name one for each")
    if "between" in part and len(filters) != 2:
        raise UserError(f"{key}.between: from one filter to another, and there are {len(filters)}; name two")
    if "between" in part and part["patterns"] > 1:
        raise UserError(f"{key}.patterns: with between there is one picture of each step; leave it out")
