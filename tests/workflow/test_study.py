"""The tiny study from end to end: every artifact, read back with nothing of the project's own; and that it is finished."""

import csv
import json
import re
import resource
import subprocess
import sys
import zipfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import h5py
import numpy as np
import pytest
from PIL import Image

from convscope.storage.files import sha256_of
from tests.workflow.conftest import Project
from tests.workflow.lint import findings

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]

ACTIVATED = ["stem_conv", "block2_sepconv1", "block2_sepconv2", "block2_pool", "block2_residual_conv"]
ASCENDED = ["stem_conv", "block2_residual_conv"]


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def dimensions(data: h5py.Dataset) -> list[str]:
    return [dimension.label for dimension in data.dims]


def test_dataset(finished: Project) -> None:
    folder = finished.study / "datasets" / "pets"
    images = rows(folder / "images.csv")
    assert list(images[0]) == ["split", "class", "label", "path", "width", "height", "sha256"]
    counts = {"train": 16, "validation": 8, "test": 8, "shifted": 4}
    assert {split: sum(row["split"] == split for row in images) for split in counts} == {
        split: 2 * count for split, count in counts.items()
    }
    for row in images:
        assert sha256_of(finished.folder / row["path"]).startswith(row["sha256"])
    masks = rows(folder / "masks.csv")
    assert [row["path"] for row in masks] == [row["path"] for row in images]
    for row in masks:
        assert sha256_of(finished.folder / row["mask"]).startswith(row["sha256"])
    assert json.loads((folder / "parts.json").read_text())["parts"][0] == "background"
    assert (folder / "bad.csv").read_text() == "split,class,path,reason\n"
    assert json.loads((folder / "classes.json").read_text())["classes"] == ["cat", "dog"]
    assert Image.open(folder / "contact_sheet.png").width > 500


def test_model(finished: Project) -> None:
    folder = finished.study / "models" / "net"
    with zipfile.ZipFile(folder / "model.keras") as archive:
        assert "model.weights.h5" in archive.namelist()
    spec = json.loads((folder / "model.json").read_text())
    assert (spec["name"], spec["input_size"], spec["classes"]) == ("net", [64, 64], ["cat", "dog"])
    layers = {row["name"]: row for row in rows(folder / "layers.csv")}
    assert list(next(iter(layers.values()))) == [
        "name",
        "block",
        "type",
        "filters",
        "kernel",
        "height",
        "width",
        "channels",
        "relu",
        "role",
    ]
    assert {row["role"] for row in layers.values()} == {"conv", "shortcut", "pool"}
    assert len(layers) == 1 + 5 * 4
    assert layers["stem_conv"] | {"kernel": "5x5", "height": "60", "filters": "22"} == layers["stem_conv"]
    history = rows(folder / "history.csv")
    assert [row["epoch"] for row in history] == ["1", "2"]
    assert json.loads((folder / "training.json").read_text())["best_epoch"] in (1, 2)
    assert "Total params" in (folder / "summary.txt").read_text()
    assert Image.open(folder / "curves.png").width > 500


def test_evaluation(finished: Project) -> None:
    folder = finished.study / "evaluation" / "net" / "pets.test"
    predictions = rows(folder / "predictions.csv")
    metrics = json.loads((folder / "metrics.json").read_text())
    assert len(predictions) == metrics["images"] == 16
    assert metrics["accuracy"] == sum(row["correct"] == "true" for row in predictions) / 16
    wrong = {row["path"] for row in predictions if row["correct"] == "false"}
    assert {row["path"] for row in rows(finished.study / "image_sets" / "wrong.csv")} <= wrong
    assert sum(sum(row) for row in metrics["confusion"]) == 16
    classes = {row["class"]: float(row["recall"]) for row in rows(folder / "classes.csv")}
    assert classes == {name: pytest.approx(part["recall"], abs=1e-5) for name, part in metrics["classes"].items()}
    for name in ("confusion", "confusion_normalised", "roc", "calibration", "most_confident_errors"):
        assert Image.open(folder / f"{name}.png").width > 200, name
    assert json.loads((folder / "thumbnails.json").read_text())["count"] == 16
    page = (finished.study / "gallery" / "predictions_net_pets.test.html").read_text()
    assert page.count("<tr data-result") == 16


