"""What a job costs beyond its work, and how soon the workflow says that there is nothing to do."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.lines import Line
from bench.network import ROOT
from bench.numbers import interleaved, spread
from bench.plan import Plan
from bench.scale import FinishedStudy
from bench.sessions import Team

# A job of the pipeline, from its first line to the end of its process, whose work is to load the model.
_LOAD = """
from convscope.jobs.job import parser, run
def main(args):
    from convscope.models.load import load_model
    load_model(args.model, args.spec)
arguments = parser("")
arguments.add_argument("--model")
arguments.add_argument("--spec")
run(main, arguments)
"""


def measure(plan: Plan, team: Team, say: Any) -> tuple[list[Line], dict[str, Any]]:
    """Starts of processes, several times; a finished study of 10,000 images and 40 layers, asked again."""
    commands = {
        "a job's arguments (--help)": ["-m", "scripts.cam", "--help"],
        "imports and model": [
            "-c",
            _LOAD,
            *("--model", str(plan.random_network / "model.keras"), "--spec", str(plan.random_network / "model.json")),
        ],
    }
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for _, name in interleaved(list(commands), max(3, plan.rounds)):
        seconds[name].append(_run(commands[name]))
    say(f"start of a job: {seconds}")
    images = 1000 if plan.quick else 10000
    with tempfile.TemporaryDirectory(dir=plan.work) as folder:
        study = FinishedStudy(Path(folder), images, 40)
        idle = [study.nothing_to_do() for _ in range(max(3, plan.rounds))]
    say(f"nothing to do: {idle}")
    return [
        Line("start of a job: its arguments", spread(seconds["a job's arguments (--help)"]), "s", 5.0, True),
        Line("start of a job: imports and the model", spread(seconds["imports and model"]), "s", 5.0, True),
        Line(f"nothing to do, {images:,} images and 40 layers", spread(idle), "s", 5.0, True),
    ], {"seconds": seconds, "nothing_to_do": idle, "images": images}


def _run(arguments: list[str]) -> float:
    began = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, check=True)  # noqa: S603
    return time.perf_counter() - began
