"""Networks of several inputs and outputs, of dictionaries, and of inputs that are no pictures."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tf_keras
from keras import layers

import convscope
from convscope.config import complete
from convscope.errors import UserError
from convscope.models import graphs, load
from convscope.models.cam_layer import default_cam_layer
from convscope.models.end_choice import check_saved_ends
from convscope.models.ends import with_one_end
from convscope.models.names import read_file_config
from tests.completed import model as model_part

PIXELS = np.random.default_rng(0).uniform(0, 255, (3, 16, 20, 3)).astype("float32")
FACTS = np.array([1, -2, 0.5, 4, 0], np.float32)


def network(form: str = "list") -> keras.Model:
    """A picture and five facts about it in; a kind and an age out."""
    keras.utils.set_random_seed(1)
    image, facts = keras.Input((16, 20, 3), name="photo"), keras.Input((5,), name="facts")
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3, activation="relu", name="conv")(image))
    x = layers.Concatenate()([x, layers.Dense(3, activation="relu", name="about")(facts)])
    kind, age = layers.Dense(3, activation="softmax", name="kind")(x), layers.Dense(1, name="age")(x)
    if form == "dictionaries":
        return keras.Model({"photo": image, "facts": facts}, {"which": kind, "old": age})
    return keras.Model([image, facts], [kind, age])


def imported(model: keras.Model, **settings: Any) -> tuple[keras.Model, Any]:
    return load.import_network("net", model, model_part("file", path="net.keras") | settings)


def asked(model: keras.Model, facts: Any) -> dict[str, np.ndarray]:
    rows = np.broadcast_to(np.asarray(facts, np.float32), (len(PIXELS), 5))
    found = model({"photo": PIXELS, "facts": rows} if isinstance(model._inputs_struct, dict) else [PIXELS, rows])
    values = found.values() if isinstance(found, dict) else found
    return dict(zip(("kind", "age"), map(np.asarray, values), strict=True))


@pytest.mark.parametrize(
    ("form", "kind", "age"), [("list", "kind", "age"), ("list", 0, 1), ("dictionaries", "which", "old")]
)
@pytest.mark.parametrize("facts", [0.5, FACTS.tolist()], ids=["number", "list"])
def test_one_picture_in_and_one_answer_out(form: str, kind: Any, age: Any, facts: Any, tmp_path: Path) -> None:
    model = network(form)
    expected = asked(model, facts)
    flat, spec = imported(model, inputs={"facts": facts}, output=kind)
    assert spec.head == "multiclass"
    assert spec.input_size == (16, 20)
    np.testing.assert_allclose(spec.probabilities(flat(PIXELS)), expected["kind"], atol=1e-6)
    load.save_model(flat, tmp_path / "flat.keras")
    np.testing.assert_array_equal(load.load_keras(tmp_path / "flat.keras")(PIXELS), flat(PIXELS))
    flat, spec = imported(model, inputs={"facts": facts}, output=age)
    assert spec.head == "regression"
    np.testing.assert_allclose(flat(PIXELS), expected["age"], atol=1e-6)
    assert {"conv", "about", "age"} <= {layer.name for layer in flat.layers}
    assert all(layer.name != "kind" for layer in flat.layers)


def test_the_same_model_has_the_same_identity_whatever_was_built_before() -> None:
    digests = []
    for _ in range(2):
        keras.backend.clear_session()
        for _ in range(len(digests)):
            keras.ops.zeros_like(keras.ops.mean(keras.Input((3,))))  # counts the names of operations up
        digests.append(imported(network(), inputs={"facts": 0}, output="kind")[1].digest)
    assert digests[0] == digests[1]
    assert imported(network(), inputs={"facts": 1}, output="kind")[1].digest != digests[0]


def test_which_ends_were_taken_is_noted() -> None:
    _, spec = imported(network(), inputs={"facts": 0}, output="kind")
    assert spec.notes[0] == "inputs fixed for every picture: facts at 0; of several outputs: kind"
    other = imported(network(), inputs={"facts": [1.5, 2, 3, 4, 5]}, output=1)[1]
    assert spec.notes[1:] and other.notes[0].endswith("facts at [1.5, 2, 3, 4, 5]; of several outputs: 1")
    assert other.classes == ("output",)
    one = keras.Sequential([keras.Input((8, 8, 3)), layers.GlobalAveragePooling2D(), layers.Dense(2)])
    assert not any("fixed" in note or "outputs" in note for note in imported(one)[1].notes)


def test_what_is_missing_or_wrong_is_said_in_one_line_with_the_names() -> None:
    model = network()
    for settings, words in (
        ({}, r"models.net: the network has 2 inputs \(photo 16x20x3, facts 5\).*inputs: {facts: 0}"),
        ({"inputs": {"facts": 0}}, r"2 outputs \(kind 3, age 1\); say which is meant, output: kind"),
        ({"inputs": {"fact": 0}}, "models.net.inputs: the network has no input 'fact'; did you mean 'facts'"),
        ({"inputs": {"facts": 0, "photo": 0}}, "all inputs are fixed"),
        ({"inputs": {"photo": 0}}, r"its input 'facts' takes 5, no pictures"),
        ({"inputs": {"facts": [1, 2]}, "output": 0}, r"models.net.inputs.facts: .*list of 5 numbers"),
        ({"inputs": {"facts": 0}, "output": "kinds"}, "models.net.output: .*did you mean 'kind'"),
        ({"inputs": {"facts": 0}, "output": 2}, "models.net.output is 2, but the outputs are 0 to 1"),
    ):
        with pytest.raises(UserError, match=words) as caught:
            imported(model, **settings)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("form", ["list", "dictionaries"])
def test_a_file_tells_its_inputs_and_outputs_before_anything_is_loaded(tmp_path: Path, suffix: str, form: str) -> None:
    path = tmp_path / f"two{suffix}"
    network(form).save(path)
    config = read_file_config(path)
    assert config is not None
    kind = "which" if form == "dictionaries" else "kind"
    check_saved_ends(config, {"inputs": {"facts": 0}, "output": kind}, "models.net")
    with pytest.raises(UserError, match=r"2 inputs \(photo 16x20x3, facts 5\).*inputs: {facts: 0}"):
        check_saved_ends(config, {}, "models.net")
    with pytest.raises(UserError, match=rf"2 outputs \({kind}, \w+\); say which is meant, output: {kind}"):
        check_saved_ends(config, {"inputs": {"facts": 0}}, "models.net")
    settings = model_part("file", path=str(path), inputs={"facts": 0}, output=kind)
    assert load.import_model("net", settings)[1].classes == ("class_0", "class_1", "class_2")


def test_settings_of_another_kind_are_refused_by_the_schema() -> None:
    part = {"source": "file", "path": "a.keras"}
    for wrong in ({"inputs": 0}, {"inputs": {"facts": "zero"}}, {"output": 1.5}, {"output": -1}):
        with pytest.raises(UserError, match=r"models.net.(inputs|output)"):
            complete({"study": "s", "models": {"net": part | wrong}})


def test_a_notebook_takes_them_as_keywords() -> None:
    picture = PIXELS[0].astype(np.uint8)
    found = convscope.explain(network(), picture, "saliency", inputs={"facts": 0}, output="kind")
    assert found.maps.shape == (1, 16, 20, 3)
    with pytest.raises(UserError, match=r"model 'functional\w*': the network has 2 inputs"):
        convscope.explain(network(), picture, "saliency")


def test_dictionaries_of_one() -> None:
    image = keras.Input((8, 8, 3), name="picture")
    model = keras.Model({"picture": image}, {"answer": layers.Dense(3)(layers.Flatten()(image))})
    flat, _ = imported(model)
    np.testing.assert_allclose(flat(PIXELS[:, :8, :8]), model({"picture": PIXELS[:, :8, :8]})["answer"], rtol=1e-5)


def test_a_class_of_two_inputs_that_does_more_than_its_graph_is_refused() -> None:
    class Sly(keras.Model):
        def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
            return [1 - answer for answer in super().call(inputs)]

    plain = network()
    with pytest.raises(UserError, match="does not compute what calling it does \\(class Sly\\)"):
        imported(Sly(plain.inputs, plain.outputs), inputs={"facts": 0}, output="kind")


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ((784,), r"takes 784, no pictures.*image_size: \[28, 28\]"),
        ((28, 28), r"takes 28x28, no pictures.*channels: gray"),
        ((4, 8, 8, 3), "takes 4x8x8x3, no pictures"),
        ((102,), r"image_size: \[height, width\]"),
    ],
)
def test_inputs_that_are_no_pictures(shape: tuple[int, ...], words: str, tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(10)])
    with pytest.raises(UserError, match=words) as caught:
        imported(model)
    assert "\n" not in str(caught.value)
    old = tf_keras.Sequential([tf_keras.layers.Flatten(input_shape=shape), tf_keras.layers.Dense(10)])
    nested = tf_keras.Sequential([tf_keras.Sequential([tf_keras.layers.Flatten(input_shape=shape)])])
    for number, sequence in enumerate((model, old, nested)):
        sequence.save(path := tmp_path / f"{number}.h5")
        with pytest.raises(UserError, match=words):
            check_saved_ends(read_file_config(path) or {}, {}, "models.net")


@pytest.mark.parametrize(
    ("shape", "said", "picture"),
    [
        ((12, 16), {"channels": "gray"}, (12, 16, 1)),
        ((192,), {"image_size": [12, 16]}, (12, 16, 1)),
        ((192,), {"image_size": 8}, (8, 8, 3)),
    ],
)
def test_an_input_without_channels_takes_the_pictures_that_the_config_says(
    shape: tuple[int, ...], said: dict[str, Any], picture: tuple[int, int, int], tmp_path: Path
) -> None:
    conv = [layers.Reshape(picture), layers.Conv2D(4, 3, activation="relu", name="conv2d"), layers.GlobalMaxPooling2D()]
    model = keras.Sequential([keras.Input(shape), layers.Rescaling(1 / 255), *conv, layers.Dense(3)])
    pixels = np.random.default_rng(1).uniform(0, 255, (2, *picture)).astype("float32")
    flat, spec = imported(model, **said)
    assert (*spec.input_size, spec.depth) == picture
    np.testing.assert_allclose(flat(pixels), model(pixels.reshape(2, *shape)), atol=1e-5)
    model.save(tmp_path / "m.h5")
    check_saved_ends(read_file_config(tmp_path / "m.h5") or {}, said, "models.net")
    assert default_cam_layer(flat, spec.input_size) == "conv2d"
    flat, spec = imported(keras.Sequential([keras.Input(shape), layers.Flatten(), layers.Dense(3)]), **said)
    with pytest.raises(UserError, match="has no feature maps"):  # rows of pixels are no tokens
        default_cam_layer(flat, spec.input_size)


def test_colours_first_are_refused_in_one_line() -> None:
    image = keras.Input((3, 16, 16))
    maps = layers.Conv2D(4, 3, data_format="channels_first", name="conv")(image)
    with pytest.raises(UserError, match="layer 'conv' takes colours first"):
        imported(keras.Model(image, layers.Dense(2)(layers.Flatten()(maps))))


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float16", "float64"])
@pytest.mark.parametrize("cast", [True, False])
def test_pictures_of_any_type_become_float32(dtype: str, cast: bool) -> None:
    image = keras.Input((12, 12, 3), dtype=dtype)
    x = keras.ops.cast(image, "float32") / 255 if cast else layers.Rescaling(1 / 255)(image)
    model = keras.Model(image, layers.Dense(2)(layers.GlobalMaxPooling2D()(layers.Conv2D(4, 3)(x))))
    flat, _ = imported(model)
    assert flat.inputs[0].dtype == "float32"
    whole = np.rint(PIXELS[:, :12, :12])
    np.testing.assert_allclose(flat(whole), model(whole.astype(dtype)), rtol=2e-3 if dtype == "float16" else 1e-5)
    half = np.asarray(flat(whole + 0.5))
    assert not np.allclose(half, np.asarray(flat(whole))), "nothing is rounded, so gradients exist"


def test_a_pipeline_is_opened_and_its_random_layers_left_out() -> None:
    class Bright(layers.Layer):
        def call(self, inputs: Any, training: bool = True) -> Any:
            return inputs * 2 if training else inputs

    image = keras.Input((16, 20, 3))
    pipeline = layers.Pipeline(
        [layers.RandomFlip(), layers.Rescaling(1 / 255, name="scaled"), layers.RandomRotation(0.5)]
    )
    x = layers.Conv2D(4, 3)(Bright(name="bright")(pipeline(image)))
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(x)))
    flat, _ = imported(model)
    names = [layer.name for layer in flat.layers]
    assert names[:3] == ["image", "scaled", "bright"]
    assert graphs.flat_names(model)[id(pipeline.layers[1])] == "scaled"
    expected = model(PIXELS, training=False)
    # Layers that prepare pictures work as in training where nobody says otherwise.
    np.testing.assert_allclose(flat(PIXELS), expected, rtol=1e-5)
    np.testing.assert_allclose(flat(PIXELS, training=False), expected, rtol=1e-5)


def test_networks_that_work_in_training_only_or_never_the_same_are_told() -> None:
    image = keras.Input((16, 20, 3))
    cropped = layers.Flatten()(layers.RandomCrop(8, 6)(image))
    with pytest.raises(UserError, match=r"does not fit together outside of training.*CenterCrop for RandomCrop"):
        imported(keras.Model(image, layers.Dense(2)(cropped)))

    class Noise(layers.Layer):
        def call(self, inputs: Any) -> Any:
            return inputs + keras.random.normal(keras.ops.shape(inputs))

    with pytest.raises(UserError, match=r"layer 'noise' .* answers the same picture otherwise each time"):
        imported(keras.Model(image, layers.Dense(2)(layers.Flatten()(Noise(name="noise")(image)))))


@pytest.mark.parametrize("layer", [layers.Resizing(10, 12), layers.CenterCrop(8, 6)], ids=["resizing", "crop"])
@pytest.mark.parametrize("shape", [(16, 20, 3), (None, None, 3)], ids=str)
def test_networks_that_bring_pictures_to_a_size_themselves(layer: Any, shape: tuple[int | None, ...]) -> None:
    image = keras.Input(shape)
    model = keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.Conv2D(4, 3)(layer(image)))))
    flat, spec = imported(model, image_size=[16, 20])
    assert spec.input_size == (16, 20)
    np.testing.assert_allclose(flat(PIXELS), model(PIXELS), rtol=1e-5)


@pytest.mark.parametrize("size", [(16, 20), (None, None)], ids=str)
def test_a_mask_that_is_fixed_is_as_large_as_the_picture(size: tuple[int | None, int | None]) -> None:
    image, mask = keras.Input((*size, 3), name="photo"), keras.Input((*size, 1), name="mask")
    maps = layers.Conv2D(4, 3)(layers.Multiply()([image, mask]))
    model = keras.Model([image, mask], layers.Dense(2)(layers.GlobalAveragePooling2D()(maps)))
    half = np.full((3, 16, 20, 1), 0.5, np.float32)
    flat, _ = imported(model, inputs={"mask": 0.5}, image_size=[16, 20])
    np.testing.assert_allclose(flat(PIXELS), model([PIXELS, half]), rtol=1e-5)
    drawn = np.random.default_rng(3).uniform(0, 1, (16, 20, 1)).astype("float32")
    flat, _ = imported(model, inputs={"mask": drawn.tolist()}, image_size=[16, 20])
    np.testing.assert_allclose(flat(PIXELS), model([PIXELS, np.stack([drawn] * 3)]), rtol=1e-4)


def test_an_answer_that_is_there_twice_has_both_names() -> None:
    image = keras.Input((8, 8, 3))
    answer = layers.Dense(3, name="answer")(layers.Flatten()(image))
    model = keras.Model(image, {"one": answer, "other": answer})
    with pytest.raises(UserError, match=r"2 outputs \(one 3, other 3\)"):
        imported(model)
    assert imported(model, output="other")[1].head == "multiclass"
    with pytest.raises(UserError, match=r"2 outputs \(answer\[0\] 3, answer\[1\] 3\)"):
        imported(keras.Model(image, [answer, answer]))


def test_values_that_an_input_does_not_take() -> None:
    """A word of which there is none, and part of one."""
    image, word = keras.Input((8, 8, 3), name="picture"), keras.Input((2,), dtype="int32", name="word")
    known = keras.layers.Flatten()(keras.layers.Embedding(10, 3)(word))
    x = keras.layers.Concatenate()([keras.layers.GlobalAveragePooling2D()(image), known])
    model = keras.Model([image, word], keras.layers.Dense(2)(x))
    assert with_one_end(model, {"word": 9}).output_shape == (None, 2)
    with pytest.raises(UserError, match=r"fixed at \(.*99 is not in \[0, 10\)") as caught:
        with_one_end(model, {"word": 99})
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)
    with pytest.raises(UserError, match=r"inputs.word: the input takes whole numbers"):
        with_one_end(model, {"word": 2.5})