def test_activations_with_h5py_alone(finished: Project) -> None:
    folder = finished.study / "activations" / "net" / "few"
    few = rows(finished.study / "image_sets" / "few.csv")
    layers = {row["name"]: row for row in rows(finished.study / "models" / "net" / "layers.csv")}
    with h5py.File(folder / "activations.h5", "r") as file:
        assert file.attrs["model"] == "net"
        assert len(file.attrs["model_digest"]) == 16 == len(file.attrs["images_digest"])
        assert set(json.loads(file.attrs["libraries"])) == {"h5py", "keras", "numpy", "tensorflow"}
        assert json.loads(file.attrs["layers_in_order"]) == ACTIVATED
        assert set(file["layers"]) == set(ACTIVATED)
        assert [text.decode() for text in file["path"][()]] == [row["path"] for row in few]
        assert file["label"][()].tolist() == [int(row["label"]) for row in few]
        for name in ACTIVATED:
            data, row = file["layers"][name], layers[name]
            assert data.shape == (4, int(row["height"]), int(row["width"]), int(row["channels"]))
            assert data.dtype == np.float16
            assert dimensions(data) == ["image", "height", "width", "channel"]
            assert np.isfinite(data[()]).all()
            assert data[()].std() > 0
            statistics = {key: file["statistics"][name][key][()] for key in ("mean", "maximum", "zeros")}
            assert all(values.shape == data.shape[::3] for values in statistics.values())
            assert statistics["zeros"].min() >= 0 and statistics["zeros"].max() <= 1
            if row["relu"]:  # measured behind it
                assert statistics["mean"].min() >= 0
                assert (statistics["maximum"][statistics["zeros"] == 1] == 0).all()
            else:
                wanted = data[()].astype(np.float64).mean((1, 2))
                np.testing.assert_allclose(statistics["mean"], wanted, rtol=0.01, atol=0.002)
    with h5py.File(folder / "shards" / "0001.h5", "r") as shard, h5py.File(folder / "activations.h5", "r") as file:
        np.testing.assert_array_equal(file["layers/stem_conv"][3:], shard["layers/stem_conv"][()])


def test_channel_sheets(finished: Project) -> None:
    folder = finished.study / "activations" / "net" / "few"
    sheets = sorted((folder / "sheets").glob("*/*.png"))
    assert [re.sub(r"^\d\d_", "", sheet.stem) for sheet in sheets] == ACTIVATED
    for sheet in sheets:
        written = Image.open(sheet).info
        assert written["model"] == "net" and written["layer"] in ACTIVATED and written["image"] == sheet.parent.name
    assert len(list((folder / "sheets").glob("*_channel_5.png"))) == 1
    assert len(rows(folder / "sparsity.csv")) == len(ACTIVATED)
    assert Image.open(folder / "sparsity.png").width > 300


