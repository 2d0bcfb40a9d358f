"""Named combinations of objective, parameterisation and step rule. Imports no TensorFlow."""

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from convscope.errors import UserError, nearest

_BFLOAT16_FLAGS = ("amx_bf16", "avx512_bf16")


@dataclass(frozen=True)
class AscentSettings:
    """Settings of one ascent.

    Attributes:
        preset: the name of the combination that these settings start from.
        parameterisation: "pixels" (normalised steps), "fourier" or "phase" (Adam).
        precision: of the network's weights and activations: "float32", "bfloat16", or "auto", which is bfloat16 where the
            processor multiplies it faster.
        size: side of the square image, pixels.
        steps: number of ascent steps at that size.
        coarse_size: side at which the ascent begins; 0 begins at `size`.
        coarse_steps: steps at the coarse size.
        step_length: pixels: length of one step, L2 over the whole image (H, W, C), in a space where black is -1 and white is 1;
            at the coarse size it is as long per pixel.
        smoothing: pixels: spatial frequencies f of the gradient are divided by f^smoothing.
        rule: fourier, phase: "rings" (`steps.Rings`) or "adam".
        rate: fourier, phase: size of a step, in units of the variables.
        rate_left, moves_left: shares of the rate (fourier) and of the moves that are left at the last step; both fall evenly.
        coarse_contrast: fourier: what the coarse image's deviation is held at before the sigmoid (`Fourier.held`), but for
            layers that see few pixels (`run.SEES_FEW`); 0 leaves it alone.
        jitter, zoom, turn: random moves before each step (share of the side, share of the scale, degrees).
        border: positions dropped on each side of the feature map before its mean is taken.
        start: pixels: range of the uniform random start, in the same space.
        crop: pixels cut from each side of the displayed picture.
        batch: filters that ascend together; changes time and memory, not the picture. 0 leaves it to the program
            (`filters_a_batch`).
        negative: the picture that silences a filter: ascent of minus its answer before the activation, behind the normalisation.
    """

    preset: str = "textbook"
    parameterisation: str = "pixels"
    precision: str = "float32"
    size: int = 200
    steps: int = 30
    coarse_size: int = 0
    coarse_steps: int = 0
    step_length: float = 10.0
    smoothing: float = 0.0
    rule: str = "rings"
    rate: float = 0.18
    rate_left: float = 0.2
    coarse_contrast: float = 0.45
    moves_left: float = 1.0
    jitter: float = 0.0
    zoom: float = 0.0
    turn: float = 0.0
    border: int = 2
    start: tuple[float, float] = (0.4, 0.6)
    crop: int = 25
    batch: int = 0
    negative: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON and HDF5 attributes; `negative` where it is set alone: other results stay as they were."""
        values = {**asdict(self), "start": list(self.start)}
        return values if self.negative else {key: value for key, value in values.items() if key != "negative"}

    @property
    def stages(self) -> list[tuple[int, int]]:
        """(side, steps) in order, coarse first."""
        coarse = [(self.coarse_size, self.coarse_steps)] if self.coarse_size and self.coarse_steps else []
        return [*coarse, (self.size, self.steps)]


PRESETS: dict[str, AscentSettings] = {
    # Chollet, Deep Learning with Python, ch. 10.
    "textbook": AscentSettings(),
    # As strong a response of the displayed picture as the textbook's, for a fraction of the time.
    "fast": AscentSettings(
        preset="fast", precision="auto", size=160, steps=8, coarse_size=96, coarse_steps=10,
        step_length=10.0, smoothing=0.75, start=(-0.1, 0.1), crop=5,
    ),
    # Olah, Mordvintsev & Schubert 2017, Feature Visualization.
    "sharp": AscentSettings(
        preset="sharp", parameterisation="fourier", precision="auto", size=160, steps=20, coarse_size=96, coarse_steps=21,
        jitter=0.06, zoom=0.1, turn=5.0, moves_left=0.05, border=0, crop=0,
    ),
}  # fmt: skip


# The folder of the patterns that silence filters, `sharp-negative`, lies beside that of those that fire them.
NEGATIVE = "-negative"


def preset_names(config: dict[str, Any]) -> list[str]:
    """The presets that a model's filters are made with: one, or several to be shown side by side.

    Where negative patterns are asked for, too, the preset's name with `NEGATIVE` behind it follows.
    """
    named = config["preset"]
    every = [named] if isinstance(named, str) else list(named)
    wanted = {name: {**config, **config.get(name, {})}.get("negative", False) for name in every}
    return [each for name in every for each in ([name, name + NEGATIVE] if wanted[name] else [name])]


def objective_presets(config: dict[str, Any]) -> list[str]:
    """The presets that pictures of a model's `objectives` are made with: a weight may be negative, and needs no pattern of its own."""
    return [name for name in preset_names(config) if not name.endswith(NEGATIVE)]


