"""A new head on frozen layers: what stays, what moves, what a killed run goes on with."""

from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest

from convscope.errors import UserError
from convscope.models import frozen, training, transfer
from convscope.models.canonical import canonical
from convscope.models.epoch_networks import networks_of, write_epochs
from convscope.models.epochs import read_epochs
from convscope.models.gap_head import own_gap_head
from convscope.models.spec import ModelSpec
from tests.completed import model as model_part

L = keras.layers
SIZE = (16, 20)
BASE = ModelSpec("net", SIZE, scale=(0.01, 0.02, 0.03), offset=(-1.0, 0.0, 1.0), channels="bgr")
CLASSES = ["a", "b"]


def base_network() -> keras.Model:
    """Two blocks with batch norms, whose statistics are no fresh ones, a shortcut around the second, and a head."""
    keras.utils.set_random_seed(3)
    image = keras.Input((*SIZE, 3))
    x = L.Conv2D(6, 3, strides=2, padding="same", use_bias=False, name="block1_conv")(image)
    x = L.ReLU(name="block1_act")(L.BatchNormalization(name="block1_bn")(x))
    y = L.Conv2D(6, 3, padding="same", name="block2_conv")(x)
    y = L.BatchNormalization(name="block2_bn")(y)
    x = L.ReLU(name="block2_act")(L.Add(name="block2_add")([y, x]))
    x = L.Dense(4, name="predictions")(L.GlobalAveragePooling2D(name="average")(x))
    model = keras.Model(image, x)
    random = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, L.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 1.5, value.shape) for value in layer.get_weights()])
    return canonical(model, "net", size=SIZE)[0]


class Pixels:
    """Pictures in memory: bright upper half against bright lower half."""

    dtype = np.dtype(np.uint8)

    def __init__(self, count: int, seed: int) -> None:
        random = np.random.default_rng(seed)
        self.labels = (np.arange(count) % 2).astype(np.int32)
        self.images = random.integers(0, 120, (count, *SIZE, 3)).astype(np.uint8)
        for image, label in zip(self.images, self.labels, strict=True):
            image[8 * label : 8 * label + 8] += 100

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, order: Any, batch_size: int) -> Any:
        for start in range(0, len(order), batch_size):
            part = order[start : start + batch_size]
            yield self.images[part], self.labels[part]


def settings(**given: Any) -> dict[str, Any]:
    part = model_part("transfer", epochs=2, batch_size=8, units=5, **given)
    if "fine_tune" in part:
        part["fine_tune"] = {"epochs": 2, "learning_rate": 0.01, "augmentation": True, **part["fine_tune"]}
    return part


class Job:
    """What the script does, on pictures in memory."""

    def __init__(self, state: Path | None = None, layer: str = "block2_act", **given: Any) -> None:
        self.settings = settings(**given)
        self.base = base_network()
        self.spec = transfer.facts_of("one", BASE, self.settings, CLASSES, layer)
        self.backbone = frozen.backbone_of(self.base, BASE, layer, "models.one.layer")
        self.pictures = {
            split: frozen.InModelSpace(Pixels(count, count), BASE)
            for split, count in (("train", 16), ("validation", 8))
        }
        blocks = {
            split: frozen.blocks_of(
                self.backbone, part, split, state and state / split, split, flat=self.settings["flatten"]
            )
            for split, part in self.pictures.items()
        }
        self.heads = transfer.Heads(
            self.backbone, BASE, self.spec, self.settings, blocks,
            {split: part.labels for split, part in self.pictures.items()}, seed=5, state=state, tag="pictures",
        )  # fmt: skip
        self.whole = self.heads.whole()

    def fine_tune(self) -> transfer.Tuned:
        return self.heads.fine_tune(self.whole, self.pictures["train"], self.pictures["validation"])

    def final(self) -> keras.Model:
        return canonical(self.whole, "one", scale=BASE.scale, offset=BASE.offset, size=SIZE)[0]


def moved(before: keras.Model, after: keras.Model) -> set[str]:
    """Names of the layers of one network whose weights are not, bit for bit, those of the other."""
    names = {layer.name for layer in before.layers if layer.weights} & {layer.name for layer in after.layers}
    return {
        name
        for name in names
        if any(
            not np.array_equal(old, new)
            for old, new in zip(before.get_layer(name).get_weights(), after.get_layer(name).get_weights(), strict=True)
        )
    }


BACKBONE = {"block1_conv", "block1_bn", "block2_conv", "block2_bn"}


