"""What a comparison is made of, and what is wrong with one before any work is done."""

import re
from typing import Any

import pytest

from convscope.check import check_study
from convscope.comparisons.selection import layers_by_depth, pattern_preset, trainings
from convscope.config import complete
from convscope.errors import UserError

TRAIN = {"source": "train", "architecture": "plain", "dataset": "pets"}
STUDY: dict[str, Any] = {
    "study": "s",
    "datasets": {"pets": {"source": "drawn_pets", "images_per_class": {"train": 2, "validation": 2, "test": 2}}},
    "models": {"a": TRAIN, "b": TRAIN, "app": {"source": "application", "application": "VGG16"}},
    "image_sets": {"few": {"dataset": "pets", "split": "test"}},
    "cams": {"a": {"images": ["few"]}},
    "comparisons": {"two": {"models": ["a", "b"], "split": "pets/test"}},
}


def comparing(**changes: Any) -> dict[str, Any]:
    return complete(STUDY | {"comparisons": {"two": STUDY["comparisons"]["two"] | changes}})


def test_defaults_and_trainings() -> None:
    config = comparing(seeds=2)
    check_study(config)
    assert trainings(config["comparisons"]["two"]) == [("a", 1), ("a", 2), ("b", 1), ("b", 2)]
    assert comparing()["comparisons"]["two"]["seeds"] == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ["a", "bb"]}, "comparisons.two.models: model 'bb' does not exist; did you mean 'b'?"),
        (
            {"models": ["a", "app"]},
            "comparisons.two.models: 'app' comes from source: application, and only source: train has",
        ),
        (
            {"split": "pets/tests"},
            "comparisons.two.split: split of 'pets' 'tests' does not exist; did you mean 'test'?",
        ),
        ({"split": "pet/test"}, "comparisons.two.split: dataset 'pet' does not exist; did you mean 'pets'?"),
        ({"images": "fow"}, "comparisons.two.images: image set 'fow' does not exist; did you mean 'few'?"),
        (
            {"images": "few"},
            "comparisons.two: no gradcam is made of image set 'few' for model 'b'; add few to cams.b.images",
        ),
        (
            {"images": "few", "method": "cam"},
            "comparisons.two: no cam is made of image set 'few' for model 'a'; add cam to cams.a.methods",
        ),
        ({"models": ["a"]}, "comparisons.two.models"),
        ({"seeds": 0}, "comparisons.two.seeds"),
    ],
)
def test_what_is_wrong_is_said_at_the_start(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=re.escape(message)):
        check_study(comparing(**changes))


def test_layers_of_every_depth() -> None:
    names = {"a": [f"a{i}" for i in range(11)], "b": ["b0", "b1", "b2"]}
    assert layers_by_depth(names) == {"a": ["a0", "a5", "a10"], "b": ["b0", "b1", "b2"]}
    assert layers_by_depth({"a": names["a"]}, most=2) == {"a": ["a0", "a10"]}
    assert layers_by_depth({"a": ["x"], "b": names["b"]}) == {"a": ["x"], "b": ["b0"]}


def test_patterns_are_shown_of_a_preset_that_all_have() -> None:
    filters = {"a": {"preset": ["sharp", "textbook"]}, "b": {"preset": "textbook"}}
    config = {"comparisons": {"two": {"models": ["a", "b"]}}, "filters": filters}
    assert pattern_preset(config, "two") == "textbook"
    assert pattern_preset(config | {"filters": {"a": filters["a"]}}, "two") is None
    assert pattern_preset(config | {"filters": {**filters, "b": {"preset": "fast"}}}, "two") is None
