"""Names across a study: each must lead somewhere, and if not, one line says which, where and the nearest valid one."""

import copy
from pathlib import Path
from typing import Any

import pytest

from convscope.attributions.names import METHODS
from convscope.check import check_study, classes_of, classes_of_model, splits_of
from convscope.check.explanations import _KNOWN_COLORMAPS
from convscope.config import complete, load_schema, resolved
from convscope.errors import UserError
from convscope.models.names import SMALLEST
from convscope.strategies.selection import grouped_methods


@pytest.fixture
def study(tmp_path: Path) -> dict[str, Any]:
    for folder in ("train/cat", "train/dog", "held_out/cat", "held_out/dog"):
        (tmp_path / "photos" / folder).mkdir(parents=True)
        (tmp_path / "photos" / folder / "1.jpg").write_bytes(b"x")
    (tmp_path / "a.jpg").write_bytes(b"x")
    return {
        "study": "small",
        "datasets": {
            "pets": {"source": "drawn_pets", "images_per_class": {"train": 4, "validation": 2, "test": 2}},
            "photos": {
                "source": "path",
                "path": str(tmp_path / "photos"),
                "splits": {"train": "train", "test": "held_out"},
                "classes": ["cat", "dog"],
            },
        },
        "models": {
            "net": {"source": "train", "architecture": "mini_xception", "dataset": "pets"},
            "big": {"source": "preset", "preset": "xception_41_imagenet", "classes": ["cat", "dog"]},
        },
        "evaluations": {"net": ["pets/test"], "big": ["photos/test"]},
        "image_sets": {
            "few": {"dataset": "pets", "split": "test"},
            "wrong": {"evaluation": "net", "dataset": "pets", "split": "test", "group": "errors"},
            "loose": {"files": [str(tmp_path / "a.jpg")]},
        },
        "activations": {"net": {"images": ["few"], "layers": ["stem_conv", "block2"]}},
        "filters": {"net": {"layers": ["block3_sepconv1"]}, "big": {"layers": ["block14_sepconv2"]}},
        "cams": {"net": {"images": ["few", "wrong"], "class": "dog"}, "big": {"images": ["loose"], "class": 1}},
        "attributions": {"net": {"images": ["few"], "methods": ["saliency"], "layer": "block3_sepconv1_act"}},
    }


