"""The gallery shows what the config asks for, of the model and the images as they are now, and says what it cannot show."""

import copy
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import pytest

from convscope.config import complete
from convscope.errors import UserError
from convscope.gallery import build_gallery, build_index
from convscope.gallery.asked import asked_for
from convscope.gallery.collect import collect
from convscope.gallery.present import other_images, other_model
from convscope.gallery.records import Study
from convscope.gallery.tables import read_table
from convscope.gallery.unfinished import FailedJob, Unfinished, read_unfinished
from convscope.storage.identity import pictures_identity
from tests import gallery_fixture as fixture

FIRST, SECOND = fixture.SETS
CONVOLUTIONS = [layer for layer in fixture.LAYERS if layer.startswith("conv")]


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = fixture.make_results(tmp_path_factory.mktemp("asked"))
    fixture.add_judging(results)
    return results


@pytest.fixture
def results(untouched: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(untouched, tmp_path / untouched.name))


def shown(study: Study) -> dict[str, Any]:
    """All that a gallery shows, in short; of the models, the first one's."""
    model = study.models[0] if study.models else None
    found: dict[str, Any] = {
        "datasets": [entry.name for entry in study.datasets],
        "models": [entry.name for entry in study.models],
        "image_sets": [entry.name for entry in study.image_sets],
    }
    return found | {
        "evaluations": [entry.split for entry in model.evaluations] if model else [],
        "layers": [layer.name for layer in model.shown_layers] if model else [],
        "activations": [entry.image_set for entry in model.activations] if model else [],
        "cams": [(entry.image_set, entry.methods) for entry in model.heatmaps] if model else [],
        "attributions": [(entry.image_set, [m[0] for m in entry.methods]) for entry in model.explained]
        if model
        else [],
        "judging": [entry.image_set for entry in model.judged] if model else [],
        "curves": bool(model and model.curves and model.training and model.epochs),
    }


WHOLE = {
    "datasets": ["pets", "bare"],
    "models": ["convnet", "Mini_net"],
    "image_sets": [FIRST, SECOND],
    "evaluations": ["test", "shifted"],
    "layers": CONVOLUTIONS,
    "activations": [FIRST],
    "cams": [(FIRST, ("Grad-CAM",)), (SECOND, ("Grad-CAM",))],
    "attributions": [(FIRST, ["saliency", "integrated_gradients"])],
    "judging": [FIRST],
    "curves": True,
}
NONE: dict[str, Any] = {key: [] for key in WHOLE} | {"curves": False}
NO_SETS: dict[str, Any] = {"image_sets": [], "activations": [], "cams": [], "attributions": [], "judging": []}


def drop(*keys: str) -> Callable[[dict[str, Any]], None]:
    """Take an entry out of the config."""

    def change(config: dict[str, Any]) -> None:
        for key in keys[:-1]:
            config = config[key]
        del config[keys[-1]]

    return change


def put(*keys: Any) -> Callable[[dict[str, Any]], None]:
    """Set a setting to the last of `keys`."""

    def change(config: dict[str, Any]) -> None:
        for key in keys[:-2]:
            config = config[key]
        config[keys[-2]] = keys[-1]

    return change


