"""Models as people have them: any end, nested, in other precisions, in training, several of them; and what is no model."""

import gc
import random
import weakref
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import convscope
from convscope.errors import UserError
from convscope.models import graphs
from tests.unit.notebook.networks import small

PICTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def probabilities(model: keras.Model, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(model(pixels[None].astype("float32"), training=False), np.float32)[0]


@pytest.mark.parametrize("activation", ["softmax", None])
def test_softmax_and_logits(activation: str | None) -> None:
    model = small(3, activation)
    found = convscope.explain(model, PICTURE)
    said = probabilities(model, PICTURE)
    expected = said if activation else np.exp(said) / np.exp(said).sum()
    np.testing.assert_allclose(found.predictions[0], expected, atol=1e-6)
    assert found.classes == ("class_0", "class_1", "class_2") and found.maps.shape == (1, 13, 13)


def test_a_sigmoid_of_one_unit_is_two_classes() -> None:
    model = small(1, "sigmoid")
    found = convscope.explain(model, [PICTURE, PICTURE], "integrated_gradients", "all", steps=3, classes=["cat", "dog"])
    np.testing.assert_allclose(found.predictions[0, 1], probabilities(model, PICTURE)[0], atol=1e-6)
    np.testing.assert_allclose(found.scores[:, 0], -found.scores[:, 1])
    assert found.maps.shape == (2, 2, 32, 32, 3) and found.targets.tolist() == [[0, 1], [0, 1]]
    assert found.overlays.shape == (2, 2, 32, 32, 3)


def test_nested_and_sequential_models() -> None:
    inner = small(3)
    outer = keras.Sequential([keras.Input((32, 32, 3)), layers.RandomFlip(), inner], name="outer")
    for one in ("gradcam", "guided_backprop"):
        np.testing.assert_allclose(
            convscope.explain(outer, PICTURE, one).maps, convscope.explain(inner, PICTURE, one).maps
        )
    found = convscope.activations(outer, PICTURE, inner.get_layer("conv2"))
    assert found.values.shape == (1, 13, 13, 8) and found.relu == "relu2"


def test_two_models_and_one_that_is_trained_between_two_cells() -> None:
    first, second = small(2, name="same"), small(4, name="same")
    before = convscope.explain(first, PICTURE)
    assert convscope.explain(second, PICTURE).predictions.shape == (1, 4)
    again = convscope.explain(first, PICTURE)
    np.testing.assert_array_equal(before.maps, again.maps)
    first.compile("sgd", "sparse_categorical_crossentropy")
    first.fit(PICTURE[None].astype("float32"), np.array([1]), verbose=0)
    after = convscope.explain(first, PICTURE)
    assert not np.array_equal(before.predictions, after.predictions)
    np.testing.assert_allclose(after.predictions[0], probabilities(first, PICTURE), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_and_the_sessions_own_settings_stay(policy: str) -> None:
    keras.config.set_dtype_policy(policy)
    try:
        model = small(3)
        weights = model.get_weights()
        random.seed(5)
        np.random.seed(5)  # noqa: NPY002
        states = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index, union-attr]  # noqa: NPY002
        found = convscope.explain(model, PICTURE)
        np.testing.assert_allclose(found.predictions[0], probabilities(model, PICTURE), atol=0.02)
        assert found.maps.dtype == np.float32 and np.isfinite(found.maps).all()
        assert convscope.filter_patterns(model, "conv1", 1, size=24, steps=1, coarse_size=0).patterns.shape == (
            1,
            24,
            24,
            3,
        )
        assert keras.config.dtype_policy().name == policy
        assert states == (random.getstate(), np.random.get_state()[1].tolist())  # type: ignore[index, union-attr]  # noqa: NPY002
        for old, new in zip(weights, model.get_weights(), strict=True):
            np.testing.assert_array_equal(old, new)
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_model_that_is_gone_is_forgotten() -> None:
    model = small()
    convscope.explain(model, PICTURE)
    kept = weakref.ref(model)
    del model
    gc.collect()
    assert kept() is None


def test_settings_of_the_session_are_set_back_after_a_mistake_too() -> None:
    keras.config.set_floatx("float16")
    try:
        with pytest.raises(UserError):
            convscope.explain(small(), PICTURE, "no such method")
        assert keras.config.floatx() == "float16"
    finally:
        keras.config.set_floatx("float32")


def test_a_free_size_is_asked_for_and_preprocessing_counts() -> None:
    model = small(3, size=None)
    with pytest.raises(UserError, match="model 'net': the network does not say its image size; set image_size"):
        convscope.explain(model, PICTURE)
    found = convscope.explain(model, PICTURE, image_size=20)
    assert found.images.shape == (1, 20, 20, 3)
    other = convscope.explain(model, PICTURE, image_size=20, preprocessing="caffe")
    assert not np.array_equal(found.predictions, other.predictions)


def test_sides_of_two_lengths_and_names_with_spaces() -> None:
    inputs = keras.Input((24, 40, 3))
    x = layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    model = keras.Model(inputs, layers.Dense(2)(layers.Flatten()(x)), name="my model: 1")
    for method in ("gradcam", "saliency", "score_cam"):
        found = convscope.explain(model, PICTURE, method)
        assert found.images.shape == found.overlays.shape == (1, 24, 40, 3) and found.model == "my_model__1"
        assert found.picture().shape[1] == 16 + 3 * 400
    assert convscope.activations(model, PICTURE, "conv").values.shape == (1, 22, 38, 4)


def test_keras_on_another_backend_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match=r"Keras runs on jax here .* KERAS_BACKEND=tensorflow"):
        convscope.explain(small(), PICTURE)


