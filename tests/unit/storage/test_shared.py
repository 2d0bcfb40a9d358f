"""Entries of the cache that studies share: whole or not at all, of exactly what was asked for, and never believed unseen."""

import contextlib
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from convscope.errors import UserError
from convscope.storage import shared
from convscope.storage.shared import VARIABLE, cache_folder, keep, prepare_cache, take

FACTS = {"seed": 3, "inputs": {"images": "abc"}, "threads": 2, "settings": (1, 0.5)}


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, Path]:
    """What a job wrote."""
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / "model.keras").write_bytes(bytes(range(256)) * 40)
    (folder / "history.csv").write_text("epoch,loss\n1,0.5\n")
    return {"model": folder / "model.keras", "history": folder / "history.csv"}


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache" / "models" / "0123456789abcdef"


def elsewhere(outputs: dict[str, Path], name: str = "other") -> dict[str, Path]:
    """Where another study has the same."""
    return {key: path.parents[1] / name / path.name for key, path in outputs.items()}


def contents(outputs: dict[str, Path]) -> dict[str, bytes]:
    return {key: path.read_bytes() for key, path in outputs.items() if path.exists()}


def test_what_one_study_keeps_another_takes(entry: Path, outputs: dict[str, Path]) -> None:
    assert take(entry, FACTS, elsewhere(outputs)) is None
    assert keep(entry, FACTS, outputs, {"made": "today"})
    there = elsewhere(outputs)
    assert take(entry, FACTS, there) == {"made": "today"}
    assert contents(there) == contents(outputs)
    # Copies, no links: what happens to one happens to no other.
    assert len({path.stat().st_ino for path in [*there.values(), *outputs.values(), *entry.iterdir()]}) == 7
    assert not [path for path in entry.parent.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    "changed",
    [{"seed": 4}, {"inputs": {"images": "abd"}}, {"threads": 1}, {"settings": (1, 0.25)}, {"more": 1}, {"seed": "3"}],
)
def test_an_entry_of_something_else_is_never_taken(
    entry: Path, outputs: dict[str, Path], changed: dict[str, object]
) -> None:
    keep(entry, FACTS, outputs)
    said: list[str] = []
    there = elsewhere(outputs)
    assert take(entry, {**FACTS, **changed}, there, said.append) is None
    assert not contents(there)
    assert "made of something else" in said[0]


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "a bit": lambda entry: flipped(entry / "model.keras"),
    "a bit of the last file": lambda entry: flipped(entry / "history.csv"),
    "cut": lambda entry: os.truncate(entry / "model.keras", 100),
    "emptied": lambda entry: os.truncate(entry / "model.keras", 0),
    "a file is gone": lambda entry: (entry / "model.keras").unlink(),
    "a bit of what it says": lambda entry: flipped(entry / "entry.json"),
    "it says nothing": lambda entry: os.truncate(entry / "entry.json", 0),
    "it says something else": lambda entry: (entry / "entry.json").write_text("[]"),
    "it says too much": lambda entry: (entry / "entry.json").write_text("[" * 200_000),
    "another facts, without their seal": lambda entry: (entry / "entry.json").write_text(
        (entry / "entry.json").read_text().replace('"seed": 3', '"seed": 4')
    ),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_entry_is_not_believed_and_makes_room_for_a_whole_one(
    entry: Path, outputs: dict[str, Path], how: str
) -> None:
    keep(entry, FACTS, outputs)
    DAMAGES[how](entry)
    said: list[str] = []
    there = elsewhere(outputs)
    there["model"].parent.mkdir()
    there["model"].write_text("what was there before")
    facts = {**FACTS, "seed": 4} if "facts" in how else FACTS
    assert take(entry, facts, there, said.append) is None
    assert said and str(entry) in said[0]
    assert contents(there) == {"model": b"what was there before"}  # no output is touched, nor any left beside
    assert [path.name for path in there["model"].parent.iterdir()] == ["model.keras"]

    assert keep(entry, FACTS, outputs, say=said.append)
    assert take(entry, FACTS, there) == {}
    assert contents(there) == contents(outputs)
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]