CHANGES = {
    "nothing": (lambda config: None, {}),
    "an image set of the maps": (put("cams", "convnet", "images", [FIRST]), {"cams": WHOLE["cams"][:1], "image_sets": [FIRST]}),
    "all maps": (put("cams", {}), {"cams": [], "image_sets": [FIRST]}),
    "no part of maps at all": (drop("cams"), {"cams": [], "image_sets": [FIRST]}),
    "a method": (
        put("attributions", "convnet", "methods", ["integrated_gradients"]),
        {"attributions": [(FIRST, ["integrated_gradients"])]},
    ),
    # A layer, and a block: block2 is the last two of the six.
    "fewer layers": (put("filters", "convnet", "layers", ["conv2", "block2"]), {"layers": ["conv2", "conv3", "conv4"]}),
    "the patterns": (drop("filters", "convnet"), {"layers": []}),
    "the evaluations": (put("evaluations", {}), {"evaluations": []}),
    "an evaluation": (put("evaluations", "convnet", ["pets/shifted"]), {"evaluations": ["shifted"]}),
    "the activations": (drop("activations", "convnet"), {"activations": []}),
    "the judging": (put("judging", {}), {"judging": []}),
    "the image sets": (put("image_sets", {}), NO_SETS),
    "the datasets": (put("datasets", {}), {"datasets": []}),
    "a dataset": (drop("datasets", "pets"), {"datasets": ["bare"]}),
    "another preset": (put("filters", "convnet", "preset", "sharp"), {"layers": []}),
    "an imported model of that name": (put("models", "convnet", {"source": "file"}), {"curves": False}),
    "the models": (put("models", {}), NONE | {"datasets": WHOLE["datasets"]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_what_the_config_no_longer_asks_for_is_not_shown(untouched: Path, name: str) -> None:
    change, other = CHANGES[name]
    config = copy.deepcopy(fixture.CONFIG)
    change(config)
    assert shown(collect(untouched, config)) == WHOLE | other


def test_a_model_of_an_older_version_has_no_identity(tmp_path: Path) -> None:
    (tmp_path / "maps.json").write_text('{"model_digest": "76bf4a427793"}')
    assert "model.json is of an older version" in other_model(tmp_path / "maps.json", {"digest": "76bf4a427793"})
    assert other_model(tmp_path / "maps.json", {"identity": "76bf4a427793"}) == ""


def test_a_completed_config_asks_for_its_defaults() -> None:
    config = {"study": "s", "models": {"m": {"source": "file", "path": "m.keras"}}, "filters": {"m": {}}}
    config |= {"image_sets": {"few": {"folder": "f"}}, "cams": {"m": {"images": ["few"]}}}
    config |= {"attributions": {"m": {"images": ["few"], "methods": "all"}}}
    (model,) = asked_for(complete(config)).models
    assert (model.layers, model.presets, model.cam_methods) == ("all", ("textbook",), ("gradcam",))
    assert "saliency" in model.attribution_methods and "pertinent_negative" not in model.attribution_methods
    assert not model.trained and model.evaluations == model.judging == ()
    with pytest.raises(UserError, match=r"cams\.m\.methods: missing"):
        asked_for(config | {"attributions": {"m": {"images": ["few"]}}})
    assert asked_for({"study": "s"}).models == asked_for({"study": "s", "models": None}).models == ()


def swap(results: Path) -> None:
    """Another model takes the name."""
    path = results / "models" / "convnet" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"identity": "ef" * 8}))


def test_maps_of_the_model_that_had_the_name_before_are_not_shown(results: Path) -> None:
    swap(results)
    study = collect(results, fixture.CONFIG)
    left = {key: WHOLE[key] for key in ("datasets", "models", "image_sets", "curves")}
    assert shown(study) == NONE | left
    assert [layer.name for layer in study.models[1].shown_layers] == CONVOLUTIONS
    kinds = {gap.kind: gap for gap in study.gaps}
    assert set(kinds) == {
        "Evaluation", "Filter patterns", "Activations", "Class activation maps", "Attributions", "Judging",
    }  # fmt: skip
    assert {gap.model for gap in study.gaps} == {"convnet"}
    assert {gap.reason for gap in study.gaps} == {
        "made with another model of that name (abababababab, now efefefefefef)"
    }
    assert kinds["Filter patterns"].names == tuple(CONVOLUTIONS)
    build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html")
    for page in ("index.html", "model_convnet.html"):
        text = (results / "gallery" / page).read_text()
        assert text.count("made with another model of that name") == 6 and "Not shown" in text
    assert "Not shown" not in (results / "gallery" / "model_Mini_net.html").read_text()
    pictures = {path.name for path in (results / "gallery" / "pictures").iterdir()}
    assert not [name for name in pictures if "convnet" in name]


