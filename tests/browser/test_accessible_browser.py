"""Deque's axe finds nothing on a page of any kind, in light and in dark colours, as it opens and with the lightbox open."""

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from convscope.gallery import build, build_gallery, build_index
from tests import gallery_fixture as fixture
from tests import reasons_fixture

_PACKAGE = importlib.util.find_spec("axe_playwright_python")
AXE = Path(_PACKAGE.origin).parent / "axe.min.js" if _PACKAGE and _PACKAGE.origin else None
pytestmark = pytest.mark.skipif(AXE is None, reason="axe-playwright-python is not installed (see requirements/test.in)")
# axe leaves these to people: what lies over a picture has no one colour behind it, and the rest was looked at.
_UNDECIDED = {"color-contrast"}
# The rules that look at colours; to all others a page is the same in the dark.
_OF_COLOURS = ("color-contrast", "link-in-text-block")


@pytest.fixture(scope="module")
def gallery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("axe") / "results"
    results = fixture.make_results(root)
    fixture.add_judging(results)
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "large sets":
            patch.setattr(build, "IN_THE_PAGE", 2)
        config = reasons_fixture.add_reasons(results, fixture.add_watching(results))
        build_gallery(results, config, results / "gallery" / "index.html")
    build_index([], root / "index.html")
    return results / "gallery"


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that may be spoilt: that nothing goes wrong on these pages is another test's."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    yield context.new_page()
    context.close()


def found(page: Any, rules: Sequence[str] = ()) -> list[str]:
    """What axe has against a page as it is now, by some of its rules or by all."""
    assert AXE
    page.evaluate(AXE.read_text(encoding="utf-8"))
    options = {"resultTypes": ["violations", "incomplete"], **({"runOnly": list(rules)} if rules else {})}
    result = page.evaluate("options => axe.run(document, options)", options)
    assert len(result["passes"]) > (0 if rules else 15), "it looked"
    entries = result["violations"] + [entry for entry in result["incomplete"] if entry["id"] not in _UNDECIDED]
    return [f"{entry['id']}: {node['html'][:200]}" for entry in entries for node in entry["nodes"]]


def kinds(gallery: Path) -> dict[str, Path]:
    """A page of every kind, and the list of studies."""
    pages = {path.stem.split("_")[0]: path for path in sorted(gallery.glob("*.html"))}
    return {**pages, "studies": gallery.parent.parent / "index.html"}


@pytest.mark.parametrize(
    ("gallery", "scheme"),
    [
        ("small sets", "light"),
        ("small sets", "dark"),
        ("large sets", "light"),
        pytest.param("large sets", "dark", marks=pytest.mark.long),  # two things of which each is looked at
    ],
    indirect=["gallery"],
)
def test_axe_finds_nothing(page: Any, gallery: Path, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    wrong, rules = {}, _OF_COLOURS if scheme == "dark" else ()
    assert len(kinds(gallery)) >= 10
    for kind, path in kinds(gallery).items():
        page.goto(path.as_uri())
        page.wait_for_function("!document.querySelector('[data-table]')")
        wrong[kind] = found(page, rules)
        item = page.evaluate("document.querySelector('[data-item]')?.dataset.item")
        if item:
            page.goto("about:blank")
            page.goto(f"{path.as_uri()}#{item}&at=50")
            page.wait_for_selector("dialog[open] .lightbox-stage > *")
            wrong[f"{kind}, lightbox"] = found(page, rules)
    assert {kind: entries for kind, entries in wrong.items() if entries} == {}
    assert "images, lightbox" in wrong


@pytest.mark.parametrize("gallery", ["small sets"], indirect=True)
def test_axe_would_find_something(page: Any, gallery: Path) -> None:
    page.goto((gallery / "index.html").as_uri())
    page.evaluate("document.querySelector('h1').innerHTML = '<img src=\"x\"><button></button>'")
    assert {entry.partition(":")[0] for entry in found(page)} >= {"image-alt", "button-name"}
