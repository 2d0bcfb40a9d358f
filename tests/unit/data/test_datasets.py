"""Datasets: splits, classes, bad pictures, masks, and the fingerprint of a folder."""

import argparse
import json
import os
import shutil
import time
from pathlib import Path

import pytest
from PIL import Image

from convscope.data.datasets import (
    BadRow,
    ImageRow,
    class_folders,
    fingerprint,
    natural_key,
    picture_files,
    scan_dataset,
)
from convscope.data.part_masks import MaskRow, list_masks
from convscope.data.places import check_dataset_folder, learned_masks
from convscope.errors import UserError
from convscope.pictures.kinds import NAMES
from convscope.storage.files import sha256_of
from convscope.storage.tables import read_rows, read_table, write_table
from scripts.masks_to_learn import main as list_learned


def draw(path: Path, level: int = 100, size: tuple[int, int] = (12, 10)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level % 256, level // 256, 0)).save(path)
    return path


def draw_mask(path: Path, size: tuple[int, int] = (12, 10), value: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    mask = Image.new("L", size)
    mask.paste(value, (0, 0, size[0] // 2, size[1]))
    mask.save(path)
    return path


@pytest.fixture
def folder(tmp_path):
    """Twelve pictures of each of two classes, named so that plain sorting is wrong."""
    for offset, name in enumerate(("cats", "dogs")):
        for number in range(1, 13):
            draw(tmp_path / "pets" / name / f"{name[:3]}.{number}.png", 20 * number + offset)
    return tmp_path / "pets"


def names(dataset, split, class_):
    return sorted(
        (Path(r.path).stem for r in dataset.images if (r.split, r.class_) == (split, class_)), key=natural_key
    )


def test_textbook_split_takes_the_first_the_next_and_the_next(folder):
    dataset = scan_dataset(folder, {"source": "path", "images_per_class": {"train": 5, "validation": 2, "test": 4}})
    assert dataset.classes == ["cats", "dogs"] and dataset.bad == []
    assert names(dataset, "train", "cats") == [f"cat.{n}" for n in (1, 2, 3, 4, 5)]
    assert names(dataset, "validation", "dogs") == ["dog.6", "dog.7"]
    assert names(dataset, "test", "cats") == [f"cat.{n}" for n in (8, 9, 10, 11)]
    assert len(dataset.images) == 22
    keys = [(row.split, row.class_, row.path) for row in dataset.images]
    assert keys == sorted(keys)


def test_too_few_pictures_name_class_wanted_and_found(folder):
    with pytest.raises(
        UserError, match=r"test wants 4 more of class 'cats' .* has 3 left \(12 pictures for 13 in all\)"
    ):
        scan_dataset(folder, {"images_per_class": {"train": 9, "test": 4}})


def test_bad_pictures_are_listed_and_do_not_count(folder):
    (folder / "cats/cat.2.png").write_bytes(b"")
    (folder / "cats/cat.7.png").write_text("words")
    settings = {"images_per_class": {"train": 5, "test": 2}}
    dataset = scan_dataset(folder, settings, threads=3)
    assert names(dataset, "train", "cats") == [f"cat.{n}" for n in (1, 3, 4, 5, 6)]
    assert names(dataset, "test", "cats") == ["cat.8", "cat.9"]
    assert dataset.bad == [
        BadRow("test", "cats", str(folder / "cats/cat.7.png"), f"not a picture ({NAMES})"),
        BadRow("train", "cats", str(folder / "cats/cat.2.png"), "empty file"),
    ]
    with pytest.raises(
        UserError, match=r"on_bad_image is 'fail' and 2 pictures are bad: .*cat\.7\.png' \(not a picture"
    ):
        scan_dataset(folder, {**settings, "on_bad_image": "fail"})


def test_rows_describe_the_picture_upright(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a").mkdir()
    Image.new("RGB", (30, 20)).save(tmp_path / "a/x.jpg", exif=exif)
    draw(tmp_path / "b/y.png", size=(9, 11))
    dataset = scan_dataset(tmp_path, {})
    assert [(row.split, row.class_, row.label, row.width, row.height) for row in dataset.images] == [
        ("all", "a", 0, 20, 30),
        ("all", "b", 1, 9, 11),
    ]
    assert all(len(row.sha256) == 16 for row in dataset.images)


def test_split_folders_by_name_and_by_sight(folder, tmp_path):
    root = tmp_path / "root"
    shutil.copytree(folder, root / "training")
    shutil.copytree(folder, root / "held_out")
    dataset = scan_dataset(root, {"splits": {"train": "training", "test": "held_out"}, "classes": ["dogs", "cats"]})
    assert dataset.classes == ["dogs", "cats"]
    assert dataset.counts() == {(s, c): 12 for s in ("train", "test") for c in ("cats", "dogs")}
    assert {row.label for row in dataset.images if row.class_ == "dogs"} == {0}
    assert dataset.shared_between_splits() == 24
    assert {row.split for row in scan_dataset(root, {}).images} == {"training", "held_out"}
    fewer = scan_dataset(root, {"splits": {"train": "training"}, "images_per_class": {"train": 3}})
    assert names(fewer, "train", "dogs") == ["dog.1", "dog.2", "dog.3"]
    with pytest.raises(UserError, match=r"train wants 13 of class 'cats' .* has 12 readable"):
        scan_dataset(root, {"splits": {"train": "training"}, "images_per_class": {"train": 13}})


def test_mistakes_name_the_nearest(folder, tmp_path):
    with pytest.raises(UserError, match=r"no folder 'dogz' .*did you mean 'dogs'"):
        scan_dataset(folder, {"classes": ["cats", "dogz"]})
    with pytest.raises(UserError, match=r"splits: train: no folder 'cat' .*did you mean 'cats'"):
        scan_dataset(folder, {"splits": {"train": "cat"}})
    with pytest.raises(UserError, match="no such folder"):
        scan_dataset(tmp_path / "none", {})
    with pytest.raises(UserError, match="no class folders"):
        scan_dataset(folder / "cats", {})
    (tmp_path / "void/a").mkdir(parents=True)
    with pytest.raises(UserError, match="no readable picture"):
        scan_dataset(tmp_path / "void", {})


def test_litter_is_passed_over_but_pictures_never(tmp_path):
    draw(tmp_path / "a/good.png")
    for name in ("Thumbs.db", ".DS_Store", ".hidden.png", "notes.txt", "labels.csv"):
        (tmp_path / "a" / name).write_text("x")
    draw(tmp_path / "__MACOSX/a/._good.png")
    for name in ("words.jpg", "phone.heic", "UPPER.JPG"):
        (tmp_path / "a" / name).write_text("x")
    draw(tmp_path / "a/tiny.png", size=(100, 7))
    (tmp_path / "a/lost.png").symlink_to(tmp_path / "nowhere.png")
    dataset = scan_dataset(tmp_path, {})
    assert dataset.classes == ["a"] and [Path(row.path).name for row in dataset.images] == ["good.png"]
    reasons = {Path(row.path).name: row.reason for row in dataset.bad}
    assert set(reasons) == {"words.jpg", "phone.heic", "UPPER.JPG", "tiny.png", "lost.png"}
    assert reasons["tiny.png"] == "too small: 100x7 pixels, the shortest side must have 8"
    assert reasons["lost.png"] == "no such file"


def test_odd_file_names_survive_the_table(tmp_path):
    odd = ['a "b", c.png', "line\nbreak.png", "Kätzchen 猫.png", " blank .png", os.fsdecode(b"raw\xff.png")]
    for level, name in enumerate(odd):
        draw(tmp_path / "pets" / "a class" / name, level)
    dataset = scan_dataset(tmp_path / "pets", {})
    write_table(tmp_path / "t.csv", dataset.images, ImageRow)
    rows = read_table(tmp_path / "t.csv", ImageRow)
    assert rows == dataset.images and {Path(row.path).name for row in rows} == set(odd)
    assert all(Path(row.path).is_file() for row in rows)


def test_an_archives_folder_is_found(folder, tmp_path):
    (tmp_path / "out/PetImages").mkdir(parents=True)
    shutil.copytree(folder, tmp_path / "out/PetImages/deep")
    for inside in ("PetImages/deep", "", None):
        settings = {"source": "archive", "folder": inside}
        assert scan_dataset(tmp_path / "out", settings).classes == ["cats", "dogs"]
    with pytest.raises(UserError, match=r"no folder 'PetImage' .*did you mean 'PetImages'"):
        scan_dataset(tmp_path / "out", {"source": "archive", "folder": "PetImage"})


def test_drawn_pets_have_masks(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for number in range(2):
                draw(tmp_path / split / name / f"{number}.png")
                draw_mask(tmp_path / "masks" / split / name / f"{number}.png")
    (tmp_path / "masks/test/dog/1.png").unlink()
    (tmp_path / "masks/parts.json").write_text(json.dumps(["background", "body"]))
    settings = {"source": "drawn_pets", "images_per_class": {"train": 2, "test": 2}}
    dataset = scan_dataset(tmp_path, settings)
    assert dataset.classes == ["cat", "dog"]
    assert dataset.counts() == {(s, c): 2 for s in ("train", "test") for c in ("cat", "dog")}
    rows, parts = list_masks(tmp_path, settings, dataset.images)
    assert parts == ["background", "body"]
    masks = {Path(row.path).relative_to(tmp_path).as_posix(): row for row in rows}
    assert masks["train/cat/0.png"].mask == str(tmp_path / "masks/train/cat/0.png")
    assert masks["train/cat/0.png"].sha256 == sha256_of(tmp_path / "masks/train/cat/0.png")[:16]
    assert "test/dog/1.png" not in masks and len(masks) == 7


def test_masks_may_lie_outside_the_pictures_folder(tmp_path):
    for number in range(2):
        draw(tmp_path / "photos" / "cat" / f"{number}.png")
        draw_mask(tmp_path / "trimaps" / "cat" / f"{number}.png")
    (tmp_path / "trimaps/parts.json").write_text(json.dumps({"parts": ["none", "animal"]}))
    images = scan_dataset(tmp_path / "photos", {"source": "path"}).images
    for masks in ("../trimaps", str(tmp_path / "trimaps")):
        rows, parts = list_masks(tmp_path / "photos", {"source": "path", "masks": masks}, images)
        assert len(rows) == 2 and parts == ["none", "animal"] and not any(row.reason for row in rows)


def test_masks_that_cannot_be_right_are_listed_with_the_reason(tmp_path):
    for number in range(6):
        draw(tmp_path / "pets/cat" / f"{number}.png", size=(40, 30))
    draw_mask(tmp_path / "pets/masks/cat/0.png", size=(80, 60), value=1)
    draw_mask(tmp_path / "pets/masks/cat/1.png", size=(30, 40), value=1)
    draw_mask(tmp_path / "pets/masks/cat/2.png", size=(40, 30), value=7)
    (tmp_path / "pets/masks/cat/3.png").write_text("no picture")
    draw(tmp_path / "pets/masks/cat/4.png", size=(40, 30))
    (tmp_path / "pets/masks/parts.json").write_text(json.dumps(["background", "body"]))
    settings = {"source": "path", "masks": "masks"}
    rows, _ = list_masks(tmp_path / "pets", settings, scan_dataset(tmp_path / "pets", settings).images)
    assert [Path(row.mask).name for row in rows] == [f"{number}.png" for number in range(5)]
    reasons = ("30x40 pixels, and its picture is 40x30", "number 7", "not a picture", "in colours")
    assert not rows[0].reason
    for row, reason in zip(rows[1:], reasons, strict=True):
        assert reason in row.reason


def test_a_table_of_masks_has_a_reason_for_each_though_none_is_bad(tmp_path):
    write_table(tmp_path / "masks.csv", [MaskRow("a.png", "m.png", "0" * 16, "")], MaskRow)
    assert read_rows(tmp_path / "masks.csv")[0]["reason"] == ""


def test_any_number_of_threads_gives_the_same_table(folder):
    (folder / "dogs/dog.3.png").write_text("x")
    assert scan_dataset(folder, {}, threads=1) == scan_dataset(folder, {}, threads=4)


def test_natural_order_and_listing(folder):
    assert sorted(["a10", "a9", "b1", "a", "10", "9"], key=natural_key) == ["9", "10", "a", "a9", "a10", "b1"]
    assert [path.stem for path in picture_files(folder / "cats")][:3] == ["cat.1", "cat.2", "cat.3"]
    assert class_folders(folder) == ["cats", "dogs"]


@pytest.fixture
def files(tmp_path):
    root = tmp_path / "files"
    for number in range(20):
        path = root / f"sub{number % 3}" / f"{number}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content %d" % number)
    return root


def test_a_touch_or_a_copy_changes_no_fingerprint(files, tmp_path):
    cache = tmp_path / "cache.json"
    before = fingerprint(files, cache)
    for path in files.rglob("*.bin"):
        os.utime(path, (1e9, 1e9))
    (files / ".DS_Store").write_text("x")
    assert fingerprint(files, cache) == before == fingerprint(files)
    shutil.copytree(files, tmp_path / "elsewhere")
    assert fingerprint(tmp_path / "elsewhere", threads=3) == before


def test_what_is_left_out_does_not_count(files, tmp_path):
    (files / "masks" / "cat").mkdir(parents=True)
    before = fingerprint(files, without=["masks/"])
    (files / "masks" / "cat" / "0.png").write_bytes(b"mask")
    assert fingerprint(files, without=["masks"]) == before != fingerprint(files)
    (files / "cat.masks").write_bytes(b"")
    assert fingerprint(files, without=["masks"]) != before


def test_every_change_of_content_or_name_changes_the_fingerprint(files, tmp_path):
    cache = tmp_path / "cache.json"
    seen = [fingerprint(files, cache)]

    def changed():
        seen.append(fingerprint(files, cache))
        assert seen[-1] == fingerprint(files), "the cache changes the answer"
        return len(set(seen)) == len(seen)

    path = files / "sub0/0.bin"
    path.write_bytes(b"content X")  # the same size
    assert changed()
    state = path.stat()
    path.write_bytes(b"content Y")
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))  # and the same time
    assert changed()
    (files / "sub0/new.bin").write_bytes(b"")
    assert changed()
    (files / "sub0/new.bin").rename(files / "sub0/renamed.bin")
    assert changed()
    (files / "sub0/renamed.bin").rename(files / "sub1/renamed.bin")
    assert changed()
    (files / "sub0/3.bin").unlink()
    assert changed()
    one, two = files / "sub0/6.bin", files / "sub0/9.bin"
    first, second = one.read_bytes(), two.read_bytes()
    one.write_bytes(second)
    two.write_bytes(first)
    assert changed(), "swapped contents"


def test_a_cache_saves_the_reading_and_may_be_damaged(files, tmp_path, monkeypatch):
    import convscope.storage.fingerprints as module

    cache = tmp_path / "deep/cache.json"
    long_ago = time.time_ns() + 5_000_000_000
    monkeypatch.setattr(module.time, "time_ns", lambda: long_ago)  # as if the files were older than the clock's tick
    before = fingerprint(files, cache)
    reads = []
    monkeypatch.setattr(module, "sha256_of", lambda path: reads.append(path) or "0" * 64)
    assert fingerprint(files, cache) == before and reads == []
    cache.write_text("{half")
    assert fingerprint(files, cache) != before and len(reads) == 20


def test_links_in_a_circle_end(files):
    (files / "sub0/back").symlink_to(files)
    assert len(fingerprint(files)) == 64
    with pytest.raises(UserError, match="no such folder"):
        fingerprint(files / "none")


def test_ten_thousand_files_are_known_at_once_the_second_time(tmp_path):
    root = tmp_path / "many"
    root.mkdir()
    for number in range(10_000):
        (root / f"{number}.bin").write_bytes(b"%d" % number)
    began = time.process_time()
    first = fingerprint(root, tmp_path / "cache.json", threads=2)
    read = time.process_time() - began
    time.sleep(0.15)
    fingerprint(root, tmp_path / "cache.json")
    started = time.process_time()
    assert fingerprint(root, tmp_path / "cache.json") == first
    assert time.process_time() - started < max(0.8, read / 2)  # a processor that others use takes longer for both


@pytest.mark.shared
def test_the_real_photos(tmp_path):
    shared = Path(os.environ.get("CONVSCOPE_SHARED", Path(__file__).parents[4] / "shared"))
    photos = shared / "data/cats_and_dogs"
    if not photos.is_dir():
        pytest.skip("needs the real photos beside the checkout")
    dataset = scan_dataset(photos, {"splits": {"validation": "validation"}}, threads=2)
    assert dataset.counts() == {("validation", "cats"): 250, ("validation", "dogs"): 250} and dataset.bad == []


def test_a_training_looks_at_the_masks_of_its_own_splits_alone(tmp_path):
    root = tmp_path / "pets"
    for split in ("train", "validation", "test"):
        draw(root / split / "cat" / "0.png")
        draw_mask(root / "masks" / split / "cat" / "0.png")
    (root / "parts.json").write_text(json.dumps(["background", "body"]))
    settings = {"source": "path", "masks": "masks"}
    splits = {"splits": {split: split for split in ("train", "validation", "test")}}
    write_table(tmp_path / "images.csv", scan_dataset(root, settings | splits).images, ImageRow)
    made = {name: tmp_path / f"{name}.table" for name in ("masks", "parts")}
    list_learned(argparse.Namespace(images=tmp_path / "images.csv", folder=root, settings=json.dumps(settings), **made))
    assert [Path(row["mask"]).parts[-3] for row in read_rows(made["masks"])] == ["train", "validation"]
    assert json.loads(made["parts"].read_text()) == {"parts": ["background", "body"]}
    # What is known of them before the pictures are read.
    names = [str(root / "masks" / "parts.json"), str(root / "parts.json")]
    places = [root / "masks" / split for split in ("train", "validation")]
    assert learned_masks({"path": str(root), **settings, **splits}) == (names, places)
    assert learned_masks({"path": str(root), **settings}) == (names, places), "folders of folders are splits"
    assert learned_masks({"path": str(root), **settings, "images_per_class": {"train": 1}}) is None
    rows = [
        {"path": f"{split}/cat/0.png", "split": split, "class": "cat", "mask": f"{split}.png"}
        for split in splits["splits"]
    ]
    write_table(root / "list.csv", rows, list(rows[0]))
    listed = {"source": "table", "path": str(root / "list.csv"), "folder": "."}
    found = learned_masks(listed)
    assert found == ([str(root / "parts.json")] * 2 + [str(root / "train.png"), str(root / "validation.png")], [])


@pytest.mark.parametrize("text", ["[" * 100_000, "{", "3", '{"names": []}', '"body"'])
def test_names_of_parts_that_are_none_are_told_in_a_line(text, tmp_path):
    """Of an archive nobody has looked at them before the job."""
    draw(tmp_path / "pets/cat/0.png")
    draw_mask(tmp_path / "pets/masks/cat/0.png")
    (tmp_path / "pets/masks/parts.json").write_text(text)
    settings = {"source": "path", "path": str(tmp_path / "pets"), "masks": "masks"}
    images = scan_dataset(tmp_path / "pets", settings).images
    with pytest.raises(UserError, match=r"parts.json' names no parts"):
        list_masks(tmp_path / "pets", settings, images)
    with pytest.raises(UserError, match=r"parts.json' names no parts"):
        check_dataset_folder("datasets.pets", settings)
