"""The page of a model's units in a real browser, from disk: the list, the search, one unit, its address."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convscope.gallery import build_gallery
from tests import gallery_fixture as fixture
from tests import units_fixture


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    results = fixture.make_results(tmp_path_factory.mktemp("results"))
    build_gallery(results, units_fixture.add_units(results), results / "gallery" / "index.html")
    (place,) = (results / "gallery").glob("units_*.html")
    yield Path(place).as_uri()


def tally(page: Any) -> str:
    return str(page.locator(".tally").inner_text())


def test_the_list_is_searched_filtered_and_sorted_and_the_address_keeps_it(page: Any, units: str) -> None:
    page.goto(units)
    page.wait_for_selector(".unit-card")
    assert tally(page) == "29 units" and page.locator("#unit").is_hidden()
    page.fill("[name=q]", "EYES conv1")
    assert tally(page) == "3 of 29 units"
    page.select_option("[name=sort]", "iou")
    names = page.locator(".unit-name").all_inner_texts()
    assert names == ["conv1 · 2", "conv1 · 1", "conv1 · 0"]
    page.reload()
    page.wait_for_selector(".unit-card")
    assert page.locator(".unit-name").all_inner_texts() == names and page.input_value("[name=q]") == "EYES conv1"
    page.fill("[name=q]", "")
    page.select_option("[name=which]", "dead")
    assert tally(page) == "2 of 29 units"


def test_an_address_leads_to_a_unit_and_on_to_others(page: Any, units: str) -> None:
    page.goto(f"{units}#conv1/1")
    page.wait_for_selector("#unit h2")
    assert page.locator("#unit h2").inner_text() == "conv1 · unit 1"
    assert "</script><b>eyes" in page.locator("#unit .verdict-words").inner_text()
    assert page.locator("#unit .crops .sprite-cell").count() == 8
    images = page.evaluate(
        "Promise.all([...document.querySelectorAll('#unit .sprite-cell')].map((box) => new Promise((done) => {"
        "const image = new Image(); image.onload = () => done(true); image.onerror = () => done(false);"
        "image.src = getComputedStyle(box).backgroundImage.slice(5, -2); })))"
    )
    assert len(images) == 9 and all(images), "eight crops and a pattern"
    page.click("#unit a[rel=next]")
    page.wait_for_function("document.querySelector('#unit h2').textContent === 'conv1 · unit 2'")
    page.go_back()
    page.wait_for_function("document.querySelector('#unit h2').textContent === 'conv1 · unit 1'")
    page.goto(f"{units}#conv9/1")
    page.wait_for_selector(".unit-card")
    assert page.locator("#unit").is_hidden()


def test_on_a_phone_nothing_is_wider_than_the_screen(page: Any, units: str) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"{units}#conv2/1")
    page.wait_for_selector("#unit h2")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
