"""`CONVSCOPE_CACHE`: what another study has trained or downloaded is taken, if it is exactly that, and is sealed like one's own."""

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.workflow import test_archive
from tests.workflow.conftest import Project, copy_sources

pytestmark = pytest.mark.slow

served = test_archive.served
MODEL = "{architecture: mini_xception, source: train, dataset: pets, image_size: 32, width: 0.2, epochs: 1, batch_size: 4, threads: 1}"
STUDY = f"""
study: NAME
seed: 3
datasets:
  pets: {{source: drawn_pets, image_size: 64, images_per_class: {{train: 3, validation: 2}}}}
models:
  net: {MODEL}
"""
TAKEN, KEPT = "taken from the cache", "kept in the cache"


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def train(project: Project, text: str, name: str, models: tuple[str, ...] = ("net",)) -> dict[str, str]:
    """Train the models of a study; the last lines of their logs."""
    (project.folder / f"{name}.yaml").write_text(text.replace("NAME", name))
    project.run(*(f"results/{name}/models/{model}/model.keras" for model in models), config=f"{name}.yaml")
    logs = project.folder / "results" / name / "logs"
    return {model: next(logs.glob(f"*/{model}.log")).read_text() for model in models}


def files(project: Project, name: str, model: str = "net") -> dict[str, bytes]:
    folder = project.folder / "results" / name / "models" / model
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def verify(project: Project, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = project.command()
    return subprocess.run(
        [command[0], "-m", "convscope", "verify", *arguments],
        cwd=project.folder, env=project.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def other(sources: Project, tmp_path: Path) -> Project:
    """A second checkout."""
    return copy_sources(sources.folder, tmp_path / "second")


def test_another_study_in_another_checkout_takes_the_model(fresh: Project, other: Project, cache: Path) -> None:
    assert KEPT in train(fresh, STUDY, "first")["net"]
    log = train(other, STUDY, "second")["net"]
    assert TAKEN in log and "epochs" not in log
    assert files(other, "second") == files(fresh, "first")  # the seconds of its training, too
    # Copies: nothing is a link, and what becomes of the cache is no matter.
    assert not [path for path in (other.folder / "results/second").rglob("*") if path.is_symlink()]
    assert other.would_run("results/second/models/net/model.keras", config="second.yaml") == Counter()
    assert verify(other, "results/second").returncode == 0


@pytest.mark.long
def test_a_damaged_entry_is_trained_anew_and_whole_again(fresh: Project, cache: Path) -> None:
    train(fresh, STUDY, "first")
    (entry,) = (cache / "models").iterdir()
    content = bytearray((entry / "model.keras").read_bytes())
    content[len(content) // 2] ^= 255
    (entry / "model.keras").write_bytes(content)
    log = train(fresh, STUDY, "second")["net"]
    assert "is damaged" in log and TAKEN not in log and KEPT in log
    again, first = files(fresh, "second"), files(fresh, "first")
    assert {name for name in first if again[name] != first[name]} <= {"history.csv"}
    assert (entry / "model.keras").read_bytes() == first["model.keras"]
    assert TAKEN in train(fresh, STUDY, "third")["net"]


def test_what_is_downloaded_is_shared(fresh: Project, other: Project, served: tuple[Path, str], cache: Path) -> None:
    folder, url = served
    for project in (fresh, other):
        test_archive.write_study(project, folder, url)
        project.run(*test_archive.TARGETS, config="photos.yaml")
    assert sorted(test_archive.Handler.asked) == ["/elephant.png", "/pets.zip"]  # once each
    assert (other.folder / "results/downloads").resolve() == cache / "downloads"
    assert verify(other, "results/photos").returncode == 0


def test_a_cache_that_cannot_be_is_one_line(fresh: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE", str(fresh.folder / "README.md"))
    done = fresh.snakemake("index")
    assert done.returncode and "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("run:")] == [
        f"run: CONVSCOPE_CACHE names '{fresh.folder / 'README.md'}', which is no folder and cannot be made one: File exists"
    ]


PATH_STUDY = STUDY.replace(
    "{source: drawn_pets, image_size: 64, images_per_class: {train: 3, validation: 2}}", "{source: path, path: photos}"
)


def write_photos(project: Project, seed: int = 0) -> None:
    for split in ("train", "validation"):
        for kind in ("cat", "dog"):
            place = project.folder / "photos" / split / kind
            place.mkdir(parents=True, exist_ok=True)
            for number in range(2):
                seed += 1
                pixels = np.random.default_rng(seed).integers(0, 256, (32, 32, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{number}.png")


def in_config(old: str, new: str) -> Callable[[Project, str, pytest.MonkeyPatch], str]:
    def change(project: Project, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
        assert text.count(old) == 1
        return text.replace(old, new)

    return change


def one_picture(project: Project, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    Image.new("RGB", (32, 32), "red").save(project.folder / "photos/train/cat/1.png")
    return text


def code(project: Project, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    project.edit("convscope/models/training.py", "_CHUNK = 256", "_CHUNK = 255")
    return text


def precision(project: Project, text: str, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    return text


@pytest.mark.long
def test_whatever_a_training_depends_on_has_it_trained(
    fresh: Project, sources: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(fresh)
    assert KEPT in train(fresh, PATH_STUDY, "first")["net"]
    changes: dict[str, Callable[[Project, str, pytest.MonkeyPatch], str]] = {
        "nothing": lambda project, text, monkeypatch: text,
        "seed": in_config("seed: 3", "seed: 4"),
        "epochs": in_config("epochs: 1", "epochs: 2"),
        "threads": in_config("threads: 1", "threads: 2"),
        "name": in_config("  net:", "  net2:"),
        "class order": in_config("path: photos}", "path: photos, classes: [dog, cat]}"),
        "a picture": one_picture,
        "code": code,
        "precision": precision,
    }
    taken = {}
    for number, (what, change) in enumerate(changes.items()):
        project = copy_sources(sources.folder, tmp_path / f"checkout{number}")
        write_photos(project)
        with monkeypatch.context() as changed:
            text = change(project, PATH_STUDY, changed)
            (log,) = train(project, text, f"study{number}", ("net2" if what == "name" else "net",)).values()
        taken[what] = TAKEN in log
    assert taken == {what: what == "nothing" for what in changes}


@pytest.mark.long
def test_every_kind_of_training_is_taken(fresh: Project, other: Project) -> None:
    text = STUDY + (
        "  moved: {source: transfer, base: net, dataset: pets, epochs: 1, batch_size: 4, threads: 1}\n"
        "  pixels: {source: train, architecture: encoder_decoder, dataset: pets, image_size: 48, width: 0.1, "
        "epochs: 1, batch_size: 4, threads: 1}\n"
    )
    models = ("net", "moved", "pixels")
    assert all(KEPT in log for log in train(fresh, text, "first", models).values())
    assert all(TAKEN in log for log in train(other, text, "second", models).values())
    for model in models:
        assert files(other, "second", model) == files(fresh, "first", model)
    assert verify(other, "results/second").returncode == 0

    # Another base, by name and settings the same: its content decides.
    log = train(other, text.replace("seed: 3", "seed: 5"), "third", ("net", "moved"))
    assert all(TAKEN not in each for each in log.values())


@pytest.mark.long
def test_a_repair_takes_it_and_two_runs_at_once_keep_it_whole(fresh: Project, other: Project, cache: Path) -> None:
    for project in (fresh, other):
        (project.folder / "study.yaml").write_text(STUDY.replace("NAME", "study"))
    runs = [
        subprocess.Popen(
            project.command("results/study/models/net/model.keras", config="study.yaml"),
            cwd=project.folder, env=project.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for project in (fresh, other)
    ]  # fmt: skip
    assert [run.wait(timeout=600) for run in runs] == [0, 0]
    (entry,) = (cache / "models").iterdir()
    assert not entry.name.startswith(".")
    place = fresh.folder / "results/study/models/net/model.keras"
    before = place.read_bytes()
    place.write_bytes(before[:100])
    done = verify(fresh, "study.yaml", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    assert TAKEN in (fresh.folder / "results/study/logs/train_model/net.log").read_text()
    assert place.read_bytes() == before


@pytest.mark.long
@pytest.mark.parametrize("threads", [1, 2])
def test_a_training_that_was_killed_is_kept_if_it_goes_on_as_it_began(
    fresh: Project, cache: Path, threads: int
) -> None:
    fresh.python = None  # a server's process would outlive what is killed here
    text = STUDY.replace("NAME", "study").replace("epochs: 1", "epochs: 40")
    (fresh.folder / "study.yaml").write_text(text)
    command = fresh.command("results/study/models/net/model.keras", config="study.yaml")
    state = fresh.folder / "results/study/models/net/state/training.npz"
    with subprocess.Popen(
        command, cwd=fresh.folder, env=fresh.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as run:
        while not state.exists() and run.poll() is None:
            time.sleep(0.05)
        run.kill()  # its jobs end with it
    time.sleep(4)
    (fresh.folder / "study.yaml").write_text(text.replace("threads: 1", f"threads: {threads}"))
    fresh.run("results/study/models/net/model.keras", config="study.yaml")
    log = (fresh.folder / "results/study/logs/train_model/net.log").read_text()
    assert "resumed" in log
    assert [KEPT in log, (cache / "models").exists()] == [threads == 1] * 2
    assert not (state.parent / "begun.json").exists()


@pytest.mark.long
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_training_that_ends_while_it_is_kept_goes_on_from_its_end(
    fresh: Project, cache: Path, how: signal.Signals
) -> None:
    """A cache on a slow disk: Snakemake removes the model of an interrupted job, and hours of training must not go with it."""
    fresh.python = None  # a server's process would outlive what is killed here
    # A signal that comes just before a long sleep is heard after it.
    quick = "        made.mkdir()\n"
    slow = f"{quick}        for _ in range(6000):\n            time.sleep(0.05)\n"
    fresh.edit("convscope/storage/shared.py", quick, slow)
    target = "results/study/models/net/model.keras"
    (fresh.folder / "study.yaml").write_text(STUDY.replace("NAME", "study").replace("epochs: 1", "epochs: 2"))
    with subprocess.Popen(
        fresh.command(target, config="study.yaml"), start_new_session=True,
        cwd=fresh.folder, env=fresh.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as run:  # fmt: skip
        while not list((cache / "models").glob(".*.part")) and run.poll() is None:
            time.sleep(0.05)
        assert run.poll() is None and (fresh.folder / target).exists()
        os.killpg(run.pid, how)  # as a terminal does by Ctrl-C
    time.sleep(4)
    fresh.edit("convscope/storage/shared.py", slow, quick)
    fresh.run(target, config="study.yaml")
    log = (fresh.folder / "results/study/logs/train_model/net.log").read_text()
    assert "left, resumed" in log and KEPT in log
    assert not list((fresh.folder / "results/study/models/net/state").glob("*"))
    assert not list((cache / "models").glob(".*"))
