"""Figures of comparisons: what is drawn, and that the same numbers give the same bytes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.comparisons.figures import band, draw_costs, draw_curves, look
from convscope.comparisons.report import summaries

NAMES = ("plain", "residual", "mini_xception")


def history(epochs: int, offset: float) -> list[dict[str, float]]:
    values = [1 - 0.5 / (1 + epoch) - offset for epoch in range(epochs)]
    keys = ("accuracy", "val_accuracy", "loss", "val_loss")
    return [{"epoch": i + 1, **dict.fromkeys(keys, value)} for i, value in enumerate(values)]


def test_a_band_goes_as_far_as_all_seeds_do() -> None:
    least, mean, most = band([history(5, 0.0), history(3, 0.1)], "loss")
    assert len(mean) == 3
    np.testing.assert_allclose(most - least, 0.1)
    np.testing.assert_allclose(mean, (least + most) / 2)


def test_curves(tmp_path: Path) -> None:
    curves = {name: [history(6, 0.02 * place), history(4, 0.03 * place)] for place, name in enumerate(NAMES)}
    for name in ("one.png", "two.png"):
        draw_curves(curves, "ablation", tmp_path / name)
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    seen = {tuple(colour) for _, colour in Image.open(tmp_path / "one.png").convert("RGB").getcolors(1 << 20)}
    assert all(tuple(bytes.fromhex(str(look(place)["color"])[1:])) in seen for place in range(3)), "a line a model"


@pytest.mark.parametrize("seeds", [1, 3])
def test_costs(tmp_path: Path, seeds: int) -> None:
    random = np.random.default_rng(0)
    right = {name: (random.random((50, seeds)) < 0.8).astype(float) for name in NAMES}
    rows = [
        {
            "model": name,
            "parameters": 10 ** (3 + place),
            "multiply_adds": 1_000_000 * (place + 1),
            "seconds": 2.0 + number,
            "accuracy": float(right[name][:, number].mean()),
            "val_accuracy": 0.8,
            "train_accuracy": 0.9,
        }
        for place, name in enumerate(NAMES)
        for number in range(seeds)
    ]
    draw_costs(summaries(rows, right), rows, "ablation", tmp_path / "costs.png")
    assert Image.open(tmp_path / "costs.png").width == 1320


def test_long_names_stand_below_each_other(tmp_path: Path) -> None:
    def made(name: str) -> tuple[int, int]:
        curves = {f"{name}{place}": [history(3, 0.0)] for place in range(4)}
        draw_curves(curves, "long", tmp_path / "long.png")
        picture = np.asarray(Image.open(tmp_path / "long.png").convert("L"))
        dark = np.flatnonzero((picture < 128).any(axis=0))
        return int(dark[0]), picture.shape[1] - int(dark[-1])

    assert min(made("x" * 58)) > 3, "no name is cut at the borders"


def test_models_look_different() -> None:
    assert len({(look(i)["color"], look(i)["linestyle"]) for i in range(24)}) == 24
