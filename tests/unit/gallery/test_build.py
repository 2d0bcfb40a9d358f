"""The gallery's pages: every link leads somewhere, names are only ever data, the same results give the same bytes."""

import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from PIL import Image

from convscope.errors import UserError
from convscope.gallery import build_gallery, build_index, index
from convscope.gallery.collect import collect
from convscope.gallery.filters import Grid, Pattern, read_grid
from convscope.gallery.names import Names, link, slug
from convscope.gallery.pictures import strip
from convscope.gallery.site import STATIC, _preprocessing
from convscope.gallery.tables import read_config, truth
from tests import gallery_fixture as fixture


class Page(HTMLParser):
    """Addresses, ids, text and inline event handlers of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.handlers: list[str] = []
        self.tags: list[str] = []
        self.scripts: list[str] = []
        self.words = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append(dict(attrs).get("src") or "")
        for name, value in attrs:
            if name in {"href", "src", "data-sheet"}:
                self.addresses.append(value or "")
            if name == "id":
                self.ids.append(value or "")
            if name.startswith("on"):
                self.handlers.append(name)

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a gallery and the list of studies."""
    root = tmp_path_factory.mktemp("gallery") / "results"
    results = fixture.make_results(root)
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    build_index([], root / "index.html")
    return root


def pages(root: Path) -> list[Page]:
    return [Page(path) for path in sorted(root.rglob("*.html"))]


def test_pages_of_every_kind(made: Path) -> None:
    names = sorted(path.name for path in (made / fixture.STUDY / "gallery").glob("*.html"))
    assert len(names) == len({name.lower() for name in names}) == 2 + 2 + 2 * 5 + 2 + 2 + 1 + 2 * 8
    assert {"index.html", "model_convnet.html", "layer_convnet_conv2_shortcut.html"} <= set(names)


def test_figures_by_name(made: Path) -> None:
    folder = made / fixture.STUDY / "gallery"
    words = (folder / "figures.html").read_text(encoding="utf-8")
    assert 'href="figures.html"' in (folder / "index.html").read_text(encoding="utf-8")
    here, _, elsewhere = words.partition("Not asked for here")
    # What the study asks for has its command, and its thumbnail where it could be made; the rest has the lines that would ask.
    assert "figures/gradcam<" in here and "figures/score_cam<" in elsewhere
    assert "methods: [score_cam]" in elsewhere and "methods: [score_cam]" not in here
    for name in ("filter_grids", "all_channels"):
        assert f'src="pictures/figure_{name}.jpg"' in here
        with Image.open(folder / f"pictures/figure_{name}.jpg") as image:
            assert max(image.size) <= 480
    assert not [path for path in (folder / "pictures").iterdir() if path.name.startswith(".")]