def test_a_whole_entry_stays_whatever_comes_later(entry: Path, outputs: dict[str, Path]) -> None:
    keep(entry, FACTS, outputs, {"made": "first"})
    assert keep(entry, FACTS, outputs, {"made": "second"})
    assert take(entry, FACTS, elsewhere(outputs)) == {"made": "first"}


def _write_and_take(entry: Path, outputs: dict[str, Path], number: int, start: float) -> bool:
    time.sleep(max(start - time.time(), 0))
    whole = True
    for turn in range(20):
        if number % 3 == 0 and turn % 5 == 4:
            with contextlib.suppress(OSError):
                flipped(entry / "model.keras")
        keep(entry, FACTS, outputs, say=lambda line: None)
        there = elsewhere(outputs, f"reader {number}")
        if take(entry, FACTS, there, lambda line: None) is not None:
            whole = whole and contents(there) == contents(outputs)
    return whole


def test_many_may_write_damage_and_take_one_entry_at_once(entry: Path, outputs: dict[str, Path]) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        calls = [(entry, outputs, number, time.time() + 2) for number in range(4)]
        assert pool.starmap(_write_and_take, calls) == [True] * 4
    keep(entry, FACTS, outputs)
    assert take(entry, FACTS, elsewhere(outputs)) == {}
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]


def test_a_killed_writer_leaves_nothing_that_is_taken_and_the_next_one_clears_it(
    entry: Path, outputs: dict[str, Path], root: Path
) -> None:
    killed = (
        "import os, shutil; from pathlib import Path; from convscope.storage import shared\n"
        "shutil.copyfile = lambda *both: os.kill(os.getpid(), 9)\n"
        f"shared.keep(Path({str(entry)!r}), {{}}, {{'model': Path({str(outputs['model'])!r})}})\n"
    )
    done = subprocess.run([sys.executable, "-c", killed], env={**os.environ, "PYTHONPATH": str(root)}, check=False)
    assert done.returncode == -9
    assert [path.name.startswith(".") for path in entry.parent.iterdir()] == [True]
    assert take(entry, FACTS, elsewhere(outputs)) is None
    assert keep(entry, FACTS, outputs)
    assert [path.name for path in entry.parent.iterdir()] == [entry.name]


