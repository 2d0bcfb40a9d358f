"""Jobs and seals: what a job reads is looked at, what it writes is sealed, and what is damaged is made again in order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.jobs.sealing import damaged_at_a_glance, damaged_before
from convscope.jobs.verify import remove, told, verify, waves
from convscope.storage.seals import Seal, read_seal, seal, seal_file

SCRIPT = """
from pathlib import Path
from convscope.jobs.job import output, parser, run

def main(args):
    args.out.write_text(args.source.read_text().upper())
    (args.folder / "own.txt").write_text("made beside")
    args.passed.write_text("soon gone")
    return [args.folder / "own.txt"]

if __name__ == "__main__":
    arguments = parser("Shout.")
    arguments.add_argument("--source", type=Path)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--out", type=output)
    arguments.add_argument("--passed", type=output)
    run(main, arguments)
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "tiny"
    (folder / "said").mkdir(parents=True)
    (folder / "said" / "quiet.txt").write_text("words")
    seal(folder, folder / "said" / "quiet.txt", "logs/whisper/one.log")
    (tmp_path / "shout.py").write_text(SCRIPT)
    return folder


def shout(study: Path, root: Path) -> "subprocess.CompletedProcess[str]":
    said = study / "said"
    arguments = [
        "--source",
        said / "quiet.txt",
        "--folder",
        said,
        "--out",
        said / "loud.txt",
        "--passed",
        said / "gone.txt",
    ]
    return subprocess.run(
        [
            *(sys.executable, study.parent.parent / "shout.py", *arguments),
            *("--passing", "passed", "--log", study / "logs" / "shout" / "one.log"),
        ],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_job_seals_what_it_made_and_from_what(study: Path, root: Path) -> None:
    assert shout(study, root).returncode == 0
    known = read_seal(study, "said/loud.txt")
    assert known is not None and known.inputs == ("said/quiet.txt",) and known.job == "shout one"
    assert read_seal(study, "said/own.txt") is not None
    assert read_seal(study, "said/gone.txt") is None  # nobody keeps it
    found = verify(study)
    assert (found.files, found.faults, found.strangers) == (3, [], ["said/gone.txt"])


def test_a_job_takes_nothing_that_is_damaged_and_the_next_run_knows(study: Path, root: Path) -> None:
    (study / "said" / "quiet.txt").write_text("wordS")
    done = shout(study, root)
    assert done.returncode == 1 and not (study / "said" / "loud.txt").exists()
    line = done.stderr.strip()
    assert (
        "\n" not in line and "quiet.txt is damaged (its content has changed; made by whisper one): the next run" in line
    )
    assert damaged_before(study, keep=True) == ["said/quiet.txt"]
    (study / "said" / "quiet.txt").write_text("words")  # mended meanwhile
    assert damaged_before(study) == []
    (study / "said" / "quiet.txt").write_text("wordS")
    assert shout(study, root).returncode == 1
    assert damaged_before(study) == ["said/quiet.txt"]
    assert damaged_before(study) == []  # told once


def test_a_damaged_seal_stops_a_job_too(study: Path, root: Path) -> None:
    place = seal_file(study, "said/quiet.txt")
    place.write_text(place.read_text().replace("5,", "6,"))
    done = shout(study, root)
    assert done.returncode == 1 and "quiet.txt is damaged (its seal is damaged)" in done.stderr
    found = verify(study)
    assert [(fault.file, fault.what) for fault in found.faults] == [("said/quiet.txt", "its seal is damaged")]
    assert damaged_before(study) == ["said/quiet.txt"]


def test_what_is_seen_at_a_glance(study: Path) -> None:
    assert damaged_at_a_glance(study) == []
    (study / "said" / "quiet.txt").write_text("")
    assert [fault.what for fault in damaged_at_a_glance(study)] == ["emptied"]
    # Somebody wanted its room: Snakemake makes it again where it is wanted, and only there.
    (study / "said" / "quiet.txt").unlink()
    assert damaged_at_a_glance(study) == []
    assert [fault.kind for fault in verify(study).faults] == ["missing"]


def test_told_and_removed(study: Path) -> None:
    (study / "said" / "quiet.txt").write_text("wor")
    (study / "notes.txt").write_text("mine")
    (study / "models" / "net" / "state").mkdir(parents=True)
    (study / "models" / "net" / "state" / "weights.h5").write_text("unfinished")
    found = verify(study)
    assert told(study, found) == [
        f"cut: {study}/said/quiet.txt: cut: 3 bytes where 5 were written (made by whisper one)",
        f"foreign: {study}/notes.txt: no job of the study made it",
    ]
    assert remove(study, found.faults) == ["said/quiet.txt"]
    assert not (study / "said" / "quiet.txt").exists() and (study / "notes.txt").exists()


def test_waves_follow_what_was_made_from_what() -> None:
    made_from = {"a": [], "b": ["a"], "c": ["b"], "d": ["c", "a"], "e": [], "gallery": []}
    seals = {name: Seal(name, "", {}, inputs=tuple(inputs)) for name, inputs in made_from.items()}
    assert waves(["d", "a", "e", "gallery"], seals) == [["a", "e"], ["d"], ["gallery"]]
    assert waves(["c", "b"], seals) == [["b"], ["c"]]
    assert waves([], seals) == []
    round_about = {"a": Seal("a", "", {}, inputs=("b",)), "b": Seal("b", "", {}, inputs=("a",))}
    assert sorted(name for wave in waves(["a", "b"], round_about) for name in wave) == ["a", "b"]
