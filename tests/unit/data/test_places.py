"""What a study names on the disk is told at the start where it is not what it is taken for, by its key and with a remedy."""

import json
import os
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from convscope.check import check_study, splits_of
from convscope.config import complete, load_schema
from convscope.data.datasets import masks_folder, picture_files
from convscope.data.places import classes_on_disk, masks_below
from convscope.errors import UserError

SCHEMA = load_schema()
Make = Callable[..., str]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Makes files below a folder (those that end in / are folders); the folder."""

    def made(*names: str, into: str = "data") -> str:
        (tmp_path / into).mkdir(exist_ok=True)
        for name in names:
            path = tmp_path / into / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if name.endswith("/"):
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(b"x")
        return str(tmp_path / into)

    return made


def said(**parts: Any) -> str:
    """What the check says of a study of these parts; "" where all is well."""
    try:
        check_study(complete({"study": "s", "datasets": {}, "models": {}, **parts}, SCHEMA))
    except UserError as error:
        assert "\n" not in str(error)
        return str(error)
    return ""


def dataset(path: str, **more: Any) -> str:
    return said(datasets={"d": {"source": "path", "path": path, **more}})


def image_set(**settings: Any) -> str:
    return said(image_sets={"i": settings})


def model(**settings: Any) -> str:
    return said(models={"m": settings})


def test_folders_as_they_should_be(make: Make) -> None:
    plain = make("cat/1.jpg", "cat/2.JPEG", "dog/3.png", "notes.txt", ".hidden.jpg", "Thumbs.db", into="plain")
    split = make("train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg", "test/dog/", into="split")
    masked = make("cat/1.jpg", "dog/1.jpg", "masks/cat/1.png", into="masked")
    assert dataset(plain) == dataset(split) == dataset(masked, masks="masks") == ""
    assert dataset(split, splits={"a": "train", "b": "test"}, classes=["cat"]) == ""
    assert dataset(make("cat/1.jpg", "dog/deep/1.jpg", into="deep"), splits={"all": "."}) == ""
    assert splits_of({"source": "path", "path": split}) == ["test", "train"], "folders of folders are splits"
    assert splits_of({"source": "path", "path": plain}) == ["all"]
    assert splits_of({"source": "path", "path": masked, "masks": "masks"}) == ["all"]
    assert image_set(folder=plain) == image_set(folder=f"{plain}/cat") == ""


LAYOUTS: list[tuple[list[str], dict[str, Any], list[str]]] = [
    ([], {}, ["has no class folders"]),
    (["1.jpg", "2.jpg"], {}, ["2 pictures (1.jpg ...) lie in", "a folder for each class", "image_sets"]),
    (["cat/", "dog/"], {}, ["no class folder", "holds a picture"]),
    (["cat/1.jpg", "dog/"], {}, ["the class folder 'dog'", "holds no picture"]),
    (["cat/1.jpg", "dog/1.txt"], {}, ["the class folder 'dog'", "holds no picture"]),
    (["cat/1.jpg", "dog/1.jpg", "a.jpg"], {}, ["the picture a.jpg lies beside the folders cat, dog", "classes:"]),
    (["train/cat/1.jpg", "a.jpg"], {}, ["a.jpg lies beside the folders train", "splits:"]),
    (["train/a.jpg", "train/cat/1.jpg", "test/cat/1.jpg"], {}, ["a.jpg lies beside the folders cat"]),
    (["cat/1.jpg", "dog/more/1.jpg"], {}, ["'dog' holds folders", "'cat' holds pictures", "{all: .}"]),
    (
        ["cat/1.jpg"],
        {"classes": ["cat", "cats"]},
        ["datasets.d.classes", "cats' does not exist", "did you mean 'cat'?"],
    ),
    (["cat/1.jpg"], {"classes": ["cat", "1.jpg"]}, ["datasets.d.classes", "does not exist"]),
    (["cat/1.jpg", "masks"], {"masks": "masks"}, ["datasets.d.masks", "is a file, not a folder"]),
    (["t/cat/1.jpg"], {"splits": {"a": "T"}}, ["datasets.d.splits.a", "T' does not exist", "valid: t"]),
]


@pytest.mark.parametrize(("names", "more", "words"), LAYOUTS, ids=[" ".join(names) for names, _, _ in LAYOUTS])
def test_layouts_that_lose_pictures(make: Make, names: list[str], more: dict[str, Any], words: list[str]) -> None:
    message = dataset(make(*names), **more)
    assert message.startswith("datasets.d.") and all(word in message for word in words), message


def test_names_of_mask_parts(make: Make, tmp_path: Path) -> None:
    folder = make("cat/1.jpg", "masks/cat/1.png", "masks/parts.json")
    for content in ("x", "3", '{"names": []}', "[1, 2]", "null"):
        (tmp_path / "data/masks/parts.json").write_text(content)
        assert "names no parts; it is a JSON list" in dataset(folder, masks="masks"), content
    for content in ('["none", "animal"]', '{"parts": ["none", "animal"]}'):
        (tmp_path / "data/masks/parts.json").write_text(content)
        assert dataset(folder, masks="masks") == ""


def test_who_names_the_classes_may_leave_the_rest_lying(make: Make) -> None:
    assert dataset(make("cat/1.jpg", "dog/1.jpg", "fox/", "a.jpg"), classes=["cat", "dog"]) == ""
    assert image_set(folder=make("cat/1.jpg", "a.jpg"), classes=["cat"]) == ""


def test_image_sets(make: Make) -> None:
    folder = make("cat/1.jpg", "a.jpg")
    file = f"{folder}/a.jpg"
    assert "a.jpg lies beside the folders cat" in image_set(folder=folder)
    assert image_set(folder=make(into="empty")).startswith("image_sets.i.folder: no picture lies in")
    assert image_set(folder=make("x/", into="hollow")).startswith("image_sets.i.folder: no picture lies in")
    assert "is a file, not a folder; for single pictures: files:" in image_set(folder=file)
    assert "is a folder, not a file; for all pictures of a folder: folder:" in image_set(files=[folder])
    os.mkfifo(f"{folder}/pipe.png")
    assert "is a pipe or a device, not a file" in image_set(files=[f"{folder}/pipe.png"]), "and is not waited for"
    assert "did you mean 'cat'?" in image_set(folder=folder, classes=["cst"])
    assert image_set(files=[file]) == ""


def test_a_file_given_as_a_folder(make: Make) -> None:
    path = make("pets.zip") + "/pets.zip"
    assert f"is a file, not a folder; for an archive: source: archive, url: file://{path}" in dataset(path)


def test_addresses(make: Make, tmp_path: Path) -> None:
    folder = make("a.zip", "a.jpg")
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        archive.writestr("cat/1.jpg", b"x")

    def archived(url: str) -> str:
        return said(datasets={"d": {"source": "archive", "url": url}})

    assert archived((tmp_path / "good.zip").as_uri()) == archived("https://example.org/a.zip") == ""
    assert archived("file://photos/a.zip").startswith(
        "datasets.d.url: 'file://photos/a.zip': 'photos' would be another"
    )
    assert "does not exist" in archived(f"file://{folder}/b.zip")
    assert "not a zip or tar archive" in archived(f"file://{folder}/a.zip")
    assert "is a folder, not a file; a folder needs no archive" in archived(f"file://{folder}")
    assert "no host" in image_set(urls=["https:///a.jpg"])
    assert image_set(urls=[f"file://{folder}/a.jpg"]) == ""
    assert "does not exist" in image_set(urls=[f"file://{folder}/b.jpg"])


def keras_file(path: Path, config: Any) -> str:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return str(path)


def layer(kind: str, name: str) -> dict[str, Any]:
    return {"class_name": kind, "config": {"name": name}}


BACKBONE = {"class_name": "Sequential", "config": {"layers": [layer("Conv2D", "c"), layer("Activation", "a")]}}
CLASSIFIER = {"class_name": "Sequential", "config": {"layers": [layer("Conv2D", "c"), layer("Dense", "d")]}}


def test_model_files(make: Make, tmp_path: Path) -> None:
    folder = make("m.keras", "m.h5", "m.pt", "saved/saved_model.pb", "preset/config.json", "plain/x")
    for name in ("m.keras", "m.h5", "m.pt"):
        assert "is not a .keras or .h5 file" in model(source="file", path=f"{folder}/{name}")
    for name, config in (("list", [1]), ("word", "x"), ("none", None)):
        assert "holds no Keras model" in model(source="file", path=keras_file(tmp_path / f"{name}.keras", config))
    assert "does not say what layers it was made of" in model(source="file", path=f"{folder}/saved")
    for name, hint in (("preset", "source: preset"), ("plain", "a .keras or .h5 file")):
        message = model(source="file", path=f"{folder}/{name}")
        assert message.startswith("models.m.path") and "is a folder, not a file" in message and hint in message
    good = keras_file(tmp_path / "good.keras", CLASSIFIER)
    assert model(source="file", path=good) == ""
    for strange in ({}, {"class_name": 3, "config": {"layers": [1, "x"]}}, {"config": {"layers": {}}}):
        odd = keras_file(tmp_path / "odd.keras", strange)
        study = {"models": {"m": {"source": "file", "path": odd}}, "filters": {"m": {"layers": ["c"]}}}
        assert "holds no Keras model: its config names no network" in said(**study)


def test_presets_and_weights(make: Make, tmp_path: Path) -> None:
    whole = make("config.json", "model.weights.h5", into="whole")
    assert "is no JSON" in model(source="preset", preset=whole)
    (tmp_path / "whole/config.json").write_text("{}")
    assert model(source="preset", preset=whole) == model(source="preset", preset="whole", folder=str(tmp_path)) == ""
    bare = make("config.json", into="bare")
    (tmp_path / "bare/config.json").write_text("{}")
    assert "holds no weights (model.weights.h5)" in model(source="preset", preset=bare)
    assert "holds no weights (model.weights.h5)" in model(source="preset", preset="bare", folder=str(tmp_path))
    assert "is a file, not a folder; if it is a model's file" in model(source="preset", preset=f"{bare}/config.json")
    given = {"source": "application", "application": "ResNet50"}
    assert "holds no weights" in model(**given, weights=f"{bare}/config.json")
    assert "is a folder, not a file" in model(**given, weights=bare)
    (tmp_path / "w.h5").write_bytes(b"\x89HDF\r\n\x1a\n")
    assert model(**given, weights=str(tmp_path / "w.h5")) == ""


def test_a_backbone_is_neither_evaluated_nor_explained(make: Make, tmp_path: Path) -> None:
    preset = make("config.json", "model.weights.h5", into="preset")
    for name in ("config.json", "task.json"):
        (tmp_path / "preset" / name).write_text('{"class_name": "XceptionImageClassifierPreprocessor"}')
    sets = {
        "datasets": {"d": {"source": "path", "path": make("cat/1.jpg")}},
        "image_sets": {"i": {"dataset": "d", "split": "all"}},
    }
    for source in (
        {"source": "preset", "preset": preset},
        {"source": "preset", "preset": "preset", "folder": str(tmp_path)},
        {"source": "file", "path": keras_file(tmp_path / "b.keras", BACKBONE)},
    ):
        study = {**sets, "models": {"m": source}}
        assert said(**study, activations={"m": {"images": ["i"]}}) == ""
        message = said(**study, evaluations={"m": ["d/all"]})
        assert (
            message.startswith("evaluations.m: ") and "backbone without a classifier, so it predicts nothing" in message
        )
        for stage in ("cams", "attributions"):
            assert said(**study, **{stage: {"m": {"images": ["i"]}}}).startswith(f"{stage}.m: ")
    (tmp_path / "preset/task.json").write_text('{"class_name": "XceptionImageClassifier"}')
    assert said(**sets, models={"m": {"source": "preset", "preset": preset}}, evaluations={"m": ["d/all"]}) == ""


def test_what_may_not_be_read(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests may run as root, whom no permission stops: the system's calls refuse in its stead."""
    folder = make("cat/1.jpg", "dog/deep/1.jpg", "m.keras", "shut/x/1.jpg")
    refused: list[str] = []

    def guarded(call: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(path: Any, *rest: Any, **more: Any) -> Any:
            if isinstance(path, str | os.PathLike) and any(os.fspath(path).startswith(name) for name in refused):
                raise PermissionError(13, "Permission denied", os.fspath(path))
            return call(path, *rest, **more)

        return refuse

    monkeypatch.setattr(os, "scandir", guarded(os.scandir))
    monkeypatch.setattr(os, "stat", guarded(os.stat))
    monkeypatch.setattr(Path, "open", guarded(Path.open))
    for name, message in (
        (folder, lambda: dataset(folder)),
        (f"{folder}/dog/deep", lambda: dataset(folder, classes=["cat", "dog"], splits={"all": "."})),
        (f"{folder}/cat/1.jpg", lambda: image_set(files=[f"{folder}/cat/1.jpg"])),
        (f"{folder}/cat", lambda: image_set(folder=f"{folder}/cat")),
        (f"{folder}/m.keras", lambda: model(source="file", path=f"{folder}/m.keras")),
        (f"{folder}/shut", lambda: dataset(f"{folder}/shut/x")),
    ):
        refused[:] = [name]
        assert "cannot be re" in message() and "Permission denied" in message(), (name, message())


def test_a_path_that_no_file_can_have(tmp_path: Path) -> None:
    assert "cannot be reached" in dataset("a\0b")
    assert "cannot be reached: File name too long" in dataset("x" * 300)
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "symbolic links" in dataset(str(tmp_path / "loop"))


def test_links_in_a_circle_end(make: Make, tmp_path: Path) -> None:
    folder = make("cat/deep/")
    (tmp_path / "data/cat/deep/up").symlink_to(tmp_path / "data/cat")
    assert "no class folder" in dataset(folder, splits={"all": "."})


@pytest.mark.parametrize("name", ["downloads", "Downloads"])
def test_a_study_may_not_be_called_like_what_studies_share(name: str) -> None:
    assert said(study=name).startswith(f"study: results/{name} holds what other studies use")


@pytest.mark.parametrize("name", ["index.html", "a/b", "..", ".", "", "-x", "a b", "x\n", ".hidden", "a" * 61])
def test_names_that_are_no_folders(name: str) -> None:
    assert said(study=name).startswith("study: ")
    assert said(models={name: {"source": "train", "architecture": "convnet", "dataset": "d"}}).startswith("models")


def test_names_that_differ_in_case_alone(make: Make) -> None:
    part = {"source": "path", "path": make("cat/1.jpg")}
    assert said(datasets={"pets": part, "Pets": part}).startswith("datasets.Pets: 'pets' differs in case alone")


def test_a_split_that_is_no_part_of_a_name(make: Make) -> None:
    sets = {"datasets": {"d": {"source": "path", "path": make("v1.0/cat/1.jpg")}}}
    message = said(**sets, image_sets={"i": {"dataset": "d", "split": "v1.0"}})
    assert message.startswith("image_sets.i: the split 'v1.0'") and "datasets.d.splits" in message


def test_a_dataset_keeps_to_what_is_looked_at(make: Make) -> None:
    """A change elsewhere, or in what is hidden, would reach no result."""
    make("cat/1.jpg", into="beside")
    folder = make("train/cat/1.jpg", ".new/cat/1.jpg", "train/.odd/1.jpg")
    outside = f"{folder.removesuffix('data')}beside"
    for elsewhere in ("../beside", "train/../../beside", outside):
        told = dataset(folder, splits={"train": "train", "test": elsewhere})
        assert told.startswith(f"datasets.d.splits.test: '{elsewhere}' leads out of the dataset's own folder")
    assert dataset(folder, splits={"test": ".new"}).startswith("datasets.d.splits.test: '.new' is hidden")
    assert dataset(f"{folder}/train", classes=[".odd"]).startswith("datasets.d.classes: '.odd' is hidden")
    assert dataset(folder, splits={"train": "train/."}) == ""
    archive = {"source": "archive", "url": "https://example.org/a.zip"}
    for more, key in (({"folder": "../.."}, "folder"), ({"splits": {"test": "/data"}}, "splits.test")):
        assert said(datasets={"d": archive | more}).startswith(f"datasets.d.{key}: ")


@pytest.mark.parametrize("written", ["masks", "masks/", "./masks", "extra/../masks", "{root}/masks", "{root}/masks/"])
def test_masks_are_never_taken_for_pictures(make: Make, written: str) -> None:
    """However their folder is written: else they would be the only split, and the pictures would be left out."""
    root = make("cat/a.jpg", "dog/b.jpg", "masks/cat/a.png", "masks/dog/b.png", "extra/")
    settings = {"source": "path", "path": root, "classes": ["cat", "dog"], "masks": written.format(root=root)}
    assert dataset(**{key: value for key, value in settings.items() if key != "source"}) == ""
    assert (masks_below(settings), splits_of(settings), classes_on_disk(settings)) == (
        "masks",
        ["all"],
        ["cat", "dog", "extra"],
    )
    if not written.startswith("{"):  # the workflow makes an absolute folder a relative one
        assert masks_folder(settings) == "masks"
    elsewhere = settings | {"masks": "../masks"}
    assert (masks_below(elsewhere), masks_below(settings | {"masks": ""})) == (None, None)


def test_masks_alone_make_no_class(make: Make) -> None:
    path = make("cat/a.jpg", "notes/masks/cat/a.png")
    message = dataset(path, masks="notes/masks", splits={"all": "."})
    assert "the class folder 'notes'" in message and "holds no picture" in message


def test_litter_of_disks_is_no_class(make: Make) -> None:
    path = make(
        "cat/a.jpg",
        "dog/b.jpg",
        "@eaDir/cat/a.jpg",
        "lost+found/",
        "$RECYCLE.BIN/S-1/x.jpg",
        "cat/@eaDir/a.jpg/small.jpg",
    )
    assert dataset(path) == ""
    assert [str(file.relative_to(path)) for file in picture_files(Path(path))] == ["cat/a.jpg", "dog/b.jpg"]


def test_a_folder_is_looked_through_once(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a study names its dataset: a listing of a hundred thousand pictures takes a second."""
    path = make(*(f"{name}/{n}.jpg" for name in ("cat", "dog") for n in range(3)))
    looked: Counter[str] = Counter()
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda folder: looked.update([Path(folder).name]) or scandir(folder))
    sets = {f"set{n}": {"dataset": "d", "split": "all", "classes": ["cat"]} for n in range(5)}
    assert said(datasets={"d": {"source": "path", "path": path}}, image_sets=sets) == ""
    assert max(looked[name] for name in ("cat", "dog")) <= 2
    (Path(path) / "cow").mkdir()
    assert "'cow'" in said(datasets={"d": {"source": "path", "path": path}}), "the next study is looked at anew"
