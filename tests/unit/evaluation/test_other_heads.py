"""Models of many labels and of numbers: closed forms, scikit-learn and SciPy as the second opinion, figures, doubts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn import metrics as sk

from convscope.errors import UserError
from convscope.evaluation import of_labels, of_numbers
from convscope.evaluation.doubts import doubts
from convscope.evaluation.figures import draw_errors
from convscope.evaluation.label_metrics import best_threshold, label_metrics
from convscope.evaluation.number_metrics import number_metrics
from convscope.evaluation.numbers import numbers_of
from convscope.evaluation.rows import Truths, prediction_columns, prediction_rows
from convscope.evaluation.scores import Scores
from convscope.evaluation.truths import truths_of
from convscope.models.spec import ModelSpec
from convscope.storage.tables import read_rows, write_table

LABELS = ModelSpec("labels", (8, 8), classes=("cat", "dog", "newt"), head="multilabel")
AGE = ModelSpec("age", (8, 8), classes=("age",), head="regression")
GAZE = ModelSpec("gaze", (8, 8), classes=("yaw", "pitch"), head="regression")


@pytest.fixture(scope="module")
def labelled() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.random((200, 3)) < [0.5, 0.3, 0.1]
    return truth, rng.normal(0, 1, (200, 3)) + 2 * truth - 1


def test_labels_agree_with_scikit_learn(labelled: tuple[np.ndarray, np.ndarray]) -> None:
    truth, logits = labelled
    found, p, predicted = label_metrics(LABELS.classes, truth, Scores(logits)), 1 / (1 + np.exp(-logits)), logits >= 0
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(truth, predicted))
    assert found["hamming_loss"] == pytest.approx(sk.hamming_loss(truth, predicted))
    assert found["average_precision"] == pytest.approx(sk.average_precision_score(truth, p, average="macro"))
    assert found["f1_macro"] == pytest.approx(sk.f1_score(truth, predicted, average="macro"))
    assert found["f1_micro"] == pytest.approx(sk.f1_score(truth, predicted, average="micro"))
    assert found["roc_auc_macro"] == pytest.approx(sk.roc_auc_score(truth, p, average="macro"))
    assert found["roc_auc_micro"] == pytest.approx(sk.roc_auc_score(truth, p, average="micro"))
    assert found["loss"] == pytest.approx(-np.mean(np.where(truth, np.log(p), np.log(1 - p))))
    for c, name in enumerate(LABELS.classes):
        of = found["labels"][name]
        assert of["confusion"] == sk.confusion_matrix(truth[:, c], predicted[:, c]).tolist()
        assert of["average_precision"] == pytest.approx(sk.average_precision_score(truth[:, c], p[:, c]))
        tried = [(sk.f1_score(truth[:, c], p[:, c] >= t), t) for t in p[:, c]]
        assert of["best_f1"] == pytest.approx(max(tried)[0])
        assert sk.f1_score(truth[:, c], p[:, c] >= of["best_threshold"] - 1e-12) == pytest.approx(of["best_f1"])


def test_labels_by_hand() -> None:
    truth = np.array([[1, 0], [1, 0], [0, 0]], bool)
    found = label_metrics(("a", "b"), truth, Scores(np.array([[3.0, -1], [-2, -1], [-1, 2]])))
    assert found["accuracy"] == pytest.approx(1 / 3) and found["hamming_loss"] == pytest.approx(2 / 6)
    assert found["labels"]["a"]["average_precision"] == pytest.approx((1 + 2 / 3) / 2)
    assert (found["labels"]["b"]["average_precision"], found["labels"]["b"]["roc_auc"]) == (None, None), (
        "no picture has it"
    )
    assert found["average_precision"] == pytest.approx(5 / 6), "of the labels that occur"
    assert best_threshold(np.array([True, False]), np.array([0.0, 0.0])) == (0.5, pytest.approx(2 / 3)), (
        "ties stay together"
    )


def test_numbers_by_hand_and_by_scipy() -> None:
    truth, output = np.array([[20.0], [30.0], [40.0], [70.0]]), np.array([[22.0], [29.0], [45.0], [60.0]])
    found = number_metrics(("age",), truth, output)
    assert (found["mae"], found["rmse"]) == (4.5, pytest.approx(np.sqrt((4 + 1 + 25 + 100) / 4)))
    assert found["pearson"] == pytest.approx(np.corrcoef(truth[:, 0], output[:, 0])[0, 1]) and found["spearman"] == 1.0
    of = found["outputs"]["age"]
    assert (of["bias"], of["median_error"], of["baseline_mae"]) == (-1.0, 3.5, 15.0)
    assert of["r2"] == pytest.approx(sk.r2_score(truth, output))
    assert number_metrics(("age",), truth, np.full((4, 1), 3.0))["pearson"] is None
    assert number_metrics(("age",), truth[:0], output[:0])["mae"] is None
    # Three times 0.1 have a mean that is not quite 0.1, and no variance for all that.
    same = number_metrics(("age",), np.full((3, 1), 0.1), np.array([[0.2], [0.1], [0.3]]))
    assert same["r2"] is None and same["outputs"]["age"]["baseline_rmse"] == 0


def written(tmp_path: Path, spec: ModelSpec, truths: Truths, logits: np.ndarray) -> list[dict[str, str]]:
    paths = []
    for k in range(len(logits)):
        paths.append(str(tmp_path / f"{k}.png"))
        Image.new("RGB", (8, 8), (k, 0, 0)).save(paths[-1])
    rows = prediction_rows(spec, paths, truths, logits, [""] * len(paths))
    write_table(tmp_path / "predictions.csv", rows, prediction_columns(spec))
    return read_rows(tmp_path / "predictions.csv")


def drawn(tmp_path: Path, of, found) -> None:  # type: ignore[no-untyped-def]
    for name, draw in (
        ("counts", lambda path: of.draw_confusion(found, "t", path, normalised=False)),
        ("shares", lambda path: of.draw_confusion(found, "t", path, normalised=True)),
        ("roc", lambda path: of.draw_roc(found, "t", path)),
        ("calibration", lambda path: of.draw_calibration(found, "t", path)),
        ("worst", lambda path: draw_errors(found, of.worst(found, 5), path)),
    ):
        draw(tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as image:
            assert min(image.size) >= 40, name
            assert name == "worst" or np.asarray(image.convert("L")).std() > 3, name


def test_report_of_labels(tmp_path: Path, labelled: tuple[np.ndarray, np.ndarray]) -> None:
    truth, logits = labelled
    rows = written(tmp_path, LABELS, Truths([""] * 200, np.full(200, -1), many=truth), logits)
    one = rows[int(np.flatnonzero(truth.sum(axis=1) == 2)[0])]
    assert one["labels"].count("|") == 1 and set(one) == set(prediction_columns(LABELS))
    found = of_labels.read_predictions(rows, LABELS.classes, logits)
    np.testing.assert_array_equal(found.truth, truth)
    np.testing.assert_array_equal(found.correct, ((logits >= 0) == truth).all(axis=1))
    numbers = numbers_of(LABELS, Truths([], np.full(200, -1), many=truth), np.arange(200), Scores(logits))
    assert [row["average_precision"] for row in of_labels.class_rows(found)] == [
        pytest.approx(of["average_precision"], abs=1e-5) for of in numbers["labels"].values()
    ]
    bins = of_labels.calibration_rows(found)
    assert sum(row["images"] for row in bins) == 600
    p = 1 / (1 + np.exp(-logits))
    last = (p > 14 / 15).ravel()
    assert bins[-1]["accuracy"] == pytest.approx(truth.ravel()[last].mean(), abs=1e-5)
    place, caption = of_labels.worst(found, 1)[0]
    gaps = np.abs(truth - p) * ((logits >= 0) != truth)
    assert place == gaps.max(axis=1).argmax() and LABELS.classes[gaps[place].argmax()] in caption
    drawn(tmp_path, of_labels, found)
    nothing = of_labels.read_predictions([], LABELS.classes, np.zeros((0, 3)))
    assert of_labels.class_rows(nothing) == []
    for name in ("confusion", "roc", "calibration"):
        options = {"normalised": True} if name == "confusion" else {}
        getattr(of_labels, f"draw_{name}")(nothing, "t", tmp_path / "none.png", **options)


def test_nothing_missed_draws_nothing_red(tmp_path: Path, labelled: tuple[np.ndarray, np.ndarray]) -> None:
    """A bar of no length has no edge either; below the axis is the legend, which has one."""
    truth, _ = labelled
    for missed in (0, 20):
        logits = np.where(truth, 5.0, -5.0).astype(np.float32)
        logits[:missed] = -5
        rows = written(tmp_path, LABELS, Truths([""] * 200, np.full(200, -1), many=truth), logits)
        found = of_labels.read_predictions(rows, LABELS.classes, logits)
        of_labels.draw_confusion(found, "t", tmp_path / "c.png", normalised=False)
        with Image.open(tmp_path / "c.png") as drawn:
            pixels = np.asarray(drawn.convert("RGB"), int)
        bars = pixels[: len(pixels) * 7 // 10]
        red = bars[..., 0] - bars[..., 1:].max(axis=2) > 50
        assert red.any() == bool(missed)


@pytest.mark.parametrize("spec", [AGE, GAZE])
def test_report_of_numbers(tmp_path: Path, spec: ModelSpec) -> None:
    rng = np.random.default_rng(1)
    truth = rng.uniform(0, 90, (60, spec.units))
    truth[7] = np.nan
    outputs = (truth * 0.9 + rng.normal(0, 5, truth.shape)).astype(np.float32)
    outputs[7] = 3
    rows = written(tmp_path, spec, Truths([""] * 60, np.full(60, -1), numbers=truth), outputs)
    assert rows[7]["error"] == rows[7]["class"] == "" and rows[0]["correct"] == ""
    found = of_numbers.read_predictions(rows, spec.classes, outputs)
    assert len(found) == 59
    known = np.delete(np.arange(60), 7)
    np.testing.assert_allclose(found.error, np.linalg.norm(outputs - truth, axis=1)[known], rtol=1e-5)
    assert [row["mae"] for row in of_numbers.class_rows(found)] == [
        pytest.approx(np.abs(outputs - truth)[known, c].mean(), rel=1e-4) for c in range(spec.units)
    ]
    curve = [row for row in of_numbers.roc_rows(found) if row["output"] == spec.classes[0]]
    for row in curve[1::10]:
        within = (np.abs(outputs - truth)[known, 0] <= row["tolerance"] * (1 + 1e-5)).mean()
        assert row["share_within"] == pytest.approx(within, abs=1e-5)
    bins = of_numbers.calibration_rows(found)
    assert sum(row["images"] for row in bins) == 59 * spec.units
    assert of_numbers.worst(found, 1)[0][0] == found.error.argmax()
    drawn(tmp_path, of_numbers, found)
    nothing = of_numbers.read_predictions([], spec.classes, np.zeros((0, spec.units)))
    for name in ("confusion", "roc", "calibration"):
        options = {"normalised": True} if name == "confusion" else {}
        getattr(of_numbers, f"draw_{name}")(nothing, "t", tmp_path / "none.png", **options)


def test_of_equal_errors_all_are_within_their_tolerance() -> None:
    truth = np.repeat([20.0, 21.0, 23.0], [10, 20, 30])[:, None]
    paths = tuple(map(str, range(60)))
    error = np.abs(truth[:, 0] - 21)
    found = of_numbers.NumberPredictions(("age",), paths, paths, truth, np.full((60, 1), 21.0), error)
    rows = [(row["tolerance"], row["share_within"]) for row in of_numbers.roc_rows(found)]
    assert rows == [(0.0, pytest.approx(1 / 3, abs=1e-6)), (1.0, 0.5), (2.0, 1.0)]


def test_where_numbers_and_labels_come_from() -> None:
    told = [
        {"path": "a", "class": "", "label": "-1", "target": "36.5", "labels": "cat|dog"},
        {"path": "b", "class": "", "label": "-1", "target": "", "labels": "|"},
    ]
    found = truths_of(AGE, told, told).numbers
    assert found is not None and found[0, 0] == 36.5 and np.isnan(found[1, 0])
    folders = [{"path": "c", "class": "21", "label": "0"}, {"path": "d", "class": "old", "label": "1"}]
    found = truths_of(AGE, folders, folders).numbers
    assert found is not None and found[0, 0] == 21 and np.isnan(found[1, 0])
    with pytest.raises(UserError, match="'x' is no number"):
        truths_of(AGE, told, [told[0] | {"target": "x"}])
    with pytest.raises(UserError, match="1 numbers as target, but model 'gaze' has 2 outputs"):
        truths_of(GAZE, told, told)
    many = truths_of(LABELS, told, told).many
    assert many is not None and many.tolist() == [[True, True, False], [False] * 3]


def picture(**said: str) -> dict[str, str]:
    return {"path": "a", "class": "", "label": "-1"} | said


def test_what_a_dataset_does_not_say_is_unknown_and_never_no() -> None:
    """Numbers say nothing of labels, labels nothing of a number, and several labels are not the first of them."""
    softmax = ModelSpec("net", (8, 8), classes=("cat", "dog", "newt"), head="multiclass")
    ages, both = [picture(target="36")], [picture(labels="cat|dog", label="0") | {"class": "cat"}]
    assert truths_of(LABELS, ages, ages).many is None
    found = numbers_of(LABELS, truths_of(LABELS, ages, ages), np.array([0]), Scores(np.ones((1, 3))))
    assert found["images"] == 0
    assert "dataset says" in doubts(LABELS, found, np.arange(12), np.ones(12))[0]
    of_seven = [picture(labels="7", label="0") | {"class": "7"}]
    known = truths_of(AGE, of_seven, of_seven).numbers
    assert known is not None and np.isnan(known).all()
    one, none = picture(labels="dog", label="1") | {"class": "dog"}, picture(labels="|")
    table = [*both, one, none]
    assert truths_of(softmax, table, table).labels.tolist() == [-1, 1, -1]


def test_names_that_tables_could_not_tell_apart_are_refused() -> None:
    for classes, head, said in (
        (("a", "b", "a"), "multiclass", "two of its outputs are called 'a'"),
        (("a", "a"), "regression", "two of its outputs"),
        (("a|b", "c"), "multilabel", r"the label 'a\|b'"),
        ((" a", "c"), "multilabel", "the label ' a'"),
    ):
        with pytest.raises(UserError, match=said):
            ModelSpec("net", (8, 8), classes=classes, head=head)


def test_what_looks_wrong_is_said() -> None:
    pets = ModelSpec("pets", (8, 8), classes=("cat", "dog"), head="binary")
    half = {
        "images": 20,
        "no_information_rate": 0.5,
        "accuracy": 0.5,
        "p_value_no_information": 0.6,
        "classes": {"a": 1, "b": 1},
    }
    found = doubts(pets, half, np.ones(20, int), np.full(20, 0.99))
    assert any("every picture is taken for 'dog'" in line for line in found) and any(
        "not above always guessing" in line for line in found
    )
    good = half | {"accuracy": 0.95, "p_value_no_information": 1e-5}
    assert doubts(pets, good, np.arange(20) % 2, np.full(20, 0.9)) == []
    assert "near chance" in doubts(pets, good, np.arange(20) % 2, np.full(20, 0.51))[0]
    assert doubts(pets, half, np.ones(5, int), np.ones(5)) == [], "too few to say"
    one_class = half | {"no_information_rate": 1.0, "accuracy": 1.0, "p_value_no_information": 1.0}
    assert not any("every picture" in line for line in doubts(pets, one_class, np.ones(20, int), np.full(20, 0.99)))
    apart = {"images": 20, "roc_auc_macro": 0.9, "labels": {"cat": {"support": 9}, "newt": {"support": 0}}}
    assert doubts(LABELS, apart, np.arange(20), np.ones(20)) == [
        "on no picture is there newt: where the dataset does not tell of a label, it counts as not there"
    ]
    assert "always answering the median" in doubts(
        AGE, {"images": 20, "outputs": {"age": {"mae": 5.0, "baseline_mae": 4.0}}}, np.arange(20.0), np.arange(20.0)
    )[0]  # fmt: skip
