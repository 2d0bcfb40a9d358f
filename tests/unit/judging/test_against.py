"""Where the maps of two models lie, compared image by image."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convscope.check import check_study
from convscope.config import complete
from convscope.errors import UserError
from convscope.judging import store as judged_store
from convscope.judging.against import ALIKE, COLUMNS, LESS, MORE, TOO_FEW, Judgement, against, revealing
from convscope.judging.methods import Judged
from scripts import judging_against

KEYS = [f"pet{number}" for number in range(20)]


def judgement(energy: Any, pointing: Any = None, keys: list[str] = KEYS) -> Judgement:
    metrics = {"energy": np.asarray(energy, float)}
    if pointing is not None:
        metrics["pointing"] = np.asarray(pointing, float)
    return Judgement(keys, metrics)


def test_a_difference_is_paired_by_image() -> None:
    # Images differ far more than the models do: only image by image can the difference be seen.
    base = np.linspace(0.1, 0.9, 20)
    noise = np.random.default_rng(0).normal(0, 0.002, 20)
    rows = against(
        {"less": judgement(base - 0.02), "more": judgement(base + 0.02), "alike": judgement(base + noise)},
        {name: judgement(base) for name in ("less", "more", "alike")},
    )
    assert [row["shows"] for row in rows] == [LESS, MORE, ALIKE]
    assert rows[0]["difference"] == pytest.approx(-0.02) == rows[0]["difference_low"]
    assert rows[0]["mean"] == pytest.approx(0.48) and rows[0]["other_mean"] == pytest.approx(0.5)
    assert rows[0]["low"] < 0.4 < 0.56 < rows[0]["high"]
    assert revealing(rows) == ["less"]


def test_what_is_undefined_for_one_model_counts_for_neither() -> None:
    mine, other = np.full(20, 0.2), np.full(20, 0.6)
    mine[3], other[5] = np.nan, np.nan
    (row,) = against({"m": judgement(mine)}, {"m": judgement(other), "only there": judgement(other)})
    assert row["images"] == 18 and row["difference"] == pytest.approx(-0.4)
    assert against({"m": judgement(np.full(20, np.nan))}, {"m": judgement(other)}) == []


def test_controls_reveal_nothing() -> None:
    rows = against({"edges": judgement(np.zeros(20))}, {"edges": judgement(np.ones(20))})
    assert rows[0]["shows"] == ALIKE and rows[0]["p"] is None and revealing(rows) == []
    assert revealing([row | {"shows": LESS} for row in rows]) == []


def test_few_images_reveal_nothing() -> None:
    for count in (1, 7):
        few = KEYS[:count]
        (row,) = against(
            {"m": judgement(np.full(count, 0.1), keys=few)}, {"m": judgement(np.full(count, 0.9), keys=few)}
        )
        assert row["shows"] == TOO_FEW and revealing([row]) == [] and row["p"] is None
        assert row["difference"] == pytest.approx(-0.8)
    assert row["difference_low"] == pytest.approx(-0.8)
    (row,) = against({"m": judgement([0.1, 0.2], keys=["a", "b"])}, {"m": judgement([0.5, 0.2], keys=["a", "b"])})
    assert row["low"] is None and row["difference_high"] is None  # two pictures bound nothing


def test_what_is_asked_more_often_is_believed_less_easily() -> None:
    # p = 2 / 256 for a method alone: of eight pictures all eight lie less on the object.
    base, keys = np.linspace(0.3, 0.8, 8), KEYS[:8]
    mine, other = {"m": judgement(base - 0.1, keys=keys)}, {"m": judgement(base, keys=keys)}
    assert against(mine, other)[0]["p"] == pytest.approx(2 / 256, rel=1e-3)
    assert revealing(against(mine, other)) == ["m"]
    noise = np.random.default_rng(0).normal(0, 0.1, (9, 8))
    for number, part in enumerate(noise):
        mine[f"m{number}"], other[f"m{number}"] = judgement(base + part, keys=keys), judgement(base, keys=keys)
    rows = against(mine, other)
    assert rows[0]["p"] == pytest.approx(20 / 256, rel=1e-3) and rows[0]["shows"] == ALIKE
    assert rows[0]["needed"] >= 8
    assert revealing(rows) == []


def test_other_images_are_not_compared() -> None:
    with pytest.raises(UserError, match="other images"):
        against({"m": judgement([0.1, 0.2], keys=["a", "b"])}, {"m": judgement([0.1, 0.2], keys=["a", "c"])})


def test_the_script_writes_table_figure_and_verdict(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)

    def write(model: str, method: str, level: float) -> Path:
        path = tmp_path / model / f"{method}.h5"
        path.parent.mkdir(exist_ok=True)
        metrics = {"energy": np.clip(level + rng.normal(0, 0.05, 20), 0, 1), "pointing": (rng.random(20) < level) * 1.0}
        subject: Any = SimpleNamespace(keys=KEYS, targets=np.zeros(20, np.int64))
        judged_store.write(path, subject, Judged(metrics=metrics, regions={}), method=method, model=model)
        return path

    mine = [write("cheat", "gradcam", 0.2), write("cheat", "saliency", 0.5)]
    other = [write("honest", "gradcam", 0.7), write("honest", "saliency", 0.5)]
    judging_against.main(
        SimpleNamespace(judged=mine, other=other, name="cheat", other_name="honest", seed=0, out=tmp_path)  # type: ignore[arg-type]
    )
    with (tmp_path / "against.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == COLUMNS
    assert [(r["method"], r["metric"]) for r in rows if r["shows"] == LESS] == [
        ("gradcam", m) for m in ("energy", "pointing")
    ]
    assert json.loads((tmp_path / "against.json").read_text())["revealing"] == ["gradcam"]
    assert (tmp_path / "against.png").stat().st_size > 5000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"against": "honnest"}, "judging.cheat.against: model 'honnest' is not another model of judging.*honest"),
        ({"against": "cheat"}, "is not another model"),
        ({"against": "honest", "images": ["few", "more"]}, "is not judged on image set 'more'"),
        ({"against": "honest", "limit": 3}, "judging.cheat.limit"),
        ({"against": "honest", "metrics": ["curves"]}, "judging.cheat.metrics: add localisation"),
    ],
)
def test_the_config_is_checked(change: dict[str, Any], message: str) -> None:
    pets = {"source": "drawn_pets", "images_per_class": {"train": 4, "validation": 4, "test": 4}}
    model = {"source": "train", "architecture": "mini_xception", "dataset": "pets", "image_size": 64}
    sets = {"few": {"dataset": "pets", "split": "test"}, "more": {"dataset": "pets", "split": "train"}}

    def study(part: dict[str, Any]) -> dict[str, Any]:
        return {
            "study": "s", "datasets": {"pets": pets}, "models": {"cheat": model, "honest": model}, "image_sets": sets,
            "cams": {name: {"images": ["few", "more"]} for name in ("cheat", "honest")},
            "judging": {"cheat": {"images": ["few"], **part}, "honest": {"images": ["few"]}},
        }  # fmt: skip

    check_study(complete(study({"against": "honest"})))
    with pytest.raises(UserError, match=message):
        check_study(complete(study(change)))