def test_while_it_learned_with_h5py_alone(finished: Project) -> None:
    few = rows(finished.study / "image_sets" / "few.csv")
    folder = finished.study / "watching" / "net"
    with h5py.File(folder / "few" / "watch.h5", "r") as file:
        assert file["epoch"][()].tolist() == [1, 2]
        assert [name.decode() for name in file["id"][()]] == [few[0]["id"], few[3]["id"]], "evenly spread"
        assert json.loads(file.attrs["methods"]) == ["gradcam", "cam"] and json.loads(file.attrs["left_out"]) == {}
        maps = file["maps/cam"]
        assert maps.shape[:2] == (2, 2) and dimensions(maps) == ["epoch", "image", "height", "width"]
        assert file["activation"].shape[:2] == (2, 2) and file["activation"][()].std() > 0
        np.testing.assert_allclose(file["probabilities"][()].sum(axis=2), 1, atol=1e-5)
        answers = file["predicted"][()]
        best = list(file["epoch"][()]).index(file.attrs["best_epoch"])
        sure = file["probabilities"][best].max(axis=1)
    table = rows(folder / "few" / "predictions.csv")
    assert [(row["id"], row["epoch"]) for row in table] == [(few[k]["id"], epoch) for k in (0, 3) for epoch in "12"]
    assert [row["predicted"] for row in table] == [["cat", "dog"][answer] for answer in answers.T.ravel()]
    assert [row["flipped"] for row in table[1::2]] == [str(a != b).lower() for a, b in answers.T]
    # The best epoch's answers are those of the evaluation.
    said = {row["path"]: row for row in rows(finished.study / "evaluation" / "net" / "pets.test" / "predictions.csv")}
    for place, k in enumerate((0, 3)):
        row = said[few[k]["path"]]
        assert table[2 * place + best]["predicted"] == row["predicted"]
        assert sure[place] == pytest.approx(float(row["confidence"]), abs=2e-4)
    for kind, suffix in (("strips", "png"), ("animations", "webp"), ("frames", "jpg")):
        names = sorted(path.name for path in (folder / "few" / "pictures" / kind).iterdir())
        assert names == sorted(f"{few[k]['id']}.{suffix}" for k in (0, 3))
    with h5py.File(folder / "filters.h5", "r") as file:
        assert file["patterns"].shape == (2, 1, 32, 32, 3)
        assert file.attrs["layer"] == "block3_sepconv1"
        assert np.abs(file["patterns"][0] - file["patterns"][1]).max() > 0.01, "an epoch has changed them"
    page = (finished.study / "gallery" / "watching_net_few.html").read_text()
    assert page.count('class="frame"') == 2 * 3 and 'data-epochs="1 2"' in page


def test_filters_with_h5py_alone(finished: Project) -> None:
    folder = finished.study / "filters" / "net" / "textbook"
    assert sorted(path.stem for path in folder.glob("*.h5")) == sorted(ASCENDED)
    for layer in ASCENDED:
        with h5py.File(folder / f"{layer}.h5", "r") as file:
            assert file.attrs["layer"] == layer
            assert file.attrs["seed"] == 3
            settings = json.loads(file.attrs["settings"])
            assert (settings["size"], settings["steps"], settings["crop"]) == (48, 4, 6)
            assert file["patterns"].shape == (3, 48, 48, 3)
            assert dimensions(file["patterns"]) == ["filter", "height", "width", "colour"]
            assert dimensions(file["objective"]) == ["filter", "step"]
            assert file["objective"].shape == (3, 5)
            objective, dead = file["objective"][()], file["dead"][()]
            assert (objective[~dead, -1] > objective[~dead, 0]).all()
        grid = Image.open(folder / f"filters_for_layer_{layer}.png")
        geometry = json.loads(grid.info["grid"])
        assert geometry["filters"] == [0, 1, 2]
        assert grid.width == geometry["columns"] * (geometry["cell"] + geometry["margin"]) + geometry["margin"]
        assert grid.info["layer"] == layer
        assert (folder / f"objective_{layer}.png").stat().st_size > 1000


