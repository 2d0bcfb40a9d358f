"""docs/notebook.md: its code runs, and its figures are the ones it speaks of."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from tests.unit.notebook.pages import run


@pytest.mark.slow
def test_the_pages_code_runs_and_shows_its_figures(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names, shown = run(root / "docs" / "notebook.md")
    kinds = [type(value).__name__ for value in shown if hasattr(value, "_repr_png_")]
    assert kinds == ["Activations", "FilterPatterns", "Explanation", "Explanation"]
    for result in (value for value in shown if hasattr(value, "_repr_png_")):
        picture = np.asarray(Image.open(io.BytesIO(result._repr_png_())))
        assert picture.ndim == 3 and min(picture.shape[:2]) > 60 and picture.std() > 10
    activations, patterns, explained, _ = (value for value in shown if hasattr(value, "_repr_png_"))
    assert activations.values.shape == (1, 45, 45, 32) and patterns.patterns.shape == (8, 96, 96, 3)
    assert (explained.predicted == explained.targets).all() and explained.classes == ("cat", "dog")
    assert (
        np.mean(names["model"].predict(names["photos"], verbose=0).argmax(axis=1) == names["labels"]) > 0.7
    )  # another processor trains another way
    assert "did you mean 'gradcam'?" in capsys.readouterr().out
    assert len(list((tmp_path / "seen" / "strips").iterdir())) == 6
    assert {path.name for path in tmp_path.iterdir()} == {"cat.png", "evidence.png", "evidence.npz", "seen"}


def test_the_page_names_every_method_and_its_pictures_are_there(root: Path) -> None:
    text = (root / "docs" / "notebook.md").read_text(encoding="utf-8")
    for method in {*CAMS, *ATTRIBUTIONS}:
        assert f"`{method}`" in text
    pictures = re.findall(r"\]\((\w+\.jpg)\)", text)
    assert len(pictures) == 4 and all((root / "docs" / name).is_file() for name in pictures)
