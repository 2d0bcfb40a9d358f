"""The tables of a comparison, of trainings whose answers are known."""

from typing import Any

import numpy as np
import pytest

from convscope.comparisons.names import BETTER, UNDECIDED, WORSE
from convscope.comparisons.report import (
    COLUMNS,
    PAIR_COLUMNS,
    Training,
    answers,
    correct_of,
    pairs,
    summaries,
    table,
    unmatched,
    what_can_be_told,
)  # fmt: skip
from convscope.errors import UserError


def training(model: str, number: int, correct: list[bool], seconds: tuple[float, ...] = (9.0, 2.0, 4.0)) -> Training:
    history = [{"epoch": i + 1, "seconds": value} for i, value in enumerate(seconds)]
    facts = {
        "seed": 6 + number, "parameters": 1000, "epochs": len(seconds), "best_epoch": 2, "accuracy": 0.99, "val_accuracy": 0.9,
    }  # fmt: skip
    return Training(model, number, history, facts, {f"{i:03}.png": value for i, value in enumerate(correct)})


def three(shares: dict[str, list[float]], pictures: int = 200) -> dict[str, np.ndarray]:
    """Model -> answers, so many of the pictures right in each training; which ones differs."""
    random = np.random.default_rng(0)
    return {
        model: np.stack([random.permutation(np.arange(pictures) < share * pictures) for share in each], axis=1).astype(
            float
        )
        for model, each in shares.items()
    }


def test_a_row_a_training() -> None:
    every = [
        training("a", 1, [True, True, False, True]),
        training("a", 2, [True] * 4),
        training("b", 1, [False] * 4, (3.0,)),
    ]
    right, left_out = answers(every)
    assert left_out == 0 and right["a"].tolist() == [[1, 1], [1, 1], [0, 1], [1, 1]]
    rows = table(every, right, {"a": 5000, "b": 70})
    assert all(tuple(row) == COLUMNS for row in rows)
    assert rows[0] == {
        "model": "a", "training": 1, "seed": 7, "parameters": 1000, "multiply_adds": 5000, "seconds": 3.0, "epochs": 3,
        "best_epoch": 2, "train_accuracy": 0.99, "val_accuracy": 0.9, "accuracy": 0.75, "images": 4,
    }  # fmt: skip
    assert rows[2]["seconds"] == 3.0, "of one epoch alone, that one"
    first, second = summaries(rows, right)
    assert (first["accuracy"], first["least"], first["best"]) == (0.875, 0.75, 1.0)
    assert first["spread"] == pytest.approx(0.125 * 2**0.5, rel=1e-5) and second["spread"] is None
    assert second["low"] is None, "one training says nothing of others"


def test_pictures_that_not_all_answered_are_left_out() -> None:
    every = [training("a", 1, [True, False, True]), training("b", 1, [True, True])]
    right, left_out = answers(every)
    assert left_out == 1 and len(right["a"]) == 2
    with pytest.raises(UserError, match="no picture of a known class was answered by all networks"):
        answers([training("a", 1, []), training("b", 1, [True])])


def test_rows_of_unknown_class_count_for_nothing() -> None:
    rows = [{"path": "a", "correct": "true"}, {"path": "b", "correct": "false"}, {"path": "c", "correct": ""}]
    assert correct_of(rows) == {"a": True, "b": False}