def test_a_cache_that_cannot_be_written_costs_a_line_and_no_result(
    entry: Path, outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry.parent.write_text("no folder")
    said: list[str] = []
    assert not keep(entry, FACTS, outputs, say=said.append)
    assert "left out of the cache" in said[0]
    assert take(entry, FACTS, elsewhere(outputs), said.append) is None

    def full(*both: object) -> None:
        raise OSError(28, "No space left on device")

    entry.parent.unlink()
    monkeypatch.setattr(shutil, "copyfile", full)
    assert not keep(entry, FACTS, outputs, say=said.append)
    assert said[-1].endswith("No space left on device") and not list(entry.parent.iterdir())


def test_a_cache_that_is_not_there_is_not_made_in_its_place(entry: Path, outputs: dict[str, Path]) -> None:
    """A node without the shared disk: what is kept on its own would be nobody's."""
    entry.parent.parent.rmdir()
    said: list[str] = []
    assert take(entry, FACTS, elsewhere(outputs), said.append) is None and not said
    assert not keep(entry, FACTS, outputs, say=said.append)
    assert said == [f"left out of the cache: {entry}: No such file or directory"] and not entry.parent.parent.exists()


def test_an_entry_that_may_not_be_looked_at_is_a_line(
    entry: Path, outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below a folder of somebody else's; there the question whether it is a folder is refused, too."""
    keep(entry, FACTS, outputs)
    stat, read = os.stat, Path.read_bytes

    def refusing(usual: Callable[..., object]) -> Callable[..., object]:
        def asked(path: object, *more: object, **options: object) -> object:
            if str(path).startswith(str(entry)):
                raise PermissionError(13, "Permission denied", str(path))
            return usual(path, *more, **options)

        return asked

    said: list[str] = []
    with monkeypatch.context() as elsewhere_owned:
        elsewhere_owned.setattr(os, "stat", refusing(stat))
        elsewhere_owned.setattr(Path, "stat", refusing(Path.stat))
        elsewhere_owned.setattr(Path, "read_bytes", refusing(read))
        assert take(entry, FACTS, elsewhere(outputs), said.append) is None
    assert said == [f"the cache's {entry} cannot be read: Permission denied"]


def test_a_full_disk_of_the_study_is_no_fault_of_the_cache(
    entry: Path, outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To train for hours and find then that the disk is full helps nobody."""
    keep(entry, FACTS, outputs)

    def full(*both: object) -> None:
        raise OSError(28, "No space left on device", "study/model.keras")

    monkeypatch.setattr(shutil, "copyfile", full)
    with pytest.raises(OSError, match="No space left"):
        take(entry, FACTS, elsewhere(outputs))


@pytest.mark.parametrize("named", ["$NOT_SET_HERE/cache", "~nobody_of_that_name/cache"])
def test_a_name_that_says_nothing_here_is_a_users_mistake(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(VARIABLE, named)
    with pytest.raises(UserError, match="is not known here"):
        prepare_cache(tmp_path / "results/downloads")
    assert not list(tmp_path.iterdir())


def test_variables_in_its_name_are_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for named in ("$HOME/my cache\n", "~/my cache"):
        monkeypatch.setenv(VARIABLE, named)
        prepare_cache(tmp_path / "results/downloads")
        assert os.environ[VARIABLE] == str(tmp_path / "my cache") and cache_folder() == tmp_path / "my cache"


def test_jobs_find_the_cache_of_the_run_whatever_signs_are_in_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "a$HOME"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv(VARIABLE, "mine")
    prepare_cache(folder / "results/downloads")
    assert cache_folder() == folder / "mine" == Path(os.environ[VARIABLE])


def test_downloads_of_somebody_else_are_left_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache may be written to, and what another user made in it not: a link there would stop each download."""
    cache = tmp_path / "cache"
    (cache / shared.DOWNLOADS).mkdir(parents=True)
    monkeypatch.setenv(VARIABLE, str(cache))
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) == cache)
    prepare_cache(tmp_path / "results/downloads")
    assert not (tmp_path / "results").exists()


def test_the_cache_is_named_by_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert cache_folder() is None
    prepare_cache(tmp_path / "results/downloads")
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv(VARIABLE, "  ")
    assert cache_folder() is None
    monkeypatch.setenv(VARIABLE, "mine")
    prepare_cache(tmp_path / "results/downloads")
    assert cache_folder() == tmp_path / "mine" == Path(os.environ[VARIABLE])
    assert (tmp_path / "results/downloads").resolve() == tmp_path / "mine" / shared.DOWNLOADS
    prepare_cache(tmp_path / "results/downloads")


def test_downloads_that_are_there_stay_where_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    (tmp_path / "results/downloads").mkdir(parents=True)
    prepare_cache(tmp_path / "results/downloads")
    assert not (tmp_path / "results/downloads").is_symlink()


def test_a_cache_that_was_removed_or_is_another_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    downloads = tmp_path / "results/downloads"
    for name in ("first", "first", "second"):
        monkeypatch.setenv(VARIABLE, str(tmp_path / name))
        prepare_cache(downloads)
        assert downloads.resolve() == tmp_path / name / shared.DOWNLOADS and downloads.is_dir()
        shutil.rmtree(tmp_path / name)


def test_a_cache_that_cannot_be_made_is_a_users_mistake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file" / "cache"))
    with pytest.raises(UserError, match="CONVSCOPE_CACHE names"):
        prepare_cache(tmp_path / "results/downloads")
