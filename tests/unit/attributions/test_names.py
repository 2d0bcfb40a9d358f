"""The names of the attribution methods: in the registry, in the config's schema, and what `all` stands for."""

import keras
import numpy as np
import pytest

from convscope.attributions.baselines import BASELINES
from convscope.attributions.names import METHODS, chosen_methods, needs_background
from convscope.attributions.registry import METHODS as FACTORIES
from convscope.attributions.registry import explainer
from convscope.config import load_schema, resolved
from convscope.models.spec import ModelSpec


def test_every_name_has_a_factory() -> None:
    assert set(METHODS) == set(FACTORIES)


@pytest.mark.parametrize("name", METHODS)
def test_an_explainer_is_what_its_row_says(name: str) -> None:
    image = keras.Input((16, 16, 3))
    maps = keras.layers.Conv2D(2, 3, activation="relu", name="conv")(image)
    model = keras.Model(image, keras.layers.Dense(2)(keras.layers.GlobalAveragePooling2D()(maps)))
    spec = ModelSpec("net", (16, 16), classes=("a", "b"), head="multiclass")
    ready = explainer(name, model, spec, background=np.zeros((1, 16, 16, 3), np.float32))
    assert (ready.name, ready.signed) == (name, METHODS[name].signed)


def test_the_schema_knows_every_setting_and_no_other() -> None:
    schema = load_schema()
    properties = schema["$defs"]["attributions"]["properties"]
    for name, method in METHODS.items():
        if method.settings:
            assert set(resolved(properties[name], schema)["properties"]) == set(method.settings), name
        else:
            assert name not in properties


def test_all_leaves_out_what_not_every_network_or_budget_allows() -> None:
    everything = chosen_methods("all")
    assert {"occlusion", "lime", "kernel_shap", "integrated_gradients"} <= set(everything)
    assert not {"deep_shap", "pertinent_negative", "pertinent_positive"} & set(everything)
    assert chosen_methods(["deep_shap", "lime"]) == ["deep_shap", "lime"]


def test_who_compares_with_other_pictures() -> None:
    assert needs_background("gradient_shap", {}) and needs_background("deep_shap", {})
    assert not needs_background("kernel_shap", {})
    assert [needs_background("integrated_gradients", {"baseline": b}) for b in BASELINES] == [
        b == "mean" for b in BASELINES
    ]


def test_the_schema_offers_every_baseline() -> None:
    assert set(load_schema()["$defs"]["baseline"]["enum"]) == set(BASELINES)
    for method in ("integrated_gradients", "input_x_gradient"):
        assert METHODS[method].settings["baseline"] == BASELINES[0]
