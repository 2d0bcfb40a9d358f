"""What a unit is said to look for, from numbers made up here."""

import math

import numpy as np
import pytest

from convscope.units.report import Concepts, UnitRow, count_layers, unit_rows
from convscope.units.results import Dissected, LayerAnswers
from convscope.units.words import ByClass, Classes, Label, by_class, label_of, sentence

NAMES, KINDS = ("eyes", "cat", "red"), ("part", "class", "colour")
NO_CLASS = ByClass({}, "", math.nan, math.nan)


def dissected(**rows):
    values = {
        "iou": [0.31, 0.01, 0.02],
        "low": [0.25, 0.009, 0.01],
        "high": [0.36, 0.012, 0.03],
        "chance": [0.04, 0.006, 0.02],
        "chance_high": [0.05, 0.007, 0.03],
        "inside": [0.6, 0.9, 0.1],
        "inside_chance": [0.1, 0.5, 0.1],
    }
    arrays = {name: np.array([rows.get(name, row)], np.float32) for name, row in values.items()}
    return Dissected(**arrays, fired=np.array([rows.get("fired", 0.005)], np.float32))


def test_a_unit_detects_what_its_firing_places_are_beyond_chance():
    found = dissected()
    label = label_of(found, 0, NAMES, KINDS)
    assert label == Label("part", "eyes", True, 0)
    classes = ByClass({"cat": 0.9, "dog": 0.1}, "cat", 9.0, 0.8)
    said = "eyes (IoU 0.31, chance 0.04); fires on cat 9 times as often"
    assert sentence(label, found, 0, classes, False) == said


@pytest.mark.parametrize(
    "change",
    [
        {"iou": [0.039, 0.01, 0.02]},  # too little for the eye
        {"chance_high": [0.32, 0.007, 0.03]},  # one shuffle in a hundred has as much
        {"low": [0.03, 0.009, 0.01]},  # a few pictures alone
        {"iou": [np.nan, 0.01, 0.02]},  # nothing is known
    ],
)
def test_what_is_not_sure_is_no_detector(change):
    assert not label_of(dissected(**change), 0, NAMES, KINDS).detects


def test_a_large_concept_is_told_by_where_the_firing_places_lie():
    found = dissected(iou=[0.04, 0.01, 0.02])
    assert label_of(dissected(iou=[0.03, 0.01, 0.02]), 0, NAMES, KINDS) == Label("class", "cat", False, 1)
    label = Label("class", "cat", False, 1)
    assert sentence(label, found, 0, NO_CLASS, False) == "mostly in pictures of cat (90% of its places, chance 50%)"
    at = Label("place", "top", False, 1)
    assert sentence(at, found, 0, NO_CLASS, False).startswith("mostly at the top of the picture (90%")


def test_a_concept_that_is_everywhere_tells_nothing_by_being_where_a_unit_fires():
    often = dissected(iou=[0, 0.01, 0], inside=[0, 0.9, 0], inside_chance=[0, 0.8, 0])
    assert label_of(often, 0, NAMES, KINDS) == Label()


def test_the_largest_gain_over_chance_wins_not_the_largest_iou():
    found = dissected(iou=[0.2, 0.15, 0], low=[0.19, 0.14, 0], chance=[0.18, 0.02, 0], chance_high=[0.19, 0.03, 0])
    assert label_of(found, 0, NAMES, KINDS).concept == "cat"


def test_silent_and_weak_units_are_called_so():
    silent = dissected(fired=0.0)
    assert label_of(silent, 0, NAMES, KINDS) == Label()
    assert sentence(Label(), silent, 0, NO_CLASS, False) == "never fires on these pictures"
    assert sentence(Label(), dissected(), 0, NO_CLASS, True) == (
        "nothing that has a name here; its weights hardly say anything"
    )


