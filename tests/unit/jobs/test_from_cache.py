"""By what a training is taken from the cache: change any of what its bits depend on, and it is another one."""

import argparse
import importlib.metadata
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convscope.jobs import code_digest, from_cache
from convscope.jobs.environment import SCRIPTS
from convscope.jobs.from_cache import Place, facts_of, place_of
from convscope.jobs.job import outputs_of_training, parser
from convscope.storage.seals import seal
from convscope.storage.shared import VARIABLE
from convscope.storage.tables import read_rows, write_table

WRITTEN = ("model", "spec", "history", "summary", "training", "epochs")
COLUMNS = ("split", "class", "label", "path", "sha256")


class Study:
    """A study with a dataset of four pictures and the arguments of its training."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder / "results" / name
        self.rows: list[dict[str, Any]] = [
            {
                "split": split,
                "class": kind,
                "label": label,
                "path": f"{self.folder}/{split}/{kind}/1.png",
                "sha256": f"{split}{label}",
            }
            for split in ("train", "validation")
            for label, kind in enumerate(("cat", "dog"))
        ]
        self.classes = ["cat", "dog"]
        self.settings = {"architecture": "mini_xception", "epochs": 2}
        self.options: dict[str, Any] = {}

    def arguments(self) -> argparse.Namespace:
        folder = self.folder / "datasets" / "pets"
        folder.mkdir(parents=True, exist_ok=True)
        write_table(folder / "images.csv", self.rows, COLUMNS)
        (folder / "classes.json").write_text(json.dumps({"classes": self.classes}))
        made = self.folder / "models" / "net"
        given = {
            "name": "net",
            "images": folder / "images.csv",
            "classes": folder / "classes.json",
            "settings": json.dumps(self.settings, sort_keys=True),
            **{name: made / name for name in WRITTEN},
            "state": made / "state",
            "log": self.folder / "logs" / "train_model" / "net.log",
            "threads": 2,
            "seed": 3,
            "backend": "tensorflow",
            "passing": [],
        }
        return argparse.Namespace(**{**given, **self.options})

    def facts(self) -> dict[str, Any]:
        return facts_of(self.arguments(), WRITTEN, "train_model")

    def place(self) -> Place:
        place = place_of(self.arguments(), WRITTEN, "train_model")
        assert place
        return place


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(SCRIPTS, str(root / "scripts"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cache").mkdir()
    return tmp_path / "cache"


@pytest.fixture
def study(tmp_path: Path) -> Study:
    return Study(tmp_path / "one", "mine")


def test_another_study_in_another_checkout_has_the_same(study: Study, tmp_path: Path) -> None:
    other = Study(tmp_path / "two", "yours")
    other.options = {"passing": ["summary", "epochs"], "state": tmp_path / "elsewhere"}
    assert other.facts() == study.facts()
    assert other.place().entry == study.place().entry


def change_row(study: Study, number: int, **values: Any) -> None:
    study.rows[number].update(values)


CHANGES: dict[str, Callable[[Study], object]] = {
    "a setting": lambda study: study.settings.update(epochs=3),
    "one more setting": lambda study: study.settings.update(width=0.5),
    "the seed": lambda study: study.options.update(seed=4),
    "the threads": lambda study: study.options.update(threads=1),
    "the name, which its files tell": lambda study: study.options.update(name="other"),
    "what a picture holds": lambda study: change_row(study, 0, sha256="another"),
    "what a picture to validate with holds": lambda study: change_row(study, 3, sha256="another"),
    "the class of a picture": lambda study: change_row(study, 0, **{"class": "dog", "label": 1}),
    "the split of a picture": lambda study: change_row(study, 0, split="validation"),
    "the order of the pictures": lambda study: study.rows.reverse(),
    "one picture more": lambda study: study.rows.append({**study.rows[0], "path": "2.png"}),
    "one picture less": lambda study: study.rows.pop(),
    "the order of the classes": lambda study: study.classes.reverse(),
    "an argument that is new": lambda study: study.options.update(precision="mixed"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_each_of_what_it_depends_on_makes_it_another(study: Study, what: str) -> None:
    before, entry = study.facts(), study.place().entry
    CHANGES[what](study)
    assert study.facts() != before
    assert study.place().entry != entry


def test_the_code_makes_it_another(study: Study, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = study.facts()
    for folder in ("scripts", "convscope"):
        shutil.copytree(root / folder, tmp_path / "edited" / folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv(SCRIPTS, str(tmp_path / "edited/scripts"))
    assert study.facts() == before
    for remembered in (code_digest._parsed, code_digest._imports, code_digest._file_digest):
        remembered.cache_clear()
    module = tmp_path / "edited/convscope/models/training.py"
    module.write_text(module.read_text() + "\nMORE = 1\n")
    assert study.facts()["code"] != before["code"]


@pytest.mark.parametrize("library", ["keras", "tensorflow", "numpy", "pillow"])
def test_the_version_of_a_library_makes_it_another(study: Study, library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = study.facts()
    version = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: "0.0" if name == library else version(name))
    code_digest._version_of.cache_clear()
    try:
        assert study.facts()["code"] != before["code"]
    finally:
        code_digest._version_of.cache_clear()


def test_the_machine_and_its_precision_make_it_another(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    before = study.facts()
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    assert study.facts() != before


@pytest.mark.parametrize("part", ["system", "python", "processor", "graphics", "loaded", "environment"])
def test_each_part_of_the_machine_counts(study: Study, part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = from_cache.machine_facts("tensorflow")
    monkeypatch.setattr(from_cache, "machine_facts", lambda backend: facts)
    entry = study.place().entry
    monkeypatch.setattr(from_cache, "machine_facts", lambda backend: {**facts, part: ["another"]})
    assert study.place().entry != entry


def test_the_build_of_a_library_makes_it_another(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = study.place().entry
    monkeypatch.setattr(from_cache, "builds", lambda libraries: dict.fromkeys(libraries, "another"))
    assert {"tensorflow", "numpy", "PIL", "h5py"} <= study.facts()["builds"].keys()
    assert study.place().entry != entry


def test_the_backend_makes_it_another(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(from_cache, "machine_facts", lambda backend: {})
    before = study.facts()
    study.options = {"backend": "jax"}
    after = study.facts()
    assert after["code"] != before["code"] and after["arguments"] != before["arguments"]


def test_which_picture_has_which_mask_counts(tmp_path: Path) -> None:
    def contents(folder: str, first: str, second: str) -> dict[str, str]:
        (tmp_path / folder).mkdir(exist_ok=True)
        images, masks = tmp_path / folder / "images.csv", tmp_path / folder / "masks.csv"
        write_table(images, [{"path": f"/{folder}/{name}.png"} for name in "ab"], ["path"])
        rows = [{"path": f"/{folder}/{name}.png", "mask": f"/{folder}/m/1.png"} for name in (first, second)]
        write_table(masks, rows, ["path", "mask"])
        return from_cache.contents_of({"images": images, "masks": masks})

    assert contents("one", "a", "b") == contents("two", "a", "b")
    assert contents("one", "a", "b") != contents("one", "b", "a")


def test_every_argument_of_a_training_is_an_output_or_counts(study: Study) -> None:
    """A new one that is no path counts by itself; a new path is read, and counts by its content."""
    arguments = parser("")
    outputs_of_training(arguments)
    assert set(arguments.outputs) == set(WRITTEN) and arguments.trains


def written(study: Study, begin: bool = True) -> Place:
    """The place of a training that is done, and sealed, but for keeping it."""
    place = study.place()
    if begin:
        assert not place.take(lambda line: None)
    for path in place.outputs.values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"this is {path.name}")
        timed = [path] if path.name == "history" else []
        seal(study.folder, path, "logs/train_model/net.log", timed=timed)
    return place


def test_it_is_kept_and_taken_and_the_log_says_so(study: Study, tmp_path: Path) -> None:
    said: list[str] = []
    place = written(study)
    place.keep(said.append)
    assert said == [f"kept in the cache: {place.entry}"]
    other = Study(tmp_path / "two", "yours")
    state = other.arguments().state
    state.mkdir(parents=True)
    (state / "training.npz").write_text("of a run that was killed")
    there = other.place()
    assert there.take(said.append)
    assert said[1].startswith(f"taken from the cache: {place.entry}, of 20")
    assert {name: path.read_text() for name, path in there.outputs.items()} == {
        name: f"this is {name}" for name in WRITTEN
    }
    assert not state.exists()


def test_a_damaged_entry_is_trained_anew_and_replaced(study: Study, tmp_path: Path) -> None:
    place = written(study)
    place.keep(lambda line: None)
    (place.entry / "model").write_text("this is wrong")
    said: list[str] = []
    other = Study(tmp_path / "two", "yours")
    again = written(other, begin=False)
    assert not again.take(said.append) and "damaged" in said[0]
    again.keep(said.append)
    assert study.place().take(said.append)


def test_what_was_begun_otherwise_is_not_kept(study: Study) -> None:
    study.options = {"threads": 1}
    first = study.place()
    assert not first.take(lambda line: None)
    state = study.arguments().state
    (state / "training.npz").write_text("an epoch with one thread")  # and killed
    study.options = {"threads": 2}
    for _ in range(2):  # killed again, it is mixed still
        said: list[str] = []
        place = written(study)
        assert place.mixed
    place.keep(said.append)
    assert "left out" in said[0] and not place.entry.exists()
    assert not (state / "begun.json").exists()


def test_what_was_begun_without_the_cache_is_not_kept(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not study.place().take(lambda line: None)
    state = study.arguments().state
    (state / "training.npz").write_text("an epoch")
    assert not study.place().mixed  # killed, and goes on as it began
    with monkeypatch.context() as without:
        without.delenv(VARIABLE)
        assert place_of(study.arguments(), WRITTEN, "train_model") is None
    place = study.place()
    assert not place.take(lambda line: None) and place.mixed


def test_started_by_hand_a_training_has_no_place(study: Study, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    study.options = {"log": None}
    assert place_of(study.arguments(), WRITTEN, "train_model") is None
    study.options = {}
    monkeypatch.delenv(SCRIPTS)
    assert place_of(study.arguments(), WRITTEN, "train_model") is None
    assert not list((tmp_path / "cache").iterdir())


def test_tables_are_read_as_they_were_written(study: Study) -> None:
    assert [row["sha256"] for row in read_rows(study.arguments().images)] == [row["sha256"] for row in study.rows]
