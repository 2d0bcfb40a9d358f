"""Masks on the gallery's pages: both means where they differ, unknown pixels counted, other models' masks not shown."""

from pathlib import Path

import pytest

from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from tests import gallery_fixture as fixture

ENTRY = fixture.SETS[0]
CONFIG = fixture.CONFIG | {"segmentation": {"convnet": {"images": [ENTRY]}}}
FACTS = {"model": "convnet", "model_digest": fixture.DIGEST, "images": 8, "with_mask": 7, "masks_not_used": 1}
NUMBERS = {
    "mean_iou": 0.75, "mean_iou_of_pictures": 0.5, "no_information_iou": 0.25, "pixel_accuracy": 0.875,
    "no_information_rate": 0.625, "ignored": 12345,
}  # fmt: skip


def add_masks(results: Path, **facts: object) -> Path:
    """Masks of two classes of the first image set."""
    folder = results / "segmentation" / "convnet" / ENTRY
    fixture.write_object(folder / "metrics.json", FACTS | NUMBERS | facts)
    columns = "class,iou,iou_of_pictures,pictures,precision,recall,pixels,predicted"
    rows = [("background", 0.9, 0.8, 7, 0.9, 0.9, 100, 90), (fixture.HOSTILE_CLASS, 0.6, 0.2, 6, "", 0.7, 50, 60)]
    fixture.write_csv(folder / "classes.csv", columns, rows)
    columns = f"id,path,class,mean_iou,pixel_accuracy,iou_background,iou_{fixture.HOSTILE_CLASS},ignored,known"
    pictures = [
        ("img_0", "a.png", "cat", 0.9, 0.99, 1, 0.8, 0, True),
        ("img_1", "b.png", "", "", "", "", "", "", False),
    ]
    pictures.append(("img_2", "c.png", "cat", 0.125, 0.5, 0.25, 0, 3, True))
    fixture.write_csv(folder / "pictures.csv", columns, pictures)
    for name in ("masks", "worst", "confusion", "overlap"):
        fixture.picture(folder / f"{name}.png", 60, 90, 3)
    return folder


@pytest.fixture
def results(tmp_path: Path) -> Path:
    made = fixture.make_results(tmp_path / "results")
    add_masks(made)
    return made


def page_of(results: Path) -> str:
    build_gallery(results, CONFIG, results / "gallery" / "index.html")
    (page,) = (results / "gallery").glob("segmentation_*.html")
    return page.read_text(encoding="utf-8")


def test_a_page_says_what_the_masks_are_worth(results: Path) -> None:
    text = page_of(results)
    assert (
        "mean IoU <strong>0.750</strong> of pixels summed over the 7 that have a mask, 0.500 as the mean of the" in text
    )
    assert "87.5 % of the pixels right" in text and "mean IoU of 0.250 and 62.5 %" in text
    assert "12\u202f345 pixels whose class is not known are left out" in text and "1 mask could not be used" in text
    assert "a&amp;b&#34;c" in text and fixture.HOSTILE_CLASS not in text
    assert text.index("img_2") < text.index("img_0") < text.index("img_1"), (
        "the worst first, those without a truth last"
    )
    assert {f"{name}.png" in text for name in ("masks", "worst", "confusion", "overlap")} == {True}
    model = (results / "gallery" / "model_convnet.html").read_text(encoding="utf-8")
    assert "What every pixel is taken for" in model and "<strong>0.600</strong>" in model
    assert "<strong>0.750</strong> mean IoU" in (results / "gallery" / "index.html").read_text(encoding="utf-8")


def test_one_mean_where_both_are_alike(results: Path) -> None:
    add_masks(results, mean_iou_of_pictures=0.7504)
    assert "mean of the pictures' own" not in page_of(results)


def test_pictures_without_masks_have_predictions_alone(results: Path) -> None:
    folder = add_masks(results)
    fixture.write_object(folder / "metrics.json", FACTS | {"with_mask": 0, "masks_not_used": 0})
    fixture.write_csv(folder / "classes.csv", "class,iou,iou_of_pictures,pixels", [])
    text = page_of(results)
    assert "None of them has a true mask" in text and "masks.png" in text and "worst.png" not in text


def test_seg_grad_cam_of_the_regions_asked_for(results: Path) -> None:
    folder = results / "segmentation" / "convnet" / ENTRY
    for region in ("predicted", "whole"):
        fixture.picture(folder / f"gradcam_{region}.png", 60, 90, 3)
        fixture.write_csv(folder / f"gradcam_{region}.csv", "id,class", [])
    asked = CONFIG | {"segmentation": {"convnet": {"images": [ENTRY], "gradcam": {"regions": ["predicted", "box"]}}}}
    study = collect(results, asked)
    (found,) = study.models[0].segmented
    assert [words for words, _ in found.cams] == ["the pixels taken for the class"]
    assert ("Seg-Grad-CAM", (f"{ENTRY}: box",)) in [(gap.kind, gap.names) for gap in study.gaps_of("convnet")]
    build_gallery(results, asked, results / "gallery" / "index.html")
    (page,) = (results / "gallery").glob("segmentation_*.html")
    assert "Evidence in the pixels taken for the class" in page.read_text(encoding="utf-8")


def test_masks_of_another_model_are_not_shown(results: Path) -> None:
    add_masks(results, model_digest="00" * 8)
    study = collect(results, CONFIG)
    assert study.models[0].segmented == ()
    assert ("Masks", (ENTRY,)) in [(gap.kind, gap.names) for gap in study.gaps_of("convnet")]
    assert collect(results, fixture.CONFIG).models[0].segmented == (), "and none where none are asked for"
