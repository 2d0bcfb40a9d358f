"""Which methods are judged, and the two scripts from maps on disk to the verdicts."""

import argparse
import csv
import json
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import yaml
from PIL import Image

from convscope.attributions.base import heat
from convscope.attributions.registry import explainer
from convscope.check import check_study
from convscope.config import complete
from convscope.data.datasets import scan_dataset
from convscope.data.part_masks import MaskRow, list_masks
from convscope.errors import UserError
from convscope.judging.gate import MIN_IMAGES, MIN_NETWORKS
from convscope.judging.names import CONTROLS, METRICS
from convscope.judging.selection import (
    judged_groups,
    judged_methods,
    method_settings,
    number_settings,
    verdict_settings,
)
from convscope.models.load import save_model
from convscope.models.spec import ModelSpec
from convscope.pictures.read import load_images
from convscope.storage import store
from convscope.storage.files import sha256_of, write_json
from convscope.storage.tables import write_table
from scripts import judge, judging_report

SIDE, PICTURES = 24, 8
GROUPS = ["curves", "localisation", "randomisation", "sensitivity", "seeds", "sparseness", "agreement"]


def study(**judging: Any) -> dict[str, Any]:
    return {
        "study": "s",
        "datasets": {"pets": {"source": "drawn_pets", "images_per_class": {"train": 4, "validation": 4, "test": 4}}},
        "models": {"net": {"source": "train", "architecture": "mini_xception", "dataset": "pets", "image_size": 64}},
        "image_sets": {"few": {"dataset": "pets", "split": "test"}, "other": {"dataset": "pets", "split": "train"}},
        "cams": {"net": {"images": ["few"]}},
        "attributions": {"net": {"images": ["few"], "methods": ["rise", "saliency"]}},
        "judging": {"net": {"images": ["few"], **judging}},
    }


def test_methods_come_from_both_stages() -> None:
    config = complete(study())
    check_study(config)
    assert judged_methods(config, "net", "few") == {
        "gradcam": "cams",
        "rise": "attributions",
        "saliency": "attributions",
    }
    assert judged_groups(config, "net") == GROUPS
    assert config["judging"]["net"]["randomisation"] == {"images": 8, "steps": 4, "networks": 3}
    config = complete(study(methods=["saliency", "gradcam"], metrics=["seeds", "curves"]))
    assert list(judged_methods(config, "net", "few")) == ["saliency", "gradcam"]
    assert judged_groups(config, "net") == ["curves", "seeds"]


def test_settings_of_a_method() -> None:
    config = complete(study())
    config["attributions"]["net"]["rise"] = {"masks": 7}
    config["attributions"]["net"]["methods"] = ["rise", "pertinent_negative"]
    config["cams"]["net"] |= {"methods": ["gradcam", "score_cam"], "score_channels": 9}
    assert list(judged_methods(config, "net", "few")) == ["gradcam", "score_cam", "rise"]  # contrastive: by name only
    found = {name: method_settings(config, "net", "few", name) for name in ("gradcam", "score_cam", "rise", "edges")}
    assert found == {"gradcam": {}, "score_cam": {"score_channels": 9}, "rise": {"masks": 7}, "edges": {}}
    config["judging"]["net"]["methods"] = ["pertinent_negative"]
    assert judged_methods(config, "net", "few") == {"pertinent_negative": "attributions"}


@pytest.mark.parametrize(
    ("judging", "message"),
    [
        (
            {"images": ["other"]},
            "nothing explains image set 'other' with model 'net'; add it to attributions.net.images",
        ),
        ({"methods": ["lime"]}, "'lime' is not made for image set 'few'; add it to attributions.net.methods"),
        ({"methods": ["salency"]}, "method 'salency' does not exist; did you mean 'saliency'?"),
        ({"methods": ["edges"]}, "'edges' is a control and always there"),
        ({"metrics": ["curve"]}, "metric 'curve' does not exist; did you mean 'curves'?"),
        ({"images": ["fwe"]}, "image set 'fwe' does not exist; did you mean 'few'?"),
        ({"survives": 2}, "judging.net.survives"),
    ],
)
def test_mistakes_are_found_before_any_work(judging: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as error:
        check_study(complete(study(**judging)))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "least"), [("config.yaml", 19), ("config/cheat.yaml", 19), ("config/produce.yaml", 8)]
)
def test_the_ready_studies_judge_pictures_enough(name: str, least: int) -> None:
    """19 show a difference of 0.8 standard deviations; with fewer the page says what they can tell."""
    config = complete(yaml.safe_load((Path(__file__).parents[3] / name).read_text(encoding="utf-8")))
    classes = {"drawn_pets": 2, "drawn_produce": 16}
    for model, settings in config["judging"].items():
        assert (
            settings["randomisation"]["images"] >= MIN_IMAGES and settings["randomisation"]["networks"] >= MIN_NETWORKS
        )
        for images in settings["images"]:
            part = config["image_sets"][images]
            count = part["per_class"] * classes[config["datasets"][part["dataset"]]["source"]]
            assert min(count, settings["limit"]) >= least, (model, images)


