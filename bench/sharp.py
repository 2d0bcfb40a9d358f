"""What a layer's 64 patterns by the preset `sharp` take as one job of the workflow, loading included."""

import shutil
from typing import Any

from bench.lines import Line
from bench.numbers import spread
from bench.plan import Plan
from bench.sessions import Team
from bench.studies import Study, derived

LAYER, FILTERS = "block8_sepconv1", 64


def measure(plan: Plan, team: Team, say: Any) -> tuple[list[Line], dict[str, Any]]:
    """Seconds and memory of the job, with all threads, once a round."""
    config = derived(plan.random_network, {})
    filters = 8 if plan.quick else FILTERS
    chosen = {"layers": [LAYER], "filters": filters, "preset": "sharp", "threads": plan.cores}
    config = {"study": "bench_sharp", "models": config["models"], "filters": {"xception": chosen}}
    study = Study(plan.work / "study_sharp", config, plan.cores)
    study.run("models/xception/layers.csv")
    jobs = []
    for number in range(plan.rounds):
        shutil.rmtree(study.results / "filters", ignore_errors=True)
        study.run(f"filters/xception/sharp/{LAYER}.h5")
        jobs += study.jobs("ascend")
        say(f"sharp, round {number + 1}: {jobs[-1]['seconds']:.0f} s for {filters} filters of {LAYER}")
    bar = 120.0 if filters == FILTERS else None
    seconds, memory = (spread([job[key] for job in jobs]) for key in ("seconds", "mib"))
    return [
        Line(f"sharp, {filters} filters of {LAYER}, a job", seconds, "s", bar, True),
        Line("memory of that job", memory, "MiB", 2048, True),
    ], {"jobs": jobs}
