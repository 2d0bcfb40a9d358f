"""Measure this project against the textbook's loops, other libraries and the machine; print ratios and their spread.

Both sides run on the same network and the same number of threads, in turns. The numbers go to results/bench/*.json, the
picture to results/bench/ratios.png.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import ascent, before, images, jobs, lines, picture, sharp
from bench.figure import draw
from bench.network import ROOT, real_preset
from bench.plan import Plan
from bench.sessions import Team
from bench.versions import machine, versions_of
from bench.worker import Failed
from convscope.storage.files import read_json, write_json

PARTS = {
    "ascent": ascent.measure,
    "picture": picture.measure,
    "sharp": sharp.measure,
    "before": before.measure,
    "images": images.measure,
    "jobs": jobs.measure,
}
# Xplique 2 has an environment of its own, for it wants an older TensorFlow.
PEERS = ROOT / ".venv-peers" / "bin" / "python"
PEERS_XPLIQUE = ROOT / ".venv-peers-xplique" / "bin" / "python"


def say(message: str) -> None:
    """A line of progress."""
    print(f"{time.strftime('%H:%M:%S')} {message}", file=sys.stderr, flush=True)


def interpreters(peers: Path, xplique: Path) -> dict[str, Path]:
    """Of every side that is another library, the Python that has it; without those that are not there."""
    found = {side: xplique if side == ascent.XPLIQUE_2 else peers for side in ascent.PEERS}
    return {side: python for side, python in found.items() if python.exists()}


def make_network(folder: Path, preset: Path | None) -> None:
    """Build a network in a process of its own, so that this one stays small."""
    if (folder / "model.json").exists():
        return
    say(f"building the network in {folder}")
    command = [sys.executable, "-m", "bench.network", str(folder), *(["--preset", str(preset)] if preset else [])]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, stderr=subprocess.DEVNULL)  # noqa: S603


def run_part(part: str, plan: Plan, team: Team, out: Path) -> list[lines.Line]:
    """Measure one part and keep its numbers."""
    if part in ("picture", "before"):
        if plan.preset is None:
            say(f"{part}: left out, the real weights are not here (--preset, or CONVSCOPE_SHARED)")
            return []
        make_network(plan.real_network, plan.preset)
    else:
        make_network(plan.random_network, None)
    try:
        found, raw = PARTS[part](plan, team, say)
    except Failed as error:
        say(f"{part}: {error}")
        return []
    finally:
        team.close()
    report = {
        "lines": [line.as_dict() for line in found],
        "raw": raw,
        "machine": machine(),
        "versions": {"here": versions_of("keras", "tensorflow", "numpy", "h5py", "snakemake"), **team.versions},
        "threads": plan.cores,
        "rounds": plan.rounds,
        "quick": plan.quick,
        "left_out": team.failures,
    }
    write_json(out / f"{part}.json", report)
    return found


def kept_lines(out: Path) -> list[lines.Line]:
    """The lines of all parts measured so far, this time or before."""
    found: list[dict[str, Any]] = []
    for part in PARTS:
        if (out / f"{part}.json").exists():
            found += read_json(out / f"{part}.json")["lines"]
    fields = ("what", "unit", "bar", "at_most", "note")
    return [lines.Line(**{key: one[key] for key in fields}, value=lines.Spread(**one["value"])) for one in found]


def main(args: argparse.Namespace) -> int:
    """Run the parts; 0 where every bar is kept, else 1."""
    args.out.mkdir(parents=True, exist_ok=True)
    quick = args.quick
    measured: list[lines.Line] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as temporary:
        plan = Plan(
            work=args.work or Path(temporary),
            cores=args.cores,
            rounds=args.rounds or (1 if quick else 3),
            quick=quick,
            images=args.images or (400 if quick else images.ASKED),
            activations=args.activations or (24 if quick else images.ASKED_ACTIVATIONS),
            preset=real_preset(args.preset),
        )
        plan.work.mkdir(parents=True, exist_ok=True)
        team = Team(args.cores, interpreters(args.peers, args.peers_xplique))
        for part in args.only or PARTS:
            measured += run_part(part, plan, team, args.out)
    facts = machine()
    title = f"{facts['processor']}, {args.cores} threads"
    print(f"\n{title}\n\n{lines.table(measured)}\n")
    for side, reason in team.failures.items():
        print(f"left out: {side.removesuffix('_side')}: {reason}")
    everything = kept_lines(args.out)
    if everything:
        draw(everything, args.out / "ratios.png", title)
    return 0 if all(line.passed is not False for line in measured) else 1


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--quick", action="store_true", help="fewer layers, filters, images; a few minutes")
    arguments.add_argument("--only", action="append", choices=list(PARTS), help="this part (may be repeated)")
    arguments.add_argument("--rounds", type=int, help="how often each side runs (3; 1 with --quick)")
    arguments.add_argument("--cores", type=int, default=len(os.sched_getaffinity(0)), help="threads of each side")
    arguments.add_argument("--images", type=int, help="size of the large image set (2000)")
    arguments.add_argument("--activations", type=int, help="images whose activations are written (500)")
    arguments.add_argument("--preset", type=Path, help="keras-hub preset folder of the real Xception")
    arguments.add_argument("--peers", type=Path, default=PEERS, help="Python of the other libraries' environment")
    arguments.add_argument("--peers-xplique", type=Path, default=PEERS_XPLIQUE, help="Python of that of Xplique 2")
    arguments.add_argument("--work", type=Path, help="keep networks and studies here (a temporary folder)")
    arguments.add_argument("--out", type=Path, default=Path("results/bench"), help="folder of the results")
    raise SystemExit(main(arguments.parse_args()))