@pytest.mark.parametrize(
    ("head", "flatten", "output", "behind"),
    [
        ("gap", False, "sigmoid", ["GlobalAveragePooling2D", "Dense"]),
        ("dense", False, "softmax", ["GlobalAveragePooling2D", "Dense", "Dense"]),
        ("dense", True, "sigmoid", ["Flatten", "Dense", "Dense"]),
    ],
)
def test_a_new_head_on_frozen_layers(head: str, flatten: bool, output: str, behind: list[str]) -> None:
    job = Job(head=head, flatten=flatten, output=output)
    final = job.final()
    assert moved(job.base, final) & BACKBONE == set()
    kinds = [type(layer).__name__ for layer in final.layers]
    assert kinds[-len(behind) :] == behind
    assert (job.spec.head, job.spec.units) == {"sigmoid": ("binary", 1), "softmax": ("multiclass", 2)}[output]
    assert final.outputs[0].shape[-1] == job.spec.units
    # The whole network answers as the head on the features does, and CAM takes the head that has no layer between.
    shares = job.spec.probabilities(frozen.answers(final, job.pictures["validation"]))
    np.testing.assert_allclose(shares, job.heads.probabilities(head, "validation"), atol=1e-5)
    assert (own_gap_head(final, "block2_act") is not None) == (head == "gap")


def test_features_are_those_of_the_base_on_its_own_preprocessing() -> None:
    job = Job()
    pixels = Pixels(16, 16)
    maps = keras.Model(job.base.inputs[0], job.base.get_layer("block2_act").output)(
        BASE.preprocess(pixels.images), training=False
    )
    for flat, wanted in ((True, np.asarray(maps)), (False, np.asarray(maps).mean(axis=(1, 2)))):
        blocks = frozen.blocks_of(job.backbone, job.pictures["train"], "train", None, "", flat=flat)
        np.testing.assert_allclose(np.concatenate(blocks), wanted, rtol=1e-4, atol=1e-5)
    pooled = frozen.Features([np.asarray(maps)], pixels.labels, pooled=True)
    (found, labels), *_ = pooled.batches(np.array([3, 0]), 2)
    np.testing.assert_allclose(found, np.asarray(maps)[[3, 0]].mean(axis=(1, 2)), rtol=1e-6)
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("start", "moves"),
    [
        ("block2_conv", ["block2_conv"]),
        ("block2", ["block2_conv"]),
        ("block1_conv", ["block1_conv", "block2_conv"]),
        ("block1_act", ["block2_conv"]),
    ],
)
def test_what_may_move_is_the_named_layer_or_block_and_what_lies_behind(start: str, moves: list[str]) -> None:
    backbone = frozen.backbone_of(base_network(), BASE, "block2_act", "")
    assert transfer.let_move(backbone, BASE, start, "") == moves
    assert {layer.name for layer in backbone.layers if layer.trainable_variables} == set(moves)


def test_a_layer_that_is_called_before_as_well_stays() -> None:
    image = keras.Input((*SIZE, 3))
    twice, after = L.Conv2D(3, 3, padding="same", name="twice"), L.Conv2D(3, 3, name="after")
    x = after(twice(L.ReLU(name="between")(twice(image))))
    assert transfer.let_move(keras.Model(image, x), BASE, "between", "") == ["after"]


def test_only_what_may_move_moves_and_no_batch_norm() -> None:
    job = Job(fine_tune={"from": "block1_conv"})
    before = {kind: job.heads.probabilities(kind, "validation") for kind in transfer.HEADS}
    tuned = job.fine_tune()
    assert tuned.layers == ("block1_conv", "block2_conv")
    for kind, shares in before.items():  # the heads that are compared are those that the features taught
        np.testing.assert_array_equal(job.heads.probabilities(kind, "validation"), shares)
    assert moved(job.base, job.final()) & BACKBONE == {"block1_conv", "block2_conv"}
    assert tuned.parameters == sum(job.base.get_layer(name).count_params() for name in tuned.layers) + 6 + 1
    assert [row["epoch"] for row in tuned.result.history] == [1, 2, 3, 4] and tuned.result.best_epoch > 2


def test_every_kept_epoch_is_one_of_the_whole_network(tmp_path: Path) -> None:
    job = Job(fine_tune={"from": "block2"})
    # What the head answered on the features with the weights of its epochs.
    kept, head = job.heads.results["gap"].kept, job.heads.models["gap"]
    last = head.get_weights()
    answers = {}
    for epoch in (1, 2):
        head.set_weights(kept[epoch])
        answers[epoch] = job.heads.probabilities("gap", "validation")
    head.set_weights(last)
    tuned = job.fine_tune()
    final = job.final()
    best = [value.copy() for value in final.get_weights()]
    found, path = tuned.result, tmp_path / "epochs.h5"
    write_epochs(path, job.whole, final, found.kept, found.history, found.best_epoch, job.final)
    epochs, best_epoch = read_epochs(path)
    assert [entry.epoch for entry in epochs] == [1, 2, 3, 4] and best_epoch == found.best_epoch
    for entry in networks_of(path, final):
        shares = job.spec.probabilities(frozen.answers(final, job.pictures["validation"]))
        if entry.epoch in answers:
            np.testing.assert_allclose(shares, answers[entry.epoch], atol=1e-5)
            assert not moved(job.base, final) & BACKBONE
        else:
            assert moved(job.base, final) & BACKBONE == {"block2_conv"}
        true = np.take_along_axis(shares, job.pictures["validation"].labels[:, None].astype(int), axis=1)
        assert -np.log(true).mean() == pytest.approx(entry.measured["val_loss"], rel=1e-4), "measured of these weights"
        if entry.epoch == best_epoch:
            for old, new in zip(best, final.get_weights(), strict=True):
                np.testing.assert_array_equal(old, new)
    with h5py.File(path) as file:
        kinds = {data.attrs["name"]: len(data) for data in file["weights"].values()}
    once = {name for name, length in kinds.items() if length == 1}
    assert once == {name for name in kinds if name.startswith("block1") or "bn" in name}, (
        "what never moves is there once"
    )


