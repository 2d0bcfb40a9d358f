"""Where a preset is looked for, and what happens where it is not."""

import json
from pathlib import Path

import pytest

from convscope.errors import UserError
from convscope.models import presets


class Mirror:
    """Download functions that fail so often before they deliver a folder."""

    def __init__(self, folder: Path, failures: dict[str, list[str]]) -> None:
        self.folder, self.failures, self.asked = folder, failures, []

    def functions(self):
        return {scheme: lambda handle, scheme=scheme: self.fetch(scheme, handle) for scheme in ("kaggle", "hf")}

    def fetch(self, scheme: str, handle: str) -> str:
        self.asked.append(f"{scheme}://{handle}")
        if self.failures.get(scheme):
            raise OSError(self.failures[scheme].pop(0))
        return str(self.folder)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "presets" / "xception_41_imagenet"
    place.mkdir(parents=True)
    (place / "config.json").write_text(json.dumps({"class_name": "XceptionBackbone"}))
    return place


def test_folders_come_before_the_network(folder: Path) -> None:
    mirror = Mirror(folder, {})
    assert presets.find_preset(str(folder), mirrors=mirror.functions()) == folder
    assert presets.find_preset(folder.name, folder.parent, mirrors=mirror.functions()) == folder
    assert not mirror.asked


def test_a_passing_failure_is_tried_again_then_the_other_mirror(folder: Path) -> None:
    mirror = Mirror(folder, {"kaggle": ["timed out"]})
    assert presets.find_preset("xception_41_imagenet", pause=0, mirrors=mirror.functions()) == folder
    assert [address.partition("://")[0] for address in mirror.asked] == ["kaggle", "kaggle"]
    mirror = Mirror(folder, {"kaggle": ["403 Forbidden", "never asked"]})
    assert presets.find_preset("xception_41_imagenet", pause=0, mirrors=mirror.functions()) == folder
    assert len(mirror.asked) == 2 and mirror.asked[1] == "hf://keras/xception_41_imagenet"


def test_without_network_one_line_says_what_to_do_by_hand(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path, {"kaggle": ["no route\nto host"] * 3, "hf": ["no name"] * 3})
    with pytest.raises(UserError) as caught:
        presets.find_preset("xception_41_imagenet", tmp_path / "disk", pause=0, mirrors=mirror.functions())
    text = str(caught.value)
    assert len(mirror.asked) == 6 and "\n" not in text
    assert "huggingface.co/keras/xception_41_imagenet" in text and str(tmp_path / "disk/xception_41_imagenet") in text


def test_handles_are_taken_as_they_are(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path, {})
    presets.find_preset("hf://me/mine", mirrors=mirror.functions())
    presets.find_preset("kaggle://me/mine/keras/small", mirrors=mirror.functions())
    assert mirror.asked == ["hf://me/mine", "kaggle://me/mine/keras/small"]


def test_mistakes_are_found_before_any_download(tmp_path: Path) -> None:
    mirror = Mirror(tmp_path, {})
    for preset, words in (
        ("xception_41_imagnet", "did you mean 'xception_41_imagenet'"),
        ("s3://x", "starts with 's3://'"),
        (str(tmp_path), "no config.json in folder"),
        ("./nowhere", "no config.json in folder"),
    ):
        with pytest.raises(UserError, match=words):
            presets.find_preset(preset, mirrors=mirror.functions())
    assert not mirror.asked


def test_a_damaged_preset_ends_in_one_line(folder: Path) -> None:
    with pytest.raises(UserError, match="cannot be loaded") as caught:
        presets.load_preset(folder)
    assert "\n" not in str(caught.value)


def test_preprocessing_of_a_converter() -> None:
    import keras_hub

    converter = keras_hub.layers.ImageConverter(
        image_size=(20, 30), scale=[0.1, 0.2, 0.3], offset=-1.0, crop_to_aspect_ratio=False
    )
    facts = presets.converter_facts(converter)
    assert facts == {
        "scale": (0.1, 0.2, 0.3),
        "offset": (-1.0,),
        "resize": "stretch",
        "input_size": (20, 30),
    }


def test_imagenet_names_are_unique_and_in_order() -> None:
    names = presets.imagenet_classes()
    assert len(set(names)) == 1000 and names[0] == "tench" and names[386] == "African_elephant"


def test_a_backbone_preset_has_no_head(tmp_path: Path) -> None:
    import keras_hub

    backbone = keras_hub.models.XceptionBackbone([[2, 2], [3, 3], [4]], [False, True, False])
    backbone.save_to_preset(str(tmp_path / "slim"))
    network, converter, has_head = presets.load_preset(tmp_path / "slim")
    assert not has_head and converter is None and len(network.layers) == len(backbone.layers)
    from convscope.models.load import import_model

    settings = {"source": "preset", "preset": str(tmp_path / "slim"), "image_size": 64}
    _, spec = import_model("slim", settings)
    assert spec.head == "none" and spec.input_size == (64, 64) and spec.source == "keras-hub preset slim"
