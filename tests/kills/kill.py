"""Rounds of killing: a run is killed with -9 in the middle of one kind of work, and the same command goes on."""

import contextlib
import csv
import io
import itertools
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.workflow.changes.workshop import contents
from tests.workflow.conftest import Project

# What is being done -> the rules that do it.
KINDS = {
    "downloading": ("download",),
    "pictures": ("draw_pets", "extract"),
    "training": ("train_model",),
    "activations": ("activations",),
    "ascent": ("ascend",),
    "maps": ("cam", "attribution"),
    "gathering": ("gather_activations", "gather_cam", "gather_attribution"),
    "drawing": (
        "contact_sheet",
        "training_curves",
        "classifier_report",
        "channel_sheets",
        "filter_grid",
        "overlays",
        "attribution_figures",
        "side_by_side",
    ),
    "gallery": ("gallery", "index"),
    "anywhere": (),
}
# As a power cut does it; Snakemake alone, as a shell may do it; one job, as a kernel short of memory does it.
VICTIMS = {"all": 0.5, "snakemake": 0.3, "job": 0.2}
_UNFINISHED = re.compile(r"/\.(?!snakemake_timestamp)|\.part|\.state(/|$)|/state/")
_GOING_ON = re.compile(r"resumed|found by an earlier run")
_SECONDS_TO_DIE = 10.0
_TRIES = 10


@dataclass(frozen=True)
class Kill:
    """A kill as it fell: what was aimed at, who was killed, the rules that were at work, whether a file was half written."""

    kind: str
    victim: str
    rules: tuple[str, ...]
    unfinished: bool
    went_on: bool


