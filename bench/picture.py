"""Time to the textbook's picture: until the displayed picture, fed back, fires the filter as 30 textbook steps' does."""

from pathlib import Path
from typing import Any

import numpy as np

from bench.lines import Line
from bench.numbers import interleaved, reached, side_by_side, spread, steady_cost
from bench.plan import SIDE, STEPS, Plan, fast, variants
from bench.sessions import Team

FILTERS = 8
# A layer's start (building, tracing) is shared by the filters of the textbook's own grid.
GRID = 64


def measure(plan: Plan, team: Team, say: Any) -> tuple[list[Line], dict[str, Any]]:
    """Time and strength of the pictures of a few filters a layer, on the real weights."""
    raw: dict[str, Any] = {"layers": {}}
    facts = team.ask("ours", plan.real_network, "facts", {"size": SIDE})[0]
    config = fast()
    sides = ["textbook", *(["fast"] if config else [])]
    for layer in plan.layers:
        filters = facts["filters"][layer]
        channels = chosen(filters, plan)
        seconds: dict[str, list[Any]] = {side: [] for side in sides}
        for _, side in interleaved(sides, plan.rounds):
            seconds[side].append(
                _textbook(layer, channels, plan, team)
                if side == "textbook"
                else _ours("fast", layer, channels, filters, config or {}, plan, team)
            )
        for name, settings in variants().items():
            _ours(name, layer, channels, filters, settings, plan, team, alone=True)
        _nudged(layer, channels, plan, team)
        strength = {name: _shown(name, layer, channels, plan, team) for name in (*sides, *variants())}
        alike = {name: _alike(layer, "textbook" if name == "exact" else "exact", name, plan) for name in variants()}
        alike["nudged"] = _alike(layer, "textbook", "nudged", plan)
        raw["layers"][layer] = {"channels": channels, "seconds": seconds, "shown": strength, "correlation": alike}
        say(f"{layer}: fed back {_medians(strength)}; correlation {_medians(alike)}")
    return _lines(raw["layers"], plan.rounds, "fast" if config else "exact"), raw


def chosen(filters: int, plan: Plan) -> list[int]:
    """The filters that are compared, evenly spread over the layer's."""
    count = min(3 if plan.quick else FILTERS, filters)
    return [(2 * number + 1) * filters // (2 * count) for number in range(count)]


def _file(name: str, layer: str, plan: Plan) -> Path:
    return plan.work / "patterns" / f"{name}_{layer}.npy"


def _textbook(layer: str, channels: list[int], plan: Plan, team: Team) -> list[float]:
    request = {"layer": layer, "channels": channels, "size": SIDE, "steps": STEPS, "seed": plan.seed}
    path = _file("textbook", layer, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    answer = team.ask("textbook", plan.real_network, "ascent", {**request, "save": str(path)})[0]
    return list(answer["seconds"])


def _nudged(layer: str, channels: list[int], plan: Plan, team: Team) -> None:
    """The textbook's patterns from starts a millionth away: what rounding alone does to a picture in 30 steps."""
    request = {"layer": layer, "channels": channels, "size": SIDE, "steps": STEPS, "seed": plan.seed, "nudge": 1e-6}
    team.ask("textbook", plan.real_network, "ascent", {**request, "save": str(_file("nudged", layer, plan))})


def _ours(
    name: str,
    layer: str,
    channels: list[int],
    filters: int,
    config: dict[str, Any],
    plan: Plan,
    team: Team,
    alone: bool = False,
) -> float:
    """Seconds a filter, with the start's share; the patterns of `channels` are kept.

    The first job makes the filters compared, and others to fill two batches; its neighbours make others at the same time.
    """
    threads = None if alone else plan.settings("filters")["threads"]
    jobs = len(team.of("ours", plan.real_network, threads))
    batch = team.ask("ours", plan.real_network, "batch", {"config": config})[0]["batch"]
    full = max(len(channels), 2 * batch)
    others = [channel % filters for channel in range(full + len(channels)) if channel % filters not in channels]
    work = [channels if alone else (channels + others)[:full]]
    work += [others[:full] for _ in range(jobs - 1)]
    path = _file(name, layer, plan)
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [str(path), *(str(path.with_suffix(f".{job}.npy")) for job in range(1, jobs))]
    workers = team.of("ours", plan.real_network, threads)
    for worker, part, file in zip(workers, work, files, strict=True):
        worker.send("ascent", layer=layer, channels=part, config=config, seed=plan.seed, save=file)
    answers = [worker.answer() for worker in workers]
    np.save(path, np.load(path)[: len(channels)])
    cost = side_by_side([steady_cost(answer["marks"], 1) for answer in answers])
    return cost["per_filter_step"] + cost["start"] / GRID


def _shown(name: str, layer: str, channels: list[int], plan: Plan, team: Team) -> list[float]:
    config = {"fast": fast(), **variants()}.get(name) or {"preset": "textbook"}
    crop = team.ask("ours", plan.real_network, "crop", {"config": config})[0]["crop"]
    request = {"layer": layer, "channels": channels, "patterns": str(_file(name, layer, plan)), "crop": crop}
    return list(team.ask("ours", plan.real_network, "shown", request)[0]["shown"])


def _alike(layer: str, one: str, other: str, plan: Plan) -> list[float]:
    """Correlation of the patterns of each filter."""
    first, second = (np.load(_file(name, layer, plan)) for name in (one, other))
    return [float(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in zip(first, second, strict=True)]


def _medians(values: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {np.median(part):.3f}" for name, part in values.items())


def speedups(layers: dict[str, Any], number: int, side: str) -> list[float]:
    """How many times sooner each filter's picture is there, in one round; 0 where it is never as strong."""
    result = []
    for part in layers.values():
        textbook = part["seconds"]["textbook"][number]
        for index, seconds in enumerate(textbook):
            strong = reached(part["shown"][side][index], part["shown"]["textbook"][index])
            result.append(seconds / part["seconds"][side][number] if strong else 0.0)
    return result


def _lines(layers: dict[str, Any], rounds: int, side: str) -> list[Line]:
    lines = []
    pairs = [
        (ours, theirs)
        for part in layers.values()
        for ours, theirs in zip(part["shown"][side], part["shown"]["textbook"], strict=True)
    ]
    if side == "fast":
        medians = [float(np.median(speedups(layers, number, side))) for number in range(rounds)]
        note = f"median of {len(pairs)} filters; a filter that does not reach it counts 0"
        lines.append(Line("time to the textbook's picture, fast preset", spread(medians), "x", 10.0, note=note))
    share = [float(np.mean([reached(ours, theirs) for ours, theirs in pairs]))]
    lines.append(Line(f"filters whose {side} picture is as strong", spread(share), "%"))
    strength = [ours / theirs for ours, theirs in pairs if theirs > 0]
    lines.append(Line(f"strength of the {side} picture, fed back", spread(strength), "x", note="1 is the textbook's"))
    for name in next(iter(layers.values()))["correlation"]:
        values = [value for part in layers.values() for value in part["correlation"][name]]
        what = {
            "exact": "correlation of exact patterns with the textbook loop's",
            "nudged": "the same of the textbook loop with itself, its start moved by a millionth",
        }.get(name, f"correlation of {name} patterns with exact")
        lines.append(Line(what, spread(values), ""))
    return lines
