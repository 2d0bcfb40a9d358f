"""Which jobs go together: seconds with seconds, never two with one between them that is left out."""

from pathlib import Path
from typing import Any

import yaml

from convscope.config import complete
from convscope.planning.groups import group_of
from convscope.planning.work import Study
from scripts.needs_page import ROOT

TINY = ROOT / "config" / "tiny.yaml"


def study(path: Path = TINY, **changes: Any) -> Study:
    return Study(complete({**yaml.safe_load(path.read_text(encoding="utf-8")), **changes}))


def of(study: Study, rule: str, position: int = 0, **names: str) -> str | None:
    return group_of(study, rule, {"model": "net", **names}, lambda: position)


def test_a_stage_of_seconds_is_one_submission() -> None:
    tiny = study()
    names = {"images": "few", "method": "gradcam", "family": "shared", "shard": "0001"}
    found = {of(tiny, rule, **names) for rule in ("cam", "gather_cam", "overlays")}
    assert found == {of(tiny, "cam", **{**names, "images": "wrong", "shard": "0000"})} != {None}
    names["method"] = "integrated_gradients"
    rules = ("attribution", "gather_attribution", "attribution_figures", "side_by_side")
    assert len({of(tiny, rule, **names) for rule in rules}) == 1


def test_what_trains_is_alone_and_so_are_the_pages() -> None:
    for rule in ("train_model", "transfer_model", "train_seed", "train_autoencoder", "train_segmentation", "gallery"):
        assert of(study(), rule) is None


def test_a_set_of_unknown_size_is_not_one_submission() -> None:
    """Its shards are, as many as come to five minutes; what joins nobody knows how many goes by itself."""
    tiny = study()
    large = study(
        image_sets={**tiny.config["image_sets"], "few": {"folder": "somewhere"}},
        cams={"net": {"images": ["few"], "methods": ["gradcam", "score_cam"], "shard": 100}},
    )
    names = {"images": "few", "family": "shared"}
    shards = [of(large, "cam", shard=f"{number:04d}", **names) for number in range(200)]
    assert shards[0] == shards[1] and 2 < len(set(shards)) < 40
    assert of(large, "gather_cam", images="few", method="gradcam") is None


def test_of_a_long_stage_what_joins_and_draws_one_methods_maps_goes_together() -> None:
    tiny = study()
    pets = {
        **tiny.config["datasets"]["pets"],
        "images_per_class": {"train": 16, "test": 9000, "validation": 8, "shifted": 4},
    }
    known = {"datasets": {"pets": pets}, "image_sets": {"few": {"dataset": "pets", "split": "test", "per_class": 1000}}}
    part = {"images": ["few"], "methods": ["gradcam", "score_cam"]}
    long = study(
        **known, cams={"net": {**part, "shard": 100}}, activations={}, attributions={}, judging={}, watching={}
    )
    drawn = {of(long, rule, images="few", method="gradcam") for rule in ("gather_cam", "overlays")}
    assert len(drawn) == 1 and drawn not in ({None}, {of(long, "gather_cam", images="few", method="score_cam")})
    assert of(long, "cam", images="few", family="shared", shard="0000") not in drawn
    more = study(**known, cams={"net": {**part, "shard": 10}}, activations={}, attributions={}, judging={}, watching={})
    assert of(more, "gather_cam", images="few", method="gradcam") is None, "of two hundred shards"


def test_layers_go_together_until_they_come_to_five_minutes() -> None:
    tiny = study()
    layers = [of(tiny, "ascend", position, preset="textbook", layer="x") for position in range(60)]
    assert 1 < len(set(layers)) < 4
    assert layers[5] == of(tiny, "filter_grid", 5, preset="textbook", layer="x")
    model = {"source": "application", "application": "Xception"}
    real = study(models={"net": model}, filters={"net": {"filters": "all"}}, **{
        stage: {} for stage in ("evaluations", "image_sets", "activations", "cams", "attributions", "judging", "watching")
    })  # fmt: skip
    assert of(real, "ascend", 5, preset="textbook", layer="x") is None
    assert of(real, "filter_grid", 5, preset="textbook", layer="x") is not None


def test_a_long_dataset_leaves_its_drawings_together() -> None:
    default = study(ROOT / "config.yaml")
    assert of(default, "draw_pets", dataset="pets") == of(default, "contact_sheet", dataset="pets") is not None
    pets = {
        **default.config["datasets"]["pets"],
        "images_per_class": {"train": 40_000, "test": 100, "validation": 100, "shifted": 100},
    }
    large = study(ROOT / "config.yaml", datasets={"pets": pets})
    assert of(large, "draw_pets", dataset="pets") is None and of(large, "dataset", dataset="pets") is None
    assert of(large, "image_set", images="test") == of(large, "masks", dataset="pets")


def test_what_waits_for_an_evaluation_goes_with_it_or_apart_from_what_does_not() -> None:
    tiny = study()
    together = {of(tiny, rule, dataset="pets", split="test") for rule in ("layers", "evaluate", "classifier_report")}
    assert together == {of(tiny, "image_set", images="wrong")} and of(tiny, "image_set", images="few") not in together
    model = {"source": "application", "application": "Xception"}
    pets = {
        **tiny.config["datasets"]["pets"],
        "images_per_class": {"train": 16, "test": 9000, "validation": 8, "shifted": 4},
    }
    slow = study(models={"net": model}, datasets={"pets": pets}, watching={})
    assert of(slow, "evaluate", dataset="pets", split="test") is None
    assert of(slow, "layers") != of(slow, "classifier_report", dataset="pets", split="test")


def test_where_one_job_of_a_stage_is_long_they_are_not_one_submission() -> None:
    tiny = study()
    stages = ("evaluations", "activations", "cams", "attributions", "judging", "watching", "filters")

    def concepts(found: int) -> set[str | None]:
        part = {"images": ["few"], "found": found, "patterns": "textbook", "base_points": 8, "limit": 1}
        few = {"few": tiny.config["image_sets"]["few"]}
        asked = study(concepts={"net": part}, image_sets=few, **{stage: {} for stage in stages})
        return {of(asked, rule, images="few") for rule in ("concept_vectors", "concept_patterns", "concept_sheets")}

    assert len(concepts(6)) == 1 and None not in concepts(6)
    assert concepts(64) == {None}
