"""Pictures of attribution maps: scales, what every picture carries, the table, and all methods side by side."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from convscope.attributions.figures import (
    AttributionFigures,
    MapFile,
    Style,
    blended,
    colour_picture,
    levels,
    strongest,
)
from convscope.attributions.side_by_side import Row, _Pen, rows_of, side_by_side
from convscope.pictures.render import colormap
from convscope.storage import store
from convscope.storage.files import sha256_of


def test_outlying_pixels_do_not_leave_the_rest_dark() -> None:
    warm = np.concatenate([np.linspace(0, 1, 995), np.full(5, 1000.0)])
    assert strongest(warm, 99) == pytest.approx(1, abs=0.01)
    np.testing.assert_allclose(levels(warm, strongest(warm, 99), False)[[0, 495, 994, 999]], [0, 0.5, 1, 1], atol=0.01)
    assert strongest(np.r_[np.zeros(999), 3.0], 99) == 3
    assert strongest(np.zeros(9), 99) == 0


def test_signed_maps_have_nothing_in_the_middle_of_a_symmetric_scale() -> None:
    warm = np.array([-1.0, -0.5, 0, 0.5, 4])
    assert levels(warm, 4, True).tolist() == [0.375, 0.4375, 0.5, 0.5625, 1]
    assert levels(warm, 1, True).tolist() == [0, 0.25, 0.5, 0.75, 1]
    assert levels(np.zeros(2), 0, True).tolist() == [0.5, 0.5]
    assert levels(np.zeros(2), 0, False).tolist() == [0, 0]


def test_for_is_red_and_against_is_blue() -> None:
    red, none, blue = colormap(Style().diverging, np.array([1.0, 0.5, 0.0])).astype(int)
    assert red[0] > red[2] + 50 and blue[2] > blue[0] + 50 and none.max() - none.min() < 12


def test_no_evidence_shows_the_photo_in_grey() -> None:
    photo = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    for signed, place in ((True, 0.5), (False, 0.0)):
        shown = blended(photo, np.full((5, 7), place), np.full((5, 7, 3), 200, np.uint8), signed)
        assert (shown == shown[..., :1]).all() and shown.std() > 5
        full = blended(photo, np.ones((5, 7)), np.full((5, 7, 3), 200, np.uint8), signed)
        assert (full == 200).all()


def test_colours_lie_around_mid_grey() -> None:
    values = np.array([[[0, 2, -2], [1, -1, 9]]], np.float32)
    assert colour_picture(values, 2).tolist() == [[[128, 255, 0], [191, 64, 255]]]
    assert (colour_picture(np.zeros((2, 2, 3)), 0) == 128).all()


SIZE = (20, 30)


def write(path: Path, tmp_path: Path, method: str, signed: bool, maps: np.ndarray, **attributes: Any) -> Path:
    """A file as the attribution jobs write it: two images that are not square, two classes each."""
    rng = np.random.default_rng(1)
    paths = []
    for index in range(2):
        paths.append(str(tmp_path / f"{index}.png"))
        Image.fromarray(rng.integers(0, 256, (*SIZE, 3), np.uint8)).save(paths[-1])
    facts = {"model": "net", "method": method, "signed": signed, "classes": ["cat", "big dog"], "class": "all"}
    with store.create(path, **facts, input_size=SIZE, resize="crop", settings={}, **attributes) as file:
        store.write_array(file, "id", ["one", "two"], ("image",))
        store.write_array(file, "path", paths, ("image",))
        store.write_array(file, "sha256", [sha256_of(path)[:16] for path in paths], ("image",))
        store.write_array(file, "label", [1, -1], ("image",))
        store.write_array(file, "predicted", [0, 1], ("image",))
        store.write_array(file, "probabilities", [[0.75, 0.25], [0.1, 0.9]], ("image", "class"))
        store.write_array(file, "targets", [[0, 1], [0, 1]], ("image", "target"))
        store.write_array(file, "scores", [[1.25, -1.25], [-2, 2]], ("image", "target"))
        store.write_array(file, "empty", ~maps.reshape(2, 2, -1).any(axis=2), ("image", "target"))
        store.write_array(file, "maps", maps, ("image", "target", "height", "width", "colour")[: maps.ndim])
        store.write_array(file, "facts/completeness_gap", [[0.5, -0.5], [0.25, 0]], ("image", "target"))
    return path


def test_figures_say_what_they_show(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 2, *SIZE, 3)).astype(np.float32)
    maps[1, 0] = 0
    with h5py.File(write(tmp_path / "ig.h5", tmp_path, "integrated_gradients", True, maps)) as file:
        figures = AttributionFigures(MapFile(file, Style()))
        steps: list[int] = []
        rows = figures.draw(tmp_path / "ig", lambda: steps.append(1))
    assert len(steps) == 2
    assert [(row["id"], row["target"], row["score"], row["empty"]) for row in rows] == [
        ("one", "cat", 1.25, False),
        ("one", "big dog", -1.25, False),
        ("two", "cat", -2, True),
        ("two", "big dog", 2, False),
    ]
    assert [row["correct"] for row in rows] == [False, False, None, None]
    assert [row["completeness_gap"] for row in rows] == [0.5, -0.5, 0.25, 0]
    assert set(rows[0]) == set(figures.columns)
    with Image.open(tmp_path / rows[1]["map"]) as drawn:
        assert drawn.size == (150, 100), "a small picture is enlarged by a whole factor"
        assert (drawn.info["target"], drawn.info["image"], drawn.info["method"]) == (
            "big dog",
            "one",
            "integrated_gradients",
        )
        shown = np.array(drawn)
    assert rows[1]["map"] == "ig/maps/one_big-dog_-1.25.png"
    warm = maps[0, 1].sum(axis=2)
    top = np.percentile(np.abs(warm), 99)
    for start in range(5):
        np.testing.assert_array_equal(
            shown[start::5, start::5], colormap("coolwarm", np.clip(warm / top, -1, 1) / 2 + 0.5)
        )
    with Image.open(tmp_path / rows[0]["overlay"]) as overlay:
        assert overlay.size == (150, 100)
    with Image.open(tmp_path / "ig" / "sheet_000.png") as sheet:
        assert sheet.info["model"] == "net"


def test_a_scale_for_the_set_makes_pictures_compare(tmp_path: Path) -> None:
    maps = np.ones((2, 2, *SIZE), np.float32)
    maps[1] = 4
    with h5py.File(write(tmp_path / "s.h5", tmp_path, "saliency", False, maps)) as file:
        photo = np.zeros((*SIZE, 3), np.uint8)
        own = [MapFile(file, Style()).draw(index, 0, photo)[0] for index in (0, 1)]
        shared = [MapFile(file, Style(scale="set")).draw(index, 0, photo)[0] for index in (0, 1)]
    np.testing.assert_array_equal(own[0], own[1])
    np.testing.assert_array_equal(shared[1], own[1])
    np.testing.assert_array_equal(shared[0][0, 0], colormap("inferno", np.array(0.25)))


def test_colours_of_a_model_that_takes_blue_first(tmp_path: Path) -> None:
    maps = np.zeros((2, 2, *SIZE, 3), np.float32)
    maps[..., 0] = 1
    photo = np.zeros((*SIZE, 3), np.uint8)
    drawn = {}
    for channels in ("rgb", "bgr"):
        path = write(tmp_path / f"{channels}.h5", tmp_path, "guided_backprop", False, maps, channels=channels)
        with h5py.File(path) as file:
            drawn[channels] = MapFile(file, Style()).draw(0, 0, photo)[0][0, 0].tolist()
    assert drawn == {"rgb": [255, 128, 128], "bgr": [128, 128, 255]}


def test_an_empty_set_is_a_sheet_that_says_so(tmp_path: Path) -> None:
    with store.create(
        tmp_path / "none.h5", method="saliency", signed=False, classes=["a", "b"], input_size=SIZE
    ) as file:
        for name in ("id", "path", "sha256"):
            store.write_array(file, name, [], ("image",), dtype=store.TEXT)
    with h5py.File(tmp_path / "none.h5") as file:
        figures = AttributionFigures(MapFile(file, Style(scale="set")))
        assert figures.draw(tmp_path / "none", lambda: None) == []
    assert (tmp_path / "none" / "sheet_000.png").is_file()


def test_side_by_side_has_a_row_a_class_and_a_column_a_method(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = [("saliency", False), ("integrated_gradients", True)]
    paths = [
        write(tmp_path / f"{name}.h5", tmp_path, name, signed, rng.normal(size=(2, 2, *SIZE)).astype(np.float32))
        for name, signed in names
    ]
    with h5py.File(paths[0]) as first, h5py.File(paths[1]) as second:
        files = [MapFile(first, Style()), MapFile(second, Style())]
        photo = files[0].photo(0)
        rows = rows_of(files, 0, photo)
        about, shares = files[0].prediction(0), files[0].probabilities(0)
    assert [row.heading for row in rows] == ["Evidence for cat, score 1.25", "Evidence for big dog, score -1.25"]
    assert [[title for title, _, _ in row.cells] for row in rows] == [["Saliency", "Integrated gradients"]] * 2
    assert shares == pytest.approx({"cat": 0.75, "big dog": 0.25})
    whole = side_by_side(photo, about, shares, rows, Style(), signed=True)
    half = side_by_side(photo, about, shares, rows[:1], Style(), signed=False)
    assert whole.dtype == np.uint8 and whole.shape[1] == half.shape[1] and whole.shape[0] > half.shape[0]
    assert (whole[0] == 255).all() and (whole[-1] == 255).all() and (whole[:, -1] == 255).all()


@pytest.mark.parametrize(("methods", "columns"), [(1, 1), (6, 6), (8, 4), (13, 5)])
def test_many_methods_wrap_into_lines_of_equal_length(methods: int, columns: int) -> None:
    photo = np.zeros((10, 10, 3), np.uint8)
    about = {"id": "x", "class": "", "predicted": "a", "confidence": 1.0, "correct": None}
    row = Row("heading", [("title", photo, photo)] * methods)
    one = side_by_side(photo, about, {"a": 1.0}, [Row("heading", row.cells[:1])], Style(), signed=False)
    two = side_by_side(photo, about, {"a": 1.0}, [Row("heading", row.cells[:2])], Style(), signed=False)
    cell = two.shape[1] - one.shape[1]
    assert (
        side_by_side(photo, about, {"a": 1.0}, [row], Style(), signed=False).shape[1]
        == one.shape[1] + (columns - 1) * cell
    )


def test_a_line_that_is_too_long_is_written_smaller_before_it_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    pen = _Pen(Image.new("RGB", (400, 40), "white"))
    seen = []
    monkeypatch.setattr(pen._draw, "text", lambda place, text, fill, font, anchor: seen.append((text, font.size)))
    for words in ("predicted: kiwi (wrong)", "predicted: strawberry (wrong)", "predicted: " + "endless " * 9):
        pen.text((0, 0), words, (0, 0, 0), 14, 168)
    assert seen[0] == ("predicted: kiwi (wrong)", 14)
    assert seen[1][0] == "predicted: strawberry (wrong)" and 10 <= seen[1][1] < 14
    assert seen[2][0].endswith("...") and seen[2][1] == 10
