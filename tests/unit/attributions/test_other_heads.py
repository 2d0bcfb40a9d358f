"""Explanations of a network of many labels and of one of numbers: the label's own score, the output itself."""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from PIL import Image

import convscope
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.lime_segments import segment_model
from convscope.attributions.registry import explainer
from convscope.cams.mapper import ClassMapper
from convscope.errors import UserError
from convscope.judging.curves import curves
from convscope.models.spec import ModelSpec
from convscope.pictures.captions import answer, explained

SIZE = 12
PERTURBING = {
    "occlusion": {"patch": 4, "stride": 4},
    "rise": {"masks": 300, "grid": 4},
    "kernel_shap": {"samples": 60, "segments": 9},
    "partition_shap": {"evaluations": 60},
}
GRADIENTS = ("saliency", "input_x_gradient", "integrated_gradients", "smoothgrad", "guided_backprop")


def network(units: int) -> keras.Model:
    """Output 0 is the mean of red in the left half, times 40; output 1 that of green in the right."""
    image = keras.Input((SIZE, SIZE, 3))
    maps = layers.Conv2D(2, 1, activation="relu", name="conv")(image)
    weights = np.zeros((SIZE, SIZE, 2, 2), np.float32)
    weights[:, : SIZE // 2, 0, 0] = weights[:, SIZE // 2 :, 1, 1] = 40 / (SIZE * SIZE / 2)
    answers = layers.Dense(units, name="answer")(layers.Flatten()(maps))
    model = keras.Model(image, answers)
    model.get_layer("conv").set_weights([np.array([[[[1, 0], [0, 1], [0, 0]]]], np.float32), np.zeros(2, np.float32)])
    model.get_layer("answer").set_weights([weights.reshape(-1, 2)[:, :units], np.full(units, -5, np.float32)])
    return model


def spec(head: str, *classes: str) -> ModelSpec:
    return ModelSpec("net", (SIZE, SIZE), scale=(1 / 255,) * 3, offset=(0.0,) * 3, classes=classes, head=head)


AGE, LABELS = spec("regression", "age"), spec("multilabel", "red", "green")


def photo(left: float = 1.0, right: float = 0.0) -> np.ndarray:
    image = np.zeros((1, SIZE, SIZE, 3), np.float32)
    image[:, 2:10, 1:5, 0], image[:, 2:10, 7:11, 1] = left, right
    return image


@pytest.mark.parametrize("method", [*PERTURBING, *GRADIENTS])
def test_a_number_is_explained_by_its_output(method: str) -> None:
    """The output is not squashed: twice the slope is twice the map of every method that measures it."""
    from convscope.attributions.names import METHODS

    def heat(factor: float) -> np.ndarray:
        model = network(1)
        kernel, bias = model.get_layer("answer").get_weights()
        model.get_layer("answer").set_weights([kernel * factor, bias * factor])
        settings = METHODS[method].settings | PERTURBING.get(method, {})
        found = explainer(method, model, AGE, settings, 0)(photo(), np.array([0]), ["a"]).maps[0]
        return found.sum(axis=-1) if found.ndim == 3 else found

    once, twice = heat(1), heat(2)
    assert np.abs(once).max() > 0
    left, right = np.abs(once[:, : SIZE // 2]).sum(), np.abs(once[:, SIZE // 2 :]).sum()
    assert left > 1.5 * right, "what the number is made of lies on the left"
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-3, atol=2e-4 * np.abs(twice).max())


def test_lime_fits_the_one_output_of_a_number() -> None:
    """Four quarters, of which the upper left one alone counts: hidden, it shows its mean, and its first pixel is lost."""
    picture = np.random.default_rng(0).random((8, 8, 3))
    picture[0, 0, 0] = 1.0
    segments = np.kron(np.arange(4).reshape(2, 2), np.ones((4, 4), int)).astype(np.int32)
    found = [
        segment_model(lambda some, f=f: f * some[:, :1, 0, 0], picture, segments, 0, samples=200, seed=0).coefficients
        for f in (50.0, 100.0)
    ]
    assert found[0].argmax() == 0 and found[0][0] > 5 * np.abs(found[0][1:]).max()
    np.testing.assert_allclose(found[1], 2 * found[0], rtol=1e-3)


def test_each_label_has_maps_of_its_own() -> None:
    model, image = network(2), photo(1, 1)
    mapper = ClassMapper(model, LABELS, "conv", ["gradcam", "layer_cam"])
    found = mapper(image, np.array([-1]), "all")
    np.testing.assert_allclose(found.probabilities, 1 / (1 + np.exp(-found.scores)), rtol=1e-5)
    for target, half in ((0, np.s_[:, : SIZE // 2]), (1, np.s_[:, SIZE // 2 :])):
        heat = found.maps["layer_cam"][0, target]
        assert heat[half].sum() == pytest.approx(heat.sum()) and heat.sum() > 0
    occlusion = explainer("occlusion", model, LABELS, {"patch": 3, "stride": 3, "fill": [0, 0, 0]}, 0)
    maps = occlusion(np.repeat(image, 2, axis=0), np.array([0, 1]), ["a", "b"]).maps
    assert np.abs(maps[0][:, SIZE // 2 :]).max() < 1e-5 < np.abs(maps[0][:, : SIZE // 2]).max()
    assert np.abs(maps[1][:, : SIZE // 2]).max() < 1e-5 < np.abs(maps[1][:, SIZE // 2 :]).max()


def test_a_label_is_taken_away_whatever_the_others_are() -> None:
    settings: dict[str, Any] = {
        "k": 0.0, "b": 0.01, "iterations": 150, "learning_rate": 0.05, "constant": 10.0, "searches": 3, "margin": "logit",
        "neutral": [127.5] * 3, "gamma": 0.0, "autoencoder": None,
    }  # fmt: skip
    model = network(2)
    image = photo(0.5, 1.0)
    assert (ClassScores(model, LABELS).probabilities(image)[0] > 0.5).all(), "both labels are there, green the surer"
    positive = explainer("pertinent_positive", model, LABELS, settings, 0)(image, np.array([0]), ["a"])
    assert positive.facts["success"][0] and positive.facts["new_probabilities"][0, 0] > 0.5, (
        "of the less likely label too"
    )
    with pytest.raises(UserError, match="predicts numbers: leave it out"):
        explainer("pertinent_negative", network(1), AGE, settings, 0)


def test_curves_of_a_number_follow_the_output() -> None:
    model = network(1)
    scores = ClassScores(model, AGE)
    heat = np.zeros((1, SIZE, SIZE), np.float32)
    heat[0, 2:10, 1:5] = 1
    found = curves(
        photo(), heat, np.array([0]), lambda batch: scores.probabilities(batch, len(batch)), ["a"], steps=9, batch=4
    )
    whole = float(model(photo())[0, 0])
    assert whole > 5
    assert found.deletion[0, 0] == pytest.approx(whole, rel=1e-4) and found.deletion[0, -1] < whole
    assert found.insertion[0, -1] == pytest.approx(whole, rel=1e-4)


def test_what_is_said_of_a_picture() -> None:
    number = answer("regression", ["age"], 0, 37.234, -1, "36")
    assert (number["predicted"], number["class"], number["confidence"], number["correct"]) == (
        "37.23",
        "36",
        None,
        None,
    )
    assert explained(number["predicted"], None, "36", "age", False) == "predicted 37.23, is 36\nevidence for age"
    right = answer("multilabel", ["cat", "dog"], 1, 0.91234, 0, "cat|dog", labels=["dog", "cat"])
    assert (right["class"], right["correct"], right["confidence"]) == ("cat, dog", True, 0.9123)
    assert answer("multilabel", ["cat", "dog"], 1, 0.9, -1, "|")["class"] == "none"
    assert answer("multilabel", ["cat", "dog"], 1, 0.9, -1, "|", labels=["dog"])["correct"] is False
    # As the evaluation counts: no label where none is, and one of two is not all.
    assert answer("multilabel", ["cat", "dog"], 1, 0.1, -1, "|", labels=[])["correct"] is True
    assert answer("multilabel", ["cat", "dog"], 1, 0.9, -1, "cat|dog", labels=["dog"])["correct"] is False
    assert explained("dog", 0.1, "none", "cat", False, "multilabel").startswith("likeliest dog (10%), is none")
    assert answer("", ["cat", "dog"], 1, 0.9, 0)["correct"] is False and answer("", ["cat"], 0, 1.0, -1)["class"] == ""


def test_in_a_notebook(tmp_path: Path) -> None:
    pixels = np.rint(photo()[0] * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "p.png")
    found = convscope.explain(
        network(1), str(tmp_path / "p.png"), "gradcam", preprocessing={"scale": 1 / 255}, classes=["age"]
    )
    assert found.head == "regression" and found.classes == ("age",)
    np.testing.assert_allclose(found.predictions[0], found.scores, rtol=1e-5)
    assert "%" not in found._caption(0, 0, False) and "evidence for age" in found._caption(0, 0, False)
    assert found.picture().ndim == 3
    both = convscope.explain(network(2), pixels, "gradcam", "all", head="multilabel", preprocessing={"scale": 1 / 255})
    assert both.predictions.shape == (1, 2) and json.dumps(list(both.classes)) == '["class_0", "class_1"]'
