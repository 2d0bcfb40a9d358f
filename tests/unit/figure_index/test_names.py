"""The figure index: every method has its figure, and the lines that it gives are a config that asks for it."""

from typing import Any

import pytest
import yaml

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from convscope.config import complete, load_schema
from convscope.errors import UserError
from convscope.figure_index import sources
from convscope.figure_index.names import FIGURES, sources_of
from scripts.figures_page import PAGE, page

BASE = """
study: own
datasets:
  my_data: {source: path, path: photos}
models:
  my_model: {source: file, path: model.keras}
image_sets:
  my_pictures: {dataset: my_data, split: test, per_class: 4}
"""
# What shows the picture itself has to be some stage.
SHOWN = "cams:\n  my_model: {images: [my_pictures]}"


def no_layers(model: str) -> list[str]:
    return ["block2_conv1"]


def merged(base: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    return base | {
        key: merged(base.get(key, {}), value) if isinstance(value, dict) and key != "my_model" else value
        for key, value in more.items()
    }


def asking(name: str) -> dict[str, Any]:
    """The base study with the lines that the index gives for a figure."""
    text = FIGURES[name].config
    # One YAML text of sections; two lists of sections are merged by hand.
    return merged(yaml.safe_load(BASE), yaml.safe_load(text)) | (yaml.safe_load(SHOWN) if name == "test_photo" else {})


@pytest.mark.parametrize("name", FIGURES)
def test_the_lines_of_the_index_ask_for_the_figure_and_the_base_does_not(name: str) -> None:
    config = complete(asking(name))
    found = sources_of(name, config, no_layers)
    assert found and all(source.files for source in found)
    labels = [source.label for source in found]
    assert len(set(labels)) == len(labels), "two would be written to one file"
    with pytest.raises(UserError, match=rf"figures/{name}: the study asks for none; its config wants: \w+:"):
        sources_of(name, complete(yaml.safe_load(BASE)), no_layers)


def test_a_figure_is_called_what_it_is_of_the_models_at_hand() -> None:
    roc = FIGURES["roc"]
    assert roc.title_of(["binary", "multiclass"]) == roc.title_of([]) == "ROC curves"
    assert roc.title_of(["regression", "regression"]) == "Share of images by error"
    assert roc.title_of(["binary", "multilabel"]) == "ROC curves; ROC and precision by recall"
    assert FIGURES["heatmap"].title_of(["regression"]) == FIGURES["heatmap"].title


def test_every_method_has_a_figure_of_its_name() -> None:
    assert set(CAMS) | set(ATTRIBUTIONS) <= set(FIGURES)


def test_an_unknown_figure_is_told_with_the_nearest() -> None:
    with pytest.raises(UserError, match=r"figures/rock: no such figure; did you mean 'roc'"):
        sources_of("rock", complete(yaml.safe_load(BASE)), no_layers)


def test_errors_are_known_by_the_group_and_not_by_the_name_of_a_class() -> None:
    groups = {
        "a": "most_wrong",
        "b": {"false_negatives": "cat"},
        "c": "true_positives:false_alarm",
        "d": {"true_positives": "errors"},
    }
    config = {
        "image_sets": {name: {"group": group} for name, group in groups.items()} | {"e": {"dataset": "my_data"}},
        "activations": {"net": {"images": [*groups, "e"], "sheets": 1}},
    }
    assert [source.label for source in sources.misclassified_activations(config, no_layers)] == ["net a", "net b"]


def test_a_set_that_segmentation_alone_shows_has_its_photo() -> None:
    config = {"image_sets": {"some": {}}, "segmentation": {"net": {"images": ["some"]}}}
    assert [source.label for source in sources.photos(config, no_layers)] == ["some"]


def test_the_page_of_the_docs_is_that_of_the_index() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: make docs"


def test_every_stage_of_a_study_has_figures() -> None:
    stages = set(load_schema()["properties"]) - {"study", "title", "seed", "backend", "gpu", "datasets"}
    assert stages == {stage for figure in FIGURES.values() for stage in yaml.safe_load(figure.config)} | {"models"}
