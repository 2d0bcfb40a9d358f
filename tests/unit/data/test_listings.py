"""Lists of pictures: CSV of every sort, many labels, numbers, Hugging Face's folders; what is wrong with a row is said of it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.check import check_study, classes_of, splits_of
from convscope.config import complete
from convscope.data.datasets import Dataset, scan_dataset
from convscope.data.image_sets import select_images
from convscope.data.part_masks import list_masks
from convscope.data.places import listed_files, listed_masks
from convscope.data.rows import ImageRow
from convscope.errors import UserError
from convscope.storage.fingerprints import fingerprint_of_files
from convscope.storage.tables import read_rows, read_table, write_table


def draw(path: Path, level: int = 100) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (12, 10), (level, 0, 0)).save(path)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six pictures in a folder beside where the list will be."""
    for number in range(6):
        draw(tmp_path / "images" / f"{number}.png", 20 * number)
    return tmp_path


def written(place: Path, text: str, name: str = "list.csv") -> Path:
    (place / name).write_text(text, encoding="utf-8")
    return place / name


def scanned(path: Path, **settings: Any) -> Dataset:
    return scan_dataset(path, {"source": "table", **settings})


def told(dataset: Dataset) -> list[tuple[str, str, int, str]]:
    return [(row.split, row.class_, row.label, Path(row.path).stem) for row in dataset.images]


def test_a_csv_of_paths_classes_and_splits(photos: Path) -> None:
    rows = "path,label,split\nimages/0.png,dog,train\nimages/1.png,cat,train\nimages/2.png,dog,test\n"
    dataset = scanned(written(photos, rows))
    assert dataset.classes == ["cat", "dog"] and dataset.bad == [] and dataset.truth == "class"
    assert told(dataset) == [("test", "dog", 1, "2"), ("train", "cat", 0, "1"), ("train", "dog", 1, "0")]
    assert all(len(row.sha256) == 16 and row.labels == row.target == "" for row in dataset.images)
    chosen = scanned(written(photos, rows), classes=["dog"])
    assert chosen.classes == ["dog"] and [row.label for row in chosen.images] == [0, 0]
    fewer = scanned(written(photos, rows), images_per_class={"train": 1})
    assert [row for row in told(fewer) if row[0] == "train"] == [("train", "cat", 0, "1"), ("train", "dog", 1, "0")]


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffpath;class\r\nimages/0.png;cat\r\nimages/1.png;dog\r\n",
        "Filename\tCategory\nimages\\0.png\tcat\nimages\\1.png\tdog\n",
        'IMAGE , Label\n"images/0.png",cat\nimages/1.png, dog \n\n',
        "id,file_name,class,label\n7,images/0.png,cat,x\n8,images/1.png,dog,y\n",
    ],
)
def test_a_csv_as_any_program_writes_it(photos: Path, text: str) -> None:
    assert told(scanned(written(photos, text))) == [("all", "cat", 0, "0"), ("all", "dog", 1, "1")]


def test_columns_by_other_names_and_paths_from_another_folder(photos: Path) -> None:
    path = written(photos, "Image Index,Finding,part\n0.png,well,a\n1.png,ill,b\n")
    columns = {"path": "Image Index", "class": "Finding", "split": "part"}
    assert told(scanned(path, columns=columns, folder="images")) == [("a", "well", 1, "0"), ("b", "ill", 0, "1")]
    with pytest.raises(UserError, match=r"no column 'Findings' .*did you mean 'Finding'"):
        scanned(path, columns={**columns, "class": "Findings"}, folder="images")
    with pytest.raises(UserError, match="no column of paths"):
        scanned(path)
    with pytest.raises(UserError, match=r"no column says what a picture shows .* has Image Index, Finding, part"):
        scanned(path, columns={"path": "Image Index"}, folder="images")


def test_the_textbooks_split_of_a_list_in_its_order(photos: Path) -> None:
    rows = "".join(f"images/{n}.png,{'cat' if n % 2 else 'dog'}\n" for n in (5, 4, 3, 2, 1, 0))
    dataset = scanned(written(photos, "path,class\n" + rows), images_per_class={"train": 2, "test": 1})
    assert {row[3] for row in told(dataset) if row[0] == "train"} == {"5", "4", "3", "2"}
    assert {row[3] for row in told(dataset) if row[0] == "test"} == {"1", "0"}
    with pytest.raises(UserError, match=r"test wants 2 more of class 'cat' .* has 1 left"):
        scanned(written(photos, "path,class\n" + rows), images_per_class={"train": 2, "test": 2})


