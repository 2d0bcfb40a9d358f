"""What every script does around its work, run as the workflow runs it."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.jobs import job
from convscope.jobs.job import Progress, say, set_threads

SCRIPT = """
import os
from convscope.jobs.job import Progress, parser, run, say
from convscope.errors import UserError

def main(args):
    say("at work")
    print("threads", os.environ["OMP_NUM_THREADS"], os.environ["TF_NUM_INTRAOP_THREADS"])
    progress = Progress(3, "counting", "sheep")
    for _ in range(3):
        progress.step(note="fine")
    os.system("echo from a child")
    if args.fail == "user":
        raise UserError("x.yaml: no such thing; make one")
    if args.fail == "name":
        say("bad: a\\udcff.png")
        raise UserError("a\\udcff.png: too small")
    if args.fail == "bug":
        raise ValueError("first line\\nsecond line")
    if args.fail == "ctrl-c":
        raise KeyboardInterrupt
    if args.fail == "secret":
        say("from http://joe:SESAME@host/x?SESAME")
        raise ValueError("http://joe:SESAME@host/x?SESAME")

if __name__ == "__main__":
    arguments = parser("Count sheep.")
    arguments.add_argument("--fail", default="")
    run(main, arguments)
"""


@pytest.fixture
def sheep(tmp_path: Path) -> Path:
    (tmp_path / "sheep.py").write_text(SCRIPT)
    return tmp_path / "sheep.py"


def call(script: Path, root: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, str(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_all_goes_to_the_log_and_progress_to_the_terminal(sheep: Path, root: Path, tmp_path: Path) -> None:
    log = tmp_path / "deep" / "sheep.log"
    done = call(sheep, root, "--log", str(log), "--threads", "3")
    assert done.returncode == 0
    assert done.stdout == ""
    shown = done.stderr.splitlines()
    assert shown[-1] == "  counting: 3/3 sheep, 0 s so far, 0 s left, fine"
    assert len(shown) < 3  # where there is no terminal, a line now and then
    text = log.read_text()
    assert "at work" in text and "threads 3 3" in text and "from a child" in text
    assert [f"{number}/3 sheep" in text for number in (1, 2, 3)] == [True] * 3


def test_a_users_mistake_is_one_line_without_traceback(sheep: Path, root: Path, tmp_path: Path) -> None:
    done = call(sheep, root, "--log", str(tmp_path / "log"), "--fail", "user")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "sheep: error: x.yaml: no such thing; make one"
    assert "Traceback" not in done.stderr + (tmp_path / "log").read_text()


def test_the_name_of_a_file_that_is_no_text_can_be_told(sheep: Path, root: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = call(sheep, root, "--log", str(log), "--fail", "name")
    assert done.stderr.splitlines()[-1] == r"sheep: error: a\udcff.png: too small"
    assert r"bad: a\udcff.png" in log.read_text() and "Traceback" not in log.read_text()


def test_a_bug_is_one_line_and_its_traceback_in_the_log(sheep: Path, root: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    done = call(sheep, root, "--log", str(log), "--fail", "bug")
    assert done.returncode == 1
    assert (
        done.stderr.splitlines()[-1] == f"sheep: error: unexpected ValueError: first line (the whole story is in {log})"
    )
    assert "Traceback" not in done.stderr
    assert "Traceback" in log.read_text() and "second line" in log.read_text()


def test_what_was_interrupted_says_so_in_one_line(sheep: Path, root: Path, tmp_path: Path) -> None:
    done = call(sheep, root, "--log", str(tmp_path / "log"), "--fail", "ctrl-c")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "sheep: error: interrupted"
    assert "Traceback" not in done.stderr + (tmp_path / "log").read_text()


def test_no_secret_of_an_address_is_told(sheep: Path, root: Path, tmp_path: Path) -> None:
    done = call(sheep, root, "--log", str(tmp_path / "s.log"), "--fail", "secret")
    told = (tmp_path / "s.log").read_text() + done.stderr
    assert told.count("http://host/x?...") == 5 and "SESAME" not in told, told


def test_steps_of_an_earlier_run_tell_no_time(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(10, "counting", "sheep")
    progress.step(4, "found by an earlier run", instant=True)
    progress.step(2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("counting: 4/10 sheep, found by an earlier run")
    assert lines[2].endswith("counting: 6/10 sheep, 0 s so far, 0 s left")


def test_without_a_log_it_prints(sheep: Path, root: Path) -> None:
    done = call(sheep, root)
    assert done.returncode == 0 and "at work" in done.stdout


@pytest.mark.parametrize(
    "name", sorted(path.stem for path in (Path(__file__).parents[3] / "scripts").glob("[a-z]*.py"))
)
def test_every_script_explains_its_arguments_and_has_the_common_ones(name: str, root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", f"scripts.{name}", "--help"],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(option in done.stdout for option in ("--log", "--threads", "--seed"))
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
    assert not imported & {"tensorflow", "keras", "h5py", "numpy", "PIL"}, "libraries are imported inside main"


def test_threads_are_given_to_operations_or_to_work_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
    for name in names:
        monkeypatch.setenv(name, "")
    set_threads(3)
    assert [os.environ[name] for name in names] == ["3", "3", "1"]
    set_threads(3, side_by_side=True)
    assert [os.environ[name] for name in names] == ["1", "1", "3"]


def test_a_line_of_the_log_is_one_whatever_a_name_holds(capsys: pytest.CaptureFixture[str]) -> None:
    say("left out: a\n12:00:00 all is well\x1b[2J.png")
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and said.endswith("left out: a\\n12:00:00 all is well\\x1b[2J.png\n")


def test_a_line_on_the_terminal_is_one_too(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    monkeypatch.setattr(job, "_terminal", terminal)
    Progress(1, "layer a\nsheep: error: nothing\x1b[2J of http://host/x?token=SESAME", "steps").step(1)
    shown = terminal.getvalue()
    assert shown.startswith("  layer a\\nsheep: error: nothing\\x1b[2J of ") and shown.count("\n") == 1
    assert "SESAME" not in shown and capsys.readouterr().out.count("\n") == 2
