"""Results draw themselves, say what they are, and are saved."""

import io
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import convscope
from convscope.errors import UserError
from tests.unit.notebook.networks import photos, small


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    model, paths = small(), photos(tmp_path_factory.mktemp("photos"), 2)
    return {
        "cam": convscope.explain(model, paths),
        "all": convscope.explain(model, paths, "integrated_gradients", "all", steps=2),
        "class free": convscope.explain(model, paths, "eigen_cam", "all"),
        "views": convscope.explain(model, paths[0], "lime", samples=20),
        "colours": convscope.explain(model, paths[0], "guided_backprop", scale="set"),
        "set": convscope.explain(model, paths, scale="set", colormap="viridis"),
        "activations": convscope.activations(model, paths[0], "conv2"),
        "filters": convscope.filter_patterns(model, "conv2", 3, size=24, steps=1, coarse_size=0),
    }


def test_every_result_draws_itself_and_says_what_it_is(results: dict[str, object]) -> None:
    for name, result in results.items():
        picture = result.picture()  # type: ignore[attr-defined]
        assert picture.dtype == np.uint8 and picture.shape[2] == 3, name
        np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(result._repr_png_()))), picture)  # type: ignore[attr-defined]
        assert "\n" not in repr(result) and "model 'net'" in repr(result) and "float" in repr(result)
    assert "maps (2, 13, 13) float32" in repr(results["cam"])
    assert "maps (2, 3, 32, 32, 3) float32" in repr(results["all"])


def test_a_figure_is_the_picture_pixel_for_pixel(results: dict[str, object]) -> None:
    for result in results.values():
        figure = result.show()  # type: ignore[attr-defined]
        assert isinstance(figure, Figure)
        figure.canvas.draw()
        drawn = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
        np.testing.assert_array_equal(drawn, result.picture())  # type: ignore[attr-defined]


def test_a_cell_shows_a_figure_once(results: dict[str, object], monkeypatch: pytest.MonkeyPatch) -> None:
    displayed: list[object] = []
    session = SimpleNamespace(execution_count=1)
    package, display = ModuleType("IPython"), ModuleType("IPython.display")
    package.get_ipython = lambda: session  # type: ignore[attr-defined]
    display.Image = lambda data, format: data  # type: ignore[attr-defined]
    display.display = displayed.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "IPython", package)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    figure = results["cam"].show()  # type: ignore[attr-defined]
    figure._ipython_display_()  # the cell ends in it
    assert displayed == [results["cam"]._repr_png_()]  # type: ignore[attr-defined]
    session.execution_count = 2
    figure._ipython_display_()  # another cell ends in it
    assert len(displayed) == 2


def test_a_mistake_is_one_line_in_a_notebook_too() -> None:
    assert UserError("method 'x' does not exist")._render_traceback_() == ["UserError: method 'x' does not exist"]


def test_pictures_and_arrays_are_saved(results: dict[str, object], tmp_path: Path) -> None:
    for name, result in results.items():
        path = result.save(tmp_path / f"{name}.png")  # type: ignore[attr-defined]
        np.testing.assert_array_equal(np.asarray(Image.open(path)), result.picture())  # type: ignore[attr-defined]
        with np.load(result.save(tmp_path / f"{name}.npz")) as file:  # type: ignore[attr-defined]
            for key, values in result.arrays().items():  # type: ignore[attr-defined]
                np.testing.assert_array_equal(file[key], values)
    assert {"maps", "predictions", "images", "completeness_gap"} <= set(results["all"].arrays())  # type: ignore[attr-defined]
    results["cam"].save(tmp_path / "cam.JPG")  # type: ignore[attr-defined]
    for wrong, says in (("cam.h5", "ends in .png or .jpg"), ("no/cam.png", "there is no folder"), ("cam", "ends in")):
        with pytest.raises(UserError, match=says):
            results["cam"].save(tmp_path / wrong)  # type: ignore[attr-defined]


def test_a_class_free_map_is_drawn_once_an_image(results: dict[str, object]) -> None:
    free, every = results["class free"].picture(), results["all"].picture()  # type: ignore[attr-defined]
    assert free.shape[0] < every.shape[0]  # two cells in a row, and six in two
    assert results["class free"].maps.shape == (2, 3, 13, 13)  # type: ignore[attr-defined]


def test_a_small_picture_is_enlarged_so_that_its_caption_is_one_line() -> None:
    from convscope.notebook.sheet import with_caption

    tiny = np.random.default_rng(0).integers(0, 255, (10, 26, 3), dtype=np.uint8)
    sheet = with_caption(tiny, "conv1: 1 channel of 8x8")
    assert sheet.shape[1] == 240 + 16 and sheet.shape[0] < 10 * 9 + 16 + 30
    left = 8 + (240 - 26 * 9) // 2
    np.testing.assert_array_equal(sheet[8 : 8 + 90 : 9, left : left + 26 * 9 : 9], tiny)
    wide = np.zeros((20, 300, 3), np.uint8)
    assert with_caption(wide, "all of it").shape[1] == 316


def test_an_empty_map_says_so(results: dict[str, object]) -> None:
    import dataclasses

    cam = results["cam"]
    empty = dataclasses.replace(cam, maps=np.zeros_like(cam.maps))  # type: ignore[attr-defined, type-var]
    np.testing.assert_allclose(empty.overlays, (cam.images * 0.6).astype(np.uint8), atol=1)  # type: ignore[attr-defined]
    assert empty._caption(0, 0, False).endswith("none, the map is empty")  # type: ignore[attr-defined]
