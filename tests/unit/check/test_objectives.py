"""What pictures of several things are of is said once, and is there."""

from typing import Any

import pytest

from convscope.check import check_study
from convscope.config import complete
from convscope.errors import UserError


def study(part: dict[str, Any]) -> dict[str, Any]:
    return complete(
        {
            "study": "small",
            "datasets": {
                "pets": {"source": "drawn_pets", "images_per_class": {"train": 4, "validation": 2, "test": 2}}
            },
            "models": {"net": {"source": "train", "architecture": "convnet", "dataset": "pets"}},
            "filters": {"net": {"objectives": {"it": part}}},
        }
    )


@pytest.mark.parametrize(
    "part",
    [
        {"class": "cat"},
        {"class": 1, "patterns": 3},
        {"layer": "conv2", "filters": [0, 3], "weights": [1, -1]},
        {"layer": "conv2", "filters": [0, 3], "between": 4},
        {"layer": "conv2", "direction": [0.5, 1]},
    ],
)
def test_these_are_right(part: dict[str, Any]) -> None:
    check_study(study(part))


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({}, "objectives.it: name a class, or a layer with filters or a direction"),
        ({"class": "cot"}, "objectives.it.class: .*'cot'"),
        ({"class": "cat", "layer": "conv2"}, "class and layer"),
        ({"layer": "conv22", "filters": [0]}, "'conv22'"),
        ({"layer": "conv2"}, "with filters, or with a direction"),
        ({"layer": "conv2", "filters": [0], "direction": [1]}, "with filters, or with a direction"),
        ({"layer": "conv2", "direction": "nowhere.csv"}, "nowhere.csv' is no file"),
        ({"layer": "conv2", "direction": [1], "between": 3}, "weighs filters"),
        ({"layer": "conv2", "filters": [0, 1], "weights": [1]}, "1 weights of 2 filters"),
        ({"layer": "conv2", "filters": [0], "between": 3}, "there are 1; name two"),
        ({"layer": "conv2", "filters": [0, 1], "between": 3, "patterns": 2}, "one picture of each step"),
    ],
)
def test_mistakes_are_found_at_the_start(part: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check_study(study(part))
