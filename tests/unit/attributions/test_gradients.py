"""Saliency, input x gradient, SmoothGrad: against numeric differentiation and closed forms."""

import keras
import numpy as np
import pytest
from keras import layers

from convscope.attributions.base import generator, heat
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.gradients import InputGradient, Saliency, SmoothGrad
from convscope.attributions.registry import explainer
from convscope.errors import UserError
from convscope.models.spec import ModelSpec

SPEC = ModelSpec(name="net", input_size=(6, 6), classes=("a", "b", "c"), head="multiclass")
BINARY = ModelSpec(name="net", input_size=(6, 6), classes=("cat", "dog"), head="binary")


def smooth(units: int = 3, dropout: float = 0.0) -> keras.Model:
    """A small network without kinks, so that differences approach the derivative."""
    keras.utils.set_random_seed(1)
    image = keras.Input((6, 6, 3))
    x = layers.Conv2D(4, 3, activation="tanh")(image)
    x = layers.Dropout(dropout)(layers.BatchNormalization()(x))
    return keras.Model(image, layers.Dense(units)(layers.Flatten()(x)))


def linear(seed: int = 2) -> tuple[keras.Model, np.ndarray]:
    """f = w.x with a column of w a class, and w."""
    weights = np.random.default_rng(seed).normal(size=(6, 6, 3, 3)).astype(np.float32)
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Dense(3, use_bias=False)(layers.Flatten()(image)))
    model.layers[-1].set_weights([weights.reshape(-1, 3)])
    return model, weights


def photos(count: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 6, 6, 3)).astype(np.float32)


def numeric(model: keras.Model, image: np.ndarray, unit: int, sign: float = 1, step: float = 1e-2) -> np.ndarray:
    """Central differences, one pixel and colour after the other."""
    shifts = step * np.eye(image.size, dtype=np.float32).reshape(-1, *image.shape)
    ahead, behind = (model(image + side * shifts, training=False).numpy()[:, unit] for side in (1, -1))
    return (sign * (ahead - behind) / (2 * step)).reshape(image.shape)


def test_saliency_is_the_derivative_of_the_logit() -> None:
    model, images = smooth(), photos(2)
    found = Saliency(ClassScores(model, SPEC))(images, np.array([2, 0]), ["x", "y"]).maps
    expected = np.stack([numeric(model, images[0], 2), numeric(model, images[1], 0)])
    np.testing.assert_allclose(found, expected, atol=2e-3)
    np.testing.assert_array_equal(heat(found, signed=False), np.abs(found).max(axis=3))


def test_both_classes_of_a_one_unit_head() -> None:
    model, images = smooth(1), photos(1)
    scores = ClassScores(model, BINARY)
    explain = Saliency(scores)
    cat, dog = (explain(images, np.array([index]), ["x"]).maps[0] for index in (0, 1))
    np.testing.assert_allclose(cat, numeric(model, images[0], 0, -1), atol=2e-3)
    np.testing.assert_array_equal(cat, -dog)
    z = model(images, training=False).numpy()[0, 0]
    assert scores.scores(images, [0]).numpy()[0] == pytest.approx(-z, rel=1e-5)
    np.testing.assert_allclose(scores.probabilities(images), [[1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))]], rtol=1e-5)


def test_the_logit_has_a_gradient_where_a_sigmoid_has_none() -> None:
    model, images = smooth(1), np.ones((1, 6, 6, 3), np.float32)
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights(
        [np.sign(model.layers[-2](model.layers[1](images)).numpy()[0])[:, None] * 9 * abs(kernel), bias]
    )
    scores = ClassScores(model, BINARY)
    gradient, score = scores.gradient(images, [1])
    probability = scores.probabilities(images)[0, 1]
    assert abs(score[0]) > 17
    assert probability in (0, 1) or abs(probability * (1 - probability)) < 1e-6
    assert np.abs(gradient).max() > 0.1


def test_dropout_is_off() -> None:
    model, images = smooth(dropout=0.9), photos(2)
    explain = Saliency(ClassScores(model, SPEC))
    first, second = (explain(images, np.array([0, 1]), ["x", "y"]).maps for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first[0], numeric(model, images[0], 0), atol=2e-3)


def test_input_x_gradient_sums_up_to_the_score_of_a_linear_model() -> None:
    model, weights = linear()
    images = photos(3)
    found = InputGradient(ClassScores(model, SPEC), np.zeros(3, np.float32))(
        images, np.array([1, 1, 0]), ["x", "y", "z"]
    ).maps
    np.testing.assert_allclose(found[0], images[0] * weights[..., 1], rtol=1e-5)
    np.testing.assert_allclose(
        heat(found, signed=True).sum(axis=(1, 2)), model(images).numpy()[[0, 1, 2], [1, 1, 0]], rtol=1e-4
    )


