"""Pages of large image sets in a real browser: what is shown from the table is what the page of a small set shows."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from convscope.gallery import build, build_gallery
from tests import gallery_fixture as fixture

SMALL, LARGE = "small", "large"


def add_other_model(results: Path) -> dict[str, Any]:
    """Give the second model heatmaps of the first set too; the config that asks for them."""
    first, second = (results / "cams" / name for name in ("convnet", "Mini_net"))
    shutil.copytree(first / fixture.SETS[0], second / fixture.SETS[0])
    asked = fixture.CONFIG["cams"]["convnet"] | {"images": fixture.SETS[:1]}
    return fixture.CONFIG | {"cams": fixture.CONFIG["cams"] | {"Mini_net": asked}}


@pytest.fixture(scope="module")
def galleries(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The same results, once with a page an image, once as a large set has it: the first two in the page, the rest in tables."""
    found = {}
    for name in (SMALL, LARGE):
        results = fixture.make_results(tmp_path_factory.mktemp(f"{name} #1"))
        fixture.add_judging(results)
        config = add_other_model(results)
        with pytest.MonkeyPatch.context() as patch:
            if name == LARGE:
                patch.setattr(build, "IN_THE_PAGE", 2)
                patch.setattr(build, "FIRST", 2)
            build_gallery(results, config, results / "gallery" / "index.html")
        found[name] = results / "gallery"
    return found


def images_page(gallery: Path, of: str = "convnet") -> str:
    return next(gallery.glob(f"images_{of}_test-pets*.html")).as_uri()


@pytest.fixture
def large(page: Any, galleries: dict[str, Path]) -> Iterator[Any]:
    page.goto(images_page(galleries[LARGE]))
    page.wait_for_selector("[role=gridcell] .pair")
    yield page


# What a reader gets of an element: its words, pictures and links, without where a picture's own page lies.
CONTENT = """(element) => ({
  words: element.innerText.replace(/\\s+/g, ' ').trim(),
  names: [...element.querySelectorAll('[aria-label], [aria-labelledby]')].map(
    (one) => one.ariaLabel || one.getAttribute('aria-labelledby')),
  pictures: [...element.querySelectorAll('img')].map((one) => [one.getAttribute('src'), one.alt, one.dataset.name, one.loading]),
  links: [...element.querySelectorAll('a')].map((one) => [
    one.getAttribute('href').replace(/image_(convnet|Mini_net).*|#of=.*/, 'its page'), one.dataset.item, one.dataset.key, one.rel]),
  meters: [...element.querySelectorAll('meter')].map((one) => one.value.toFixed(3)),
  classes: [...element.querySelectorAll('[class]')].map((one) => one.className).filter((name) => name !== 'caption'),
})"""


def test_cards_are_those_of_a_small_set(page: Any, galleries: dict[str, Path]) -> None:
    page.goto(images_page(galleries[SMALL]))
    small = page.eval_on_selector_all(".pairs > .pair", f"(all) => all.map({CONTENT})")
    page.goto(images_page(galleries[LARGE]))
    page.wait_for_selector("[role=gridcell] .pair")
    large = page.eval_on_selector_all("[role=gridcell] .pair", f"(all) => all.map({CONTENT})")
    assert len(small) == len(large) == 8
    for one, other in zip(small, large, strict=True):
        assert one == other


def test_the_page_of_one_image_is_that_of_a_small_set(page: Any, galleries: dict[str, Path]) -> None:
    pages = list(galleries[LARGE].glob("image_convnet_test*.html"))
    assert len(pages) == 1 and len(list(galleries[SMALL].glob("image_convnet_test*.html"))) == 8
    for k in (0, 1, 5, 7):
        small = next(galleries[SMALL].glob(f"image_convnet_test*img_{k}.html"))
        page.goto(small.as_uri())
        expected, title = page.eval_on_selector(".image-page", CONTENT), page.title()
        page.goto("about:blank")
        page.goto(f"{pages[0].as_uri()}#of=i-img_{k}")
        page.wait_for_function(
            f"document.querySelector('h1').textContent === 'img_{k}' && document.querySelector('[href^=\"#of=\"]')"
        )
        found = page.eval_on_selector(".image-page", CONTENT)
        assert found["words"].startswith(expected["words"])  # and the data's address
        assert found["links"][: len(expected["links"])] == expected["links"]
        assert {**found, "words": "", "links": "", "classes": ""} == {
            **expected,
            "words": "",
            "links": "",
            "classes": "",
        }
        assert [name for name in found["classes"] if name not in ("files", "muted")] == [
            name for name in expected["classes"] if name not in ("files", "muted")
        ]
        assert page.title() == title and page.inner_text(".crumbs [aria-current]") == f"img_{k}"