def test_concepts_with_h5py_alone(finished: Project) -> None:
    folder = finished.study / "units" / "net" / "few"
    chosen = rows(finished.study / "image_sets" / "few.csv")
    with h5py.File(folder / "concepts.h5", "r") as file:
        names = [
            (kind.decode(), name.decode()) for kind, name in zip(file["concept_kind"], file["concept"], strict=True)
        ]
        kinds = [kind.decode() for kind in file["kind"]]
        height, width = json.loads(file.attrs["size"])
        assert (height, width) == (64, 64) and [text.decode() for text in file["id"]] == [row["id"] for row in chosen]
        masks, known = (
            np.unpackbits(file[name][()].view(np.uint8), axis=-1, bitorder="little", count=height * width).astype(bool)
            for name in ("masks", "known")
        )
        assert dimensions(file["masks"]) == ["image", "concept", "word"]
    assert masks.shape == (len(chosen), len(names), 64 * 64) and known.shape == (len(chosen), len(kinds), 64 * 64)
    assert known.all(), "drawn pictures fill their square, and have masks and classes"
    of = {name: masks[:, index] for index, name in enumerate(names)}
    assert [of["class", row["class"]][index].all() for index, row in enumerate(chosen)] == [True] * len(chosen)
    assert (of["part", "object"] ^ of["part", "background"]).all()
    assert (sum(mask.astype(int) for (kind, _), mask in of.items() if kind == "colour") == 1).all()
    table = rows(folder / "concepts.csv")
    assert [(row["kind"], row["name"]) for row in table] == names
    assert [float(row["share"]) for row in table] == pytest.approx(masks.mean(axis=(0, 2)).tolist())
    with Image.open(folder / "concepts.png") as sheet:
        assert json.loads(sheet.info["images"]) == [row["id"] for row in chosen]


@pytest.mark.parametrize("images", ["few", "wrong"])
def test_cams_with_h5py_alone(finished: Project, images: str) -> None:
    folder = finished.study / "cams" / "net" / images
    chosen = rows(finished.study / "image_sets" / f"{images}.csv")
    with h5py.File(folder / "gradcam.h5", "r") as file:
        assert json.loads(file.attrs["classes"]) == ["cat", "dog"]
        assert file.attrs["layer"]
        maps, probabilities = file["maps"][()], file["probabilities"][()]
        assert dimensions(file["maps"]) == ["image", "target", "height", "width"]
        assert maps.shape[:2] == (len(chosen), 2)
        assert maps.min() >= 0
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
        assert (file["predicted"][()] == probabilities.argmax(axis=1)).all()
        assert [text.decode() for text in file["id"][()]] == [row["id"] for row in chosen]
        assert file["targets"][()].tolist() == [[0, 1]] * len(chosen)
    table = rows(folder / "gradcam.csv")
    assert len(list((folder / "gradcam" / "overlays").iterdir())) == 2 * len(chosen)
    assert {row["id"] for row in table} == {row["id"] for row in chosen}
    for row in table:
        assert Image.open(folder / row["overlay"]).format == "JPEG"
        assert row["id"] in row["overlay"] and row["target"] in row["overlay"]
    assert (folder / "gradcam" / "sheet_000.png").read_bytes() == (folder / "gradcam_sheet.png").read_bytes()