def test_whose_a_file_of_maps_is(results: Path) -> None:
    path = results / "cams" / "convnet" / FIRST / "gradcam.h5"
    spec = json.loads((results / "models" / "convnet" / "model.json").read_text())
    assert other_model(path, spec) == ""
    # Another preprocessing of the same weights is another model: its identity is another one.
    assert "another model" in other_model(path, spec | {"identity": "0" * 16})
    with h5py.File(path, "a") as file:
        del file.attrs["model_digest"]
    assert other_model(path, spec) == "gradcam.h5 does not tell which model it was made with"
    path.write_bytes(b"torn")
    with pytest.raises(UserError, match=r"gradcam\.h5: not readable .*; delete it and run again"):
        other_model(path, spec)


def test_maps_of_other_images_are_not_shown(results: Path) -> None:
    table = results / "image_sets" / f"{FIRST}.csv"
    lines = table.read_text(encoding="utf-8").splitlines()
    table.write_text("\n".join([*lines[:1], *lines[:0:-1]]), encoding="utf-8")  # the same images in another order
    study = collect(results, fixture.CONFIG)
    assert shown(study) == WHOLE | {"cams": WHOLE["cams"][1:], "activations": [], "attributions": []}
    assert {gap.reason for gap in study.gaps} == {"made of other images than the image set holds now"}
    table.unlink()
    study = collect(results, fixture.CONFIG)
    assert [(gap.kind, gap.names) for gap in study.gaps] == [("Image set", (FIRST,))]
    assert shown(study)["cams"] == WHOLE["cams"][1:]


def test_images_whose_content_has_changed(results: Path) -> None:
    path = results / "cams" / "convnet" / FIRST / "gradcam.h5"
    rows = read_table(results / "image_sets" / f"{FIRST}.csv")
    now = [row | {"sha256": f"{k:016x}"} for k, row in enumerate(rows)]
    assert other_images(path, rows) == other_images(path, now) == ""  # one of the two does not know
    with h5py.File(path, "a") as file:
        file.create_dataset("sha256", data=[row["sha256"] for row in now], dtype=h5py.string_dtype())
        file.attrs["images_digest"] = pictures_identity(now)
    assert other_images(path, rows) == other_images(path, now) == ""
    now[2]["sha256"] = now[5]["sha256"] = "f" * 16
    assert other_images(path, now) == "2 of 8 images have changed since"
    assert other_images(path, now[:7]) == "made of other images than the image set holds now"
    with h5py.File(path, "a") as file:
        file.attrs["images_digest"] = "0" * 16  # its own pictures are the same, those it was compared with are not
        file["sha256"][...] = [row["sha256"] for row in now]
    assert other_images(path, now) == "made of other images than the image set holds now"
    table = results / "judging" / "convnet" / FIRST / "table.json"
    assert other_images(table, now) == ""
    table.write_text(json.dumps({"images_digest": pictures_identity(now)}))
    assert other_images(table, now) == "" != other_images(table, now[1:])


def test_what_is_asked_for_and_lost_is_said(results: Path) -> None:
    grid = results / "filters" / "convnet" / "textbook" / "filters_for_layer_conv3.png"
    grid.unlink()
    (results / "attributions" / "convnet" / FIRST / "side_by_side.csv").unlink()
    (results / "evaluation" / "convnet" / "pets.test" / "classes.csv").unlink()
    (results / "datasets" / "bare" / "contact_sheet.png").unlink()
    (results / "models" / "convnet" / "curves.png").unlink()
    study = collect(results, fixture.CONFIG | {"models": fixture.CONFIG["models"] | {"third": {}}})
    said = {(gap.kind, gap.model, *gap.names): gap.reason for gap in study.gaps}
    where = f"filters/convnet/textbook/{grid.name}"
    assert said["Filter patterns", "convnet", "conv3"] == f"{where} is not there; run the study"
    assert ("Side by side", "convnet", FIRST) in said and ("Report of the evaluation", "convnet", "pets.test") in said
    assert said["Model", "third"] == "models/third/model.json is not there; run the study"
    assert ("Contact sheet", "", "bare") in said and ("Training curves", "convnet") in said and len(said) == 6
    assert not any(image.picture for image in study.models[0].explained[0].images)
    assert [entry.reported for entry in study.models[0].evaluations] == [False, True]


