"""What every method says of one network and a few pictures, on the backend that is named: a job of its own for each.

`python -m tests.unit.backends.numbers BACKEND FOLDER`: the network is FOLDER/model.keras, made by the first; the numbers go to
FOLDER/BACKEND.npz.
"""

import sys
import warnings
from collections.abc import Callable, Iterator
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


def binary_network() -> keras.Model:
    """One unit for two classes; no picture of `pictures` is sure."""
    keras.utils.set_random_seed(12)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="conv1")(image)
    x = layers.Conv2D(8, 3, activation="relu", name=LAYER)(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    return keras.Model(image, layers.Dense(1, activation="sigmoid", name="head")(x))


def pixel_network() -> keras.Model:
    """Down by strides and uneven windows, up by transposed convolutions and bicubic: a class for every pixel."""
    keras.utils.set_random_seed(13)
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = layers.Conv2D(6, 3, strides=2, padding="same", activation="relu", name="down1")(image)
    x = layers.AveragePooling2D(3, 2, padding="same", name="down2")(x)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name=LAYER)(x)
    x = layers.Conv2DTranspose(6, 3, strides=2, padding="same", activation="relu", name="up1")(x)
    x = layers.UpSampling2D(2, interpolation="bicubic", name="up2")(x)
    return keras.Model(image, layers.Conv2D(len(CLASSES), 3, padding="same", activation="softmax", name="head")(x))


# Name of a file -> the network in it, and what kind of head it has.
NETWORKS: dict[str, tuple[Callable[[], keras.Model], str, tuple[str, ...]]] = {
    "net": (network, "multiclass", CLASSES),
    "binary": (binary_network, "binary", ("no", "yes")),
    "pixels": (pixel_network, "segmentation", CLASSES),
}


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
        of = predicted if method.startswith("pertinent") else np.array([0, len(spec.classes) - 1])
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


