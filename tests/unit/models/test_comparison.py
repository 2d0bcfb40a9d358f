"""A copy that computes something else is found out, and the layer that does is named."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from convscope.errors import UserError
from convscope.models import graphs, layer_copies
from convscope.models.canonical import canonical
from convscope.models.comparison import trial_pictures


def classifier(count: int = 1000, dtype: str = "float32") -> keras.Model:
    keras.utils.set_random_seed(2)
    image = keras.Input((32, 32, 3))
    normalised = layers.Normalization(name="normalised", dtype=dtype)
    normalised.adapt(np.random.default_rng(1).normal(0.45, 0.25, (8, 32, 32, 3)))
    x = normalised(layers.Rescaling(1 / 255, dtype=dtype)(image))
    x = layers.Conv2D(8, 3, name="stem", dtype=dtype)(x)
    x = layers.ReLU(dtype=dtype)(layers.BatchNormalization(name="norm", dtype=dtype)(x))
    x = layers.GlobalAveragePooling2D(dtype=dtype)(x)
    return keras.Model(image, layers.Dense(count, activation="softmax", name="answer", dtype=dtype)(x))


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("lost", ["normalised", "stem", "norm", "answer"])
def test_a_state_that_is_lost_is_found_and_its_layer_named(
    lost: str, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy as it was made before: by weights alone. A thousand classes hide it in probabilities of a thousandth each."""
    take_over = layer_copies.take_over

    def forgetful(original: Any, copy: Any) -> None:
        if original.name == lost and copy.compute_dtype == "float32" and lost != "normalised":
            weights = original.get_weights()
            copy.set_weights([np.full_like(weights[0], 0.3), *weights[1:]])
        elif original.name == "normalised" == lost:
            copy.set_weights(original.get_weights())
        else:
            take_over(original, copy)

    model = classifier(dtype=dtype)
    canonical(model)
    monkeypatch.setattr(graphs, "take_over", forgetful)
    if lost == "answer" and dtype == "float32":  # its copy without the softmax is off as well
        with pytest.raises(UserError, match="does not compute what calling it does"):
            canonical(model)
    else:
        with pytest.raises(UserError, match=f"the copy of its layer '{lost}'"):
            canonical(model)


def test_a_difference_on_bright_pictures_alone_is_found() -> None:
    class Clipped(keras.layers.Layer):
        """Whose copy clips where it does not."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.top = 1.5

        def call(self, inputs: Any) -> Any:
            return keras.ops.minimum(inputs, self.top)

    image = keras.Input((8, 8, 3))
    clipped = Clipped(name="clipped")
    x = layers.Conv2D(2, 3)(clipped(image))
    clipped.top = 250.0
    model = keras.Model(image, layers.Dense(3)(layers.Flatten()(x)))
    canonical(model, scale=1 / 255)  # in 0..1 they are the same
    with pytest.raises(UserError, match="layer 'clipped' \\(Clipped\\) computes something else"):
        canonical(model)


def test_a_nested_network_that_does_more_is_named() -> None:
    class Sly(keras.Model):
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return super().call(inputs) * 1.5

    inner = keras.Input((8, 8, 3))
    sly = Sly(inner, layers.Conv2D(2, 3)(inner))
    image = keras.Input((8, 8, 3))
    with pytest.raises(UserError, match="does not compute what calling it does \\(class Sly\\)"):
        canonical(keras.Model(image, layers.Dense(2)(layers.GlobalMaxPooling2D()(sly(image)))))


def test_pictures_are_of_the_networks_range_and_size() -> None:
    noise, smooth, unit = trial_pictures((None, 10, 3), (1 / 127.5,) * 3, (-1.0,) * 3, (12, 99))
    assert noise.shape == smooth.shape == unit.shape == (1, 12, 10, 3)
    assert noise.dtype == np.float32
    assert -1 <= noise.min() < -0.97 < 0.97 < noise.max() <= 1
    assert -1 <= smooth.min() < -0.8 < 0.8 < smooth.max() <= 1
    assert np.abs(np.diff(smooth, axis=1)).max() < 1.6 < np.abs(np.diff(noise, axis=1)).max()
    assert 0 <= unit.min() < unit.max() <= 1
    np.testing.assert_allclose(np.rint((noise + 1) * 127.5), (noise + 1) * 127.5, atol=1e-4)
    (gray, *_) = trial_pictures((7, 7, 1), (1.0, 2.0, 3.0))
    assert gray.shape == (1, 7, 7, 1)
    assert 300 < gray.max() <= 510


def test_quantised_weights_are_refused_in_one_line() -> None:
    model = classifier(5)
    model.quantize("int8")
    with pytest.raises(
        UserError, match="layer 'answer' keeps its weights as whole numbers \\(quantised to int8\\)"
    ) as caught:
        canonical(model)
    assert "\n" not in str(caught.value)


def test_what_depends_on_the_other_pictures_of_a_batch_is_refused() -> None:
    """A picture made brighter by the darkest of its batch would get another class, another map, with each folder it lies in."""

    def brightest(axis: tuple[int, ...] | None) -> keras.Model:
        keras.utils.set_random_seed(3)
        image = keras.Input((16, 16, 3))
        x = image / keras.ops.max(image, axis=axis, keepdims=axis is not None)
        x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu")(x))
        return keras.Model(image, layers.Dense(3, activation="softmax")(x))

    canonical(brightest((1, 2, 3)))
    with pytest.raises(UserError, match="depends on the others of its batch"):
        canonical(brightest(None))