def test_rows_that_cannot_count_are_listed_and_the_others_do(photos: Path) -> None:
    (photos / "images/bad.png").write_text("words")
    path = written(
        photos,
        "path,class\nimages/0.png,cat\nimages/gone.png,cat\nimages/bad.png,dog\n,dog\nimages/1.png,\nimages/0.png,cat\n"
        "images/2.png,cat\nimages/2.png,dog\nimages,cat\n",
    )
    dataset = scanned(path)
    assert [row[3] for row in told(dataset)] == ["0", "2"]
    reasons = {Path(row.path).name: row.reason for row in dataset.bad}
    assert reasons["gone.png"] == "no such file" and reasons["bad.png"].startswith("not a picture")
    assert reasons["1.png"] == "no class in its row" and reasons["images"] == "a folder, not a file"
    assert reasons["2.png"].startswith("listed twice, and the second time as 'dog'")
    assert reasons["list.csv, row 4"] == "no path in its row"
    assert len(dataset.bad) == 6
    with pytest.raises(UserError, match="6 pictures are bad"):
        scanned(path, on_bad_image="fail")


def test_many_labels_in_one_column_or_in_columns_of_0_and_1(photos: Path, tmp_path: Path) -> None:
    one = "path,labels\nimages/0.png,sea|boat\nimages/1.png,\nimages/2.png,sea\n"
    many = "path,boat,sea,split\nimages/0.png,1,1,all\nimages/1.png,0,0,all\nimages/2.png,0,1,all\n"
    for text in (one, many):
        dataset = scanned(written(photos, text))
        assert dataset.truth == "labels" and dataset.classes == ["boat", "sea"]
        found = [(Path(row.path).stem, row.labels, row.class_, row.label) for row in dataset.images]
        assert sorted(found) == [("0", "boat|sea", "boat", 0), ("1", "|", "", -1), ("2", "sea", "sea", 1)]
    for classes, stems in ((["sea"], ["0", "2"]), (["boat"], ["0"]), (["boat", "sea"], ["0", "2"])):
        rows, _ = select_images({"dataset": "d", "split": "all", "classes": classes}, dataset.images)
        assert [Path(row.path).stem for row in rows] == stems, "every picture with one of the labels"
    assert sorted(row.shows() for row in dataset.images) == ["boat, sea", "no label", "sea"]
    wide = written(photos, "path,boat,sea,age\nimages/0.png,1,1,7\nimages/1.png,0,0,8\nimages/2.png,2,1,9\n")
    chosen = scanned(wide, columns={"labels": ["sea", "boat"]}, classes=["sea", "boat"])
    assert chosen.classes == ["sea", "boat"]
    assert [row.labels for row in chosen.images] == ["|", "sea|boat"]
    assert [row.reason for row in chosen.bad] == ["boat is '2', not 0 or 1"]
    write_table(tmp_path / "t.csv", dataset.images, ImageRow)
    assert read_table(tmp_path / "t.csv", ImageRow) == dataset.images
    assert "labels" in read_rows(tmp_path / "t.csv")[0] and "target" not in read_rows(tmp_path / "t.csv")[0]


def test_numbers_to_predict(photos: Path) -> None:
    path = written(photos, "path,target\nimages/0.png,3.5\nimages/1.png,-2\nimages/2.png,old\nimages/3.png,nan\n")
    dataset = scanned(path)
    assert dataset.truth == "target" and dataset.classes == []
    assert [(Path(row.path).stem, row.target, row.label, row.class_) for row in dataset.images] == [
        ("0", "3.5", -1, ""),
        ("1", "-2", -1, ""),
    ]
    assert [row.shows() for row in dataset.images] == ["3.5", "-2"]
    assert [row.reason for row in dataset.bad] == ["its number is 'old'", "its number is 'nan'"]
    two = written(photos, "path,x,y\nimages/0.png,1,2.5\nimages/1.png,3,\n")
    dataset = scanned(two, columns={"target": ["x", "y"]})
    assert [row.target for row in dataset.images] == ["1|2.5"] and dataset.bad[0].reason == "its numbers are '3|'"
    zero_or_one = written(photos, "path,target\nimages/0.png,0\nimages/1.png,1\n")
    assert scanned(zero_or_one).classes == ["0", "1"], "whole numbers under the name target are classes"
    assert scanned(zero_or_one, columns={"target": "target"}).truth == "target"


