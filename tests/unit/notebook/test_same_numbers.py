"""A notebook's arrays are those of the workflow: the scripts run as the rules run them, on the model saved and the pictures listed."""

import inspect
import json
from argparse import Namespace
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from PIL import Image

import convscope
from convscope.config import complete
from convscope.filters.presets import for_preset
from scripts import activations, ascend, attribution, cam, image_set, import_model, layers
from tests.unit.notebook.networks import photos, small

CLASSES = ["cat", "dog", "emu"]
PREPROCESSING = {"scale": 0.9, "offset": 3.0}
ABOUT = {"classes": CLASSES, "resize": "pad", "preprocessing": PREPROCESSING}


class Study:
    """What the jobs before the methods have made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = small()
        self.paths = photos(folder)
        self.model.save(folder / "mine.keras")
        self.config = self._config()
        self.canonical, self.spec, self.layers = folder / "model.keras", folder / "model.json", folder / "layers.csv"
        self.images = folder / "images.csv"
        settings = json.dumps(self.config["models"]["net"])
        made = {"model": self.canonical, "spec": self.spec}
        import_model.main(Namespace(name="net", settings=settings, summary=folder / "summary.txt", **made))
        layers.main(Namespace(table=self.layers, **made))
        chosen = json.dumps({"files": [str(path) for path in self.paths]})
        none = dict.fromkeys(("predictions", "bad_images", "model"))
        image_set.main(
            Namespace(settings=chosen, images=None, out=self.images, bad=folder / "bad.csv", seed=0, threads=1, **none)
        )

    def _config(self, **stages: Any) -> dict[str, Any]:
        model = {"source": "file", "path": str(self.folder / "mine.keras"), **ABOUT}
        return complete({"study": "test", "models": {"net": model}, **stages})

    def settings(self, stage: str, **own: Any) -> dict[str, Any]:
        """A stage's settings with the defaults of the schema."""
        return self._config(**{stage: {"net": ({} if stage == "filters" else {"images": ["some"]}) | own}})[stage][
            "net"
        ]

    def run(self, script: Any, settings: dict[str, Any], **arguments: Any) -> dict[str, np.ndarray]:
        """The arrays of one job."""
        common = {"model": self.canonical, "spec": self.spec, "layers": self.layers, "images": self.images}
        shard = {"first": 0, "count": 10, "out": self.folder / "out.h5", "threads": 1, "seed": 0}
        shard["settings"] = json.dumps(settings)
        script.main(Namespace(**common, **shard, **arguments))
        found: dict[str, np.ndarray] = {}
        with h5py.File(shard["out"]) as file:
            file.visititems(
                lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None
            )
        return found


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    return Study(tmp_path_factory.mktemp("study"))


