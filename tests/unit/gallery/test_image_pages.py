"""One page an explained image: its probabilities, every method's maps with their verdicts, and the way to the next."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from convscope.errors import UserError
from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from convscope.gallery.image_pages import ImagePage, ImagePages, image_pages, probabilities
from tests import gallery_fixture as fixture

TEST, OTHER = fixture.SETS
CONFIG = fixture.asking("attributions", methods=["saliency", "lime", "integrated_gradients"])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = fixture.make_results(tmp_path_factory.mktemp("image pages") / "results")
    fixture.add_judging(made)
    _add_lime(made / "attributions" / "convnet" / TEST)
    build_gallery(made, CONFIG, made / "gallery" / "index.html")
    return made


def _add_lime(folder: Path) -> None:
    """LIME of the first image, with one of its views; the other view's picture is missing."""
    fixture.picture(folder / "lime" / "map.png", 90, 120, 1)
    fixture.picture(folder / "lime" / "view.png", 90, 120, 2)
    columns = (
        "id,path,class,label,predicted,predicted_label,confidence,correct,target,score,empty,thumbnail,map,overlay"
    )
    row = ("img_0", fixture.HOSTILE_FILE, "cat", 0, "cat", 0, 0.75, True, "cat", 1.5, False, "", "lime/map.png", "")
    fixture.write_csv(
        folder / "lime.csv",
        f"{columns},view_outlined,view_coefficients,fit,segment_count",
        [(*row, "lime/view.png", "lime/gone.png", 0.875, "")],
    )


def page(results: Path, image: str, image_set: str = "test-pets") -> str:
    (found,) = (results / "gallery").glob(f"image_convnet_{image_set}*_{image}.html")
    return found.read_text(encoding="utf-8")


def links(text: str) -> dict[str, str]:
    """The keys of a page, and where they lead."""
    found = re.findall(r'href="([^"]+)" data-key="([^"]+)"', text)
    return {key: address for address, key in found}


def pages_of(results: Path, config: dict[str, Any] = CONFIG) -> dict[str, ImagePages]:
    model = next(m for m in collect(results, config).models if m.name == "convnet")
    return {pages.image_set: pages for pages in image_pages(model)}


def test_every_explained_image_has_a_page(results: Path) -> None:
    names = sorted(path.name for path in (results / "gallery").glob("image_*.html"))
    assert len(names) == len({name.lower() for name in names}) == 16  # eight images in each of two sets
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", name) for name in names)


def test_maps_of_all_kinds_stand_together(results: Path) -> None:
    (image,) = (image for image in pages_of(results)[TEST].images if image.id == "img_0")
    assert [part.class_name for part in image.evidence] == ["cat", fixture.HOSTILE_CLASS]  # the predicted class first
    methods = [[entry.method for entry in part.maps] for part in image.evidence]
    assert methods == [["gradcam", "saliency", "integrated_gradients", "lime"], ["saliency", "integrated_gradients"]]
    lime = image.evidence[0].maps[3]
    assert [name for name, _ in lime.views] == ["outlined"] and len(lime.pictures) == 1
    assert lime.facts == {"fit": 0.875}  # an empty cell is no number
    text = page(results, "img_0")
    assert "completeness gap 0.125" in text and "fit 0.875" in text and "LIME: outlined" in text
    assert "side_by_side/img_0.png" in text and "As one picture" not in page(results, "img_1")


def test_the_class_of_an_error_and_maps_of_no_class(results: Path, tmp_path: Path) -> None:
    copy = tmp_path / fixture.STUDY
    shutil.copytree(results, copy)
    cams = copy / "cams" / "convnet" / TEST
    text = (cams / "gradcam.csv").read_text(encoding="utf-8")
    rows = [line.split(",") for line in text.splitlines()]
    # What answers to no class comes last, though its method does not.
    target, score = rows[0].index("target"), rows[0].index("score")
    for row in rows[1:]:
        row[target] = row[score] = ""
    (cams / "gradcam.csv").write_text("\n".join(",".join(row) for row in rows), encoding="utf-8")
    by_id = {image.id: image for image in pages_of(copy)[TEST].images}
    assert [part.class_name for part in by_id["img_1"].evidence] == [fixture.HOSTILE_CLASS, "cat", ""]
    assert by_id["img_1"].evidence[2].score is None and by_id["img_1"].evidence[0].score == -1.5


