"""What is wrong with a network of pixels in a config is said before anything runs."""

import copy
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from convscope.check import check_study
from convscope.config import complete
from convscope.errors import UserError
from convscope.segmentation.settings import region_settings, regions_of, training_settings

STUDY: dict[str, Any] = {
    "study": "s",
    "datasets": {"pets": {"source": "drawn_pets", "images_per_class": {"train": 2, "validation": 2, "test": 2}}},
    "models": {
        "net": {"source": "train", "architecture": "encoder_decoder", "dataset": "pets", "image_size": 96},
        "plain": {"source": "train", "architecture": "convnet", "dataset": "pets"},
    },
    "image_sets": {"test": {"dataset": "pets", "split": "test"}},
}


def study(**parts: Any) -> dict[str, Any]:
    """The study with more parts; a dotted name is a place in it."""
    made = copy.deepcopy(STUDY)
    for place, value in parts.items():
        *way, last = place.split("__")
        inner = made
        for key in way:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return complete(made)


def test_a_sound_study_passes_and_layers_of_it_are_known() -> None:
    images = {"images": ["test"]}
    check_study(study(segmentation={"net": images}, filters={"net": {"layers": ["down3_conv", "stage2"]}}))
    with pytest.raises(
        UserError, match=r"filters.net.layers: layer 'down3_conf' does not exist; did you mean 'down3_conv'"
    ):
        check_study(study(filters={"net": {"layers": ["down3_conf"]}}))


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"segmentation": {"plain": {"images": ["test"]}}}, "segmentation.plain: model 'plain' does not answer a class for every"),
        ({"segmentation": {"ned": {"images": ["test"]}}}, "segmentation.ned: model 'ned' does not exist"),
        ({"segmentation": {"net": {"images": ["tests"]}}}, "image set 'tests' does not exist"),
        ({"cams": {"net": {"images": ["test"]}}}, "cams.net: model 'net' answers a class for every pixel, none for the picture"),
        ({"attributions": {"net": {"images": ["test"]}}}, "attributions.net: model 'net' answers a class for every pixel"),
        ({"watching": {"net": {"images": ["test"]}}}, "watching.net: model 'net' answers a class for every pixel"),
        ({"evaluations": {"net": ["pets/test"]}}, "evaluations.net: model 'net' answers a class for every pixel"),
        ({"models__net__image_size": 100}, "models.net.image_size is 100; encoder_decoder makes pictures smaller by 8 and larger "
         "again, so take a multiple of it: 96 or 104"),
        ({"models__net__augmentation": True}, "models.net.augmentation: pictures are not augmented for encoder_decoder"),
        ({"models__plain__target": "trimap"}, "models.plain.target is for networks of pixels; take architecture: encoder_decoder"),
        ({"segmentation": {"net": {"images": ["test"], "gradcam": {"layer": "down3"}}}}, "segmentation.net.gradcam.layer: layer "
         "'down3' does not exist; did you mean"),
        ({"segmentation": {"net": {"images": ["test"], "gradcam": {"classes": ["objects"]}}}}, "class 'objects' does not exist; did "
         "you mean 'object'"),
        ({"segmentation": {"net": {"images": ["test"], "gradcam": {"regions": ["box"]}}}}, "regions name a box and none is given; add "
         "box: [top, left, bottom, right]"),
        ({"segmentation": {"net": {"images": ["test"], "gradcam": {"box": [0, 0, 1, 1]}}}}, "no region is a box"),
        ({"segmentation": {"net": {"images": ["test"], "gradcam": {"regions": ["box"], "box": [0.5, 0, 0.2, 1]}}}}, "gradcam.box: "
         "[0.5, 0, 0.2, 1] is [top, left, bottom, right], so the last two must be more"),
    ],
)  # fmt: skip
def test_mistakes(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as raised:
        check_study(study(**parts))
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_a_dataset_without_masks(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        for name in ("cat", "dog"):
            (tmp_path / split / name).mkdir(parents=True)
            Image.new("RGB", (32, 32)).save(tmp_path / split / name / "a.png")
    photos = {"source": "path", "path": str(tmp_path)}
    made = study(datasets__photos=photos, models__net__dataset="photos")
    with pytest.raises(
        UserError, match=r"models.net.dataset: encoder_decoder learns from masks, and datasets.photos has none"
    ):
        check_study(made)


def test_a_training_depends_on_what_it_uses() -> None:
    model = study()["models"]["net"]
    assert training_settings(model)["target"] == "trimap"
    assert training_settings(model) == training_settings({**model, "dropout": 0.1, "threads": 9, "target": "trimap"})
    assert training_settings(model) != training_settings({**model, "target": "object"})


def test_seg_grad_cam_depends_on_a_box_where_its_region_is_one() -> None:
    part = {"gradcam": {"regions": ["whole", "box"], "box": [0, 0, 1, 1], "limit": 3}}
    assert region_settings(part, "whole") == {"limit": 3} and region_settings(part, "box") == {
        "limit": 3,
        "box": [0, 0, 1, 1],
    }
    assert regions_of(part) == ["whole", "box"] and regions_of({}) == []


def test_masks_for_judging_are_predicted_for_its_images() -> None:
    images = {"images": ["test"]}
    judged = {"cams": {"plain": images}, "judging": {"plain": {**images, "masks": "net"}}}
    check_study(study(segmentation={"net": images}, **judged))
    with pytest.raises(UserError, match=r"judging.plain.masks: model 'net' predicts no masks in segmentation"):
        check_study(study(**judged))
    other = {"image_sets__few": {"dataset": "pets", "split": "test", "per_class": 1}}
    with pytest.raises(
        UserError, match=r"'net' predicts no masks of image set 'test'; add it to segmentation.net.images"
    ):
        check_study(study(segmentation={"net": {"images": ["few"]}}, **other, **judged))
