"""Maps put aside in one pass over them: the same as by TensorFlow's operations, and memory that is used again."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from convscope.activations import extract, observed
from convscope.activations.extract import ActivationModel
from convscope.activations.hot_digests import Functions, functions
from convscope.activations.observed import Observer, Pages, works_here
from convscope.storage import store
from convscope.storage.chunks import PAGE

LARGEST = np.finfo(np.float16).max

pytestmark = pytest.mark.skipif(not works_here(), reason="this machine computes maps by TensorFlow alone")

# Layer -> the ReLU that follows it; "" where there is none.
RELUS = {
    "normed": "normed_act",
    "capped": "capped_act",
    "shared": "shared_act",
    "bare": "bare_act",
    "shortcut": "",
    "read": "read_act",
    "twofold": "twofold_act",
    "pool": "",
    "own": "own",
}


def network() -> keras.Model:
    """A convolution whose norm and ReLU can be made in one pass; others where one of them is of another kind or has takers."""
    keras.utils.set_random_seed(5)
    layers = keras.layers
    image = keras.Input((None, None, 3), name="image")

    def conv(x: object, name: str, filters: int = 8) -> object:
        return layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name)(x)

    x = layers.ReLU(name="normed_act")(layers.BatchNormalization()(conv(image, "normed", 20)))
    x = layers.ReLU(max_value=0.5, name="capped_act")(layers.BatchNormalization()(conv(x, "capped")))
    shared = conv(x, "shared")  # taken as it is, too
    x = layers.Activation("relu", name="shared_act")(layers.BatchNormalization(scale=False)(shared))
    x = layers.ReLU(name="bare_act")(conv(layers.Add()([x, shared]), "bare"))
    side = layers.BatchNormalization()(conv(x, "shortcut"))
    normed = layers.BatchNormalization(center=False, name="read_norm")(conv(x, "read"))
    x = layers.Add()([layers.ReLU(name="read_act")(normed), normed, side])
    x = layers.BatchNormalization()(layers.BatchNormalization()(conv(x, "twofold")))
    x = layers.MaxPooling2D(name="pool")(layers.ReLU(name="twofold_act")(x))
    model = keras.Model(image, layers.Conv2D(4, 3, activation="relu", name="own")(x))
    rng = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([rng.uniform(0.5, 2, weight.shape) for weight in layer.get_weights()])
    return model


def both(monkeypatch: pytest.MonkeyPatch, images: np.ndarray) -> list[extract.Answers]:
    """The same in one pass, and by TensorFlow's operations."""
    model = network()
    observed = ActivationModel(model, list(RELUS), list(RELUS.values()), "float16")
    monkeypatch.setattr("convscope.activations.observed.works_here", lambda: False)
    computed = ActivationModel(model, list(RELUS), list(RELUS.values()), "float16")
    assert observed._observer and not computed._observer
    return [observed(images), computed(images)]


def test_one_pass_gives_what_tensorflow_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(1).normal(size=(3, 21, 18, 3)).astype(np.float32)
    (maps, statistics), (wanted, expected) = both(monkeypatch, images)
    assert list(maps) == list(wanted) == list(RELUS) and list(statistics) == list(expected)
    for layer in RELUS:
        assert maps[layer].dtype == np.float16 and maps[layer].shape == wanted[layer].shape
        np.testing.assert_allclose(maps[layer], wanted[layer], rtol=2e-3, atol=1e-3)
        for name, values in expected[layer].items():
            found = statistics[layer][name]
            assert found.dtype == np.float32
            np.testing.assert_allclose(found, values, rtol=1e-5, atol=1e-5, err_msg=f"{layer} {name}")
        assert np.ptp(statistics[layer]["mean"]) > 0
    # The first layer's input is the image: no rounding of an earlier layer hides a wrong rounding here.
    np.testing.assert_array_equal(maps["normed"].view(np.uint16), wanted["normed"].view(np.uint16))


