"""Numbers of an evaluation, on cases that can be counted by hand."""

import keras
import numpy as np
import pytest
from PIL import Image

from convscope.errors import UserError
from convscope.evaluation import predict
from convscope.evaluation.labels import label_map
from convscope.evaluation.metrics import metrics
from convscope.evaluation.rows import Truths, prediction_columns, prediction_rows
from convscope.models.spec import ModelSpec

BINARY = ModelSpec("pets", (8, 12), classes=("cat", "dog"), head="binary")
THREE = ModelSpec("three", (8, 12), classes=("a", "b", "c"), head="multiclass")


def test_numbers_of_a_binary_head() -> None:
    labels = [0, 0, 0, 1]
    logits = np.array([[-2.0], [-1.0], [3.0], [2.0]])
    found = metrics(BINARY, labels, logits)
    assert found["accuracy"] == 0.75 and found["no_information_rate"] == 0.75
    assert found["confusion"] == [[2, 1], [0, 1]]
    assert found["classes"]["dog"] == {
        "precision": 0.5,
        "recall": 1.0,
        "f1": pytest.approx(2 / 3),
        "support": 1,
        "roc_auc": pytest.approx(2 / 3),
    }
    losses = [np.log1p(np.exp(-2)), np.log1p(np.exp(-1)), np.log1p(np.exp(3)), np.log1p(np.exp(-2))]
    assert found["loss"] == pytest.approx(np.mean(losses))
    assert found["roc_auc"] == pytest.approx(2 / 3), "the dog outranks two of three cats"


def test_sure_errors_and_saturated_scores_stay_finite_and_ranked() -> None:
    found = metrics(BINARY, [0, 1, 1], np.array([[1000.0], [900.0], [2000.0]]))
    assert np.isfinite(found["loss"]) and found["loss"] == pytest.approx(1000 / 3)
    assert found["roc_auc"] == 0.5, "probabilities would all tie at 1"


def test_numbers_of_three_classes() -> None:
    logits = np.log(np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.3, 0.4, 0.3]]))
    found = metrics(THREE, [0, 1, 2], logits)
    assert found["accuracy"] == pytest.approx(2 / 3)
    assert found["loss"] == pytest.approx(-np.mean(np.log([0.7, 0.8, 0.3])), rel=1e-6)
    assert found["roc_auc"] == 1.0
    assert metrics(THREE, [0, 1], logits[:2])["roc_auc"] is None, "no picture of class c"
    assert metrics(THREE, [], logits[:0])["accuracy"] is None


def test_rows_have_two_columns_for_a_binary_head() -> None:
    truths = Truths(["dog", ""], np.array([1, -1]))
    rows = list(prediction_rows(BINARY, ["x.png", "y.png"], truths, np.array([[-1.0], [2.0]]), ["ab", "cd"]))
    assert [row["sha256"] for row in rows] == ["ab", "cd"]
    assert set(rows[0]) == set(prediction_columns(BINARY))
    assert (rows[0]["predicted"], rows[0]["correct"], rows[0]["score_cat"], rows[0]["score_dog"]) == (
        "cat",
        False,
        1,
        -1,
    )
    assert rows[0]["confidence"] == rows[0]["p_cat"] == pytest.approx(0.731059, rel=1e-5)
    assert rows[1]["correct"] is None, "no truth, neither right nor wrong"


def test_classes_are_matched_by_name_before_order() -> None:
    assert label_map(BINARY, ["dog", "cat"]) == [1, 0]
    assert label_map(BINARY, ["Cats", "DOGS"]) == [0, 1]
    assert label_map(BINARY, ["Katze", "Hund"]) == [0, 1]
    assert label_map(THREE, ["c", "a"]) == [2, 0]
    with pytest.raises(UserError, match="no class 'newt'"):
        label_map(BINARY, ["cat", "newt"])
    with pytest.raises(UserError, match="no class 'x'"):
        label_map(THREE, ["x", "y"])


def test_predict_pads_batches_and_lists_bad_pictures(tmp_path) -> None:
    inputs = keras.Input((8, 12, 3))
    model = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs)[:, :1])
    paths = []
    for level in (10, 20, 30, 40, 50):
        path = tmp_path / f"{level}.png"
        Image.new("RGB", (12, 8), (level, 0, 0)).save(path)
        paths.append(str(path))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    every = [*paths[:2], str(bad), *paths[2:]]
    first, second = predict.predict(model, BINARY, every, batch_size=4)
    assert (first.places, second.places) == ([0, 1, 3], [4, 5])
    np.testing.assert_allclose([*first.logits[:, 0], *second.logits[:, 0]], [10, 20, 30, 40, 50])
    assert first.bad[0][0] == str(bad) and str(bad) not in first.bad[0][1] and not second.bad


def test_an_answer_that_is_no_number_is_listed_as_bad_and_the_others_count(tmp_path) -> None:
    inputs = keras.Input((8, 12, 3))
    level = keras.layers.GlobalAveragePooling2D()(inputs)[:, :1]
    model = keras.Model(inputs, keras.ops.log(level - 15))
    paths = []
    for red in (10, 16, 15):
        paths.append(str(tmp_path / f"{red}.png"))
        Image.new("RGB", (12, 8), (red, 0, 0)).save(paths[-1])
    (batch,) = predict.predict(model, BINARY, paths, batch_size=4)
    assert batch.places == [1] and batch.logits.tolist() == [[0.0]]
    reason = "the network's answer is not finite (NaN or infinite)"
    assert batch.bad == [(paths[0], reason), (paths[2], reason)]
