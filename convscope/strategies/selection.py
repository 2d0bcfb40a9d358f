"""Whose maps are put together by likeness. Imports nothing heavy: the rules and the config's check use it."""

from typing import Any

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from convscope.errors import UserError, nearest
from convscope.judging.selection import made_methods

# What would have to be added or kept is no evidence for the class.
_NO_EVIDENCE = ("pertinent_negative", "pertinent_positive")


def grouped_methods(config: dict[str, Any], model: str, images: str) -> dict[str, str]:
    """The methods that `strategies` asks for: name -> stage (`cams` or `attributions`); "all" are those made."""
    made = made_methods(config, model, images)
    wanted = config["strategies"][model]["methods"]
    names = [name for name in made if name not in _NO_EVIDENCE] if wanted == "all" else wanted
    return {name: made[name] for name in names if name in made}


def check_strategies(config: dict[str, Any], model: str) -> None:
    """Check that the maps which `strategies.<model>` names are made.

    Raises:
        UserError: an image set without maps, or a method that is not made for it.
    """
    key, settings = f"strategies.{model}", config["strategies"][model]
    for images in settings["images"]:
        made = made_methods(config, model, images)
        if not made:
            raise UserError(
                f"{key}.images: nothing explains image set '{images}' with model '{model}'; add it to "
                f"cams.{model}.images or attributions.{model}.images"
            )
        for name in [] if settings["methods"] == "all" else settings["methods"]:
            if name in _NO_EVIDENCE:
                raise UserError(f"{key}.methods: '{name}' shows no evidence for a class; leave it out")
            if name in made:
                continue
            if name in CAMS or name in ATTRIBUTIONS:
                stage = "cams" if name in CAMS else "attributions"
                raise UserError(
                    f"{key}.methods: '{name}' is not made for image set '{images}'; add it to {stage}.{model}.methods"
                )
            raise UserError(f"{key}.methods: method '{name}' does not exist; {nearest(name, made)}")
