"""Folders as people have them: links, two spellings of one name, wrong suffixes; nothing is left out without being named."""

import json
import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convscope.check import check_study, classes_of
from convscope.config import complete
from convscope.data.class_order import class_indices
from convscope.data.datasets import scan_dataset
from convscope.data.folders import SkippedRow, class_folders, folders_called, natural_key, picture_files
from convscope.data.image_sets import image_ids, select_images
from convscope.data.places import listed_files
from convscope.data.sampling import shuffle_key
from convscope.errors import UserError
from convscope.pictures.read import read_image
from convscope.storage.fingerprints import fingerprint, fingerprint_of_files

NFC, NFD = unicodedata.normalize("NFC", "Kätzchen"), unicodedata.normalize("NFD", "Kätzchen")


def draw(path: Path, level: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (level, 0, 0)).save(path, "PNG")
    return path


def said(**parts: Any) -> str:
    """What the check says of a study of these parts; "" where all is well."""
    try:
        check_study(complete({"study": "s", "models": {}, **parts}))
    except UserError as error:
        return str(error)
    return ""


def test_content_counts_where_a_name_says_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "cat/no_suffix")
    draw(tmp_path / "cat/wrong.txt", 20)
    (tmp_path / "cat/notes.txt").write_text("not a picture")
    (tmp_path / "cat/sums").write_bytes(b"")
    draw(tmp_path / "dog/photo.data")
    part = {"source": "path", "path": str(tmp_path)}
    assert said(datasets={"d": part}) == "", "a class whose pictures have no suffix has pictures"
    dataset = scan_dataset(tmp_path, {"source": "path"})
    assert [Path(row.path).name for row in dataset.images] == ["no_suffix", "wrong.txt", "photo.data"]
    assert dataset.bad == []
    assert {Path(row.path).name: row.reason for row in dataset.skipped} == {
        "notes.txt": "not a picture, by its name and by its content",
        "sums": "not a picture, by its name and by its content",
    }


def test_what_lies_beside_the_classes_is_named_but_for_what_is_hidden(tmp_path: Path) -> None:
    draw(tmp_path / "cat/0.png")
    draw(tmp_path / "dog/0.png")
    draw(tmp_path / "other/0.png")
    draw(tmp_path / "loose.png")
    draw(tmp_path / "masks/cat/0.png")
    (tmp_path / "README").write_text("x")
    (tmp_path / "parts.json").write_text("[]")
    (tmp_path / ".git").mkdir()
    (tmp_path / "cat/Thumbs.db").touch()
    settings = {"source": "path", "classes": ["cat", "dog"], "masks": "masks"}
    dataset = scan_dataset(tmp_path, {**settings, "images_per_class": {"a": 1}})
    skipped, hidden = dataset.skipped, dataset.hidden
    assert [Path(row.path).name for row in hidden] == [".git", "Thumbs.db"], "no result depends on them: for the log"
    assert {Path(row.path).name: row.reason for row in skipped} == {
        "README": "a file beside the class folders",
        "loose.png": "a picture beside the class folders",
        "other": "a folder beside the class folders",
    }


def test_linked_folders_and_files_are_followed_each_once(tmp_path: Path) -> None:
    far = tmp_path / "far"
    draw(far / "more/1.png", 10)
    draw(far / "single.png", 20)
    root = tmp_path / "photos"
    draw(root / "cat/0.png", 30)
    (root / "cat/far").symlink_to(far / "more")
    (root / "cat/linked.png").symlink_to(far / "single.png")
    (root / "cat/again").symlink_to(far / "more")
    (root / "cat/up").symlink_to(root)
    (root / "dog").symlink_to(far / "more")
    (root / "cat/nowhere").symlink_to(tmp_path / "nothing")
    os.mkfifo(root / "cat/pipe.png")
    skipped: list[SkippedRow] = []
    found = [path.relative_to(root).as_posix() for path in picture_files(root / "cat", skipped)]
    assert found == ["cat/0.png", "cat/again/1.png", "cat/linked.png"]
    reasons = {Path(row.path).relative_to(root).as_posix(): row.reason for row in skipped}
    assert reasons.pop("cat/far") == reasons.pop("cat/up/cat") == "a link to a folder that was looked into before"
    assert reasons.pop("cat/nowhere") == "a link that leads nowhere"
    assert reasons.pop("cat/pipe.png") == "neither a file nor a folder"


