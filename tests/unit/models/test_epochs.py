"""The weights of some epochs: which, how they survive a kill, and that they are the canonical network's."""

from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from convscope.models import epoch_networks, epochs
from convscope.models.canonical import canonical
from convscope.models.epoch_networks import networks_of, write_epochs
from convscope.models.epochs import KeptWeights, epochs_to_keep, read_epochs, spread_epochs
from convscope.models.graphs import weights_digest


def test_epochs_are_spread_as_powers_are() -> None:
    assert spread_epochs(16) == [1, 2, 3, 5, 7, 11, 16]
    assert spread_epochs(1) == [1] and spread_epochs(3) == [1, 2, 3]
    assert spread_epochs(128) == [1, 2, 4, 8, 16, 32, 64, 128], "each twice the one before"
    assert epochs_to_keep(16, 1000) == spread_epochs(16)
    # Xception as published: 84 MB an epoch.
    assert epochs_to_keep(16, 84 << 20) == [1, 4, 16]
    assert epochs_to_keep(16, 1 << 40) == [1], "the last and the best are kept besides"


def test_kept_weights_are_read_back_and_those_of_another_training_are_not(tmp_path: Path) -> None:
    kept = KeptWeights(tmp_path, "a", [1, 4])
    for epoch in (1, 2, 3):
        kept.keep(epoch, lambda: [np.full(2, epoch), np.float32(epoch)])  # noqa: B023 (called at once)
    assert sorted(place.name for place in tmp_path.iterdir()) == ["epoch_00001.npz"]
    again = KeptWeights(tmp_path, "a", [1, 4])
    assert again.has([1, 2, 3]) and not again.has([1, 2, 3, 4])
    again.hold(3, [np.zeros(1)])
    assert again.epochs(3) == [1, 3]
    assert again[1][0].tolist() == [1, 1]
    assert not KeptWeights(tmp_path, "b", [1]).has([1])
    (tmp_path / "epoch_00001.npz").write_bytes(b"half")
    assert not again.has([1])
    with pytest.raises(KeyError):
        again[1]
    epochs.forget_weights(tmp_path)
    assert not list(tmp_path.iterdir())


def test_epochs_of_two_trainings_in_turn() -> None:
    first, second = KeptWeights(None, "", range(1, 17)), KeptWeights(None, "", [1, 2, 5, 10])
    for epoch in range(1, 17):
        first.hold(epoch, [np.full(1, epoch)])
    for epoch in (1, 2, 5, 10):
        second.hold(epoch, [np.full(2, epoch), np.full(1, -epoch)])
    whole = epochs.AsWhole(first, [np.zeros(2)])
    both = epochs.InTurn(whole, 16, second, (4, 18), 1000)
    assert both.epochs(26) == [1, 4, 6, 11, 16, 17, 18, 21, 26], "four of each, and the best ones"
    assert [value.tolist() for value in both[4]] == [[0, 0], [4]]
    assert [value.tolist() for value in both[18]] == [[2, 2], [-2]]
    large = epochs.InTurn(whole, 16, second, (4, 18), 200 << 20)
    assert large.epochs(26) == [4, 16, 18, 26], "the last and the best of each"


def trained() -> keras.Model:
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.RandomFlip()(inputs)
    x = keras.layers.SeparableConv2D(4, 3, name="conv")(x)
    x = keras.layers.BatchNormalization(name="bn")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, keras.layers.Dense(2, name="predictions")(x))


@pytest.mark.parametrize("follows", [True, False])
def test_each_epoch_s_network_answers_as_the_model_did_then(
    follows: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, random = trained(), np.random.default_rng(0)
    images = random.uniform(size=(3, 8, 8, 3)).astype(np.float32)
    kept, answers = KeptWeights(None, "", [1, 2, 3]), {}
    for epoch in (1, 2, 3):
        model.set_weights([random.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
        kept.keep(epoch, model.get_weights)
        answers[epoch] = model.predict(images, verbose=0)
    history = [dict.fromkeys(epochs.MEASURED, epoch / 10) | {"epoch": epoch} for epoch in (1, 2, 3)]
    network, _ = canonical(model, "net")
    if not follows:
        monkeypatch.setattr(epoch_networks.Followed, "refresh", lambda self: False)
    path = tmp_path / "epochs.h5"
    write_epochs(path, model, network, kept, history, 2, lambda: canonical(model, "net")[0], model="net")
    found, best = read_epochs(path)
    assert ([entry.epoch for entry in found], best) == ([1, 2, 3], 2)
    assert found[1].measured == dict.fromkeys(epochs.MEASURED, 0.2)
    fresh, _ = canonical(trained(), "net")
    for entry in networks_of(path, fresh):
        np.testing.assert_allclose(fresh.predict(images, verbose=0), answers[entry.epoch], atol=1e-5)
        assert weights_digest(fresh) == entry.digest
    with h5py.File(path) as file:
        assert {len(data) for data in file["weights"].values()} == {3}
        assert file["weights/00000"].attrs["name"].startswith("conv/") and len(file["weights"]) == len(fresh.weights)
        assert file["weights/00000"].dtype == np.float32 and file["weights/00000"].dims[0].label == "epoch"
