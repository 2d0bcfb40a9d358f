"""Pictures of classes and of several filters on the page of their model."""

from pathlib import Path

from convscope.gallery import build_gallery
from convscope.gallery.collect import collect
from convscope.storage import store
from tests import gallery_fixture as fixture


def test_they_are_shown_by_name_and_preset_where_they_are_asked_for(tmp_path: Path) -> None:
    results = fixture.make_results(tmp_path)
    folder = results / "filters" / "convnet" / "textbook" / "objectives"
    fixture.picture(folder / "both.png", 60, 90, 4)
    with store.create(folder / "both.h5", model="convnet", model_digest=fixture.DIGEST):
        pass
    config = fixture.CONFIG | {
        "filters": {"convnet": {"layers": "all", "preset": "textbook", "negative": True, "objectives": {"both": {}}}}
    }
    model = collect(results, config).models[0]
    assert model.objectives == (("both", "textbook", folder / "both.png"),), (
        "weights may be negative: no second one is made"
    )
    build_gallery(results, config, results / "gallery" / "index.html")
    page = (results / "gallery" / "model_convnet.html").read_text(encoding="utf-8")
    assert "objectives/both.png" in page and "both, textbook" in page
    assert collect(results, fixture.CONFIG).models[0].objectives == ()
