"""A small results tree as the pipeline leaves it, with the names that break careless pages."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image, PngImagePlugin

HOSTILE_FILE = "<script>alert(1)</script>.jpg"
HOSTILE_CLASS = 'a&b"c'
STUDY = 'pets & "friends" #1? 100%'
CLASSES = ["cat", HOSTILE_CLASS]
LAYERS = ["conv1", "pool1", "conv2", "conv2_shortcut", "conv3", "conv4"]
SETS = ["test pets", "mistakes#1"]
DEAD = 3
LABELS = ["survives randomisation", "worse than a centre blob"]

CONFIG: dict[str, Any] = {
    "study": STUDY,
    "title": "Pets <b>& friends</b>",
    "datasets": {"pets": {}, "bare": {}},
    "models": {"convnet": {"source": "train"}, "Mini_net": {"source": "file"}},
    "evaluations": {"convnet": ["pets/test", "pets/shifted"]},
    "image_sets": {name: {} for name in SETS},
    "activations": {"convnet": {"images": SETS[:1], "sheets": 1}},
    "filters": {name: {"layers": "all", "preset": "textbook"} for name in ("convnet", "Mini_net")},
    "cams": {"convnet": {"images": SETS, "methods": ["gradcam"], "colormap": "jet"}},
    "attributions": {"convnet": {"images": SETS[:1], "methods": ["integrated_gradients", "saliency"]}},
    "judging": {"convnet": {"images": SETS[:1]}},
}
DIGEST = "ab" * 8


def asking(stage: str, **settings: Any) -> dict[str, Any]:
    """The config with other settings for a stage of the first model: `asking("cams", methods=["gradcam", "cam"])`."""
    return CONFIG | {stage: {**CONFIG[stage], "convnet": {**CONFIG[stage]["convnet"], **settings}}}


def write_csv(path: Path, columns: str, rows: Iterable[Iterable[Any]]) -> None:
    """Write a table; `columns` separated by commas."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns.split(","))
        writer.writerows(rows)


def write_object(path: Path, value: Any) -> None:
    """Write JSON, folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value), encoding="utf-8")


def write_maps(path: Path, **attributes: Any) -> None:
    """Write what a file of maps tells of its model and of the eight images of a set, without the maps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update(
            {"model_digest": DIGEST, "input_size": "[96, 128]", "classes": json.dumps(CLASSES), **attributes}
        )
        file.create_dataset("id", data=[f"img_{k}" for k in range(8)], dtype=h5py.string_dtype())


def write_chances(path: Path, classes: list[str], chances: dict[str, list[float]]) -> None:
    """Write what a file of maps knows of its images besides the maps: the probability of each class, by the image's id."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        file.attrs.update({"model_digest": DIGEST, "classes": json.dumps(classes)})
        file.create_dataset("id", data=list(chances), dtype=h5py.string_dtype())
        file.create_dataset("probabilities", data=np.array(list(chances.values()), np.float32))


def picture(path: Path, height: int, width: int, seed: int) -> None:
    """Write a smooth coloured picture, different for every seed."""
    rows, columns = np.mgrid[0 : 1 : height * 1j, 0 : 1 : width * 1j]
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [127 + 100 * np.sin(9 * rows * np.cos(p) + 9 * columns * np.sin(p) + p) for p in phase]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.stack(waves, -1).astype(np.uint8)).save(path)


def colour(index: int) -> tuple[int, int, int]:
    """The colour of a filter's cell, for filters 0 to 16."""
    return 15 * index, 100, 240 - 15 * index


