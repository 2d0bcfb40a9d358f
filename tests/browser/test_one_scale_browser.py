"""All methods of a picture on one scale, in a real browser, from disk: drawn, and by rank instead."""

from pathlib import Path
from typing import Any

from convscope.gallery import build_gallery
from tests import gallery_fixture as fixture
from tests.unit.gallery.test_one_scale import add_maps

_COLOURS = """() => [...document.querySelectorAll('.scale-maps canvas')].map((canvas) =>
  [...canvas.getContext('2d').getImageData(2, 1, 1, 1).data].slice(0, 3))"""


def test_a_flat_map_is_pale_beside_a_sharp_one(page: Any, tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    add_maps(results)
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("image_convnet_test-pets*_img_1*.html")
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(place.as_uri())
    page.wait_for_selector(".scale-maps canvas")
    flat, sharp = page.evaluate(_COLOURS)
    assert min(flat) > 200 and sharp == [127, 20, 0]
    assert "at most 24 times" in page.locator(".scale-maps li").nth(1).inner_text()
    assert page.locator(".scale-ends").inner_text().split("\n")[-1] == "16 times and more"
    words = page.locator(".scale-words").inner_text()
    page.check("input[value=rank]")
    assert page.locator(".scale-words").inner_text() != words
    assert page.evaluate(_COLOURS)[1] != flat and "strongest" in page.locator(".scale-ends").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
