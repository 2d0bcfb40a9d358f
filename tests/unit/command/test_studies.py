"""Study files that the command writes: right for what was found, complete, and explained."""

from pathlib import Path

import keras
import pytest
import yaml
from PIL import Image

from convscope.check import check_study
from convscope.command.look import has_relu, image_sets, input_side, model_part, name_from, outputs_of
from convscope.command.studies import explain_study, init_study
from convscope.command.study_file import plain
from convscope.config import complete
from convscope.errors import UserError
from convscope.storage.config_file import read_config_file


def methods(text: str) -> list[str]:
    return next(iter(yaml.safe_load(text)["attributions"].values())).get("methods", [])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder: models in both formats, single pictures, a folder of classes, a folder of splits."""
    layers = keras.layers
    for name, side in (("my net.keras", 32), ("free.keras", None), ("old.h5", 24)):
        body = [
            layers.Conv2D(2, 3, activation="relu", name="conv"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, activation="softmax"),
        ]
        keras.Sequential([keras.Input((side, side, 3)), *body]).save(tmp_path / name)
    places = [
        "a cat.png",
        "photos/one.jpg",
        *(f"classes/{name}/{n}.png" for name in ("x", "y", "z") for n in range(12)),
    ]
    places += [f"split/{split}/{name}/{n}.png" for split in ("train", "val") for name in ("x", "y") for n in range(2)]
    for place in places:
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / place)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checked(text: str) -> dict:
    config = complete(yaml.safe_load(text))
    check_study(config)
    return config


def test_explain_a_file_and_pictures(here: Path) -> None:
    study, text = explain_study("my net.keras", ["a cat.png", "photos", "classes/x/1.png"], classes=["cat", "no", "on"])
    config = checked(text)
    assert study == config["study"] == "explain_my_net"
    assert config["models"]["my_net"]["image_size"] == 32
    assert config["models"]["my_net"]["classes"] == ["cat", "no", "on"], (
        "words that YAML takes for something else stay words"
    )
    assert config["image_sets"]["pictures"]["files"] == ["a cat.png", "classes/x/1.png"]
    assert config["image_sets"]["photos"] == {**config["image_sets"]["photos"], "folder": "photos"}
    for stage in ("cams", "attributions"):
        assert config[stage]["my_net"]["images"] == ["pictures", "photos"]
    least = {"study": "s", "models": {"my_net": {"source": "file", "path": "p"}}, "image_sets": {"a": {"files": ["x"]}}}
    least |= {stage: {"my_net": {"images": ["a"]}} for stage in ("cams", "attributions")}
    defaults = complete(least)
    for stage in ("cams", "attributions"):
        assert {**config[stage]["my_net"], "images": ["a"]} == defaults[stage]["my_net"], "the study's own defaults"
    assert "# colormap: jet" in text and "# class: predicted" in text, "and they are shown"


def test_every_line_that_is_switched_off_can_be_switched_on(here: Path) -> None:
    _, text = explain_study("free.keras", ["a cat.png"], size=32)
    lines = text.splitlines()
    off = [n for n, line in enumerate(lines) if line.lstrip().startswith("# ") and ": " in line and "    # " in line]
    on = [n for n in off if lines[n].split("# ", 1)[1].partition(":")[0] in ("methods", "class", "colormap")]
    assert len(on) == 5
    changed = [line.replace("# ", "", 1) if n in on else line for n, line in enumerate(lines)]
    assert checked("\n".join(changed)) == checked(text)


def test_no_line_is_too_long_to_read(here: Path) -> None:
    _, text = explain_study("my net.keras", ["a cat.png"])
    assert max(map(len, text.splitlines())) < 120
    assert max(map(len, init_study("s", "classes", "my net.keras").splitlines())) < 120


def test_methods_that_a_model_cannot_have_are_left_out(here: Path) -> None:
    """A job that must fail would take the whole run's good end with it."""
    body = [keras.layers.Conv2D(2, 3), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((8, 8, 3)), *body]).save(here / "linear.keras")
    assert methods(explain_study("linear.keras", ["a cat.png"])[1]) == [
        "saliency",
        "smoothgrad",
        "integrated_gradients",
    ]
    assert methods(init_study("mine", "classes", "linear.keras")) == ["saliency", "smoothgrad", "integrated_gradients"]
    assert methods(explain_study("old.h5", ["a cat.png"])[1]) == [], "the defaults"


