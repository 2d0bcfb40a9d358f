"""What a network's outputs are taken for, and scores made of probabilities that no final activation makes."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

from convscope.errors import UserError
from convscope.models import load
from convscope.models.head_choice import BETWEEN, CHANCES, SHARES, Choice, Ending, choose, loss_kind, loss_name
from convscope.models.heads import loss_of, trained_with
from convscope.models.spec import ModelSpec
from tests.completed import model as model_part

SIZE = 12


def network(end: Any, units: int = 3, **compiled: Any) -> keras.Model:
    """Pixels 0..255, a convolution, `units` logits of a size that probabilities are far from 0 and 1, and `end` of them."""
    keras.utils.set_random_seed(units)
    image = keras.Input((SIZE, SIZE, 3))
    x = layers.Conv2D(6, 3, activation="relu")(layers.Rescaling(1 / 255)(image))
    hidden = layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, end(hidden, units))
    for layer in model.layers:
        if isinstance(layer, layers.Dense):
            layer.kernel.assign(layer.kernel * 8)
    if compiled:
        model.compile(**compiled)
    return model


def dense(activation: str | None = None) -> Any:
    return lambda x, units: layers.Dense(units, activation=activation)(x)


def average(x: Any, units: int) -> Any:
    """Of two networks: nothing at its end is a softmax."""
    return layers.Average()(
        [layers.Dense(units, activation="softmax")(x), layers.Dense(units, activation="softmax")(x)]
    )


def sigmoids(x: Any, units: int) -> Any:
    return layers.Concatenate()([layers.Dense(1, activation="sigmoid")(x) for _ in range(units)])


def tempered(x: Any, units: int) -> Any:
    p = ops.sqrt(layers.Dense(units, activation="softmax")(x))
    return p / ops.sum(p, axis=-1, keepdims=True)


def percent(x: Any, units: int) -> Any:
    return layers.Rescaling(100.0)(layers.Dense(units, activation="softmax")(x))


def own_softmax(x: Any, units: int) -> Any:
    """Written out: no softmax anywhere in the graph."""
    e = ops.exp(layers.Dense(units)(x))
    return e / ops.sum(e, axis=-1, keepdims=True)


def softmaxes_beside(x: Any, units: int) -> Any:
    """Two answers, each of classes of its own, in one row."""
    return layers.Concatenate()(
        [layers.Dense(2, activation="softmax")(x), layers.Dense(units, activation="softmax")(x)]
    )


def imported(model: keras.Model, **settings: Any) -> tuple[keras.Model, ModelSpec]:
    return load.import_network("net", model, model_part("file", path="x", **settings))


def pictures() -> np.ndarray:
    """From dark to bright, so that answers differ."""
    bright = np.array([0.1, 0.4, 0.7, 1.0])[:, None, None, None]
    return np.rint(np.random.default_rng(7).integers(0, 256, (4, SIZE, SIZE, 3)) * bright).astype(np.float32)


@pytest.mark.parametrize(
    ("end", "units", "head", "factor"),
    [
        (dense("softmax"), 3, "multiclass", 1),
        (dense("sigmoid"), 3, "multilabel", 1),
        (dense("sigmoid"), 1, "binary", 1),
        (average, 3, "multiclass", 1),
        (sigmoids, 3, "multilabel", 1),
        (tempered, 3, "multiclass", 1),
        (own_softmax, 3, "multiclass", 1),
        (percent, 3, "multiclass", 100),
        (lambda x, n: layers.Reshape((n,))(layers.Dense(n, activation="softmax")(x)), 3, "multiclass", 1),
        (lambda x, n: layers.Average()([sigmoids(x, n), sigmoids(x, n)]), 1, "binary", 1),
        (dense("hard_sigmoid"), 3, "multilabel", 1),
        (lambda x, n: layers.Dense(n, activation="softmax")(x) * 10.0, 3, "multiclass", 10),
        (lambda x, n: layers.Rescaling(0.5)(layers.Dense(n, activation="softmax")(x)), 3, "multiclass", 0.5),
        (softmaxes_beside, 3, "multilabel", 1),
        (lambda x, n: layers.Reshape((1, n))(layers.Dense(n, activation="softmax")(x)), 3, "multiclass", 1),
        (lambda x, n: layers.Reshape((n, 1))(layers.Dense(n, activation="sigmoid")(x)), 3, "multilabel", 1),
    ],
)  # fmt: skip
def test_probabilities_are_those_of_the_network(end: Any, units: int, head: str, factor: float) -> None:
    model = network(end, units)
    flat, spec = imported(model)
    assert spec.head == head and spec.notes[0].startswith(f"head {head}") and not spec.warnings
    expected = ops.convert_to_numpy(model(pictures())).reshape(len(pictures()), -1) / factor
    assert expected.min() > 0.001 and np.ptp(expected) > 0.01, "probabilities that tell right from wrong"
    found = spec.probabilities(flat(spec.preprocess(pictures())))
    np.testing.assert_allclose(found[:, 1:] if head == "binary" else found, expected, rtol=2e-4)


@pytest.mark.parametrize(
    ("end", "head"),
    [
        (dense("log_softmax"), "multiclass"),
        (lambda x, n: ops.log(layers.Dense(n, activation="softmax")(x)), "multiclass"),
        (dense("log_sigmoid"), "multilabel"),
        (lambda x, n: ops.log(layers.Dense(n, activation="sigmoid")(x)), "multilabel"),
    ],
)
def test_outputs_that_are_logarithms_of_probabilities(end: Any, head: str) -> None:
    model = network(end, 3)
    expected = np.exp(ops.convert_to_numpy(model(pictures())))
    for wanted, found_head in (("auto", head), ("multilabel", "multilabel")):
        flat, spec = imported(model, head=wanted)
        assert spec.head == found_head and not spec.warnings
        np.testing.assert_allclose(spec.probabilities(flat(pictures())), expected, rtol=2e-4)


def test_rescaled_activations_are_what_they_answer() -> None:
    """An age of 0..100 that is a sigmoid times 100 is no logit; a tanh brought to 0..1 is a probability."""
    for end in (
        lambda x, n: layers.Rescaling(100.0)(layers.Dense(n, activation="sigmoid")(x)),
        lambda x, n: layers.Dense(n, activation="sigmoid")(x) * 100.0,
        lambda x, n: layers.Rescaling(2.0, -1.0)(layers.Dense(n, activation="sigmoid")(x)),
    ):
        for units in (1, 3):
            model = network(end, units)
            flat, spec = imported(model)
            assert spec.head == "regression"
            np.testing.assert_allclose(flat(pictures()), model(pictures()), rtol=1e-5)
        assert imported(model, head="multilabel")[1].warnings
    model = network(lambda x, n: layers.Rescaling(0.5, 0.5)(layers.Dense(n, activation="tanh")(x)), 1)
    flat, spec = imported(model, classes=["no", "yes"])
    np.testing.assert_allclose(spec.probabilities(flat(pictures()))[:, 1:], model(pictures()), rtol=1e-4)


@pytest.mark.parametrize("loss", [None, keras.losses.BinaryCrossentropy(from_logits=True)])
@pytest.mark.parametrize(("units", "head"), [(1, "binary"), (3, "multilabel")])
def test_logits_that_lie_in_0_to_1_by_chance_are_no_probabilities(
    loss: Any, units: int, head: str, tmp_path: Path
) -> None:
    model = network(dense(None), units, **({"loss": loss, "optimizer": "sgd"} if loss else {}))
    weak = model.layers[-1]
    weak.kernel.assign(weak.kernel * 0.001)
    weak.bias.assign(weak.bias + 0.5)
    classes = ["no", "yes"] if units == 1 else ["x", "y", "z"]
    model.save(tmp_path / "m.keras")
    from_file = load.import_model(
        "net", model_part("file", path=str(tmp_path / "m.keras"), classes=classes, head="auto" if loss else "sigmoid")
    )
    for flat, spec in (imported(model, classes=classes, head="auto" if loss else "sigmoid"), from_file):
        assert spec.head == head and not spec.warnings
        np.testing.assert_allclose(flat(pictures()), model(pictures()), rtol=1e-5)


def test_an_output_that_no_gradient_reaches_is_refused() -> None:
    for end in (
        lambda x, n: ops.argmax(layers.Dense(n)(x), axis=-1),
        lambda x, n: ops.one_hot(ops.argmax(layers.Dense(n)(x), axis=-1), n),
        lambda x, n: ops.round(layers.Dense(n, activation="sigmoid")(x)),
        lambda x, n: ops.cast(layers.Dense(n, activation="sigmoid")(x) > 0.5, "float32"),
    ):
        with pytest.raises(UserError, match="gradient passes"):
            imported(network(end))


def test_imagenets_names_are_said_and_are_none_of_labels() -> None:
    _, spec = imported(network(dense("softmax"), 1000))
    assert "tench" in spec.classes[0] and any("ImageNet" in note for note in spec.notes)
    _, spec = imported(network(dense("sigmoid"), 1000))
    assert spec.classes[0] == "class_0" and not any("ImageNet" in note for note in spec.notes)


def test_an_output_that_is_no_row_is_said() -> None:
    pairs = network(lambda x, n: layers.Softmax()(layers.Reshape((n, 2))(layers.Dense(2 * n)(x))))
    _, spec = imported(pairs)
    assert spec.head == "none" and any("3x2" in note for note in spec.notes)
    with pytest.raises(UserError, match="3x2"):
        imported(pairs, classes=["a", "b"])


@pytest.mark.parametrize(
    "end", [average, sigmoids, dense("tanh"), lambda x, n: layers.Dense(1, activation="sigmoid")(x)[:, 0]]
)
def test_a_network_is_the_same_whatever_was_imported_before(end: Any, tmp_path: Path) -> None:
    network(end, 1 if end not in (average, sigmoids) else 3).save(tmp_path / "m.keras")
    part = model_part(
        "file", path=str(tmp_path / "m.keras"), classes=["a", "b", "c"][: 3 if end in (average, sigmoids) else 2]
    )
    first, second = (load.import_model("net", part)[1] for _ in range(2))
    assert first.digest == second.digest


def test_scores_made_of_sure_probabilities_have_finite_gradients() -> None:
    """Where a softmax in float32 says exactly 0 or 1, neither the score nor its gradient is infinite."""
    for end in (average, sigmoids):
        model = network(end)
        for layer in model.layers:
            if isinstance(layer, layers.Dense):
                layer.kernel.assign(layer.kernel * 4000)
        flat, _ = imported(model)
        image = tf.constant(pictures())
        with tf.GradientTape() as tape:
            tape.watch(image)
            scores = flat(image)
            total = tf.reduce_sum(scores)
        sure = ops.convert_to_numpy(model(image))
        assert sure.max() == 1.0 and sure.min() < 1e-30
        assert np.isfinite(scores).all() and np.isfinite(tape.gradient(total, image)).all()


def test_a_saved_network_keeps_the_scores_made_of_its_probabilities(tmp_path: Path) -> None:
    flat, spec = imported(network(average))
    load.save_model(flat, tmp_path / "m.keras")
    spec.save(tmp_path / "m.json")
    again, same = load.load_model(tmp_path / "m.keras", tmp_path / "m.json")
    assert same == spec
    np.testing.assert_array_equal(again(pictures()), flat(pictures()))


def test_an_age_is_no_two_classes() -> None:
    for end in (dense(None), dense("relu"), dense("tanh")):
        model = network(end, 1)
        flat, spec = imported(model)
        assert (spec.head, spec.classes) == ("regression", ("output",)) and "head: sigmoid" in spec.notes[0]
        np.testing.assert_allclose(spec.probabilities(flat(pictures())), model(pictures()), rtol=1e-5)
    _, spec = imported(network(dense(None), 1), classes=["age"])
    assert (spec.head, spec.classes) == ("regression", ("age",))


def test_one_linear_unit_with_two_names_is_a_logit_and_says_so() -> None:
    model = network(dense(None), 1)
    flat, spec = imported(model, classes=["cat", "dog"])
    assert spec.head == "binary" and "two class names" in spec.notes[0]
    np.testing.assert_allclose(flat(pictures()), model(pictures()), rtol=1e-5)


def test_a_tanh_of_two_classes() -> None:
    model = network(dense("tanh"), 1, loss="hinge")
    flat, spec = imported(model, classes=["cat", "dog"])
    y = ops.convert_to_numpy(model(pictures()))
    assert spec.head == "binary" and "tanh" in spec.notes[0]
    np.testing.assert_allclose(spec.probabilities(flat(pictures()))[:, 1:], (1 + y) / 2, rtol=1e-4)


def test_what_the_config_says_counts() -> None:
    sure = network(dense("sigmoid"), 3)
    y = ops.convert_to_numpy(sure(pictures()))
    flat, spec = imported(sure, head="softmax")
    np.testing.assert_allclose(spec.probabilities(flat(pictures())), y / y.sum(axis=1, keepdims=True), rtol=1e-4)
    flat, spec = imported(sure, head="regression", classes=["x", "y", "z"])
    assert spec.head == "regression"
    np.testing.assert_allclose(flat(pictures()), y, rtol=1e-5)
    one_of_many = network(dense("softmax"), 3)
    flat, spec = imported(one_of_many, head="multilabel")
    assert spec.head == "multilabel"
    np.testing.assert_allclose(spec.probabilities(flat(pictures())), one_of_many(pictures()), rtol=1e-4)
    assert imported(network(dense("sigmoid"), 1), head="multilabel", classes=["smoke"])[1].classes == ("smoke",)
    with pytest.raises(UserError, match="one output; sigmoid"):
        imported(network(dense(None), 1), head="softmax")
    backbone = keras.Model(image := keras.Input((8, 8, 3)), layers.Conv2D(2, 3)(image))
    with pytest.raises(UserError, match="leave the head out"):
        imported(backbone, head="softmax")


def test_outputs_of_one_place_are_rows() -> None:
    """A fully convolutional network at its own size answers (N, 1, 1, classes), a squeezed one (N,)."""
    image = keras.Input((SIZE, SIZE, 3))
    maps = layers.Rescaling(1 / 255)(image)
    whole = keras.Model(image, layers.Softmax()(layers.Conv2D(3, SIZE)(maps)))
    flat, spec = imported(whole)
    assert spec.head == "multiclass" and spec.units == 3
    np.testing.assert_allclose(spec.probabilities(flat(pictures())), whole(pictures())[:, 0, 0], rtol=1e-4)
    lone = keras.Model(image, layers.Dense(1)(layers.Flatten()(maps))[:, 0])
    flat, spec = imported(lone)
    assert spec.head == "regression"
    np.testing.assert_allclose(flat(pictures())[:, 0], lone(pictures()), rtol=1e-4)
    backbone = keras.Model(image, layers.ReLU()(layers.Conv2D(3, SIZE)(maps)))
    assert imported(backbone)[1].head == "none", "its last map has one place"
    places = keras.Model(image, layers.Conv2D(3, 3)(maps))
    assert imported(places)[1].head == "none", "an answer a place is none a picture"


def test_logits_of_no_network_are_touched() -> None:
    model = network(dense(None), 3)
    flat, spec = imported(model)
    assert spec.head == "multiclass" and type(flat.layers[-1]).__name__ == "Dense"
    assert "head: multilabel where several" in spec.notes[0], "logits do not tell"
    np.testing.assert_array_equal(flat(pictures()), model(pictures()))


@pytest.mark.parametrize(
    ("ending", "names", "expected"),
    [
        (Ending(1, "linear", loss="mse"), 0, ("regression", "outputs")),
        (Ending(1, "linear", loss="BinaryCrossentropy"), 0, ("binary", "")),
        (Ending(1, "linear", loss="hinge"), 0, ("binary", "")),
        (Ending(1, "tanh"), 2, ("binary", "logit of tanh")),
        (Ending(1, BETWEEN), 0, ("regression", "outputs")),
        (Ending(1, BETWEEN), 2, ("binary", "logit")),
        (Ending(1, CHANCES), 0, ("binary", "logit")),
        (Ending(2, "tanh"), 0, ("regression", "outputs")),
        (Ending(2, "tanh"), 2, ("multiclass", "")),
        (Ending(4, "linear", loss="mean_squared_error"), 0, ("regression", "outputs")),
        (Ending(4, "linear", loss="binary_crossentropy"), 0, ("multilabel", "")),
        (Ending(4, "sigmoid", loss="categorical_crossentropy"), 0, ("multiclass", "log")),
        (Ending(4, SHARES), 0, ("multiclass", "log")),
        (Ending(4, CHANCES, exclusive=True), 0, ("multiclass", "log")),
        (Ending(4, CHANCES), 0, ("multilabel", "logit")),
        (Ending(4, BETWEEN), 0, ("multiclass", "")),
        (Ending(64, "relu", features=True), 0, ("multiclass", "")),
    ],
)
def test_auto(ending: Ending, names: int, expected: tuple[str, str]) -> None:
    found = choose("models.x", "auto", ending, names)
    assert (found.head, found.scores) == expected and found.reason
    doubtful = (ending.kind == BETWEEN and ending.units > 1) or ending.features or (ending.kind, names) == ("tanh", 2)
    assert bool(found.warning) == (doubtful and ending.units > 1)


def test_what_contradicts_itself_is_asked_about() -> None:
    with pytest.raises(UserError, match="no logit of two classes"):
        choose("models.x", "auto", Ending(1, "relu"), 2)
    with pytest.raises(UserError, match="1 name"):
        choose("models.x", "auto", Ending(1, "sigmoid"), 1)
    assert isinstance(choose("models.x", "sigmoid", Ending(1, "relu"), 2), Choice)


def test_the_loss_of_a_file_is_read_and_not_run(tmp_path: Path) -> None:
    for name, loss in (
        ("a.keras", "mse"),
        ("b.h5", "mse"),
        ("c.keras", keras.losses.BinaryCrossentropy(from_logits=True)),
    ):
        model = network(dense(None), 1, loss=loss, optimizer="sgd")
        model.save(tmp_path / name)
        kind = loss_kind(trained_with(tmp_path / name))
        assert kind == ("yes or no" if name == "c.keras" else "number") == loss_kind(loss_of(model))
        _, spec = load.import_model("x", model_part("file", path=str(tmp_path / name)))
        assert spec.head == ("binary" if name == "c.keras" else "regression") and "trained with" in spec.notes[0]
    network(dense(None), 1).save(tmp_path / "d.keras")
    assert trained_with(tmp_path / "d.keras") == "" and trained_with(tmp_path / "none.keras") == ""


def test_losses_as_keras_writes_them() -> None:
    assert loss_name({"module": "builtins", "class_name": "function", "config": "my_loss"}) == "my_loss"
    assert loss_name({"class_name": "Huber", "config": {"delta": 1.0}}) == "Huber"
    several = {"class": {"class_name": "CategoricalHinge", "config": {}}, "age": "mse"}
    assert [loss_name(several, output) for output in ("class", "age", "none", None)] == [
        "CategoricalHinge",
        "mse",
        "",
        "",
    ]
    assert [loss_name(["mae", "mse"], output) for output in (1, 2, "age")] == ["mse", "", ""]
    assert loss_name({"dense": "mae"}) == "mae" and loss_name({"a": "mae", "b": "mse"}) == ""
    assert [loss_kind(name) for name in ("MeanAbsoluteError", "squared_hinge", "my_loss")] == ["number", "margin", ""]
