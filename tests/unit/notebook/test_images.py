"""Pictures as people have them, and what nobody can know the meaning of."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from convscope.errors import UserError
from convscope.models.spec import ModelSpec
from convscope.notebook import images
from tests.unit.notebook.networks import photos

SPEC = ModelSpec("net", (16, 20), classes=("cat", "dog"), head="binary")
PIXELS = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)


def test_one_and_many_of_every_kind(tmp_path: Path) -> None:
    paths = photos(tmp_path)
    for one in (
        paths[0],
        str(paths[0]),
        Image.open(paths[0]),
        PIXELS,
        [paths[0]],
        (paths[0],),
        np.array([str(paths[0])]),
    ):
        assert images.read(one, SPEC).pixels.shape == (1, 16, 20, 3)
    for many in (
        paths,
        iter(paths),
        [paths[0], Image.open(paths[1]), PIXELS],
        np.stack([PIXELS] * 3),
        tmp_path,
        str(tmp_path),
    ):
        read = images.read(many, SPEC)
        assert read.pixels.shape == (3, 16, 20, 3) and read.pixels.dtype == np.uint8
        assert len(set(read.ids)) == 3 and (read.labels == -1).all()


def test_the_same_picture_twice_is_two_pictures(tmp_path: Path) -> None:
    path = photos(tmp_path, 1)[0]
    read = images.read([path, path], SPEC)
    assert len(read.pixels) == 2 and len(set(read.ids)) == 2


def test_tensors_of_tensorflow() -> None:
    import tensorflow as tf

    np.testing.assert_array_equal(images.read(tf.constant(PIXELS), SPEC).pixels[0], PIXELS)
    np.testing.assert_array_equal(images.read([tf.constant(PIXELS, tf.float32)], SPEC).pixels[0], PIXELS)


def test_grey_and_transparent_pictures_are_read_like_files() -> None:
    grey = PIXELS[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    for one in (grey, grey[..., None], grey[None, ..., None], Image.fromarray(grey)):
        np.testing.assert_array_equal(images.read(one, SPEC).pixels[0], expected)
    clear = np.dstack([PIXELS, np.zeros((16, 20), np.uint8)])
    for one in (clear, Image.fromarray(clear)):
        assert (images.read(one, SPEC).pixels == 255).all()  # transparency lies over white


def test_floats_and_other_integers_in_0_to_255_are_rounded() -> None:
    for dtype in (np.float32, np.float64, np.float16, np.int64, np.uint16):
        np.testing.assert_array_equal(images.read(PIXELS.astype(dtype), SPEC).pixels[0], PIXELS)
    np.testing.assert_array_equal(images.read(PIXELS.clip(1, 254) + 0.4, SPEC).pixels[0], PIXELS.clip(1, 254))
    assert not images.read(np.zeros((16, 20, 3), np.float32), SPEC).pixels.any()  # black is black in every range


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (PIXELS / 255, "0..1; multiply by 255"),
        (PIXELS / 127.5 - 1, r"-1..1; give pixels 0..255, before any preprocessing"),
        (PIXELS * 2.0, "510; give pixels 0..255"),
        (np.full((4, 4, 3), np.nan), "not finite"),
        (PIXELS > 9, "array of bool"),
        (PIXELS.astype(complex), "array of complex"),
        (np.zeros((5, 6, 7), np.uint8), r"shape \(5, 6, 7\)"),
        (np.zeros((0, 16, 20, 3), np.uint8), "no pictures"),
        (np.zeros((2, 3, 16, 20), np.uint8), r"images\[0\] has the shape \(3, 16, 20\).*colours last"),
        (np.zeros(7, np.uint8), r"shape \(7,\)"),
        ([], "no pictures"),
        ([[1, 2]], r"images\[0\] is of type list"),
        (7, "images is of type int"),
        ("nowhere/at/all.png", "nowhere/at/all.png: no such file"),
        (Image.fromarray(np.zeros((4, 4), np.float32)), "floating-point pixels"),
    ],
)
def test_what_is_ambiguous_or_no_picture_is_refused_in_one_line(given: Any, says: str) -> None:
    with pytest.raises(UserError, match=says) as caught:
        images.read(given, SPEC)
    assert "\n" not in str(caught.value)


def test_a_pil_picture_whose_file_is_closed_or_cut_short(tmp_path: Path) -> None:
    path = photos(tmp_path, 1)[0]
    closed = Image.open(path)
    closed.close()
    path.write_bytes(path.read_bytes()[:400])
    for one in (closed, Image.open(path)):
        with pytest.raises(UserError, match=r"images\[0\]: PIL cannot read it .* give its path"):
            images.read(one, SPEC)


def test_class_folders_bring_labels_and_a_bad_picture_is_named(tmp_path: Path) -> None:
    for name in ("dogs", "cats"):
        (tmp_path / name).mkdir()
        Image.fromarray(PIXELS).save(tmp_path / name / "a.png")
    read = images.read(tmp_path, SPEC)
    assert read.labels.tolist() == [0, 1] and read.ids == ["cats_a", "dogs_a"]
    (tmp_path / "dogs" / "b.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"dogs/b.png: not a picture.*remove it"):
        images.read(tmp_path, SPEC)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no pictures in the folder"):
        images.read(tmp_path / "empty", SPEC)
