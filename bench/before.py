"""Work for pictures as good: the preset `sharp` against its settings before, on the same filters, in turns."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.lines import Line
from bench.numbers import interleaved, spread
from bench.picture import chosen
from bench.plan import Plan
from bench.sessions import Team
from convscope.filters.presets import settings_from

# Every amplitude measured by itself, no contrast held, nothing falls: what docs/ascent.md calls the settings before.
BEFORE: dict[str, Any] = {
    "preset": "sharp", "rule": "adam", "rate": 0.05, "rate_left": 1.0, "coarse_contrast": 0.0, "moves_left": 1.0,
    "coarse_size": 96, "coarse_steps": 72, "size": 160, "steps": 56,
}  # fmt: skip
SIDES: dict[str, dict[str, Any]] = {"before": BEFORE, "sharp": {"preset": "sharp"}}
BAR = 2.5  # of 2.97 times less work; what a step has besides does not shrink
# A plain grey picture.
_REST = "rest"
LAYERS = ("block4_sepconv1", "block8_sepconv1", "block13_sepconv1")


def measure(plan: Plan, team: Team, say: Any) -> tuple[list[Line], dict[str, Any]]:
    """Seconds a filter, starts left out, and what the displayed pictures, fed back, make their filters answer."""
    facts = team.ask("ours", plan.real_network, "facts", {"size": 160})[0]
    raw: dict[str, Any] = {}
    for layer in LAYERS[1:2] if plan.quick else LAYERS:
        channels = chosen(facts["filters"][layer], plan)
        seconds: dict[str, list[float]] = {side: [] for side in SIDES}
        for _, side in interleaved(list(SIDES), plan.rounds):
            seconds[side].append(_seconds(side, layer, channels, plan, team))
        shown = {side: _shown(side, layer, channels, plan, team) for side in SIDES}
        np.save(_file(_REST, layer, plan), np.zeros_like(np.load(_file("sharp", layer, plan))))
        shown[_REST] = _shown(_REST, layer, channels, plan, team)
        slopes = {side: [spectrum_slope(one) for one in np.load(_file(side, layer, plan))] for side in SIDES}
        raw[layer] = {"channels": channels, "seconds": seconds, "shown": shown, "slopes": slopes}
        times = [before / now for before, now in zip(seconds["before"], seconds["sharp"], strict=True)]
        share = strength(shown)
        say(f"{layer}: {np.median(times):.2f} times less; fed back {np.median(share):.3f} of before")
    return lines(raw, plan.rounds), raw


def _file(side: str, layer: str, plan: Plan) -> Path:
    return plan.work / "before" / f"{side}_{layer}.npy"


def _seconds(side: str, layer: str, channels: list[int], plan: Plan, team: Team) -> float:
    """Seconds a filter; the filters that are compared are the second of two batches, so that the first has all that starts."""
    path = _file(side, layer, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    warming = [channel + 1 for channel in channels]
    request = {
        "layer": layer, "channels": [*warming, *channels], "config": {**SIDES[side], "batch": len(channels)},
        "seed": plan.seed, "save": str(path),
    }  # fmt: skip
    answer = team.ask("ours", plan.real_network, "ascent", request)[0]
    np.save(path, np.load(path)[len(channels) :])
    return float(answer["per_filter_step"])


def _shown(side: str, layer: str, channels: list[int], plan: Plan, team: Team) -> list[float]:
    request = {
        "layer": layer, "channels": channels, "patterns": str(_file(side, layer, plan)),
        "crop": settings_from(SIDES["sharp" if side == _REST else side]).crop, "bounded": True, "border": 0,
    }  # fmt: skip
    return list(team.ask("ours", plan.real_network, "shown", request)[0]["shown"])


def strength(shown: dict[str, list[float]]) -> np.ndarray:
    """How much the pictures make each filter answer, of what those before did: both above its answer to plain grey.

    Answers before the ReLU may be negative: a plain ratio of two such is smaller for the stronger picture.
    """
    rest = np.asarray(shown[_REST])
    return np.asarray((shown["sharp"] - rest) / (shown["before"] - rest))


def spectrum_slope(pattern: np.ndarray) -> float:
    """How the power of a picture (H, W, C) falls with the frequency, as an exponent; about -2 in photos (Field 1987)."""
    side = pattern.shape[0]
    grey = pattern.mean(axis=2, dtype=np.float64)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * np.outer(np.hanning(side), np.hanning(side)))) ** 2
    frequency = np.fft.fftfreq(side) * side
    rings = np.rint(np.hypot(frequency[:, None], frequency[None])).astype(int)
    chosen_rings = np.arange(3, side // 2)
    means = [power[rings == ring].mean() for ring in chosen_rings]
    return float(np.polyfit(np.log(chosen_rings), np.log(means), 1)[0])


def lines(raw: dict[str, Any], rounds: int) -> list[Line]:
    """Of all layers: how many times less, how strong, and the spectra."""
    total = {
        side: [sum(part["seconds"][side][number] for part in raw.values()) for number in range(rounds)]
        for side in SIDES
    }
    times = [before / now for before, now in zip(total["before"], total["sharp"], strict=True)]
    share = np.concatenate([strength(part["shown"]) for part in raw.values()])
    found = [
        Line("sharp: time for a picture, its settings before over now", spread(times), "x", BAR),
        Line(
            "strength of its pictures, fed back",
            spread([float(np.median(share))]),
            "x",
            0.97,
            note="1 is before; median",
        ),
        Line("the same of the weakest tenth", spread([float(np.percentile(share, 10))]), "x", 0.85),
    ]
    for side in SIDES:
        slopes = [slope for part in raw.values() for slope in part["slopes"][side]]
        found.append(Line(f"slope of their spectra, {side}", spread(slopes), "", note="about -2 in photos"))
    return found
