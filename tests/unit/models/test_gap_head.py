"""The head for CAM: found where a network has one, trained where it has none."""

from pathlib import Path

import keras
import numpy as np
import pytest

from convscope.errors import UserError
from convscope.models.gap_head import GapHead, own_gap_head, pooled_features, train_gap_head, write_refusal
from convscope.models.spec import ModelSpec

L = keras.layers


def spec(head: str, classes: tuple[str, ...]) -> ModelSpec:
    return ModelSpec(name="net", input_size=(8, 8), classes=classes, head=head)


def built(*behind: keras.layers.Layer) -> keras.Model:
    image = keras.Input((8, 8, 3))
    x = L.ReLU(name="relu")(L.Conv2D(5, 3, name="conv")(image))
    for layer in behind:
        x = layer(x)
    return keras.Model(image, x)


class Dense(keras.layers.Dense):
    """Of Keras's name, but of cosines."""

    def call(self, inputs, training=None):
        return keras.ops.normalize(inputs) @ keras.ops.normalize(self.kernel, axis=0)


def test_a_class_named_like_kerass_is_no_gap_head() -> None:
    assert own_gap_head(built(L.GlobalAveragePooling2D(), Dense(2)), "relu") is None


def test_the_networks_own_head_is_found() -> None:
    model = built(L.GlobalAveragePooling2D(), L.Dropout(0.5), L.Dense(2, name="dense"))
    found = own_gap_head(model, "relu")
    assert found is not None and found.own
    np.testing.assert_array_equal(found.kernel, model.get_layer("dense").get_weights()[0])


@pytest.mark.parametrize(
    "behind",
    [
        [L.Flatten(), L.Dense(2)],
        [L.GlobalMaxPooling2D(), L.Dense(2)],
        [L.GlobalAveragePooling2D(), L.Dense(4, activation="relu"), L.Dense(2)],
        [L.Conv2D(5, 3), L.GlobalAveragePooling2D(), L.Dense(2)],
    ],
    ids=["flatten", "max pooling", "two layers", "a convolution between"],
)
def test_other_heads_are_not_taken_for_one(behind: list[keras.layers.Layer]) -> None:
    assert own_gap_head(built(*behind), "relu") is None


@pytest.mark.parametrize(
    ("head", "classes"), [("binary", ("a", "b")), ("multiclass", ("a", "b")), ("multiclass", ("a", "b", "c"))]
)
def test_training_finds_the_classes_and_their_probabilities(head: str, classes: tuple[str, ...]) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(len(classes), size=3000)
    pooled = rng.normal(size=(3000, 4)).astype(np.float32) * [1, 10, 0.1, 1] + 3
    pooled[:, :3] += 1.2 * np.eye(3)[labels] * [1, 10, 0.1]
    pooled[:, 3] = 7  # never varies
    found = train_gap_head(pooled.astype(np.float32), labels, spec(head, classes))
    logits = found.logits(pooled)
    assert found.kernel.shape == (4, 1 if head == "binary" else len(classes)) and not found.own
    probabilities = spec(head, classes).probabilities(logits)
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    assert right.mean() > 0.65
    assert abs(sure.mean() - right.mean()) < 0.03  # as often right as it is sure


def test_class_weights_of_one_unit_have_two_signs() -> None:
    head = GapHead(np.array([[1.0], [2.0]], np.float32), np.zeros(1, np.float32), own=True)
    np.testing.assert_array_equal(head.class_weights(spec("binary", ("a", "b"))), [[-1, 1], [-2, 2]])


def test_a_class_without_pictures_is_named() -> None:
    with pytest.raises(UserError, match="no training picture of class 'b'"):
        train_gap_head(np.zeros((3, 2), np.float32), np.zeros(3, int), spec("binary", ("a", "b")))


def test_it_survives_its_file(tmp_path: Path) -> None:
    head = GapHead(np.ones((3, 2), np.float32), np.zeros(2, np.float32), own=False)
    head.save(tmp_path / "head.h5", model="net")
    again = GapHead.load(tmp_path / "head.h5")
    assert (again.kernel == head.kernel).all() and (again.bias == head.bias).all() and again.own is False


def test_pooled_features_of_no_batches_are_empty() -> None:
    pooled, logits = pooled_features(lambda images: (images, images), [], 4, 2)
    assert pooled.shape == (0, 4) and logits.shape == (0, 2)


def test_a_head_that_cannot_be_says_why_where_it_is_asked_for(tmp_path: Path) -> None:
    write_refusal(tmp_path / "head.h5", "no picture of class 'cat'", model="net")
    with pytest.raises(UserError, match="no picture of class 'cat'"):
        GapHead.load(tmp_path / "head.h5")
