"""Files of Keras 2, made by it (tf_keras), give the same numbers as there; layers, weights and names of every age."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf
import tf_keras

from convscope.errors import UserError
from convscope.models.keras2 import modern
from convscope.models.load import import_model
from convscope.models.names import layers_of
from convscope.models.places import check_model_file
from convscope.models.saved import load_file

L = tf_keras.layers
SIZE = (16, 16, 3)
Network = Callable[[], Any]


def backbone(name: str = "backbone") -> Any:
    inputs = L.Input(SIZE)
    x = L.Conv2D(4, 3, strides=2, use_bias=False, name="stem/conv")(inputs)
    x = L.BatchNormalization(name="stem/bn", axis=[3])(x)
    x = L.DepthwiseConv2D(3, padding="same")(L.ReLU(6.0)(x))
    x = L.SeparableConv2D(6, 3, activation="swish", kernel_regularizer="l2")(L.BatchNormalization()(x))
    return tf_keras.Model(inputs, x, name=name)


def teachable() -> Any:
    """As Teachable Machine nests its own."""
    head = tf_keras.Sequential([L.GlobalAveragePooling2D(), L.Dense(5, activation="relu"), L.Dense(2, use_bias=False)])
    return tf_keras.Sequential([tf_keras.Sequential([backbone()]), head])


def partly_frozen() -> Any:
    body = backbone()
    for layer in body.layers[:3]:
        layer.trainable = False
    return tf_keras.Sequential([body, L.GlobalMaxPooling2D(), L.Dense(3)])


def transfer() -> Any:
    body = backbone()
    body.trainable = False
    inputs = L.Input(SIZE)
    x = tf_keras.Sequential([L.RandomFlip(), L.RandomRotation(0.1)], name="augmentation")(inputs)
    x = body(L.Rescaling(1 / 127.5, -1)(x), training=False)
    return tf_keras.Model(inputs, L.Dense(2)(L.Dropout(0.2)(L.GlobalAveragePooling2D()(x))))


def shared() -> Any:
    """A layer and a network called twice, and one call of each reached by its number."""
    inputs, convolution, body = L.Input(SIZE), L.Conv2D(3, 3, padding="same", activation="relu"), backbone()
    x = L.Concatenate()([body(convolution(convolution(inputs))), body(inputs)])
    x = L.LayerNormalization()(L.Add()([L.Conv2D(12, 1)(x), x]))
    return tf_keras.Model(inputs, L.Dense(3)(L.GlobalAveragePooling2D()(x)))


def old_activations() -> Any:
    """Keras 2's hard_sigmoid is 0.2 x + 0.5 between 0 and 1; Keras 3's of that name is x / 6 + 0.5."""
    layers = [L.Conv2D(4, 3, groups=1, activation="hard_sigmoid", input_shape=SIZE), L.LeakyReLU(0.2), L.PReLU()]
    layers += [L.ThresholdedReLU(0.1), L.ELU(0.5), L.Activation("hard_sigmoid"), L.Flatten(), L.Dense(3)]
    return tf_keras.Sequential(layers)


def normalized() -> Any:
    layer = L.Normalization()
    layer.adapt(np.random.default_rng(3).uniform(0, 255, (8, *SIZE)))
    return tf_keras.Sequential([L.InputLayer(SIZE), layer, L.Conv2D(4, 3), L.GlobalAveragePooling2D(), L.Dense(2)])


def operations() -> Any:
    """Between the layers: what people write, and what preprocess_input writes."""
    inputs = L.Input(SIZE)
    x = tf.nn.bias_add(inputs[..., ::-1], [-103.9, -116.8, -123.7]) / 127.5 - 0.1
    y = L.Conv2D(8, 3, padding="same", name="first/conv")(tf.image.resize(x, (12, 12)))
    z = tf.nn.relu6((tf.nn.relu(y) + y) * tf.nn.sigmoid(y))
    z = 1.0 - 0.5 * tf.concat([z, y], axis=-1)
    z = L.Conv2D(8, 3)(z)
    z = tf.nn.leaky_relu(tf.nn.swish(z * tf.reduce_mean(z, axis=[1, 2], keepdims=True))) - tf.maximum(z, 0.1)
    z = tf.reshape(tf.math.add(tf.reduce_max(z, axis=[1, 2]), tf.reduce_mean(z, [1, 2])), (-1, 8))
    return tf_keras.Model(inputs, L.Dense(3)(z))


def preprocessed(module: Any) -> Network:
    """With the `preprocess_input` of a family of networks inside, as it is published."""

    def network() -> Any:
        inputs = L.Input(SIZE)
        x = L.SpatialDropout2D(0.2)(L.Conv2D(4, 3)(module.preprocess_input(inputs)))
        return tf_keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x)))

    network.__name__ = module.__name__.rpartition(".")[2]
    return network


def recurrent() -> Any:
    """Rows of maps, read in order, as of handwriting."""
    inputs = L.Input(SIZE)
    x = L.Reshape((8, 16))(L.Conv2D(2, 3, strides=2, padding="same", activation="relu")(inputs / 255.0))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True))(x)
    return tf_keras.Model(inputs, L.Dense(2)(L.GRU(4)(x)))


def more_operations() -> Any:
    inputs = L.Input(SIZE)
    x = tf.concat([tf.image.per_image_standardization(inputs), tf.image.rgb_to_grayscale(inputs) / 255.0], -1)
    y, z, w = tf.split(L.Conv2D(8, 3)(x), [2, 2, 4], axis=-1)
    y, z = tf.split(tf.add_n([tf.concat([y, z], -1), w]), 2, axis=3)
    z = tf.reduce_mean(tf.stack([y, z[..., tf.newaxis][..., 0]], axis=1), axis=1)
    return tf_keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(z)))


APPLICATIONS = tf_keras.applications
NETWORKS = (
    *(teachable, partly_frozen, transfer, shared, old_activations, normalized, operations, recurrent, more_operations),
    *map(preprocessed, (APPLICATIONS.vgg16, APPLICATIONS.densenet, APPLICATIONS.mobilenet_v2)),
)


def made(network: Network) -> tuple[Any, np.ndarray, np.ndarray]:
    """A network of Keras 2 whose every number counts, pictures, and what it answers."""
    random = np.random.default_rng(5)
    tf_keras.backend.clear_session()
    model = network()
    for variable in model.weights:
        value = variable.numpy()
        if value.dtype.kind == "f" and "mean" not in variable.name and not variable.name.startswith("variance"):
            change = random.normal(0, 0.2, value.shape)
            variable.assign(value + (np.abs(change) if "variance" in variable.name else change))
    pictures = random.uniform(0, 255, (3, *SIZE)).astype("float32")
    return model, pictures, model.predict(pictures, verbose=0)


@pytest.mark.parametrize(
    "network",
    [
        pytest.param(one, marks=pytest.mark.long) if one is recurrent else one for one in NETWORKS
    ],  # half a minute of traces
    ids=lambda network: network.__name__,
)
def test_a_file_of_keras_2_answers_as_in_keras_2(network: Network, tmp_path: Path) -> None:
    model, pictures, expected = made(network)
    model.save(tmp_path / "m.h5")
    tf.saved_model.save(model, str(tmp_path / "plain"))
    model.save(tmp_path / "saved", save_format="tf")
    paths = [tmp_path / "m.h5", tmp_path / "saved"]
    if network.__name__ not in (
        "operations",
        "more_operations",
        "vgg16",
    ):  # an Ellipsis, which Keras 2 cannot write into its zip
        model.save(tmp_path / "m.keras")
        paths.append(tmp_path / "m.keras")
    assert np.ptp(expected) > 1e-2, "the test would see nothing"
    for path in paths:
        found = load_file(path)(pictures, training=False).numpy()
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max(), err_msg=str(path))
        flat, _ = import_model("m", {"source": "file", "path": str(path)})
        known = layers_of({"source": "file", "path": str(path)})
        assert known and {layer.name for layer in known} <= {layer.name for layer in flat.layers}
        assert not any("/" in layer.name for layer in flat.layers)


def edited(path: Path, change: Callable[[Any], Any]) -> Path:
    """A file of HDF5 with another config."""
    with h5py.File(path, "r+") as stored:
        config = json.loads(stored.attrs["model_config"])
        stored.attrs["model_config"] = json.dumps(change(config) or config)
    return path


def test_an_older_file_is_read_by_its_age(tmp_path: Path) -> None:
    """A Sequential as a list, without an InputLayer, names of variables that Keras 2.0 numbered on, no version."""
    model, pictures, expected = made(
        lambda: tf_keras.Sequential([L.Conv2D(4, 3, input_shape=SIZE, name="a/b"), L.Flatten(), L.Dense(3)])
    )
    model.save(tmp_path / "m.h5")

    def older(config: dict[str, Any]) -> dict[str, Any]:
        layers = [layer for layer in config["config"]["layers"] if layer["class_name"] != "InputLayer"]
        layers[0]["config"]["batch_input_shape"] = [None, *SIZE]
        layers[0]["config"]["kernel_initializer"] = {"class_name": "NoSuchThing", "config": {"scale": 1}}
        return {"class_name": "Sequential", "config": layers}

    path = edited(tmp_path / "m.h5", older)
    with h5py.File(path, "r+") as stored:
        del stored.attrs["keras_version"]
        group = stored["model_weights"]["a/b"]
        group["a/b_1/kernel:0"], group["a/b_1/bias:0"] = group["a/b/kernel:0"], group["a/b/bias:0"]
        group.attrs["weight_names"] = [b"a/b_1/kernel:0", b"a/b_1/bias:0"]
    np.testing.assert_allclose(load_file(path)(pictures).numpy(), expected, rtol=1e-4, atol=1e-3)
    assert [layer.name for layer in layers_of({"source": "file", "path": str(path)}) or []] == ["a_b"]


def keras_1(tmp_path: Path, backend: str) -> tuple[Path, np.ndarray, np.ndarray]:
    """A file as Keras 1.2 wrote it, from its sources: a convolution, a batch normalisation, a sum, a dense layer."""
    random = np.random.default_rng(2)
    kernel, bias = random.normal(0, 0.3, (3, 3, 3, 4)), random.normal(0, 0.3, 4)
    gamma, beta, mean, variance = (random.uniform(0.5, 1.5, 4) for _ in range(4))
    dense, dense_bias = random.normal(0, 0.3, (4, 2)), random.normal(0, 0.3, 2)
    layers = [
        (
            "InputLayer",
            "input_1",
            {"batch_input_shape": [None, 8, 8, 3], "input_dtype": "float32", "sparse": False},
            [],
        ),
        (
            "Convolution2D",
            "convolution2d_1",
            {"nb_filter": 4, "nb_row": 3, "nb_col": 3, "border_mode": "same", "subsample": [1, 1], "dim_ordering": "tf"}
            | {"init": "glorot_uniform", "activation": "relu", "bias": True, "W_regularizer": None},
            ["input_1"],
        ),
        (
            "BatchNormalization",
            "batchnormalization_1",
            {"epsilon": 0.001, "mode": 0, "axis": -1, "momentum": 0.99},
            ["convolution2d_1"],
        ),
        (
            "Merge",
            "merge_1",
            {"mode": "sum", "mode_type": "raw", "concat_axis": -1, "dot_axes": -1, "output_shape": None},
            ["convolution2d_1", "batchnormalization_1"],
        ),
        ("GlobalAveragePooling2D", "globalaveragepooling2d_1", {"dim_ordering": "tf"}, ["merge_1"]),
        ("Dropout", "dropout_1", {"p": 0.5}, ["globalaveragepooling2d_1"]),
        ("Dense", "dense_1", {"output_dim": 2, "input_dim": 4, "activation": "linear", "bias": True}, ["dropout_1"]),
    ]
    entries = [
        {
            "class_name": kind,
            "name": name,
            "config": {"name": name, "trainable": True, **config},
            "inbound_nodes": [[[other, 0, 0] for other in inbound]] if inbound else [],
        }
        for kind, name, config, inbound in layers
    ]
    config = {"name": "model_1", "layers": entries, "input_layers": [["input_1", 0, 0]]}
    path = tmp_path / f"{backend}.h5"
    with h5py.File(path, "w") as stored:
        stored.attrs["keras_version"] = "1.2.2"
        stored.attrs["model_config"] = json.dumps(
            {"class_name": "Model", "config": config | {"output_layers": [["dense_1", 0, 0]]}}
        )
        group = stored.create_group("model_weights")
        group.attrs["backend"] = backend
        group.attrs["layer_names"] = [name.encode() for _, name, _, _ in layers]
        turned = kernel[::-1, ::-1] if backend == "theano" else kernel
        arrays = {
            "convolution2d_1": {"W": turned, "b": bias},
            "batchnormalization_1": {"gamma": gamma, "beta": beta, "running_mean": mean, "running_std": variance},
            "dense_1": {"W": dense, "b": dense_bias},
        }
        for _, name, _, _ in layers:
            inner = group.create_group(name)
            kept = {f"{name}_{key}": value for key, value in arrays.get(name, {}).items()}
            inner.attrs["weight_names"] = [key.encode() for key in kept]
            for key, value in kept.items():
                inner[key] = value
    pictures = random.uniform(0, 1, (2, 8, 8, 3)).astype("float32")
    x = np.maximum(tf.nn.conv2d(pictures, kernel.astype("float32"), 1, "SAME").numpy() + bias, 0)
    x = x + (x - mean) / np.sqrt(variance + 0.001) * gamma + beta
    return path, pictures, x.mean(axis=(1, 2)) @ dense + dense_bias


@pytest.mark.parametrize("backend", ["tensorflow", "theano"])
def test_a_file_of_keras_1(tmp_path: Path, backend: str) -> None:
    """Theano convolves with the kernel turned round, so that files of it are turned back."""
    path, pictures, expected = keras_1(tmp_path, backend)
    np.testing.assert_allclose(load_file(path)(pictures).numpy(), expected, atol=1e-5)


def test_channels_first(tmp_path: Path) -> None:
    """Of Theano: pictures and kernels have their channels first, and rows of a flattened map the order of its channels."""
    random = np.random.default_rng(4)
    kernel, bias = random.normal(0, 0.3, (4, 3, 3, 3)), random.normal(0, 0.3, 4)
    gamma, beta, mean, variance = (random.uniform(0.5, 1.5, 4) for _ in range(4))
    dense = random.normal(0, 0.3, (4 * 4 * 4, 2))
    settings = {"nb_filter": 4, "nb_row": 3, "nb_col": 3, "border_mode": "same", "dim_ordering": "th", "bias": True}
    layers = [
        ("Convolution2D", "c", settings | {"batch_input_shape": [None, 3, 8, 8]}, {"c_W": kernel, "c_b": bias}),
        (
            "BatchNormalization",
            "n",
            {"axis": 1, "epsilon": 0.001, "mode": 0},
            dict(zip("gbmv", (gamma, beta, mean, variance), strict=True)),
        ),
        (
            "MaxPooling2D",
            "p",
            {"pool_size": [2, 2], "strides": [2, 2], "border_mode": "valid", "dim_ordering": "th"},
            {},
        ),
        ("Flatten", "f", {}, {}),
        ("Dense", "d", {"output_dim": 2, "bias": False, "activation": "linear"}, {"d_W": dense}),
    ]
    path = tmp_path / "th.h5"
    with h5py.File(path, "w") as stored:
        entries = [{"class_name": kind, "config": {"name": name, **config}} for kind, name, config, _ in layers]
        stored.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": entries})
        stored.attrs["layer_names"] = [name.encode() for _, name, _, _ in layers]
        for _, name, _, arrays in layers:
            stored.create_group(name).attrs["weight_names"] = [key.encode() for key in arrays]
            for key, value in arrays.items():
                stored[name][key] = value
    pictures = random.uniform(0, 1, (2, 8, 8, 3)).astype("float32")
    maps = tf.nn.conv2d(pictures, kernel.transpose(2, 3, 1, 0).astype("float32"), 1, "SAME").numpy() + bias
    maps = (maps - mean) / np.sqrt(variance + 0.001) * gamma + beta
    pooled = maps.reshape(2, 4, 2, 4, 2, 4).max(axis=(2, 4)).transpose(0, 3, 1, 2)  # channels first again
    np.testing.assert_allclose(load_file(path)(pictures).numpy(), pooled.reshape(2, -1) @ dense, atol=1e-5)


def test_what_counts_on_channels_first_is_told() -> None:
    layers = [
        {
            "class_name": "Conv2D",
            "config": {"name": "c", "filters": 2, "kernel_size": [3, 3], "data_format": "channels_first"},
        },
        {"class_name": "Reshape", "config": {"name": "r", "target_shape": [8, 2]}},
    ]
    with pytest.raises(UserError, match=r"layer 'r' \(Reshape\) counts on that"):
        modern({"class_name": "Sequential", "config": layers})


def test_state_of_random_numbers_is_no_weight(tmp_path: Path) -> None:
    """TensorFlow 2.6 to 2.8 kept it among the weights of augmenting layers."""
    model, pictures, expected = made(transfer)
    model.save(tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5", "r+") as stored:
        group = stored["model_weights"]["augmentation"]
        group["augmentation/random_flip/StateVar:0"] = np.zeros(3, np.int64)
        group.attrs["weight_names"] = [b"augmentation/random_flip/StateVar:0"]
    np.testing.assert_allclose(load_file(tmp_path / "m.h5")(pictures, training=False).numpy(), expected, atol=1e-4)


def test_what_keras_3_has_not_is_told_by_layer_and_writer(tmp_path: Path) -> None:
    model, _, _ = made(lambda: tf_keras.Sequential([L.Conv2D(4, 3, input_shape=SIZE), L.Flatten(), L.Dense(3)]))
    model.save(tmp_path / "m.h5")

    def other(**change: Any) -> Callable[[dict[str, Any]], None]:
        return lambda config: config["config"]["layers"][1].update(change)

    own = {"name": "mine", "trainable": True}
    cases = [
        (
            other(class_name="Mish2D", config=own),
            "layer 'mine' is of the class Mish2D, which Keras 3 has not.*my_layers.py",
        ),
        (
            lambda config: config.update(class_name="MyNet"),
            r"\(Keras 2.*\) is a network of the class MyNet.*my_layers.py",
        ),
        (
            lambda config: config["config"]["layers"][3]["config"].update(units=4),
            r"layer 'dense.*its weights.*not of the shapes",
        ),
    ]
    for number, (change, words) in enumerate(cases):
        path = tmp_path / f"{number}.h5"
        path.write_bytes((tmp_path / "m.h5").read_bytes())
        edited(path, change)
        with pytest.raises(UserError, match=words) as caught:
            load_file(path)
        assert "\n" not in str(caught.value) and "Keras 2." in str(caught.value)


def test_operations_that_are_not_known_are_named(tmp_path: Path) -> None:
    inputs = L.Input(SIZE)
    model = tf_keras.Model(inputs, L.Dense(2)(tf.math.cumsum(L.GlobalAveragePooling2D()(inputs), axis=1)))
    model.save(tmp_path / "m.h5")
    with pytest.raises(UserError, match=r"calls TensorFlow's math.cumsum, which is not taken over"):
        load_file(tmp_path / "m.h5")


def test_names_stay_apart() -> None:
    layers = [{"class_name": "Conv2D", "config": {"name": name}, "name": name} for name in ("a/b", "a_b", "ß", "")]
    result = modern({"class_name": "Model", "config": {"layers": layers, "output_layers": [["a_b", 0, 0]]}})
    names = [layer["config"].get("name") for layer in result["config"]["layers"]]
    assert names == ["a_b", "a_b_1", "layer_", ""] and result["config"]["output_layers"] == [["a_b_1", 0, 0]]
    assert result["config"]["layers"][1]["stored_name"] == "a_b"


def test_configs_that_no_keras_wrote_end_in_one_line(tmp_path: Path) -> None:
    model, _, _ = made(lambda: tf_keras.Sequential([L.Conv2D(4, 3, input_shape=SIZE), L.Flatten(), L.Dense(3)]))
    model.save(tmp_path / "m.h5")
    for change in (
        lambda config: config["config"].update(layers=[1, "x", None]),
        lambda config: config["config"]["layers"][1].pop("config"),
        lambda config: config["config"]["layers"][1]["config"].update(kernel_size={"a": [1]}),
        lambda config: config["config"].update(input_layers=7),
        lambda config: config.update(config=[]),
    ):
        path = tmp_path / "odd.h5"
        path.write_bytes((tmp_path / "m.h5").read_bytes())
        edited(path, change)
        with pytest.raises(UserError) as caught:
            load_file(path)
        assert "\n" not in str(caught.value) and str(path) in str(caught.value)


def test_layers_that_only_the_applications_have(tmp_path: Path) -> None:
    from tf_keras.src.applications.convnext import LayerScale
    from tf_keras.src.applications.inception_resnet_v2 import CustomScaleLayer

    def network() -> Any:
        inputs = L.Input(SIZE)
        x = LayerScale(0.1, 4, name="scale")(L.Conv2D(4, 3)(inputs))
        x = CustomScaleLayer(0.17)([x, L.Conv2D(4, 3)(inputs)])
        return tf_keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x)))

    model, pictures, expected = made(network)
    model.save(tmp_path / "m.h5")
    found = load_file(tmp_path / "m.h5")(pictures, training=False).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_attention_is_called_with_values_of_their_own(tmp_path: Path) -> None:
    def network() -> Any:
        inputs = L.Input(SIZE)
        x = L.Reshape((16, 8))(L.Conv2D(8, 5, strides=5, padding="same")(inputs))
        y = L.MultiHeadAttention(2, 4)(x, L.LayerNormalization()(x), key=L.Dense(8)(x))
        return tf_keras.Model(inputs, L.Dense(2)(L.Flatten()(L.Add()([x, y]))))

    model, pictures, expected = made(network)
    for name in ("m.h5", "m.keras"):
        model.save(tmp_path / name)
        found = load_file(tmp_path / name)(pictures, training=False).numpy()
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())


def test_the_lambdas_of_inception_resnet_are_known_without_their_code(tmp_path: Path) -> None:
    """keras.applications had Lambdas there until 2.13; here its line is compiled under the name of its file."""

    def network(file: str = "keras_applications/inception_resnet_v2.py", name: str = "block35_1") -> Any:
        line = compile("lambda inputs, scale: inputs[0] + inputs[1] * scale", f"/usr/lib/{file}", "eval")
        inputs = L.Input(SIZE)
        branches = [L.Conv2D(4, 3)(inputs), L.Conv2D(4, 3)(inputs)]
        x = L.Lambda(eval(line), arguments={"scale": 0.17}, name=name)(branches)  # noqa: S307
        return tf_keras.Model(inputs, L.Dense(2)(L.GlobalAveragePooling2D()(x)))

    model, pictures, expected = made(network)
    model.save(tmp_path / "m.h5")
    check_model_file("models.m", str(tmp_path / "m.h5"))
    found = load_file(tmp_path / "m.h5")(pictures, training=False).numpy()
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
    for other in ({"file": "mine.py"}, {"name": "mine"}):
        network(**other).save(tmp_path / "n.h5")
        with pytest.raises(UserError, match="holds code"):
            load_file(tmp_path / "n.h5")