def test_hugging_faces_folders(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for number in range(2):
            draw(tmp_path / "a" / split / f"{number}.png", 40 * number)
        lines = [json.dumps({"file_name": f"{n}.png", "label": ["cat", "dog"][n], "extra": {"a": 1}}) for n in range(2)]
        (tmp_path / "a" / split / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    wanted = [(s, c, label, str(label)) for s in ("test", "train") for label, c in enumerate(("cat", "dog"))]
    dataset = scan_dataset(tmp_path / "a", {"source": "path"})
    assert told(dataset) == wanted and dataset.classes == ["cat", "dog"]
    draw(tmp_path / "a/test/more.png")
    (tmp_path / "a/README.md").write_text("x")
    skipped = scan_dataset(tmp_path / "a", {"source": "path"}).skipped
    assert {Path(row.path).name: row.reason for row in skipped} == {
        "more.png": "a picture that the list does not name",
        "README.md": "not a picture, by its name and by its content",
    }
    part = {"source": "path", "path": str(tmp_path / "a")}
    assert splits_of(part) == ["test", "train"] and classes_of(part) == ["cat", "dog"]
    named = scan_dataset(tmp_path / "a", {"source": "path", "splits": {"learn": "train"}})
    assert [row[0] for row in told(named)] == ["learn", "learn"]
    (tmp_path / "a/dev").mkdir()
    draw(tmp_path / "a/dev/0.png")
    halves = {"source": "path", "path": str(tmp_path / "a"), "splits": {"train": "train", "dev": "dev"}}
    with pytest.raises(
        UserError, match=r"datasets\.d\.splits: the split 'dev' has no metadata\.csv or metadata\.jsonl"
    ):
        check_study(complete({"study": "s", "datasets": {"d": halves}, "models": {}}))
    unnamed = scan_dataset(tmp_path / "a", {"source": "path"}).skipped
    assert str(tmp_path / "a/dev/0.png") in [row.path for row in unnamed]
    (tmp_path / "b").mkdir()
    (tmp_path / "a/train").rename(tmp_path / "b/train")
    (tmp_path / "b/train/metadata.jsonl").unlink()
    written(tmp_path / "b", "file_name,label\ntrain/0.png,cat\ntrain/1.png,dog\n", "metadata.csv")
    assert told(scan_dataset(tmp_path / "b", {"source": "path"})) == wanted[2:]
    many = [{"file_name": "train/0.png", "labels": ["b", "a"]}, {"file_name": "train/1.png", "labels": []}]
    (tmp_path / "b/metadata.csv").unlink()
    (tmp_path / "b/metadata.jsonl").write_text("\n".join(map(json.dumps, many)))
    assert [row.labels for row in scan_dataset(tmp_path / "b", {"source": "path"}).images] == ["|", "a|b"]


@pytest.mark.parametrize("place", ["../secret.png", "/{here}/secret.png", "in/../../secret.png", "..\\secret.png"])
def test_a_folders_list_leads_nowhere_else(tmp_path: Path, place: str) -> None:
    draw(tmp_path / "secret.png")
    draw(tmp_path / "photos/0.png")
    away = place.format(here=str(tmp_path).strip("/"))
    rows = [
        {"file_name": "0.png", "label": "a"},
        {"file_name": away, "label": "a"},
        {"file_name": "0.png", "label": "a"},
    ]
    (tmp_path / "photos/metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for settings in ({"source": "path"}, {"source": "archive"}):
        dataset = scan_dataset(tmp_path / "photos", settings)
        assert [Path(row.path).name for row in dataset.images] == ["0.png"]
        assert [row.reason for row in dataset.bad] == ["leads out of the folder of its list"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metadata.csv", "file_name,label\na/1.png,caf\u00e9\n".encode("latin-1"), "not UTF-8 text"),
        ("metadata.csv", "file_name,label\na/1.png,x\n".encode("utf-16"), "not UTF-8 text"),
        ("metadata.jsonl", b'{"file_name": "a/1.png"}\n{"file_name": "b/1.png", "label": "x"}\n', ""),
    ],
)
def test_a_list_beside_pictures_is_never_passed_over(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    for folder in ("a", "b"):
        draw(tmp_path / folder / "1.png")
    (tmp_path / name).write_bytes(content)
    if said:
        with pytest.raises(UserError, match=said):
            scan_dataset(tmp_path, {"source": "path"})
        return
    dataset = scan_dataset(tmp_path, {"source": "path"})
    assert told(dataset) == [("all", "x", 0, "1")], "not the folders' names"
    assert [row.reason for row in dataset.bad] == ["no class in its row"]


def test_metadata_without_labels_leaves_the_folders_to_say_them(tmp_path: Path) -> None:
    draw(tmp_path / "cat/0.png")
    draw(tmp_path / "dog/0.png")
    written(tmp_path, "file_name,camera\ncat/0.png,old\n", "metadata.csv")
    dataset = scan_dataset(tmp_path, {"source": "path"})
    assert dataset.classes == ["cat", "dog"] and dataset.skipped == []


def test_class_indices_give_the_order_and_the_names_of_numbers(photos: Path) -> None:
    path = written(photos, "path,label\nimages/0.png,0\nimages/1.png,2\n")
    (photos / "class_indices.json").write_text(json.dumps({"zebra": 0, "ape": 1, "lion": 2}))
    dataset = scanned(path)
    assert dataset.classes == ["zebra", "ape", "lion"]
    assert told(dataset) == [("all", "lion", 2, "1"), ("all", "zebra", 0, "0")]
    path = written(photos, "path,label\nimages/0.png,ape\nimages/1.png,tiger\n")
    with pytest.raises(UserError, match=r"class_indices\.json: no class 'tiger', of which there are pictures"):
        scanned(path)


@pytest.mark.parametrize(
    ("order", "rows", "found"),
    [
        # Names come before numbers: class 1 of 1, 2 and 3 is the first; by letter, as Keras sorts, 10 comes before 2.
        ({"1": 0, "2": 1, "3": 2}, "0.png,1\nimages/1.png,2", [("1", 0), ("2", 1)]),
        ({n: i for i, n in enumerate(sorted(map(str, range(11))))}, "0.png,2\nimages/1.png,10", [("10", 2), ("2", 3)]),
        # ImageNet has two cranes, a bird and a machine.
        (
            {"0": ["n1", "crane"], "1": ["n2", "ox"], "2": ["n3", "crane"]},
            "0.png,2\nimages/1.png,1",
            [("n3", 2), ("ox", 1)],
        ),
    ],
)
def test_a_number_is_a_position_where_no_class_is_called_so(
    photos: Path, order: Any, rows: str, found: list[tuple[str, int]]
) -> None:
    (photos / "class_indices.json").write_text(json.dumps(order))
    dataset = scanned(written(photos, f"path,label\nimages/{rows}\n"))
    assert [(row.class_, row.label) for row in dataset.images] == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"0": "cat", "1": "cat", "2": "dog"}', "'cat' is the class of two labels"),
        ('{"cat": 0, "ape": 1}', "no class 'dog', of which there are pictures"),
        ("[" * 100000, "no order of classes"),
    ],
)
def test_an_order_that_cannot_be_meant_is_told_at_the_start(photos: Path, text: str, said: str) -> None:
    (photos / "class_indices.json").write_text(text)
    listed = written(photos, "path,label\nimages/0.png,cat\nimages/1.png,dog\n")
    assert said in said_of(path=str(listed))
    for name in ("cat", "dog"):
        draw(photos / "folders" / name / "0.png")
    (photos / "folders/class_indices.json").write_text(text)
    assert said in said_of(source="path", path=str(photos / "folders"))
    with pytest.raises(UserError, match=said):
        scan_dataset(photos / "folders", {"source": "path"})