def shares(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """The share of zeros of maps that have none, and of those that have nothing else; and pictures with mirrored edges."""
    from convscope.activations.extract import channel_statistics
    from convscope.backends.running import compiled, to_numpy

    maps = np.stack([np.ones((33, 31, 1), np.float32), np.zeros((33, 31, 1), np.float32)])
    mirrored = compiled(lambda maps: keras.ops.pad(maps, [[0, 0], [1, 2], [3, 0], [0, 0]], mode="symmetric"))(images)
    return {"shares": to_numpy(compiled(channel_statistics)(maps)["zeros"])[:, 0], "evaluation.pad": to_numpy(mirrored)}


def evaluation(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    return {"evaluation": np.asarray(network.predict_on_batch(images))}


def learning(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """The weights after two steps, with batch norms that learn, and the losses; Adam would take rounding for a gradient."""
    from convscope.models.graphs import flatten

    model = flatten(network, copy=True)
    losses = _learned(model, images, np.minimum([0, 1, 2, 1], len(spec.classes) - 1).astype(np.int32))
    named = {f"learning.{i}": weight for i, weight in enumerate(model.get_weights())}
    return named | {"learning.losses": losses}


def _learned(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Losses of two steps, and of the network after them."""
    from convscope.models.training import _Run

    rule = keras.optimizers.SGD(learning_rate=0.01, momentum=0.9)
    rule.build(model.trainable_variables)
    run = _Run(model, rule, 1.0, 0.0, SimpleNamespace(dtype=np.float32, labels=labels))  # type: ignore[arg-type]
    with warnings.catch_warnings():
        # PyTorch, once a process, of a loss that still holds the way back to the weights.
        warnings.filterwarnings("error", message="Converting a tensor with requires_grad")
        losses = [float(run._learn(images, labels)[0]) for _ in range(2)]
    return np.array(losses + [float(value) for value in run._judge(images, labels)[:2]])


def learning_in_part(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """The weights after two steps of a network whose loss does not depend on all that may learn."""
    image = keras.Input((SIDE, SIDE, 3), name="image")
    x = keras.ops.stop_gradient(layers.Conv2D(4, 3, name="conv")(image))
    model = keras.Model(image, layers.Dense(3, name="head")(layers.GlobalAveragePooling2D(name="pool")(x)))
    rng = np.random.default_rng(6)
    model.set_weights([rng.normal(0, 1, weight.shape) for weight in model.get_weights()])
    losses = _learned(model, images, np.array([0, 1, 2, 1], np.int32))
    named = {f"learning.part.{i}": weight for i, weight in enumerate(model.get_weights())}
    return named | {"learning.part.losses": losses}


class _Taken:
    """Pictures in model space, as the frozen part of a network takes them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self._images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self._images)

    def batches(self, order: np.ndarray, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        yield self._images[order], self.labels[order]


def transfer(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """A new head on frozen layers: what it takes and says, and the weights after two steps of fine-tuning with frozen norms."""
    from convscope.models import frozen
    from convscope.models.transfer import HEADS, Heads, let_move

    labels = np.array([0, 1, 2, 1], np.int32)
    taken = _Taken(images, labels)
    backbone = frozen.backbone_of(network, spec, LAYER, "models.new.layer")
    blocks = frozen.blocks_of(backbone, taken, "features", None, None, flat=False)  # type: ignore[arg-type]
    settings = {"head": "gap", "units": 5, "dropout": 0.0, "flatten": False, "epochs": 1, "batch_size": 4}
    settings |= {"optimizer": "adam", "learning_rate": 0.01}
    splits = ("train", "validation")
    heads = Heads(
        backbone, spec, spec, settings, dict.fromkeys(splits, blocks), dict.fromkeys(splits, labels),
        seed=1, state=None, tag=None,
    )  # fmt: skip
    numbers: Numbers = {"transfer.features": blocks[0]}
    rng = np.random.default_rng(4)
    for kind in HEADS:  # what a library draws is its own
        head = heads.models[kind]
        head.set_weights([rng.normal(0, 1, weight.shape) for weight in head.get_weights()])
        numbers[f"transfer.{kind}"] = heads.probabilities(kind, "validation")
    whole = heads.whole()
    let_move(backbone, spec, "act2", "models.new.fine_tune.from")
    numbers["transfer.losses"] = _learned(whole, images, labels)
    norms = [weight for name in ("norm2", "norm4") for weight in backbone.get_layer(name).get_weights()]
    before = [weight for name in ("norm2", "norm4") for weight in network.get_layer(name).get_weights()]
    numbers["transfer.norms_stay"] = np.array(
        [float(np.array_equal(*pair)) for pair in zip(norms, before, strict=True)]
    )
    return numbers | {f"transfer.weights.{i}": weight for i, weight in enumerate(whole.get_weights()) if weight.any()}


def watching(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """Looks with the weights of two epochs: what is compiled for the first must see those of the second."""
    from convscope.watching.looks import Looker

    own, numbers = network.get_weights(), {}
    looker = Looker(network, spec, ["gradcam", "layer_cam", "cam"], LAYER, "conv2")
    for epoch, factor in (("first", 1.0), ("second", 1.1)):
        network.set_weights([weight * np.float32(factor) for weight in own])
        look = looker(images, np.full(len(images), -1), 2, 2)
        numbers |= {f"watching.{epoch}.{method}": maps for method, maps in look.maps.items()}
        numbers |= {f"watching.{epoch}.scores": look.scores, f"watching.{epoch}.activation": look.activation}
    network.set_weights(own)
    return numbers


def segmentation(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """Seg-Grad-CAM of a box and of all pixels."""
    from convscope.segmentation.explain import SegGradCam

    regions = np.ones((len(images), 2, SIDE, SIDE), np.bool_)
    regions[:, 0, :, 9:] = False
    maps, scores = SegGradCam(network, spec, LAYER)(images, regions, [0, 2])
    return {"segmentation.maps": maps, "segmentation.scores": scores}


def autoencoder(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """An epoch of learning to redraw pictures, from the same weights."""
    from convscope.models.autoencoder import build_autoencoder, train_autoencoder

    class Drawn:
        def __len__(self) -> int:
            return len(images)

        def batches(self, order: Any, size: int) -> Any:
            yield np.round((images + 1) * 127.5), None

    model, rng = build_autoencoder((SIDE, SIDE), filters=4), np.random.default_rng(6)
    model.set_weights([rng.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    rows: Any = train_autoencoder(model, Drawn(), Drawn(), seed=1, epochs=1)
    return {"autoencoder.losses": np.array([rows[0]["loss"], rows[0]["val_loss"]])}


def as_on_a_graphics_processor() -> None:
    """Let NumPy take no tensor of PyTorch by itself: it cannot where that lies in the memory of another processor."""
    import torch

    taken = torch.Tensor.__array__

    def refused(self: Any, *args: Any, **kwargs: Any) -> np.ndarray:
        if Path("keras", "src").as_posix() in sys._getframe(1).f_code.co_filename:  # which fetches it before
            return taken(self, *args, **kwargs)
        raise TypeError("NumPy takes a tensor that may lie on a graphics processor; use keras.ops, or to_numpy")

    torch.Tensor.__array__ = refused  # type: ignore[method-assign]


def phases(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """Patterns of which phases alone are sought, and of several things at once, kept apart."""
    from keras import ops

    from convscope.backends.running import to_numpy
    from convscope.filters.many import ascend_many, wanted_of
    from convscope.filters.parameterisations import Fourier
    from convscope.filters.presets import settings_from
    from convscope.filters.run import ascend

    own = {"preset": "sharp", "size": 24, "steps": 2, "coarse_size": 20, "coarse_steps": 1, "precision": "float32"}
    found = ascend(network, spec, "conv1", [1, 4], settings_from({**own, "parameterisation": "phase"}), seed=3)
    part = {"layer": "conv1", "filters": [1, 4], "patterns": 2, "diversity": 0.5}
    wanted = wanted_of(network, spec, "two", part, None)
    several, _ = ascend_many(network, spec, "two", wanted, settings_from(own), seed=3)
    # What holds a coarse picture's contrast where a layer sees little of it.
    spectrum = np.random.default_rng(8).normal(size=(2, 3, 20, 11, 2)).astype(np.float32)
    held = to_numpy(Fourier(contrast=0.2).held(ops.convert_to_tensor(spectrum), 20))
    return {"filters.phase": found.objective, "filters.several": several.objective, "filters.held": held}


def filters(preset: str) -> Say:
    """Patterns of two filters of a plain and of a separable convolution after a few steps, and what they were worth on the way."""

    def say(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
        from convscope.filters.presets import settings_from
        from convscope.filters.run import ascend

        own = {"preset": preset, "size": 25, "steps": 3, "precision": "float32"}
        if preset != "textbook":
            own |= {"coarse_size": 20, "coarse_steps": 2}
        numbers: Numbers = {}
        # Of the separable one the picture that it starts from, rounded otherwise, has its largest number in another place of one
        # window of a pooling; Adam makes a whole step of every frequency. `ascent` compares gradients of the same picture.
        for layer in ("conv1", "conv4") if preset == "sharp" else ("conv1", "conv2", "conv4"):
            found = ascend(network, spec, layer, [1, 4], settings_from(own), seed=3)
            numbers |= {
                f"filters.{preset}.{layer}": found.patterns,
                f"filters.{preset}.{layer}.objective": found.objective,
            }
        return numbers

    return say


def ascent(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """What a step of an ascent follows: objectives and gradients through the random moves of given pictures, near grey or not."""
    from convscope.backends.running import compiled, to_numpy, vjp
    from convscope.filters.run import _objective
    from convscope.filters.transforms import Robustness, moved

    generators = [np.random.default_rng(number) for number in range(len(images))]
    numbers: Numbers = {}
    for layer in ("conv1", "conv2", "conv3", "conv4"):
        objective, _ = _objective(network, layer, 1, "float32", print, by_keras=False)
        objective.map_size(SIDE)

        def step(images: Any, moves: Any, channels: Any, opened: Any, objective: Any = objective) -> Any:
            shown, back = vjp(lambda images: moved(images, moves), images)
            values, gradient = objective.value_and_gradient(shown, channels, opened)
            return values, back(gradient)

        run = compiled(step, variables=objective.variables, autograph=False)
        number = keras.ops.convert_to_tensor
        moves = number(Robustness(0.1, 0.1, 10).draw(generators, 1)[0])
        channels, closed = number(np.array([0, 1, 4, 6], np.int32)), number(np.zeros(4, np.bool_))
        for name, scale in (("pictures", 1.0), ("near_grey", 0.01)):
            values, gradient = run(number(images * np.float32(scale)), moves, channels, closed)
            numbers |= {f"ascent.{layer}.{name}.objective": to_numpy(values)}
            numbers |= {f"ascent.{layer}.{name}.gradient": to_numpy(gradient)}
    return numbers


def coarse(network: keras.Model, spec: ModelSpec, images: np.ndarray) -> Numbers:
    """Of Keras's own layers in bfloat16: the cosine of each picture's gradient with that in float32, a layer a row."""
    from convscope.backends.running import compiled, to_numpy
    from convscope.filters.keras_objective import KerasObjective

    number, rows = keras.ops.convert_to_tensor, []
    given = (number(images), number(np.array([0, 1, 4, 6], np.int32)), number(np.zeros(4, np.bool_)))
    for layer in ("conv1", "conv2", "conv4"):
        found = {}
        for precision in ("float32", "bfloat16"):
            objective = KerasObjective(network, layer, 1, precision)
            objective.map_size(SIDE)
            run = compiled(objective.value_and_gradient, variables=objective.variables, autograph=False)
            found[precision] = to_numpy(run(*given)[1]).reshape(len(images), -1)
        first, second = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in found.values())
        rows.append((first * second).sum(axis=1))
    return {"coarse": np.array(rows)}


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
    shares,
    cams,
    learning,
    autoencoder,
    learning_in_part,
    transfer,
    watching,
    ascent,
    coarse,
    filters("textbook"),
    filters("fast"),
    filters("sharp"),
    phases,
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


# What is said of the networks beside the first, under their names.
OF_OTHERS: dict[str, tuple[Say, ...]] = {
    "binary": (evaluation, cams, learning, attribution("saliency"), attribution("guided_gradcam")),
    "pixels": (evaluation, segmentation),
}


def main(folder: Path) -> None:
    """Say everything, and keep it."""
    if keras.backend.backend() == "torch":
        as_on_a_graphics_processor()
    numbers: Numbers = {"loaded": np.array(["tensorflow" in sys.modules])}
    for name, (build, head, classes) in NETWORKS.items():
        path, facts = folder / f"{name}.keras", folder / f"{name}.json"
        if not path.exists():
            flat, _ = canonical(build(), name)
            save_model(flat, path)
            ModelSpec(
                name=name, input_size=(SIDE, SIDE), resize="crop", scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, channels="rgb",
                classes=classes, head=head, source="test", digest="", requires=(),
            ).save(facts)  # fmt: skip
        loaded, spec = load_model(path, facts)
        for say in OF_OTHERS.get(name, SAYS):
            found = say(loaded, spec, pictures())
            numbers |= found if name == "net" else {f"{name}.{key}": values for key, values in found.items()}
    np.savez(folder / f"{keras.backend.backend()}.npz", **numbers)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(Path(sys.argv[2]))
