"""Predicted masks back in the shape of their pictures, and what judging makes of them."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data.masks import read_mask
from convscope.data.regions import fit_mask, part_masks
from convscope.segmentation.parts import in_the_picture, part_names
from convscope.segmentation.store import Masks, write_masks
from convscope.storage.files import sha256_of
from convscope.storage.tables import read_rows
from scripts.predicted_masks import main

MASK = np.zeros((16, 16), np.int8)
MASK[4:12, 2:8] = 1


def test_what_was_cut_off_belongs_to_nothing() -> None:
    parts = part_names(["background", "object"])
    assert parts == ["background", "object", "border"] == part_names(parts)
    wide = in_the_picture(MASK, (32, 48), "crop", parts)
    assert wide.shape == (32, 48) and wide.dtype == np.uint8
    assert (wide[:, :8] == 2).all() and (wide[:, -8:] == 2).all() and not (wide[:, 8:-8] == 2).any()
    np.testing.assert_array_equal(wide[:, 8:-8], np.kron(MASK, np.ones((2, 2))))
    regions = part_masks(wide, parts)
    assert list(regions) == ["object"] and regions["object"].mask.sum() == 32 * 16


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
@pytest.mark.parametrize("shape", [(32, 48), (48, 32), (16, 16), (33, 57), (11, 9)])
def test_brought_to_the_networks_size_again_it_is_what_it_was(resize: str, shape: tuple[int, int]) -> None:
    parts = part_names(["background", "object"])
    again = fit_mask(in_the_picture(MASK, shape, resize, parts), (16, 16), resize)
    # Padding is background, whatever was predicted there; edges may move by a pixel.
    assert (again != MASK).mean() < (0.02 if min(shape) >= 16 and resize != "pad" else 0.2)
    assert again[7, 5] == 1 or resize == "pad"


def test_the_table_is_that_of_a_datasets_masks(tmp_path: Path) -> None:
    photo = tmp_path / "wide.png"
    Image.new("RGB", (48, 32)).save(photo)
    rows = [{"id": "wide", "path": str(photo), "class": "", "sha256": sha256_of(photo)[:16]}]
    masks = Masks(MASK[None], MASK[None], np.array([False]))
    facts = {"model": "net", "classes": ["background", "object"], "resize": "crop"}
    write_masks(tmp_path / "masks.h5", rows, (16, 16), [masks], **facts)
    out = {"masks": tmp_path / "parts.csv", "parts": tmp_path / "parts.json"}
    main(argparse.Namespace(predicted=tmp_path / "masks.h5", out=tmp_path / "parts", **out))
    (row,) = read_rows(tmp_path / "parts.csv")
    names = json.loads((tmp_path / "parts.json").read_text())["parts"]
    mask = read_mask(row["mask"], named=True, sha256=row["sha256"])
    assert (row["path"], row["reason"], names) == (str(photo), "", ["background", "object", "border"])
    np.testing.assert_array_equal(mask, in_the_picture(MASK, (32, 48), "crop", names))
