"""Jobs and seals: what a job reads is looked at, what it writes is sealed, and what is damaged is made again in order."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convscope.command.verify import verify_folder
from convscope.errors import UserError
from convscope.jobs.sealing import damaged_at_a_glance, damaged_before
from convscope.jobs.verify import candidates, planned_from, remove, told, unsealed, verify, waves
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


def shout(study: Path, root: Path, source: str = "quiet.txt") -> "subprocess.CompletedProcess[str]":
    said = study / "said"
    arguments = [
        "--source",
        said / source,
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


def test_the_pictures_of_ones_own_concepts_are_looked_at_too(study: Path, root: Path) -> None:
    (study / "said" / "quiet.txt").write_text("wordS")
    needed = ("model", "spec", "layers", "images", "settings", "out", "vectors", "found")
    done = subprocess.run(
        [
            *(sys.executable, root / "scripts" / "concept_vectors.py", "--own", study / "said" / "quiet.txt", "--named", "mine"),
            *(word for name in needed for word in (f"--{name}", study / name)),
            *("--log", study / "logs" / "concept_vectors" / "one.log"),
        ],
        env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    assert "quiet.txt is damaged (its content has changed; made by whisper one): the next run" in done.stderr


def test_a_damaged_seal_stops_a_job_too(study: Path, root: Path) -> None:
    place = seal_file(study, "said/quiet.txt")
    place.write_text(place.read_text().replace("5,", "6,"))
    done = shout(study, root)
    assert done.returncode == 1 and "quiet.txt is damaged (its seal is damaged)" in done.stderr
    found = verify(study)
    assert [(fault.file, fault.what) for fault in found.faults] == [("said/quiet.txt", "its seal is damaged")]
    assert damaged_before(study) == ["said/quiet.txt"]


NAMES = ["a\nresults: none damaged", "\x1b[2J", "\u202egnp.exe", "caf\udce9", "猫"]


def test_names_that_strangers_chose_are_told_in_one_line_each(study: Path, root: Path) -> None:
    for name in NAMES:
        (study / "said" / name).write_text("whole")
        seal(study, study / "said" / name, "logs/whisper/one.log")
        (study / "said" / name).write_text("wholE")
        (study / name).write_text("mine")
        said = shout(study, root, name).stderr
        assert said.count("\n") == 1 and said.startswith("shout: error: ") and "the next run makes it again" in said
        assert said[:-1].isprintable()
    lines = told(study, verify(study))
    assert len(lines) == 2 * len(NAMES) and all(line.isprintable() for line in lines)
    assert any(r"said/a\nresults: none damaged: its content" in line for line in lines) and "猫" in " ".join(lines)


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
        f"cut: {study}/said/quiet.txt: 3 bytes where 5 were written (made by whisper one)",
        f"foreign: {study}/notes.txt: no job of the study made it",
    ]
    remove(study, ["said/quiet.txt"])
    assert not (study / "said" / "quiet.txt").exists() and (study / "notes.txt").exists()


def test_a_table_that_a_run_is_planned_by_is_read(study: Path) -> None:
    for name in ("models/net/layers.csv", "image_sets/few.csv", "models/net/history.csv"):
        (study / name).parent.mkdir(parents=True, exist_ok=True)
        (study / name).write_text("name\nconv1\n")
        seal(study, study / name, "logs/a/b.log")
        (study / name).write_text("name\nconv2\n")
    assert [fault.file for fault in damaged_at_a_glance(study)] == ["image_sets/few.csv", "models/net/layers.csv"]


def test_of_a_link_the_link_is_taken_away(study: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear")
    (study / "said" / "quiet.txt").unlink()
    (study / "said" / "quiet.txt").symlink_to(tmp_path / "mine")
    assert {fault.output for fault in verify(study).faults} == {"said/quiet.txt"}
    remove(study, ["said/quiet.txt"])
    assert not (study / "said" / "quiet.txt").is_symlink() and (tmp_path / "mine" / "letter.txt").exists()


def test_a_picture_of_the_study_that_is_not_as_it_was_listed_is_made_again(study: Path, root: Path) -> None:
    pictures = study / "said" / "drawn"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"picture")
    seal(study, pictures, "logs/draw/pets.log")
    script = study.parent.parent / "shout.py"
    mistake = "raise ChangedFile('it is another', args.folder / 'drawn' / 'a.png')"
    script.write_text(
        SCRIPT.replace("    args.out.write", f"    {mistake}\n    args.out.write").replace(
            "from pathlib", "from convscope.errors import ChangedFile\nfrom pathlib", 1
        )
    )
    assert "error: it is another" in shout(study, root).stderr  # somebody else's
    (pictures / "a.png").write_bytes(b"Picture")
    said = shout(study, root).stderr.strip()
    assert "a.png is damaged (its content has changed; made by draw pets): the next run" in said and "\n" not in said
    assert damaged_before(study) == ["said/drawn"]


def test_a_picture_that_is_gone_is_told_by_its_name_and_made_again_where_it_is_the_studys(
    study: Path, root: Path
) -> None:
    pictures, mine = study / "said" / "drawn", study.parent.parent / "mine.png"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"picture")
    seal(study, pictures, "logs/draw/pets.log")
    (pictures / "a.png").unlink()
    script = study.parent.parent / "shout.py"
    for path in (mine, pictures / "a.png"):
        reads = f"    from convscope.pictures.read import read_image\n    read_image({str(path)!r}, sha256='0' * 16)\n"
        script.write_text(SCRIPT.replace("    args.out.write", f"{reads}    args.out.write", 1))
        said = shout(study, root).stderr.strip()
        assert str(path) in said and "\n" not in said and "unexpected" not in said
    assert "a.png is damaged (missing; made by draw pets): the next run makes it again" in said
    assert damaged_before(study) == ["said/drawn"]


def test_waves_follow_what_was_made_from_what() -> None:
    made_from = {"a": [], "b": ["a"], "c": ["b"], "d": ["c", "a"], "e": [], "gallery": []}
    seals = {name: Seal(name, "", {}, inputs=tuple(inputs)) for name, inputs in made_from.items()}
    assert waves(["d", "a", "e", "gallery"], seals) == [["a", "e"], ["d"], ["gallery"]]
    assert waves(["c", "b"], seals) == [["b"], ["c"]]
    assert waves([], seals) == []
    # Each made of all before it, by names in either order.
    for names in ([f"{number:02}" for number in range(20)], [f"{number:02}" for number in range(20, 0, -1)]):
        dense = {name: Seal(name, "", {}, inputs=tuple(names[:at])) for at, name in enumerate(names)}
        assert waves(names, dense) == [[name] for name in names]
    round_about = {"a": Seal("a", "", {}, inputs=("b",)), "b": Seal("b", "", {}, inputs=("a",))}
    assert sorted(name for wave in waves(["a", "b"], round_about) for name in wave) == ["a", "b"]


def test_what_has_lost_its_seal_is_a_fault_where_a_job_makes_it(study: Path) -> None:
    (study / "said" / "drawn" / "cats").mkdir(parents=True)
    for name in ("said/drawn/cats/1.png", "said/drawn/2.png", "said/loud.txt", "notes.txt"):
        (study / name).write_text("made")
    found = verify(study)
    assert candidates(found) == [
        "notes.txt", "said", "said/drawn", "said/drawn/2.png", "said/drawn/cats", "said/drawn/cats/1.png", "said/loud.txt",
    ]  # fmt: skip
    unsealed(found, {"said/drawn", "said/loud.txt"})
    assert [(fault.kind, fault.output) for fault in found.faults] == [
        ("unsealed", "said/drawn"),
        ("unsealed", "said/loud.txt"),
    ]
    assert found.strangers == ["notes.txt"]
    assert told(study, found)[0].startswith(f"unsealed: {study}/said/drawn: its seal is gone")


def test_results_are_looked_at_wherever_they_lie(study: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (study / "notes.txt").write_text("mine")
    assert verify_folder(study) == 0
    assert "foreign" in capsys.readouterr().out
    (study / "said" / "quiet.txt").write_text("wordS")
    (study / "said" / "new.txt").write_text("whose?")
    assert verify_folder(study) == 1 and damaged_before(study, keep=True) == []
    out = capsys.readouterr().out
    assert f"unsealed: {study}/said/new.txt" in out and f"changed: {study}/said/quiet.txt" in out
    assert verify_folder(study, repair=True) == 1
    assert "makes again: 1, " in (said := capsys.readouterr().err) and "left as they are: 1" in said
    assert damaged_before(study, keep=True) == ["said/quiet.txt"]
    with pytest.raises(UserError, match=r"results: no results .* did you mean .*tiny\?"):
        verify_folder(study.parent)
    (study / "seals").rename(study / "gallery")
    with pytest.raises(UserError, match="its results have no seals"):
        verify_folder(study)


def test_a_seal_says_which_files_tell_seconds(study: Path) -> None:
    for name in ("history.csv", "pages/a.html", "pages/times.html"):
        (study / name).parent.mkdir(exist_ok=True)
        (study / name).write_text("1.5 s")
    timed = [study / "history.csv", study / "pages" / "times.html"]
    assert seal(study, study / "history.csv", "logs/a.log", timed=timed).timed == ("",)
    assert seal(study, study / "pages", "logs/a.log", timed=timed).timed == ("times.html",)
    known = read_seal(study, "pages")
    assert known is not None and known.timed == ("times.html",)
    assert seal(study, study / "said" / "quiet.txt", "logs/a.log", timed=timed).timed == ()


def test_tables_that_a_run_is_planned_by_come_first_with_what_they_are_made_from() -> None:
    seals = {
        "models/net/layers.csv": Seal("models/net/layers.csv", "", {}, inputs=("models/net/model.keras",)),
        "models/net/model.keras": Seal("models/net/model.keras", "", {}, inputs=("datasets/a/images.csv",)),
        "cams/net/few.h5": Seal("cams/net/few.h5", "", {}, inputs=("models/net/layers.csv",)),
    }
    assert planned_from({"cams/net/few.h5", "models/net/model.keras"}, seals) == set()
    wanted = {"models/net/layers.csv", "datasets/a/images.csv"}
    assert planned_from({"cams/net/few.h5", *wanted}, seals) == wanted
