"""Models made of another model of the study: chains, circles, and the layers that are known before anything is there."""

from typing import Any

import pytest

from convscope.errors import UserError
from convscope.models.bases import chain, check_base, check_layers, known_layers
from tests.completed import model

CLASSES = ["cat", "dog"]


def study(**transferred: dict[str, Any]) -> dict[str, dict[str, Any]]:
    net = model(architecture="mini_xception")
    return {"net": net, **{name: model("transfer", **given) for name, given in transferred.items()}}


def test_a_base_may_have_a_base() -> None:
    assert chain(study(one={"base": "net"}, two={"base": "one"}), "two") == ["two", "one", "net"]


@pytest.mark.parametrize(
    ("models", "name", "said"),
    [
        (study(one={"base": "nett"}), "one", "models.one.base: model 'nett' does not exist; did you mean 'net'?"),
        (study(one={"base": "one"}), "one", "models.one.base: one -> one is a circle; name a model that"),
        (
            study(one={"base": "two"}, two={"base": "three"}, three={"base": "two"}),
            "one",
            "models.three.base: two -> three -> two is a circle",
        ),
    ],
    ids=["no such model", "itself", "a circle"],
)
def test_a_base_that_leads_nowhere(models: dict[str, Any], name: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        check_base(f"models.{name}", models, name, CLASSES)
    assert str(error.value).startswith(said)


def test_the_layers_of_a_base_are_known_up_to_the_cut() -> None:
    models = study(whole={"base": "net"}, cut={"base": "whole", "layer": "block2_sepconv2_bn"})
    assert known_layers(models, "whole") == known_layers(models, "net")
    names = [layer.name for layer in known_layers(models, "cut") or []]
    assert names[-2:] == ["block2_sepconv1", "block2_sepconv2"] and names[0] == "stem_conv"
    with pytest.raises(UserError, match=r"^filters\.cut\.layers: layer 'block3_sepconv1' does not exist"):
        check_layers("filters.cut", ["block2", "block3_sepconv1"], models, "cut")
    models = study(cut={"base": "net", "layer": "block13_residual_add"})
    models["net"] = model("preset", preset="xception_41_imagenet")
    check_base("models.cut", models, "cut", CLASSES)
    assert (known_layers(models, "cut") or [])[-1].name == "block13_pool"
    # In the middle flow a block's shortcut has no layer of its own, so that its sum is all that is called after it.
    models["cut"] = model(
        "transfer", base="net", layer="block8_residual_add", fine_tune={"from": "block7_residual_add"}
    )
    check_base("models.cut", models, "cut", CLASSES)
    assert (known_layers(models, "cut") or [])[-1].name == "block8_sepconv3"
    assert known_layers({"net": model("application"), "one": model("transfer", base="net")}, "one") is None


@pytest.mark.parametrize(
    ("given", "classes", "said"),
    [
        ({"layer": "block9_pool"}, CLASSES, "models.one.layer: layer 'block9_pool' does not exist"),
        ({"fine_tune": {"from": "blok5"}}, CLASSES, "models.one.fine_tune.from: layer 'blok5' does not exist; did you"),
        (
            {"layer": "block3_add", "fine_tune": {"from": "block4"}, "output": "softmax"},
            None,
            "models.one.fine_tune.from: layer 'block4' does not exist",
        ),
        (
            {"output": "sigmoid"},
            ["a", "b", "c"],
            "models.one.output: one sigmoid tells two classes apart, and datasets.pictures has 3; use softmax",
        ),
    ],
    ids=["cut", "fine-tuning", "fine-tuning behind the cut", "sigmoid of three classes"],
)
def test_what_does_not_fit_is_said_at_the_start(given: dict[str, Any], classes: list[str] | None, said: str) -> None:
    with pytest.raises(UserError) as error:
        check_base("models.one", study(one={"base": "net", **given}), "one", classes)
    assert str(error.value).startswith(said)


def test_a_base_without_convolutions_is_no_backbone(tmp_path: Any) -> None:
    import keras

    path = tmp_path / "dense.keras"
    keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Flatten(), keras.layers.Dense(2)]).save(path)
    models = {"net": model("file", path=str(path)), "one": model("transfer", base="net")}
    with pytest.raises(UserError, match=r"^models\.one\.base: 'net' has no convolution or pooling layer"):
        check_base("models.one", models, "one", CLASSES)


def test_a_network_of_pixels_is_cut_where_it_is_told() -> None:
    net = model(architecture="encoder_decoder")
    models = {"net": net, "one": model("transfer", base="net")}
    layer = (known_layers(models, "net") or [])[2].name
    with pytest.raises(UserError, match=r"^models\.one\.base: 'net' ends in a class for every pixel"):
        check_base("models.one", models, "one", CLASSES)
    check_base("models.one", {"net": net, "one": model("transfer", base="net", layer=layer)}, "one", CLASSES)


def test_what_fits_passes() -> None:
    for given in ({}, {"layer": "block3_add", "fine_tune": {"from": "block3"}}, {"fine_tune": {"from": "stem_conv"}}):
        check_base("models.one", study(one={"base": "net", **given}), "one", CLASSES)
