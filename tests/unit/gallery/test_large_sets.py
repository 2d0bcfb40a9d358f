"""Pages of large image sets: what is in the tables beside them, which pages there are, and what goes when a set becomes small."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from convscope.gallery import build, build_gallery
from convscope.gallery.names import slug
from tests import gallery_fixture as fixture

SET = slug(fixture.SETS[0])


def make(results: Path) -> Path:
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    return results / "gallery"


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "IN_THE_PAGE", 2)
    monkeypatch.setattr(build, "FIRST", 2)


def table(gallery: Path, page: str) -> dict[str, list[Any]]:
    return json.loads((gallery / "data" / f"{page}_convnet_{SET}.json").read_text(encoding="utf-8"))["columns"]


@pytest.mark.usefixtures("large")
def test_every_file_and_page_of_a_table_is_there(tmp_path: Path) -> None:
    gallery = make(fixture.make_results(tmp_path))
    cards, pages, methods = (table(gallery, page) for page in ("images", "image", "methods"))
    assert cards["id"] == pages["id"] == [f"img_{k}" for k in range(8)] and methods["id"] == ["img_0", "img_1", "img_2"]
    assert cards["key"][0] == "i-img_0" and cards["path"][0] == fixture.HOSTILE_FILE
    assert cards["result"] == ["right"] * 5 + ["wrong"] * 3 and cards["confidence"][2] == 0.6
    shown = [address for name in ("photo", "overlay0") for address in cards[name]]
    shown += [address for _, _, maps in pages["evidence"][1] for entry in maps for address in entry["pictures"]]
    assert shown.count(None) == 2  # the last image's pictures are missing
    for address in filter(None, shown):
        assert (gallery / unquote(address)).is_file(), address
    for address in cards["page"] + methods["page"] + [link for row in pages["elsewhere"] for _, link in row]:
        page, _, key = address.partition("#of=")
        assert (gallery / page).is_file() and key.removeprefix("i-img_").isdigit(), address
    assert pages["bars"][6] == [["cat", 0.2, False, True], [fixture.HOSTILE_CLASS, 0.8, True, False]]
    text = (gallery / "predictions_convnet_pets.test.html").read_text(encoding="utf-8")
    assert f'href="image_convnet_{SET}.html#of=i-img_3"' in text


@pytest.mark.usefixtures("large")
def test_a_large_set_has_a_page_for_all_its_images_and_a_small_one_a_page_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    results = fixture.make_results(tmp_path)
    gallery = make(results)
    pages = f"image_convnet_{SET}*.html"
    assert [path.name for path in gallery.glob(pages)] == [f"image_convnet_{SET}.html"]
    scripts = {path.name for path in (gallery / "data").glob(f"*_{SET}*.js")}
    both = {f"image_convnet_{SET}", f"images_convnet_{SET}", f"methods_convnet_{SET}"}
    assert scripts == {f"{name}{part}.js" for name in both for part in ("", ".whole")}
    text = (gallery / f"images_convnet_{SET}.html").read_text(encoding="utf-8")
    assert text.count('<li class="pair"') == 2 and "8 of 8 shown" in text.replace(
        '<span class="shown-count">8</span>', "8"
    )
    monkeypatch.setattr(build, "IN_THE_PAGE", 8)
    make(results)
    assert len(list(gallery.glob(pages))) == 8
    scripts = {path.name for path in (gallery / "data").glob(f"*_{SET}*.js")}
    assert scripts == {f"images_convnet_{SET}{part}.js" for part in ("", ".whole")}
    assert not (gallery / "data" / f"methods_convnet_{SET}.json").exists()
    assert table(gallery, "image")["id"] == table(gallery, "images")["id"] == [f"img_{k}" for k in range(8)]


@pytest.mark.usefixtures("large")
def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    files = [{path: path.read_bytes() for path in sorted(make(results).rglob("*")) if path.is_file()} for _ in range(2)]
    assert files[0] == files[1] and any(path.parent.name == "data" for path in files[0])


def test_names_that_are_markup_are_text_in_the_tables(tmp_path: Path) -> None:
    gallery = make(fixture.make_results(tmp_path))
    for path in (gallery / "data").iterdir():
        assert not set("<>&\u2028\u2029") & set(path.read_text(encoding="ascii")), path.name
