"""The gallery in a real browser, opened from disk."""

import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from PIL import Image

from convscope.gallery import build_gallery, build_index
from convscope.gallery.names import slug
from tests import gallery_fixture as fixture
from tests.chromium import watch

LAYER = "layer_convnet_conv2.html"  # filters 2 to 13, 3 is dead


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("browser #1") / "results"
    results = fixture.make_results(root)
    build_gallery(results, fixture.add_watching(results), results / "gallery" / "index.html")
    build_index([], root / "index.html")
    return results / "gallery"


def open_lightbox(page: Any, picture: str) -> None:
    """Click a picture; the lightbox follows the address, a moment later.

    Pictures load as they come into sight, and those above it may push it away from under a click: they are waited for.
    """
    one = page.locator(picture).first
    one.scroll_into_view_if_needed()
    page.wait_for_function(
        """() => [...document.images].every(image => {
            const {top, bottom} = image.getBoundingClientRect();
            return image.complete || !image.checkVisibility() || bottom < 0 || top > innerHeight;
        })"""
    )
    one.click()
    page.wait_for_selector("dialog[open]")


def images_page(gallery: Path) -> Path:
    return next(gallery.glob("images_convnet_test-pets*.html"))


def colour_at_centre(element: Any) -> tuple[int, ...]:
    with Image.open(io.BytesIO(element.screenshot())) as shot:
        return shot.convert("RGB").getpixel((shot.width // 2, shot.height // 2))  # type: ignore[return-value]


def shown_pattern(page: Any) -> tuple[int, ...]:
    page.wait_for_selector("dialog[open] canvas[data-drawn]")
    return colour_at_centre(page.locator("dialog canvas"))


def fragment(page: Any) -> str:
    return page.evaluate("location.hash")


@pytest.mark.parametrize(
    ("scheme", "width"),
    [
        ("light", 1280),
        ("dark", 390),
        *(pytest.param(*way, marks=pytest.mark.long) for way in (("light", 390), ("light", 1600), ("dark", 1600))),
    ],
)
def test_every_page_loads_whole(browser: Any, gallery: Path, width: int, scheme: str) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    wrong = watch(page)
    files = [gallery.parent.parent / "index.html", *sorted(gallery.glob("*.html"))]
    for file in files:
        page.goto(file.as_uri())
        page.evaluate("for (const image of document.images) image.loading = 'eager'")
        page.wait_for_function("[...document.images].every((image) => image.complete)")
        broken = page.evaluate("[...document.images].filter((image) => !image.naturalWidth).map((image) => image.src)")
        assert broken == [], file.name
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{file.name} is wider than the screen"
        rows = "[...document.querySelectorAll('.facts div')]"
        beside = page.evaluate(f"{rows}.filter((row) => row.scrollWidth > row.clientWidth).map((row) => row.innerText)")
        assert beside == [], f"{file.name}: wider than their column"
        unnamed = page.evaluate("[...document.images].filter((image) => !image.hasAttribute('alt')).length")
        assert unnamed == 0, file.name
    back = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, back.removeprefix("rgb(").removesuffix(")").split(","))) < 3 * 80) == (scheme == "dark")
    assert wrong == []
    context.close()


def test_from_the_list_of_studies_to_a_filter(page: Any, gallery: Path) -> None:
    page.goto((gallery.parent.parent / "index.html").as_uri())
    page.click("text=Pets <b>& friends</b>")
    page.click(".card-title:has-text('convnet')")
    page.click(".layer-name:has-text('conv2') >> nth=0")
    open_lightbox(page, "[data-item=f5]")
    assert fragment(page) == "#f5"
    assert shown_pattern(page) == fixture.colour(5)
    page.keyboard.press("Escape")
    page.click(".crumbs >> text=convnet")
    assert page.title().startswith("convnet")


def test_sprites_show_their_own_filter(page: Any, gallery: Path) -> None:
    page.goto((gallery / LAYER).as_uri())
    for index in (2, 9, 10, 13):  # both ends of both rows
        assert colour_at_centre(page.locator(f"#f{index} .sprite")) == fixture.colour(index)
    assert page.locator("li.dead").count() == 1


