"""Families of networks: none is left out, and what the page of models says of them is measured."""

import json
import re
from pathlib import Path

import pytest

from tests.families.facts import measure
from tests.families.networks import FAMILIES, applications, hub_classifiers
from tests.families.page import PAGE, is_whole, table

ROWS = Path(__file__).parents[2] / "families" / "rows.json"


def test_every_application_and_every_classifier_of_keras_hub_is_of_a_family() -> None:
    members = [member for family in FAMILIES for member in family.members]
    assert sorted(each for each in members if not each.endswith("ImageClassifier")) == applications()
    assert sorted({each for each in members if each.endswith("ImageClassifier")}) == hub_classifiers()


def test_the_page_is_made_of_the_rows() -> None:
    rows = json.loads(ROWS.read_text())
    assert PAGE.read_text().endswith(table(rows)), "run make docs-models"
    known = {family.name for family in FAMILIES}
    assert {row["family"] for row in rows} <= known


def test_a_row_that_says_something_wrong_is_not_whole() -> None:
    row = json.loads(ROWS.read_text())[0]
    assert is_whole(row)
    for wrong in ({"difference": 1e-3}, {"as_a_person": False}, {"map": [2, 2]}, {"moves": 11}, {"relus": 9}):
        assert not is_whole(row | wrong)


@pytest.mark.parametrize("name", ["keras-hub ViT", pytest.param("keras-hub HGNetV2", marks=pytest.mark.long)])
def test_what_the_page_says_is_true_of(name: str) -> None:
    row = measure(next(family for family in FAMILIES if family.name == name))
    assert is_whole(row), row
    (written,) = (each for each in json.loads(ROWS.read_text()) if each["family"] == name)
    for key in ("layer", "map", "relus", "others", "layers"):
        assert row[key] == written[key], key


def test_a_layer_before_the_one_that_a_person_takes_is_seen() -> None:
    """A map of an earlier layer moves with what is planted, and is large enough, so that only its name gives it away."""
    rows = {row["family"]: row for row in json.loads(ROWS.read_text())}
    for family in FAMILIES:
        layer = rows[family.name]["layer"]
        assert re.fullmatch(family.target, layer), family.name
        number = re.search(r"\d+(?!.*\d)", layer)
        earlier = [
            "activation_1",
            "add_1",
            "stack0_block1_out",
            "block1_sepconv1_act",
            "vit_encoder_transformer_block_1_ln_1",
        ]
        if number is not None and "activation_13" not in layer:
            earlier.append(f"{layer[: number.start()]}{int(number[0]) - 1}{layer[number.end() :]}")
        assert not [name for name in earlier if re.fullmatch(family.target, name)], family.name
