"""The map of pictures in a real browser, from disk: by pointer, by keys, by address, on a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convscope.gallery import build_gallery
from tests import gallery_fixture as fixture
from tests import reasons_fixture


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    results = fixture.make_results(tmp_path_factory.mktemp("results"))
    build_gallery(results, reasons_fixture.add_reasons(results), results / "gallery" / "index.html")
    (found,) = (results / "gallery").glob("reasons_*gradcam.html")
    yield Path(found).as_uri()


def opened(page: Any, address: str) -> None:
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_selector(".reason-kind")
    page.wait_for_selector("#one .path")


def shown(page: Any) -> str:
    return str(page.locator("#one .path").inner_text())


def point(page: Any, row: int) -> tuple[float, float]:
    """Where a picture lies on the screen."""
    x, y = (float(value) for value in reasons_fixture.result().places[row])
    box = page.locator("#map").bounding_box()
    across, down = ((26 + value * (side - 52)) / side for value, side in ((x, 900), (y, 640)))
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def test_a_picture_by_pointer_by_key_and_by_address(page: Any, place: str) -> None:
    opened(page, place)
    assert shown(page) == "img_0" and "2 kinds of reasons in 5 maps" in page.locator("#told").inner_text()
    page.locator("#map").scroll_into_view_if_needed()
    page.mouse.move(*point(page, 4))
    page.wait_for_function("document.querySelector('#one .path').innerText === 'img_4'")
    assert "kind 2" in page.locator("#one").inner_text()
    page.mouse.move(5, 5)
    page.wait_for_function("document.querySelector('#one .path').innerText === 'img_0'")
    page.mouse.click(*point(page, 4))
    page.mouse.move(5, 5)
    assert shown(page) == "img_4" and page.url.endswith("of=4")
    seen = {shown(page)}
    page.focus("#map")
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowRight", "Home"):
        page.keyboard.press(key)
        seen.add(shown(page))
    assert len(seen) > 1 and shown(page) == "img_0"
    opened(page, f"{place}#class=0&of=5")
    assert shown(page) == "img_5"
    page.focus("#map")
    page.keyboard.press("Enter")
    page.wait_for_selector(".image-page")
    assert page.locator("h1").inner_text() == "img_5"


def test_kinds_in_words_and_another_class(page: Any, place: str) -> None:
    opened(page, place)
    kinds = page.locator(".reason-kind")
    assert kinds.count() == 2 and kinds.nth(0).locator("h3").inner_text() == "Kind 1: 3 of 5 pictures"
    assert "</script><b>40 %" in kinds.nth(1).locator(".warning").inner_text(), "text is text"
    assert kinds.nth(0).locator(".reason-strip img").count() == 3
    lights = kinds.nth(1).locator("button")
    lights.click()
    assert lights.get_attribute("aria-pressed") == "true"
    page.select_option("#which select", "1")
    page.wait_for_function("document.querySelectorAll('.reason-kind').length === 1")
    assert "Too few maps" in page.locator("#told").inner_text() and "class=1" in page.url
    assert page.locator(".reason-kind button").count() == 0
    drawn = page.evaluate(
        "(() => { const map = document.getElementById('map');"
        "return map.getContext('2d', {willReadFrequently: true}) !== null && map.width > 0; })()"
    )
    assert drawn
    opened(page, f"{place}#class=99&of=banana")
    assert shown(page) == "img_0", "an address that leads nowhere"


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Any, place: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    opened(page, place)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