def test_one_page_goes_from_image_to_image(page: Any, galleries: dict[str, Path]) -> None:
    (path,) = galleries[LARGE].glob("image_convnet_test*.html")
    page.goto(path.as_uri())
    page.wait_for_selector("[href^='#of=']")

    def at(name: str) -> None:
        page.wait_for_function(f"document.querySelector('h1').textContent === '{name}'")

    page.keyboard.press("ArrowRight")
    at("img_1")
    page.keyboard.press("Shift+ArrowRight")
    at("img_5")
    page.reload()
    at("img_5")
    page.locator(".maps [data-item]").first.click()
    page.wait_for_selector("dialog[open]")
    assert page.evaluate("location.hash") == "#e-1-1&of=i-img_5"
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="hidden")
    at("img_5")
    page.go_back()
    at("img_1")
    page.goto(f"{path.as_uri()}#of=i-nobody")
    page.wait_for_selector("[role=alert]")
    assert "there is no picture nobody in this set" in page.inner_text("[role=alert]")


def shown(page: Any) -> list[str]:
    return [
        item.removeprefix("i-")
        for item in page.eval_on_selector_all("[role=gridcell] .pair", "(all) => all.map((one) => one.id)")
    ]


def test_filters_and_order_are_in_the_address(large: Any) -> None:
    assert large.inner_text(".shown") == "8 of 8 shown"
    large.click(".chip:has-text('wrong')")
    assert shown(large) == ["img_5", "img_6", "img_7"] and large.inner_text(".shown") == "3 of 8 shown"
    large.click(f".chip[data-value='{fixture.HOSTILE_CLASS}']")
    assert shown(large) == ["img_5", "img_7"]
    large.select_option("select[data-filter=sort]", "sure")
    assert shown(large) == ["img_7", "img_5"] and large.evaluate("location.hash").endswith("&result=wrong&sort=sure")
    large.reload()
    large.wait_for_function("document.querySelectorAll('[role=gridcell] .pair').length === 2")
    assert shown(large) == ["img_7", "img_5"] and large.input_value("select[data-filter=sort]") == "sure"
    large.click("[data-item=i-img_5]")
    large.wait_for_selector("dialog[open]")
    assert large.inner_text(".lightbox-count") == "2 of 2"
    large.keyboard.press("ArrowRight")  # round to the first
    large.wait_for_function("location.hash.startsWith('#i-img_7')")
    large.keyboard.press("Escape")
    large.wait_for_selector("dialog", state="hidden")
    large.click(".chip[data-filter=class][data-value='']")
    large.click(".chip:has-text('right')")
    large.select_option("select[data-filter=sort]", "unsure")
    assert shown(large) == ["img_0", "img_1", "img_2", "img_3", "img_4"]


def test_order_of_a_small_set(page: Any, galleries: dict[str, Path]) -> None:
    page.goto(images_page(galleries[SMALL]))
    ids = "(all) => all.map((one) => one.id)"
    given = page.eval_on_selector_all(".pairs > li", ids)
    page.select_option("select[data-filter=sort]", "sure")
    assert page.eval_on_selector_all(".pairs > li", ids) == given[::-1]
    page.select_option("select[data-filter=sort]", "")
    assert page.eval_on_selector_all(".pairs > li", ids) == given and page.evaluate("location.hash") == ""


def test_a_link_to_an_image_of_a_large_set(page: Any, galleries: dict[str, Path]) -> None:
    address = images_page(galleries[LARGE])
    page.goto(f"{address}#i-img_6&result=right")  # the filter would hide it
    page.wait_for_selector("dialog[open]")
    assert page.evaluate("location.hash") == "#i-img_6" and page.inner_text(".lightbox-count") == "7 of 8"
    assert page.locator(".lightbox-stage img").count() == 2
    page.keyboard.press("Escape")
    page.wait_for_selector("dialog", state="hidden")
    assert page.evaluate("document.activeElement.dataset.item") == "i-img_6"
    assert page.locator(".pair.current").get_attribute("id") == "i-img_6"
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.dataset.item") == "i-img_5"
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    assert page.evaluate("location.hash") == "#i-img_5"
    page.go_back()
    page.wait_for_selector("dialog", state="hidden")