def test_what_is_shown_and_what_is_not() -> None:
    right = three({"worst": [0.60, 0.61, 0.59], "good": [0.93, 0.94, 0.95], "lucky": [0.99, 0.93, 0.88]})
    rows = pairs(right)
    assert [tuple(row) for row in rows] == [(*PAIR_COLUMNS, "reason")] * 3
    assert [(row["model"], row["other"], row["shows"]) for row in rows] == [
        ("worst", "good", WORSE), ("worst", "lucky", WORSE), ("good", "lucky", UNDECIDED),
    ]  # fmt: skip
    assert rows[0]["difference"] == pytest.approx(-0.34) and rows[0]["low"] < -0.34 < rows[0]["high"] < 0
    assert rows[0]["apart"] and not rows[2]["apart"]
    assert rows[0]["p_deals"] == 0.1 and rows[0]["p"] < rows[0]["p_adjusted"] < 0.05
    assert rows[0]["reason"].startswith(
        "good is better than worst: 94.0 % against 60.0 %, +34.0 points, 95 % interval +"
    )
    assert rows[0]["reason"].endswith(
        " over 3 seeds and 200 pictures; every seed of the one above every seed of the other."
    )
    assert rows[2]["reason"].startswith(
        "3 seeds do not decide between good and lucky (94.0 % against 93.3 %, +0.7 points"
    )
    assert rows[2]["reason"].endswith("; more seeds would tell.")
    (turned,) = pairs({"good": right["good"], "worst": right["worst"]})
    assert turned["shows"] == BETTER and turned["reason"] == rows[0]["reason"]


def test_pairs_are_asked_about_together() -> None:
    shares = {"a": [0.80, 0.82, 0.84], "b": [0.88, 0.89, 0.93]}
    (alone,) = pairs(three(shares))
    assert alone["shows"] == WORSE and alone["p"] == alone["p_adjusted"]
    among = pairs(three(shares | {name: [0.8, 0.82, 0.84] for name in "cdef"}))
    assert among[0]["p"] == alone["p"] < 0.05 < among[0]["p_adjusted"]
    assert "alone it would be shown, among all pairs it is not" in among[0]["reason"]


@pytest.mark.parametrize("seeds", [1, 2])
def test_fewer_than_three_seeds_decide_nothing(seeds: int) -> None:
    (row,) = pairs(three({"a": [0.5] * seeds, "b": [1.0] * seeds}))
    assert row["shows"] == UNDECIDED and row["p"] is None and (row["low"] is None) == (seeds == 1)
    count = "1 seed" if seeds == 1 else "2 seeds"
    assert row["reason"].startswith(
        f"{count} of a model, of which 3 are the least, do not decide between b and a: 100.0 % against 50.0 %"
    )
    assert what_can_be_told(seeds, 200, 2).startswith(f"{count} of a model decide nothing")


def test_what_more_seeds_can_tell() -> None:
    assert "never below 0.1: it decides none" in what_can_be_told(3, 200, 5)
    assert "never below 0.00016: it can decide" in what_can_be_told(8, 200, 5)


@pytest.mark.parametrize(("seeds", "spread"), [(3, 0.6), (5, 0.3)])
def test_five_models_that_are_alike(seeds: int, spread: float) -> None:
    """In 5 % of the studies, at most, any of the ten pairs is told apart."""
    random, wrong = np.random.default_rng(1), 0
    for _ in range(200):
        hard = random.normal(1, 1.5, (200, 1))
        shift = random.normal(0, spread, (5, 1, seeds)) + random.normal(0, 0.5, (5, 200, seeds))
        answered = random.random((5, 200, seeds)) < 1 / (1 + np.exp(-(hard + shift)))
        wrong += any(
            row["shows"] != UNDECIDED for row in pairs(dict(zip("abcde", answered.astype(float), strict=True)))
        )
    assert wrong <= 16, "5 % of 200 and twice its standard error"


def test_networks_of_other_sizes_are_told() -> None:
    sizes: list[dict[str, Any]] = [{"model": "a", "parameters": 1000}, {"model": "b", "parameters": 1090}]
    assert unmatched(sizes) == ""
    assert unmatched([*sizes, {"model": "c", "parameters": 4000}]).startswith(
        "They are not of one size: c has 4.0 times the parameters of a."
    )


def test_all_right_is_no_certainty() -> None:
    every = [training("sure", number, [True] * 20) for number in (1, 2, 3)] + [training("alone", 1, [True] * 20)]
    right, _ = answers(every)
    sure, alone = summaries(table(every, right, {"sure": 1, "alone": 1}), right)
    # Clopper & Pearson of 20 of 20: 0.025^(1/20).
    assert (sure["low"], sure["high"]) == (pytest.approx(0.025 ** (1 / 20), abs=1e-5), 1)
    assert alone["low"] is None, "of one training nothing is known of others"