def test_lightbox_by_keyboard(page: Any, gallery: Path) -> None:
    page.goto((gallery / LAYER).as_uri() + "#f12")
    assert shown_pattern(page) == fixture.colour(12)
    assert "conv2 · filter 12 · final objective 12.12" in " ".join(page.inner_text(".lightbox-caption").split())
    page.keyboard.press("ArrowRight")
    assert shown_pattern(page) == fixture.colour(13) and fragment(page) == "#f13"
    page.keyboard.press("ArrowRight")  # round to the first
    assert fragment(page) == "#f2" and page.inner_text(".lightbox-count") == "1 of 12"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert fragment(page) == "#f12"
    page.keyboard.press("Escape")
    assert not page.is_visible("dialog") and fragment(page) == ""
    assert page.evaluate("document.activeElement.dataset.item") == "f12"
    page.keyboard.press("ArrowRight")
    assert not page.is_visible("dialog")
    page.keyboard.press("Enter")  # the focus is on the pattern: it opens again
    assert shown_pattern(page) == fixture.colour(12)


def test_dead_filters_say_so(page: Any, gallery: Path) -> None:
    page.goto((gallery / LAYER).as_uri() + "#f3")
    assert "dead" in page.inner_text(".lightbox-caption")


def test_focus_stays_in_the_lightbox(page: Any, gallery: Path) -> None:
    page.goto((gallery / LAYER).as_uri() + "#f12")
    for _ in range(8):
        page.keyboard.press("Tab")
        inside = "document.activeElement === document.body || Boolean(document.activeElement.closest('dialog'))"
        assert page.evaluate(inside)


def test_back_closes_the_lightbox(page: Any, gallery: Path) -> None:
    page.goto((gallery / LAYER).as_uri())
    open_lightbox(page, "[data-item=f4]")
    page.click(".lightbox-next")
    assert fragment(page) == "#f5"
    page.go_back()
    assert not page.is_visible("dialog") and page.url.endswith(LAYER)


CLOSE = {
    "x by mouse": lambda page: page.dblclick(".lightbox-close"),
    "x at once": lambda page: page.evaluate(
        "for (const _ of [1, 2]) document.querySelector('.lightbox-close').click()"
    ),
    "beside the picture": lambda page: page.mouse.dblclick(120, 400),
    "Escape": lambda page: [page.keyboard.press("Escape") for _ in range(2)],
    "Enter held down": lambda page: [page.focus(".lightbox-close"), *[page.keyboard.down("Enter") for _ in range(4)]],
}


@pytest.mark.parametrize("twice", CLOSE.values(), ids=CLOSE)
def test_what_closes_the_lightbox_done_twice_stays_on_the_page(page: Any, gallery: Path, twice: Any) -> None:
    page.goto((gallery / "model_convnet.html").as_uri())
    page.goto((gallery / LAYER).as_uri())
    open_lightbox(page, "[data-item=f5]")
    page.wait_for_timeout(450)
    twice(page)
    page.wait_for_timeout(150)
    assert not page.is_visible("dialog") and page.url.endswith(LAYER)
    open_lightbox(page, "[data-item=f7]")  # the way back is open again
    page.go_back()
    assert not page.is_visible("dialog") and page.url.endswith(LAYER)


def test_a_double_click_opens_the_lightbox_and_leaves_it_open(page: Any, gallery: Path) -> None:
    page.goto((gallery / LAYER).as_uri())
    page.dblclick("[data-item=f5]")
    assert shown_pattern(page) == fixture.colour(5) and fragment(page) == "#f5"
    page.goto((gallery / LAYER).as_uri())
    page.focus("[data-item=f9]")
    for _ in range(3):
        page.keyboard.down("Enter")
    page.keyboard.up("Enter")
    assert shown_pattern(page) == fixture.colour(9)
    page.click(".lightbox-next")  # another click, elsewhere, counts at once
    assert fragment(page) == "#f10"