def test_a_favourite_class_is_one_that_is_surely_more_frequent():
    classes = ["cat"] * 100 + ["dog"] * 100
    maximum = np.concatenate([np.ones(90), np.zeros(10), np.ones(10), np.zeros(90)]).astype(np.float32)
    found = by_class(maximum, 0.5, classes)
    assert found.favourite == "cat" and abs(found.ratio - 9) < 1e-6 and found.rates == {"cat": 0.9, "dog": 0.1}
    assert abs(found.selectivity - (0.9 - 0.1) / (0.9 + 0.1)) < 1e-6
    # The same rates of twenty pictures say little; equal ones nothing.
    few = by_class(maximum[::20], 0.5, classes[::20])
    assert few.favourite in ("", "cat") and by_class(np.ones(200), 0.5, classes).favourite == ""
    assert by_class(maximum[[0, 101]], 0.5, ["cat", "dog"]).favourite == ""


def test_a_class_on_which_alone_a_unit_fires():
    classes = ["cat"] * 60 + ["dog"] * 60
    maximum = np.repeat(np.float32([1, 0]), 60)
    found = by_class(maximum, 0.5, classes)
    assert found.favourite == "cat" and math.isinf(found.ratio) and found.selectivity == 1
    assert sentence(Label(), dissected(), 0, found, False).endswith("fires on cat alone")


def test_pictures_of_no_known_class_do_not_count():
    found = by_class(np.float32([1, 1, 0, 0]), 0.5, ["", "", "", ""])
    assert found.rates == {} and found.favourite == "" and math.isnan(found.selectivity)
    assert by_class(np.float32([1, 1, 0, 0]), 0.5, ["cat", "", "cat", ""]).rates == {"cat": 0.5}


def test_classes_in_any_order_are_counted_as_one_by_one():
    rng = np.random.default_rng(4)
    classes = [("", "b", "a", "c")[k] for k in rng.integers(0, 4, 300)]
    maximum = rng.normal(size=300).astype(np.float32)
    found, named = by_class(maximum, 0.3, Classes(classes)), np.array(classes)
    assert found.rates == {name: float((maximum[named == name] >= 0.3).mean()) for name in "abc"}
    means = sorted(float(np.maximum(maximum[named == name], 0).mean()) for name in "abc")
    rest = (means[0] + means[1]) / 2
    assert abs(found.selectivity - (means[2] - rest) / (means[2] + rest)) < 1e-6
    assert by_class(np.zeros(0, np.float32), 0.5, []).rates == {}


def test_rows_and_counts():
    one, other = dissected(), dissected(fired=0.0)
    found = Dissected(
        *(np.concatenate([getattr(one, name), getattr(other, name)]) for name in (
            "iou", "low", "high", "chance", "chance_high", "inside", "inside_chance", "fired"
        ))
    )  # fmt: skip
    answers = LayerAnswers(
        np.float32([[1, 0], [3, 0]]), np.zeros((2, 2), np.float32), np.zeros((2, 2), np.int32), np.float32([2, 1e-7])
    )
    rows = [
        row for row, _ in unit_rows("conv", answers, found, Concepts(NAMES, KINDS), ["cat", "dog"], np.ones(2), 0.02)
    ]
    assert rows[0].words == "eyes (IoU 0.31, chance 0.04)" and rows[0].fires == 0.5 and rows[0].strongest == 3
    assert rows[0].detects == "concept" and rows[1].detects == "" and math.isnan(rows[1].iou)
    assert all(isinstance(row, UnitRow) for row in rows)
    (count,) = count_layers(rows)
    assert (count.units, count.dead, count.detectors, count.concepts, count.by_kind) == (2, 1, 1, 1, {"part": 1})


def test_a_place_is_said_last_and_only_of_a_unit_that_is_surely_there():
    kinds = ("place", "class", "colour")
    both = dissected(
        iou=[0.02, 0.01, 0],
        chance=[0.01, 0.006, 0],
        inside=[0.9, 0.8, 0],
        inside_chance=[0.33, 0.5, 0],
        chance_high=[0.01, 0.007, 0],
    )
    assert label_of(both, 0, ("top", "cat", "red"), kinds).concept == "cat"
    alone = {
        "iou": [0.02, 0, 0],
        "chance": [0.01, 0.006, 0],
        "chance_high": [0.01, 0.007, 0],
        "inside_chance": [0.33, 0.5, 0],
    }
    assert label_of(dissected(**alone, inside=[0.9, 0, 0]), 0, ("top", "cat", "red"), kinds).concept == "top"
    assert label_of(dissected(**alone, inside=[0.6, 0, 0]), 0, ("top", "cat", "red"), kinds) == Label()
