"""Image sets: Grad-CAM and activations from JPEG to HDF5 and pictures, against the forward pass alone; memory."""

import shutil
from pathlib import Path
from typing import Any

from bench.lines import Line
from bench.numbers import interleaved, spread, time_at
from bench.plan import Plan, cam_methods
from bench.sessions import Team
from bench.studies import Study, derived, write_jpegs

LAYER = "block14_sepconv2_act"
ASKED, ASKED_ACTIVATIONS = 2000, 500


def measure(plan: Plan, team: Team, say: Any) -> tuple[list[Line], dict[str, Any]]:
    """Run the study's stages through the workflow, small and large, interleaved with the forward pass and the textbook loop."""
    few, many, activated = min(100, plan.images // 3), plan.images, plan.activations
    sizes = {"few": few, "many": many, "activated": activated, "activated_few": max(8, activated // 10)}
    folders = {}
    for name, count in sizes.items():
        folders[name] = plan.work / "pictures" / name
        write_jpegs(folders[name], count)
    methods = cam_methods()
    studies = {
        name: _study(name, chosen, plan, folders) for name, chosen in (("gradcam", ["gradcam"]), ("all", methods))
    }
    for study in studies.values():
        study.run("models/xception/layers.csv", *(f"image_sets/{name}.csv" for name in sizes))
    shards = {stage: plan.settings(stage)["shard"] for stage in ("cams", "activations")}
    raw: dict[str, Any] = {"sizes": sizes, "methods": methods, "shards": shards, "rounds": []}
    sides = ["forward", "textbook", "gradcam", *(["all"] if len(methods) > 1 else []), "activations"]
    rounds: list[dict[str, Any]] = [{} for _ in range(plan.rounds)]
    for number, side in interleaved(sides, plan.rounds):
        rounds[number][side] = _side(side, sizes, folders, studies, plan, team)
        say(f"round {number + 1}, {side}: {rounds[number][side]}")
    raw["rounds"] = rounds
    raw["memory"] = {
        rule: studies["gradcam"].jobs(rule)
        for rule in ("cam", "gather_cam", "overlays", "activations", "gather_activations")
    }
    raw["largest_cam_job"] = {
        name: max((job["mib"] for job in _jobs_of(studies["gradcam"], "cam", name)), default=0.0)
        for name in ("few", "many")
    }
    return lines_of(raw), raw


def _study(name: str, methods: list[str], plan: Plan, folders: dict[str, Path]) -> Study:
    config = derived(plan.random_network, folders)
    config["study"] = f"bench_{name}"
    config["cams"]["xception"]["images"] = ["few", "many"]
    config["activations"]["xception"]["images"] = ["activated", "activated_few"]
    if methods != ["gradcam"]:
        config["cams"]["xception"]["methods"] = methods
    config.pop("evaluations", None)
    return Study(plan.work / f"study_{name}", config, plan.cores)


def _side(
    side: str, sizes: dict[str, int], folders: dict[str, Path], studies: dict[str, Study], plan: Plan, team: Team
) -> dict[str, Any]:
    if side == "forward":
        return team.ask(side_of(side), plan.random_network, "forward", {"images": 64 if plan.quick else 320})[0]
    if side == "textbook":
        paths = [str(path) for path in sorted(folders["many"].iterdir())[: 8 if plan.quick else 40]]
        request = {"layer": LAYER, "paths": paths, "folder": str(plan.work / "textbook")}
        return team.ask(side_of(side), plan.random_network, "grad_cam", request)[0]
    if side == "activations":
        study = studies["gradcam"]
        jobs: dict[str, float] = {}
        result: dict[str, Any] = {"jobs": jobs}
        for name in ("activated_few", "activated"):
            shutil.rmtree(study.results / "activations", ignore_errors=True)
            result[name] = study.run(f"activations/xception/{name}/activations.h5")
            jobs[name] = _longest(study, "activations", name)
            result["bytes"] = sum(path.stat().st_size for path in (study.results / "activations").rglob("*.h5"))
        shutil.rmtree(study.results / "activations", ignore_errors=True)
        return result
    study = studies[side]
    shutil.rmtree(study.results / "cams", ignore_errors=True)
    if side == "all":
        study.run(*(f"cams/xception/many/{method}.h5" for method in cam_methods()))
        return {"maps": _seconds_of_maps(study)}
    seconds = {name: study.run(f"cams/xception/{name}/gradcam.csv") for name in ("few", "many")}
    longest = {name: _longest(study, "cam", name) for name in seconds}
    return {**seconds, "maps": _seconds_of_maps(study), "jobs": longest}


def side_of(side: str) -> str:
    """The worker that answers."""
    return {"forward": "ours"}.get(side, side)


def _seconds_of_maps(study: Study) -> float:
    """What the jobs took that compute the maps of the large set; joining and drawing are left out."""
    return sum(job["seconds"] for job in _jobs_of(study, "cam", "many"))


def _longest(study: Study, rule: str, images: str) -> float:
    """Seconds of the longest job of a set: a whole shard's, where the set fills one."""
    return max(job["seconds"] for job in _jobs_of(study, rule, images))


def _jobs_of(study: Study, rule: str, images: str) -> list[dict[str, float]]:
    names = sorted((study.results / "benchmarks" / rule).glob("*.tsv"))
    return [job for path, job in zip(names, study.jobs(rule), strict=True) if f".{images}." in path.name]


def lines_of(raw: dict[str, Any]) -> list[Line]:
    """What the rounds say."""
    sizes, rounds = raw["sizes"], raw["rounds"]
    forward = [part["forward"]["seconds"] / part["forward"]["images"] for part in rounds]
    textbook = [sum(part["textbook"]["seconds"]) / len(part["textbook"]["seconds"]) for part in rounds]

    def at(side: str, asked: int, small: str, large: str) -> list[float]:
        pairs = [((sizes[small], part[side][small]), (sizes[large], part[side][large])) for part in rounds]
        return [time_at(asked, few, many) for few, many in pairs]

    gradcam = at("gradcam", ASKED, "few", "many")
    activations = at("activations", ASKED_ACTIVATIONS, "activated_few", "activated")
    scale = f"{ASKED:,} images" + ("" if sizes["many"] == ASKED else f", from {sizes['few']} and {sizes['many']:,}")
    written = f"{ASKED_ACTIVATIONS} images" + (
        "" if sizes["activated"] == ASKED_ACTIVATIONS else f", from {sizes['activated_few']} and {sizes['activated']}"
    )
    lines = [
        Line("forward pass alone", spread([1 / seconds for seconds in forward]), "images/s"),
        Line("Grad-CAM, JPEG to HDF5 and overlays", spread([ASKED / s for s in gradcam]), "images/s", note=scale),
        Line(
            "Grad-CAM against the forward pass",
            spread([ASKED * one / whole for one, whole in zip(forward, gradcam, strict=True)]),
            "%", 0.8, note="jobs' start and Snakemake included",
        ),
        Line(
            "Grad-CAM against the textbook loop",
            spread([ASKED * one / whole for one, whole in zip(textbook, gradcam, strict=True)]), "x", 3.0,
        ),
        Line(
            "activations to HDF5 against the forward pass, start aside",
            spread([one / more for one, more in zip(forward, _marginal(rounds, sizes), strict=True)]),
            "%", 0.8, note="what one more image costs",
        ),
        Line(
            "the same, jobs' start and Snakemake included",
            spread([ASKED_ACTIVATIONS * one / whole for one, whole in zip(forward, activations, strict=True)]),
            "%", note=written,
        ),
    ]  # fmt: skip
    lines += [
        _start_share(rounds, sizes, "Grad-CAM", "gradcam", ("few", "many"), raw["shards"]["cams"]),
        _start_share(
            rounds, sizes, "activations", "activations", ("activated_few", "activated"), raw["shards"]["activations"]
        ),
    ]
    if "all" in rounds[0]:
        times = [part["all"]["maps"] / part["gradcam"]["maps"] for part in rounds]
        note = f"the jobs that compute maps: {', '.join(raw['methods'])}"
        lines.append(Line("time of all CAM methods over Grad-CAM's", spread(times), "x", 1.5, True, note=note))
    largest = raw["largest_cam_job"]
    lines.append(Line(f"memory of a Grad-CAM job, {sizes['few']} images", spread([largest["few"]]), "MiB", 2048, True))
    lines.append(
        Line(f"memory of a Grad-CAM job, {sizes['many']:,} images", spread([largest["many"]]), "MiB", 2048, True)
    )
    if largest["few"]:
        growth = spread([largest["many"] / largest["few"]])
        lines.append(Line("its growth with the number of images", growth, "x", 1.15, True))
    for rule in ("overlays", "activations"):
        memory = [job["mib"] for job in raw["memory"][rule]]
        if memory:
            lines.append(Line(f"memory of the largest job of rule {rule}", spread([max(memory)]), "MiB", 2048, True))
    return lines


def _start_share(
    rounds: list[dict[str, Any]], sizes: dict[str, int], title: str, side: str, sets: tuple[str, str], shard: int
) -> Line:
    """What of a whole shard's job is start: where the straight line through a small and a large job's time begins."""
    small, large = (min(sizes[name], shard) for name in sets)
    shares = []
    for part in rounds:
        few, many = ((size, part[side]["jobs"][name]) for size, name in zip((small, large), sets, strict=True))
        shares.append(max(0.0, time_at(0, few, many)) / time_at(shard, few, many))
    return Line(f"start of a job, {title} of {shard:,} images", spread(shares), "%", 0.1, True)


def _marginal(rounds: list[dict[str, Any]], sizes: dict[str, int]) -> list[float]:
    """Seconds that one more image's activations take."""
    more = sizes["activated"] - sizes["activated_few"]
    return [(part["activations"]["activated"] - part["activations"]["activated_few"]) / more for part in rounds]
