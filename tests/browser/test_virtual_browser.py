"""Thousands of cells in a real browser, from a page opened from disk: which are in the page, and how one gets to them."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import convscope.gallery
from convscope.gallery.data_files import write_data

STATIC = Path(convscope.gallery.__file__).parent / "static"
COUNT = 27_264
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>units</title>
<link rel="stylesheet" href="gallery.css">
<script src="data.js" defer></script><script src="virtual.js" defer></script><script src="units.js" defer></script></head>
<body><main><h1>Units</h1><a href="#before">before</a><div id="units" aria-label="Units"></div><a href="#after">after</a>
</main></body></html>"""
SCRIPT = """
const home = document.getElementById("units");
convscope.table("units").then((table) => {
  let shown = Array.from({ length: table.count }, (_, k) => k);
  window.grid = convscope.virtual(home, {
    count: shown.length, least: 100, printed: 40,
    load: (from, to) => table.load(shown.slice(from, to)),
    sample: () => draw(table.row(0)),
    cell: (place) => { const row = table.row(shown[place]); return row && draw(row); },
  });
  window.only = (keep, place) => table.whole().then((whole) => {
    shown = Array.from({ length: table.count }, (_, k) => k).filter((k) => keep(whole, k));
    grid.update(shown.length, place);
  });
  window.table = table;
}).catch((error) => convscope.say(home, error));
function draw(row) {
  const box = document.createElement("div");
  const link = document.createElement("a");
  link.href = `#${row.name}`;
  link.textContent = row.name;
  const button = document.createElement("button");
  button.textContent = "more";
  box.append(link, button);
  return box;
}
"""