def test_what_float16_cannot_hold_becomes_its_largest_number_and_nan_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.random.default_rng(2).normal(size=(2, 12, 12, 3)).astype(np.float32) * 1e7
    images[1, 3, 3] = np.nan
    (maps, statistics), (wanted, _) = both(monkeypatch, images)
    first = maps["normed"]
    np.testing.assert_array_equal(np.isnan(first), np.isnan(wanted["normed"]))
    assert np.isnan(first).any() and not np.isinf(first).any()
    assert np.nanmax(first) == LARGEST and np.nanmin(first) == -LARGEST
    np.testing.assert_array_equal(first, wanted["normed"])
    assert np.isnan(statistics["normed"]["mean"][1]).any() and not np.isnan(statistics["normed"]["mean"][0]).any()


def test_every_float16_and_what_lies_between_is_rounded_as_numpy_does() -> None:
    bits = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = np.sort(bits[np.isfinite(bits)].astype(np.float32))
    middle = (finite[1:] + finite[:-1]) / 2
    values = np.concatenate(
        [finite, middle, np.nextafter(middle, np.float32(np.inf)), np.float32([1e-9, -1e-9, 0, -0.0])]
    )
    observer = Observer()
    number = observer.begin()
    observer.observed(tf.constant(number), "all", tf.constant(values.reshape(1, 1, -1, 1)))
    (found,) = observer.end(number).values()
    np.testing.assert_array_equal(found.ravel().view(np.uint16), values.astype(np.float16).view(np.uint16))


def test_the_mean_of_a_large_map_is_exact_to_float32() -> None:
    """In float32 sums alone, half a million values of 0.1 would be off by a thousandth."""
    observer = Observer()
    number = observer.begin()
    found = observer.observed(tf.constant(number), "large", tf.fill((1, 700, 700, 2), np.float32(0.1)))
    np.testing.assert_allclose(found["mean"], np.float32(0.1), rtol=1e-7)


def test_images_begin_at_pages_and_memory_is_used_again_when_nobody_holds_it() -> None:
    observer = Observer()

    def put(value: float) -> np.ndarray:
        number = observer.begin()
        observer.observed(tf.constant(number), "layer", tf.fill((3, 7, 5, 3), np.float32(value)))
        return observer.end(number)["layer"]

    held = put(1)
    assert all(image.ctypes.data % PAGE == 0 and image.flags.c_contiguous for image in held)
    other = put(2)
    assert (held == 1).all() and (other == 2).all()
    place = held.ctypes.data
    part = held[1, 2:]
    del held
    assert put(3).ctypes.data != place and (part == 1).all()  # a part is held yet
    del part
    assert put(4).ctypes.data == place


def test_pages_of_one_size_are_not_given_as_another() -> None:
    pages = Pages()
    small = pages.take(PAGE)
    small[:] = 1
    del small
    assert len(pages.take(2 * PAGE)) == 2 * PAGE and len(pages.take(PAGE)) == PAGE


@pytest.mark.parametrize("shape", [(2, 5, 7, 3), (1, 300, 300, 16), (2, 90, 90, 64), (1, 8, 64, 728)])
def test_digests_taken_on_the_way_are_those_of_the_chunks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, shape: tuple[int, ...]
) -> None:
    maps = np.random.default_rng(0).normal(size=shape).astype(np.float32)

    def chunks() -> list[tuple[int, int]]:
        observer = Observer()
        number = observer.begin()
        observer.observed(tf.constant(number), "a", tf.constant(maps))
        kept = observer.end(number)
        counted.append(getattr(kept["a"], "digests", None) is not None)
        with store.create(tmp_path / "a.h5", page_aligned=True) as file:
            with extract.ShardWriter(file, len(maps)) as write:
                write((kept, {}))
            return [(row["offset"], row["digest"]) for row in write.digests().table]

    counted: list[bool] = []
    hot = chunks()
    # Of a library that shows no functions they are taken when written.
    monkeypatch.setattr(observed, "functions", Functions)
    assert chunks() == hot and counted == [functions() != Functions(), False]
    assert len({digest for _, digest in hot}) == len(hot) >= len(maps)
