"""Which channels a network takes: said in the config, or told by the depth of its input. Imports nothing heavy."""

from collections.abc import Mapping
from typing import Any

from convscope.errors import UserError

_DEPTHS = {"gray": 1, "rgb": 3, "bgr": 3, "rgba": 4}
_BY_DEPTH = {1: "gray", 3: "rgb", 4: "rgba"}


def channel_facts(
    name: str, settings: Mapping[str, Any], depth: int | None, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """What a `ModelSpec` says of channels: `channels`, `bands`, `shown_bands`, `scale`, `offset`.

    Args:
        name: the model's name in the study.
        settings: its part of the config, of which `channels`, `bands` and `shown_bands` are read.
        depth: channels of the network's input; None where it takes any.
        facts: what is known already; `channels` of a preprocessing that wants another order, `scale` and `offset`.

    Raises:
        UserError: the config asks for other channels than the network takes, or has to say which bands it takes.
    """
    bands = tuple(settings.get("bands") or ())
    asked = settings.get("channels") or ("bands" if bands else None)
    ordered = facts.get("channels")
    if ordered and asked not in (None, ordered):
        raise UserError(
            f"models.{name}.channels is {asked}, but preprocessing caffe is for {ordered}; leave one of them out"
        )
    if bands and asked != "bands":
        raise UserError(f"models.{name}.channels is {asked}, but bands are named; leave one of the two out")
    if asked == "bands" and not bands:
        raise UserError(f"models.{name}.bands: name the bands of a file that the network takes, such as [0, 1, 2, 3]")
    kind = asked or ordered or ("rgb" if depth is None else _BY_DEPTH.get(depth))
    if kind is None:
        raise UserError(
            f"models.{name}: the network takes {depth} channels; say with bands which of a file's they are, such as "
            f"bands: {list(range(depth or 0))}"
        )
    takes = len(bands) if kind == "bands" else _DEPTHS[kind]
    if depth is not None and takes != depth:
        key = "bands" if bands else "channels" if asked else "preprocessing"
        what = f"{takes} bands" if bands else f"{kind}, {takes} channel{'s' * (takes > 1)}"
        raise UserError(f"models.{name}.{key}: {what}, but the network takes {depth}")
    for key in ("scale", "offset"):
        count = len(facts.get(key, (0,)))
        if count not in (1, takes):
            raise UserError(
                f"models.{name}.preprocessing: {key} has {count} values, but the network takes {takes} "
                f"channel{'s' * (takes > 1)}; give one for each, or one for all"
            )
    found: dict[str, Any] = {key: facts[key] for key in ("scale", "offset") if key in facts}
    return found | {"channels": kind, "bands": bands, "shown_bands": tuple(settings.get("shown_bands") or ())}