@pytest.mark.parametrize("method", ["integrated_gradients", "guided_gradcam"])
def test_attributions_with_h5py_alone(finished: Project, method: str) -> None:
    folder = finished.study / "attributions" / "net" / "few"
    chosen = rows(finished.study / "image_sets" / "few.csv")
    with h5py.File(folder / f"{method}.h5", "r") as file:
        assert (file.attrs["model"], file.attrs["method"], file.attrs["class"]) == ("net", method, "all")
        assert [text.decode() for text in file["id"][()]] == [row["id"] for row in chosen]
        maps, scores, targets = file["maps"][()], file["scores"][()], file["targets"][()]
        assert dimensions(file["maps"]) == ["image", "target", "height", "width", "colour"]
        assert maps.shape == (len(chosen), 2, 64, 64, 3) and np.isfinite(maps).all()
        assert targets.tolist() == [[0, 1]] * len(chosen)
        np.testing.assert_allclose(scores[:, 0], -scores[:, 1])
        np.testing.assert_allclose(file["probabilities"][:, 1], 1 / (1 + np.exp(-scores[:, 1])), rtol=1e-4)
        assert file["empty"][()].tolist() == (~maps.reshape(len(chosen), 2, -1).any(axis=2)).tolist()
        if method == "integrated_gradients":
            assert json.loads(file.attrs["settings"])["steps"] == 6
            gap = maps.sum(axis=(2, 3, 4)) - (scores - file["facts/baseline_score"][()])
            np.testing.assert_allclose(gap, file["facts/completeness_gap"][()], atol=1e-4)
        else:
            assert file.attrs["layer"]
            assert file["facts/patched_relus"][()].min() > 0
    table = rows(folder / f"{method}.csv")
    assert [(row["id"], row["target"]) for row in table] == [
        (row["id"], name) for row in chosen for name in ("cat", "dog")
    ]
    for row in table:
        with Image.open(folder / row["map"]) as drawn:
            assert drawn.size == (64, 64)
            assert (drawn.info["image"], drawn.info["target"], drawn.info["method"]) == (
                row["id"],
                row["target"],
                method,
            )
        assert Image.open(folder / row["overlay"]).format == "JPEG"
    assert (folder / method / "sheet_000.png").read_bytes() == (folder / f"{method}_sheet.png").read_bytes()
    together = rows(folder / "side_by_side.csv")
    assert [row["id"] for row in together] == [row["id"] for row in chosen]
    with Image.open(folder / together[0]["picture"]) as picture:
        assert json.loads(picture.info["methods"]) == ["integrated_gradients", "guided_gradcam"]


def test_judging(finished: Project) -> None:
    folder = finished.study / "judging" / "net" / "few"
    ids = [row["id"] for row in rows(finished.study / "image_sets" / "few.csv")]
    for method in ("gradcam", "integrated_gradients", "centre_blob", "edges", "random"):
        with h5py.File(folder / "methods" / f"{method}.h5", "r") as file:
            assert [text.decode() for text in file["id"][()]] == ids
            assert file["curves/deletion"].shape == (4, 5)
            assert 0 < file["regions/object/area"][()].mean() < 1
            assert ("randomisation" in file) == (method in ("gradcam", "integrated_gradients"))
    gate = json.loads((folder / "gate.json").read_text())["methods"]
    assert {entry["status"] for entry in gate.values()} == {"not judged"}  # four pictures decide nothing
    page = finished.study / "gallery" / "judging_net_few.html"
    assert "4 pictures only; 8 are needed" in page.read_text(encoding="utf-8")
    checks = {(row["method"], row["check"]): row["value"] for row in rows(folder / "self_check.csv")}
    assert checks["gradcam", "score explained"] == "logit"
    assert ("integrated_gradients", "completeness gap") in checks


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


def test_every_link_of_the_gallery_resolves(finished: Project) -> None:
    index = finished.folder / "results" / "index.html"
    seen: set[Path] = set()
    waiting = [index]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        reader = _Links()
        reader.feed(page.read_text(encoding="utf-8"))
        for link in reader.links:
            parts = urlsplit(link)
            if parts.scheme == "data" or not parts.path:
                continue
            assert not parts.scheme and not parts.netloc, f"{page} needs the network: {link}"
            target = (page.parent / unquote(parts.path)).resolve()
            assert target.is_file(), f"{page} links to {link}"
            if target.suffix == ".html":
                waiting.append(target)
    names = {page.name for page in seen}
    assert {
        "index.html",
        "model_net.html",
        "images_net_few.html",
        "images_net_wrong.html",
        "methods_net_few.html",
    } <= names
    assert {f"layer_net_{layer}.html" for layer in ASCENDED} <= names


