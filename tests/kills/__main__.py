"""Kill a study of every kind of work N times, and compare what comes of it with one that nothing disturbed: `make test-kills`."""

import argparse
import os
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests.kills.kill import KINDS, VICTIMS, Killer
from tests.kills.study import CONFIG, served
from tests.workflow.conftest import copy_sources


def main() -> None:
    """All rounds; ends with an error where anything is lost, left or different."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--count", type=int, default=50, help="kills (default: 50)")
    arguments.add_argument("--seed", type=int, default=1, help="of moments and victims (default: 1)")
    arguments.add_argument(
        "--folder", type=Path, help="where to work; kept (default: a temporary one, kept after a failure)"
    )
    args = arguments.parse_args()
    place = (args.folder or Path(tempfile.mkdtemp(prefix="kills"))).absolute()
    temporary = place / "tmp"
    temporary.mkdir(parents=True)
    os.environ["TMPDIR"] = str(temporary)
    root, began = Path(__file__).parents[2], time.monotonic()
    with served() as (config, asked):
        undisturbed, project = (copy_sources(root, place / name) for name in ("undisturbed", "killed"))
        for each in (undisturbed, project):
            (each.folder / CONFIG).write_text(config)
        undisturbed.run(config=CONFIG)
        print(f"undisturbed: {time.monotonic() - began:.0f} s", flush=True)
        killer = Killer(project, undisturbed, CONFIG, args.seed)
        asked.clear()
        # In the order of the work, begun anew after each time around.
        order = ["anywhere", *(kind for kind in KINDS if kind != "anywhere")]
        for number in range(args.count):
            killer.round(order[number % len(order)])
            kill = killer.kills[-1]
            print(
                f"{number + 1:3d} {kill.kind}: {kill.victim} killed, at work: {', '.join(kill.rules) or 'nothing yet'}",
                flush=True,
            )
        killer.end()
    report(killer, asked, time.monotonic() - began)
    print(f"left in the system's temporary folder: {len(list(temporary.iterdir()))} names")
    if not args.folder:
        shutil.rmtree(place)


def report(killer: Killer, asked: list[str], seconds: float) -> None:
    """The figures of a round."""
    kills = killer.kills
    print(
        f"\n{len(kills)} kills in {killer.runs} runs, {seconds / 60:.0f} min; all files are those of the undisturbed study"
    )
    for kind in KINDS:
        victims = Counter(kill.victim for kill in kills if kill.kind == kind)
        halves = sum(kill.unfinished for kill in kills if kill.kind == kind)
        told = ", ".join(f"{victim} {victims[victim]}" for victim in VICTIMS)
        print(f"  {kind:12s} {victims.total():3d} ({told}); {halves} with a file half written")
    print("at work as the kill fell: " + ", ".join(f"{rule} {count}" for rule, count in rules_of(killer).most_common()))
    print(f"found going on where an earlier run was killed: {sum(kill.went_on for kill in kills)} runs")
    print(f"downloads: {asked.count('all')} begun, {asked.count('rest')} gone on with")


def rules_of(killer: Killer) -> "Counter[str]":
    """How often each rule was at work as a kill fell."""
    return Counter(rule for kill in killer.kills for rule in kill.rules)


if __name__ == "__main__":
    main()