def test_masks_of_a_list(photos: Path) -> None:
    mask = np.zeros((10, 12), np.uint8)
    mask[:, :6] = 1
    (photos / "masks").mkdir()
    Image.fromarray(mask).save(photos / "masks/of_0.png")
    lines = ("0.png,cat,masks/of_0.png", "1.png,cat,", "2.png,cat,masks/gone.png", "0.png,cat,masks/other.png")
    path = written(photos, "path,class,mask\n" + "".join(f"images/{line}\n" for line in lines))
    (photos / "parts.json").write_text('["none", "animal"]')
    settings = {"source": "table"}
    dataset = scanned(path)
    assert [row.reason for row in dataset.bad] == [
        f"listed twice, and the second time with the mask {photos}/masks/other.png"
    ]
    rows, parts = list_masks(path, settings, dataset.images)
    assert parts == ["none", "animal"]
    assert [(Path(row.path).stem, Path(row.mask).name, row.reason) for row in rows] == [
        ("0", "of_0.png", ""),
        ("2", "gone.png", "no such file"),
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no row in it"),
        ("path,class\n", "no row in it"),
        ("path,path,class\na,b,c\n", "two columns have one name"),
        ('path,class\n"images/0.png,cat\n', "line 2: unexpected end of data"),
        ("path,class\nx.png,cat\n", r"no picture of the list is there; the first would be '.*x\.png'"),
        ("path,class\nimages/0.png,\n", r"no row of the list counts; the first: .*0\.png: no class in its row"),
    ],
)
def test_a_list_that_cannot_be_meant_is_told_at_the_start(photos: Path, text: str, said: str) -> None:
    assert said_of(path=str(written(photos, text))).startswith("datasets.d.path: ")
    with pytest.raises(UserError, match=said):
        raise UserError(said_of(path=str(photos / "list.csv")))