def test_verdicts_of_the_gate_stand_beside_the_maps(results: Path) -> None:
    text = page(results, "img_0")
    assert text.count("passes the sanity gate") == 2  # saliency, for both classes
    assert text.count("survives randomisation, worse than a centre blob") == 1
    assert "sanity gate" not in page(results, "img_0", "mistakes-1")  # that set was not judged


def test_the_way_to_the_next_image_and_the_next_error(results: Path) -> None:
    # img_5, img_6 and img_7 are wrong.
    for image, before, after, wrong_before, wrong_after in [
        ("img_0", None, "img_1", None, "img_5"),
        ("img_4", "img_3", "img_5", None, "img_5"),
        ("img_5", "img_4", "img_6", None, "img_6"),
        ("img_6", "img_5", "img_7", "img_5", "img_7"),
        ("img_7", "img_6", None, "img_6", None),
    ]:
        text = page(results, image)
        expected = {
            "ArrowLeft": before,
            "ArrowRight": after,
            "Shift+ArrowLeft": wrong_before,
            "Shift+ArrowRight": wrong_after,
        }
        found = {key: address.rpartition("_")[2].removesuffix(".html") for key, address in links(text).items()}
        # Names end in the image's id, which has an underscore itself.
        assert found == {key: name.rpartition("_")[2] for key, name in expected.items() if name}, image
    assert "6 of 8" in page(results, "img_5") and "3 errors" in page(results, "img_5")


def test_no_second_way_where_all_are_wrong_or_none(results: Path, tmp_path: Path) -> None:
    for correct in ("True", "False", ""):
        copy = tmp_path / f"{correct or 'unknown'} {fixture.STUDY}"
        shutil.copytree(results, copy)
        shutil.rmtree(copy / "attributions")
        table = copy / "cams" / "convnet" / TEST / "gradcam.csv"
        table.write_text(re.sub(",(True|False),", f",{correct},", table.read_text()))
        build_gallery(copy, fixture.CONFIG, copy / "gallery" / "index.html")
        text = page(copy, "img_3")
        assert set(links(text)) == {"ArrowLeft", "ArrowRight"}, correct


def test_probabilities_of_all_classes(results: Path) -> None:
    image = pages_of(results)[TEST].images[6]
    assert image.predicted == fixture.HOSTILE_CLASS and image.result == "wrong"
    assert image.chances == pytest.approx({"cat": 0.2, fixture.HOSTILE_CLASS: 0.8})
    text = page(results, "img_6")
    for words in ("Probability of every class", "80.0 %", "20.0 %", "a&amp;b&#34;c", "truth: cat"):
        assert words in text, words
    assert text.count("<meter") == 2 and fixture.HOSTILE_CLASS not in text


def made_up(chances: dict[str, float], truth: str = "") -> ImagePage:
    return ImagePage("a", "a.png", truth, "k0", 0.5, None, None, None, chances, ())


def test_of_many_classes_the_likeliest_and_the_truth() -> None:
    few = {f"k{k}": 1 / 12 for k in range(12)}
    assert made_up(few).bars == list(few.items()) and not made_up(few).more_bars and made_up(few).rest == (0, 0)
    # Each has half of what is left: k0 1/2, k1 1/4 ...; k9 is the last one above a thousandth.
    many = {f"k{k}": 2.0 ** -(k + 1) for k in reversed(range(20))}
    image = made_up(many, truth="k18")
    assert [name for name, _ in image.bars] == [f"k{k}" for k in (*range(12), 18)]
    assert image.more_bars == []
    assert image.rest == (7, pytest.approx(sum(2.0 ** -(k + 1) for k in (12, 13, 14, 15, 16, 17, 19))))
    even = made_up({f"k{k}": 1 / 40 for k in range(40)})
    assert (len(even.bars), len(even.more_bars), even.rest) == (12, 28, (0, 0))


def test_files_of_maps_that_know_no_probabilities(tmp_path: Path) -> None:
    good, zeros, other = (tmp_path / f"{name}.h5" for name in ("good", "zeros", "other"))
    fixture.write_chances(zeros, ["a", "b"], {"x": [0.0, 0.0]})  # a virtual file whose shards are gone
    fixture.write_chances(good, ["a", "b"], {"x": [0.25, 0.75]})
    fixture.write_chances(other, ["a", "b", "c"], {"x": [0.25, 0.75]})
    assert probabilities([zeros, other, good]) == {"x": {"a": 0.25, "b": 0.75}}
    assert probabilities([zeros]) == probabilities([]) == {}
    (tmp_path / "torn.h5").write_bytes(good.read_bytes()[:500])
    with pytest.raises(UserError, match=r"torn\.h5: not readable .*; delete it and run again"):
        probabilities([tmp_path / "torn.h5"])


