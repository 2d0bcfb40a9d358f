"""What attribution maps and their pictures depend on in a config. Imports nothing heavy."""

from typing import Any

from convscope.attributions.names import METHODS


def map_settings(part: dict[str, Any], method: str) -> dict[str, Any]:
    """What one method's maps depend on: what other methods are set to does not matter to it."""
    used = ["class", "batch", method]
    used += ["layer"] * METHODS[method].layer
    return {key: part[key] for key in used if key in part}


def style_settings(part: dict[str, Any]) -> dict[str, Any]:
    """What the pictures of the maps depend on."""
    return {key: part[key] for key in ("colormap", "diverging", "percentile", "scale")}