def change(study: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    result = copy.deepcopy(study)
    part = result
    *parents, last = path.split("/")
    for key in parents:
        part = part[key]
    part[last] = value
    return result


def test_all_is_well(study: dict[str, Any]) -> None:
    check_study(complete(study))


def test_a_picture_too_small_for_its_architecture_is_told_at_the_start(study: dict[str, Any]) -> None:
    small = {"source": "train", "architecture": "convnet", "dataset": "pets", "image_size": [100, 77], "epochs": 1}
    with pytest.raises(
        UserError, match=r"models\.new\.image_size is 77, too small for architecture convnet; at least 78"
    ):
        check_study(complete(change(study, "models/new", small)))
    check_study(complete(change(study, "models/new", {**small, "image_size": 78})))
    known = load_schema()["$defs"]["train"]["properties"]["architecture"]["enum"]
    assert set(known) == set(SMALLEST)


def test_where_classes_have_numbers_for_names_a_number_is_a_name(study: dict[str, Any]) -> None:
    numbered = change(study, "models/big/classes", ["1", "2"])
    for wanted in (1, "2"):
        check_study(complete(change(numbered, "cams/big/class", wanted)))
    with pytest.raises(UserError, match=r"cams\.big\.class: no class is called 0"):
        check_study(complete(change(numbered, "cams/big/class", 0)))
    check_study(complete(change(study, "image_sets/few/classes", [0, "1", "dog"])))
    check_study(complete(change(study, "image_sets/wrong/group", {"false_negatives": 1})))
    with pytest.raises(UserError, match=r"image_sets\.few\.classes: no class number 2; it has 0 to 1"):
        check_study(complete(change(study, "image_sets/few/classes", [2])))


@pytest.mark.parametrize("group", ["false_negatives:cat", {"false_negatives": "cats"}, {"true_positives": "Dog"}])
def test_a_group_may_be_a_mapping_and_its_class_a_plural(study: dict[str, Any], group: Any) -> None:
    check_study(complete(change(study, "image_sets/wrong/group", group)))


@pytest.mark.parametrize(
    ("group", "words"),
    [({"false_negative": "cat"}, "false_negatives"), ({"false_negatives": "cow"}, "'cow'"), ({}, "group")],
)
def test_a_wrong_mapping_is_explained(study: dict[str, Any], group: Any, words: str) -> None:
    with pytest.raises(UserError, match=words) as error:
        check_study(complete(change(study, "image_sets/wrong/group", group)))
    assert "image_sets.wrong.group" in str(error.value)


def test_two_checksums_for_one_address_are_found_at_the_start(study: dict[str, Any]) -> None:
    archive = {"source": "archive", "url": "https://example.org/pets.zip"}
    for name, letter in (("one", "a"), ("two", "b")):
        study["datasets"][name] = archive | {"sha256": letter * 64}
    with pytest.raises(UserError, match=r"datasets\.two\.sha256: datasets\.one\.sha256 gives another checksum"):
        check_study(complete(study))


SET = {"dataset": "pets", "split": "test"}
MISTAKES: list[tuple[str, Any, list[str]]] = [
    ("models/net/dataset", "pet", ["models.net.dataset", "'pet'", "did you mean 'pets'?"]),
    ("models/net/dataset", "photos", ["models.net.dataset", "needs a split 'validation'", "datasets.photos"]),
    ("datasets/photos/path", "PHOTOS_", ["datasets.photos.path", "photo_", "did you mean 'photos'?"]),
    ("datasets/photos/splits", {"train": "train", "test": "heldout"}, ["splits.test", "heldout", "did you mean 'held_out'?"]),
    ("datasets/photos/classes", ["cat", "dogs"], ["datasets.photos.classes", "dogs", "did you mean 'dog'?"]),
    ("datasets/photos/images_per_class", {"train": 1}, ["datasets.photos", "splits and images_per_class exclude each other"]),
    ("evaluations/nett", ["pets/test"], ["evaluations.nett", "model 'nett'", "did you mean 'net'?"]),
    ("evaluations/net", ["pets/tets"], ["evaluations.net", "'tets'", "did you mean 'test'?"]),
    ("evaluations/net", ["pet/test"], ["evaluations.net", "dataset 'pet'", "did you mean 'pets'?"]),
    ("image_sets/few", {"dataset": "pest", "split": "test"}, ["image_sets.few.dataset", "'pest'", "did you mean 'pets'?"]),
    ("image_sets/few", {"dataset": "pest"}, ["image_sets.few.dataset", "'pest'", "did you mean 'pets'?"]),
    ("image_sets/few", {"dataset": "pets"}, ["image_sets.few", "'split' is missing", "train, validation, test"]),
    ("image_sets/few", SET | {"split": "valid"}, ["image_sets.few", "'valid'", "did you mean 'validation'?"]),
    ("image_sets/few", SET | {"classes": ["cats"]}, ["image_sets.few.classes", "'cats'", "did you mean 'cat'?"]),
    ("image_sets/few", SET | {"files": ["a.jpg"]}, ["image_sets.few", "dataset and files"]),
    ("image_sets/few", {"limit": 3}, ["image_sets.few", "name one of dataset, files, folder"]),
    ("image_sets/loose", {"files": ["b.jpg"]}, ["image_sets.loose.files", "'b.jpg'", "does not exist"]),
    ("image_sets/loose", {"urls": ["file:///no/b.jpg"]}, ["image_sets.loose.urls", "'/no/b.jpg'", "does not exist"]),
    ("datasets/photos", {"source": "archive", "url": "file:///no/b.zip"}, ["datasets.photos.url", "'/no/b.zip'", "does not exist"]),
    ("image_sets/loose", {"folder": "nowhere"}, ["image_sets.loose.folder", "'nowhere'", "does not exist"]),
    ("image_sets/wrong/evaluation", "nett", ["image_sets.wrong.evaluation", "'nett'", "did you mean 'net'?"]),
    ("image_sets/wrong/split", "train", ["image_sets.wrong", "'pets/train'", "'pets/test'"]),
    ("image_sets/wrong/group", "false_negatives:cta", ["image_sets.wrong.group", "'cta'", "did you mean 'cat'?"]),
    ("image_sets/wrong", SET | {"evaluation": "net"}, ["image_sets.wrong", "'group' is missing"]),
    ("activations/net/images", ["fow"], ["activations.net.images", "image set 'fow'", "did you mean 'few'?"]),
    ("activations/net/layers", ["block22"], ["activations.net.layers", "layer 'block22'", "did you mean"]),
    ("filters/net/layers", ["block3_sepconv"], ["filters.net.layers", "'block3_sepconv'", "did you mean 'block3_sepconv"]),
    ("filters/big/layers", ["block14_sepconv3"], ["filters.big.layers", "'block14_sepconv3'", "did you mean 'block14_sepconv"]),
    ("filters/net/preset", "textbok", ["filters.net", "'textbok'", "did you mean 'textbook'?"]),
    ("filters/net/crop", 97, ["filters.net", "leaves no picture"]),
    ("filters/neet", {}, ["filters.neet", "model 'neet'", "did you mean 'net'?"]),
    ("cams/net/images", ["few", "wrongs"], ["cams.net.images", "'wrongs'", "did you mean 'wrong'?"]),
    ("cams/net/class", "dgo", ["cams.net.class", "'dgo'", "did you mean 'dog'?"]),
    ("cams/net/class", 2, ["cams.net.class", "no class number 2", "0 to 1"]),
    ("cams/net/class", -1, ["cams.net.class", "no class number -1", "0 to 1"]),
    ("cams/net/colormap", "virdis", ["cams.net.colormap", "'virdis'", "did you mean 'viridis'?"]),
    ("cams/net/layer", "block3_sepconv7", ["cams.net.layer", "'block3_sepconv7'", "did you mean 'block3_sepconv"]),
    ("cams/big/layer", "block14_sepconv3_act", ["cams.big.layer", "did you mean 'block14_sepconv"]),
    ("cams/net/methods", ["grad_cam"], ["cams.net.methods", "'grad_cam'", "did you mean 'gradcam'?"]),
    ("cams/net", {"images": ["few"], "methods": ["cam"], "gap_head": {"dataset": "pet"}}, ["cams.net.gap_head", "'pets'"]),
    ("cams/big", {"images": ["few"], "methods": ["cam"], "gap_head": {"dataset": "photos", "test": "tset"}}, ["'test'"]),
    ("cams/big/class", "true", ["cams.big.class", "needs labels", "'loose'"]),
    ("attributions/net/images", ["fow"], ["attributions.net.images", "image set 'fow'", "did you mean 'few'?"]),
    ("attributions/net/methods", ["salience"], ["attributions.net.methods", "'salience'", "did you mean 'saliency'?"]),
    ("attributions/net/methods", "al", ["attributions.net.methods", "did you mean 'all'?"]),
    ("attributions/net/class", "dgo", ["attributions.net.class", "'dgo'", "did you mean 'dog'?"]),
    ("attributions/net/layer", "block3_sepconv9", ["attributions.net.layer", "did you mean 'block3_sepconv"]),
    ("attributions/net/diverging", "coolwram", ["attributions.net.diverging", "did you mean 'coolwarm'?"]),
    ("attributions/net/smoothgrad", {"sample": 3}, ["attributions.net.smoothgrad", "'sample'", "did you mean 'samples'?"]),
    ("attributions/net/integrated_gradients", {"baseline": "gray"}, ["baseline", "'gray'", "did you mean 'grey'?"]),
    ("attributions/nett", {"images": ["few"]}, ["attributions.nett", "model 'nett'", "did you mean 'net'?"]),
    ("attributions/net/methods", ["deep_shap"], ["deep_shap cannot explain", "'block1_sepconv1'", "use kernel_shap"]),
    ("attributions/net", {"images": ["few"], "methods": ["occlusion"], "occlusion": {"patch": 4, "stride": 5}}, ["stride is 5"]),
    ("attributions/net", {"images": ["few"], "methods": "all", "occlusion": {"patch": 4, "stride": 5}}, ["stride is 5"]),
    ("attributions/net", {"images": ["few"], "methods": ["kernel_shap"], "kernel_shap": {"samples": 40}}, ["samples is 40", "120"]),
    ("attributions/net", {"images": ["few"], "methods": ["pertinent_negative"], "pertinent_negative": {"gamma": 1}}, ["gamma"]),
    (
        "attributions/net",
        {"images": ["few"], "methods": ["pertinent_positive"], "pertinent_positive": {"autoencoder": "pet"}},
        ["attributions.net.pertinent_positive.autoencoder", "did you mean 'pets'?"],
    ),
    ("attributions/net/kernel_shap", {"sample": 3}, ["attributions.net.kernel_shap", "'sample'", "did you mean 'samples'?"]),
    ("models/mine", {"source": "file", "path": "m.keras"}, ["models.mine.path", "'m.keras'", "does not exist"]),
    ("models/mine", {"source": "preset", "preset": "./nowhere"}, ["models.mine.preset", "nowhere", "does not exist"]),
    (
        "models/mine",
        {"source": "application", "application": "ResNet50", "weights": "w.h5"},
        ["models.mine.weights", "'w.h5'", "does not exist"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "words"), MISTAKES, ids=lambda part: part if isinstance(part, str) else "")
def test_mistakes(study: dict[str, Any], tmp_path: Path, path: str, value: Any, words: list[str]) -> None:
    if value == "PHOTOS_":
        value = str(tmp_path / "photo_")
    with pytest.raises(UserError) as caught:
        check_study(complete(change(study, path, value)))
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_backbone_has_no_class_to_explain(study: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "backbone").mkdir()
    (tmp_path / "backbone" / "config.json").write_text("{}")
    (tmp_path / "backbone" / "model.weights.h5").touch()
    other = change(study, "models/bare", {"source": "preset", "preset": str(tmp_path / "backbone")})
    with pytest.raises(UserError, match=r"attributions\.bare: .*backbone without a classifier"):
        check_study(complete(change(other, "attributions/bare", {"images": ["loose"]})))


def test_the_schema_knows_the_settings_of_every_method() -> None:
    schema = load_schema()
    described = schema["$defs"]["attributions"]["properties"]
    for name, method in METHODS.items():
        assert set(resolved(described.get(name, {}), schema).get("properties", {})) == set(method.settings), name


def test_the_colour_maps_known_beforehand_are_those_of_matplotlib_and_the_defaults_are_among_them() -> None:
    from matplotlib import colormaps

    assert set(_KNOWN_COLORMAPS) <= set(colormaps)
    defaults = [
        part["properties"][key]["default"]
        for part in load_schema()["$defs"].values()
        for key in ("colormap", "diverging")
        if key in part.get("properties", {})
    ]
    assert len(defaults) >= 3 and set(defaults) <= set(_KNOWN_COLORMAPS)


@pytest.mark.parametrize("colormap", ["jet", "cividis", "gray_r"])
def test_any_colour_map_of_matplotlib(study: dict[str, Any], colormap: str) -> None:
    check_study(complete(change(study, "cams/net/colormap", colormap)))


def test_splits_and_classes(study: dict[str, Any], tmp_path: Path) -> None:
    datasets = complete(study)["datasets"]
    assert splits_of(datasets["pets"]) == ["train", "validation", "test"]
    assert splits_of(datasets["photos"]) == ["train", "test"]
    assert splits_of({"source": "path", "path": "x"}) == ["all"]
    assert classes_of(datasets["pets"]) == ["cat", "dog"]
    (tmp_path / "photos" / ".hidden").mkdir()
    (tmp_path / "photos" / "train" / "notes.txt").write_text("")
    found = classes_of({"source": "path", "path": str(tmp_path / "photos"), "splits": {"train": "train"}})
    assert found == ["cat", "dog"]
    assert classes_of({"source": "archive", "url": "https://x"}) is None
    assert classes_of_model({"source": "train", "dataset": "pets"}, datasets) == ["cat", "dog"]
    assert classes_of_model({"source": "file", "path": "x"}, datasets) is None


def test_what_cannot_be_known_yet_is_let_through(study: dict[str, Any]) -> None:
    """A class of a model whose classes come with it, a layer of a network that has to be downloaded."""
    other = change(study, "models/big", {"source": "application", "application": "ResNet50"})
    other = change(other, "cams/big/class", "tabby")
    check_study(complete(change(other, "filters/big/layers", ["conv5_block3_3_conv"])))


def test_true_classes_are_those_of_class_folders(study: dict[str, Any], tmp_path: Path) -> None:
    loose = change(study, "image_sets/loose", {"folder": str(tmp_path / "photos" / "train" / "cat")})
    for stage in ("cams", "watching"):
        asked = change(loose, stage, {"net": {"images": ["loose"], "class": "true"}})
        with pytest.raises(
            UserError, match=rf"^{stage}\.net\.class: 'true' needs labels, and image set 'loose' has none"
        ):
            check_study(complete(asked))


def test_units(study: dict[str, Any]) -> None:
    study["units"] = {"net": {"images": ["few"], "layers": ["stem_conv"]}}
    study["image_sets"]["photos"] = {"dataset": "photos", "split": "test"}
    check_study(complete(study))
    for concepts, images in ((["part"], "few"), (["class"], "photos"), (["part", "texture"], "loose")):
        check_study(complete(change(study, "units", {"net": {"images": [images], "concepts": concepts}})))
    for path, value, said in (
        ("units", {"nte": {"images": ["few"]}}, "units.nte: model 'nte' does not exist; did you mean 'net'"),
        ("units/net/images", ["fwe"], "units.net.images: image set 'fwe' does not exist; did you mean 'few'"),
        ("units/net/layers", ["stems"], "units.net.layers: layer 'stems' does not exist"),
        ("units/net/concepts", ["colours"], "units.net.concepts.0"),
        ("units/net/concepts", [], "units.net.concepts"),
        ("units/net/crops", 0, "units.net.crops"),
        (
            "units",
            {"net": {"images": ["few"]}, "big": {"images": ["few", "loose"], "concepts": ["part", "class"]}},
            "units.big.concepts: the pictures of image set 'loose' have no part masks and classes; add place,",
        ),
        (
            "units",
            {"net": {"images": ["photos"], "concepts": ["part"]}},
            "units.net.concepts: the pictures of image set 'photos' have no part masks; add place, colour",
        ),
    ):
        with pytest.raises(UserError) as caught:
            check_study(complete(change(study, path, value)))
        assert said in str(caught.value), str(caught.value)


def test_concepts(study: dict[str, Any]) -> None:
    study["concepts"] = {
        "net": {"images": ["few"], "layers": ["stem_conv"], "classes": ["cat"], "pictures": {"mine": "few"}}
    }
    check_study(complete(study))
    check_study(complete(change(study, "concepts", {"net": {"images": ["few"], "random": "loose"}})))
    for path, value, said in (
        ("concepts/net/images", ["fwe"], "concepts.net.images: image set 'fwe' does not exist; did you mean 'few'"),
        ("concepts/net/layers", ["stems"], "concepts.net.layers: layer 'stems' does not exist"),
        ("concepts/net/layers", "lats", "concepts.net.layers"),
        ("concepts/net/classes", ["cta"], "concepts.net.classes: class 'cta' does not exist; did you mean 'cat'"),
        ("concepts/net/pictures", {"mine": "fwe"}, "concepts.net.pictures.mine: image set 'fwe' does not exist"),
        ("concepts/net/random", "fwe", "concepts.net.random: image set 'fwe' does not exist; did you mean 'few'"),
        ("concepts/net/base_points", 33, "concepts.net.base_points"),
        ("concepts", {"net": {"images": ["few"], "concepts": [], "found": 0}}, "concepts.net: nothing is asked"),
    ):
        with pytest.raises(UserError) as caught:
            check_study(complete(change(study, path, value)))
        assert said in str(caught.value), str(caught.value)


def test_watching(study: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    study["watching"] = {"net": {"images": ["few"], "activation": {"layer": "stem_conv"}}}
    check_study(complete(study))
    for path, value, said in (
        ("watching/net/images", ["fwe"], "watching.net.images: image set 'fwe' does not exist; did you mean 'few'"),
        ("watching/net/class", "all", "watching.net.class: one class is explained after every epoch"),
        ("watching/net/class", "dgo", "watching.net.class: class 'dgo' does not exist; did you mean 'dog'"),
        ("watching/net/activation/layer", "stems", "watching.net.activation.layer: layer 'stems' does not exist"),
        ("watching/net/filters", {"layer": "block3_pool"}, "watching.net.filters.layer: layer 'block3_pool'"),
        ("watching/net/colormap", "jett", "watching.net.colormap: colour map 'jett' does not exist"),
        ("watching/net", {"images": ["few"], "methods": ["score_cam"]}, "watching.net.methods.0"),
        ("watching", {"big": {"images": ["few"]}}, "watching.big: no epochs are kept of model 'big' (source: preset)"),
    ):
        with pytest.raises(UserError) as caught:
            check_study(complete(change(study, path, value)))
        assert said in str(caught.value), str(caught.value)
    logged = complete(change(study, "watching/net/tensorboard", True))
    monkeypatch.setattr("convscope.watching.settings.importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^watching\.net\.tensorboard needs tensorboard, which is not installed; pip"):
        check_study(logged)


def test_strategies(study: dict[str, Any]) -> None:
    study["cams"] = {"net": {"images": ["few"], "methods": ["gradcam"]}}
    study["attributions"] = {"net": {"images": ["few"], "methods": ["saliency", "pertinent_negative"]}}
    study["strategies"] = {"net": {"images": ["few"]}}
    whole = complete(study)
    check_study(whole)
    assert grouped_methods(whole, "net", "few") == {"gradcam": "cams", "saliency": "attributions"}
    for path, value, said in (
        ("strategies", {"nte": {"images": ["few"]}}, "strategies.nte: model 'nte' does not exist; did you mean 'net'"),
        ("strategies/net/images", ["fwe"], "strategies.net.images: image set 'fwe' does not exist; did you mean 'few'"),
        (
            "strategies/net/methods",
            ["layer_cam"],
            "'layer_cam' is not made for image set 'few'; add it to cams.net.methods",
        ),
        ("strategies/net/methods", ["salience"], "method 'salience' does not exist; did you mean 'saliency'"),
        ("strategies/net/methods", ["pertinent_negative"], "shows no evidence for a class; leave it out"),
        ("strategies/net/most", 1, "strategies.net.most"),
    ):
        with pytest.raises(UserError) as caught:
            check_study(complete(change(study, path, value)))
        assert said in str(caught.value), str(caught.value)
    nothing = {key: part for key, part in study.items() if key not in ("cams", "attributions")}
    with pytest.raises(
        UserError, match=r"nothing explains image set 'few' with model 'net'; add it to cams.net.images"
    ):
        check_study(complete(nothing))
