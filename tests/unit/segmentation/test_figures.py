"""Pictures of masks: the colours are the classes', wrong pixels are red, nothing is cut."""

from pathlib import Path

import numpy as np
from PIL import Image

from convscope.segmentation import figures
from convscope.segmentation.metrics import confusion, numbers_of
from convscope.segmentation.store import Masks, read_masks, write_masks
from convscope.storage import store

PHOTO = np.full((64, 96, 3), 200, np.uint8)
TRUTH = np.zeros((64, 96), np.int8)
TRUTH[:, 48:] = 1
TRUTH[:8] = -1
FOUND = np.where(TRUTH < 0, 0, TRUTH)
FOUND[60:, :8] = 2
CLASSES = ["background", "object", "border"]


def test_a_cell_shows_photo_truth_prediction_and_what_is_wrong() -> None:
    cell = figures.masks_cell(PHOTO, TRUTH, FOUND, 3)
    gap = figures._GAP
    assert cell.shape == (64, 4 * 96 + 3 * gap, 3)
    photo, truth, found, wrong = (cell[:, start : start + 96] for start in range(0, 4 * (96 + gap), 96 + gap))
    np.testing.assert_array_equal(photo, PHOTO)
    colours = figures.colours_of(3)
    assert (truth[:8] == figures._UNKNOWN).all() and (truth[20, 70] == colours[1]).all()
    assert (found[62, 2] == colours[2]).all() and (found[0, 0] == colours[0]).all()
    red = (wrong == figures._WRONG).all(axis=2)
    assert red.sum() == 4 * 8 and red[60:, :8].all(), "pixels without a truth are not wrong"
    assert figures.masks_cell(PHOTO, None, FOUND, 3).shape == (64, 2 * 96 + gap, 3)


def test_many_classes_have_colours_of_their_own() -> None:
    assert len({tuple(colour) for colour in figures.colours_of(24).tolist()}) == 24


def test_sheets_and_plots(tmp_path: Path) -> None:
    cells = [figures.masks_cell(PHOTO, TRUTH, FOUND, 3)] * 3
    for name in ("first", "second"):
        figures.draw_masks(tmp_path / f"{name}.png", cells, ["a: 0.5"] * 3, CLASSES, known=True, model="net")
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()
    sheet = Image.open(tmp_path / "first.png")
    assert sheet.info["model"] == "net" and sheet.width > 2 * 4 * 90
    colours = {tuple(pixel) for pixel in np.asarray(sheet)[:60].reshape(-1, 3).tolist()}
    assert set(map(tuple, figures.colours_of(3).tolist())) <= colours, "the legend has every class's colour"
    figures.draw_masks(tmp_path / "none.png", [], [], CLASSES, known=True)
    assert Image.open(tmp_path / "none.png").width > 200
    counts = np.stack([confusion(TRUTH, FOUND, 3)] * 2)
    for numbers in (numbers_of(counts), None):
        figures.draw_confusion(tmp_path / "confusion.png", "net on test", numbers, CLASSES)
        figures.draw_overlap(tmp_path / "overlap.png", "net on test", counts, numbers, CLASSES)
        assert Image.open(tmp_path / "confusion.png").width > 300 < Image.open(tmp_path / "overlap.png").width


def test_masks_are_stored_a_batch_at_a_time_and_read_again(tmp_path: Path) -> None:
    rows = [{"id": name, "path": f"{name}.png", "class": "cat", "sha256": "00"} for name in "abc"]
    whole = Masks(np.stack([FOUND] * 3), np.stack([TRUTH] * 3), np.array([True, False, True]))
    parts = [Masks(whole.predicted[i:j], whole.truth[i:j], whole.known[i:j]) for i, j in ((0, 2), (2, 3))]
    write_masks(tmp_path / "masks.h5", rows, (64, 96), parts, model="net")
    with store.open_file(tmp_path / "masks.h5") as file:
        assert [dimension.label for dimension in file["predicted"].dims] == ["image", "height", "width"]
        assert store.read_text(file["id"]) == ["a", "b", "c"]
        again = list(read_masks(file, block=2))
        assert [len(batch.known) for batch in again] == [2, 1]
        np.testing.assert_array_equal(np.concatenate([batch.truth for batch in again]), whole.truth)
        np.testing.assert_array_equal(np.concatenate([batch.predicted for batch in again]), whole.predicted)
        assert file["known"][()].tolist() == [True, False, True]
    write_masks(tmp_path / "none.h5", [], (64, 96), [], model="net")
    with store.open_file(tmp_path / "none.h5") as file:
        assert file["predicted"].shape == (0, 64, 96) and list(read_masks(file)) == []


def test_maps_are_outlined_and_an_empty_one_has_no_colour(tmp_path: Path) -> None:
    region = np.zeros((2, 64, 96), np.bool_)
    region[0, 10:20, 30:50] = True
    region[1] = True
    maps = np.zeros((2, 8, 12), np.float32)
    maps[1, 4, 6] = 1
    cell = figures.cam_cell(PHOTO, maps, region)
    first, second = (cell[:, start : start + 96] for start in (96 + figures._GAP, 2 * (96 + figures._GAP)))
    white = (first == 255).all(axis=2)
    assert white.sum() == 2 * 20 + 2 * 8 and white[10, 30:50].all() and not white[12, 32]
    assert first[40, 10].tolist() == [120, 120, 120], "an empty map darkens its photo"
    assert not (second == 255).all(axis=2)[[0, -1]].any(), "no outline along the picture's own edge"
    captions = ["a", "b\nno evidence", "c"]
    figures.draw_cams(tmp_path / "cams.png", [cell] * 3, captions, ["object", "border"], "evidence at x", layer="x")
    assert Image.open(tmp_path / "cams.png").info["layer"] == "x"


def test_a_matrix_of_many_classes_stays_a_picture(tmp_path: Path) -> None:
    names = [f"class {number}" for number in range(81)]
    counts = np.random.default_rng(0).integers(0, 50, (2, 81, 81))
    figures.draw_confusion(tmp_path / "many.png", "net", numbers_of(counts), names)
    assert max(Image.open(tmp_path / "many.png").size) < 3000