def said_of(**part: Any) -> str:
    """What the check says of a dataset that is a list; "" where all is well."""
    try:
        check_study(complete({"study": "s", "datasets": {"d": {"source": "table"} | part}, "models": {}}))
    except UserError as error:
        assert "\n" not in str(error)
        return str(error)
    return ""


def test_what_a_config_asks_of_a_list_is_checked_at_the_start(photos: Path) -> None:
    path = str(written(photos, "path,class,split\nimages/0.png,cat,train\nimages/1.png,dog,test\n"))
    assert said_of(path=path) == said_of(path=path, classes=["dog"], images_per_class={"train": 1}) == ""
    part = {"source": "table", "path": path}
    assert splits_of(part) == ["train", "test"] and classes_of(part) == ["cat", "dog"]
    assert "datasets.d.classes: the list has no class 'dogg'; did you mean 'dog'" in said_of(
        path=path, classes=["dogg"]
    )
    assert "classes: 'dog' is named twice" in said_of(path=path, classes=["dog", "cat", "dog"])
    assert "classes: 'images' is named twice" in said_of(path=str(photos), source="path", classes=["images"] * 2)
    assert "the list has no split 'trian'" in said_of(path=path, images_per_class={"trian": 1})
    assert "does not exist" in said_of(path=str(photos / "none.csv"))
    assert "is a folder" in said_of(path=str(photos))
    assert "datasets.d.folder: the folder" in said_of(path=path, folder="imagez")
    assert "datasets.d.window: [9, 9]" in said_of(path=path, window=[9, 9])


def test_masks_that_a_folders_list_names_are_what_its_masks_depend_on(photos: Path) -> None:
    draw(photos / "mask.png", 1)
    written(photos, "file_name,label,mask\nimages/0.png,cat,mask.png\n", "metadata.csv")
    part = {"source": "path", "path": str(photos)}
    seen = [fingerprint_of_files(listed_masks(part))]
    draw(photos / "mask.png", 2)
    seen.append(fingerprint_of_files(listed_masks(part)))
    (photos / "parts.json").write_text('["none", "animal"]')
    seen.append(fingerprint_of_files(listed_masks(part)))
    assert len(set(seen)) == 3
    (photos / "metadata.csv").unlink()
    assert listed_masks(part) == []


def test_what_a_lists_results_depend_on(photos: Path) -> None:
    path = written(photos, "path,class\nimages/0.png,cat\nimages/gone.png,cat\n")
    part = {"source": "table", "path": str(path)}

    def state() -> str:
        return fingerprint_of_files(listed_files(part))

    seen = [state()]
    draw(photos / "images/0.png", 9)
    seen.append(state())
    draw(photos / "images/gone.png")
    seen.append(state())
    (photos / "class_indices.json").write_text('{"cat": 0}')
    seen.append(state())
    written(photos, "path,class\nimages/0.png,dog\nimages/gone.png,cat\n")
    seen.append(state())
    assert len(set(seen)) == len(seen)
    draw(photos / "images/5.png", 77)
    assert state() == seen[-1], "a picture that is not in the list does not count"