def grid(path: Path, filters: list[int], cell: int = 30, margin: int = 5, columns: int = 8) -> None:
    """Write a filter grid; every cell has one flat colour that names its filter."""
    rows = -(-len(filters) // columns)
    sheet = np.full((margin + rows * (cell + margin), margin + columns * (cell + margin), 3), 255, np.uint8)
    for k, index in enumerate(filters):
        top, left = margin + k // columns * (cell + margin), margin + k % columns * (cell + margin)
        sheet[top : top + cell, left : left + cell] = colour(index)
    geometry = {
        "columns": columns,
        "cell": cell,
        "margin": margin,
        "count": len(filters),
        "filters": filters,
        "dead": [index for index in filters if index == DEAD],
        "objective": [float("nan") if index == DEAD else index + 0.123456 for index in filters],
    }
    text = PngImagePlugin.PngInfo()
    text.add_text("grid", json.dumps(geometry))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(sheet).save(path, pnginfo=text)


def make_results(root: Path) -> Path:
    """Make `root/<study>` and return it: two models of six layers (one without evaluation, activations and heatmaps),
    two image sets, two datasets (one without unreadable files)."""
    results = root / STUDY
    for name, spoilt in (("pets", True), ("bare", False)):
        folder = results / "datasets" / name
        rows = [
            (split, CLASSES[label], label, f"data/{split}/{label}_{k}.png", 96, 96, "0" * 16, "")
            for split, count in (("shifted", 2), ("test", 3), ("train", 5))
            for label in (0, 1)
            for k in range(count)
        ]
        write_csv(folder / "images.csv", "split,class,label,path,width,height,sha256,mask", rows)
        bad = [
            ("train", "cat", HOSTILE_FILE, "truncated <b>file</b>"),
            ("test", HOSTILE_CLASS, "x y.jpg", "empty file"),
        ]
        write_csv(folder / "bad.csv", "split,class,path,reason", bad if spoilt else [])
        write_object(folder / "classes.json", {"classes": CLASSES, "parts": []})
        picture(folder / "contact_sheet.png", 240, 480, 1)
    for model in ("convnet", "Mini_net"):
        _model(results, model)
    for dataset_split, right in (("pets.test", 9), ("pets.shifted", 6)):
        _evaluation(results / "evaluation" / "convnet" / dataset_split, right)
    for name in SETS:
        _image_set(results, name)
    _attributions(results / "attributions" / "convnet" / SETS[0])
    for layer in LAYERS:
        picture(
            results / "activations" / "convnet" / SETS[0] / "sheets" / "cat #1" / f"{layer}.png", 60, 160, len(layer)
        )
    picture(results / "activations" / "convnet" / SETS[0] / "sparsity.png", 120, 200, 5)
    write_maps(results / "activations" / "convnet" / SETS[0] / "activations.h5")
    return results


def _model(results: Path, name: str) -> None:
    folder = results / "models" / name
    write_object(
        folder / "model.json",
        {
            "name": name,
            "input_size": [96, 128],
            "resize": "crop",
            "scale": [1.0, 1.0, 1.0],
            "offset": [0.0, 0.0, 0.0],
            "channels": "rgb",
            "classes": CLASSES,
            "head": "binary",
            "source": "train",
            "digest": "cd" * 32,
            "identity": DIGEST,
            "requires": [],
        },
    )
    rows = []
    for depth, layer in enumerate(LAYERS):
        role = "pool" if layer.startswith("pool") else "shortcut" if layer.endswith("shortcut") else "conv"
        kind = "MaxPooling2D" if role == "pool" else "Conv2D"
        filters = "" if role == "pool" else 12
        rows.append((layer, f"block{depth // 2}", kind, filters, "3x3", 48, 64, 12, layer if filters else "", role))
        if filters:
            grid(
                results / "filters" / name / "textbook" / f"filters_for_layer_{layer}.png",
                list(range(depth, depth + 12)),
            )
            picture(results / "filters" / name / "textbook" / f"objective_{layer}.png", 100, 160, depth)
            write_maps(results / "filters" / name / "textbook" / f"{layer}.h5")
    write_csv(folder / "layers.csv", "name,block,type,filters,kernel,height,width,channels,relu,role", rows)
    (folder / "summary.txt").write_text('Model: "functional"\n  conv1 (Conv2D) <not a tag>\n', encoding="utf-8")
    if name == "convnet":
        history = [(epoch, 0.7, 0.5, 0.7, 0.5, 3) for epoch in range(4)]
        write_csv(folder / "history.csv", "epoch,loss,accuracy,val_loss,val_accuracy,seconds", history)
        write_object(
            folder / "training.json", {"epochs": 4, "best_epoch": 3, "parameters": 1234567, "nested": {"a": 1}}
        )
        picture(folder / "curves.png", 120, 240, 3)


def _evaluation(folder: Path, right: int) -> None:
    rows = []
    for k in range(12):
        label = k % 2
        predicted = label if k < right else 1 - label
        correct = label == predicted
        rows.append(
            (f"data/{k}.png", CLASSES[label], label, CLASSES[predicted], predicted, correct, 0.5 + k / 30, 0.1, 0.9)
        )
    picture(folder / "thumbnails.jpg", 64, 12 * 64, 11)
    write_object(folder / "thumbnails.json", {"cell": 64, "columns": 32, "count": 12})
    numbers = [(name, 0.75, 0.5, 0.6, 6, 6, 0.8) for name in CLASSES]
    write_csv(folder / "classes.csv", "class,precision,recall,f1,support,predicted,roc_auc", numbers)
    columns = "path,class,label,predicted,predicted_label,correct,confidence,p_cat,p_other"
    write_csv(folder / "predictions.csv", columns, rows)
    write_object(
        folder / "metrics.json",
        {
            "accuracy": right / 12, "accuracy_interval": [0.3912, 0.8619], "no_information_rate": 0.5,
            "per_class": {"cat": {}}, "model_digest": DIGEST,
        },
    )  # fmt: skip


def _image_set(results: Path, name: str) -> None:
    """Eight images: classes alternate, the last three are predicted wrong; the last one's pictures are missing."""
    heatmaps = results / "cams" / "convnet" / name
    listed, explained = [], []
    for k in range(8):
        label, correct = k % 2, k < 5
        predicted = label if correct else 1 - label
        identity, path = f"img_{k}", HOSTILE_FILE if k == 0 else f"data/{k}.png"
        photo, overlay = f"gradcam/photos/{identity}.jpg", f"gradcam/overlays/{identity}.jpg"
        listed.append((identity, path, CLASSES[label], label, ""))
        row = (identity, path, CLASSES[label], label, CLASSES[predicted], predicted, 0.5 + k / 20, correct)
        explained.append((*row, CLASSES[predicted], 1.5 * k, k == 6, photo, overlay))
        if k < 7:
            picture(heatmaps / photo, 90, 120, k)
            picture(heatmaps / overlay, 90, 120, k + 50)
    columns = "id,path,class,label,predicted,predicted_label,confidence,correct,target,score,empty,thumbnail,overlay"
    write_csv(heatmaps / "gradcam.csv", columns, explained)
    picture(heatmaps / "gradcam" / "sheet_1.png", 200, 300, 9)
    # The surer it is, the less the other class has.
    sure = [(row[0], 0.5 + k / 20, 1 - row[5]) for k, row in enumerate(explained)]
    write_chances(heatmaps / "gradcam.h5", CLASSES, {key: [p, 1 - p][:: 2 * other - 1] for key, p, other in sure})
    write_csv(results / "image_sets" / f"{name}.csv", "id,path,class,label,mask", listed)
    bad = [("gone & <i>broken</i>.jpg", "not a picture")] if name == SETS[0] else []
    write_csv(results / "image_sets" / f"{name}.bad.csv", "path,reason", bad)


def _attributions(folder: Path) -> None:
    """Three images, two methods, both classes; the second is predicted wrong, the last one's pictures are missing."""
    columns = (
        "id,path,class,label,predicted,predicted_label,confidence,correct,target,score,empty,thumbnail,map,overlay"
    )
    together = []
    for method in ("saliency", "integrated_gradients"):
        rows = []
        for k in range(3):
            photo = f"{method}/photos/img_{k}.jpg"
            about = (f"img_{k}", HOSTILE_FILE, CLASSES[0], 0, CLASSES[k % 2], k % 2, 0.75, k % 2 == 0)
            for target, name in enumerate(CLASSES):
                drawn, overlay = (
                    f"{method}/{kind}/img_{k} {target}.{end}" for kind, end in (("maps", "png"), ("overlays", "jpg"))
                )
                gap = (0.125,) if method == "integrated_gradients" else ()
                rows.append((*about, name, 1.5 - 3 * target, k == 1 and target == 1, photo, drawn, overlay, *gap))
                for path in (photo, drawn, overlay) if k < 2 else ():
                    picture(folder / path, 90, 120, k + target)
            if method == "saliency":
                together.append((*about, "", f"side_by_side/img_{k}.png"))
        write_csv(folder / f"{method}.csv", columns + (",completeness_gap" if rows[0][-1] == 0.125 else ""), rows)
        picture(folder / method / "sheet_000.png", 90, 200, 3)
        write_maps(folder / f"{method}.h5")
    picture(folder / "side_by_side" / "img_0.png", 200, 400, 4)
    columns = "id,path,class,label,predicted,predicted_label,confidence,correct,targets,picture"
    write_csv(folder / "side_by_side.csv", columns, together)


def _score(method: str, metric: str, mean: float, region: str = "", images: int = 4) -> dict[str, Any]:
    bounds = {"low": mean - 0.1, "high": mean + 0.1, "chance": None}
    return {
        "method": method,
        "metric": metric,
        "region": region,
        "better": "higher",
        "mean": mean,
        "images": images,
    } | bounds


def add_judging(results: Path) -> None:
    """Judge two methods and a control on the first image set: one fails the gate, one passes."""
    folder = results / "judging" / "convnet" / SETS[0]
    failed = {"status": "failed", "labels": LABELS, "reasons": ["The map hardly changes <at all>."]}
    passed = {"status": "passed", "labels": [], "reasons": ["It beats an edge detector."]}
    metrics = {
        "faithfulness": {"title": "insertion AUC minus deletion AUC", "better": "higher"},
        "deletion": {"title": "deletion AUC", "better": "lower"},
        "pointing": {"title": "pointing game", "better": "higher"},
        "gini": {"title": "sparseness (Gini)", "better": ""},
    }
    rows = [
        *(
            _score("gradcam", "faithfulness", 0.25),
            _score("saliency", "faithfulness", 0.5),
            _score("edges", "faithfulness", 0.75),
        ),
        *(_score("gradcam", "deletion", 0.125), _score("saliency", "deletion", 0.375)),
        *(_score("gradcam", "gini", 0.4), _score("saliency", "gini", 0.6, images=2)),
        _score("gradcam", "pointing", 1.0, "head"),
    ]
    gate = {"saliency": passed, "gradcam": failed}  # the file's order is not the config's
    write_object(
        folder / "table.json", {"images": 4, "metrics": metrics, "rows": rows, "gate": gate, "model_digest": DIGEST}
    )
    write_csv(folder / "self_check.csv", "method,check,value,remark", [["gradcam", "layer chosen", "conv4", ""]])
    write_csv(folder / "table.csv", "method,metric", [])
    Image.new("RGB", (40, 30)).save(folder / "metrics.png")


def add_watching(results: Path) -> dict[str, Any]:
    """Watch two images of the first set for three of four epochs, and two filters; the config that asks for it.

    The first image is right, wrong, right; the second, of unknown class, is always taken for a cat.
    """
    folder = results / "watching" / "convnet"
    seen = folder / SETS[0]
    answers = [(1, "cat", True, False), (2, HOSTILE_CLASS, False, True), (4, "cat", True, True)]
    rows = [(e, "img_0", "cat", said, 0.5 + e / 10, right, flipped) for e, said, right, flipped in answers]
    rows += [(epoch, "img_1", "", "cat", 0.75, "", False) for epoch in (1, 2, 4)]
    write_csv(seen / "predictions.csv", "epoch,id,class,predicted,value,correct,flipped", rows)
    facts = {
        "model_digest": DIGEST,
        "epochs": [1, 2, 4],
        "best_epoch": 2,
        "rows": ["Grad-CAM at conv4", "conv4, channel 3"],
    }
    write_object(seen / "frames.json", facts | {"images": 8, "cell": [30, 40], "left_out": {"cam": "no <head>"}})
    for seed, name in enumerate(("img_0", "img_1")):
        for kind, suffix, height, width in (
            ("frames", "jpg", 60, 160),
            ("strips", "png", 80, 170),
            ("animations", "webp", 40, 60),
        ):
            (seen / "pictures" / kind).mkdir(parents=True, exist_ok=True)
            picture(seen / "pictures" / kind / f"{name}.{suffix}", height, width, seed)
    facts = {
        "model_digest": DIGEST,
        "rows": ["filter 0", "filter 5"],
        "epochs": [1, 2, 4],
        "cell": [20, 20],
        "layer": "conv2",
    }
    write_object(folder / "filters.json", facts)
    picture(folder / "filters.jpg", 40, 60, 3)
    picture(folder / "filters.png", 60, 80, 3)
    history = [(epoch, 0.8 / epoch, 0.5 + epoch / 10, 0.9 / epoch, 0.4 + epoch / 10, 1.0) for epoch in (1, 2, 3, 4)]
    write_csv(
        results / "models" / "convnet" / "history.csv", "epoch,loss,accuracy,val_loss,val_accuracy,seconds", history
    )
    return CONFIG | {"watching": {"convnet": {"images": SETS[:1], "filters": {"filters": 2}}}}
