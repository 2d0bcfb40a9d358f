"""Every method's map of a picture on one scale: the unit by hand, what is read, what is on the page."""

import base64
import html
import json
import re
from pathlib import Path

import h5py
import numpy as np

from convscope.gallery import build_gallery
from convscope.gallery.one_scale import ScaledMap, as_json, in_even_units, ranks
from tests import gallery_fixture as fixture


def add_maps(results: Path) -> None:
    """Maps in the files of two methods of the first set: flat ones, and such with all relevance in one cell."""
    for stage, method, pictures, targets in (("cams", "gradcam", 8, 1), ("attributions", "saliency", 8, 2)):
        path = results / stage / "convnet" / fixture.SETS[0] / f"{method}.h5"
        maps = np.ones((pictures, targets, 4, 6), np.float32)
        if method == "saliency":
            maps[:] = 0
            maps[:, :, 1, 2] = 7
        with h5py.File(path, "a") as file:
            del file["id"]
            file.create_dataset("id", data=[f"img_{k}" for k in range(pictures)], dtype=h5py.string_dtype())
            file["maps"] = maps
            file["targets"] = np.tile(np.arange(targets), (pictures, 1)) if targets > 1 else _predicted(pictures)
            file.attrs["classes"] = json.dumps(fixture.CLASSES)


def _predicted(count: int) -> np.ndarray:
    """As the fixture answers: the last three are wrong."""
    return np.array([[k % 2 if k < 5 else 1 - k % 2] for k in range(count)])


def test_units_of_an_even_map_by_hand() -> None:
    maps = np.zeros((3, 2, 2))
    maps[0] = 5.0
    maps[1, 0, 0] = 1.0
    maps[2] = [[3, -1], [0, 0]]
    scaled = in_even_units(maps)
    assert np.allclose(scaled[0], 1), "however bright"
    assert np.allclose(scaled[1], [[4, 0], [0, 0]]), "all in a quarter of the cells"
    assert np.allclose(scaled[2], [[3, -1], [0, 0]])
    assert np.allclose(in_even_units(maps * 1e-6), scaled), "the size of the map does not count"
    assert in_even_units(np.zeros((1, 300, 40))).shape == (1, 28, 28) and not in_even_units(np.zeros((1, 3, 3))).any()
    assert not in_even_units(np.full((1, 3, 3), np.nan)).any()


def test_a_class_has_one_scale() -> None:
    maps = [
        ScaledMap("gradcam", "Grad-CAM", np.ones((2, 2))),
        ScaledMap("saliency", "Saliency", np.array([[4.0, 0], [0, 0]])),
    ]
    (row,) = json.loads(as_json([("cat", maps)]))
    assert (row["class"], row["top"]) == ("cat", 16)
    flat, sharp = (np.frombuffer(base64.b64decode(entry["levels"]), np.int8).tolist() for entry in row["maps"])
    assert flat == [8] * 4 and sharp == [32, 0, 0, 0]
    assert [entry["most"] for entry in row["maps"]] == [1.0, 4.0]
    nothing = [ScaledMap("gradcam", "Grad-CAM", np.zeros((2, 2)))] * 2
    assert json.loads(as_json([("cat", nothing)]))[0]["maps"][0]["most"] == 0
    far = np.frombuffer(
        base64.b64decode(
            json.loads(as_json([("cat", [ScaledMap("rise", "RISE", np.array([[-99.0, 16]]))] * 2)]))[0]["maps"][0][
                "levels"
            ]
        ),
        np.int8,
    )
    assert far.tolist() == [-127, 127], "the end of the scale, and more"


def test_ranks_are_those_of_the_values_and_not_of_what_is_drawn_of_them() -> None:
    """A map that is nearly even, and one whose cells are beyond the scale, have an order; what is alike has none."""
    values = np.array([[1.0, 1.001, -1.002, 0]], np.float32)
    np.testing.assert_allclose(ranks(values), [[1 / 3, 2 / 3, -1, 0]], rtol=1e-6)
    np.testing.assert_allclose(ranks(np.array([[40.0, 80, 20, 80, 0]])), [[0.5, 0.75, 0.25, 0.75, 0]], rtol=1e-6)
    assert not ranks(in_even_units(np.full((1, 299, 301), 0.3))[0]).any(), "last digits are no order"
    assert not ranks(np.zeros((2, 2))).any() and ranks(np.ones((1, 1))).tolist() == [[0]]
    maps = [ScaledMap("gradcam", "Grad-CAM", each) for each in (values, values * 40)]
    (row,) = json.loads(as_json([("cat", maps)]))
    near, far = ([np.frombuffer(base64.b64decode(entry[key]), np.int8).tolist() for key in ("levels", "ranks")]
                 for entry in row["maps"])  # fmt: skip
    assert near[0] == [8, 8, -8, 0] and far[0] == [127, 127, -127, 0]
    assert near[1] == far[1] == [42, 85, -127, 0]


def test_what_is_on_the_page_of_a_picture(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    add_maps(results)
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    (page,) = (results / "gallery").glob("image_convnet_test-pets*_img_1*.html")
    found = re.search(r'id="one-scale"[^>]*data-scales="([^"]*)"', page.read_text(encoding="utf-8"))
    assert found
    (row,) = json.loads(html.unescape(found[1]))
    assert row["class"] == fixture.CLASSES[1] and [entry["title"] for entry in row["maps"]] == ["Grad-CAM", "Saliency"]
    assert [entry["most"] for entry in row["maps"]] == [1.0, 24.0]
    (alone,) = (results / "gallery").glob("image_convnet_test-pets*_img_5*.html")
    assert "one-scale" not in alone.read_text(encoding="utf-8"), "one method has nothing to be compared with"
