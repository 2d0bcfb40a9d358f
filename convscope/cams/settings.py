"""What class activation maps depend on in a config. Imports nothing heavy."""

from typing import Any

from convscope.cams.names import methods_of


def map_settings(part: dict[str, Any], family: str) -> dict[str, Any]:
    """What a shard of one pass depends on: methods that it does not hold do not matter to it."""
    used: dict[str, Any] = {key: part[key] for key in ("class", "layer", "batch") if key in part}
    used["methods"] = methods_of(family, part["methods"])
    if "score_channels" in part and family == "score_cam":
        used["score_channels"] = part["score_channels"]
    return used


def needs_head(part: dict[str, Any], family: str) -> bool:
    """Whether a pass holds CAM, which takes a head of its own."""
    return "cam" in methods_of(family, part["methods"])