def test_methods_must_explain_the_same_class() -> None:
    config = complete(study())
    config["cams"]["net"]["class"] = "cat"
    with pytest.raises(UserError, match="can only be compared on one class"):
        check_study(config)
    config["judging"]["net"]["methods"] = ["saliency", "rise"]
    check_study(config)  # Grad-CAM is not compared
    config["judging"]["net"]["methods"] = "all"
    config["cams"]["net"]["class"] = "all"
    check_study(config)  # the predicted class is one of all


def test_masks_beside_photos(tmp_path: Path) -> None:
    for name in ("cat", "dog", "trimaps/cat"):
        (tmp_path / name).mkdir(parents=True)
        Image.new("L", (9, 9), 2).save(tmp_path / name / "a.png")
    (tmp_path / "trimaps" / "parts.json").write_text('["none", "animal", "background", "border"]')
    photos = {"source": "path", "path": str(tmp_path), "masks": "trimaps", "classes": ["cat", "dog"]}
    config = complete({"study": "s", "datasets": {"photos": photos}, "models": {}})
    check_study(config)
    found = scan_dataset(tmp_path, config["datasets"]["photos"])
    masks, parts = list_masks(tmp_path, config["datasets"]["photos"], found.images)
    assert parts == ["none", "animal", "background", "border"]
    assert [row.mask for row in masks] == [str(tmp_path / "trimaps" / "cat" / "a.png")]
    config["datasets"]["photos"]["masks"] = "trimap"
    with pytest.raises(UserError, match="did you mean 'trimaps'"):
        check_study(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight pictures with masks, a model of two classes, and maps of two methods."""
    place = tmp_path_factory.mktemp("judging")
    keras.utils.set_random_seed(2)
    layers = keras.layers
    image = keras.Input((SIDE, SIDE, 3))
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv1")(image)
    x = layers.Conv2D(8, 3, padding="same", activation="relu", name="conv2")(x)
    logits = layers.Dense(1, name="logits")(layers.GlobalAveragePooling2D()(x))
    network = keras.Model(image, logits)
    spec = ModelSpec(
        "net", (SIDE, SIDE), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, classes=("cat", "dog"), head="binary"
    )
    save_model(network, place / "model.keras")
    spec.save(place / "model.json")
    write_json(place / "parts.json", {"parts": ["background", "body", "head"]})
    rng = np.random.default_rng(0)
    rows, masks = [], []
    for index in range(PICTURES):
        picture = rng.integers(0, 90, (SIDE, SIDE, 3), dtype=np.uint8)
        mask = np.zeros((SIDE, SIDE), np.uint8)
        top, left = rng.integers(2, 10, 2)
        picture[top : top + 8, left : left + 8] += 150
        mask[top : top + 8, left : left + 8] = 1
        mask[top : top + 3, left : left + 8] = 2
        paths = [place / f"{index}.png", place / f"mask{index}.png"]
        for path, pixels in zip(paths, (picture, mask), strict=True):
            Image.fromarray(pixels).save(path)
        digest = sha256_of(paths[0])[:16]
        rows.append({"id": f"i{index}", "path": str(paths[0]), "class": "cat", "label": 0, "sha256": digest})
        masks.append(MaskRow(str(paths[0]), str(paths[1]), sha256_of(paths[1])[:16], ""))
    write_table(place / "images.csv", rows, ["id", "path", "class", "label", "sha256"])
    write_table(place / "masks.csv", masks, MaskRow)
    images = spec.preprocess(load_images([row["path"] for row in rows], spec.input_size))
    scores = spec.class_scores(np.asarray(network(images)))
    targets = np.tile([0, 1], (PICTURES, 1))
    for name, settings in (("saliency", {}), ("integrated_gradients", {"steps": 4})):
        explain = explainer(name, network, spec, settings, 0)
        found = [explain(images, column, [row["id"] for row in rows]) for column in targets.T]
        with store.create(place / f"{name}.h5", method=name, settings=settings) as file:
            store.write_array(file, "id", [row["id"] for row in rows], ("image",), dtype=store.TEXT)
            store.write_array(file, "maps", np.stack([part.maps for part in found], axis=1), ("image", "target"))
            store.write_array(file, "targets", targets, ("image", "target"))
            store.write_array(file, "scores", scores, ("image", "target"))
            store.write_array(file, "predicted", scores.argmax(axis=1), ("image",))
            store.write_array(
                file, "probabilities", spec.probabilities(np.asarray(network(images))), ("image", "class")
            )
    return place


SETTINGS = {
    "batch": 16,
    "steps": 6,
    "limit": 64,
    "tolerance": 0,
    "survives": 0.5,
    "randomisation": {"images": 8, "steps": 2, "networks": 3},
    "sensitivity": {"images": 2, "samples": 2, "radius": 0.02},
    "seeds": {"images": 2, "seeds": 2},
    "groups": GROUPS,
}


def judged(folder: Path, method: str, maps: str, out: Path, **changes: Any) -> Path:
    judge.main(
        argparse.Namespace(
            model=folder / "model.keras",
            spec=folder / "model.json",
            images=folder / "images.csv",
            maps=folder / f"{maps}.h5",
            method=[method],
            method_settings='{"steps": 4}' if method == "integrated_gradients" else "{}",
            masks=folder / "masks.csv",
            parts=folder / "parts.json",
            autoencoder=None,
            settings=json.dumps(SETTINGS | changes),
            out=[out / f"{method}.h5"],
            threads=1,
            seed=3,
        )
    )
    return out / f"{method}.h5"


@pytest.fixture(scope="module")
def numbers(folder: Path) -> dict[str, Path]:
    out = folder / "methods"
    methods = {name: judged(folder, name, name, out) for name in ("saliency", "integrated_gradients")}
    return methods | {name: judged(folder, name, "saliency", out) for name in CONTROLS}


def test_numbers_of_a_method(numbers: dict[str, Path]) -> None:
    with h5py.File(numbers["saliency"], "r") as file:
        assert file.attrs["method"] == "saliency" and len(json.loads(file.attrs["classes"])) == 2
        assert set(file["metrics"]) == set(METRICS)
        assert all(values.shape[0] == PICTURES for values in file["metrics"].values())
        assert set(file["regions"]) == {"object", "body", "head"}
        np.testing.assert_allclose(file["regions/object/area"][()], 64 / SIDE**2)
        assert file["curves/insertion"].shape == (PICTURES, 7)
        assert [d.label for d in file["curves/insertion"].dims] == ["image", "point"]
        assert file["randomisation/spearman"].shape == (PICTURES, 2)
        assert file["randomisation/chance/spearman"].shape == file["metrics/unchanged"].shape == (PICTURES, 3)
        assert [d.label for d in file["metrics/unchanged"].dims] == ["image", "network"]
        assert json.loads(file.attrs["settings"])["steps"] == 6
        np.testing.assert_array_equal(file["metrics/seed_error"][[0, 7]], 0)  # saliency has no randomness
        ends = file["curves/insertion"][:, -1]
    with h5py.File(numbers["edges"], "r") as file:
        assert not {"randomised_spearman", "max_sensitivity"} & set(file["metrics"])
        np.testing.assert_allclose(file["curves/insertion"][:, -1], ends, rtol=1e-5)  # the same class and pictures


def test_the_same_bytes_again_and_for_any_batch(folder: Path, numbers: dict[str, Path], tmp_path: Path) -> None:
    again = judged(folder, "integrated_gradients", "integrated_gradients", tmp_path)
    assert again.read_bytes() == numbers["integrated_gradients"].read_bytes()
    other = judged(folder, "integrated_gradients", "integrated_gradients", tmp_path / "b", batch=5, groups=["curves"])
    with h5py.File(again) as first, h5py.File(other) as second:
        np.testing.assert_allclose(first["curves/deletion"][()], second["curves/deletion"][()], rtol=1e-5, atol=1e-6)


def test_only_the_limit_s_images_are_judged(folder: Path, tmp_path: Path) -> None:
    path = judged(folder, "edges", "saliency", tmp_path, limit=2, groups=["sparseness"])
    with h5py.File(path) as file:
        assert [text.decode() for text in file["id"][()]] == ["i0", "i7"]


def test_the_map_of_the_predicted_class_is_judged(folder: Path, numbers: dict[str, Path]) -> None:
    with h5py.File(numbers["saliency"]) as file, h5py.File(folder / "saliency.h5") as maps:
        np.testing.assert_array_equal(file["targets"][()], maps["predicted"][()])


def reported(folder: Path, judged: list[Path], maps: list[str], out: Path) -> None:
    judging_report.main(
        argparse.Namespace(
            judged=judged,
            maps=[folder / f"{name}.h5" for name in maps],
            spec=folder / "model.json",
            settings=json.dumps(SETTINGS),
            out=out,
            seed=3,
        )
    )


def test_report(folder: Path, numbers: dict[str, Path], tmp_path: Path) -> None:
    for out in (tmp_path / "a", tmp_path / "b"):
        reported(folder, list(numbers.values()), ["saliency", "integrated_gradients"], out)
    files = {path.name for path in (tmp_path / "a").iterdir()}
    assert files == {
        *("table.csv", "table.json", "gate.json", "self_check.csv", "agreement.csv"),
        *("metrics.png", "curves.png", "agreement.png"),
    }
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
    gate = json.loads((tmp_path / "a" / "gate.json").read_text())
    assert set(gate["methods"]) == {"saliency", "integrated_gradients"}
    assert all(entry["status"] != "not judged" for entry in gate["methods"].values())
    assert gate["told"].startswith("8 pictures show in nine of ten studies")
    with (tmp_path / "a" / "table.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {row["method"] for row in rows} == {"saliency", "integrated_gradients", *CONTROLS}
    few = {row["metric"] for row in rows if not row["low"]}
    assert few == {"max_sensitivity", "seed_error"}  # of two pictures each: too few for an interval
    bounded = [row for row in rows if row["metric"] not in few]
    assert all(float(row["low"]) <= float(row["mean"]) <= float(row["high"]) for row in bounded)
    heads = [row for row in rows if row["region"] == "head"]
    assert heads and all(float(row["chance"]) == pytest.approx(24 / SIDE**2, rel=1e-4) for row in heads)
    with (tmp_path / "a" / "self_check.csv").open() as stream:
        checks = {(row["method"], row["check"]): row["value"] for row in csv.DictReader(stream)}
    assert checks["saliency", "score explained"] == "logit"
    with (tmp_path / "a" / "agreement.csv").open() as stream:
        pairs = {(row["method"], row["other"]): float(row["spearman"]) for row in csv.DictReader(stream)}
    assert pairs["saliency", "saliency"] == 1
    assert -1 <= pairs["saliency", "integrated_gradients"] < 1
    assert Image.open(tmp_path / "a" / "metrics.png").width > 500


def test_methods_of_other_images_are_refused(folder: Path, numbers: dict[str, Path], tmp_path: Path) -> None:
    fewer = judged(folder, "integrated_gradients", "integrated_gradients", tmp_path, limit=3, groups=["sparseness"])
    with pytest.raises(UserError, match="cannot be compared"):
        reported(folder, [numbers["saliency"], fewer], ["saliency", "integrated_gradients"], tmp_path)


def test_signed_maps_keep_their_sign(folder: Path) -> None:
    from convscope.judging.store import heat_of

    with h5py.File(folder / "integrated_gradients.h5") as file:
        raw = file["maps"][:, 0]
    np.testing.assert_array_equal(heat_of("integrated_gradients", raw), heat(raw, signed=True))
    np.testing.assert_array_equal(heat_of("rise", raw[..., 0]), raw[..., 0])
    assert (heat_of("integrated_gradients", raw) < 0).any()
    assert (heat_of("saliency", raw) >= 0).all()
    assert (heat_of("gradcam", np.abs(raw[..., 0])) >= 0).all()


def test_what_numbers_and_verdicts_depend_on() -> None:
    config = {
        "judging": {
            "net": {"images": ["a"], "metrics": ["seeds", "curves"], "methods": "all", "threads": 2, "steps": 4}
        }
    }
    config["judging"]["net"] |= {"against": "other", "survives": "mostly"}
    assert number_settings(config, "net") == {"steps": 4, "groups": ["curves", "seeds"]}
    assert verdict_settings(config, "net") == {"steps": 4, "groups": ["curves", "seeds"], "survives": "mostly"}