def test_a_backbone_has_activations_and_patterns() -> None:
    model = small()
    backbone = keras.Model(model.inputs[0], model.get_layer("relu2").output)
    assert convscope.activations(backbone, PICTURE, "relu2").values.shape == (1, 13, 13, 8)
    patterns = convscope.filter_patterns(backbone, "conv2", filters=[7], size=24, steps=1, coarse_size=0)
    assert patterns.filters.tolist() == [7]
    with pytest.raises(UserError, match="no classifier"):
        convscope.explain(backbone, PICTURE)


def test_a_layer_itself_is_that_one_and_no_other_of_its_name() -> None:
    image = keras.Input((16, 16, 3))
    inner = keras.Sequential([keras.Input((14, 14, 3)), layers.Conv2D(6, 1, name="c1")], name="inner")
    outer = layers.Conv2D(3, 3, name="c1")
    model = keras.Model(image, layers.Dense(2)(layers.GlobalAveragePooling2D()(inner(outer(image)))))
    for layer, channels in ((outer, 3), (inner.get_layer("c1"), 6)):
        found = convscope.activations(model, PICTURE, layer)
        assert found.values.shape == (1, 14, 14, channels)
        assert convscope.filter_patterns(model, layer, size=24, steps=1, coarse_size=0).filters.tolist() == list(
            range(channels)
        )
    with pytest.raises(UserError, match="layer 'c1' is none of model"):
        convscope.activations(model, PICTURE, layers.Conv2D(3, 3, name="c1"))
    with pytest.raises(UserError, match="layer 'inner' is a network; name a layer inside it"):
        convscope.activations(model, PICTURE, inner)


def test_names_of_layers_are_those_that_flattening_gives() -> None:
    image = keras.Input((16, 16, 3))
    block = keras.Sequential(
        [keras.Input((16, 16, 3)), layers.Conv2D(3, 3, padding="same", name="c"), layers.ReLU(name="r")], name="b"
    )
    shared = layers.Conv2D(3, 3, padding="same", name="c")
    model = keras.Model(image, shared(block(shared(layers.Dropout(0.5, name="r")(image)))))
    flat, names = graphs.flatten(model), graphs.flat_names(model)
    assert sorted(names.values()) == sorted(layer.name for layer in flat.layers[1:])
    assert names[id(shared)] == "c" and names[id(block.get_layer("c"))] == "b_c"


def test_a_lambda_is_refused_in_one_line() -> None:
    body = [
        layers.Lambda(lambda x: x / 255.0, name="scaled"),
        layers.Conv2D(4, 3),
        layers.GlobalAveragePooling2D(),
        layers.Dense(2),
    ]
    with pytest.raises(UserError, match="layer 'scaled' is a Lambda"):
        convscope.explain(keras.Sequential([keras.Input((16, 16, 3)), *body]), PICTURE)


def test_what_is_asked_for_and_not_there_is_told() -> None:
    with pytest.raises(UserError, match="has 8 filters, from 0 on, and no 8"):
        convscope.filter_patterns(small(), "conv2", filters=[7, 8], size=24, steps=1, coarse_size=0)
    with pytest.raises(UserError, match="an empty path"):
        convscope.activations(small(), "", "conv2")


