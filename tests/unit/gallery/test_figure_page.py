"""The thumbnails of the figure index."""

import csv
from pathlib import Path

import numpy as np
from PIL import Image

from convscope.figure_index.sources import of_attribution
from convscope.gallery.figure_page import _telling, _thumbnail


def test_the_thumbnail_of_a_method_is_not_the_photo_that_all_methods_share(tmp_path: Path) -> None:
    folder = tmp_path / "attributions" / "net" / "some" / "saliency"
    folder.mkdir(parents=True)
    for name, value in (("photo", 10), ("map", 100), ("overlay", 200)):
        Image.new("RGB", (8, 8), (value,) * 3).save(folder / f"{name}.png")
    row = {"id": "a", "target": "cat", "predicted": "cat"} | {
        column: f"saliency/{name}.png"
        for column, name in (("thumbnail", "photo"), ("map", "map"), ("overlay", "overlay"))
    }
    with folder.with_suffix(".csv").open("w", newline="") as file:
        table = csv.DictWriter(file, row)
        table.writeheader()
        table.writerow(row)
    config = {"attributions": {"net": {"images": ["some"], "methods": ["saliency"]}}}
    first = of_attribution(config, "saliency")[0]
    made = _thumbnail(_telling(first), tmp_path, tmp_path / "figure_saliency.jpg")
    assert made is not None and abs(float(np.asarray(Image.open(made)).mean()) - 200) < 2