@pytest.mark.parametrize(
    ("word", "part"),
    [
        ("old.h5", {"source": "file", "path": "old.h5", "image_size": 24}),
        ("free.keras", {"source": "file", "path": "free.keras"}),
        ("xception", {"source": "application", "application": "Xception"}),
        ("efficientnetv2b0", {"source": "application", "application": "EfficientNetV2B0"}),
        ("xception_41_imagenet", {"source": "preset", "preset": "xception_41_imagenet"}),
    ],
)
def test_what_a_word_stands_for(here: Path, word: str, part: dict) -> None:
    assert model_part(word) == part


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("gone.keras", "'gone.keras' does not exist"),
        ("./gone", "does not exist"),
        ("photos", "is a folder, not a file"),
        ("Xceptoin", "did you mean 'Xception'"),
    ],
)
def test_words_that_stand_for_nothing(here: Path, word: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        model_part(word)


def test_pictures_that_are_none(here: Path) -> None:
    with pytest.raises(UserError, match=r"'gone\.png' does not exist"):
        image_sets(["gone.png"])
    with pytest.raises(UserError, match="no picture, by its name or by its content"):
        image_sets(["old.h5"])
    (here / "other" / "photos").mkdir(parents=True)
    assert list(image_sets(["photos", "other/photos", "a cat.png"])) == ["pictures", "photos", "photos_2"]


def test_what_a_file_says_of_itself(here: Path) -> None:
    assert (input_side(here / "my net.keras"), outputs_of(here / "my net.keras")) == (32, 3)
    assert (input_side(here / "old.h5"), outputs_of(here / "old.h5")) == (24, 3)
    assert input_side(here / "free.keras") is None
    (here / "broken.keras").write_text("x")
    assert (input_side(here / "broken.keras"), outputs_of(here / "broken.keras")) == (None, None)
    with pytest.raises(UserError, match=r"2 classes are named, and 'old\.h5' tells 3 apart"):
        explain_study("old.h5", ["a cat.png"], classes=["a", "b"])


def test_init_with_a_model_takes_its_classes_from_the_folder_where_they_are_as_many(here: Path) -> None:
    config = checked(init_study("mine", "classes", "my net.keras"))
    assert config["models"]["my_net"]["classes"] == ["x", "y", "z"]
    assert config["evaluations"] == {"my_net": ["classes/all"]}
    assert config["datasets"]["classes"]["path"] == "classes"
    other = checked(init_study("mine", "split", "my net.keras"))
    assert "classes" not in other["models"]["my_net"], "two folders for three outputs: which is which is not known"


def test_init_without_a_model_trains_one_and_finds_the_splits(here: Path) -> None:
    config = checked(init_study("mine", "split"))
    assert config["datasets"]["split"]["splits"] == {"train": "train", "validation": "val"}
    assert config["models"]["convnet"]["dataset"] == "split"
    assert config["image_sets"]["shown"]["split"] == "validation"
    shared = checked(init_study("mine", "classes"))
    assert shared["datasets"]["classes"]["images_per_class"] == {"train": 6, "validation": 2, "test": 2}
    assert shared["evaluations"] == {"convnet": ["classes/test"]}


def test_init_says_what_is_missing(here: Path) -> None:
    for given, said in (
        ({}, "name a folder"),
        ({"data": "gone"}, "does not exist"),
        ({"data": "photos"}, "no class folders"),
    ):
        with pytest.raises(UserError, match=said):
            init_study("mine", **given)
    for n in range(3, 12):
        (here / "classes" / "z" / f"{n}.png").unlink()
    with pytest.raises(UserError, match="too few pictures; training needs at least 12"):
        init_study("mine", "classes")
    (here / "split" / "val").rename(here / "split" / "other")
    with pytest.raises(UserError, match="no split 'validation'"):
        init_study("mine", "split")


@pytest.mark.parametrize(
    "word", ["no", "1e3", "1.5", "~", "null", "2024-01-31", "a: b", "# x", "é", "[", "yes", "0x1f", "12:30:45", "cat"]
)
def test_words_come_back_as_they_were(word: str) -> None:
    assert yaml.safe_load(plain(word)) == word
    assert yaml.safe_load(plain({"a": [word, 1, True, None]})) == {"a": [word, 1, True, None]}


def test_names_for_parts() -> None:
    assert [name_from(text) for text in ("my net", "ä/b", "...", "-x-")] == ["my_net", "b", "mine", "x"]


def test_class_names_are_taken_from_folders_only_where_their_order_is_plain(here: Path) -> None:
    """Keras numbers class folders in the order of their letters, 0, 1, 10, 2; a person counts 0, 1, 2, 10."""
    for number in range(11):
        (here / "digits" / str(number)).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(here / "digits" / str(number) / "a.png")
    body = [keras.layers.Flatten(), keras.layers.Dense(11)]
    keras.Sequential([keras.Input((16, 16, 3)), *body]).save(here / "eleven.keras")
    assert "classes" not in checked(init_study("mine", "digits", "eleven.keras"))["models"]["eleven"]
    assert "check that it is the model's" in init_study("mine", "classes", "my net.keras")


def test_the_outputs_are_those_of_the_last_layer(here: Path) -> None:
    image = keras.Input((8, 8, 3))
    maps = keras.layers.Conv2D(4, 3, name="conv")(image)
    squeezed = keras.layers.Dense(4)(keras.layers.Dense(8)(keras.layers.GlobalAveragePooling2D(keepdims=True)(maps)))
    ends = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(3, 1)(keras.layers.Multiply()([maps, squeezed])))
    keras.Model(image, ends).save(here / "se.keras")
    assert outputs_of(here / "se.keras") is None
    inner = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(5)])
    keras.Sequential([keras.Input((8, 8, 3)), inner, keras.layers.Activation("softmax")]).save(here / "nested.keras")
    assert outputs_of(here / "nested.keras") == 5
    keras.Model(image, [keras.layers.Dense(2)(ends), keras.layers.Dense(4)(ends)]).save(here / "two.keras")
    assert outputs_of(here / "two.keras") is None


