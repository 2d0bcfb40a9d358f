"""What a figure's pictures show: numbers as they are stored, the surest errors first, the middle filter; and what cannot be drawn."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from convscope.errors import UserError
from convscope.figure_index import draw as drawing
from convscope.figure_index import sources
from convscope.figure_index.draw import draw
from convscope.figure_index.sources import Source
from convscope.pictures.render import colormap
from convscope.storage.tables import write_table


def write_maps(path: Path, maps: np.ndarray) -> None:
    with h5py.File(path, "w") as file:
        file["maps"] = maps.astype(np.float32)


def test_a_heatmap_alone_has_a_square_for_each_cell_and_nothing_below_zero(tmp_path: Path) -> None:
    write_maps(tmp_path / "gradcam.h5", np.array([[[[-3.0, 1.0], [2.0, 4.0]]]]))
    cells, enlarged = draw(Source("net two", ("gradcam.h5",), "heatmap", ("viridis",)), tmp_path, tmp_path / "net-two")
    assert (cells.name, enlarged.name) == ("net-two-cells.png", "net-two-enlarged.png")
    pixels = np.asarray(Image.open(cells))
    half = pixels.shape[0] // 2
    expected = colormap("viridis", np.array([[0.0, 0.25], [0.5, 1.0]], np.float32))
    for row in (0, 1):
        for column in (0, 1):
            square = pixels[row * half : (row + 1) * half, column * half : (column + 1) * half, :3]
            assert (square == expected[row, column]).all()
    assert Image.open(enlarged).size == Image.open(cells).size
    # Of one that is wanted no other is left behind.
    folder = tmp_path / "thumbnails"
    folder.mkdir()
    assert draw(Source("a", ("gradcam.h5",), "heatmap", ("jet",)), tmp_path, folder / "a", most=1) == [
        *folder.iterdir()
    ]


def test_an_empty_set_gives_no_picture(tmp_path: Path) -> None:
    write_maps(tmp_path / "gradcam.h5", np.zeros((0, 1, 2, 2)))
    write_table(tmp_path / "none.csv", [], ["id", "path", "sha256", "target", "predicted"])
    for source in (
        Source("a", ("gradcam.h5",), "heatmap", ("jet",)),
        Source("a", ("none.csv",), "photo"),
        Source("a", ("none.csv",), "table"),
        Source("a", ("none.csv",), "predictions"),
        Source("a", ("none.csv", "none"), "row", ("overlay",)),
    ):
        assert draw(source, tmp_path, tmp_path / "a") == []


def test_one_filter_is_the_middle_one_of_those_alive(tmp_path: Path) -> None:
    patterns = np.zeros((4, 30, 30, 3), np.float16)
    for index in range(4):
        patterns[index, ..., index % 3] = np.linspace(-1, 1, 30)
    with h5py.File(tmp_path / "conv.h5", "w") as file:
        file.attrs["settings"] = '{"crop": 0, "parameterisation": "fourier"}'
        file["patterns"], file["filter"] = patterns, [3, 5, 7, 9]
        file["dead"] = [False, True, False, False]
        file["objective"] = np.array([[0, 5.0], [0, 9.0], [0, 1.0], [0, 2.0]])
    (made,) = draw(Source("net conv", ("conv.h5",), "pattern"), tmp_path, tmp_path / "net-conv")
    assert made.name == "net-conv-filter-9.png"


def test_predictions_begin_with_the_surest_errors_then_the_least_sure_hits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"path": f"photos/{name}.png", "class": "cat", "predicted": said, "correct": right, "confidence": sure}
        for name, said, right, sure in (
            ("a", "cat", "true", "0.99"), ("b", "dog", "false", "0.6"), ("c", "dog", "false", "0.9"), ("d", "cat", "true", "0.5"),
        )
    ]  # fmt: skip
    write_table(tmp_path / "predictions.csv", rows, list(rows[0]))
    seen: list[list[list[str]]] = []
    monkeypatch.setattr(drawing, "_draw_table", lambda stem, header, cells, count: seen.append(cells) or stem)
    draw(Source("net", ("predictions.csv",), "predictions"), tmp_path, tmp_path / "net")
    assert [cells[0] for cells in seen[0]] == ["c.png", "b.png", "d.png", "a.png"]


@pytest.mark.parametrize(
    ("own", "shown"),
    [
        ({"labels": "cat|dog", "predicted_labels": "cat"}, ["labels", "predicted_labels", "correct"]),
        ({}, ["class", "predicted"]),
    ],
)
def test_predictions_of_labels_and_of_numbers_begin_with_the_largest_errors(
    own: dict[str, str], shown: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        {"path": f"{name}.png", "class": "3", "predicted": "4", "correct": "", "confidence": "", **own, "error": error}
        for name, error in (("a", "0.1"), ("b", ""), ("c", "0.9"))
    ]
    write_table(tmp_path / "predictions.csv", rows, list(rows[0]))
    seen: list[tuple[list[str], list[str]]] = []
    monkeypatch.setattr(
        drawing,
        "_draw_table",
        lambda stem, header, cells, count: seen.append((header, [row[0] for row in cells])) or stem,
    )
    draw(Source("net", ("predictions.csv",), "predictions"), tmp_path, tmp_path / "net")
    assert seen == [(["path", *shown, "error"], ["c.png", "a.png", "b.png"])]


def test_names_made_of_digits_and_counts_stand_as_they_are() -> None:
    cells = ["007", "1_000", "20240131", "1e5", "nan", "12345", "0.123456", "img.png"]
    assert [drawing._cell(cell) for cell in cells] == [*cells[:6], "0.1235", "img.png"]


def test_one_channel_is_one_picture_whatever_pictures_and_layers_are_called(tmp_path: Path) -> None:
    folder = tmp_path / "sheets" / "a_channel_b"
    folder.mkdir(parents=True)
    for path in (folder / "00_one_channel_conv.png", tmp_path / "sheets" / "z_conv_channel_3.png"):
        Image.new("RGB", (4, 4)).save(path)
    (one,) = sources.one_channel({"activations": {"net": {"images": ["two"], "sheets": 1}}}, lambda model: [])
    found = draw(Source(one.label, ("sheets",), one.drawn, one.chosen), tmp_path, tmp_path / "net")
    assert [path.name for path in found] == ["net-z_conv_channel_3.png"]


def test_a_heatmap_alone_is_of_the_class_that_is_shown_over_the_photo(tmp_path: Path) -> None:
    maps = np.zeros((1, 2, 2, 2))
    maps[0, 0, 0, 0] = maps[0, 1, 1, 1] = 1
    write_maps(tmp_path / "gradcam.h5", maps)
    with h5py.File(tmp_path / "gradcam.h5", "a") as file:
        file["targets"], file["predicted"] = [[0, 5]], [5]
    cells, _ = draw(Source("net", ("gradcam.h5",), "heatmap", ("gray",)), tmp_path, tmp_path / "net")
    pixels = np.asarray(Image.open(cells).convert("L"))
    assert (pixels[0, 0], pixels[-1, -1]) == (0, 255)


def test_a_table_is_a_picture_also_with_hostile_names(tmp_path: Path) -> None:
    rows = [{"class": "$x$ <b>" + "n" * 60, "recall": "0.123456"}, {"class": r"\alpha{", "recall": ""}]
    write_table(tmp_path / "classes.csv", rows, ["class", "recall"])
    (made,) = draw(Source("net", ("classes.csv",), "table"), tmp_path, tmp_path / "net")
    assert np.asarray(Image.open(made).convert("L")).min() < 100


def test_what_is_missing_is_told_in_one_line(tmp_path: Path) -> None:
    for drawn in ("copied", "heatmap", "table", "predictions", "photo"):
        with pytest.raises(UserError, match="gone") as raised:
            draw(Source("a", ("gone.csv",), drawn, ("jet",)), tmp_path, tmp_path / "a")
        assert "\n" not in str(raised.value)


def test_a_photo_that_was_taken_away_is_told_by_its_name(tmp_path: Path) -> None:
    """The pages are made after all else: a user may have moved the pictures by then."""
    rows = [{"id": "cat", "path": str(tmp_path / "cat.png"), "sha256": "0" * 16}]
    write_table(tmp_path / "few.csv", rows, ["id", "path", "sha256"])
    with pytest.raises(UserError, match=r"cat\.png: no such file; run the study"):
        draw(Source("few", ("few.csv",), "photo"), tmp_path, tmp_path / "few")
