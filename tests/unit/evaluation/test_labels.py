"""The classes of pictures and of a model meet by name; what is in doubt is asked about, or unknown, and never guessed."""

import numpy as np
import pytest

from convscope.data.groups import label_names, labels_text, same_class, same_classes
from convscope.errors import UserError
from convscope.evaluation.labels import label_map, label_matrix, labels_for, order_in_doubt
from convscope.evaluation.truths import by_order, truths_of
from convscope.models.spec import ModelSpec


def model(*classes: str) -> ModelSpec:
    return ModelSpec("net", (8, 8), classes=classes, head="multiclass")


def rows(*named: tuple[str, int], **more: str) -> list[dict[str, str]]:
    return [{"class": name, "label": str(label), **more} for name, label in named]


def test_names_that_differ_in_case_only_are_classes_of_their_own() -> None:
    letters = ("A", "B", "a", "b", "cardigan", "Cardigan")
    assert label_map(model(*letters), ["a", "b", "A", "B", "Cardigan", "cardigan"]) == [2, 3, 0, 1, 5, 4]
    assert labels_for(rows(("a", 0), ("A", 1), ("Cardigan", 2)), letters).tolist() == [2, 0, 5]
    assert same_class("Cardigan", letters) == "Cardigan" and same_class("cardigan", letters) == "cardigan"


def test_a_name_that_may_mean_two_classes_is_asked_about() -> None:
    for ask in (
        lambda: label_map(model("cardigan", "Cardigan", "sock"), ["CARDIGAN", "sock"]),
        lambda: labels_for(rows(("CARDIGAN", 0)), ("cardigan", "Cardigan")),
        lambda: same_class("CARDIGAN", ["cardigan", "Cardigan"]),
    ):
        with pytest.raises(UserError, match="'CARDIGAN' may be 'cardigan' or 'Cardigan'"):
            ask()
    with pytest.raises(UserError, match="'Cat' and 'cats' would both be 'cat'"):
        label_map(model("cat", "dog"), ["Cat", "cats"])


def test_a_class_that_is_there_itself_is_no_others() -> None:
    assert same_classes(["cat", "Cats"], ["cat", "dog"]) == ["cat", None]
    assert same_classes(["Cats", "cat"], ["cat", "dog"]) == [None, "cat"], "in whatever order"
    assert same_classes(["a", "A"], ["A"]) == [None, "A"]


def test_what_parts_the_words_of_a_name_is_no_difference() -> None:
    """Else no name would fit, and by their order a stop sign would be a traffic light."""
    assert label_map(model("traffic light", "stop sign"), ["stop_sign", "Traffic-Lights"]) == [1, 0]
    assert label_map(model("a-b", "a_b"), ["a_b", "a-b"]) == [1, 0], "names that are known mean themselves"
    with pytest.raises(UserError, match="'a b' may be 'a-b' or 'a_b'"):
        label_map(model("a-b", "a_b"), ["a b", "c"])
    with pytest.raises(UserError, match="no class '-1'"):
        label_map(model("1", "0"), ["-1", "0"])


def test_folders_of_wordnet_numbers_with_names_and_models_called_by_number() -> None:
    """The numbers' order is not that of the names."""
    folders = ["n02085620-Chihuahua", "n02123045-tabby"]
    assert label_map(model("tabby", "chihuahua"), folders) == [1, 0]
    assert label_map(model("n02123045", "n02085620"), folders) == [1, 0]
    assert label_map(model("n02123045", "n02085620"), ["Chihuahua", "tabby"]) == [1, 0]


def test_accents_are_the_same_however_a_file_system_writes_them() -> None:
    assert label_map(model("cafe\u0301", "the\u0301"), ["th\u00e9", "caf\u00e9"]) == [1, 0]


def test_another_order_of_the_folders_counts_for_nothing() -> None:
    assert label_map(model("dog", "cat", "ant"), ["ant", "cat", "dog"]) == [2, 1, 0]
    assert labels_for(rows(("ant", 0), ("dog", 2)), ("dog", "cat", "ant")).tolist() == [2, 0]


