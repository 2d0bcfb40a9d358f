"""Class activation maps of networks of one, two, four and six channels."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from convscope.cams.figures import CamFigures
from convscope.cams.mapper import ClassMapper
from convscope.cams.names import METHODS
from convscope.models.spec import ModelSpec
from convscope.storage import store
from tests.one_channel import COLOUR, FACTS, GRAY, network, pair, pixels


@pytest.mark.parametrize("layer", ["first", "second"])
def test_gray_has_the_maps_of_its_twin_in_colour(layer: str) -> None:
    gray, colour = pair()
    one, unknown = GRAY.preprocess(pixels()), np.full(2, -1)
    methods = [method for method in METHODS if method != "cam"]
    mine = ClassMapper(gray, GRAY, layer, methods)(one, unknown, "all")
    twin = ClassMapper(colour, COLOUR, layer, methods)(one.repeat(3, axis=3), unknown, "all")
    np.testing.assert_allclose(mine.scores, twin.scores, rtol=1e-4, atol=1e-5)
    for method in methods:
        largest = float(np.abs(mine.maps[method]).max())
        assert largest > 0
        np.testing.assert_allclose(mine.maps[method], twin.maps[method], rtol=1e-3, atol=1e-4 * largest, err_msg=method)


@pytest.mark.parametrize("depth", [2, 4, 6])
def test_every_method_maps_every_depth(depth: int) -> None:
    spec = ModelSpec("net", (24, 24), channels="bands", bands=tuple(range(depth)), **FACTS)
    images = np.random.default_rng(0).uniform(0, 255, (2, 24, 24, depth)).astype(np.float32)
    methods = [method for method in METHODS if method != "cam"]
    found = ClassMapper(network(depth), spec, "second", methods)(images, np.full(2, -1), "predicted")
    assert all(np.isfinite(found.maps[method]).all() for method in methods)


def test_a_gray_model_s_pictures_are_drawn_in_gray_and_large_enough_to_see(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28, 3), np.uint8)).save(path)
    facts = {
        "model": "net",
        "layer": "conv",
        "class": "all",
        "classes": ["a", "b"],
        "input_size": (28, 28),
        "resize": "crop",
    }
    with store.create(tmp_path / "maps.h5", **facts, **GRAY.reads.described()) as file:
        for name, value in (("id", "x"), ("path", str(path)), ("sha256", "")):
            store.write_array(file, name, [value], ("image",), dtype=store.TEXT)
        numbers = {"label": [0], "predicted": [0], "probabilities": [[0.6, 0.4]], "targets": [[0]], "scores": [[1.0]]}
        for name, values in numbers.items():
            store.write_array(file, name, np.array(values), ("image", "target")[: np.ndim(values)])
        store.write_array(file, "maps", np.zeros((1, 1, 7, 7), np.float32), ("image", "target", "h", "w"))
        store.write_array(file, "empty", np.array([[True]]), ("image", "target"))
    with h5py.File(tmp_path / "maps.h5") as file:
        assert json.loads(file.attrs["reads"])["kind"] == "gray"
        rows = CamFigures(file, "gradcam", "jet", "image").draw(tmp_path / "drawn", lambda: None)
    for key in ("thumbnail", "overlay"):
        drawn = np.asarray(Image.open(tmp_path / rows[0][key])).astype(int)
        assert drawn.shape == (168, 168, 3), "28 pixels by a factor of six"
        assert np.ptp(drawn, axis=2).max() <= 2, "a JPEG's gray"
    luma = np.asarray(Image.open(path).convert("L")).astype(int)
    thumbnail = np.asarray(Image.open(tmp_path / rows[0]["thumbnail"]))[3::6, 3::6, 0].astype(int)
    assert np.abs(thumbnail - luma).mean() < 3
