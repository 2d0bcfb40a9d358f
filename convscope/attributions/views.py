"""Pictures that some attribution methods have beside their map: LIME's three views, what a contrastive change looks like."""

from collections.abc import Callable
from typing import Any

import numpy as np

from convscope.attributions.lime_views import coefficient_colours, outlined, relevant_only
from convscope.pictures.channels import RGB, Channels

# Method -> names of its views, in the order in which they are shown.
VIEWS: dict[str, tuple[str, ...]] = {
    "lime": ("relevant", "outlined", "coefficients"),
    "pertinent_negative": ("changed",),
    "pertinent_positive": ("alone",),
}


def views(
    method: str,
    photo: np.ndarray,
    values: np.ndarray,
    fact: Callable[[str], np.ndarray],
    settings: dict[str, Any],
    diverging: str,
    channels: Channels = RGB,
    pixels: Callable[[], np.ndarray] | None = None,
) -> dict[str, np.ndarray]:
    """The views of one map.

    Args:
        method: a name of the attribution methods; one that `VIEWS` does not list has none.
        photo: (H, W, 3) uint8, the image as the model sees it.
        values: (H, W) or (H, W, C) float, the raw map.
        fact: gives a fact of this map by name (`segments` of LIME).
        settings: those that the map was made with.
        diverging: matplotlib's name of the colour map for signs.
        channels: what the model reads.
        pixels: gives what it is given of the image, (H, W, C) in 0..255; needed where that is not RGB.

    Returns:
        Name -> (H, W, 3) uint8, the names of `VIEWS`: LIME's segments that speak for the class, its strongest segments
        outlined, its coefficients; the photo with the pertinent negative added; the pertinent positive by itself.
    """
    if method == "lime":
        segments = fact("segments")
        return {
            "relevant": relevant_only(photo, segments, values),
            "outlined": outlined(photo, segments, values, cmap=diverging),
            "coefficients": coefficient_colours(values, diverging),
        }
    if method == "pertinent_negative":
        base = photo if pixels is None or channels.kind == "rgb" else pixels()
        return {"changed": _picture(base / 255 + values, channels)}
    if method == "pertinent_positive":
        neutral = channels.of_colour(settings["neutral"]).astype(np.float64)
        return {"alone": _picture(neutral / 255 + values, channels)}
    return {}


def remark(method: str, fact: Callable[[str], np.ndarray], classes: list[str]) -> str:
    """What a caption adds about one map: what a contrastive change led to; that LIME had nothing to choose from, and no ReLU a rule.

    Args:
        method: a name of the attribution methods.
        fact: gives a fact of this map by name.
        classes: the model's class names.

    Returns:
        One line; empty where there is nothing to add.
    """
    if method == "lime" and int(fact("segment_count")) < 2:
        return "the picture is one segment: nothing to compare"
    if method in ("guided_backprop", "guided_gradcam", "deconvnet") and int(fact("patched_relus")) < 1:
        return "no ReLU to guide by: the plain gradient"
    if method in ("pertinent_negative", "pertinent_positive"):
        if not bool(fact("success")):
            return "no such change found"
        new = int(fact("new_class"))
        verb = "changed, it is" if method == "pertinent_negative" else "by itself it is"
        return f"{verb} {classes[new]} ({float(fact('new_probabilities')[new]):.0%})"
    return ""


def _picture(shares: np.ndarray, channels: Channels) -> np.ndarray:
    return channels.for_people(np.rint(np.clip(shares, 0, 1) * 255).astype(np.uint8))
