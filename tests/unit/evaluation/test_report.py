"""The classifier's report: closed forms, scikit-learn as the second opinion, figures, and the page of all predictions."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

from convscope.errors import UserError
from convscope.evaluation import report as report
from convscope.evaluation.figures import THUMBNAIL, draw_errors, draw_thumbnails
from convscope.evaluation.metrics import calibration, calibration_error, metrics
from convscope.evaluation.roc import roc_curves
from convscope.evaluation.rows import Truths, prediction_columns, prediction_rows
from convscope.evaluation.scores import LogOdds, Scores, log_odds
from convscope.gallery.predictions import prediction_table
from convscope.models.spec import ModelSpec
from convscope.storage.tables import read_rows, write_table
from tests import gallery_fixture as fixture

PETS = ModelSpec("pets", (8, 8), classes=("cat", "dog"), head="binary")
FRUIT = ModelSpec("fruit", (8, 8), classes=("apple", "kiwi", "lemon", "plum"), head="multiclass")


@pytest.fixture(scope="module")
def answers() -> tuple[np.ndarray, np.ndarray]:
    """Labels and logits of 300 pictures of four classes, three quarters of them right, some very sure."""
    rng = np.random.default_rng(3)
    labels = rng.choice(4, 300, p=[0.4, 0.3, 0.2, 0.1])
    logits = rng.normal(0, 1.2, (300, 4))
    logits[np.arange(300), labels] += 2.0
    return labels, logits * rng.choice([1.0, 60.0], (300, 1))


def predictions(tmp_path: Path, spec: ModelSpec, labels: np.ndarray, logits: np.ndarray) -> report.Predictions:
    paths = [f"pictures/{k}.png" for k in range(len(labels))]
    names = [spec.classes[label] if label >= 0 else "" for label in labels]
    rows = prediction_rows(spec, paths, Truths(names, labels), logits, [""] * len(paths))
    write_table(tmp_path / "predictions.csv", rows, prediction_columns(spec))
    return report.read_predictions(read_rows(tmp_path / "predictions.csv"), spec.classes, spec.class_scores(logits))


def test_accuracy_is_held_against_always_guessing_the_most_frequent_class() -> None:
    labels = [0] * 90 + [1] * 10
    guessing = metrics(PETS, labels, np.full((100, 1), -3.0))
    assert guessing["accuracy"] == guessing["no_information_rate"] == 0.9
    assert guessing["p_value_no_information"] > 0.5 and guessing["balanced_accuracy"] == 0.5
    assert guessing["classes"]["dog"] == {"precision": 0, "recall": 0, "f1": 0, "support": 10, "roc_auc": 0.5}
    better = metrics(PETS, labels, np.where(np.array(labels) == 1, 3.0, -3.0)[:, None])
    assert better["p_value_no_information"] == pytest.approx(0.9**100) and better["macro_f1"] == 1.0
    low, high = better["accuracy_interval"]
    assert (low, high) == (pytest.approx(100 / (100 + 1.959964**2), rel=1e-6), pytest.approx(1.0))


def test_brier_and_calibration_error_by_hand() -> None:
    logits = np.log(np.array([[0.9], [0.6], [0.2], [0.7]]) / np.array([[0.1], [0.4], [0.8], [0.3]]))
    found = metrics(PETS, [1, 0, 0, 1], logits)
    assert found["brier"] == pytest.approx((0.01 + 0.36 + 0.04 + 0.09) / 4, rel=1e-5), "of class 1 alone, 0 to 1"
    gaps = [abs(0.9 - 1), abs(0.6 - 0), abs(0.8 - 1), abs(0.7 - 1)]  # four bins of one picture each
    assert found["calibration_error"] == pytest.approx(np.mean(gaps), rel=1e-5)
    three = metrics(FRUIT, [0, 1, 2, 3], np.zeros((4, 4)))
    assert three["brier"] == pytest.approx(0.75**2 + 3 * 0.25**2), "summed over the classes"


def test_bins_of_confidence_lose_no_picture() -> None:
    confidence = np.array([0.0, 0.2, 0.2000001, 0.5, 1.0, 1.0])
    rows = calibration(confidence, confidence > 0.4, bins=5)
    assert [row["images"] for row in rows] == [2, 1, 1, 0, 2]
    assert np.isnan(rows[3]["accuracy"]), "an empty bin has no accuracy, and not 0"
    assert calibration_error(rows) == pytest.approx((0.1 * 2 + 0.2 + 0.5 + 0.0) / 6, rel=1e-5)
    assert calibration_error(calibration(np.array([]), np.array([]))) is None


def test_areas_agree_with_scikit_learn_and_with_the_curves(answers) -> None:
    labels, logits = answers
    found = metrics(FRUIT, labels.tolist(), logits)
    ranks = log_odds(logits)
    truth = labels[:, None] == np.arange(4)
    for c, name in enumerate(FRUIT.classes):
        assert found["classes"][name]["roc_auc"] == pytest.approx(roc_auc_score(truth[:, c], ranks[:, c]))
    curves = roc_curves(labels, LogOdds(Scores(logits)))
    areas = {name: np.trapezoid(tpr, fpr) for name, (fpr, tpr) in curves.items()}
    assert areas["micro"] == pytest.approx(found["roc_auc_micro"])
    assert areas["macro"] == pytest.approx(found["roc_auc_macro"], abs=1e-12), "no area lost where a curve steps"
    assert found["roc_auc_macro"] == pytest.approx(np.mean([areas[str(c)] for c in range(4)]))
    for fpr, tpr in curves.values():
        assert (fpr[0], tpr[0], fpr[-1], tpr[-1]) == (0, 0, 1, 1)
        assert (np.diff(fpr) >= 0).all() and (np.diff(tpr) >= -1e-12).all()


def test_sure_answers_keep_their_rank() -> None:
    ranks = log_odds(np.array([[90.0, 0, 0], [95.0, 0, 0], [900.0, 0, 0]]))
    assert np.isfinite(ranks).all() and (np.diff(ranks[:, 0]) > 0).all(), "their probabilities are all exactly 1"


def test_log_odds_by_their_definition(answers) -> None:
    scores = answers[1][:50] / 60
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(log_odds(scores), np.log(p / (1 - p)), rtol=1e-9)


def test_a_thousand_classes_give_figures_that_can_be_read(tmp_path: Path) -> None:
    spec = ModelSpec("net", (8, 8), classes=tuple(f"c{k}" for k in range(1000)), head="multiclass")
    rng = np.random.default_rng(0)
    labels = rng.choice([3, 500, 999], 60)
    logits = rng.normal(0, 1, (60, 1000)).astype(np.float32)
    logits[np.arange(60), labels] += 5
    found = predictions(tmp_path, spec, labels, logits)
    report.draw_confusion(found, "t", tmp_path / "confusion.png", normalised=False)
    report.draw_roc(found, "t", tmp_path / "roc.png")
    for name in ("confusion", "roc"):
        with Image.open(tmp_path / f"{name}.png") as image:
            assert max(image.size) < 3000, name
    curves = [row["curve"] for row in report.roc_rows(found)]
    assert set(curves) == {"micro", "macro", "class c3", "class c500", "class c999"}
    assert max(curves.count(name) for name in set(curves)) <= 1000


def test_shares_of_many_classes_are_shares_of_all_pictures(tmp_path: Path) -> None:
    """Fifty classes, forty shown: class 0 has three pictures, of which one is taken for class 49, which is not shown."""
    spec = ModelSpec("net", (8, 8), classes=tuple(f"c{k}" for k in range(50)), head="multiclass")
    labels = np.array([0, 0, 0, *np.repeat(np.arange(1, 40), 2)])
    answers = np.array([0, 0, 49, *np.repeat(np.arange(1, 40), 2)])
    found = predictions(tmp_path, spec, labels, np.eye(50, dtype=np.float32)[answers] * 5)
    names, counts, shares = report.shown_confusion(found)
    assert names == [f"c{k}" for k in range(40)] and counts[0].tolist() == [2] + [0] * 39
    assert shares[0, 0] == pytest.approx(2 / 3), "and not 1: the third picture is not shown, but it is there"
    assert shares[1:].sum(axis=1).tolist() == [1.0] * 39
    few = predictions(tmp_path, FRUIT, np.array([0, 0, 1]), np.eye(4)[[0, 1, 1]] * 5)
    assert report.shown_confusion(few)[2].tolist()[:2] == [[0.5, 0.5, 0, 0], [0, 1, 0, 0]]


def test_a_class_without_pictures_has_no_curve(tmp_path: Path) -> None:
    logits = np.eye(4)[[0, 1, 1, 0]] * 5
    found = predictions(tmp_path, FRUIT, np.array([0, 1, 1, -1]), logits)
    assert len(found) == 3, "a picture of unknown class is neither right nor wrong"
    rows = report.class_rows(found)
    assert [row["roc_auc"] for row in rows] == [1.0, 1.0, None, None]
    assert [(row["support"], row["predicted"]) for row in rows] == [(1, 1), (2, 2), (0, 0), (0, 0)]
    assert {row["curve"] for row in report.roc_rows(found)} == {"micro", "macro", "class apple", "class kiwi"}


def test_tables_follow_the_predictions(tmp_path: Path, answers) -> None:
    labels, logits = answers
    found = predictions(tmp_path, FRUIT, labels, logits)
    numbers = metrics(FRUIT, labels.tolist(), logits)
    assert found.confusion.tolist() == numbers["confusion"]
    for row in report.class_rows(found):
        for key in ("precision", "recall", "f1", "support", "roc_auc"):
            assert row[key] == pytest.approx(numbers["classes"][row["class"]][key], abs=2e-6)
    bins = report.calibration_rows(found)
    assert calibration_error(bins) == pytest.approx(numbers["calibration_error"], abs=1e-5)
    errors = report.most_confident_errors(found, 10)
    assert len(errors) == 10 and not found.correct[errors].any()
    assert (np.diff(found.confidence[errors]) <= 0).all()
    left = np.setdiff1d(np.flatnonzero(~found.correct), errors)
    assert found.confidence[left].max() <= found.confidence[errors[-1]]


def test_another_models_table_is_refused(tmp_path: Path) -> None:
    predictions(tmp_path, PETS, np.array([0]), np.array([[1.0]]))
    with pytest.raises(UserError, match=r"1 pictures of 2 classes, but .* the model 4 classes"):
        report.read_predictions(read_rows(tmp_path / "predictions.csv"), FRUIT.classes, np.zeros((1, 2)))


@pytest.mark.parametrize("unlabelled", [False, True])
def test_figures_are_drawn_twice_the_same(tmp_path: Path, answers, unlabelled: bool) -> None:
    labels, logits = answers
    found = predictions(tmp_path, FRUIT, np.full(300, -1) if unlabelled else labels, logits)
    first, again = tmp_path / "1.png", tmp_path / "2.png"
    for draw in (
        lambda path: report.draw_confusion(found, "t", path, normalised=False),
        lambda path: report.draw_confusion(found, "t", path, normalised=True),
        lambda path: report.draw_roc(found, "t", path),
        lambda path: report.draw_calibration(found, "t", path),
        lambda path: draw_errors(found, report.worst(found, 4), path),
    ):
        draw(first)
        draw(again)
        assert first.read_bytes() == again.read_bytes()
        with Image.open(first) as image:
            assert image.format == "PNG" and min(image.size) >= 40


def test_small_views_lie_where_the_geometry_says(tmp_path: Path) -> None:
    paths = []
    for k in range(35):
        paths.append(str(tmp_path / f"{k}.png"))
        Image.new("RGB", (20, 10), (7 * k, 40, 250 - 7 * k)).save(paths[-1])
    Path(paths[3]).unlink()  # gone since: the others keep their places
    done: list[int] = []
    geometry = draw_thumbnails([(path, "") for path in paths], tmp_path / "sheet.jpg", done.append)
    assert geometry == {"cell": THUMBNAIL, "columns": 32, "count": 35} and sum(done) == 35
    sheet = np.asarray(Image.open(tmp_path / "sheet.jpg"), dtype=int)
    assert sheet.shape == (2 * THUMBNAIL, 32 * THUMBNAIL, 3)
    for k in (0, 31, 32, 34):
        middle = sheet[k // 32 * THUMBNAIL + 32, k % 32 * THUMBNAIL + 32]
        assert abs(middle - [7 * k, 40, 250 - 7 * k]).max() < 8, k


def test_page_of_all_predictions(tmp_path: Path) -> None:
    folder = tmp_path / "study" / "evaluation" / "net" / "pets.a.test"
    picture = tmp_path / "study" / "datasets" / "1.png"
    fixture.picture(picture, 8, 8, 0)
    rows = [
        ("away/0.png", "cats", 0, "cat", 0, "true", 0.7, 0.7, 0.3),
        (str(picture), "cats", 0, "dog", 1, "false", 0.6, 0.4, 0.6),
        ("away/2.png", "dogs", 1, "cat", 0, "false", 0.9, 0.9, 0.1),
        ("away/3.png", "", -1, "dog", 1, "", 0.8, 0.2, 0.8),
    ]
    columns = "path,class,label,predicted,predicted_label,correct,confidence,p_cat,p_dog"
    fixture.write_csv(folder / "predictions.csv", columns, rows)
    fixture.picture(folder / "thumbnails.jpg", 128, 128, 1)
    (folder / "thumbnails.json").write_text(json.dumps({"cell": 64, "columns": 2, "count": 3}))
    table = prediction_table(folder, tmp_path / "study")
    assert (table.dataset, table.split, table.total, table.lines) == ("pets.a", "test", 4, 2)
    assert [row.path for row in table.rows] == ["away/2.png", str(picture), "away/3.png", "away/0.png"], "errors first"
    assert [row.of_truth for row in table.rows] == [0.1, 0.4, None, 0.7], "by number: cats are the model's cat"
    assert [(row.column, row.row) for row in table.rows] == [(0, 1), (1, 0), (None, None), (0, 0)]
    assert [row.file for row in table.rows] == [None, picture, None, None], "what lies elsewhere is not linked"
    assert (table.count("right"), table.count("wrong")) == (1, 2)