def images_of_pdf(page: Any) -> list[tuple[int, int]]:
    """Width and height of every picture of the printed page, as it is printed unless told otherwise: without backgrounds."""
    found = re.findall(rb"/Width (\d+)\s*/Height (\d+)", page.pdf(print_background=False))
    return [(int(width), int(height)) for width, height in found]


def test_printed_pages_have_their_sprites(page: Any, gallery: Path) -> None:
    page.goto((gallery / LAYER).as_uri())
    assert images_of_pdf(page).count((30, 30)) == 12  # a cell of the grid each
    page.goto((gallery / "predictions_convnet_pets.test.html").as_uri())
    # The fixture's sprite is 768 px wide for 32 columns of 12 pictures.
    assert images_of_pdf(page).count((24, 64)) == 12


def test_filters_by_class_and_result(page: Any, gallery: Path) -> None:
    page.goto(images_page(gallery).as_uri())
    assert page.inner_text(".shown") == "8 of 8 shown"
    page.click(".chip:has-text('wrong')")
    assert page.inner_text(".shown") == "3 of 8 shown" and fragment(page) == "#result=wrong"
    page.click(f".chip[data-value='{fixture.HOSTILE_CLASS}']")
    assert page.inner_text(".shown") == "2 of 8 shown"
    assert fragment(page) == f"#class={quote(fixture.HOSTILE_CLASS)}&result=wrong"
    page.reload()
    assert page.locator(".pairs > li:visible").count() == 2
    assert page.get_attribute(".chip:has-text('wrong')", "aria-pressed") == "true"
    open_lightbox(page, "[data-item=i-img_5]")
    page.keyboard.press("ArrowRight")  # over img_6, which is filtered out
    assert fragment(page).startswith("#i-img_7&class=")
    page.keyboard.press("Escape")
    assert page.inner_text(".shown") == "2 of 8 shown"


def test_links_to_an_image(page: Any, gallery: Path) -> None:
    page.goto(images_page(gallery).as_uri() + "#i-img_0")
    page.wait_for_selector("dialog[open]")
    assert page.locator(".lightbox-stage img").count() == 2
    assert fixture.HOSTILE_FILE in page.inner_text(".lightbox-caption")
    assert page.inner_text(".lightbox-count") == "1 of 8"
    page.goto("about:blank")
    page.goto(images_page(gallery).as_uri() + "#i-img_0&result=wrong")  # the filter would hide it
    page.wait_for_selector("dialog[open]")
    assert fragment(page) == "#i-img_0"
    page.goto("about:blank")
    page.goto(images_page(gallery).as_uri() + "#i-nobody&class=nothing&result=%E0%A4%A")  # nonsense is ignored
    assert page.inner_text(".shown") == "8 of 8 shown" and not page.is_visible("dialog")


def test_pictures_of_one_image_are_one_group(page: Any, gallery: Path) -> None:
    page.goto((gallery / "model_convnet.html").as_uri())
    open_lightbox(page, ".sheets [data-item]")
    assert page.inner_text(".lightbox-count") == f"1 of {len(fixture.LAYERS)}"
    assert page.inner_text(".lightbox-caption") == fixture.LAYERS[0]


def test_every_method_of_an_image(page: Any, gallery: Path) -> None:
    file = next(gallery.glob("methods_*.html"))
    page.goto(file.as_uri())
    assert page.locator(".explained > li:visible").count() == 3
    open_lightbox(page, "[data-item=m-1-2-saliency]")
    assert page.inner_text(".lightbox-count") == "3 of 4"  # the methods and classes of this image, no other's
    assert page.locator(".lightbox-stage img").count() == 2
    page.keyboard.press("ArrowRight")
    assert fragment(page) == "#m-1-2-integrated_gradients"
    assert "completeness gap" in page.inner_text(".lightbox-caption")
    page.keyboard.press("Escape")
    page.click(".chip:has-text('wrong')")
    assert page.locator(".explained > li:visible").count() == 1
    assert page.inner_text(".shown") == "1 of 3 shown"


