"""Grad-CAM: published numbers, identities, class choices."""

import keras
import numpy as np
import pytest

from convscope.cams import ClassMapper
from convscope.errors import UserError
from convscope.labels import labels_for
from convscope.model_spec import ModelSpec

CLASSES = ("a", "b", "c", "d")


def spec_for(classes: tuple[str, ...], head: str, side: int) -> ModelSpec:
    return ModelSpec(
        name="small",
        input_size=(side, side),
        resize="crop",
        scale=(1.0,) * 3,
        offset=(0.0,) * 3,
        channels="rgb",
        classes=classes,
        head=head,
        source="test",
        digest="",
        requires=(),
    )


def worked_example() -> keras.Model:
    """The small network whose every gradient can be worked out by hand: input arange(16), every output 54."""
    image = keras.Input((4, 4, 1))
    maps = keras.layers.Conv2D(2, 3, name="conv")(image)
    active = keras.layers.ReLU(name="relu")(maps)
    flat = keras.layers.Flatten()(keras.layers.Permute((3, 1, 2))(active))
    model = keras.Model(image, keras.layers.ReLU()(keras.layers.Dense(4, name="dense")(flat)))
    model.get_layer("conv").set_weights([np.ones((3, 3, 1, 2)), np.array([-50.0, -75.0])])
    kernel = np.concatenate([np.ones((5, 4)), -np.ones((3, 4))])
    model.get_layer("dense").set_weights([kernel, np.zeros(4)])
    return model


@pytest.mark.parametrize(
    ("layer", "expected"),
    [("conv", [[11.25, 13.5], [20.25, 22.5]]), ("relu", [[0, 4], [28, 32.5]])],
)
def test_worked_example(layer: str, expected: list[list[float]]) -> None:
    model = worked_example()
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    found = ClassMapper(model, spec_for(CLASSES, "multiclass", 4), layer)(image, np.array([-1]), 0)
    assert found.scores[0, 0] == pytest.approx(54)
    np.testing.assert_allclose(found.maps[0, 0], expected, rtol=1e-6)


def gap_model(units: int) -> keras.Model:
    keras.utils.set_random_seed(5)
    image = keras.Input((12, 12, 3))
    maps = keras.layers.Conv2D(6, 3, activation="relu", name="conv")(image)
    pooled = keras.layers.GlobalAveragePooling2D()(maps)
    return keras.Model(image, keras.layers.Dense(units, name="head")(pooled))


def test_equals_cam_on_a_gap_head_up_to_the_map_size() -> None:
    model = gap_model(3)
    images = np.random.default_rng(0).normal(size=(4, 12, 12, 3)).astype(np.float32)
    found = ClassMapper(model, spec_for(("a", "b", "c"), "multiclass", 12), "conv")(images, np.full(4, -1), 1)
    maps = keras.Model(model.inputs, model.get_layer("conv").output)(images).numpy()
    cam = np.maximum(maps @ model.get_layer("head").get_weights()[0][:, 1], 0)
    np.testing.assert_allclose(found.maps[:, 0] * maps.shape[1] * maps.shape[2], cam, rtol=1e-4, atol=1e-5)


def test_a_one_unit_head_speaks_for_both_classes() -> None:
    model = gap_model(1)
    images = np.random.default_rng(1).normal(size=(5, 12, 12, 3)).astype(np.float32)
    mapper = ClassMapper(model, spec_for(("cat", "dog"), "binary", 12), "conv")
    found = mapper(images, np.full(5, -1), "all")
    logits = model(images).numpy()[:, 0]
    np.testing.assert_allclose(found.scores, np.stack([-logits, logits], axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-6)
    assert (found.predicted == (logits > 0)).all()
    maps = keras.Model(model.inputs, model.get_layer("conv").output)(images).numpy()
    evidence = maps @ model.get_layer("head").get_weights()[0][:, 0] / 100
    np.testing.assert_allclose(found.maps[:, 0], np.maximum(-evidence, 0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.maps[:, 1], np.maximum(evidence, 0), rtol=1e-4, atol=1e-6)


def test_score_is_the_logit_where_a_sigmoid_has_no_gradient_left() -> None:
    model = gap_model(1)
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([np.abs(kernel) * 500, bias])
    images = np.ones((1, 12, 12, 3), np.float32) * 3
    found = ClassMapper(model, spec_for(("cat", "dog"), "binary", 12), "conv")(images, np.array([1]), "true")
    assert abs(found.scores[0, 0]) > 50
    assert found.maps.max() > 0


def test_batching_does_not_change_a_map() -> None:
    model = gap_model(3)
    images = np.random.default_rng(2).normal(size=(3, 12, 12, 3)).astype(np.float32)
    mapper = ClassMapper(model, spec_for(("a", "b", "c"), "multiclass", 12), "conv")
    together = mapper(images, np.full(3, -1), "predicted").maps
    alone = np.concatenate([mapper(images[i : i + 1], np.array([-1]), "predicted").maps for i in range(3)])
    np.testing.assert_allclose(together, alone, rtol=1e-4, atol=1e-7)


def test_true_needs_labels_and_names_are_checked() -> None:
    mapper = ClassMapper(gap_model(3), spec_for(("ant", "bee", "cow"), "multiclass", 12), "conv")
    with pytest.raises(UserError, match="needs labels"):
        mapper.targets(np.array([0]), np.array([-1]), "true")
    with pytest.raises(UserError, match="did you mean 'bee'"):
        mapper.targets(np.array([0]), np.array([-1]), "bees")


def test_a_model_without_classes_has_nothing_to_explain() -> None:
    with pytest.raises(UserError, match="no classifier"):
        ClassMapper(gap_model(3), spec_for((), "none", 12), "conv")


def test_labels_follow_class_names_not_folder_numbers() -> None:
    rows = [{"class": "Dogs", "label": "0"}, {"class": "cats", "label": "1"}, {"class": "", "label": "-1"}]
    assert labels_for(rows, ("cat", "dog")).tolist() == [1, 0, -1]
    assert labels_for([{"class": "x", "label": "1"}], ("cat", "dog")).tolist() == [1]
    thousand = [f"class_{index}" for index in range(1000)]
    assert labels_for([{"class": "cat", "label": "1"}], thousand).tolist() == [-1]
