"""Named combinations of objective, parameterisation and step rule. Imports no TensorFlow."""

from dataclasses import asdict, dataclass, fields
from typing import Any

from convscope.errors import UserError, nearest


@dataclass(frozen=True)
class AscentSettings:
    """Settings of one ascent.

    Attributes:
        size: side of the square image, pixels.
        steps: number of ascent steps.
        step_length: length of one step, L2 over the whole image (H, W, C), in a space where black is -1 and white is 1.
        border: positions dropped on each side of the feature map before its mean is taken.
        start: range of the uniform random start, in the same space.
        crop: pixels cut from each side of the displayed picture.
        batch: filters that ascend together; changes time and memory, not the picture.
    """

    size: int = 200
    steps: int = 30
    step_length: float = 10.0
    border: int = 2
    start: tuple[float, float] = (0.4, 0.6)
    crop: int = 25
    batch: int = 8

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and HDF5 attributes."""
        return {**asdict(self), "start": list(self.start)}


PRESETS: dict[str, AscentSettings] = {"textbook": AscentSettings()}


def settings_from(config: dict[str, Any]) -> AscentSettings:
    """Settings of a preset with the values that a study changes.

    Where `size` is changed and the others are not, the step keeps its length per pixel (`step_length * size / 200`) and the
    crop its share of the side.

    Raises:
        UserError: unknown preset, or a size that leaves no picture after the crop.
    """
    name = config.get("preset", "textbook")
    if name not in PRESETS:
        raise UserError(f"filters: preset '{name}' is unknown; {nearest(name, PRESETS)}")
    values = asdict(PRESETS[name])
    if "size" in config and config["size"] != values["size"]:
        share = config["size"] / values["size"]
        values["step_length"] *= share
        values["crop"] = round(values["crop"] * share)
    known = {field.name for field in fields(AscentSettings)}
    values.update({key: value for key, value in config.items() if key in known})
    values["start"] = tuple(values["start"])
    settings = AscentSettings(**values)
    if settings.size - 2 * settings.crop < 8:
        raise UserError(
            f"filters: size {settings.size} with crop {settings.crop} leaves no picture; make size larger or crop smaller"
        )
    return settings