def test_without_javascript_the_first_ones_are_there_and_it_says_so(browser: Any, galleries: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(images_page(galleries[LARGE]))
    assert page.locator(".pairs > .pair:visible").count() == 2
    assert "These are the first 2 of 8: the others are shown by JavaScript." in page.inner_text("main")
    (path,) = galleries[LARGE].glob("image_convnet_test*.html")
    page.goto(path.as_uri())
    assert "This is the first of 8 images" in page.inner_text("main") and page.inner_text("h1") == "img_0"
    context.close()


def test_without_its_table_the_page_keeps_the_first_ones(
    browser: Any, galleries: dict[str, Path], tmp_path: Path
) -> None:
    copy = tmp_path / "results"
    shutil.copytree(galleries[LARGE].parent, copy)
    for path in (copy / "gallery/data").glob("images_convnet_test*.whole.js"):
        path.unlink()
    context = browser.new_context()
    page = context.new_page()
    page.goto(images_page(copy / "gallery"))
    page.wait_for_selector("[role=alert]")
    assert ".whole.js cannot be read" in page.inner_text("[role=alert]")
    assert page.locator(".pairs > .pair:visible").count() == 2
    page.click(".chip:has-text('wrong')")
    assert page.locator(".pairs > .pair:visible").count() == 0
    context.close()


def opacity(page: Any) -> float:
    return float(page.eval_on_selector(".over > :last-child", "(one) => one.style.opacity"))


@pytest.mark.parametrize("kind", [SMALL, LARGE])
def test_a_slider_between_photo_map_and_another_model(page: Any, galleries: dict[str, Path], kind: str) -> None:
    page.goto(f"{images_page(galleries[kind])}#i-img_1")
    page.wait_for_selector("dialog[open]")
    page.click("text=Compare")
    left, right = page.locator(".lightbox-between select").all()
    page.wait_for_function("document.querySelector('.lightbox-between select').options.length === 3")
    assert left.locator("option").all_inner_texts() == ["photo", "Grad-CAM", "Grad-CAM by Mini_net"]
    assert (left.input_value(), right.input_value(), opacity(page)) == ("photo", "Grad-CAM", 0.5)
    sources = page.eval_on_selector_all(".over img", "(all) => all.map((one) => one.src)")
    assert "photos/img_1" in sources[0] and "cams/convnet" in sources[1] and "overlays/img_1" in sources[1]
    page.focus(".lightbox-close")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")
    assert opacity(page) == 0.7 and "at=70" in page.evaluate("location.hash")
    right.select_option("Grad-CAM by Mini_net")
    left.select_option("Grad-CAM")
    page.focus(".lightbox-close")
    page.keyboard.press("ArrowRight")  # the next picture, the same comparison
    page.wait_for_function(
        "location.hash.startsWith('#i-img_2') && document.querySelector('.over :last-child').src.includes('Mini_net')"
    )
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    page.wait_for_function("document.querySelector('.over :last-child')?.src.includes('cams/Mini_net')")
    assert opacity(page) == 0.7 and page.locator(".over img").first.get_attribute("alt") == "Grad-CAM"
    assert page.get_attribute(".lightbox-between input", "aria-valuetext") == "70 % Grad-CAM by Mini_net"
    assert page.eval_on_selector_all(".over img", "(all) => all.every((one) => one.naturalWidth)")
    page.click("text=Compare")
    assert page.locator(".lightbox-stage img").count() == 2 and page.evaluate("location.hash") == "#i-img_2"


def test_a_slider_between_methods_on_the_page_of_an_image(page: Any, galleries: dict[str, Path]) -> None:
    page.goto(next(galleries[SMALL].glob("image_convnet_test*img_0.html")).as_uri())
    page.locator(".maps [data-item]").first.click()
    page.click("text=Compare")
    left, right = page.locator(".lightbox-between select").all()
    assert left.input_value() == "photo"
    first = right.input_value()
    page.focus(".lightbox-close")
    page.keyboard.press("ArrowRight")  # the next method of the same picture
    page.wait_for_function(f"document.querySelectorAll('.lightbox-between select')[1].value !== {first!r}")
    left.select_option(first)
    assert page.eval_on_selector_all(".over img", "(all) => all.map((one) => one.alt)") == [first, right.input_value()]


def test_every_method_of_a_large_set(page: Any, galleries: dict[str, Path]) -> None:
    page.set_viewport_size({"width": 1000, "height": 1600})
    page.goto(next(galleries[LARGE].glob("methods_convnet_test*.html")).as_uri())
    page.wait_for_selector("[role=gridcell] .pair")
    assert shown(page) == ["img_0", "img_1", "img_2"] and page.get_attribute("[role=grid]", "aria-colcount") == "1"
    first = page.locator("#i-img_0")
    assert first.locator(".label").all_inner_texts() == [
        f"{title}: cat" for title in ("Saliency", "Integrated gradients")
    ]
    assert first.locator("img").count() == 3 and "image_convnet_test" in first.locator(".whole-page a").get_attribute(
        "href"
    )
    page.click(".chip:has-text('wrong')")
    assert shown(page) == ["img_1"] and page.inner_text(".shown") == "1 of 3 shown"
    page.click("[data-item=i-img_1]")
    page.wait_for_selector("dialog[open]")
    page.click("text=Compare")
    assert page.locator(".lightbox-between select").first.locator("option").all_inner_texts() == [
        "photo", "Saliency", "Integrated gradients",
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [SMALL, LARGE])
def test_pictures_are_found_by_name(page: Any, galleries: dict[str, Path], kind: str) -> None:
    """The browser finds what is in the page: of a large set that is what is in sight."""
    page.goto(images_page(galleries[kind]))
    if kind == LARGE:
        page.wait_for_selector("[role=gridcell] .pair")
    ids = "(all) => all.filter((one) => one.checkVisibility()).map((one) => one.id)"
    page.fill(".filters input", "DATA/5")
    page.wait_for_function("location.hash === '#name=DATA%2F5'")
    assert page.eval_on_selector_all(".pair", ids) == ["i-img_5"] and page.inner_text(".shown") == "1 of 8 shown"
    page.reload()
    page.wait_for_function("document.querySelector('.shown').innerText === '1 of 8 shown'")
    assert page.input_value(".filters input") == "DATA/5"
    page.fill(".filters input", "nobody")
    page.wait_for_selector(".nothing:visible")
    page.click(".nothing .reset")
    page.wait_for_function("document.querySelector('.shown').innerText === '8 of 8 shown'")
    assert page.evaluate("location.hash") == "" and page.input_value(".filters input") == ""


@pytest.fixture(scope="module")
def predictions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of 3,000 predictions."""
    results = fixture.make_results(tmp_path_factory.mktemp("predictions"))
    table = results / "evaluation" / "convnet" / "pets.test" / "predictions.csv"
    head, *rows = table.read_text(encoding="utf-8").splitlines()
    many = [rows[k % 12].replace("data/", f"data/{k:04}_") for k in range(3000)]
    table.write_text("\n".join([head, *many]), encoding="utf-8")
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    return results / "gallery" / "predictions_convnet_pets.test.html"


def test_a_long_table_of_predictions_is_laid_out_as_it_is_scrolled(page: Any, predictions: Path) -> None:
    rows = "table.predictions tbody tr:not([hidden])"
    page.goto(predictions.as_uri())
    page.wait_for_selector("th button")
    assert page.inner_text(".shown") == "3,000 of 3,000 shown" and page.locator(rows).count() == 200
    assert page.get_attribute("table.predictions", "aria-rowcount") == "3001"
    for _ in range(20):
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        page.wait_for_timeout(50)
    assert page.locator(rows).count() == 3000
    page.click("th[data-sort=path] button")
    assert page.locator(rows).count() < 700 and page.get_attribute(f"{rows} >> nth=7", "data-path") == "data/0007_7.png"
    page.click(".chip[data-result=wrong]")
    assert page.inner_text(".shown") == "750 of 3,000 shown"
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(rows).count() == 750, "paper has them all"
    indices = page.eval_on_selector_all(rows, "(all) => all.map((row) => Number(row.ariaRowIndex))")
    assert indices == list(range(2, 752))


def test_without_javascript_a_long_table_is_whole(browser: Any, predictions: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(predictions.as_uri())
    assert page.locator("table.predictions tbody tr:visible").count() == 3000
    context.close()
