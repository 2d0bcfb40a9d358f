"""What every method says of one network and a few pictures, on the backend that is named: a job of its own for each.

`python -m tests.unit.backends.numbers BACKEND FOLDER`: the network is FOLDER/model.keras, made by the first; the numbers go to
FOLDER/BACKEND.npz.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from convscope.backends.names import choose

if __name__ == "__main__":
    choose(sys.argv[1])

import keras
import numpy as np
from keras import layers

from convscope.models.canonical import canonical
from convscope.models.load import load_model, save_model
from convscope.models.spec import ModelSpec

SIDE = 24
CLASSES = ("a", "b", "c")
LAYER = "act4"
Numbers = dict[str, np.ndarray]
Say = Callable[[keras.Model, ModelSpec, np.ndarray], Numbers]


def network() -> keras.Model:
    """Plain, separable, depthwise and strided convolutions, a shortcut, norms folded or not, ReLUs of three kinds."""
    keras.utils.set_random_seed(11)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv1")(image)
    x = layers.MaxPooling2D(2, name="pool1")(x)
    shortcut = layers.Conv2D(12, 1, strides=2, name="shortcut")(x)
    x = layers.SeparableConv2D(12, 3, padding="same", use_bias=False, name="conv2")(x)
    x = layers.BatchNormalization(name="norm2")(x)
    x = layers.Activation("relu", name="act2")(x)
    x = layers.DepthwiseConv2D(3, strides=2, padding="same", name="conv3")(x)
    x = layers.Add(name="add")([x, shortcut])
    x = layers.ReLU(max_value=6.0, name="act3")(x)
    x = layers.Conv2D(16, 3, padding="same", use_bias=False, name="conv4")(x)
    x = layers.BatchNormalization(name="norm4")(x)
    x = layers.ReLU(name="act4")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    model = keras.Model(image, layers.Dense(len(CLASSES), activation="softmax", name="head")(x))
    rng = np.random.default_rng(3)
    # Noise is class b, if barely, and gray is class c: a change makes another class of either.
    kernel, bias = model.get_layer("head").get_weights()
    model.get_layer("head").set_weights([5 * kernel, bias - np.array([0, 0, 2.6])])
    for norm in (model.get_layer("norm2"), model.get_layer("norm4")):
        norm.set_weights([rng.uniform(0.5, 1.5, weight.shape) for weight in norm.get_weights()])
    return model


def pictures() -> np.ndarray:
    """(4, side, side, 3) float32, -1..1."""
    return np.random.default_rng(5).uniform(-1, 1, (4, SIDE, SIDE, 3)).astype(np.float32)


def cams(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    from convscope.cams.mapper import METHODS, ClassMapper

    found = ClassMapper(network, spec, LAYER, METHODS, score_channels=5)(images, np.full(len(images), -1), "all")
    numbers = {f"cams.{method}": maps for method, maps in found.maps.items()}
    return numbers | {"cams.scores": found.scores, "cams.probabilities": found.probabilities}


def attribution(method: str, **settings: Any) -> Say:
    """What an attribution method says of the first two pictures."""

    def say(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
        from convscope.attributions.registry import explainer

        explain = explainer(method, network, spec, settings, seed=2, layer=LAYER, background=images)
        # Only the class that is predicted can be lost.
        predicted = np.asarray(network.predict_on_batch(images[:2])).argmax(axis=1)
        of = predicted if method.startswith("pertinent") else np.array([0, 2])
        return {f"attributions.{method}": explain(images[:2], of, ["x", "y"]).maps}

    return say


def activations(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    from convscope.activations.extract import ActivationModel

    names, relus = ["conv1", "conv2", "conv3", "conv4"], ["", "act2", "act3", "act4"]
    numbers: Numbers = {}
    for dtype in ("float32", "float16"):
        maps, statistics = ActivationModel(network, names, relus, dtype)(images)
        numbers |= {f"activations.{dtype}.{name}": values for name, values in maps.items()}
        numbers |= {
            f"activations.{dtype}.{name}.{key}": v for name, part in statistics.items() for key, v in part.items()
        }
    return numbers


def evaluation(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    return {"evaluation": np.asarray(network.predict_on_batch(images))}


def learning(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """The weights after two steps, with batch norms that learn, and the losses; Adam would take rounding for a gradient."""
    from convscope.models.graphs import flatten
    from convscope.models.training import _Run

    labels, model = np.array([0, 1, 2, 1], np.int32), flatten(network, copy=True)
    rule = keras.optimizers.SGD(learning_rate=0.01, momentum=0.9)
    rule.build(model.trainable_variables)
    run = _Run(model, rule, 1.0, 0.0, SimpleNamespace(dtype=np.float32, labels=labels))  # type: ignore[arg-type]
    losses = [float(run._learn(images, labels)[0]) for _ in range(2)]
    losses += [float(value) for value in run._judge(images, labels)[:2]]
    named = {f"learning.{i}": weight for i, weight in enumerate(model.get_weights())}
    return named | {"learning.losses": np.array(losses)}


def filters(preset: str) -> Say:
    """Patterns of two filters of a plain and of a separable convolution after a few steps, and what they were worth on the way."""

    def say(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
        from convscope.filters.presets import settings_from
        from convscope.filters.run import ascend

        own = {"preset": preset, "size": 25, "steps": 3, "precision": "float32"}
        if preset != "textbook":
            own |= {"coarse_size": 20, "coarse_steps": 2}
        numbers: Numbers = {}
        # Adam makes a whole step of a frequency whose gradient is rounding alone; of the separable one some are.
        for layer in ("conv1", "conv4") if preset == "sharp" else ("conv1", "conv2", "conv4"):
            found = ascend(network, spec, layer, [1, 4], settings_from(own), seed=3)
            numbers |= {
                f"filters.{preset}.{layer}": found.patterns,
                f"filters.{preset}.{layer}.objective": found.objective,
            }
        return numbers

    return say


def positive_search(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """Where a search for a pertinent positive is after some steps, found or not. Of mid-grey, which is 0, a ReLU has no gradient."""
    from convscope.attributions.class_scores import ClassScores
    from convscope.attributions.contrastive import Search, _Fixed, _State, box

    search = Search(ClassScores(network, spec), positive=True, b=0.001)
    low, high = box(images / 2 + 0.5, np.full(3, 0.4), positive=True)
    number = keras.ops.convert_to_tensor
    zero, targets = number(np.zeros_like(images)), number(np.array([1, 1, 0, 2], np.int32))
    fixed = _Fixed(
        number(np.full_like(images, 0.4)), number(low), number(high), targets, number(np.full(4, 50.0, "float32"))
    )
    state = _State(zero, zero, zero, number(np.full(4, np.inf, np.float32)), number(np.zeros(4, bool)))
    for step in range(5):
        state = search._step(state, fixed, number(np.float32(0.05)), number(np.float32(step)))
    return {"attributions.pertinent_positive": keras.ops.convert_to_numpy(state.d)}


SAYS: tuple[Say, ...] = (
    evaluation,
    activations,
    cams,
    learning,
    filters("textbook"),
    filters("fast"),
    filters("sharp"),
    attribution("gradcam"),
    attribution("saliency"),
    attribution("input_x_gradient"),
    attribution("smoothgrad", samples=3),
    attribution("integrated_gradients", steps=4),
    attribution("guided_backprop"),
    attribution("deconvnet"),
    attribution("guided_gradcam"),
    attribution("occlusion", patch=8, stride=8),
    attribution("rise", masks=12, grid=4),
    attribution("lime", samples=24, kernel_size=2, max_distance=20),
    attribution("kernel_shap", samples=24, segments=6),
    attribution("partition_shap", evaluations=24),
    attribution("gradient_shap", samples=4),
    attribution("pertinent_negative", iterations=20, searches=3, b=0.01, learning_rate=0.1),
    positive_search,
)


def main(folder: Path) -> None:
    """Say everything, and keep it."""
    path, facts = folder / "model.keras", folder / "model.json"
    if not path.exists():
        flat, _ = canonical(network(), "net")
        save_model(flat, path)
        ModelSpec(
            name="net", input_size=(SIDE, SIDE), resize="crop", scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, channels="rgb",
            classes=CLASSES, head="multiclass", source="test", digest="", requires=(),
        ).save(facts)  # fmt: skip
    loaded, spec = load_model(path, facts)
    numbers: Numbers = {"loaded": np.array(["tensorflow" in sys.modules])}
    for say in SAYS:
        numbers |= say(loaded, spec, pictures())
    np.savez(folder / f"{keras.backend.backend()}.npz", **numbers)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[2]))