def test_fine_tuning_that_makes_nothing_better_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    job = Job(fine_tune={"from": "block2"})
    before = job.whole.get_weights()
    train = training.train

    def worse(*args: Any, **kwargs: Any) -> training.Result:
        found = train(*args, **kwargs)
        return training.Result([{**row, "val_loss": 99.0} for row in found.history], found.best_epoch, found.kept)

    monkeypatch.setattr(training, "train", worse)
    tuned = job.fine_tune()
    assert (tuned.layers, tuned.result.best_epoch) == ((), job.heads.results["gap"].best_epoch)
    for old, new in zip(before, job.whole.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_fine_tuning_that_fails_is_told_from_the_head() -> None:
    job = Job(fine_tune={"from": "block2", "learning_rate": 1e30})
    with pytest.raises(
        UserError, match=r"^models\.one\.fine_tune: model 'one': the training loss is \S+ in epoch \d; lower"
    ):
        job.fine_tune()


def test_a_killed_run_goes_on_to_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"head": "dense", "fine_tune": {"from": "block2"}}
    undisturbed = Job(**given)
    undisturbed.fine_tune()
    epochs = 0
    save = training._save_state

    def killed(*args: Any) -> None:
        nonlocal epochs
        save(*args)
        epochs += 1
        if epochs in (1, 3, 5):
            raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(training, "_save_state", killed)
        for _ in range(3):  # in the middle of the first head, of the second, and of fine-tuning
            with pytest.raises(KeyboardInterrupt):
                Job(tmp_path, **given).fine_tune()
        resumed = Job(tmp_path, **given)
        resumed.fine_tune()
    assert epochs == 6, "no epoch is trained twice"
    for old, new in zip(undisturbed.whole.get_weights(), resumed.whole.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    frozen.forget(tmp_path)
    assert not tmp_path.exists()


def test_features_are_computed_once_and_a_damaged_block_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "_BLOCK", 6)
    backbone = frozen.backbone_of(base_network(), BASE, "block2_act", "")
    pictures = frozen.InModelSpace(Pixels(16, 16), BASE)

    def blocks(tag: str = "same") -> tuple[list[np.ndarray], int]:
        asked = 0
        batches = frozen.InModelSpace.batches

        def counted(self: Any, order: Any, batch_size: int) -> Any:
            nonlocal asked
            asked += len(order)
            return batches(self, order, batch_size)

        with monkeypatch.context() as patched:
            patched.setattr(frozen.InModelSpace, "batches", counted)
            return frozen.blocks_of(backbone, pictures, "", tmp_path, tag, flat=True), asked

    first, asked = blocks()
    assert [len(block) for block in first] == [6, 6, 4] and asked == 16
    assert blocks()[1] == 0 and blocks("other")[1] == 16
    for path in tmp_path.glob("*/00001.npy"):
        cut = path.read_bytes()[:200]
        path.unlink()  # what is open stays as it is
        path.write_bytes(cut)
    again, asked = blocks()
    assert asked == 6
    for old, new in zip(first, again, strict=True):
        np.testing.assert_array_equal(old, new)


def test_what_cannot_be_is_one_line() -> None:
    with pytest.raises(UserError, match=r"^models\.one\.output: one sigmoid tells two classes apart, and datasets"):
        transfer.facts_of("one", BASE, settings(output="sigmoid"), ["a", "b", "c"], "block2_act")
    with pytest.raises(UserError, match=r"^k: what layer 'average' of model 'net' makes are no feature maps"):
        frozen.backbone_of(base_network(), BASE, "average", "k")
    backbone = frozen.backbone_of(base_network(), BASE, "block2_act", "")
    with pytest.raises(UserError, match=r"^k: layer 'block3' does not exist; did you mean"):
        transfer.let_move(backbone, BASE, "block3", "k")
    with pytest.raises(UserError, match=r"^k: nothing from 'block2_bn' on has weights to learn but batch norm"):
        transfer.let_move(backbone, BASE, "block2_bn", "k")
    assert transfer.facts_of("one", BASE, settings(), ["a", "b", "c"], "block2_act").head == "multiclass"
