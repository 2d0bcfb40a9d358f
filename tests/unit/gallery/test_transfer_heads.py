"""Both heads of a transferred model, on its page."""

from pathlib import Path

import pytest

from convscope.errors import UserError
from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from tests import gallery_fixture as fixture

CONFIG = fixture.CONFIG | {"models": {"convnet": {"source": "transfer"}, "Mini_net": {"source": "file"}}}
COLUMNS = "split,head,parameters,images,right,accuracy,loss,alone_right,p"
ROWS = [
    ("validation", "gap", 129, 200, 190, 0.95, 0.2, 1, 1.0),
    ("validation", "dense", 33281, 200, 190, 0.95, 0.2, 1, 1.0),
    ("test", "gap", 129, 400, 380, 0.95, 0.21234, 2, 0.0042),
    ("test", "dense", 33281, 400, 392, 0.98, 0.1, 14, 0.0042),
    ("test", "fine-<tuned>", 70000, 400, 396, 0.99, 0.05, "", ""),
]


def page(tmp_path: Path, rows: list[tuple[object, ...]]) -> str:
    results = fixture.make_results(tmp_path / "results")
    if rows:
        fixture.write_csv(results / "models" / "convnet" / "heads.csv", COLUMNS, rows)
    build_gallery(results, CONFIG, results / "gallery" / "index.html")
    return " ".join((results / "gallery" / "model_convnet.html").read_text(encoding="utf-8").split())


def test_what_cams_head_costs_is_said_of_the_test_split(tmp_path: Path) -> None:
    text = page(tmp_path, ROWS)
    assert (
        "it costs <strong>3.0 points</strong> of accuracy on 400 images of test; chance alone would seldom do that (p = 0.0042)."
        in text
    )
    cells = "<td>gap</td><td>95.0 %</td><td>380 of 400</td><td>2</td><td>0.2123</td><td>129</td>"
    assert cells in text and "fine-&lt;tuned&gt;" in text and "heads.csv" in text


@pytest.mark.parametrize(
    ("gap", "p", "said"),
    [
        (0.95, 1.0, "it costs <strong>nothing</strong> of accuracy on 400 images of test."),
        (
            0.96,
            0.4,
            "it gains <strong>1.0 points</strong> of accuracy on 400 images of test; chance alone does that, too (p = 0.4).",
        ),
    ],
)
def test_an_equal_head_and_a_better_one(tmp_path: Path, gap: float, p: float, said: str) -> None:
    rows = [("test", "gap", 1, 400, 0, gap, 0.1, 0, p), ("test", "dense", 1, 400, 0, 0.95, 0.1, 0, p)]
    assert said in page(tmp_path, rows)


def test_nothing_is_said_of_other_models_and_a_missing_table_is_listed(tmp_path: Path) -> None:
    text = page(tmp_path, [])
    assert 'id="heads"' not in text and "Comparison of heads" in text
    results = tmp_path / "results"
    fixture.write_csv(results / "models" / "Mini_net" / "heads.csv", COLUMNS, ROWS)
    assert all(model.transfer_heads is None for model in collect(results, CONFIG).models)


def test_a_damaged_table_is_one_line(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path / "results")
    fixture.write_csv(results / "models" / "convnet" / "heads.csv", "split,head", [("test", "gap")])
    with pytest.raises(UserError, match=r"heads\.csv: no column 'images'"):
        collect(results, CONFIG)