def test_numbered_folders_of_a_network_without_names() -> None:
    """Folders 0 to 11: the third output is class 2 of a network trained by number, class 10 of one trained by letter."""
    few, many = [str(i) for i in range(10)], [str(i) for i in range(12)]
    assert label_map(model(*(f"class_{i}" for i in range(10))), few) == list(range(10))
    with pytest.raises(UserError, match=r"the order of the data set's is in doubt.*0, 1, 10, 11"):
        label_map(model(*(f"class_{i}" for i in range(12))), many)
    assert label_map(model(*sorted(many)), many) == [sorted(many).index(name) for name in many], "names settle it"
    padded = [f"{i:02}" for i in range(12)]
    assert label_map(model(*(f"class_{i}" for i in range(12))), padded) == list(range(12))
    assert label_map(model("x", "y"), ["Katze", "Hund"]) == [0, 1], "an order that somebody wrote down"
    part = rows(("1", 1), ("2", 2), classes="12")
    assert labels_for(part, [f"class_{i}" for i in range(12)]).tolist() == [-1, -1]
    assert not order_in_doubt(["1", "2"]) and order_in_doubt(["1", "2"], 12)


def test_what_is_taken_by_order_alone_is_said() -> None:
    known = [{"class": name, "label": str(label), "path": "a"} for label, name in enumerate(("Hund", "Katze"))]
    spec = model("dog", "cat")
    assert by_order(spec, known, truths_of(spec, known, known)) == "Hund is dog, Katze is cat"
    named = model("Hund", "katze")
    assert by_order(named, known, truths_of(named, known, known)) == ""
    unknown = [row | {"label": "-1"} for row in known]
    assert by_order(spec, unknown, truths_of(spec, unknown, unknown)) == ""


def test_a_class_without_pictures_leaves_the_others_their_numbers() -> None:
    assert label_map(model("dog", "cat", "newt"), ["Hund", "Molch"], [0, 2]) == [0, 2]
    with pytest.raises(UserError, match="no class 'Hund'"):
        label_map(model("dog", "cat"), ["Hund", "Molch"], [0, 2])
    with pytest.raises(UserError, match="in doubt"):
        label_map(model(*(f"class_{i}" for i in range(12))), ["1", "11"], [1, 11])


def test_a_set_without_the_last_class_keeps_its_truth() -> None:
    """Of three classes called otherwise than the model's, a set has two: their numbers still count."""
    german = rows(("Hund", 0), ("Katze", 1), classes="3")
    assert labels_for(german, ("dog", "cat", "newt")).tolist() == [0, 1]
    assert labels_for(rows(("Hund", 0), ("Katze", 1)), ("dog", "cat", "newt")).tolist() == [-1, -1]
    assert labels_for(rows(("Hund", 0), ("Katze", 1), ("Molch", 2))[:3], ("dog", "cat", "newt")).tolist() == [0, 1, 2]


def test_many_labels_a_picture() -> None:
    pictures = [
        {"class": "cat", "label": "0", "labels": "cat|Dogs"},
        {"class": "", "label": "-1", "labels": "|"},
        {"class": "newt", "label": "2", "labels": ""},
    ]
    truth = label_matrix(pictures, ("dog", "cat", "newt"))
    np.testing.assert_array_equal(truth, [[True, True, False], [False] * 3, [False, False, True]])
    with pytest.raises(UserError, match="no label 'cow'"):
        label_matrix([{"class": "", "label": "-1", "labels": "cow"}], ("dog", "cat"))
    assert label_names("cat| dog |") == ("cat", "dog") and label_names("|") == ()
    assert labels_text(["cat", "dog"]) == "cat|dog"
    with pytest.raises(UserError, match=r"has a \|"):
        labels_text(["cat|dog"])


def test_a_wordnet_number_is_the_imagenet_class_of_that_number() -> None:
    from convscope.models.presets import imagenet_classes, imagenet_numbers

    everything = model(*imagenet_classes())
    assert label_map(everything, ["n02123045", "n01440764", "n15075141"]) == [281, 0, 999]
    assert label_map(everything, ["n02012849", "n03126707"]) == [134, 517], "the bird and the machine are both a crane"
    assert label_map(everything, list(imagenet_numbers())) == list(range(1000))
    assert label_map(model("tench", "tabby"), ["n02123045", "n01440764"]) == [1, 0]
    assert label_map(model("n02123045", "n01440764"), ["n01440764", "n02123045"]) == [1, 0]
    with pytest.raises(UserError, match="has no class 'n99999999'"):
        label_map(everything, ["n02123045", "n99999999"])
