"""The auto-encoder: any size, reproducible, learns its pictures and not others, stays in 0..1."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.errors import UserError
from convscope.models import training
from convscope.models.autoencoder import build_autoencoder, redrawing_error, train_autoencoder

SIZE = (18, 22)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, training.Pictures]:
    """Smooth gradients to learn, two unlike pictures (noise) to compare with."""
    folder = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    names: dict[str, list[str]] = {"train": [], "noise": []}
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] / np.array(SIZE).reshape(2, 1, 1)
    for index in range(34):
        kind = "train" if index < 32 else "noise"
        smooth = np.stack([rows * random.uniform(0.2, 1), columns * random.uniform(0.2, 1), rows * 0 + 0.5], axis=2)
        values = smooth if kind == "train" else random.uniform(0, 1, (*SIZE, 3))
        path = Path(folder) / f"{index}.png"
        Image.fromarray((values * 255).astype(np.uint8)).save(path)
        names[kind].append(str(path))
    return {kind: training.Pictures(paths, [0] * len(paths), SIZE, "stretch") for kind, paths in names.items()}


def trained(pictures: dict[str, training.Pictures], epochs: int):  # type: ignore[no-untyped-def]
    training.seed_everything(3)
    model = build_autoencoder(SIZE, filters=8)
    return model, train_autoencoder(model, pictures["train"], pictures["noise"], seed=3, epochs=epochs)


def test_any_size_comes_back_in_range() -> None:
    for size in ((16, 16), SIZE, (13, 7)):
        redrawn = np.asarray(build_autoencoder(size, 4)(np.random.default_rng(1).uniform(0, 1, (2, *size, 3))))
        assert redrawn.shape == (2, *size, 3) and redrawn.min() >= 0 and redrawn.max() <= 1


def test_it_learns_its_pictures_better_than_others(pictures: dict[str, training.Pictures]) -> None:
    model, rows = trained(pictures, 150)
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    assert redrawing_error(model, pictures["train"]) < rows[-1]["val_loss"] / 2
    assert [row["epoch"] for row in rows] == list(range(1, 151))


def test_training_repeats_exactly(pictures: dict[str, training.Pictures]) -> None:
    first, second = (trained(pictures, 2) for _ in range(2))
    assert first[1] == second[1]
    for one, other in zip(first[0].get_weights(), second[0].get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_to_learn_from() -> None:
    empty = training.Pictures([], [], SIZE, "stretch")
    with pytest.raises(UserError, match="no pictures"):
        train_autoencoder(build_autoencoder(SIZE, 2), empty, empty, seed=0)
    assert np.isnan(redrawing_error(build_autoencoder(SIZE, 2), empty))