def test_every_link_leads_somewhere_also_after_a_move(made: Path, tmp_path: Path) -> None:
    moved = tmp_path / "else where #2?"
    shutil.copytree(made, moved)
    known = {page.path.resolve(): page.ids for page in pages(moved)}
    checked = 0
    for page in pages(moved):
        for address in page.addresses:
            parts = urlsplit(address)
            assert not parts.scheme and not parts.netloc and not parts.query, address
            target = (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
            assert target.is_file(), f"{page.path.name}: {address}"
            if parts.fragment:
                filtered = target.name.startswith("predictions_") and "=" in parts.fragment
                assert unquote(parts.fragment) in known[target] or filtered or address == "#", address
            checked += 1
    assert checked > 300


def test_names_are_data_never_markup(made: Path) -> None:
    for page in pages(made):
        assert page.handlers == []
        # Scripts are files of ours: none has a name of the study's in it.
        assert set(page.scripts) <= set(STATIC) and bool(page.scripts) == (page.path.parent.name == "gallery")
        assert "b" not in page.tags and "i" not in page.tags
        assert len(page.ids) == len(set(page.ids))
    study = Page(made / fixture.STUDY / "gallery" / "index.html")
    assert fixture.HOSTILE_FILE in study.words and fixture.HOSTILE_CLASS in study.words
    assert "Pets <b>& friends</b>" in study.words


def test_unreadable_files_are_counted_and_listed(made: Path) -> None:
    study = Page(made / fixture.STUDY / "gallery" / "index.html")
    assert "2 files could not be read" in study.words
    assert "truncated <b>file</b>" in study.words and "Every file was read." in study.words
    (images,) = (made / fixture.STUDY / "gallery").glob("images_convnet_test-pets*.html")
    words = Page(images).words
    assert "1 file could not be read" in words and "gone & <i>broken</i>.jpg" in words and "not a picture" in words


def test_pictures_of_a_rectangle_are_shown_whole(made: Path) -> None:
    """The photos and maps of a model of 96 x 128 pixels are none of a square's, whose middle would be cut out."""
    (images,) = (made / fixture.STUDY / "gallery").glob("images_convnet_test-pets*.html")
    assert re.search('<ul class="pairs" data-group="images" [^>]*style="--shape: 128 / 96">', images.read_text())
    assert "aspect-ratio: var(--shape, 1)" in (images.parent / "gallery.css").read_text()


def test_model_page_compares_test_and_shifted(made: Path) -> None:
    words = Page(made / fixture.STUDY / "gallery" / "model_convnet.html").words
    assert words.index("75.0 %") < words.index("50.0 %")  # in the config's order
    assert "always the most frequent class" in words and "1\u202f234\u202f567" in words
    assert "nested" not in words  # only what fits in a cell


def test_every_method_of_an_image_side_by_side(made: Path) -> None:
    page = Page(next((made / fixture.STUDY / "gallery").glob("methods_*.html")))
    words = " ".join(page.words.split())
    assert words.count("Evidence for cat") == words.count(f"Evidence for {fixture.HOSTILE_CLASS}") == 3
    assert "Saliency" in words and "Integrated gradients for / against" in words
    assert "completeness gap 0.125" in words
    assert words.count("empty") == 2
    maps = [address for address in page.addresses if "/maps/" in address]
    assert len(maps) == 2 * 2 * 2 * 2  # a link and a picture for each of two images, classes, methods
    assert words.count("as one picture") == 1 and words.count("no photo") == 1
    model = Page(made / fixture.STUDY / "gallery" / "model_convnet.html")
    assert page.path.name in " ".join(model.addresses)


def test_same_bytes_again_and_stale_pages_removed(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path / "results")
    out = results / "gallery" / "index.html"
    build_gallery(results, fixture.CONFIG, out)
    before = {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file()}
    stale = [out.parent / "model_gone.html", out.parent / "pictures" / "strip_gone_conv1.jpg"]
    mine = out.parent / "notes.html"
    for path in [*stale, mine]:
        path.write_text("old")
    build_gallery(results, fixture.CONFIG, out)
    after = {path: path.read_bytes() for path in out.parent.rglob("*") if path.is_file()}
    assert after.pop(mine) == b"old"  # not a page of ours
    assert after == before


def test_config_chooses_and_orders(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    assert [model.name for model in collect(results, fixture.CONFIG).models] == ["convnet", "Mini_net"]
    sets = {name: {} for name in fixture.SETS[::-1]}
    study = collect(results, fixture.CONFIG | {"image_sets": sets, "title": ""})
    assert [heatmaps.image_set for heatmaps in study.models[0].heatmaps] == fixture.SETS[::-1]
    assert study.title == fixture.STUDY


@pytest.mark.parametrize(
    "absent", [["cams", "image_sets"], ["evaluation"], ["filters", "activations"], ["datasets", "models"]]
)
def test_missing_parts(tmp_path: Path, absent: list[str]) -> None:
    results = fixture.make_results(tmp_path)
    for name in absent:
        shutil.rmtree(results / name)
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    build_index([], tmp_path / "index.html")
    for page in pages(tmp_path):
        for address in page.addresses:
            path = urlsplit(address).path
            assert not path or (page.path.parent / unquote(path)).is_file(), f"{page.path.name}: {address}"


def test_empty_study(tmp_path: Path) -> None:
    (tmp_path / "nothing").mkdir()
    build_gallery(tmp_path / "nothing", {"study": "nothing"}, tmp_path / "nothing" / "gallery" / "index.html")
    assert "Nothing has been made yet." in Page(tmp_path / "nothing" / "gallery" / "index.html").words


def test_grid_geometry(tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    filters = [0, 2, 3, 5, 7, 8, 9, 10, 11, 16]
    fixture.grid(path, filters)
    grid = read_grid(path)
    assert grid and grid.cell == 30
    assert [pattern.filter for pattern in grid.patterns] == filters
    assert (grid.patterns[0].left, grid.patterns[0].top) == (5, 5)
    assert (grid.patterns[9].left, grid.patterns[9].top) == (5 + 35, 5 + 35)  # second row, second column
    with Image.open(path) as image:
        for pattern in grid.patterns:
            box = (pattern.left, pattern.top, pattern.left + 30, pattern.top + 30)
            assert image.crop(box).getcolors() == [(900, fixture.colour(pattern.filter))]
    dead = grid.patterns[2]
    assert dead.dead and dead.objective is None
    assert grid.patterns[1].objective == pytest.approx(2.123456)


def test_grid_without_geometry(tmp_path: Path) -> None:
    fixture.picture(tmp_path / "grid.png", 20, 20, 0)
    assert read_grid(tmp_path / "grid.png") is None
    (tmp_path / "half.png").write_bytes((tmp_path / "grid.png").read_bytes()[:20])
    with pytest.raises(UserError, match=r"half\.png: not a readable picture"):
        read_grid(tmp_path / "half.png")


def test_strip_prefers_live_filters(tmp_path: Path) -> None:
    path = tmp_path / "grid.png"
    fixture.grid(path, [0, 16])
    grid = Grid(path, 290, 40, 30, (Pattern(0, 5, 5, None, True), Pattern(16, 40, 5, 1.0, False)))
    strip(grid, tmp_path / "strip.jpg", count=1, side=16)
    with Image.open(tmp_path / "strip.jpg") as image:
        red, _, blue = image.getpixel((8, 8))  # type: ignore[misc]
        assert image.size == (16, 16) and red > 200 > 50 > blue


def test_links_are_relative_and_encoded(tmp_path: Path) -> None:
    folder = tmp_path / "gallery"
    assert link(tmp_path / "a b#c?d%e\"f'é.png", folder) == "../a%20b%23c%3Fd%25e%22f%27%C3%A9.png"
    assert link(folder / "x:y.png", folder) == "x%3Ay.png"  # a colon would start an address of its own
    assert link(tmp_path / "bytes\udcff.png", folder) == "../bytes%FF.png"


def test_slugs_and_names() -> None:
    assert slug("block4_sepconv2.bn-1") == "block4_sepconv2.bn-1"
    assert slug("a b") != slug("a-b") and slug("a b") != slug("a?b")
    assert slug("../..") not in {"", ".", ".."} and "/" not in slug("../x")
    assert len(slug("x" * 500)) < 100
    names = Names()
    taken = [names(*parts) for parts in [("a_b", "c"), ("a", "b_c"), ("A", "b_c"), ("a", "b", "c"), ("ä",), ("",)]]
    assert len({name.lower() for name in taken}) == len(taken) and all(taken)
    assert names("a", "b_c") == taken[1]


def test_preprocessing_as_a_formula() -> None:
    assert _preprocessing({"scale": [1.0] * 3, "offset": [0.0] * 3}) == "none: pixels in 0..255"
    assert _preprocessing({"scale": [1 / 127.5] * 3, "offset": [-1.0] * 3}) == "pixels \u00d7 0.007843 \u2212 1"
    written = _preprocessing({"scale": [1.0] * 3, "offset": [-103.5, -116.0, -123.0]})
    assert written == "pixels \u00d7 1 + (-103.5, -116, -123)"


def test_yes_and_no_as_jobs_write_them() -> None:
    assert [truth(cell) for cell in ("true", "True", "1", "false", "0", "", "maybe")] == [
        True,
        True,
        True,
        False,
        False,
        None,
        None,
    ]


def test_class_names_where_the_columns_are_swapped(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    table = results / "evaluation" / "convnet" / "pets.test" / "predictions.csv"
    fixture.write_csv(table, "path,class,label,predicted,predicted_label,correct", [("a", "cat", 0, 1, "dog", "false")])
    (evaluation, _) = collect(results, fixture.CONFIG).models[0].evaluations
    assert evaluation.confusion == {"cat": {"dog": 1}}


def test_channel_sheets_go_by_depth(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    folder = results / "activations" / "convnet" / fixture.SETS[0] / "sheets"
    for depth, layer in enumerate(fixture.LAYERS):
        (folder / "cat #1" / f"{layer}.png").rename(folder / "cat #1" / f"{depth:02d}_{layer}.png")
    (activations,) = collect(results, fixture.CONFIG).models[0].activations
    assert [layer for layer, _ in activations.images[0].sheets] == fixture.LAYERS


def test_a_damaged_table_is_one_line(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    fixture.write_csv(results / "cams" / "convnet" / fixture.SETS[0] / "gradcam.csv", "id,path", [("a", "b")])
    with pytest.raises(UserError, match=r"gradcam\.csv: no column 'predicted'"):
        collect(results, fixture.CONFIG)
    with pytest.raises(UserError, match="no such results folder"):
        collect(tmp_path / "gone", {})


def test_config_as_text_or_file(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("study: a\nmodels: {m: {}}\n")
    assert read_config(str(tmp_path / "c.yaml")) == read_config(' {"study": "a", "models": {"m": {}}}')
    for wrong, why in (
        (str(tmp_path / "gone.json"), "no such file"),
        ("{", "cannot be read"),
        ("{]", "cannot be read"),
    ):
        with pytest.raises(UserError, match=why):
            read_config(wrong)
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(UserError, match="not a mapping"):
        read_config(str(tmp_path / "list.json"))


def test_index_lists_siblings_once(made: Path, tmp_path: Path) -> None:
    root = tmp_path / "results"
    shutil.copytree(made, root)
    (root / "zoo" / "gallery").mkdir(parents=True)
    card = {"study": "zoo", "title": "A zoo", "hero": None, "counts": {}}
    (root / "zoo" / "gallery" / "study.json").write_text(json.dumps(card))
    (root / "zoo" / "gallery" / "index.html").write_text("")
    given = root / fixture.STUDY / "gallery" / "study.json"
    shown = build_index([given], root / "index.html")
    assert shown == [root / "zoo" / "gallery" / "study.json", given]
    assert Page(root / "index.html").words.count("A zoo") == 1
    with pytest.raises(UserError, match=r"no such study\.json"):
        build_index([root / "gone" / "study.json"], root / "index.html")


def test_index_lists_what_another_run_wrote_meanwhile(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "results"
    shutil.copytree(made, root)
    own, other = root / fixture.STUDY / "gallery" / "study.json", root / "zoo" / "gallery" / "study.json"
    write, times = index.write_text, []

    def replace(out: Path, text: str) -> None:
        """The other run writes its page after this one has read the cards, and before it writes."""
        times.append(text)
        if len(times) == 1:
            fixture.write_object(other, {"study": "zoo", "title": "A zoo", "failed": 3})
            build_index([other], out)
        write(out, text)

    monkeypatch.setattr(index, "write_text", replace)
    assert build_index([own], root / "index.html") == [other, own]
    words = Page(root / "index.html").words
    assert "A zoo" in words and "3 jobs failed" in " ".join(words.split()) and "Pets <b>& friends</b>" in words
    assert [path.name for path in root.iterdir() if path.name.startswith(".")] == []


def test_the_two_commands(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    out, index = results / "gallery" / "index.html", tmp_path / "index.html"
    top = Path(__file__).parents[3]
    given = ["--results", str(results), "--config", json.dumps(fixture.CONFIG), "--out", str(out)]
    subprocess.run(
        [sys.executable, "-m", "scripts.gallery", *given, "--log", str(tmp_path / "log")], cwd=top, check=True
    )
    given = ["--studies", str(out.parent / "study.json"), "--out", str(index)]
    subprocess.run([sys.executable, "-m", "scripts.index", *given], cwd=top, check=True, capture_output=True)
    assert "Pets <b>& friends</b>" in Page(index).words and "35 pages" in (tmp_path / "log").read_text()


def test_the_confusion_matrix_is_shown_once(tmp_path: Path) -> None:
    """As a table whose cells lead to the pictures; of many classes as the pictures that the report drew."""
    results = fixture.make_results(tmp_path)
    folder = results / "evaluation" / "convnet" / "pets.test"
    for name in ("confusion", "confusion_normalised", "roc", "most_confident_errors"):
        fixture.picture(folder / f"{name}.png", 40, 60, 1)
    out = results / "gallery" / "index.html"

    def shown() -> tuple[int, list[str], set[str]]:
        build_gallery(results, fixture.CONFIG, out)
        text = (out.parent / "model_convnet.html").read_text(encoding="utf-8")
        drawn = re.findall(r'<img src="\.\./evaluation/convnet/pets\.test/(\w+)\.png"', text)
        linked = set(re.findall(r'<a href="\.\./evaluation/convnet/pets\.test/(\w+)\.png">', text))
        return text.count('aria-label="Confusion matrix of pets / test"'), drawn, linked

    assert shown() == (1, ["most_confident_errors", "roc"], {"confusion", "confusion_normalised"})
    table = folder / "predictions.csv"
    head, first, *rest = table.read_text(encoding="utf-8").splitlines()
    many = [first.replace(",cat,", f",class {k},", 1) for k in range(13)]
    table.write_text("\n".join([head, *many, *rest]), encoding="utf-8")
    assert shown() == (0, ["confusion", "confusion_normalised", "most_confident_errors", "roc"], set())
