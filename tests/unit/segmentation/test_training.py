"""A network of pixels is trained by the mechanism of all others: it learns, resumes, and leaves unknown pixels out."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from convscope.errors import UserError
from convscope.models import architectures, training
from convscope.models.canonical import canonical
from convscope.models.layers import layer_table
from convscope.models.names import layers_of
from convscope.models.spec import ModelSpec
from tests.completed import model as model_part

SIZE = 32
SETTINGS = model_part(
    architecture="encoder_decoder",
    image_size=SIZE,
    width=0.1,
    epochs=3,
    batch_size=4,
    optimizer="adam",
    learning_rate=0.01,
)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[list[str], np.ndarray]]:
    """Bright squares on dark noise; what is bright is the object. A column of every truth is not known."""
    folder, random = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    made = {}
    for split, count in (("train", 12), ("validation", 4)):
        paths, truths = [], np.zeros((count, SIZE, SIZE), np.int8)
        for index in range(count):
            top, left = random.integers(4, 16, 2)
            truths[index, top : top + 12, left : left + 12] = 1
            pixels = random.integers(0, 100, (SIZE, SIZE, 3)) + 150 * truths[index].astype(int)[..., None]
            paths.append(str(folder / f"{split}{index}.png"))
            Image.fromarray(pixels.astype("uint8")).save(paths[-1])
            truths[index, :, 0] = -1
        made[split] = (paths, truths)
    return made


def run(splits, settings=SETTINGS, **options):
    keras.utils.set_random_seed(7)
    model = architectures.build(settings, 2)
    pictures = [training.Pictures(*splits[split], (SIZE, SIZE), "crop") for split in ("train", "validation")]
    return model, training.train(model, *pictures, settings, seed=7, **options)


class Killed(Exception):
    pass


def test_it_learns_and_a_resumed_run_is_bit_for_bit_the_uninterrupted_one(splits, tmp_path: Path) -> None:
    def stop(epoch: int) -> None:
        raise Killed

    whole, result = run(splits)
    with pytest.raises(Killed):
        run(splits, state=tmp_path, tag="same", after_epoch=stop)
    again, resumed = run(splits, state=tmp_path, tag="same")
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert [row["val_loss"] for row in result.history] == [row["val_loss"] for row in resumed.history]
    assert result.history[-1]["loss"] < 0.7 * result.history[0]["loss"]


def test_loss_and_accuracy_are_of_the_pixels_whose_class_is_known(splits) -> None:
    paths, truths = splits["validation"]
    model, _ = run(splits, SETTINGS | {"epochs": 1})
    pictures = training.Pictures(paths, truths, (SIZE, SIZE), "crop")
    measured = training._Run(model, None, 1.0, 0.0, pictures).over(pictures, np.arange(4), 3, learn=False)
    images = np.stack([np.asarray(Image.open(path), np.float32) for path in paths])
    logits = np.asarray(model(images), np.float64)
    losses = (
        np.log(np.exp(logits).sum(-1))
        - np.take_along_axis(logits, np.maximum(truths, 0)[..., None].astype(int), -1)[..., 0]
    )
    known = truths >= 0
    assert known.sum() == 4 * SIZE * (SIZE - 1)
    assert measured == pytest.approx((losses[known].mean(), (logits.argmax(-1) == truths)[known].mean()), rel=1e-4)


def test_nothing_known_teaches_nothing(splits) -> None:
    paths, truths = splits["train"]
    unknown = {"train": (paths, np.full_like(truths, -1)), "validation": splits["validation"]}
    keras.utils.set_random_seed(7)
    before = architectures.build(SETTINGS, 2).get_weights()
    after, result = run(unknown, SETTINGS | {"epochs": 1})
    assert result.history[0]["loss"] == 0
    for one, other in zip(before, after.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_textbooks_network() -> None:
    model = architectures.build(model_part(architecture="encoder_decoder", image_size=200), 3)
    assert model.outputs[0].shape == (None, 200, 200, 3)
    sides = [layer.output.shape[1] for layer in model.layers[2:]]
    assert sides == [100, 100, 50, 50, 25, 25, 25, 50, 50, 100, 100, 200, 200]
    pairs = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 256)]
    pairs += [(256, 128), (128, 128), (128, 64), (64, 64), (64, 3)]
    assert model.count_params() == sum(9 * a * b + b for a, b in pairs)
    assert architectures.build(SETTINGS, 2).outputs[0].shape[-1] == 2, "a logit for each of two classes, too"
    with pytest.raises(UserError, match="image_size is 8, too small"):
        architectures.build(SETTINGS | {"image_size": 8}, 2)


def test_its_canonical_form_is_free_in_size_and_its_layers_know_where_they_are() -> None:
    network, ending = canonical(architectures.build(SETTINGS, 3), "net")
    assert network.inputs[0].shape == (None, None, None, 3) and ending == "linear"
    assert network(np.zeros((1, 48, 64, 3), "float32")).shape == (1, 48, 64, 3)
    spec = ModelSpec("net", (SIZE, SIZE), classes=("background", "object", "border"), head="segmentation")
    rows = {row.name: row for row in layer_table(network, spec)}
    blocks = {layer.name: layer.block for layer in layers_of(SETTINGS) or []}
    assert {name: row.block for name, row in rows.items()} == blocks
    assert rows["down3_conv"].block == rows["up3_conv"].block == "stage4" and rows["up1_strided"].block == "stage1"
    with pytest.raises(UserError, match="model 'net' answers a class for every pixel, none for the picture"):
        spec.require_classes()
    with pytest.raises(UserError, match="no class scores"):
        spec.probabilities(np.zeros((1, 3)))