class _Own(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.conv = layers.Conv2D(2, 3)

    def call(self, x: Any) -> Any:
        return keras.ops.mean(self.conv(x), axis=(1, 2))


def test_what_is_no_model_that_can_be_looked_into(tmp_path: Path) -> None:
    two = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    own = _Own()
    own(np.zeros((1, 8, 8, 3), np.float32))
    for model, says in (
        (7, "model is of type builtins.int; give a Keras 3 model"),
        (tmp_path / "nothing.keras", "no file '.*nothing.keras'"),
        (keras.Sequential([layers.Conv2D(2, 3)]), "no weights yet"),
        (keras.Model(two, layers.Add()(two)), "2 inputs .*fix all but the picture's"),
        (own, "is of a class of its own"),
    ):
        with pytest.raises(UserError, match=says) as caught:
            convscope.explain(model, PICTURE)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"method": "gradcamm"}, "method 'gradcamm' does not exist; did you mean 'gradcam'"),
        ({"method": ["gradcam"]}, "does not exist"),
        ({"layer": "answer"}, "layer 'answer' answers no maps"),
        ({"method": "guided_gradcam", "layer": "gap"}, "layer 'gap' answers no maps"),
        ({"method": "cam", "gap_head": "nowhere.h5"}, "gap_head: no file 'nowhere.h5'"),
        ({"method": "cam", "layer": "conv1"}, "needs global average pooling"),
        ({"method": "pertinent_negative", "autoencoder": "no.keras"}, "autoencoder: no file 'no.keras'"),
        ({"method": "pertinent_negative", "gamma": 1.0}, "give autoencoder="),
        ({"method": "rise", "seed": "a"}, "seed: 'a' is not of type 'integer'"),
        ({"target": "dgo"}, "no class 'dgo'; did you mean 'dog'"),
        ({"target": 3}, "no class number 3; it has 0 to 2"),
        ({"target": [0]}, r"^target: "),
        ({"target": "true"}, "needs the true classes"),
        ({"layer": "conv_2"}, "no layer 'conv_2'; did you mean 'conv2'"),
        ({"layr": "conv2"}, "gradcam: unknown setting 'layr'; did you mean 'layer'"),
        ({"steps": 3}, "gradcam: unknown setting 'steps'"),
        ({"batch": 0}, r"^batch: 0 is less than the minimum of 1"),
        ({"colormap": "virdis"}, "no colour map 'virdis'; did you mean 'viridis'"),
        ({"method": "smoothgrad", "samples": 0}, r"^smoothgrad.samples: 0 is less"),
        ({"method": "smoothgrad", "layer": "conv2"}, "smoothgrad: unknown setting 'layer'"),
        ({"method": "integrated_gradients", "baseline": "gray"}, "'gray' is not valid; did you mean 'grey'"),
        ({"method": "occlusion", "patch": 4, "stride": 8}, "occlusion"),
        ({"method": "gradient_shap"}, "give more images, or compare_with="),
        ({"classes": ["cat", "dog"]}, "^classes has 2 names"),
        ({"image_size": 3}, r"^image_size: 3 is less than"),
        ({"preprocessing": "imagenet"}, r"^preprocessing: 'imagenet' is not valid"),
    ],
)
def test_mistakes_are_one_line(settings: dict[str, Any], says: str) -> None:
    about = {"classes": ["cat", "dog", "emu"]}
    with pytest.raises(UserError, match=says) as caught:
        convscope.explain(small(), PICTURE, **(about | settings))
    assert "\n" not in str(caught.value) and "models.net" not in str(caught.value)


def test_mistakes_of_layers_and_filters_are_one_line() -> None:
    model = small()
    for call, says in (
        (lambda: convscope.activations(model, PICTURE, "conv3"), "no layer 'conv3'; did you mean 'conv2'"),
        (lambda: convscope.activations(model, PICTURE, "gap"), "layer 'gap' answers no maps"),
        (lambda: convscope.activations(model, PICTURE, "conv1", dtype="int8"), "dtype: 'int8' is not valid"),
        (
            lambda: convscope.filter_patterns(model, "pool1"),
            "layer 'pool1' is no convolution of model 'net'",
        ),
        (lambda: convscope.filter_patterns(model, "conv1", [99]), r"filters: none of the filters \[99\] exists"),
        (lambda: convscope.filter_patterns(model, "conv1", 0), "filters: 0"),
        (lambda: convscope.filter_patterns(model, "conv1", preset="shrp"), "did you mean 'sharp'"),
        (lambda: convscope.filter_patterns(model, "conv1", smoothing=1), "smoothing changes nothing in preset 'sharp'"),
        (lambda: convscope.filter_patterns(model, "conv1", step=1), "unknown setting 'step'; did you mean 'steps'"),
    ):
        with pytest.raises(UserError, match=says) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_what_others_are_compared_with() -> None:
    model, others = small(), np.stack([255 - PICTURE, PICTURE // 2])
    found = convscope.explain(model, PICTURE, "gradient_shap", samples=4, compare_with=others)
    assert found.maps.any()
    mean = convscope.explain(model, PICTURE, "input_x_gradient", baseline="mean", compare_with=others)
    assert mean.maps.any()
    with pytest.raises(UserError, match="unknown setting 'compare_with'"):
        convscope.explain(model, PICTURE, "saliency", compare_with=others)


def test_activations_of_every_kind_of_layer_are_what_keras_says() -> None:
    model = small()
    for name in ("rescaling", "conv1", "pool1", "conv2", "norm", "relu2"):
        layer = next(one for one in model.layers if one.name.startswith(name))
        expected = keras.Model(model.inputs[0], layer.output)(PICTURE[None].astype("float32"), training=False)
        for dtype, close in (("float32", 1e-5), ("float16", 2e-3)):
            found = convscope.activations(model, PICTURE, layer, dtype=dtype)
            np.testing.assert_allclose(found.values, expected, rtol=close, atol=close)
            np.testing.assert_allclose(found.picture().shape[2], 3)