def test_a_pipe_or_a_device_is_never_waited_for(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        draw(tmp_path / "photos" / name / "0.png", 1)
    for name in ("pipe", "cat/pipe", "cat/-pipe.png"):
        os.mkfifo(tmp_path / "photos" / name)
    (tmp_path / "photos/dog/zero.png").symlink_to("/dev/zero")
    assert said(datasets={"d": {"source": "path", "path": str(tmp_path / "photos")}}) == ""
    dataset = scan_dataset(tmp_path / "photos", {"source": "path"})
    assert len(dataset.images) == 2 and len(dataset.skipped) == 4
    listed = tmp_path / "photos/list.csv"
    listed.write_text("path,class\ncat/0.png,cat\ncat/pipe,cat\n/dev/zero,dog\n")
    part = {"source": "table", "path": str(listed)}
    assert said(datasets={"d": part}) == ""
    assert len(fingerprint_of_files(listed_files(part))) == 64
    assert [row.reason for row in scan_dataset(listed, part).bad] == ["neither a file nor a folder"] * 2


def test_a_link_to_itself_is_a_picture_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "cats" / "a.png")
    for name in ("b.png", "notes"):
        (tmp_path / "cats" / name).symlink_to(name)
    (tmp_path / "around").symlink_to("around")
    skipped: list[SkippedRow] = []
    assert [path.name for path in picture_files(tmp_path, skipped)] == ["a.png", "b.png"]
    nowhere = [Path(row.path).name for row in skipped if row.reason == "a link that leads nowhere"]
    assert sorted(nowhere) == ["around", "notes"]
    assert len(fingerprint(tmp_path)) == 64


def test_links_between_all_folders_end_soon(tmp_path: Path) -> None:
    for one in range(12):
        draw(tmp_path / f"{one:02}/{one}.png")
        for other in range(12):
            (tmp_path / f"{one:02}" / f"to{other}").symlink_to(tmp_path / f"{other:02}")
    assert len(picture_files(tmp_path / "00")) == 12


def test_a_change_behind_a_link_is_a_change(tmp_path: Path) -> None:
    draw(tmp_path / "far/1.png", 1)
    (tmp_path / "photos/cat").mkdir(parents=True)
    (tmp_path / "photos/cat/far").symlink_to(tmp_path / "far")
    seen = [fingerprint(tmp_path / "photos")]
    draw(tmp_path / "far/1.png", 2)
    seen.append(fingerprint(tmp_path / "photos"))
    (tmp_path / "photos/cat/gone.png").symlink_to(tmp_path / "gone.png")
    seen.append(fingerprint(tmp_path / "photos"))
    draw(tmp_path / "gone.png", 3)
    seen.append(fingerprint(tmp_path / "photos"))
    draw(tmp_path / "other/1.png", 9)
    (tmp_path / "photos/cat/far").unlink()
    (tmp_path / "photos/cat/far").symlink_to(tmp_path / "other")
    seen.append(fingerprint(tmp_path / "photos"))
    assert len(set(seen)) == len(seen)


def test_two_spellings_of_a_name_are_one_class(tmp_path: Path) -> None:
    assert NFC != NFD
    draw(tmp_path / "train" / NFC / "0.png", 1)
    draw(tmp_path / "train/dog/0.png", 2)
    draw(tmp_path / "test" / NFD / "0.png", 3)
    draw(tmp_path / "test" / NFC / "1.png", 4)
    draw(tmp_path / "test/dog/0.png", 5)
    assert class_folders(tmp_path / "test") == ["dog", NFC] or class_folders(tmp_path / "test") == [NFC, "dog"]
    assert len(folders_called(tmp_path / "test", NFD)) == 2 and folders_called(tmp_path / "test", "x") == []
    for classes in (None, [NFC, "dog"], [NFD, "dog"]):
        settings = {"source": "path", "path": str(tmp_path), **({"classes": classes} if classes else {})}
        assert said(datasets={"d": settings}) == ""
        dataset = scan_dataset(tmp_path, settings)
        assert sorted(dataset.classes) == sorted([NFC, "dog"]) and dataset.skipped == []
        counts = {("test", NFC): 2, ("test", "dog"): 1, ("train", NFC): 1, ("train", "dog"): 1}
        assert dataset.counts() == counts
    rows, _ = select_images({"folder": str(tmp_path / "test"), "classes": [NFD]})
    assert {row.class_ for row in rows} == {NFC} and len(rows) == 2
    assert shuffle_key(f"/a/{NFC}/0.png", 1) == shuffle_key(f"/b/{NFD}/0.png", 1), "the same sample on every disk"
    ids = [image_ids([("a", f"/x/{name}/0.png"), ("a", f"/y/{name}/0.png")])[0] for name in (NFC, NFD)]
    assert ids[0] == ids[1]


def test_a_split_in_the_other_spelling_is_found(tmp_path: Path) -> None:
    draw(tmp_path / NFD / "cat/0.png")
    settings = {"source": "path", "path": str(tmp_path), "splits": {"test": NFC}}
    assert said(datasets={"d": settings}) == ""
    assert scan_dataset(tmp_path, settings).counts() == {("test", "cat"): 1}