def objective_settings(config: dict[str, Any], name: str) -> dict[str, Any]:
    """What the pictures of an objective depend on besides itself (see `pattern_settings`)."""
    return {
        key: value
        for key, value in pattern_settings(config, name).items()
        if key not in ("filters", "batch", "precision")
    }


def for_preset(config: dict[str, Any], name: str) -> dict[str, Any]:
    """A model's settings for one of its presets: those for all of them, and over these its own (`sharp: {steps: 64}`).

    `negative` is among them for a name that ends in `NEGATIVE` alone.
    """
    base = name.removesuffix(NEGATIVE)
    common = {key: value for key, value in config.items() if key not in PRESETS}
    settings = {**common, **config.get(base, {}), "preset": base}
    settings.pop("negative", None)
    return settings if base == name else {**settings, "negative": True}


def without_effect(config: dict[str, Any]) -> tuple[str, ...]:
    """The settings that change nothing in the parameterisation of a preset's settings (see `for_preset`)."""
    parameterisation = settings_from(config).parameterisation
    if parameterisation == "pixels":
        return ("rule", "rate", "rate_left", "coarse_contrast")
    return ("step_length", "smoothing", *(("coarse_contrast",) if parameterisation == "phase" else ()))


def pattern_settings(config: dict[str, Any], name: str) -> dict[str, Any]:
    """What the patterns of one preset depend on: which layers are asked for, and the threads, change none."""
    part = for_preset(config, name)
    ignored = ("threads", "layers", "objectives", *without_effect(part))
    return {key: value for key, value in part.items() if key not in ignored}


def settings_from(config: dict[str, Any]) -> AscentSettings:
    """Settings of a preset with the values that a study changes.

    Where `size` is changed and the others are not, the step keeps its length per pixel (`step_length * size / 200` for the
    textbook's), the crop and the coarse size their share of the side.

    Raises:
        UserError: unknown preset, or sizes that leave no picture.
    """
    name = config["preset"]
    if name not in PRESETS:
        raise UserError(f"filters: preset '{name}' is unknown; {nearest(name, PRESETS)}")
    values = asdict(PRESETS[name])
    if "size" in config and config["size"] != values["size"]:
        share = config["size"] / values["size"]
        values["step_length"] *= share
        values["crop"] = round(values["crop"] * share)
        values["coarse_size"] = round(values["coarse_size"] * share)
    known = {field.name for field in fields(AscentSettings)}
    values.update({key: value for key, value in config.items() if key in known})
    values["start"] = tuple(values["start"])
    settings = AscentSettings(**values)
    if settings.size - 2 * settings.crop < 8:
        raise UserError(
            f"filters: size {settings.size} with crop {settings.crop} leaves no picture; make size larger or crop smaller"
        )
    if settings.coarse_size > settings.size:
        raise UserError(
            f"filters: coarse_size {settings.coarse_size} is larger than size {settings.size}; make it smaller, or 0"
        )
    return settings


def filters_a_batch(settings: AscentSettings, precision: str, count: int, at_once: int = 1, gpu: bool = False) -> int:
    """How many of `count` filters ascend together.

    Where the settings leave it open: 16 in bfloat16, whose multiplication wants longer matrices, and in float32, where more
    gain nothing, 8 in all the batches that are in memory at once. The batches are of one size as nearly as can be, for the
    last one is padded, and keep `at_once` threads busy. A graphics processor is not filled by so few: 64.
    """
    if settings.batch:
        return min(settings.batch, count)
    most = 64 if gpu else 16 if precision == "bfloat16" else max(1, 8 // at_once)
    rounds = -(-count // (most * at_once))
    return -(-count // (rounds * at_once))


def resolved_precision(precision: str, gpu: bool = False) -> str:
    """What "auto" means here: bfloat16 where this processor (or a GPU) multiplies it faster than float32."""
    if precision != "auto":
        return precision
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="ascii", errors="ignore")
    except OSError:
        flags = ""
    return "bfloat16" if gpu or any(flag in flags for flag in _BFLOAT16_FLAGS) else "float32"
