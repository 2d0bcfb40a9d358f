"""The pages of comparisons: what they say, and what is not shown because it is of other models."""

import json
from pathlib import Path
from typing import Any

import pytest

from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from tests import gallery_fixture as fixture

MODELS = ["convnet", "Mini_net"]
PAIR = {
    "model": "convnet", "other": "Mini_net", "difference": -0.08, "shows": "worse", "p_adjusted": 0.0123, "p_deals": 0.1,
    "reason": "Mini_net is better than convnet: <b>90.0 %</b> against 82.0 %.",
}  # fmt: skip


def summary(model: str, accuracy: float, **more: Any) -> dict[str, Any]:
    return {
        "model": model, "accuracy": accuracy, "low": accuracy - 0.03, "high": accuracy + 0.03, "least": 0.81, "best": 0.91,
        "train_accuracy": 0.97, "parameters": 100753, "multiply_adds": 6264659, "seconds": 1.25, **more,
    }  # fmt: skip


@pytest.fixture
def results(tmp_path: Path) -> Path:
    made = fixture.make_results(tmp_path / "results")
    folder = made / "comparisons" / "both"
    whole = {
        "split": "pets/test", "seeds": 3, "images": 12, "left_out": 2,
        "identities": dict.fromkeys(MODELS, fixture.DIGEST), "told": "1 pair.",
        "unmatched": "", "models": [summary("convnet", 0.82), summary("Mini_net", 0.9, low=None, high=None)], "pairs": [PAIR],
    }  # fmt: skip
    fixture.write_object(folder / "comparison.json", whole)
    for name in ("curves", "costs", "cams", "filters"):
        fixture.picture(folder / f"{name}.png", 60, 90, 1)
    fixture.write_csv(folder / "table.csv", "model", [("convnet",)])
    return made


def config(**changes: Any) -> dict[str, Any]:
    return fixture.CONFIG | {"comparisons": {"both": {"models": MODELS, "split": "pets/test", "seeds": 3, **changes}}}


def test_a_page_says_what_is_better(results: Path) -> None:
    build_gallery(results, config(), results / "gallery" / "index.html")
    page = (results / "gallery" / "comparison_both.html").read_text(encoding="utf-8")
    assert "Which is better is shown of 1 of 1 pair." in page
    for words in (
        "82.0 %",
        "79.0 % to 85.0 %",
        "81.0 %, 91.0 %",
        "6\u202f264\u202f659",
        "-8.0",
        "+8.0",
        ">better<",
        ">worse<",
    ):
        assert words in page, words
    assert "&lt;b&gt;90.0 %" in page and "<b>90.0 %" not in page
    assert page.count("<img") == 3, "of both there are patterns, and heatmaps are not asked for"
    first = (results / "gallery" / "index.html").read_text(encoding="utf-8")
    assert 'href="comparison_both.html"' in first and "1 of 1 pair decided" in first
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    assert not (results / "gallery" / "comparison_both.html").exists(), "which the config asks for no more"


def test_heatmaps_are_shown_where_they_are_asked_for(results: Path) -> None:
    study = collect(results, config(images="test pets", method="gradcam"))
    assert [path.name for path, _ in study.comparisons[0].figures] == [
        "curves.png",
        "costs.png",
        "cams.png",
        "filters.png",
    ]


def test_verdicts_are_turned_round(results: Path) -> None:
    (found,) = collect(results, config()).comparisons
    assert found.verdict("convnet", "Mini_net") == ("worse", -0.08) and found.verdict("Mini_net", "convnet") == (
        "better",
        0.08,
    )
    assert found.verdict("convnet", "convnet") is None and found.decided == 1


@pytest.mark.parametrize(
    ("changes", "digest", "reason"),
    [
        ({"seeds": 4}, fixture.DIGEST, "made of other models, seeds or pictures"),
        ({"split": "pets/shifted"}, fixture.DIGEST, "made of other models, seeds or pictures"),
        ({"models": ["convnet"]}, fixture.DIGEST, "made of other models, seeds or pictures"),
        ({}, "other", "made with another Mini_net than there is now"),
    ],
)
def test_what_is_of_something_else_is_not_shown(
    results: Path, changes: dict[str, Any], digest: str, reason: str
) -> None:
    file = results / "comparisons" / "both" / "comparison.json"
    whole = json.loads(file.read_text())
    whole["identities"]["Mini_net"] = digest
    file.write_text(json.dumps(whole))
    study = collect(results, config(**changes))
    assert study.comparisons == ()
    assert [gap.reason.startswith(reason) for gap in study.gaps if gap.kind == "Comparison"] == [True]


def test_what_was_not_made_is_listed(results: Path) -> None:
    (results / "comparisons" / "both" / "costs.png").unlink()
    study = collect(results, config())
    assert [path.name for path, _ in study.comparisons[0].figures] == ["curves.png", "filters.png"]
    assert ["both: costs.png"] in [list(gap.names) for gap in study.gaps]
