"""Ascent: what a filter-step costs on the real-size Xception, and the share of the matrix-multiply peak that it reaches."""

from typing import Any

from bench.lines import Line
from bench.numbers import interleaved, ratios, side_by_side, spread, steady_cost, time_at, whole_network
from bench.plan import SIDE, STEPS, Plan, variants
from bench.sessions import Team

XPLIQUE_2 = "xplique2_side"
# Of each side that is another library: what it is called, and its package.
PEERS = {
    "xplique_side": ("Xplique 1", "xplique"),
    XPLIQUE_2: ("Xplique 2", "xplique"),
    "tf_keras_vis_side": ("tf-keras-vis", "tf-keras-vis"),
}
# Other work of Xplique 2: a picture whose phases alone ascend, seen in many crops a step.
MACO = "maco"
DEEPEST = "block14_sepconv2"
BARS = {"exact": (2.0, 1.25), "bf16": (3.3, 2.0)}
# Steps of the two runs from which a library's cost at 30 steps follows; all 30 would take the most of an hour.
_FEW, _MANY = 2, 8
_FEW_OF_CROPS, _MANY_OF_CROPS = 1, 3


def measure(plan: Plan, team: Team, say: Any) -> tuple[list[Line], dict[str, Any]]:
    """Cost of every side on every sampled layer, interleaved; ratios of the cost of the whole network."""
    facts = team.ask("ours", plan.random_network, "facts", {"size": SIDE})[0]
    peers = [side for side in PEERS if team.runs_here(side, plan.random_network)]
    sides = ["textbook", *variants(), *peers, *([MACO] if XPLIQUE_2 in peers else [])]
    costs: dict[str, list[dict[str, dict[str, float]]]] = {side: [{} for _ in range(plan.rounds)] for side in sides}
    peaks: list[dict[str, float]] = []
    for layer in plan.layers:
        for number, side in interleaved(sides, plan.rounds):
            cost = _cost(side, layer, facts["filters"][layer], plan, team)
            costs[side][number][layer] = cost
            say(f"{layer}, round {number + 1}, {side}: {1e3 * cost['per_filter_step']:.1f} ms a filter-step")
        if layer == DEEPEST:
            peaks = [team.ask("ours", plan.random_network, "peak", {})[0] for _ in range(plan.rounds)]
    total = {
        side: [whole_network(facts["flops"], facts["filters"], rounds, STEPS) for rounds in costs[side]]
        for side in sides
    }
    shares = _shares(costs, peaks, facts["flops"][DEEPEST])
    raw = {"facts": facts, "costs": costs, "seconds_for_the_whole_network": total, "peaks": peaks, "shares": shares}
    lines = _lines(total, shares, peers, team)
    if MACO in total:
        lines.append(_maco_line(total[MACO], sum(facts["filters"].values()), team))
    return lines, raw


def _cost(side: str, layer: str, filters: int, plan: Plan, team: Team) -> dict[str, float]:
    common = {"layer": layer, "size": SIDE, "steps": STEPS}
    if side == "textbook":
        channels = list(range(1 if plan.quick else 2))
        answer = team.ask(side, plan.random_network, "ascent", {**common, "channels": channels, "seed": plan.seed})[0]
        return {
            "per_filter_step": sum(answer["seconds"]) / len(channels) / STEPS,
            "start": answer["start"],
        }
    if side in PEERS:
        batch = team.ask(side, plan.random_network, "batch", {})[0]["batch"]
        channels = [number % filters for number in range(batch)]
        return _of_a_library(side, "ascent", {**common, "channels": channels}, (_FEW, _MANY), plan, team)
    if side == MACO:
        request = {**common, "channels": [0]}
        return _of_a_library(XPLIQUE_2, "maco", request, (_FEW_OF_CROPS, _MANY_OF_CROPS), plan, team)
    return ours(layer, filters, variants()[side], plan, team)


def _of_a_library(
    side: str, task: str, request: dict[str, Any], steps: tuple[int, int], plan: Plan, team: Team
) -> dict[str, float]:
    """Cost at 30 steps of what a library does with all the filters asked for, from a run of few and one of more steps."""
    few, many = (
        team.ask(side, plan.random_network, task, {**request, "steps": count})[0]["marks"][-1][0] for count in steps
    )
    # On a restless machine the longer run can look shorter; 30 steps never take less than it did.
    seconds = max(time_at(STEPS, (steps[0], few), (steps[1], many)), many)
    return {"per_filter_step": seconds / len(request["channels"]) / STEPS, "start": 0.0}


def ours(layer: str, filters: int, config: dict[str, Any], plan: Plan, team: Team) -> dict[str, float]:
    """Cost of this project's ascent with the jobs that the workflow would run side by side."""
    threads = plan.settings("filters")["threads"]
    batch = team.ask("ours", plan.random_network, "batch", {"config": config})[0]["batch"]
    count = len(team.of("ours", plan.random_network, threads))
    shares = [[2 * batch * job + number for number in range(2 * batch)] for job in range(count)]
    request = {"layer": layer, "channels": _within(shares, filters), "config": config, "seed": plan.seed}
    answers = team.ask("ours", plan.random_network, "ascent", request, threads)
    return side_by_side([steady_cost(answer["marks"], STEPS) for answer in answers])


def _within(shares: list[list[int]], filters: int) -> list[list[int]]:
    return [[channel % filters for channel in share] for share in shares]


def _shares(costs: dict[str, Any], peaks: list[dict[str, float]], flops: float) -> dict[str, list[float]]:
    dtypes = {"exact": "float32", "bf16": "bfloat16"}
    return {
        side: [
            flops / rounds[DEEPEST]["per_filter_step"] / peak[dtypes[side]]
            for rounds, peak in zip(costs[side], peaks, strict=True)
        ]
        for side in costs
        if side in dtypes and peaks
    }


def _lines(total: dict[str, list[float]], shares: dict[str, list[float]], peers: list[str], team: Team) -> list[Line]:
    lines = []
    for side in (side for side in total if side in BARS):
        name = {"exact": "ascent, exact float32", "bf16": "ascent, bfloat16"}[side]
        textbook, library = BARS[side]
        against = ratios(total["textbook"], total[side])
        lines.append(Line(f"{name}: against the textbook loop", spread(against), "x", textbook, note="whole Xception"))
        for peer in peers:
            value = spread(ratios(total[peer], total[side]))
            called, package = PEERS[peer]
            version = team.versions[peer].get(package, "")
            lines.append(Line(f"{name}: against {called}", value, "x", library, note=f"version {version}"))
        if side in shares:
            bar = 0.7 if side == "exact" else None
            what = f"{name}: share of the matmul peak at block14"
            lines.append(Line(what, spread(shares[side]), "%", bar, note="useful convolutions only"))
        hours = [seconds / 3600 for seconds in total[side]]
        lines.append(
            Line(f"{name}: all 27,264 filters", spread(hours), "h", note="carried over from the sampled layers")
        )
    return lines


def _maco_line(seconds: list[float], filters: int, team: Team) -> Line:
    """What one step of one filter takes in the mean over the whole network; other work than the ascent's, so that nothing is asked."""
    version = team.versions[XPLIQUE_2].get("xplique", "")
    value = spread([each / filters / STEPS for each in seconds])
    note = f"version {version}; its default of 32 crops a step; mean of the whole network"
    return Line("Xplique 2's MaCo, a filter-step", value, "s", note=note)
