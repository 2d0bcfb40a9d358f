"""Jobs of the servers are like those that begin by themselves, wherever a test could tell them apart."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

pytestmark = pytest.mark.slow

# What a process finds when it begins, as far as the outside decides it.
FACTS = """
import json, os, resource, signal, sys, tempfile, threading
import numpy
print(json.dumps({
    "arguments": [sys.argv, sys.orig_argv[1:]],
    "folder": os.getcwd(),
    "environment": dict(os.environ),
    "search path": sys.path,
    "umask": [os.umask(0o22)],
    "nice": os.nice(0),
    "limits": [resource.getrlimit(getattr(resource, name)) for name in dir(resource) if name.startswith("RLIMIT")],
    "signals": [str(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD, signal.SIGPIPE)],
    "blocked": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
    "files": sorted(os.readlink(f"/proc/self/fd/{n}") for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")),
    "temporary": tempfile.gettempdir(),
    "streams": [sys.stdin.encoding, sys.stdout.encoding, sys.stdout.errors, sys.stdout.line_buffering, sys.stderr.errors],
    "threads": threading.active_count(),
    "own modules": sorted(name for name in sys.modules if name.partition(".")[0] in ("convscope", "scripts", "tests")),
}, default=str))
"""
SERVED = "import sys; print('tensorflow' in sys.modules)"


@pytest.fixture
def job(tmp_path: Path, servers: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program that is named like the scripts are: by a server or by the usual Python."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "elsewhere").mkdir()
    environment = Project(tmp_path / "sources").environment

    def run(
        program: str, *arguments: str, usually: bool = False, more: Mapping[str, str] | None = None, shell: str = ""
    ) -> subprocess.CompletedProcess[str]:
        (tmp_path / "scripts" / "__main__.py").write_text(program)
        command = [sys.executable if usually else str(servers / "python"), str(tmp_path / "scripts"), *arguments]
        return subprocess.run(
            ["bash", "-c", f'{shell or ":"} && exec "$@"', "bash", *command],
            cwd=tmp_path / "elsewhere",
            env={**environment, **(more or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def is_served(job: Callable[..., subprocess.CompletedProcess[str]], *arguments: str, **options: object) -> bool:
    return job(SERVED, *arguments, **options).stdout == "True\n"


def test_a_job_finds_what_it_finds_when_it_begins_by_itself(job: Callable, tmp_path: Path) -> None:
    own = {"TMPDIR": str(tmp_path / "elsewhere"), "OF_THE_TEST": "ä", "OMP_NUM_THREADS": "2"}
    facts = [json.loads(job(FACTS, "a", "b c", usually=usually, more=own).stdout) for usually in (True, False)]
    for found in facts:  # pipes of the test's own
        found["files"] = [name.partition("[")[0] for name in found["files"]]
    assert facts[1] == facts[0]
    assert is_served(job, more=own)


@pytest.mark.parametrize(
    "options",
    [
        {"more": {"KERAS_BACKEND": "jax"}}, {"more": {"PYTHONHASHSEED": "1"}}, {"more": {"LC_ALL": "POSIX"}},
        {"more": {"HOME": "/nowhere"}}, {"shell": "umask 077"}, {"shell": "ulimit -n 100"}, {"shell": "renice -n 19 $$ > /dev/null"},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_read_as_a_process_starts_starts_one(job: Callable, options: Mapping[str, object]) -> None:
    if os.getpriority(os.PRIO_PROCESS, 0) == 19 and "renice" in str(options):
        pytest.skip("no process can be nicer than these tests")
    assert not is_served(job, **options)


def test_another_backend_is_not_the_one_that_is_loaded(job: Callable) -> None:
    assert is_served(job, "ascend", "--backend", "tensorflow")
    assert not is_served(job, "ascend", "--backend", "jax")


def test_what_is_random_is_another_for_each_process(job: Callable) -> None:
    """Or else a job that forgets the seed would make the same again."""
    program = "import random, numpy; print(random.random(), numpy.random.rand(), hash('cat'), id(numpy))"
    drawn = [job(program).stdout.split() for _ in range(24)]
    distinct = [len(set(column)) for column in zip(*drawn, strict=True)]
    assert distinct[:2] == [24, 24]
    assert distinct[2:] == [2, 2]  # one of each server


def test_code_that_was_changed_is_run(job: Callable, tmp_path: Path) -> None:
    library = tmp_path / "sources" / "convscope"
    library.mkdir(parents=True)
    for text in ("first", "second", "third"):
        (library / "__init__.py").write_text(f"says = {text!r}\n")
        assert [job("import convscope; print(convscope.says)").stdout for _ in range(2)] == [f"{text}\n"] * 2


@pytest.mark.parametrize(
    "program",
    [
        "", "raise SystemExit(3)", "raise SystemExit('why')", "raise SystemExit(-1)", "import os; os._exit(7)", "1 / 0",
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)", "import os; os.abort()",
        "import os; os.dup2(os.open('/dev/full', os.O_WRONLY), 1); print('no room')",
        "import atexit; atexit.register(print, 'end')",
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()",
    ],
)  # fmt: skip
def test_a_job_ends_as_it_would_by_itself(job: Callable, program: str) -> None:
    # No dump of what is killed here.
    served, usual = (job(program, usually=usually) for usually in (False, True))
    assert (served.returncode, served.stdout) == (usual.returncode, usual.stdout)
    assert served.stderr.splitlines()[-1:] == usual.stderr.splitlines()[-1:]


def hears_an_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def deaf_to_an_interrupt() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize("hears", [hears_an_interrupt, deaf_to_an_interrupt])
def test_a_job_hears_an_interrupt_as_who_started_it(tmp_path: Path, servers: Path, hears: Callable[[], None]) -> None:
    """What runs in the background of a shell does not."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__main__.py").write_text("import signal; print(signal.getsignal(signal.SIGINT))")
    said = [
        subprocess.run(
            [python, "scripts"], cwd=tmp_path, preexec_fn=hears, capture_output=True, text=True, check=True
        ).stdout
        for python in (str(servers / "python"), sys.executable)
    ]
    assert said[0] == said[1]