def test_reads_without_javascript(browser: Any, gallery: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(images_page(gallery).as_uri())
    assert page.locator(".pairs > li:visible").count() == 8
    assert not page.is_visible(".filters") and not page.is_visible("dialog")
    page.goto((gallery / LAYER).as_uri())
    assert colour_at_centre(page.locator("#f9 .sprite")) == fixture.colour(9)
    context.close()


def test_predictions_are_sorted_and_filtered_by_the_address(page: Any, gallery: Path) -> None:
    file = gallery / "predictions_convnet_pets.test.html"
    page.goto(file.as_uri())

    def shown(column: str) -> list[str]:
        rows = page.locator("table.predictions tbody tr:not([hidden])")
        return rows.evaluate_all("(rows, column) => rows.map((row) => row.dataset[column])", column)

    assert shown("result") == ["wrong"] * 3 + ["right"] * 9 and page.locator(".thumb").count() == 12
    page.click("th[data-sort=confidence] button")
    falling = [float(text) for text in shown("confidence")]
    assert falling == sorted(falling, reverse=True) and fragment(page) == "#sort=confidence&order=down"
    page.click("th[data-sort=confidence] button")
    assert [float(text) for text in shown("confidence")] == falling[::-1]
    assert page.get_attribute("th[data-sort=confidence]", "aria-sort") == "ascending"
    page.click("th[data-sort=confidence] button")
    assert shown("result") == ["wrong"] * 3 + ["right"] * 9 and fragment(page) == ""
    page.click("th[data-sort=path] button")
    assert shown("path") == [f"data/{k}.png" for k in range(12)], "numbers count as numbers"
    page.click(".chip[data-result=wrong]")
    assert len(shown("result")) == 3 and page.inner_text(".shown-count") == "3"
    page.select_option("select[data-column=truth]", fixture.HOSTILE_CLASS)
    assert shown("truth") == [fixture.HOSTILE_CLASS] * 2
    copy = page.url
    page.goto("about:blank")
    page.goto(copy)
    assert shown("truth") == [fixture.HOSTILE_CLASS] * 2 and page.input_value("select[data-column=truth]")
    page.select_option("select[data-column=predicted]", fixture.HOSTILE_CLASS)
    assert shown("truth") == [] and page.is_visible(".nothing")
    page.click(".nothing .reset")
    assert len(shown("truth")) == 12
    page.goto(f"{file.as_uri()}#truth=nonsense&sort=nothing")
    assert len(shown("truth")) == 12


def test_a_cell_of_the_confusion_matrix_leads_to_its_pictures(page: Any, gallery: Path) -> None:
    page.goto((gallery / "model_convnet.html").as_uri())
    cell = page.locator(".confusion td a").first
    count = int(cell.inner_text())
    cell.click()
    page.wait_for_selector("table.predictions")
    assert page.locator("table.predictions tbody tr:not([hidden])").count() == count > 0


def test_from_image_to_image_by_keyboard(page: Any, gallery: Path) -> None:
    (file,) = gallery.glob("image_convnet_test-pets*_img_3.html")

    def at() -> str:
        return page.inner_text("h1")

    def press(key: str, arrives: str) -> None:
        page.keyboard.press(key)
        page.wait_for_function("name => document.querySelector('h1').textContent === name", arg=arrives)

    page.goto(file.as_uri())
    press("ArrowRight", "img_4")
    press("ArrowLeft", "img_3")
    press("Shift+ArrowRight", "img_5")  # over img_4, which is right
    press("Shift+ArrowRight", "img_6")
    press("ArrowRight", "img_7")
    page.keyboard.press("ArrowRight")  # the last one
    page.keyboard.press("Shift+ArrowRight")
    press("Shift+ArrowLeft", "img_6")
    page.goto(file.as_uri().replace("img_3", "img_0"))
    open_lightbox(page, "[data-item=e-1-2]")
    assert page.inner_text(".lightbox-count") == "3 of 6"  # the photo, five maps
    assert page.locator(".lightbox-stage img").count() == 2  # a map, and the map over the photo
    page.keyboard.press("ArrowRight")
    assert fragment(page) == "#e-1-3" and at() == "img_0", "in the lightbox, arrows go from picture to picture"
    page.keyboard.press("Escape")
    press("ArrowRight", "img_1")


def test_from_a_set_and_a_prediction_to_the_page_of_an_image(page: Any, gallery: Path) -> None:
    page.goto(images_page(gallery).as_uri())
    page.click("#i-img_5 .caption a")
    page.wait_for_selector(".one-image")
    assert page.inner_text("h1") == "img_5" and page.inner_text(".answer .verdict").startswith("✗")
    assert page.locator(".chances meter").evaluate_all("all => all.map((bar) => Math.round(100 * bar.value))") == [
        75,
        25,
    ]
    page.goto((gallery / "predictions_convnet_pets.test.html").as_uri())
    page.click("tr[data-path='data/2.png'] a")
    page.wait_for_selector(".one-image")
    assert page.inner_text("h1") == "img_2"
    page.click(".crumbs a >> nth=3")
    page.wait_for_selector(".pairs")


def test_many_maps_of_an_image_are_a_grid_in_the_lightbox(page: Any, tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    cams = results / "cams" / "convnet" / fixture.SETS[0]
    methods = ["gradcam_plus_plus", "layer_cam", "score_cam"]
    for method in methods:
        (cams / f"{method}.csv").write_bytes((cams / "gradcam.csv").read_bytes())
    config = fixture.asking("cams", methods=["gradcam", *methods])
    build_gallery(results, config, results / "gallery" / "index.html")
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(images_page(results / "gallery").as_uri() + "#i-img_5")
    page.wait_for_selector("dialog[open]")
    boxes = [part.bounding_box() for part in page.locator(".lightbox-stage img").all()]
    assert len(boxes) == 5 and len({round(box["width"]) for box in boxes}) == 1
    assert len({round(box["x"]) for box in boxes}) == 2 and all(box["width"] > 180 for box in boxes)


WATCHING = f"watching_convnet_{slug(fixture.SETS[0])}.html"


def test_the_slider_goes_through_the_epochs(gallery: Path, page: Any) -> None:
    page.goto((gallery / WATCHING).as_uri())
    assert page.locator(".scrubber output").inner_text() == "4"
    first = page.locator(".watched > li").first
    assert set(first.get_attribute("class").split()) == {"right", "flipped"}
    assert page.locator(".still").first.get_attribute("open") is None, "the strip is closed where the slider is"
    frame = first.locator(".frame:not(.photo)").first

    def place() -> str:
        return str(frame.evaluate("element => getComputedStyle(element).backgroundPosition"))

    at_the_end = place()
    page.keyboard.press("ArrowLeft")
    assert page.url.endswith("#epoch=2") and set(first.get_attribute("class").split()) == {"wrong", "flipped"}
    assert f"wrong: {fixture.HOSTILE_CLASS} 70" in " ".join(first.locator(".now").inner_text().split())
    assert (
        page.locator(".tallies > span:visible").inner_text()
        == "0 of 1 right, 1 flipped since epoch 1 \u00b7 the best epoch"
    )
    assert place() != at_the_end
    page.keyboard.press("Home")
    assert page.locator(".scrubber output").inner_text() == "1"
    page.keyboard.press("ArrowLeft")
    assert page.locator(".scrubber output").inner_text() == "1", "it ends there"
    page.locator(".scrubber input").focus()
    page.keyboard.press("ArrowRight")
    assert page.url.endswith("#epoch=2"), "the slider's own keys"
    page.locator(".play").click()
    page.wait_for_function("document.querySelector('.scrubber output').textContent === '4'")
    page.locator(".play").click()
    page.goto((gallery / WATCHING).as_uri() + "#epoch=1")
    assert page.locator(".scrubber output").inner_text() == "1", "a view can be sent as a link"


def test_every_epoch_is_there_without_javascript(gallery: Path, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((gallery / WATCHING).as_uri())
    assert page.locator(".still img").first.is_visible() and not page.locator(".scrubber").is_visible()
    assert page.locator(".answers > li:visible").count() == 2 * 3
    context.close()
