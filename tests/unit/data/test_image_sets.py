"""Image sets: the choice is even, repeatable and says what is missing."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from convscope.data.datasets import BadRow, ImageRow
from convscope.data.image_sets import BadSetRow, SetRow, image_ids, select_images
from convscope.errors import UserError
from convscope.storage.files import sha256_of

CLASSES = ("cat", "dog", "fox")


def row(split, name, number, root="/data"):
    label = CLASSES.index(name)
    path = f"{root}/{split}/{name}/{name}.{number}.jpg"
    return ImageRow(split, name, label, path, 20, 20, f"{number:016x}")


IMAGES = [row(split, name, number) for split in ("test", "train") for name in CLASSES for number in range(30)]
BAD = [BadRow("test", "dog", "/data/test/dog/x.jpg", "empty file"), BadRow("train", "cat", "/data/y.jpg", "cut")]


def choose(settings, **more):
    return select_images(settings, IMAGES, BAD, **more)


def test_a_split_is_taken_whole_and_in_order():
    rows, bad = choose({"dataset": "d", "split": "test"})
    assert len(rows) == 90 and [r.label for r in rows] == sorted(r.label for r in rows)
    assert rows[0] == SetRow("cat_0", "/data/test/cat/cat.0.jpg", "cat", 0, "0" * 16)
    assert bad == [BadSetRow("/data/test/dog/x.jpg", "empty file")]
    assert len(choose({"dataset": "d"})[0]) == 180


def test_a_sample_is_even_repeatable_and_follows_the_seed():
    settings = {"dataset": "d", "split": "test", "per_class": 4}
    rows, _ = choose(settings)
    assert Counter(r.class_ for r in rows) == {"cat": 4, "dog": 4, "fox": 4}
    assert rows == choose(settings)[0] and rows == sorted(rows, key=lambda r: (r.label, r.path))
    assert {r.path for r in rows} != {r.path for r in choose({**settings, "shuffle_seed": 5})[0]}
    assert choose({**settings, "shuffle_seed": 5})[0] == choose(settings, seed=5)[0]
    assert [r.path for r in rows if r.class_ == "cat"] != [f"/data/test/cat/cat.{n}.jpg" for n in range(4)]
    limited = Counter(r.class_ for r in choose({"dataset": "d", "split": "test", "limit": 8})[0])
    assert sorted(limited.values()) == [2, 3, 3]
    assert len(choose({"dataset": "d", "split": "test", "classes": ["fox"], "limit": 7})[0]) == 7


def test_the_sample_does_not_depend_on_the_disk_or_the_order():
    settings = {"dataset": "d", "split": "test", "per_class": 3}
    elsewhere = [row("test", name, number, "/other/place") for name in CLASSES for number in range(30)]
    one, _ = select_images(settings, IMAGES)
    two, _ = select_images(settings, elsewhere[::-1])
    assert [r.id for r in one] == [r.id for r in two]


def test_a_larger_limit_keeps_the_smaller_choice():
    few = {r.path for r in choose({"dataset": "d", "split": "test", "per_class": 3})[0]}
    assert few < {r.path for r in choose({"dataset": "d", "split": "test", "per_class": 6})[0]}


def predictions():
    result = []
    for image in IMAGES[:90]:
        number = int(Path(image.path).stem.split(".")[1])
        predicted = CLASSES[(image.label + 1) % 3] if number % 10 == 3 else image.class_
        result.append(
            {
                "path": image.path,
                "class": image.class_,
                "label": str(image.label),
                "predicted": predicted,
                "predicted_label": str(CLASSES.index(predicted)),
                "confidence": f"{0.5 + number / 100 + image.label / 1000}",
                "sha256": image.sha256,
            }
        )
    return result


def group(name, **more):
    return choose(
        {"evaluation": "m", "dataset": "d", "split": "test", "group": name, **more}, predictions=predictions()
    )[0]


def test_groups_of_many_labels_are_of_each_label() -> None:
    told = [
        ("a", "cat|dog", "cat|dog", "0.1"),
        ("b", "cat", "", "0.9"),
        ("c", "", "dog", "0.7"),
        ("d", "dog", "dog|cat", "0.6"),
    ]
    rows = [
        {
            "path": path, "class": "", "label": "-1", "predicted": "cat", "predicted_label": "0", "confidence": "0.5", "sha256": "",
            "labels": there, "predicted_labels": seen, "error": error,
            "correct": "true" if set(there.split("|")) == set(seen.split("|")) else "false",
        }
        for path, there, seen, error in told
    ]  # fmt: skip

    def of(name: str, **more: object) -> list[str]:
        settings = {"evaluation": "m", "dataset": "d", "split": "test", "group": name, **more}
        return [row.path for row in select_images(settings, predictions=rows, known=("cat", "dog"))[0]]

    assert of("correct") == ["a"] and of("errors") == ["b", "c", "d"] and of("most_wrong") == ["b", "c", "d", "a"]
    assert of("most_confident_errors") == ["b", "c", "d"] and of("most_wrong", limit=2) == ["b", "c"]
    assert (of("true_positives:cat"), of("false_negatives:cat"), of("false_positives:cat")) == (["a"], ["b"], ["d"])
    assert of("all", classes=["dog"]) == ["a", "d"] and of("false_positives:Dogs") == ["c"]


def test_groups_of_numbers() -> None:
    told = [("a", "0.5"), ("b", "12"), ("c", ""), ("d", "3")]
    rows = [
        {"path": path, "class": "30", "label": "-1", "predicted": "31", "predicted_label": "0", "correct": "", "confidence": "",
         "sha256": "", "error": error}
        for path, error in told
    ]  # fmt: skip

    def of(name: str) -> list[str]:
        settings = {"evaluation": "m", "dataset": "d", "split": "test", "group": name}
        return [row.path for row in select_images(settings, predictions=rows, known=("age",))[0]]

    assert of("most_wrong") == ["b", "d", "a"], "of the third nothing is known"
    assert of("all") == ["a", "b", "c", "d"]
    with pytest.raises(UserError, match="'errors' is of classes, and the model predicts numbers"):
        of("errors")
    with pytest.raises(UserError, match="there is most_confident_errors"):
        group("most_wrong")


def test_a_class_that_is_never_predicted_is_still_known() -> None:
    settings = {"evaluation": "m", "dataset": "d", "split": "test", "group": "false_positives:owl"}
    assert select_images(settings, IMAGES, (), predictions(), known=(*CLASSES, "owl"))[0] == []


def test_a_set_says_how_many_classes_there_are_where_it_lacks_the_last() -> None:
    few = choose({"dataset": "d", "split": "test", "classes": ["cat", "dog"]})[0]
    assert {row.classes for row in few} == {3} and {row.classes for row in choose({"dataset": "d"})[0]} == {0}


def test_groups_of_an_evaluation():
    assert len(group("all")) == 90 and len(group("correct")) == 81
    assert [r.id for r in group("errors")] == [f"{c}_{n}" for c in CLASSES for n in (13, 23, 3)]
    assert {r.class_ for r in group("true_positives:dog")} == {"dog"} and len(group("true_positives:dog")) == 27
    assert [r.id for r in group("false_negatives:dog")] == ["dog_13", "dog_23", "dog_3"]
    assert [r.id for r in group("false_positives:dog")] == ["cat_13", "cat_23", "cat_3"]
    assert group("errors")[0].sha256 == f"{13:016x}"
    assert len(group("errors", limit=5)) == 5 and len(group("correct", per_class=2)) == 6


def test_the_models_class_names_need_not_be_the_datasets():
    """The dataset says cats, the model cat, and the model counts its classes in another order."""
    rows = []
    for image in IMAGES[:60]:
        wrong = Path(image.path).stem.endswith(".3")
        predicted = ("dog", "cat")[(image.class_ == "cat") != wrong]
        rows.append(
            {
                "path": image.path,
                "class": image.class_ + "s",
                "label": str(("dogs", "cats").index(image.class_ + "s")),
                "predicted": predicted,
                "predicted_label": str(("dog", "cat").index(predicted)),
                "confidence": "0.9",
                "p_dog": "0.1",
                "p_cat": "0.9",
            }
        )
    images = [dataclasses.replace(image, class_=image.class_ + "s") for image in IMAGES]

    def paths(name, **more):
        settings = {"evaluation": "m", "dataset": "d", "split": "test", "group": name, **more}
        return [(r.id, r.class_, r.label) for r in select_images(settings, images, [], rows)[0]]

    assert sorted(paths("errors")) == [("cat_3", "cats", 0), ("dog_3", "dogs", 1)]
    assert paths("false_negatives:cat") == paths("false_negatives:cats") == [("cat_3", "cats", 0)]
    assert paths({"false_negatives": "cats"}) == paths({"false_negatives": "Cat"}) == [("cat_3", "cats", 0)]
    assert paths("false_positives:cat") == paths("errors", classes=["dogs"]) == [("dog_3", "dogs", 1)]
    assert len(paths("true_positives:dog")) == 29


def test_the_most_confident_errors_come_first():
    assert [r.id for r in group("most_confident_errors", limit=4)] == ["fox_23", "dog_23", "cat_23", "fox_13"]


def test_so_many_of_the_surest_errors_of_each_class():
    """Each class has its errors 3, 13, 23, surer with the number; foxes surer than dogs surer than cats."""
    ids = [r.id for r in group("most_confident_errors", per_class=2)]
    assert ids == ["fox_23", "dog_23", "cat_23", "fox_13", "dog_13", "cat_13"]
    assert [r.id for r in group("most_confident_errors", per_class=1, limit=2)] == ["fox_23", "dog_23"]
    assert [r.id for r in group("most_confident_errors", per_class=1, classes=["cat", "dog"])] == ["dog_23", "cat_23"]
    assert len(group("most_confident_errors")) == 9


def test_classes_by_number(tmp_path):
    """The rule of `groups.class_position`, as for the classes that are explained."""
    by_name = choose({"dataset": "d", "split": "test", "classes": ["dog"]})
    for number in (1, "1"):
        assert choose({"dataset": "d", "split": "test", "classes": [number]}) == by_name
    assert group("false_negatives:1") == group({"false_negatives": 1}) == group("false_negatives:dog")
    with pytest.raises(UserError, match="no class number 3; it has 0 to 2"):
        choose({"dataset": "d", "split": "test", "classes": [3]})
    names = dict(zip(CLASSES, ("1", "2", "3"), strict=True))
    images = [dataclasses.replace(image, class_=names[image.class_]) for image in IMAGES]
    for number in (1, "1"):
        rows, _ = select_images({"dataset": "d", "split": "test", "classes": [number]}, images)
        assert {(r.class_, r.label) for r in rows} == {("1", 0)}
    with pytest.raises(UserError, match="no class is called 0"):
        select_images({"dataset": "d", "split": "test", "classes": [0]}, images)
    for name in ("10", "9"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (9, 9)).save(tmp_path / name / "a.png")
    rows, _ = select_images({"folder": str(tmp_path), "classes": [10]}, [])
    assert [Path(r.path).parent.name for r in rows] == ["10"]


def test_a_model_without_errors_gives_an_empty_set():
    right = [p for p in predictions() if p["class"] == p["predicted"]]
    settings = {"evaluation": "m", "dataset": "d", "split": "test", "group": "errors"}
    assert select_images(settings, IMAGES, [], right) == ([], [])
    assert select_images(settings, IMAGES, [], []) == ([], [])


def test_unknown_names_point_to_the_nearest():
    for settings, message in (
        ({"dataset": "d", "split": "tset"}, "no split 'tset' .*did you mean 'test'"),
        ({"dataset": "d", "split": "test", "classes": ["dgo"]}, "no class 'dgo' .*did you mean 'dog'"),
        ({"evaluation": "m", "group": "erors"}, "'erors' is not a group .*did you mean 'errors'"),
        ({"evaluation": "m", "group": "false_positives:dgo"}, "no class 'dgo' .*did you mean 'dog'"),
        ({"evaluation": "m", "group": "false_positives"}, "write 'false_positives:' and a class"),
        ({"evaluation": "m", "group": "errors:dog"}, "'errors:dog' is not a group"),
        ({"folder": "/no/such/place"}, "no such folder"),
        ({"limit": 3}, "needs one of the keys"),
    ):
        with pytest.raises(UserError, match=message):
            choose(settings, predictions=predictions())


@pytest.fixture
def folder(tmp_path):
    for name in ("b/1.png", "b/2.png", "a/1.png", "flat/10.png", "flat/9.png"):
        path = tmp_path / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (9, 9)).save(path)
    (tmp_path / "p/a/broken.png").write_bytes(b"\x89PNG")
    (tmp_path / "p/flat/notes.txt").write_text("x")
    return tmp_path / "p"


def test_a_list_of_files_keeps_its_order_and_lists_the_bad(folder):
    files = [str(folder / name) for name in ("b/2.png", "a/broken.png", "a/1.png", "none.jpg", "b/2.png")]
    rows, bad = select_images({"files": files})
    wanted = [(place, "", -1, sha256_of(place)[:16]) for place in (files[0], files[2])]
    assert [(r.path, r.class_, r.label, r.sha256) for r in rows] == wanted
    assert [r.path for r in bad] == [files[1], files[3]] and bad[1].reason == "no such file"
    with pytest.raises(UserError, match="on_bad_image is 'fail' and 2 pictures are bad"):
        select_images({"files": files, "on_bad_image": "fail"})


def test_a_flat_folder_and_one_of_classes(folder):
    rows, bad = select_images({"folder": str(folder / "flat")})
    assert [(r.id, r.class_, r.label) for r in rows] == [("9", "", -1), ("10", "", -1)] and bad == []
    rows, bad = select_images({"folder": str(folder), "classes": ["b", "a"]})
    assert [(r.id, r.class_, r.label) for r in rows] == [("b_1", "b", 0), ("2", "b", 0), ("a_1", "a", 1)]
    assert [Path(r.path).name for r in bad] == ["broken.png"]
    with pytest.raises(UserError, match="no class 'c'"):
        select_images({"folder": str(folder), "classes": ["c"]})


def test_ids_are_unique_safe_and_stable():
    pictures = [
        ("cat", "/d/train/cat/1.jpg"),
        ("dog", "/d/train/dog/1.jpg"),
        ("dog", "/d/test/dog/1.jpg"),
        ("", "/d/Kätzchen, 猫 (2).JPG"),
        ("", "/d/猫.jpg"),
        ("", "/d/犬.jpg"),
        ("", "/d/CON.png"),
        ("", "/d/Same.png"),
        ("", "/e/same.gif"),
        ("", "/d/" + "long" * 60 + "a.jpg"),
        ("", "/d/" + "long" * 60 + "b.jpg"),
        ("", "/d/..jpg"),
        ("", "/d/a\nb.jpg"),
    ]
    ids = image_ids(pictures)
    assert len({i.lower() for i in ids}) == len(ids)
    assert all(
        i and len(i) <= 44 and set(i) <= set(map(chr, range(128))) and i.replace("-", "").replace("_", "").isalnum()
        for i in ids
    )
    assert ids[0] == "cat_1" and ids[3] == "Katzchen_2" and ids[6] == "image_CON" and ids[12] == "a_b"
    assert ids[1].startswith("dog_1-") and ids[2].startswith("dog_1-")
    order = list(range(len(pictures)))[::-1]
    assert image_ids([pictures[i] for i in order]) == [ids[i] for i in order]
    assert len(set(image_ids([("", "/a/x.jpg")] * 3))) == 3
