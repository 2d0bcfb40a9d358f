"""Scores in a file, read in blocks: the same numbers as in memory, and flat memory."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from convscope.evaluation import report, roc, scores
from convscope.evaluation.metrics import metrics
from convscope.evaluation.numbers import numbers_of
from convscope.evaluation.roc import Truth, areas, roc_curves
from convscope.evaluation.rows import Truths, prediction_columns, prediction_rows
from convscope.evaluation.scores import LogOdds, Scores, ScoreWriter, log_odds, whole
from convscope.models.spec import ModelSpec
from convscope.storage import store
from convscope.storage.tables import read_rows, write_table


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 30, 700)
    logits = rng.normal(0, 1, (700, 30)).astype(np.float32)
    logits[np.arange(700), labels] += 2
    return labels, logits * rng.choice([1.0, 60.0], (700, 1)).astype(np.float32)


def test_rows_and_columns_of_a_file_are_those_of_memory(
    tmp_path: Path, answers: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written in odd parts, read in small blocks, some rows left out."""
    _, logits = answers
    monkeypatch.setattr(scores, "_CELLS", 4000)
    with store.create(tmp_path / "s.h5") as file:
        writer = ScoreWriter(file, 900, 30)
        for start in range(0, 700, 37):
            writer.add(logits[start : start + 37])
        writer.close()
    rows = np.random.default_rng(0).random(700) < 0.6
    with store.open_file(tmp_path / "s.h5") as file:
        assert file["scores"].shape == (700, 30) and file["scores"].dims[1].label == "class"
        stored = Scores(file["scores"], rows)
        np.testing.assert_array_equal(whole(stored), logits[rows])
        places = list(stored.blocks())
        assert len(places) > 2 and [place.start for place, _ in places][1:] == [place.stop for place, _ in places][:-1]
        np.testing.assert_array_equal(np.concatenate([part for _, part in places]), logits[rows])
        np.testing.assert_array_equal(whole(LogOdds(stored)), log_odds(logits[rows]))
        np.testing.assert_array_equal(whole(stored.of(np.arange(rows.sum()) < 9)), logits[rows][:9])


def test_many_answers_are_ranked_without_sorting_them_all(
    answers: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ties count half, of one class each and of many labels."""
    labels, logits = answers
    coarse = Scores(np.round(logits))
    many = np.random.default_rng(1).random(logits.shape) < 0.2
    for truth, ranks in ((labels, LogOdds(coarse)), (many, coarse)):
        known = Truth(truth)
        together = areas(known, ranks)
        curve = roc_curves(truth, ranks)["micro"]
        monkeypatch.setattr(roc, "_TOGETHER", 0)
        apart = areas(known, ranks)
        assert apart[0] == together[0] and apart[1] == pytest.approx(together[1], abs=1e-12)
        assert apart[1] == pytest.approx(roc_auc_score(known.whole(30).ravel(), whole(ranks).ravel()), abs=1e-12)
        fpr, tpr = roc_curves(truth, ranks)["micro"]
        assert (
            (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
            and (np.diff(fpr) >= 0).all()
            and (np.diff(tpr) >= 0).all()
        )
        # Its points lie on the curve of all answers, whose corners are joined by straight lines, some upright.
        across, up = np.abs(np.interp(fpr, *curve) - tpr), np.abs(np.interp(tpr, *curve[::-1]) - fpr)
        assert np.minimum(across, up).max() < 2e-3
        assert np.trapezoid(tpr, fpr) == pytest.approx(together[1], abs=2e-3)
        monkeypatch.undo()


def test_numbers_of_a_file_are_those_of_memory(
    answers: tuple[np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    labels, logits = answers
    spec = ModelSpec("net", (8, 8), classes=tuple(f"c{i}" for i in range(30)), head="multiclass")
    expected = metrics(spec, labels.tolist(), logits)
    monkeypatch.setattr(scores, "_CELLS", 3000)
    assert metrics(spec, labels, Scores(logits)) == expected


def test_many_pictures_of_many_classes_take_little_memory(tmp_path: Path) -> None:
    """3,000 pictures of 400 classes: the table and the metrics once held every number as an object of Python, 400 MB."""
    count, classes = 3000, 400
    spec = ModelSpec("big", (8, 8), classes=tuple(f"class {i}" for i in range(classes)), head="multiclass")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, classes, count)
    tracemalloc.start()
    with store.create(tmp_path / "scores.h5") as file:
        writer = ScoreWriter(file, count, classes)

        def rows():  # type: ignore[no-untyped-def]
            for start in range(0, count, 32):
                own = labels[start : start + 32]
                logits = rng.normal(0, 1, (len(own), classes)).astype(np.float32)
                logits[np.arange(len(own)), own] += 3
                writer.add(logits)
                truths = Truths([spec.classes[i] for i in own], own)
                yield from prediction_rows(spec, ["x.jpg"] * len(own), truths, logits, ["0" * 16] * len(own))

        write_table(tmp_path / "predictions.csv", rows(), prediction_columns(spec))
        writer.close()
        truths = Truths([], labels)
        numbers = numbers_of(spec, truths, np.arange(count), Scores(file["scores"]))
    table = read_rows(tmp_path / "predictions.csv")
    with store.open_file(tmp_path / "scores.h5") as file:
        found = report.read_predictions(table, spec.classes, file["scores"])
        write_table(tmp_path / "classes.csv", report.class_rows(found), report.CLASS_COLUMNS)
        write_table(tmp_path / "roc.csv", report.roc_rows(found), report.ROC_COLUMNS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6
    assert numbers["accuracy"] == pytest.approx(found.correct.mean()) and "confusion" not in numbers
    assert sum(cell[2] for cell in numbers["confusion_cells"]) == count
    assert set(table[0]) == set(prediction_columns(spec)) and len(table[0]) == 9, "short rows"
    row = int(np.flatnonzero(found.correct)[0])
    assert table[row]["of_truth"] == table[row]["confidence"]


def test_classes_of_equal_scores_tie_whichever_of_them_comes_first() -> None:
    truth = np.repeat([0, 1, 2], [8, 1, 1])
    # The classes of the first picture are equally likely, two of the others.
    ranks = log_odds(np.array([[0.0, 0.0, 0.0], [0.1, 0.1, -3.0], [-3.0, 0.1, 0.1]]))
    assert len(set(ranks[0])) == 1 and ranks[1, 0] == ranks[1, 1] and ranks[2, 1] == ranks[2, 2]
    # A head that answers nothing tells no picture from another, however many there are of the first class.
    of_class, micro = areas(Truth(truth), LogOdds(Scores(np.zeros((10, 3)))))
    assert of_class == [0.5] * 3 and micro == 0.5