def processes(folder: Path) -> dict[int, list[str]]:
    """The processes that work in a folder: number -> command."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink() == folder:
                found[int(process.name)] = (process / "cmdline").read_text(errors="replace").split("\0")
    return found


def rule_of(command: list[str]) -> str:
    """The rule that a job's process works for; "" for other processes. A log's name tells it."""
    for flag, value in itertools.pairwise(command):
        if flag == "--log":
            return Path(value.partition("/logs/")[2]).parts[0].removesuffix(".log")
    return ""


def leftovers(folder: Path) -> list[str]:
    """What should not be among the results of a study that ended: hidden files, parts, and what is kept to go on from."""
    found = []
    for place, folders, files in os.walk(folder / "results"):
        inside = Path(place).relative_to(folder).as_posix()
        found += [path for name in folders + files if _UNFINISHED.search(path := f"{inside}/{name}")]
    return sorted(found)


class Killer:
    """Kills a study in a folder of its own, over and over.

    Args:
        project: where it is killed.
        undisturbed: where the same study ended by itself.
        config: its file.
        seed: of moments and victims.
    """

    def __init__(self, project: Project, undisturbed: Project, config: str, seed: int) -> None:
        self.project, self.undisturbed, self.config = project, undisturbed, config
        self.random = random.Random(seed)  # noqa: S311 - no secrets
        self.kills: list[Kill] = []
        self.runs = 0
        # What nothing else needs any more, such as an archive that is extracted, is asked for by name.
        self.deleted: set[str] = set()
        printed = undisturbed.run("--detailed-summary", "--quiet", config=config)
        start = printed.index("output_file")
        rows = list(csv.DictReader(io.StringIO(printed[start:]), delimiter="\t"))
        self.jobs: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
        for row in rows:
            if row["rule"] and row["log-file(s)"]:
                self.jobs[row["rule"]][row["log-file(s)"]].append(row["output_file"])

    def round(self, kind: str) -> None:
        """One kill that fell on a kind of work, of the rest of what a study needs or of what was deleted for it."""
        victim = self.random.choices(list(VICTIMS), list(VICTIMS.values()))[0]
        for missed in range(_TRIES):
            # The undisturbed run may have been slower, on a machine with other work.
            if self._killed(kind, victim, 1 / (1 + missed)):
                return
        raise AssertionError(f"no run was at {kind} when it should have been killed, {_TRIES} times")

    def end(self) -> None:
        """Start the command for the last time, and look at what it leaves.

        Raises:
            AssertionError: the study is not the undisturbed one.
        """
        folder = self.project.folder
        self.project.run(*self._targets(), config=self.config)
        made, wanted = contents(folder), contents(self.undisturbed.folder)
        assert sorted(made) == sorted(wanted), sorted(made.keys() ^ wanted.keys())
        assert [name for name in wanted if made[name] != wanted[name]] == []
        assert leftovers(folder) == leftovers(self.undisturbed.folder)
        assert processes(folder) == {}
        assert not list((folder / ".snakemake").rglob("*.lock"))
        assert not self.project.would_run(config=self.config)

    def _killed(self, kind: str, victim: str, share: float) -> bool:
        """Whether the kill fell, and on that kind of work; `share` of the usual time is what a job is waited for."""
        folder = self.project.folder
        if kind == "anywhere":
            shutil.rmtree(folder / "results", ignore_errors=True)
            self.deleted.clear()
        elif not self._wanting(kind):
            self._delete_one(kind)
        self.runs += 1
        with (folder / "printed.txt").open("w+") as printed:
            run = subprocess.Popen(
                self.project.command(*self._targets(), config=self.config),
                cwd=folder,
                env=self.project.environment,
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            rules = self._wait_for(kind, run, share)
            at_work = processes(folder)
            rules |= {rule_of(command) for command in at_work.values()} - {""}
            unfinished = bool(leftovers(folder))
            went_on = any(_GOING_ON.search(text) for text in self._logs())
            jobs = [number for number, command in at_work.items() if rule_of(command)]
            fell = run.poll() is None and bool(victim != "job" or jobs)
            if victim == "job" and fell:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.random.choice(jobs), signal.SIGKILL)
                fell = run.wait(timeout=900) != 0  # else it was over already
            elif fell:
                (os.killpg if victim == "all" else os.kill)(run.pid, signal.SIGKILL)
            code = run.wait(timeout=900)
            printed.seek(0)
            said = printed.read()
        assert code in ((-9,) if fell and victim != "job" else (1,) if fell else (0,)), said
        assert "Traceback" not in said, said
        # The next run may find the jobs of a killed one at their end, or gone.
        if self.random.random() < 0.5:
            deadline = time.monotonic() + _SECONDS_TO_DIE
            while (left := processes(folder)) and time.monotonic() < deadline:
                time.sleep(0.05)
            assert left == {}
        if fell:
            self.kills.append(Kill(kind, victim, tuple(sorted(rules)), unfinished, went_on))
        return fell

    def _wait_for(self, kind: str, run: "subprocess.Popen[bytes]", share: float) -> set[str]:
        """Wait until a job of a kind is at work, and for a part of its usual time; its rule."""
        if kind == "anywhere":
            until = time.monotonic() + self.random.uniform(0, 60)
            while run.poll() is None and time.monotonic() < until:
                time.sleep(0.01)
            return set()
        while run.poll() is None:
            before = {*leftovers(self.project.folder)}
            found = {rule_of(command) for command in processes(self.project.folder).values()} & {*KINDS[kind]}
            if found:
                rule = min(found)
                # At any time of the job, most of which goes by before it writes anything; or once there is something half written.
                usual, sees = self._usual_seconds(rule) * share, self.random.random() < 0.5
                until = time.monotonic() + usual * (2 if sees else self.random.uniform(0.2, 1.1))
                while run.poll() is None and time.monotonic() < until:
                    if sees and {*leftovers(self.project.folder)} - before:
                        time.sleep(self.random.uniform(0, 0.05 * usual))
                        break
                    time.sleep(0.003)
                return {rule}
            time.sleep(0.01)
        return set()

    def _usual_seconds(self, rule: str) -> float:
        files = [
            file
            for study in (self.undisturbed.folder / "results").iterdir()
            for place in (study / "benchmarks" / rule, study / "benchmarks")
            for file in (place.glob("*.tsv") if place.name == rule else place.glob(f"{rule}.tsv"))
        ]
        times = [float(file.read_text().splitlines()[-1].split("\t")[0]) for file in files]
        return sum(times) / max(len(times), 1)

    def _wanting(self, kind: str) -> bool:
        files = [file for rule in KINDS[kind] for outputs in self.jobs[rule].values() for file in outputs]
        return any(not (self.project.folder / file).exists() for file in files)

    def _delete_one(self, kind: str) -> None:
        """Delete what one job of a kind makes, and of a download the file that all studies share."""
        rule = self.random.choice([rule for rule in KINDS[kind] if self.jobs[rule]])
        outputs = self.random.choice(sorted(self.jobs[rule].values()))
        for file in outputs:
            path = self.project.folder / file
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
            self.deleted.add(file)
            if rule == "download":
                (self.project.folder / "results" / "downloads" / path.name).unlink(missing_ok=True)

    def _targets(self) -> list[str]:
        return ["all", *sorted(self.deleted)]

    def _logs(self) -> Iterator[str]:
        for log in (self.project.folder / "results").glob("*/logs/**/*.log"):
            with contextlib.suppress(OSError):
                yield log.read_text(errors="replace")
