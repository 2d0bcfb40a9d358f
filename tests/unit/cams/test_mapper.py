"""Class activation maps of a network: published numbers, identities, class choices, one pass for all methods."""

import keras
import numpy as np
import pytest

from convscope.cams.mapper import METHODS, ClassMapper
from convscope.errors import UserError
from convscope.evaluation.labels import labels_for
from convscope.models.gap_head import GapHead
from convscope.models.spec import ModelSpec
from tests.worked_example import worked_example

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


@pytest.mark.parametrize(
    ("layer", "expected"),
    [("conv", [[11.25, 13.5], [20.25, 22.5]]), ("relu", [[0, 4], [28, 32.5]])],
)
def test_worked_example(layer: str, expected: list[list[float]]) -> None:
    model = worked_example()
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    found = ClassMapper(model, spec_for(CLASSES, "multiclass", 4), layer)(image, np.array([-1]), 0)
    assert found.scores[0, 0] == pytest.approx(54)
    np.testing.assert_allclose(found.maps["gradcam"][0, 0], expected, rtol=1e-6)


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
    maps = keras.Model(model.inputs[0], model.get_layer("conv").output)(images).numpy()
    cam = np.maximum(maps @ model.get_layer("head").get_weights()[0][:, 1], 0)
    np.testing.assert_allclose(found.maps["gradcam"][:, 0] * maps.shape[1] * maps.shape[2], cam, rtol=1e-4, atol=1e-5)


def test_a_one_unit_head_speaks_for_both_classes() -> None:
    model = gap_model(1)
    images = np.random.default_rng(1).normal(size=(5, 12, 12, 3)).astype(np.float32)
    mapper = ClassMapper(model, spec_for(("cat", "dog"), "binary", 12), "conv")
    found = mapper(images, np.full(5, -1), "all")
    logits = model(images).numpy()[:, 0]
    np.testing.assert_allclose(found.scores, np.stack([-logits, logits], axis=1), rtol=1e-5)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-6)
    assert (found.predicted == (logits > 0)).all()
    maps = keras.Model(model.inputs[0], model.get_layer("conv").output)(images).numpy()
    evidence = maps @ model.get_layer("head").get_weights()[0][:, 0] / 100
    np.testing.assert_allclose(found.maps["gradcam"][:, 0], np.maximum(-evidence, 0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.maps["gradcam"][:, 1], np.maximum(evidence, 0), rtol=1e-4, atol=1e-6)


def test_score_is_the_logit_where_a_sigmoid_has_no_gradient_left() -> None:
    model = gap_model(1)
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([np.abs(kernel) * 500, bias])
    images = np.ones((1, 12, 12, 3), np.float32) * 3
    found = ClassMapper(model, spec_for(("cat", "dog"), "binary", 12), "conv")(images, np.array([1]), "true")
    assert abs(found.scores[0, 0]) > 50
    assert found.maps["gradcam"].max() > 0


def test_batching_and_order_do_not_change_a_map() -> None:
    model = gap_model(3)
    images = np.random.default_rng(2).normal(size=(3, 12, 12, 3)).astype(np.float32)
    mapper = ClassMapper(model, spec_for(("a", "b", "c"), "multiclass", 12), "conv", METHODS)
    together = mapper(images, np.full(3, -1), "predicted").maps
    backwards = [mapper(images[i : i + 1], np.array([-1]), "predicted").maps for i in (2, 1, 0)]
    assert set(together) == set(METHODS)
    for method, maps in together.items():
        alone = np.concatenate([found[method] for found in backwards])[::-1]
        np.testing.assert_allclose(maps, alone, rtol=1e-4, atol=1e-6, err_msg=method)


def test_true_needs_labels_and_names_are_checked() -> None:
    mapper = ClassMapper(gap_model(3), spec_for(("ant", "bee", "cow"), "multiclass", 12), "conv")
    with pytest.raises(UserError, match=r"^cams: class 'true' needs labels"):
        mapper.targets(np.array([0]), np.array([-1]), "true")
    mapper = ClassMapper(gap_model(3), mapper.spec, "conv", key="watching.net")
    with pytest.raises(UserError, match=r"^watching\.net: class 'true' needs labels"):
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


def test_cam_is_the_heads_own_weights_and_its_mean_is_the_score() -> None:
    model = gap_model(3)
    images = np.random.default_rng(3).normal(size=(4, 12, 12, 3)).astype(np.float32)
    mapper = ClassMapper(model, spec_for(("a", "b", "c"), "multiclass", 12), "conv", ["cam", "gradcam", "layer_cam"])
    found = mapper(images, np.full(4, -1), "all")
    cam = found.maps["cam"]
    assert cam.min() < 0  # evidence against a class keeps its sign
    bias = model.get_layer("head").get_weights()[1]
    np.testing.assert_allclose(cam.mean(axis=(2, 3)) + bias, found.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.maps["gradcam"] * 100, np.maximum(cam, 0), rtol=1e-4, atol=1e-5)


def test_cam_of_a_one_unit_head_is_signed_by_class() -> None:
    model = gap_model(1)
    images = np.random.default_rng(4).normal(size=(2, 12, 12, 3)).astype(np.float32)
    cam = ClassMapper(model, spec_for(("cat", "dog"), "binary", 12), "conv", ["cam"])(
        images, np.full(2, -1), "all"
    ).maps
    np.testing.assert_allclose(cam["cam"][:, 0], -cam["cam"][:, 1], rtol=1e-6)


def test_cam_without_a_gap_head_says_so_and_takes_a_trained_one() -> None:
    spec = spec_for(CLASSES, "multiclass", 4)
    with pytest.raises(UserError, match="global average pooling"):
        ClassMapper(worked_example(), spec, "relu", ["cam"])
    kernel = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)
    head = GapHead(kernel, np.zeros(4, np.float32), own=False)
    mapper = ClassMapper(worked_example(), spec, "relu", ["cam"], gap_head=head)
    image = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    np.testing.assert_allclose(mapper(image, np.array([-1]), 0).maps["cam"][0, 0], [[0, 4], [31, 40]], atol=1e-5)