@pytest.mark.parametrize("target", ["predicted", "all", "dog"])
def test_every_class_activation_map(study: Study, target: str) -> None:
    methods = ["gradcam", "gradcam_plus_plus", "layer_cam", "eigen_cam", "cam", "score_cam"]
    settings = study.settings("cams", methods=methods) | {"class": target}
    file = study.run(cam, settings, gap_head=None)
    for method in methods:
        found = convscope.explain(study.model, study.paths, method, target, **ABOUT)
        whole = (lambda values: values) if target == "all" else (lambda values: values[:, 0])
        np.testing.assert_array_equal(found.targets, whole(file["targets"]))
        np.testing.assert_array_equal(found.predicted, file["predicted"])
        for name, values in (("maps/" + method, found.maps), ("scores", found.scores)):
            np.testing.assert_allclose(values, whole(file[name]), rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(found.predictions, file["probabilities"], atol=1e-6)
        assert found.maps.any()
        assert found.ids == [name.decode() for name in file["id"]]


@pytest.mark.parametrize(
    ("method", "own"),
    [
        ("saliency", {}), ("input_x_gradient", {"baseline": "mean"}), ("smoothgrad", {"samples": 4}), ("guided_backprop", {}),
        ("deconvnet", {}), ("guided_gradcam", {}), ("integrated_gradients", {"steps": 5, "baseline": "black"}),
        ("occlusion", {}), ("rise", {"masks": 20}), ("lime", {"samples": 20}), ("kernel_shap", {"samples": 20, "segments": 6}),
        ("partition_shap", {"evaluations": 20}), ("gradient_shap", {"samples": 4}), ("deep_shap", {"background": 2}),
        ("pertinent_negative", {"iterations": 4, "searches": 2}), ("pertinent_positive", {"iterations": 4, "searches": 2}),
    ],
)  # fmt: skip
def test_every_attribution(study: Study, method: str, own: dict[str, Any]) -> None:
    settings = study.settings("attributions", methods=[method], **({method: own} if own else {}))
    file = study.run(attribution, settings, method=method, autoencoder=None)
    found = convscope.explain(study.model, study.paths, method, **own, **ABOUT)
    np.testing.assert_allclose(found.maps, file["maps"][:, 0], rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(found.targets, file["targets"][:, 0])
    np.testing.assert_allclose(found.predictions, file["probabilities"], atol=1e-6)
    facts = {name.removeprefix("facts/") for name in file if name.startswith("facts/")}
    assert set(found.facts) == facts and (found.maps.any() or method.startswith("pertinent"))
    for name in facts:
        np.testing.assert_allclose(found.facts[name], file[f"facts/{name}"][:, 0], rtol=1e-4, atol=1e-5)
    assert found.picture().dtype == np.uint8


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_activations(study: Study, dtype: str) -> None:
    file = study.run(activations, study.settings("activations", dtype=dtype))
    for layer in ("conv1", "pool1", "conv2"):
        found = convscope.activations(study.model, study.paths, layer, dtype=dtype, **ABOUT)
        assert found.values.dtype == dtype
        np.testing.assert_allclose(found.values, file[f"layers/{layer}"], rtol=1e-6, atol=1e-6)
        for name in ("mean", "maximum", "zeros"):
            np.testing.assert_allclose(getattr(found, name), file[f"statistics/{layer}/{name}"], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("preset", "own"), [("sharp", {"coarse_size": 0, "steps": 3}), ("textbook", {"steps": 2})])
def test_filter_patterns(study: Study, preset: str, own: dict[str, Any]) -> None:
    given = {"filters": [0, 5], "size": 40, "crop": 2, **own}
    settings = for_preset(study.settings("filters", preset=preset, **given), preset)
    arguments = {"layer": "conv2", "state": study.folder / "state", "code": ""}
    file = study.run(ascend, settings, **arguments)
    found = convscope.filter_patterns(study.model, "conv2", preset=preset, **given, **ABOUT)
    np.testing.assert_array_equal(found.filters, file["filter"])
    np.testing.assert_allclose(found.objective, file["objective"], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.patterns, file["patterns"], rtol=1e-3, atol=1e-3)  # stored as float16


def test_the_defaults_are_the_schemas(study: Study) -> None:
    named = inspect.signature(convscope.explain).parameters
    assert named["target"].default == study.settings("cams")["class"] == study.settings("attributions")["class"]
    assert [named["method"].default] == study.settings("cams")["methods"]
    found = convscope.explain(study.model, study.paths[0], "integrated_gradients", **ABOUT)
    assert found.settings == {"steps": 50, "baseline": "grey", "blur": 10.0}
    style = study.settings("attributions")
    assert found.style == {key: style[key] for key in ("colormap", "diverging", "percentile", "scale")}
    assert (
        convscope.activations(study.model, study.paths[0], "conv1", **ABOUT).values.dtype
        == (study.settings("activations")["dtype"])
    )


def test_a_file_a_studys_model_and_the_live_one_are_the_same(study: Study) -> None:
    live = convscope.explain(study.model, study.paths, **ABOUT)
    saved = convscope.explain(study.folder / "mine.keras", study.paths, **ABOUT)
    of_a_study = convscope.explain(study.canonical, study.paths)
    for other in (saved, of_a_study):
        np.testing.assert_array_equal(live.maps, other.maps)
        assert other.classes == tuple(CLASSES)
    with pytest.raises(convscope.errors.UserError, match="leave out classes"):
        convscope.explain(study.canonical, study.paths, classes=CLASSES)


def test_arrays_and_pil_pictures_are_read_like_files(study: Study) -> None:
    of_files = convscope.explain(study.model, study.paths, **ABOUT)
    opened = [Image.open(path) for path in study.paths]
    for pictures in (opened, [np.asarray(one) for one in opened], [np.asarray(one, np.float32) for one in opened]):
        found = convscope.explain(study.model, pictures, **ABOUT)
        np.testing.assert_array_equal(found.images, of_files.images)
        np.testing.assert_array_equal(found.maps, of_files.maps)


def test_the_picture_is_the_workflows(study: Study) -> None:
    """Pixel for pixel the overlay that rule `overlays` would draw, before JPEG."""
    from convscope.pictures.render import overlay

    found = convscope.explain(study.model, study.paths[0], **ABOUT)
    drawn = overlay(found.images[0], found.maps[0], float(found.maps[0].max()), "jet")
    np.testing.assert_array_equal(found.overlays[0], drawn)


def test_weights_stay(study: Study) -> None:
    before = [weight.copy() for weight in study.model.get_weights()]
    convscope.explain(study.model, study.paths, "guided_backprop", **ABOUT)
    convscope.filter_patterns(study.model, "conv1", [0], size=24, steps=1, coarse_size=0, **ABOUT)
    for old, new in zip(before, study.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    assert isinstance(study.model.get_layer("conv1"), keras.layers.Conv2D)