def test_a_log_and_a_benchmark_for_every_job(finished: Project) -> None:
    printed = finished.run("--detailed-summary")
    lines = [line.split("\t") for line in printed[printed.index("output_file") :].splitlines() if "\t" in line]
    table = [dict(zip(lines[0], line, strict=True)) for line in lines[1:]]
    logs = {log for row in table for log in row["log-file(s)"].split(",")}
    for log in logs:
        path = finished.folder / log
        assert path.is_file(), log
        benchmark = finished.folder / log.replace("/logs/", "/benchmarks/").replace(".log", ".tsv")
        assert len(rows_of_tsv(benchmark)) == 1, benchmark
    made_by = {log.split("/")[3].removesuffix(".log") for log in logs}
    assert made_by == {
        "draw_pets",
        "dataset",
        "contact_sheet",
        "masks",
        "image_set",
        "train_model",
        "training_curves",
        "layers",
        "evaluate",
        "classifier_report",
        "activations",
        "gather_activations",
        "channel_sheets",
        "ascend",
        "filter_grid",
        "concept_masks",
        "unit_answers",
        "unit_crops",
        "unit_table",
        "strategies",
        "pattern_paths",
        "pattern_table",
        "cam",
        "gather_cam",
        "attribution",
        "gather_attribution",
        "attribution_figures",
        "side_by_side",
        "judge",
        "judge_controls",
        "judging_report",
        "watch",
        "watch_figures",
        "watch_filters",
        "watch_filter_figures",
        "overlays",
        "gallery",
        "index",
    }
    assert all(row["status"] == "ok" for row in table), [row for row in table if row["status"] != "ok"]


def rows_of_tsv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream, delimiter="\t"))


def test_nothing_is_made_outside_results(finished: Project, sources: Project) -> None:
    made = {path.name for path in finished.folder.iterdir()} - {path.name for path in sources.folder.iterdir()}
    assert made <= {"results", ".snakemake"}


def test_no_temporary_files_are_left(finished: Project) -> None:
    hidden = [path for path in (finished.folder / "results").rglob(".*") if path.name != ".snakemake_timestamp"]
    assert hidden == []


def _of_children() -> float:
    """Seconds of a processor that the processes begun here took, as far as they have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_a_second_run_does_nothing_in_seconds(finished: Project) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.study.rglob("*")}
    began = _of_children()
    printed = finished.run()
    # Of a processor, whatever else the machine does.
    assert _of_children() - began < 8
    assert "Nothing to be done" in printed
    assert {path: path.stat().st_mtime_ns for path in finished.study.rglob("*")} == before


def test_nothing_heavy_is_imported_to_read_the_workflow(finished: Project) -> None:
    program = (
        "import sys\n"
        "from snakemake.cli import main\n"
        "try:\n"
        "    main(['-n', '--quiet', '--cores', '1', '--configfile', 'config/tiny.yaml'])\n"
        "except SystemExit as end:\n"
        "    assert not end.code, end.code\n"
        "assert 'convscope.check' in sys.modules\n"
        "heavy = {'tensorflow', 'keras', 'keras_hub', 'h5py', 'matplotlib', 'jax', 'torch'}\n"
        "print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=finished.folder,
        env=finished.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "heavy: []" in done.stdout + done.stderr


def test_report_without_network(copy: Project) -> None:
    blocked = {**copy.environment, "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = subprocess.run(
        copy.command("--report", "report.zip"),
        cwd=copy.folder,
        env=blocked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(copy.folder / "report.zip") as archive:
        page = "".join(archive.read(name).decode() for name in archive.namelist() if name.endswith((".html", ".js")))
        pictures = [name for name in archive.namelist() if name.endswith(".png")]
    for category in (
        "Data",
        "Models",
        "Activations",
        "Filter patterns",
        "Units",
        "Class activation maps",
        "Attributions",
        "Judging",
    ):
        assert category in page, category
    assert "respond to most" in page  # a caption
    assert len(pictures) >= 7


def test_lint_finds_nothing(finished: Project) -> None:
    done = finished.snakemake("--lint")
    assert "Lints for " in done.stderr, "what is left out is found"
    assert findings(done.stdout + done.stderr) == []
    assert findings("Lints for rule a:\n    * No log directive defined:\n      text\n") == [
        "rule a: No log directive defined:"
    ]