def test_all_methods_come_from_one_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    mapper = ClassMapper(gap_model(3), spec_for(("a", "b", "c"), "multiclass", 12), "conv", METHODS[:-1])
    passes = []
    forward = mapper._forward
    monkeypatch.setattr(mapper, "_forward", lambda images: passes.append(1) or forward(images))
    found = mapper(np.ones((2, 12, 12, 3), np.float32), np.full(2, -1), "predicted")
    assert len(passes) == 1 and set(found.maps) == set(METHODS[:-1])


def test_no_method_overflows_at_logit_92() -> None:
    """exp(92) is infinite in float32: a Grad-CAM++ that multiplies by exp(score) is NaN here."""
    model = gap_model(3)
    images = np.random.default_rng(6).uniform(1, 3, (1, 12, 12, 3)).astype(np.float32)
    kernel, bias = model.get_layer("head").get_weights()
    score = ClassMapper(model, spec_for(("a", "b", "c"), "multiclass", 12), "conv")(images, np.array([-1]), 0).scores[
        0, 0
    ]
    model.get_layer("head").set_weights([kernel * 92 / score, bias])
    found = ClassMapper(model, spec_for(("a", "b", "c"), "multiclass", 12), "conv", METHODS)(images, np.array([-1]), 0)
    assert found.scores[0, 0] == pytest.approx(92, rel=1e-3)
    for method, maps in found.maps.items():
        assert np.isfinite(maps).all() and maps.max() > 0, method


def test_where_no_feature_map_answers_every_map_is_zero() -> None:
    model = gap_model(3)
    kernel, bias = model.get_layer("conv").get_weights()
    model.get_layer("conv").set_weights([kernel, np.full_like(bias, -100)])
    images = np.random.default_rng(5).normal(size=(2, 12, 12, 3)).astype(np.float32)
    found = ClassMapper(model, spec_for(("a", "b", "c"), "multiclass", 12), "conv", METHODS)(images, np.full(2, -1), 1)
    for method, maps in found.maps.items():
        assert (maps == 0).all(), method


def test_a_method_that_does_not_exist_is_named() -> None:
    with pytest.raises(UserError, match="did you mean 'gradcam'"):
        ClassMapper(gap_model(3), spec_for(("a", "b", "c"), "multiclass", 12), "conv", ["grad_cam"])
