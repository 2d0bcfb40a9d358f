"""Transfer learning: a new head on the frozen layers of another network, and the last of those fine-tuned with it.

The head is trained on features that are computed once. Fine-tuning follows F. Chollet, Deep Learning with Python (Manning),
"Fine-tuning a pretrained model": after the head has been trained, at a small learning rate, and with batch normalisations in inference
mode, so that neither their statistics nor their scale and offset move.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.backends.running import NAME, to_numpy
from convscope.errors import UserError, nearest
from convscope.jobs.code_digest import code_digest
from convscope.jobs.job import say
from convscope.models import training
from convscope.models.architectures import augmented
from convscope.models.epochs import AsWhole, InTurn
from convscope.models.frozen import Features
from convscope.models.layers import layer_table
from convscope.models.nodes import nodes_in_order
from convscope.models.spec import FloatArray, ModelSpec

HEADS = ("gap", "dense")
_AT_ONCE = 128


@dataclasses.dataclass(frozen=True)
class Tuned:
    """What fine-tuning gives.

    Attributes:
        result: history of the head's training and of fine-tuning, epochs counted on, and the best epoch of all.
        layers: of the base, that moved: none where no epoch was better than the head alone, so that the network is left as it was.
        parameters: numbers that were learned, the head's with them.
    """

    result: training.Result
    layers: tuple[str, ...]
    parameters: int


def facts_of(name: str, base: ModelSpec, settings: Mapping[str, Any], classes: list[str], layer: str) -> ModelSpec:
    """The facts of a network with a new head: its pictures are the base's, its classes those of the dataset.

    Args:
        name: of the new model in the study.
        base: facts of the base.
        settings: the model's part of the config.
        classes: of its dataset.
        layer: of the base, whose maps the head takes.

    Raises:
        UserError: one sigmoid is asked for more or fewer than two classes.
    """
    output = settings.get("output") or ("sigmoid" if len(classes) == 2 else "softmax")
    if output == "sigmoid" and len(classes) != 2:
        raise UserError(
            f"models.{name}.output: one sigmoid tells two classes apart, and datasets.{settings['dataset']} has {len(classes)}; "
            "use softmax"
        )
    return ModelSpec(
        name=name,
        input_size=base.input_size,
        resize=base.resize,
        scale=base.scale,
        offset=base.offset,
        channels=base.channels,
        bands=base.bands,
        shown_bands=base.shown_bands,
        code=base.code,
        classes=tuple(classes),
        head="binary" if output == "sigmoid" else "multiclass",
        source=f"{settings['base']} up to {layer}, with a {settings['head']} head trained on {settings['dataset']}",
    )


def new_head(kind: str, width: int, spec: ModelSpec, settings: Mapping[str, Any], seed: int) -> keras.Model:
    """A head with random weights: features (N, width) -> logits (N, units).

    Args:
        kind: "gap", one dense layer on the averages of the feature maps; "dense", with a hidden layer.
        width: numbers that a picture has.
        spec: facts of the whole network.
        settings: `units` of the hidden layer, `dropout`.
        seed: of the weights; whatever was drawn before in this process does not count.
    """
    training.seed_everything(seed)
    inputs = keras.Input((width,), name="features")
    x = inputs
    if kind == "dense":
        x = layers.Dense(int(settings["units"]), activation="relu", name="hidden")(x)
    x = layers.Dropout(float(settings["dropout"]), name="dropout")(x)
    return keras.Model(inputs, layers.Dense(spec.units, name="predictions")(x), name=f"{spec.name}_{kind}_head")


def let_move(backbone: keras.Model, spec: ModelSpec, start: str, key: str) -> list[str]:
    """Let the layers of a backbone from one on learn, and no other.

    Those move that lie in the named block, or behind it or behind the named layer. What keeps statistics, as a batch normalisation
    does, stays as it is: a layer that is not trainable runs in inference mode there, in training too.

    Args:
        backbone: its layers' `trainable` is set.
        spec: facts of its network.
        start: name of a layer, or of a block of the table of layers.
        key: of the config, for the message.

    Returns:
        Names of the layers that learn, in the order of the network.

    Raises:
        UserError: there is no such layer, or nothing from it on has weights to learn.
    """
    nodes = list(nodes_in_order(backbone))
    blocks = {row.name: row.block for row in layer_table(backbone, spec)}
    names = [node.operation.name for node in nodes]
    first = [name for name in dict.fromkeys(names) if start in (name, blocks.get(name))]
    if not first:
        raise UserError(f"{key}: layer '{start}' does not exist; {nearest(start, [*names, *blocks.values()])}")
    behind: set[int] = set()
    before: set[int] = set()
    for node in nodes:
        moves = node.operation.name in first or any(id(tensor) in behind for tensor in node.input_tensors)
        if moves:
            behind.update(map(id, node.outputs))
        else:
            # A layer that is called there as well would change what comes before.
            before.add(id(node.operation))
    backbone.trainable = True
    moving = []
    for layer in backbone.layers:
        called = [node for node in nodes if node.operation is layer]
        learns = bool(called) and id(layer) not in before
        layer.trainable = learns
        if learns:
            for inner in layer._flatten_layers():
                if _keeps_statistics(inner):
                    inner.trainable = False
        if layer.trainable_variables:
            moving.append(layer.name)
    if not moving:
        raise UserError(
            f"{key}: nothing from '{start}' on has weights to learn but batch normalisations, which stay as they are; name an "
            "earlier layer"
        )
    order = {name: index for index, name in enumerate(names)}
    return sorted(moving, key=order.__getitem__)


def _keeps_statistics(layer: Any) -> bool:
    """Whether a layer has weights of its own that training changes without learning them; states of random numbers are none."""
    if isinstance(layer, layers.BatchNormalization):
        return True
    return any("seed" not in variable.name for variable in layer._non_trainable_variables)


class Heads:
    """Both heads, trained on the same features, and what comes of the chosen one.

    Args:
        backbone: pictures in model space -> feature maps (see `frozen.backbone_of`).
        base: facts of its network.
        spec: facts of the network with the new head.
        settings: the model's part of the config, but for what changes nothing but the speed.
        blocks: of each split, the features (see `frozen.blocks_of`).
        labels: of each split, the class index of each picture.
        seed: of everything random.
        state: folder for what a resumed run needs; None to keep nothing.
        tag: JSON values that the training depends on, beside settings and seed.
    """

    def __init__(
        self,
        backbone: keras.Model,
        base: ModelSpec,
        spec: ModelSpec,
        settings: Mapping[str, Any],
        blocks: Mapping[str, Sequence[np.ndarray]],
        labels: Mapping[str, np.ndarray],
        *,
        seed: int,
        state: Path | None,
        tag: Any,
    ) -> None:
        self._backbone, self._base, self._spec, self._settings = backbone, base, spec, settings
        self._seed, self._state, self._tag = seed, state, tag
        self.models: dict[str, keras.Model] = {}
        self.results: dict[str, training.Result] = {}
        self._features: dict[str, dict[str, Features]] = {}
        # What the chosen head is, and what is done with it then, is nothing to the training of both.
        shared = {key: value for key, value in settings.items() if key not in ("head", "fine_tune")}
        for kind in HEADS:
            pooled = kind == "gap" or not settings["flatten"]
            features = {split: Features(parts, labels[split], pooled=pooled) for split, parts in blocks.items()}
            head = new_head(kind, features["train"].width, spec, settings, seed)
            self.results[kind] = training.train(
                head,
                features["train"],
                features["validation"],
                settings,
                seed=seed,
                state=state and state / kind,
                tag=training.state_tag(shared, seed, tag, code_of_transfer()),
            )
            self.models[kind], self._features[kind] = head, features

    def probabilities(self, kind: str, split: str) -> FloatArray:
        """Class probabilities of a head for the pictures of a split, (N, classes)."""
        head, features = self.models[kind], self._features[kind][split]
        batches = features.batches(np.arange(len(features)), _AT_ONCE)
        logits = [to_numpy(head(values, training=False)) for values, _ in batches]
        return self._spec.probabilities(np.concatenate(logits))

    def whole(self) -> keras.Model:
        """The network with the chosen head: pictures in model space -> logits; the backbone, and a copy of the head."""
        kind = self._settings["head"]
        # Fine-tuning moves it; what both heads are compared by is what they learned on the features.
        head = keras.models.clone_model(self.models[kind])
        head.set_weights(self.models[kind].get_weights())
        flat = kind == "dense" and self._settings["flatten"]
        pool = layers.Flatten(name="flatten") if flat else layers.GlobalAveragePooling2D(name="global_average_pooling")
        x = keras.Input(self._backbone.inputs[0].shape[1:], name="image")
        return keras.Model(x, head(pool(self._backbone(x))), name=self._spec.name)

    def result(self, whole: keras.Model) -> training.Result:
        """What the training of the chosen head gave, its epochs as those of the whole network before any fine-tuning."""
        head = self.results[self._settings["head"]]
        frozen = len(whole.weights) - len(self.models[self._settings["head"]].weights)
        return dataclasses.replace(head, kept=AsWhole(head.kept, whole.get_weights()[:frozen]))

    def fine_tune(self, whole: keras.Model, train: Any, validation: Any) -> Tuned:
        """Train the last layers of the backbone (see `let_move`) and the chosen head; the best epoch of all is what is left.

        Args:
            whole: of `whole`.
            train, validation: the splits' pictures in model space.
        """
        own, key = self._settings["fine_tune"], f"models.{self._spec.name}.fine_tune.from"
        before, head = whole.get_weights(), self.result(whole)
        moving = let_move(self._backbone, self._base, own["from"], key)
        say(f"fine-tuning {', '.join(moving)} and the head")
        network = whole
        if own.get("augmentation", True):
            x = keras.Input(whole.inputs[0].shape[1:], name="picture")
            network = keras.Model(x, whole(augmented(x)), name=whole.name)
        try:
            moved = training.train(
                network,
                train,
                validation,
                {**self._settings, **{part: own.get(part) for part in ("epochs", "patience", "learning_rate")}},
                seed=self._seed,
                state=self._state and self._state / "fine_tune",
                tag=training.state_tag(dict(self._settings), self._seed, self._tag, code_of_transfer()),
            )
        except UserError as error:  # of two learning rates it is this one
            raise UserError(f"models.{self._spec.name}.fine_tune: {error}") from None
        learned = sum(int(np.prod(variable.shape)) for variable in whole.trainable_variables)
        count, best = len(head.history), head.best_epoch
        kept = InTurn(head.kept, count, moved.kept, (best, count + moved.best_epoch), 4 * learned)
        whole.trainable = True  # a setting of training, which is over
        history = [*head.history, *({**row, "epoch": row["epoch"] + count} for row in moved.history)]
        if moved.best["val_loss"] < head.best["val_loss"]:
            return Tuned(training.Result(history, moved.best_epoch + count, kept), tuple(moving), learned)
        say("no epoch of fine-tuning has a better validation loss than the head alone: the layers stay as they were")
        whole.set_weights(before)
        return Tuned(training.Result(history, best, kept), (), 0)


def code_of_transfer() -> str:
    """Digest of the code that a transferred network's weights come from."""
    return str(code_digest("convscope.models.transfer", Path(__file__).resolve().parents[2], backend=NAME))
