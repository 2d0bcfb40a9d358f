"""What there is to do, from the config alone."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from convscope.config import complete
from convscope.planning.needs import NEEDS, Need, seconds
from convscope.planning.work import UNKNOWN_PICTURES, Study
from scripts.needs_page import ROOT

CONFIGS = sorted([ROOT / "config.yaml", *(ROOT / "config").glob("*.yaml")])


def study(path: Path = ROOT / "config" / "tiny.yaml", **changes: Any) -> Study:
    return Study(complete({**yaml.safe_load(path.read_text(encoding="utf-8")), **changes}))


def wildcards(config: dict[str, Any]) -> list[dict[str, str]]:
    """The names that jobs of a study have, as far as its config says; every rule takes those that it knows."""
    found = []
    for model in config["models"]:
        for images in [*config["image_sets"], ""]:
            for dataset in [*config["datasets"], ""]:
                found.append({"model": model, "images": images, "dataset": dataset})
    return found


def test_pictures_of_a_dataset_and_of_a_set() -> None:
    tiny = study()
    assert tiny.dataset("pets") == 2 * (16 + 8 + 8 + 4)
    assert tiny.images("few") == 2 * 2 and tiny.images("wrong") == 3
    sets = {
        "all": {"dataset": "pets", "split": "test"},
        "cats": {"dataset": "pets", "split": "test", "classes": ["cat"]},
        "folder": {"folder": "somewhere"},
        "files": {"files": ["a.png", "b.png"]},
    }
    more = study(image_sets={**tiny.config["image_sets"], **sets})
    assert [more.images(name) for name in sets] == [16, 8, None, 2]
    assert more.set({"images": "folder"}) == UNKNOWN_PICTURES


def test_a_table_of_the_users_is_judged_by_its_size(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("path,class\n" + "a/picture/with/a/long/path/of/sixty/letters/0001.jpg,cat\n" * 1000)
    data = {"source": "table", "path": str(table), "columns": {"path": "path", "class": "class"}}
    counted = Study({"datasets": {"sheet": data}}).dataset("sheet")
    assert 500 < counted < 2000
    assert Study({"datasets": {"sheet": {**data, "path": "gone.csv"}}}).dataset("sheet") == UNKNOWN_PICTURES


def test_a_network_costs_what_it_is_wide() -> None:
    default = study(ROOT / "config.yaml")
    wide = study(ROOT / "config.yaml", models={"net": {**default.config["models"]["xception"], "width": 1.0}})
    assert 1.0 <= wide.cost("net") < 1.1 and wide.width("net") == 1.0
    assert default.cost("xception") < default.cost("convnet") < 0.2
    assert default.pixels("convnet") == pytest.approx(112 * 112 / 1e6)


def test_more_images_more_steps_more_work() -> None:
    names = {"model": "net", "images": "few", "family": "shared", "method": "integrated_gradients", "shard": "0000"}
    tiny = study()
    part = tiny.config["attributions"]["net"]
    more = study(attributions={"net": {**part, "integrated_gradients": {"steps": 60}}})
    assert more.work("attribution", names).seen == pytest.approx(10 * tiny.work("attribution", names).seen)
    larger = study(attributions={"net": {**part, "shard": 1}})
    assert larger.work("attribution", names).pictures == 1
    assert tiny.work("attribution", names).pictures == 3, "a shard, for the set has four images"


def test_concepts_of_more_classes_take_longer() -> None:
    """As many as are looked at: those that most pictures are taken for."""
    names = {"model": "net", "images": "few"}

    def asked(classes: int, wanted: Any = "all") -> Study:
        found = study(concepts={"net": {"images": ["few"], "classes": wanted}})
        data = {**found.config["datasets"]["pets"], "source": "folder", "classes": [f"c{k}" for k in range(classes)]}
        return Study({**found.config, "datasets": {"pets": data}})

    two, six, hundred = (asked(count).work("concept_patterns", names).seen for count in (2, 6, 100))
    assert six == pytest.approx(3 * two) and hundred == pytest.approx(4 * two)
    assert asked(100, ["cat", "dog"]).work("concept_patterns", names).seen == pytest.approx(two)
    assert asked(6).work("concept_vectors", names).seen > 1.05 * asked(2).work("concept_vectors", names).seen


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_every_rule_of_every_ready_study_is_known(path: Path) -> None:
    asked = study(path)
    stages = ("cams", "attributions", "activations", "filters", "judging", "watching", "segmentation")
    for stage in stages:
        for model, part in asked.config[stage].items():
            for images in part.get("images", [""]):
                names = {"model": model, "images": images, "method": "saliency", "family": "shared", "preset": "fast"}
                for rule in {"cams": ["cam", "overlays"], "attributions": ["attribution"], "filters": ["ascend"], "judging": ["judge"],
                             "activations": ["activations"], "watching": ["watch"], "segmentation": ["segment"]}[stage]:  # fmt: skip
                    assert asked.work(rule, names).seen > 0 or rule == "overlays"
    for model, part in asked.config["models"].items():
        rule = {"train": "train_model", "transfer": "transfer_model"}.get(part["source"], "import_model")
        assert rule in NEEDS and asked.work(rule, {"model": model}).seen >= 0


NAMES = {
    "model": "net", "images": "few", "dataset": "pets", "split": "test", "shard": "0000", "layer": "stem_conv",
    "preset": "textbook", "family": "shared", "method": "integrated_gradients", "region": "predicted", "objective": "cat",
    "comparison": "all", "number": "1",
}  # fmt: skip


def every_stage(times: int) -> Study:
    """A study of every stage, so many times as large in all that a config can say."""
    own, sets = {"layers": ["stem_conv"]}, {"images": ["few"]}
    filters = {"filters": 2 * times, "objectives": {"cat": {"class": "cat", "patterns": times}}}
    return study(
        datasets={"pets": {"source": "drawn_pets", "images_per_class": dict.fromkeys(("train", "validation", "test"), 9 * times)}},
        models={
            "net": {"source": "train", "architecture": "encoder_decoder", "dataset": "pets", "epochs": times},
            "new": {"source": "transfer", "base": "net", "dataset": "pets"},
        },
        image_sets={"few": {"dataset": "pets", "split": "test"}},
        activations={"net": {**own, **sets, "sheets": times}},
        filters={"net": {**own, **filters}},
        units={"net": sets},
        concepts={"net": {**sets, "found": times}},
        segmentation={"net": {**sets, "gradcam": {"limit": times}}},
        cams={"net": sets},
        attributions={"net": {**sets, "methods": ["integrated_gradients"]}},
        judging={"net": {**sets, "limit": times}},
        strategies={"net": sets},
        comparisons={"all": {"models": ["net", "new"], "split": "pets/test"}},
        watching={"net": {**sets, "limit": times, "filters": {"filters": times}}},
    )  # fmt: skip


def _grows(need: Need) -> bool:
    return bool(need.mb_held or need.mb_thousand or need.s_thousand or need.gpu)


@pytest.mark.parametrize("rule", [rule for rule, need in NEEDS.items() if _grows(need)])
def test_what_takes_more_for_more_work_is_told_how_much_there_is(rule: str) -> None:
    """A line of the table that says "so much a thousand pictures" asks for nothing by it where nobody counts them."""
    need = NEEDS[rule]
    works = [every_stage(times).work(rule, NAMES) for times in (1, 5)]
    small, large = (seconds(rule, work) + need.mb_held * work.held + need.mb_thousand * work.pictures for work in works)
    assert need.s < small < large


def test_of_a_large_set_some_pictures_are_explained_by_regions_each_for_every_class() -> None:
    def seen(pictures: int, limit: int, classes: Any = "all") -> float:
        net = {"source": "train", "architecture": "encoder_decoder", "dataset": "pets"}
        more = study(
            models={"net": net},
            image_sets={"many": {"dataset": "pets", "split": "test", "limit": pictures}},
            segmentation={"net": {"images": ["many"], "gradcam": {"limit": limit, "classes": classes}}},
        )
        return more.work("segmentation_cam", {"model": "net", "images": "many", "region": "predicted"}).seen

    assert seen(8, 2) == seen(2, 2) == seen(2, 8) == seen(8, 8) / 4
    assert seen(8, 2, ["body"]) < seen(8, 2, ["body", "head"]) < seen(8, 2, list("abcdefgh"))