def test_smoothgrad_of_a_quadratic_is_its_expectation() -> None:
    """f = |x|^2 has the gradient 2 x, whose mean over symmetric noise is 2 x again; the spread is known too."""
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Dense(2, kernel_initializer="ones")(layers.Flatten()(keras.ops.square(image))))
    spec = ModelSpec(name="net", input_size=(6, 6), classes=("a", "b"), head="multiclass")
    images = photos(1)
    found = SmoothGrad(ClassScores(model, spec), samples=400, noise=0.2)(images, np.array([0]), ["x"])
    sigma = 0.2 * (images.max() - images.min())
    assert found.facts["sigma"][0] == pytest.approx(sigma, rel=1e-5)
    error = found.maps - 2 * images
    # Noise N(0, s^2) doubled and averaged over 400: standard deviation 2 s / 20.
    assert error.std() == pytest.approx(2 * sigma / 20, rel=0.25)


def test_smoothgrad_takes_the_range_of_each_image_by_itself() -> None:
    images = photos(2) * np.array([1, 5], np.float32).reshape(2, 1, 1, 1)
    found = SmoothGrad(ClassScores(smooth(), SPEC), samples=1, noise=0.15)(images, np.array([0, 0]), ["x", "y"]).facts[
        "sigma"
    ]
    np.testing.assert_allclose(found, 0.15 * (images.max(axis=(1, 2, 3)) - images.min(axis=(1, 2, 3))), rtol=1e-5)


def test_absolute_values_are_taken_after_the_mean() -> None:
    """With f = |x| at 0 the gradients are noise of either sign: their mean nearly vanishes, the mean of their sizes is 1."""
    image = keras.Input((6, 6, 3))
    model = keras.Model(image, layers.Dense(2, kernel_initializer="ones")(layers.Flatten()(keras.ops.absolute(image))))
    spec = ModelSpec(name="net", input_size=(6, 6), classes=("a", "b"), head="multiclass")
    images = np.zeros((1, 6, 6, 3), np.float32)
    images[0, 0, 0] = [-1, 0, 1]
    found = heat(
        SmoothGrad(ClassScores(model, spec), samples=100, noise=0.15)(images, np.array([0]), ["x"]).maps, signed=False
    )
    assert found[0, 1:, 1:].mean() < 0.3


def test_noise_belongs_to_the_image_not_to_its_batch() -> None:
    model, images, keys = smooth(), photos(3), ["x", "y", "z"]
    explain = SmoothGrad(ClassScores(model, SPEC), samples=5, noise=0.15, seed=4)
    together = explain(images, np.array([0, 1, 2]), keys).maps
    for index in (2, 0, 1):
        alone = explain(images[index : index + 1], np.array([index]), [keys[index]]).maps[0]
        np.testing.assert_allclose(alone, together[index], rtol=1e-4, atol=1e-6)
    other = SmoothGrad(ClassScores(model, SPEC), samples=5, noise=0.15, seed=5)(images, np.array([0, 1, 2]), keys).maps
    assert not np.allclose(other, together, atol=1e-3)
    assert generator(1, "rise", "x").random() != generator(1, "smoothgrad", "x").random()


@pytest.mark.parametrize("method", ["saliency", "input_x_gradient", "integrated_gradients"])
def test_a_symmetric_image_on_a_symmetric_network_gives_a_symmetric_map(method: str) -> None:
    model = smooth()
    for layer in model.layers:
        weights = layer.get_weights()
        if isinstance(layer, layers.Conv2D):
            weights[0] = weights[0] + weights[0][:, ::-1]
        if isinstance(layer, layers.Dense):
            kernel = weights[0].reshape(4, 4, 4, 3)
            weights[0] = (kernel + kernel[:, ::-1]).reshape(-1, 3)
        layer.set_weights(weights)
    images = photos(1)
    images = images + images[:, :, ::-1]
    found = explainer(method, model, SPEC)(images, np.array([1]), ["x"]).maps
    assert np.abs(found).max() > 0.01
    np.testing.assert_allclose(found, found[:, :, ::-1], rtol=1e-3, atol=1e-5)


def test_names_and_settings_are_checked() -> None:
    model = smooth()
    with pytest.raises(UserError, match="method 'salience' does not exist; did you mean 'saliency'"):
        explainer("salience", model, SPEC)
    with pytest.raises(UserError, match="smoothgrad: unknown setting 'sample'; did you mean 'samples'"):
        explainer("smoothgrad", model, SPEC, {"sample": 3})
    with pytest.raises(UserError, match="no classifier"):
        explainer("saliency", model, ModelSpec(name="net", input_size=(6, 6)))
