"""A study of downloaded photos, from a server on this machine: archive, photo by address, damaged members, changed bytes."""

import functools
import hashlib
import http.server
import io
import os
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image

from convscope.storage.tables import read_rows
from tests.workflow.conftest import Project

STUDY = """
study: photos
datasets:
  pets:
    source: archive
    url: {url}/pets.zip
    sha256: "{sha256}"
    folder: PetImages
    classes: [Cat, Dog]
    images_per_class: {{train: 3, test: 2}}
models: {{}}
image_sets:
  test: {{dataset: pets, split: test}}
  one: {{urls: ["{url}/elephant.png"]}}
"""
TARGETS = ["results/photos/image_sets/test.csv", "results/photos/image_sets/one.csv"]


def picture(seed: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 50, 3), np.uint8)
    Image.fromarray(pixels).save(stream, format="PNG")
    return stream.getvalue()


class Handler(http.server.SimpleHTTPRequestHandler):
    """Writes down what it was asked for; silent."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder with an archive and a photo, and the address it is served under."""
    folder = tmp_path / "served"
    folder.mkdir()
    with zipfile.ZipFile(folder / "pets.zip", "w") as archive:
        for label, name in enumerate(("Cat", "Dog")):
            for number in range(6):
                archive.writestr(f"PetImages/{name}/{number}.png", picture(10 * label + number))
            archive.writestr(f"PetImages/{name}/Thumbs.db", b"litter")
        archive.writestr("PetImages/Dog/2a.jpg", b"this is no picture")
        archive.writestr("../outside.png", picture(99))
    (folder / "elephant.png").write_bytes(picture(7))
    Handler.asked.clear()
    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def write_study(project: Project, folder: Path, url: str, sha256: str | None = None) -> None:
    digest = sha256 or hashlib.sha256((folder / "pets.zip").read_bytes()).hexdigest()
    (project.folder / "photos.yaml").write_text(STUDY.format(url=url, sha256=digest))


def test_downloaded_archive_becomes_image_sets(fresh: Project, served: tuple[Path, str]) -> None:
    folder, url = served
    write_study(fresh, folder, url)
    fresh.run(*TARGETS, config="photos.yaml")
    study = fresh.folder / "results" / "photos"
    images = read_rows(study / "datasets/pets/images.csv")
    counts = [
        sum(row["split"] == split and row["class"] == name for row in images)
        for split in ("train", "test")
        for name in ("Cat", "Dog")
    ]
    assert counts == [3, 3, 2, 2]
    assert [Path(row["path"]).name for row in read_rows(study / "datasets/pets/bad.csv")] == ["2a.jpg"]
    skipped = (study / "datasets/pets/skipped_members.csv").read_text()
    assert "outside.png" in skipped and not list(fresh.folder.rglob("outside.png"))
    assert len(read_rows(study / "image_sets/one.csv")) == 1 and len(read_rows(study / "image_sets/test.csv")) == 4
    assert not fresh.would_run(*TARGETS, config="photos.yaml")


OXFORD = """
study: oxford
datasets:
  pets:
    source: archive
    url: {url}/images.tar.gz
    masks_url: {url}/annotations.tar.gz
    pictures: images
    masks: annotations/trimaps
    class_from: name
    parts: [none, animal, background, border]
    images_per_class: {{train: 2, validation: 1}}
models:
  net: {{source: train, architecture: encoder_decoder, dataset: pets, image_size: 32}}
"""


def test_pictures_and_trimaps_in_two_archives(fresh: Project, served: tuple[Path, str]) -> None:
    folder, url = served
    for name in ("images", "annotations"):
        with tarfile.open(folder / f"{name}.tar.gz", "w:gz") as archive:
            for number, pet in enumerate(("Abyssinian", "beagle")):
                for place in (1, 2, 3):
                    content, path = picture(10 * number + place), f"images/{pet}_{place}.png"
                    if name == "annotations":
                        trimap, path = io.BytesIO(), f"annotations/trimaps/{pet}_{place}.png"
                        Image.fromarray(np.full((40, 50), place, np.uint8)).save(trimap, format="PNG")
                        content = trimap.getvalue()
                    member = tarfile.TarInfo(path)
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    (fresh.folder / "oxford.yaml").write_text(OXFORD.format(url=url))
    table = "results/oxford/datasets/pets/masks.csv"
    fresh.run(table, config="oxford.yaml")
    images = {row["path"]: row for row in read_rows(fresh.folder / "results/oxford/datasets/pets/images.csv")}
    assert sorted({row["class"] for row in images.values()}) == ["Abyssinian", "beagle"] and len(images) == 6
    masks = read_rows(fresh.folder / table)
    assert len(masks) == 6 and not any(row["reason"] for row in masks)
    assert all(Path(row["mask"]).stem == Path(row["path"]).stem and row["path"] in images for row in masks)
    assert not fresh.would_run(table, config="oxford.yaml")