def test_a_job_holds_nothing_of_another(job: Callable, tmp_path: Path, servers: Path) -> None:
    """Two at a time of one server: what the server knows the first by is none of the second's files."""
    (tmp_path / "scripts" / "__main__.py").write_text("import time; print('at work', flush=True); time.sleep(60)")
    others = [
        subprocess.Popen([str(servers / "python"), "scripts"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
        for _ in range(8)  # so that each server has some
    ]
    try:
        for other in others:
            assert other.stdout.readline() == "at work\n"
        facts = [json.loads(job(FACTS, usually=usually).stdout) for usually in (True, False)]
        assert [len(found["files"]) for found in facts] == [len(facts[0]["files"])] * 2
    finally:
        for other in others:
            other.terminate()
            other.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_who_is_told_to_end_at_once_ends_its_job(tmp_path: Path, servers: Path, number: signal.Signals) -> None:
    """At any moment: before the job is known, while it begins, when it is at work."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__main__.py").write_text("import time; time.sleep(60)")
    for moment in range(0, 60, 6):
        running = subprocess.Popen(
            [str(servers / "python"), "scripts"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=hears_an_interrupt,
        )  # fmt: skip
        time.sleep(moment / 1000)
        running.send_signal(number)
        running.communicate(timeout=30)  # what still holds the pipe is at work
        assert running.returncode != 0


def test_who_is_told_to_end_ends_its_job(tmp_path: Path, servers: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "__main__.py").write_text("import time; print('at work', flush=True); time.sleep(60)")
    for number in (signal.SIGTERM, signal.SIGINT):
        command = [str(servers / "python"), "scripts"]
        running = subprocess.Popen(
            command,
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=hears_an_interrupt,
        )
        assert running.stdout.readline() == "at work\n"
        running.send_signal(number)
        running.communicate(timeout=10)
        assert running.returncode == -number
