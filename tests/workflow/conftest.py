"""Running the workflow in copies of the project: the checkout itself is never run in, nor written to."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workflow.preloaded import preloaded

TINY = "config/tiny.yaml"
_NOT_COPIED = shutil.ignore_patterns(
    ".git", ".snakemake", ".venv*", "results", ".*_cache", "__pycache__", "node_modules"
)


class Project:
    """A copy of the project, and the command that a user types in it.

    `python`: what runs it and its jobs, the folder of a `python` that has the libraries loaded (`tests.workflow.preloaded`) or None
    for the usual one; see the fixture `start`.
    """

    python: Path | None = None

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.reads: Path | None = None

    def note_reads(self) -> None:
        """From now on each process notes in a folder what it opens to read (see `reads/sitecustomize.py`)."""
        self.reads = self.folder / ".snakemake" / "reads"
        self.reads.mkdir(parents=True)

    @property
    def study(self) -> Path:
        return self.folder / "results" / "tiny"

    @property
    def environment(self) -> dict[str, str]:
        """As a user's shell has it: the project's Python first; no threads or paths of this test run's."""
        kept = {key: value for key, value in os.environ.items() if not key.endswith("_NUM_THREADS")}
        path = os.pathsep.join([str(Path(sys.executable).parent), kept.get("PATH", "")])
        if self.python:
            path = os.pathsep.join([str(self.python), path])
        noted = {"CONVSCOPE_READS": str(self.reads)} if self.reads else {}
        library = os.pathsep.join([str(self.folder), *([str(Path(__file__).parent / "reads")] if noted else [])])
        return {**kept, **noted, "PATH": path, "PYTHONPATH": library, "TF_CPP_MIN_LOG_LEVEL": "3"}

    def command(self, *arguments: str, config: str | Path | None = TINY) -> list[str]:
        study = [f"--configfile={config}"] if config else []
        python = str(self.python / "python") if self.python else sys.executable
        return [python, "-m", "snakemake", *study, "--cores", "2", *arguments]

    def snakemake(self, *arguments: str, config: str | Path | None = TINY) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments, config=config),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )

    def run(self, *arguments: str, config: str | Path | None = TINY) -> str:
        """Run; what it printed."""
        done = self.snakemake(*arguments, config=config)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def would_run(self, *arguments: str, config: str | Path | None = TINY) -> Counter[str]:
        """Which rules a run would run, and how often, the targets `all` and `figures` left out."""
        printed = self.run("-n", *arguments, config=config)
        if "Nothing to be done" in printed:
            return Counter()
        tables = re.findall(r"^Job stats:\n.*\n-+ .*\n((?:\S+ +\d+\n)+)", printed, re.MULTILINE)
        assert tables, printed
        counts = Counter({name: int(count) for name, count in re.findall(r"^(\S+) +(\d+)$", tables[0], re.MULTILINE)})
        for name in ("total", "all", "figures"):
            del counts[name]
        return counts

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a passage that occurs exactly once."""
        path = self.folder / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {text.count(old)} times {old!r}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def files(self) -> dict[str, bytes]:
        """Everything under results/, logs and benchmarks left out: name -> bytes."""
        results = self.folder / "results"
        found = {path.relative_to(results).as_posix(): path for path in sorted(results.rglob("*")) if path.is_file()}
        return {
            name: path.read_bytes()
            for name, path in found.items()
            if not {"logs", "benchmarks", ".snakemake_timestamp"} & set(name.split("/"))
        }


def copy_sources(source: Path, target: Path) -> Project:
    """Copy what belongs to the project: what git lists where there is git, else all but what is made."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        shutil.copytree(source, target, ignore=_NOT_COPIED, dirs_exist_ok=True)
        return Project(target)
    for name in filter(None, listed.stdout.split("\0")):
        if (source / name).is_file():  # a file deleted but still in the index is not there
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source / name, target / name)  # what is compiled of it is known by its time
    return Project(target)


@pytest.fixture(scope="session")
def sources(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fresh checkout without results. Only for reading, and for runs that make nothing."""
    return copy_sources(root, tmp_path_factory.mktemp("sources") / "project")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """First what makes the finished study, while others run what does not take it."""
    items.sort(key=lambda item: item.path != Path(__file__).parent / "test_study.py")


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a `python` that has the libraries loaded; its servers are those of all that run side by side."""
    with preloaded(_for_all(tmp_path_factory) / "servers") as folder:
        yield folder


@pytest.fixture(scope="module", autouse=True)
def start(request: pytest.FixtureRequest) -> Iterator[None]:
    """Jobs begin with their libraries loaded, but for tests that are marked `usual_start`."""
    if not request.node.get_closest_marker("usual_start"):
        Project.python = request.getfixturevalue("servers")
    yield
    Project.python = None


def _for_all(factory: pytest.TempPathFactory) -> Path:
    """A folder for what all that run side by side have together."""
    own = factory.getbasetemp()
    return own.parent if "PYTEST_XDIST_WORKER" in os.environ else own


def _made_once(factory: pytest.TempPathFactory) -> Path:
    """Where the finished study is made, for all that run side by side; the folder has a file `done` when it is."""
    return _for_all(factory) / "finished"


@pytest.fixture
def fresh(sources: Project, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A fresh checkout of one's own; what the finished study's jobs had to compile of it is lent to it, for time."""
    shutil.copytree(sources.folder, tmp_path / "project", ignore=_NOT_COPIED)
    made = _made_once(tmp_path_factory)
    for compiled in made.glob("project/*/**/__pycache__") if (made / "done").exists() else ():
        shutil.copytree(compiled, tmp_path / compiled.relative_to(made))
    return Project(tmp_path / "project")


@pytest.fixture(scope="session")
def finished(sources: Project, servers: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The tiny study, run once from start to end, also where tests run side by side (`pytest -n 2`). Only for reading."""
    own = tmp_path_factory.getbasetemp()
    made = Project(_made_once(tmp_path_factory) / "project")
    made.folder.parent.mkdir(exist_ok=True)
    with (made.folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the first to come makes it, the others wait
        done = made.folder.parent / "done"
        if not done.exists():
            shutil.rmtree(made.folder, ignore_errors=True)
            shutil.copytree(sources.folder, made.folder, ignore=_NOT_COPIED)
            made.note_reads()
            made.python = servers
            made.run()
            made.reads = None
            del made.python
            done.touch()
    if made.folder.is_relative_to(own):
        return made
    copied = Project(tmp_path_factory.mktemp("finished") / "project")
    shutil.copytree(made.folder, copied.folder, symlinks=True)
    return copied


@pytest.fixture
def copy_of_finished(finished: Project, tmp_path: Path) -> Callable[[str], Project]:
    """Makes a copy of the finished tiny study, results and their times included, to do what one likes with."""

    def make(name: str = "project") -> Project:
        shutil.copytree(finished.folder, tmp_path / name, symlinks=True)
        return Project(tmp_path / name)

    return make


@pytest.fixture
def copy(copy_of_finished: Callable[[str], Project]) -> Project:
    """One such copy."""
    return copy_of_finished("project")
