"""The notebook's functions on models of one, four and six channels."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from convscope import notebook
from convscope.errors import UserError
from convscope.models.spec import ModelSpec
from convscope.notebook import images
from tests.one_channel import network

COLOURS = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
GRAY = np.asarray(Image.fromarray(COLOURS).convert("L"))


def test_pictures_of_every_kind_are_read_as_gray(tmp_path: Path) -> None:
    spec = ModelSpec("net", (24, 24), channels="gray")
    Image.fromarray(COLOURS).save(tmp_path / "a.png")
    for one in (
        tmp_path / "a.png",
        Image.fromarray(COLOURS),
        COLOURS,
        GRAY,
        GRAY[..., None],
        COLOURS.astype(np.float32),
    ):
        read = images.read(one, spec)
        assert read.pixels.shape == (1, 24, 24, 1)
        assert np.array_equal(read.pixels[0, ..., 0], GRAY)
    assert images.read(np.stack([GRAY] * 2)[..., None], spec).pixels.shape == (2, 24, 24, 1)


def test_alpha_and_bands_are_read_as_they_are(tmp_path: Path) -> None:
    clear = np.dstack([COLOURS, GRAY])
    assert np.array_equal(images.read(clear, ModelSpec("net", (24, 24), channels="rgba")).pixels[0], clear)
    opaque = images.read(COLOURS, ModelSpec("net", (24, 24), channels="rgba")).pixels[0]
    assert (opaque[..., 3] == 255).all() and np.array_equal(opaque[..., :3], COLOURS)
    spec = ModelSpec("net", (24, 24), channels="bands", bands=(4, 0))
    six = np.dstack([COLOURS, COLOURS])
    tifffile.imwrite(tmp_path / "a.tif", six, photometric="minisblack", planarconfig="contig")
    assert np.array_equal(images.read(tmp_path / "a.tif", spec).pixels[0], six[..., [4, 0]])
    exact = np.full((24, 24, 2), 0.25, np.float32) + six[..., :2] / 2
    np.testing.assert_array_equal(images.read(exact, spec).pixels[0], exact)
    with pytest.raises(UserError, match=r"shape \(24, 24, 3\); give \(H, W, 2\)"):
        images.read(COLOURS, spec)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_everything_is_drawn(depth: int) -> None:
    model, facts = network(depth), {"bands": [0, 1]} if depth == 2 else {}
    given = COLOURS[..., :2] if depth == 2 else COLOURS
    for method in ("gradcam", "guided_backprop", "integrated_gradients", "pertinent_negative"):
        few = {"iterations": 5, "searches": 2} if method == "pertinent_negative" else {}
        found = notebook.explain(model, given, method=method, **facts, **few)
        assert found.images.shape == (1, 24, 24, 3) and found.overlays.shape == (1, 24, 24, 3)
        sheet = found.picture()
        assert sheet.ndim == 3 and sheet.shape[2] == 3 and sheet.shape[0] > 200, "small pictures are enlarged"
        if depth == 1:
            assert np.ptp(found.images, axis=3).max() == 0
    maps = notebook.activations(model, given, layer="first", **facts)
    assert maps.values.shape == (1, 12, 12, 8) and maps.picture().shape[2] == 3
    patterns = notebook.filter_patterns(model, layer="second", filters=[0, 1], size=24, crop=0, steps=2, **facts)
    assert patterns.patterns.shape == (2, 24, 24, depth)
    if depth == 1:
        grid = patterns.picture()
        assert np.ptp(grid, axis=2).max() == 0