def test_the_same_name_in_several_folders_is_several_pictures(tmp_path: Path) -> None:
    for level, place in enumerate(("cat/a", "cat/b", "dog/a")):
        draw(tmp_path / place / "IMG_1.png", level * 50)
    dataset = scan_dataset(tmp_path, {"source": "path", "splits": {"all": "."}})
    assert len(dataset.images) == 3 and dataset.classes == ["cat", "dog"]
    rows, _ = select_images({"dataset": "d", "split": "all"}, dataset.images)
    assert len({row.id for row in rows}) == 3
    assert sorted(int(read_image(row.path)[0, 0, 0]) for row in rows) == [0, 50, 100]


def test_class_indices_beside_the_pictures_give_the_order(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        draw(tmp_path / name / "0.png")
    part = {"source": "path", "path": str(tmp_path)}
    order = {"c": 0, "a": 1, "b": 2}
    for value in (order, {str(label): name for name, label in order.items()}):
        (tmp_path / "class_indices.json").write_text(json.dumps(value))
        assert scan_dataset(tmp_path, part).classes == ["c", "a", "b"] == classes_of(part)
    assert scan_dataset(tmp_path, {**part, "classes": ["a", "c"]}).classes == ["a", "c"], "the config comes first"
    rows, _ = select_images({"folder": str(tmp_path)})
    assert {row.class_: row.label for row in rows} == order
    (tmp_path / "class_indices.json").write_text(json.dumps({"0": ["c", "ceta"], "1": ["n2", "a"], "2": "b", "3": "d"}))
    assert scan_dataset(tmp_path, part).classes == ["c", "a", "b", "d"]
    (tmp_path / "class_indices.json").write_text(json.dumps({"c": 0, "a": 1}))
    with pytest.raises(UserError, match=r"class_indices\.json: no class 'b', of which there are pictures"):
        scan_dataset(tmp_path, part)


@pytest.mark.parametrize(
    "text", ["[]", "{}", "{", '{"a": 0, "b": 0}', '{"a": 1}', '{"a": "b"}', '{"0": []}', '{"0": 1.5}']
)
def test_a_class_indices_file_that_says_no_order(tmp_path: Path, text: str) -> None:
    draw(tmp_path / "a/0.png")
    (tmp_path / "class_indices.json").write_text(text)
    with pytest.raises(UserError, match=r"class_indices\.json: (no order of classes|the labels are not 0 to)"):
        class_indices(tmp_path)
    assert said(datasets={"d": {"source": "path", "path": str(tmp_path)}}).startswith("datasets.d.path: ")


def test_splits_that_share_no_class_may_be_classes(tmp_path: Path) -> None:
    for place in ("cats/tabby", "cats/siamese", "dogs/pug"):
        draw(tmp_path / place / "0.png")
    dataset = scan_dataset(tmp_path, {"source": "path"})
    assert dataset.splits_without_a_common_class() == ["cats", "dogs"]
    whole = scan_dataset(tmp_path, {"source": "path", "splits": {"all": "."}})
    assert whole.splits_without_a_common_class() == [] and whole.classes == ["cats", "dogs"]


def test_a_window_goes_with_every_picture_of_a_dataset_and_of_a_folder(tmp_path: Path) -> None:
    import numpy as np

    (tmp_path / "a").mkdir()
    Image.fromarray(np.full((10, 12), 1024, np.uint16)).save(tmp_path / "a/0.png")
    row = scan_dataset(tmp_path, {"source": "path", "window": [0, 2048]}).images[0]
    assert row.sha256.endswith(":0.0:2048.0") and (read_image(row.path, sha256=row.sha256) == 128).all()
    chosen, _ = select_images({"dataset": "d", "split": "all"}, [row])
    assert chosen[0].sha256 == row.sha256
    for settings in ({"folder": str(tmp_path)}, {"files": [str(tmp_path / "a/0.png")]}):
        chosen, _ = select_images({**settings, "window": [0, 4096]})
        assert (read_image(chosen[0].path, sha256=chosen[0].sha256) == 64).all()
        plain, _ = select_images(settings)
        assert (read_image(plain[0].path, sha256=plain[0].sha256) == 4).all()
    sets = {"d": {"source": "path", "path": str(tmp_path)}}
    assert "the pictures of a dataset have its window" in said(
        datasets=sets, image_sets={"i": {"dataset": "d", "split": "all", "window": [0, 1]}}
    )


def test_a_label_of_thousands_of_digits_is_a_label() -> None:
    labels = ["9" * 5000, "10", "9", "9" * 5000 + "a", "x"]
    assert sorted(labels, key=natural_key) == ["9", "10", "9" * 5000, "9" * 5000 + "a", "x"]