@pytest.mark.parametrize(
    ("layer", "guided"),
    [
        (keras.layers.LeakyReLU(name="relu"), False),
        (keras.layers.PReLU(), False),
        (keras.layers.ReLU(), True),
        (keras.layers.Activation("relu6"), True),
    ],
)
def test_which_layers_are_relus(here: Path, layer: keras.layers.Layer, guided: bool) -> None:
    body = [keras.layers.Conv2D(2, 3), layer, keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((8, 8, 3)), *body]).save(here / "some.keras")
    assert has_relu(here / "some.keras") == guided


def test_a_model_without_feature_maps_is_asked_for_none(here: Path) -> None:
    dense = [
        keras.layers.Flatten(),
        keras.layers.Dense(4, activation="relu"),
        keras.layers.Dense(3, activation="softmax"),
    ]
    keras.Sequential([keras.Input((8, 8, 1)), *dense]).save(here / "dense.keras")
    config = checked(explain_study("dense.keras", ["photos"])[1])
    assert not config["cams"] and "guided_backprop" in config["attributions"]["dense"]["methods"]
    assert "guided_gradcam" not in config["attributions"]["dense"]["methods"]
    config = checked(init_study("mine", "classes", "dense.keras"))
    assert not any(config[stage] for stage in ("cams", "filters", "activations")) and config["attributions"]
    assert checked(explain_study("my net.keras", ["photos"])[1])["cams"]


def test_hidden_and_unreadable_pictures_are_no_pictures_to_train_with(here: Path) -> None:
    for name in ("x", "y", "z"):
        for number in range(12):
            (here / "classes" / name / f"._{number}.png").write_bytes(b"macOS")
    shares = checked(init_study("mine", "classes"))["datasets"]["classes"]["images_per_class"]
    assert sum(shares.values()) <= 11, "of 12 one may turn out to be unreadable"


@pytest.mark.parametrize("name", ["on", "no", "007", "1e3", "_", "x" * 80, "2024-01-31", "Null", "ä"])
def test_names_that_yaml_takes_for_something_else(here: Path, name: str) -> None:
    keras.models.load_model(here / "my net.keras").save(here / f"{name}.keras")
    (here / name).mkdir()
    Image.new("RGB", (8, 8)).save(here / name / "a.png")
    study, text = explain_study(f"{name}.keras", [name, "photos"], classes=["1e3", "off", "007"])
    config = checked(text)
    assert config["models"][name_from(name)]["classes"] == ["1e3", "off", "007"]
    (here / f"{study}.yaml").write_text(text)
    read_config_file(here / f"{study}.yaml")


def test_folders_that_differ_in_case_alone(here: Path) -> None:
    for place in ("a/Cats", "b/cats"):
        (here / place).mkdir(parents=True)
    assert list(image_sets(["a/Cats", "b/cats"])) == ["Cats", "cats_2"]


def test_a_line_break_in_a_name_stays_in_the_remark(here: Path) -> None:
    odd = "a\nevaluations: x.keras"
    keras.models.load_model(here / "my net.keras").save(here / odd)
    _, text = explain_study(odd, ["a cat.png"])
    assert checked(text)["evaluations"] == {} and yaml.safe_load(text)["models"]["a_evaluations_x"]["path"] == odd
    (here / "~cat.png").write_bytes((here / "a cat.png").read_bytes())
    assert image_sets(["~cat.png"])["pictures"]["files"] == ["./~cat.png"]


def test_a_model_for_any_size_is_told_one_at_the_start(here: Path) -> None:
    with pytest.raises(UserError, match=r"'free\.keras' takes pictures of any size; name the side by --image-size"):
        explain_study("free.keras", ["a cat.png"])
    assert checked(explain_study("free.keras", ["a cat.png"], size=48)[1])["models"]["free"]["image_size"] == 48