def test_wrong_checksum_ends_in_one_line(fresh: Project, served: tuple[Path, str]) -> None:
    folder, url = served
    write_study(fresh, folder, url, "0" * 64)
    done = fresh.snakemake(TARGETS[0], config="photos.yaml")
    said = [line for line in done.stderr.splitlines() if line.startswith("download: error:")]
    assert done.returncode == 1 and len(said) == 1 and "pets.zip" in said[0] and "Traceback" not in done.stderr
    assert not list((fresh.folder / "results").rglob("images.csv"))


@pytest.mark.long
def test_two_studies_started_at_once_share_a_download_one_with_a_checksum_and_one_without(
    fresh: Project, served: tuple[Path, str]
) -> None:
    folder, url = served
    write_study(fresh, folder, url)
    text = (fresh.folder / "photos.yaml").read_text()
    plain = [line for line in text.replace("study: photos", "study: plain").splitlines() if "sha256" not in line]
    (fresh.folder / "plain.yaml").write_text("\n".join(plain))
    tables = {study: f"results/{study}/datasets/pets/images.csv" for study in ("photos", "plain")}
    running = [
        subprocess.Popen(
            fresh.command(table, config=f"{study}.yaml"),
            cwd=fresh.folder,
            env=fresh.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for study, table in tables.items()
    ]
    printed = [process.communicate()[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], printed
    assert Handler.asked == ["/pets.zip"]
    assert [len(read_rows(fresh.folder / table)) for table in tables.values()] == [10, 10]
    # The study with the checksum has it checked, though the other one downloaded the file without.
    write_study(fresh, folder, url, "0" * 64)
    done = fresh.snakemake(tables["photos"], config="photos.yaml")
    assert done.returncode == 1 and f"and should be {'0' * 64}" in done.stderr
    assert not fresh.would_run(tables["plain"], config="plain.yaml")


@pytest.mark.long
def test_a_replaced_archive_of_this_computer_is_looked_at_again(fresh: Project, served: tuple[Path, str]) -> None:
    folder, _ = served
    archive = folder / "pets.zip"
    study = [line for line in STUDY.splitlines() if "sha256" not in line and "one:" not in line]
    (fresh.folder / "photos.yaml").write_text("\n".join(study).format(url=folder.as_uri()))
    fresh.run(TARGETS[0], config="photos.yaml")
    with zipfile.ZipFile(archive, "w") as changed:
        for name in ("Cat", "Dog"):
            for number in range(5):
                changed.writestr(f"PetImages/{name}/new{number}.png", picture(number))
    fresh.run(TARGETS[0], config="photos.yaml")
    assert all(Path(row["path"]).name.startswith("new") for row in read_rows(fresh.folder / TARGETS[0]))
    os.utime(archive)
    assert not fresh.would_run(TARGETS[0], config="photos.yaml")


def test_a_web_page_in_place_of_the_archive_is_said_and_not_kept(fresh: Project, served: tuple[Path, str]) -> None:
    folder, url = served
    write_study(fresh, folder, url)
    study = (fresh.folder / "photos.yaml").read_text().splitlines()
    (fresh.folder / "photos.yaml").write_text("\n".join(line for line in study if "sha256" not in line))
    (folder / "pets.zip").write_text("<!DOCTYPE html><title>Log in</title>")
    done = fresh.snakemake(TARGETS[0], config="photos.yaml")
    (said,) = [line for line in done.stderr.splitlines() if line.startswith("download: error:")]
    assert "is a web page, not an archive" in said
    assert not list((fresh.folder / "results").rglob("*pets.zip"))


def test_secrets_stay_in_the_config_and_a_wrong_download_does_not_stick(
    fresh: Project, served: tuple[Path, str]
) -> None:
    folder, url = served
    secret = url.replace("//", "//joe:SESAME@") + "/pets.zip?token=SESAME"
    study = f'{{study: photos, datasets: {{pets: {{source: archive, url: "{secret}"}}}}, models: {{}}}}'
    (fresh.folder / "photos.yaml").write_text(study)
    right = (folder / "pets.zip").read_bytes()
    (folder / "pets.zip").write_text("<html>please log in</html>")
    target = "results/photos/datasets/pets/extracted.sha256"
    done = fresh.snakemake(target, config="photos.yaml")
    told = done.stdout + done.stderr
    assert (
        done.returncode == 1 and f"cannot download {url}/pets.zip?...: what the address leads to is a web page" in told
    )
    (folder / "pets.zip").write_bytes(right)
    told += fresh.run(target, config="photos.yaml")
    kept = [path for name in ("results", ".snakemake") for path in (fresh.folder / name).rglob("*") if path.is_file()]
    assert kept and not [path for path in kept if b"SESAME" in path.read_bytes()]
    assert "SESAME" not in told
    assert not fresh.would_run(target, config="photos.yaml")
