"""Running the studies: finished ones to copy and change, what a change schedules, and what comes of it beside a fresh folder."""

import csv
import io
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from convscope.storage.files import sha256_of
from convscope.storage.seals import FOLDER
from tests.workflow.changes.studies import STUDIES, changed
from tests.workflow.conftest import Project, copy_sources

CONFIG = "study.yaml"
Act = Callable[[Project], None]
_SEEN = ("convscope", "scripts", "rules", "schemas", "report", "envs", "profiles", "Snakefile", "config.yaml")
# As JSON and as a cell of a page.
_SECONDS = re.compile(rb'"seconds": [0-9.]+|<td class="time">[^<]*</td>')
_OUTSIDE = ("logs", "benchmarks", ".snakemake_timestamp", "state")


@dataclass
class Outcome:
    """What came of a change: rules that ran, and where the results are not those of a fresh folder.

    Attributes:
        ran: rule -> jobs of the run that went on from the finished study.
        differ: files of the fresh folder that are others, or missing.
        left: files that a fresh folder does not have.
        again: what yet another run would do; nothing, where all is well.
        vain: whether, beside the pages, the results are byte for byte those from before the change.
    """

    ran: Counter[str]
    differ: list[str]
    left: list[str]
    again: Counter[str]
    vain: bool


class Workshop:
    """A folder in which a study always lies in the same place, for addresses are absolute.

    Args:
        place: a folder of its own.
        path: what is put first on the PATH (see `tests.workflow.preloaded`); nothing by default.
    """

    def __init__(self, root: Path, place: Path, path: Path | None = None) -> None:
        self.place, self.path = place, path
        self.project = place / "project"
        place.mkdir(parents=True, exist_ok=True)
        everything = copy_sources(root, place / "whole").folder
        self.sources = place / "sources"
        self.sources.mkdir()
        for name in _SEEN:
            (everything / name).rename(self.sources / name)
        shutil.rmtree(everything)
        self._made: set[str] = set()

    def run(self, *arguments: str, environment: dict[str, str] | None = None) -> str:
        """Run Snakemake on the project; what it printed."""
        project = Project(self.project)
        project.python = self.path
        kept = {**project.environment, **(environment or {})}
        command = project.command(*arguments, config=CONFIG)
        done = subprocess.run(
            command, cwd=self.project, env=kept, capture_output=True, text=True, timeout=1500, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def scheduled(self, environment: dict[str, str] | None = None) -> Counter[str]:
        """Rule -> jobs that a run would run, as far as they are known before it."""
        printed = self.run("-n", environment=environment)
        if "Nothing to be done" in printed:
            return Counter()
        tables = re.findall(r"^Job stats:\n.*\n-+ .*\n((?:\S+ +\d+\n)+)", printed, re.MULTILINE)
        assert tables, printed
        counts = Counter({name: int(count) for name, count in re.findall(r"^(\S+) +(\d+)$", tables[0], re.MULTILINE)})
        for name in ("total", "all"):
            del counts[name]
        return counts

    def finish(self) -> Counter[str]:
        """Run to the end: rule -> jobs that ran."""
        finished = re.findall(r"^Finished jobid: \d+ \(Rule: (\S+)\)", self.run(), re.MULTILINE)
        return Counter(name for name in finished if name != "all")

    def unmade(self, study: dict[str, Any]) -> None:
        """The project with a user's files and this study, nothing made yet."""
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(self.sources, self.project)
        shutil.copytree(self._user(study["study"]), self.project / "user")
        self.write(study)

    def write(self, study: dict[str, Any]) -> None:
        """Write the study's config, with the place for `{here}` and a file's digest for `{sha256 of file}`."""
        text = yaml.safe_dump(study, sort_keys=False, width=1000).replace("{here}", str(self.project))
        text = re.sub(r"\{sha256 of (\S+)\}", lambda match: sha256_of(self.project / match[1]), text)
        (self.project / CONFIG).write_text(text, encoding="utf-8")

    def finished(self, name: str) -> None:
        """The project with a study of `STUDIES` finished, as it was made the first time it was asked for."""
        kept = self.place / "finished" / name
        if name not in self._made:
            self.unmade(STUDIES[name])
            self.finish()
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.project, kept)
            self._made.add(name)
        shutil.rmtree(self.project, ignore_errors=True)
        shutil.copytree(kept, self.project)

    def _user(self, study: str) -> Path:
        name = "user_of_imports" if study == "imported" else "user"
        user = self.place / name
        if not user.exists():
            more = ["--imports"] if name != "user" else []
            python = str(self.path / "python") if self.path else "python"
            subprocess.run(
                [python, "-m", "tests.workflow.changes.world", str(user), *more],
                cwd=Path(__file__).parents[3],
                env={**Project(Path(__file__).parents[3]).environment},
                check=True,
                stdout=subprocess.DEVNULL,
            )
        return user

    def dry(self, name: str, edits: dict[str, Any], act: Act | None = None) -> Counter[str]:
        """What a change of a finished study schedules."""
        self.finished(name)
        self._change(name, edits, act)
        # A log for TensorBoard is planned only where it is installed; that a module is found is all that a plan needs of it.
        (self.project / "tensorboard.py").touch()
        return self.scheduled()

    def full(self, name: str, edits: dict[str, Any], act: Act | None = None) -> Outcome:
        """Go on from a finished study after a change, and compare with a fresh folder of the changed study."""
        self.finished(name)
        before = contents(self.project)
        self._change(name, edits, act)
        ran, again = self.finish(), self.scheduled()
        there = contents(self.project)
        self.unmade(STUDIES[name])
        self._change(name, edits, act)
        self.finish()
        fresh = contents(self.project)
        differ = sorted(file for file in fresh if there.get(file) != fresh[file])
        vain = all(before.get(file) == fresh[file] for file in fresh if "/gallery/" not in file)
        return Outcome(ran, differ, sorted(there.keys() - fresh.keys()), again, vain)

    def _change(self, name: str, edits: dict[str, Any], act: Act | None) -> None:
        self.write(changed(STUDIES[name], edits))
        if act:
            act(Project(self.project))


def contents(project: Path) -> dict[str, bytes]:
    """Everything under results/ but logs, benchmarks and what is kept to go on from; times measured are taken out."""
    results = project / "results"
    found = {}
    for path in sorted(path for path in results.rglob("*") if path.is_file()):
        name = path.relative_to(results)
        if not any(part in _OUTSIDE or part.endswith(".state") for part in name.parts):
            found[name.as_posix()] = _without_times(path)
    return found


def _without_times(path: Path) -> bytes:
    if FOLDER in path.parts and path.suffix == ".json":
        return _seal_without_times(path.read_bytes())
    if path.name == "costs.png":
        return b""
    if path.name == "comparison.json" or path.name.startswith("comparison_"):
        return _SECONDS.sub(b"", path.read_bytes())
    if _holds_times(path):
        rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
        return json.dumps([{key: value for key, value in row.items() if key != "seconds"} for row in rows]).encode()
    return path.read_bytes()


def _holds_times(path: Path) -> bool:
    named = path.name in ("costs.png", "comparison.json", "history.csv") or path.name.startswith("comparison_")
    return named or path.match("comparisons/*/table.csv")


def _seal_without_times(content: bytes) -> bytes:
    """A seal without the digests of files that hold times."""
    facts = json.loads(content)
    whole = facts["files"]
    facts["files"] = {name: seen for name, seen in whole.items() if not _holds_times(Path(facts["output"], name))}
    return content if facts["files"] == whole else json.dumps({**facts, "seal": ""}, sort_keys=True).encode()