def test_files_of_maps_deleted_to_save_space_hide_nothing(results: Path) -> None:
    for path in results.rglob("*.h5"):
        path.unlink()
    study = collect(results, fixture.CONFIG)
    assert shown(study) == WHOLE and study.gaps == ()


def test_an_image_set_that_nothing_uses_is_not_missed(results: Path) -> None:
    config = fixture.CONFIG | {"image_sets": {**fixture.CONFIG["image_sets"], "spare": {}}}
    study = collect(results, config)
    assert shown(study) == WHOLE and study.gaps == ()


def failed(results: Path) -> Unfinished:
    """The jobs of one layer's patterns and of the first set's maps failed; maps of an older run lie there still."""
    log = results / "logs" / "cam.log"
    log.parent.mkdir()
    log.write_text("cam: error: no <room>\n")
    cams = results / "cams" / "convnet" / FIRST
    gone = {str(cams / "gradcam.csv"): "cam convnet failed: no <room>", "elsewhere/x.csv": "no matter"}
    return Unfinished((FailedJob("cam convnet", "no <room>", log), FailedJob("ascend x", "killed", None)), gone)


def test_a_run_with_failures_has_a_gallery_of_the_rest(results: Path) -> None:
    out = results / "gallery" / "index.html"
    build_gallery(results, fixture.CONFIG, out)
    (results / "filters" / "convnet" / "textbook" / "filters_for_layer_conv1.png").write_bytes(b"torn")
    with pytest.raises(UserError, match="not a readable picture"):
        build_gallery(results, fixture.CONFIG, out)
    study = build_gallery(results, fixture.CONFIG, out, failed(results))
    assert shown(study) == WHOLE | {"cams": WHOLE["cams"][1:], "layers": CONVOLUTIONS[1:]}
    assert [layer.name for layer in study.models[0].layers] == fixture.LAYERS
    page = out.read_text(encoding="utf-8")
    for words in ("Unfinished: 2 jobs failed", "cam convnet</strong>: no &lt;room&gt;", 'href="../logs/cam.log"'):
        assert words in page, words
    assert "<room>" not in page and "not a readable picture" in page and "cam convnet failed" in page
    cards = [out.parent / name for name in ("study.json", "unfinished.json")]
    assert [card.exists() for card in cards] == [False, True]  # to the workflow, the gallery has yet to be made
    assert build_index([], results.parent / "index.html") == [cards[1]]
    assert "2 jobs failed" in " ".join((results.parent / "index.html").read_text().split())

    fixture.grid(results / "filters" / "convnet" / "textbook" / "filters_for_layer_conv1.png", list(range(12)))
    assert shown(build_gallery(results, fixture.CONFIG, out)) == WHOLE
    assert [card.exists() for card in cards] == [True, False] and "Unfinished" not in out.read_text()
    assert build_index([], results.parent / "index.html") == cards[:1]
    assert "jobs failed" not in " ".join((results.parent / "index.html").read_text().split())


def test_a_model_that_was_not_made_takes_all_of_its_own_with_it(results: Path) -> None:
    (results / "models" / "convnet" / "model.json").unlink()
    files = {str(results / "models" / "convnet" / "model.json"): "train_model convnet failed: no memory"}
    study = build_gallery(results, fixture.CONFIG, results / "gallery" / "index.html", Unfinished((), files))
    assert [model.name for model in study.models] == ["Mini_net"]
    assert [(gap.kind, gap.model, gap.reason) for gap in study.gaps] == [
        ("Model", "convnet", "train_model convnet failed: no memory")
    ]


def test_unfinished_is_read_back(tmp_path: Path) -> None:
    given = {"jobs": [{"name": "a", "reason": "b", "log": ""}], "files": {"c": "d"}}
    (tmp_path / "u.json").write_text(json.dumps(given))
    assert read_unfinished(tmp_path / "u.json") == Unfinished((FailedJob("a", "b", None),), {"c": "d"})
    with pytest.raises(UserError, match="no such file"):
        read_unfinished(tmp_path / "gone.json")