def test_the_pages_are_linked(results: Path) -> None:
    gallery = results / "gallery"
    (images,) = gallery.glob("images_convnet_test-pets*.html")
    (methods,) = gallery.glob("methods_convnet_test-pets*.html")
    listed = {path.name for path in gallery.glob("image_convnet_test-pets*.html")}
    assert set(re.findall(r'href="(image_[^"]+)"', images.read_text())) == listed
    assert len(set(re.findall(r'href="(image_[^"]+)"', methods.read_text())) & listed) == 3
    table = (gallery / "predictions_convnet_pets.test.html").read_text()
    # Seven of its images are in both sets (the eighth has a name of its own); the others are explained nowhere.
    assert len(re.findall(r'href="image_', table)) == 14 and "Explained in" in table
    text = page(results, "img_3")
    assert images.name in text and re.search(
        r'href="image_convnet_mistakes-1[^"]+img_3\.html">convnet, mistakes#1<', text
    )


def test_no_column_where_nothing_is_explained(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    for name in ("cams", "attributions"):
        shutil.rmtree(results / name)
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    assert "Explained in" not in (results / "gallery" / "predictions_convnet_pets.test.html").read_text()
    assert not list((results / "gallery").glob("image_*"))


def test_attributions_alone_and_names_that_are_markup(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    shutil.rmtree(results / "cams")
    folder = results / "attributions" / "convnet" / TEST
    for method in ("saliency", "integrated_gradients"):
        table = folder / f"{method}.csv"
        table.write_text(table.read_text().replace("img_1,", "<img src=x onerror=alert(1)>/../..,"))
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    files = list((results / "gallery").glob("image_*.html"))
    assert len(files) == 3
    (text,) = (path.read_text() for path in files if "img-src" in path.name)
    assert "&lt;img src=x onerror=alert(1)&gt;/../.." in text and "<img src=x" not in text
    assert "Probability of every class" not in text  # no file of maps here has them
    assert "methods_convnet" in text  # the set's page: there is none of heatmaps
    assert "&lt;script&gt;alert(1)" in text and "<script>alert" not in text


def test_one_method_asked_for_in_two_places_is_told_apart(tmp_path: Path) -> None:
    made = fixture.make_results(tmp_path / "results")
    folder = made / "attributions" / "convnet" / TEST
    shutil.copy(folder / "saliency.csv", folder / "gradcam.csv")
    evidence = pages_of(made, fixture.asking("attributions", methods=["gradcam", "saliency"]))[TEST].images[0].evidence
    titles = [shown.title for shown in evidence[0].maps]
    assert {"Grad-CAM", "Grad-CAM (attributions)"} <= set(titles) and len(set(titles)) == len(titles)


def test_pages_of_images_that_are_gone_are_removed(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    out = results / "gallery" / "index.html"
    build_gallery(results, fixture.CONFIG, out)
    shutil.rmtree(results / "cams" / "convnet" / OTHER)
    build_gallery(results, fixture.CONFIG, out)
    assert len(list(out.parent.glob("image_*"))) == 8


def test_labels_of_many_are_told_apart() -> None:
    """Every label of 0.5 and more is predicted, every one of the picture's own is true; with classes it is one of each."""
    about = ImagePage(
        id="a",
        path="a.png",
        class_name="red disc, square",
        predicted="square",
        confidence=0.9,
        correct=False,
        photo=None,
        together=None,
        chances={"red disc": 0.6, "square": 0.9, "disc": 0.1},
        evidence=(),
    )
    many, one = (ImagePages("net", "set", (about,), head) for head in ("multilabel", "multiclass"))
    assert [many.is_predicted(about, name) for name in about.chances] == [True, True, False]
    assert [many.is_true(about, name) for name in about.chances] == [True, True, False]
    assert [one.is_predicted(about, name) for name in about.chances] == [False, True, False]
    assert not any(one.is_true(about, name) for name in about.chances)