@pytest.fixture(scope="module")
def units(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("units #1 ü")
    for name in ("gallery.css", "data.js", "virtual.js"):
        shutil.copy(STATIC / name, folder)
    (folder / "page.html").write_text(PAGE)
    (folder / "units.js").write_text(SCRIPT)
    columns: dict[str, list[Any]] = {
        "name": [f"u{k}" for k in range(COUNT)],
        "dead": [k % 3 == 0 for k in range(COUNT)],
        "odd": [[k, None, "</script>"] for k in range(COUNT)],
    }
    write_data(folder, "units", columns, whole=("dead",))
    return folder


@pytest.fixture
def opened(page: Any, units: Path) -> Iterator[Any]:
    page.goto((units / "page.html").as_uri())
    page.wait_for_selector("[role=gridcell] a")
    yield page


def cells(page: Any) -> list[int]:
    return page.evaluate("[...document.querySelectorAll('[role=gridcell]')].map((box) => Number(box.dataset.cell))")


def focused(page: Any) -> str:
    return page.evaluate("document.activeElement.textContent")


def settled(page: Any) -> None:
    page.wait_for_function("!document.querySelector('#units[aria-busy], .pending')")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def test_what_is_in_sight_is_in_the_page_and_nothing_far_from_it(opened: Any) -> None:
    columns = int(opened.get_attribute("#units", "aria-colcount"))
    assert columns > 4 and int(opened.get_attribute("#units", "aria-rowcount")) == -(-COUNT // columns)
    for share in (0, 0.31, 0.77, 1):
        opened.evaluate(f"scrollTo(0, {share} * document.documentElement.scrollHeight)")
        settled(opened)
        there = cells(opened)
        assert there == sorted(there) and len(there) < 600
        seen = opened.evaluate(
            """[...document.querySelectorAll('[role=gridcell]')].filter((box) => {
                 const {top, bottom} = box.getBoundingClientRect(); return bottom > 0 && top < innerHeight;
               }).map((box) => [Number(box.dataset.cell), box.querySelector('a').textContent])"""
        )
        assert seen and all(name == f"u{k}" for k, name in seen), "each in its place"
        assert [k for k, _ in seen] == list(range(seen[0][0], seen[-1][0] + 1)), "no hole"
        rows = opened.evaluate(
            "[...document.querySelectorAll('#units [role=row]')].map((line) => Number(line.ariaRowIndex))"
        )
        assert rows == [k // columns + 1 for k in there[::columns]]
    assert cells(opened)[-1] == COUNT - 1


def test_a_row_is_read_as_it_was_written(opened: Any) -> None:
    for k in (0, 199, 200, 27_000):
        assert opened.evaluate(f"(async () => {{ await table.load([{k}]); return table.row({k}); }})()") == {
            "name": f"u{k}",
            "dead": k % 3 == 0,
            "odd": [k, None, "</script>"],
        }


def test_keys_go_from_cell_to_cell_and_tab_goes_past_all_of_them(opened: Any) -> None:
    columns = int(opened.get_attribute("#units", "aria-colcount"))
    opened.focus("text=before")
    opened.keyboard.press("Tab")
    assert focused(opened) == "u0"
    for key, place in [
        ("ArrowRight", 1),
        ("ArrowDown", columns + 1),
        ("End", 2 * columns - 1),
        ("Home", columns),
        ("ArrowUp", 0),
        ("ArrowUp", 0),
        ("ArrowLeft", 0),
        ("Control+End", COUNT - 1),
        ("ArrowRight", COUNT - 1),
        ("Control+Home", 0),
    ]:
        opened.keyboard.press(key)
        settled(opened)
        assert focused(opened) == f"u{place}", key
        box = opened.locator(":focus").bounding_box()
        assert 0 <= box["y"] <= 800 - box["height"], f"{key}: in sight"
    opened.keyboard.press("PageDown")
    settled(opened)
    assert int(focused(opened)[1:]) % columns == 0 and int(focused(opened)[1:]) > 3 * columns
    opened.evaluate("scrollTo(0, document.documentElement.scrollHeight / 2)")
    settled(opened)
    assert focused(opened).startswith("u"), "the cell with the focus stays, wherever the page is scrolled to"
    opened.keyboard.press("Tab")
    assert focused(opened) == "more"
    opened.keyboard.press("Tab")
    assert focused(opened) == "after"
    opened.keyboard.press("Shift+Tab")
    assert focused(opened) == "more"


def test_the_first_cell_in_sight_stays_it_when_the_window_changes(opened: Any) -> None:
    opened.evaluate("grid.show(9000)")
    opened.evaluate("grid.element(9000).scrollIntoView({block: 'start'})")
    settled(opened)
    for width in (390, 1600, 1000):
        opened.set_viewport_size({"width": width, "height": 800})
        opened.wait_for_function(f"document.querySelector('#units').getBoundingClientRect().width <= {width}")
        settled(opened)
        box = opened.evaluate("(() => { const {x, y} = grid.element(9000).getBoundingClientRect(); return {x, y}; })()")
        assert 0 <= box["x"] < width and -40 < box["y"] < 400, width
        assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_other_cells_after_a_filter(opened: Any) -> None:
    opened.evaluate("scrollTo(0, 99999)")
    settled(opened)
    opened.evaluate("only((whole, k) => whole.dead[k], 0)")
    opened.wait_for_function("document.querySelector('[role=gridcell] a').textContent === 'u0'")
    settled(opened)
    texts = opened.locator("[role=gridcell] a").all_inner_texts()
    assert texts[:4] == ["u0", "u3", "u6", "u9"]
    columns = int(opened.get_attribute("#units", "aria-colcount"))
    assert int(opened.get_attribute("#units", "aria-rowcount")) == -(-(COUNT // 3) // columns)
    opened.evaluate("only((whole, k) => k > 20000, 7000)")
    opened.wait_for_function("grid.element(7000) && !document.querySelector('.pending')")
    assert opened.evaluate("grid.element(7000).textContent") == "u27001more"
    opened.evaluate("only(() => false)")
    opened.wait_for_function("document.querySelector('#units').hidden")
    assert cells(opened) == []
    opened.evaluate("only((whole, k) => k === 7)")
    opened.wait_for_selector("text=u7")
    assert cells(opened) == [0]


def test_paper_has_some_cells_and_says_which(opened: Any) -> None:
    opened.evaluate("scrollTo(0, document.documentElement.scrollHeight / 3)")
    settled(opened)
    pdf = opened.pdf()
    assert len(re.findall(rb"/Type\s*/Page\b", pdf)) < 4
    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    opened.emulate_media(media="print")
    note = opened.inner_text(".virtual-note")
    first = int(re.search(r"Printed: ([\d,]+) to", note)[1].replace(",", ""))  # type: ignore[index]
    assert abs(first - COUNT / 3) < 200 and note.endswith(f"to {first + 39:,} of 27,264")
    assert cells(opened)[0] == first - 1 and 40 <= len(cells(opened)) < 60
    opened.emulate_media(media="screen")
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    settled(opened)
    assert not opened.is_visible(".virtual-note")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path: path.unlink(), "data/units.js cannot be read: it lies beside this page"),
        (lambda path: path.write_text("convscope.put("), "data/units.js is damaged"),
    ],
)
def test_a_missing_file_is_said_in_words(browser: Any, units: Path, tmp_path: Path, spoil: Any, words: str) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(units, copy)
    context = browser.new_context()
    page = context.new_page()
    spoil(copy / "data/units.js")
    page.goto((copy / "page.html").as_uri())
    page.wait_for_selector(".trouble")
    assert words in page.inner_text("[role=alert]")
    context.close()


def test_a_part_that_is_missing_is_said_once(browser: Any, units: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(units, copy)
    for number in (90, 91, 92):
        (copy / f"data/units.{number}.js").unlink()
    context = browser.new_context()
    page = context.new_page()
    page.goto((copy / "page.html").as_uri())
    page.wait_for_selector("[role=gridcell] a")
    page.evaluate("grid.show(91 * 200)")
    page.wait_for_selector(".trouble")
    assert page.locator(".trouble").count() == 1
    page.evaluate("grid.show(20)")  # the rest is there
    page.wait_for_selector("text=u20")
    context.close()
