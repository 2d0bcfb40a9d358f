"""Pictures of an image set, with their masks and classes, as a network is shown them: files of every kind."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.concepts.names import KINDS, OF_PIXELS
from convscope.concepts.picture import Seen, seen_in
from convscope.concepts.reading import Reader, classes_in, classes_of
from convscope.errors import BadImage, UserError
from convscope.pictures.channels import Channels

SIZE = (32, 32)


def row(path: Path, label: int = -1, class_: str = "", **more: str) -> dict[str, str]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    return {"id": path.stem, "path": str(path), "class": class_, "label": str(label), "sha256": digest, **more}


def saved(path: Path, pixels: np.ndarray, **options: object) -> Path:
    Image.fromarray(pixels).save(path, **options)
    return path


def seen(reader: Reader, row: dict[str, str], kinds: tuple[str, ...] = KINDS) -> dict[str, Seen]:
    return seen_in(reader(row), kinds, reader.part_names, SIZE)


def test_the_orientation_of_exif_is_heeded(tmp_path: Path) -> None:
    """A file whose rows are the picture's columns: its left half is the picture's upper one."""
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    path = saved(tmp_path / "turned.png", pixels, exif=exif)
    white = seen(Reader(SIZE, "crop"), row(path))["colour"].masks["white"]
    assert white[:16].all() and not white[16:].any()
    assert seen(Reader(SIZE, "crop"), row(path))["orientation"].masks["horizontal edge"][16].all()


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    pixels[:, 16:, 3] = 255
    colours = seen(Reader(SIZE, "crop"), row(saved(tmp_path / "clear.png", pixels)))["colour"].masks
    assert colours["white"][:, :16].all() and colours["black"][:, 16:].all()


def test_a_grey_network_sees_greys_alone(tmp_path: Path) -> None:
    path = saved(tmp_path / "red.png", np.full((32, 32, 3), (220, 20, 30), np.uint8))
    of_colour = seen(Reader(SIZE, "crop"), row(path))["colour"].masks
    of_grey = seen(Reader(SIZE, "crop", Channels("gray")), row(path))["colour"].masks
    assert of_colour["red"].all() and of_grey["grey"].all() and not of_grey["red"].any()


def test_a_picture_of_a_pixel_and_one_as_narrow_as_that(tmp_path: Path) -> None:
    dot = saved(tmp_path / "dot.png", np.full((1, 1, 3), 255, np.uint8))
    thin = saved(tmp_path / "thin.png", np.full((1, 200, 3), 255, np.uint8))
    for resize, known in (("crop", 32), ("stretch", 32), ("pad", 1)):
        assert seen(Reader(SIZE, resize), row(dot))["colour"].masks["white"].all()
        found = seen(Reader(SIZE, resize), row(thin))["colour"]
        assert found.known.sum() == 32 * known and (found.masks["white"] == found.known).all()


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_the_mask_lies_where_the_object_is(tmp_path: Path, resize: str) -> None:
    """A red square on white in a picture twice as wide as high, marked: red and object are the same pixels."""
    pixels, marked = np.full((40, 80, 3), 255, np.uint8), np.zeros((40, 80), np.uint8)
    pixels[12:28, 32:48], marked[12:28, 32:48] = (220, 0, 0), 1
    path, mask = saved(tmp_path / "a.png", pixels), saved(tmp_path / "a_mask.png", marked)
    listed = {"path": str(path), "mask": str(mask), "sha256": "", "reason": ""}
    found = seen(Reader(SIZE, resize, masks=[listed], part_names=["background", "square"]), row(path))
    red, square = found["colour"].masks["red"], found["part"].masks["square"]
    assert square.sum() > 30 and (red & square).sum() / (red | square).sum() > 0.7
    assert (found["part"].known == found["colour"].known).all(), "padding is not known"
    assert (found["part"].masks["background"] == found["part"].known & ~square).all()


def test_a_mask_with_a_reason_is_none(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", np.zeros((32, 32, 3), np.uint8))
    listed = {"path": str(path), "mask": "gone.png", "sha256": "", "reason": "no such file"}
    reader = Reader(SIZE, "crop", masks=[listed], part_names=["none", "cat"])
    assert not reader.masks and not seen(reader, row(path))["part"].known.any()


def test_what_changed_since_it_was_listed_or_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", np.zeros((32, 32, 3), np.uint8))
    listed = row(path)
    saved(path, np.ones((32, 32, 3), np.uint8))
    with pytest.raises(UserError, match=r"a\.png: the picture is not the one that was listed"):
        Reader(SIZE, "crop")(listed)
    path.write_bytes(b"no picture")
    with pytest.raises(BadImage, match=r"a\.png: "):
        Reader(SIZE, "crop")(row(path))
    good = saved(tmp_path / "b.png", np.zeros((32, 32, 3), np.uint8))
    masks = [{"path": str(good), "mask": str(path), "sha256": "", "reason": ""}]
    with pytest.raises(BadImage, match=r"a\.png: not a picture"):
        Reader(SIZE, "crop", masks=masks)(row(good))


def test_classes_labels_and_what_is_unknown() -> None:
    rows = [
        {"class": "dog", "label": "1"},
        {"class": "<b>cat</b>", "label": "0"},
        {"class": "", "label": "-1"},
        {"class": "sofa", "label": "4", "labels": "sofa|dog"},
        {"class": "", "label": "-1", "labels": "|"},
    ]
    assert [classes_of(row) for row in rows] == [("dog",), ("<b>cat</b>",), None, ("sofa", "dog"), ()]
    assert classes_in(rows[:3]) == ["<b>cat</b>", "dog"], "by their labels"
    assert classes_in(rows[3:]) == ["dog", "sofa"] and classes_in(rows[2:3]) == []


def test_a_picture_twice_is_the_same_and_does_not_depend_on_others(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = saved(tmp_path / "a.png", rng.integers(0, 256, (50, 70, 3), dtype=np.uint8))
    first, again = (seen(Reader(SIZE, "pad"), row(path), OF_PIXELS) for _ in range(2))
    for kind in OF_PIXELS:
        assert all((first[kind].masks[name] == again[kind].masks[name]).all() for name in first[kind].masks)
