"""Reads a study's results folder and its config into plain records. Whatever was not made is simply absent."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from convscope.ascent.presets import preset_names
from convscope.cam_names import METHODS as CAMS
from convscope.errors import UserError
from convscope.files import whole_files
from convscope.gallery.explained import Explanations, explanations
from convscope.gallery.filters import Layer, layer_by_presets
from convscope.gallery.heads import CamHead, cam_head
from convscope.gallery.heatmaps import BadFile, Heatmaps, class_name, read_heatmaps
from convscope.gallery.judged import Gate, Judging, judging
from convscope.gallery.tables import chosen, existing, folders, number, read_object, read_table, scalars, truth

_SHOWN_ELSEWHERE = frozenset({"accuracy", "images", "model", "split"})


@dataclass(frozen=True)
class Dataset:
    """A dataset: `counts[class][split]` is a number of readable images."""

    name: str
    splits: tuple[str, ...]
    counts: dict[str, dict[str, int]]
    bad: tuple[BadFile, ...]
    contact_sheet: Path | None
    files: tuple[Path, ...]

    @property
    def total(self) -> int:
        """Readable images in all splits."""
        return sum(sum(by_split.values()) for by_split in self.counts.values())


@dataclass(frozen=True)
class Evaluation:
    """A model judged on one split: `metrics` are single values, `confusion[truth][predicted]` counts images."""

    dataset: str
    split: str
    images: int
    accuracy: float | None
    metrics: dict[str, Any]
    confusion: dict[str, dict[str, int]]
    figures: tuple[Path, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Sheets:
    """The channel sheets of one image, by depth: pairs of layer and picture."""

    image: str
    sheets: tuple[tuple[str, Path], ...]


@dataclass(frozen=True)
class Activations:
    """What the layers of a model answer to one image set."""

    image_set: str
    figures: tuple[Path, ...]
    images: tuple[Sheets, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class ImageSet:
    """A named list of images; `bad` are those left out because they could not be read."""

    name: str
    count: int
    bad: tuple[BadFile, ...]
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Model:
    """A model and everything that was made of it."""

    name: str
    spec: dict[str, Any]
    training: dict[str, Any]
    epochs: int
    curves: Path | None
    summary: str
    layers: tuple[Layer, ...]
    evaluations: tuple[Evaluation, ...]
    activations: tuple[Activations, ...]
    heatmaps: tuple[Heatmaps, ...]
    explained: tuple[Explanations, ...] = field(default=(), kw_only=True)
    files: tuple[Path, ...] = field(default=())
    judged: tuple[Judging, ...] = field(default=())
    cam_head: CamHead | None = None

    def gate(self, image_set: str, method: str) -> Gate | None:
        """What the sanity gate says of a method on an image set, for wherever its pictures are shown."""
        return next((entry.gates.get(method) for entry in self.judged if entry.image_set == image_set), None)

    @property
    def shown_layers(self) -> tuple[Layer, ...]:
        """The layers that have filter patterns, by depth."""
        return tuple(layer for layer in self.layers if layer.has_page)


@dataclass(frozen=True)
class Study:
    """All that a gallery shows."""

    name: str
    title: str
    folder: Path
    datasets: tuple[Dataset, ...]
    models: tuple[Model, ...]
    image_sets: tuple[ImageSet, ...]


def collect(results: Path, config: dict[str, Any]) -> Study:
    """Read what is there of a study.

    Args:
        results: the study's folder (`results/<study>`).
        config: its config; it chooses and orders datasets, models and image sets. An empty one shows all that is found.

    Raises:
        UserError: the folder is missing, or one of its tables is damaged.
    """
    if not results.is_dir():
        raise UserError(f"{results}: no such results folder; run the study first")
    name = str(config.get("study") or results.name)
    sets = _image_sets(results / "image_sets", config.get("image_sets"))
    bad = {image_set.name: image_set.bad for image_set in sets}
    models = chosen(config.get("models"), folders(results / "models"))
    datasets = chosen(config.get("datasets"), folders(results / "datasets"))
    return Study(
        name=name,
        title=str(config.get("title") or name),
        folder=results,
        datasets=tuple(_dataset(results / "datasets" / dataset) for dataset in datasets),
        models=tuple(_model(results, model, config, bad) for model in models),
        image_sets=sets,
    )


def _bad_files(path: Path) -> tuple[BadFile, ...]:
    rows = read_table(path, ("path", "reason"))
    return tuple(BadFile(row["path"], row["reason"], row.get("split", ""), row.get("class", "")) for row in rows)


def _files(*paths: Path) -> tuple[Path, ...]:
    return tuple(path for path in paths if path.is_file())


def _dataset(folder: Path) -> Dataset:
    classes = [str(name) for name in read_object(folder / "classes.json").get("classes", [])]
    rows = read_table(folder / "images.csv", ("split", "class"))
    usual = ("train", "validation", "test")
    splits = sorted({row["split"] for row in rows}, key=lambda s: (usual.index(s) if s in usual else len(usual), s))
    counts: dict[str, dict[str, int]] = {name: dict.fromkeys(splits, 0) for name in classes}
    for row in rows:
        by_split = counts.setdefault(row["class"] or "unknown", dict.fromkeys(splits, 0))
        by_split[row["split"]] += 1
    return Dataset(
        name=folder.name,
        splits=tuple(splits),
        counts=counts,
        bad=_bad_files(folder / "bad.csv"),
        contact_sheet=existing(folder / "contact_sheet.png"),
        files=_files(folder / "images.csv", folder / "bad.csv"),
    )


def _image_sets(folder: Path, config: Any) -> tuple[ImageSet, ...]:
    found = sorted(path.name.removesuffix(".csv") for path in whole_files(folder, "*.csv")) if folder.is_dir() else []
    # `x.bad.csv` is the table of x's unreadable files, unless there is no x: then it is a set called `x.bad`.
    found = [name for name in found if not (name.endswith(".bad") and name.removesuffix(".bad") in found)]
    result = []
    for name in chosen(config, found):
        table, bad = folder / f"{name}.csv", folder / f"{name}.bad.csv"
        result.append(ImageSet(name, len(read_table(table)), _bad_files(bad), _files(table, bad)))
    return tuple(result)


def _model(results: Path, name: str, config: dict[str, Any], bad: dict[str, tuple[BadFile, ...]]) -> Model:
    folder = results / "models" / name
    filters = results / "filters" / name
    presets = chosen(preset_names((config.get("filters") or {}).get(name) or {}), folders(filters))
    layers = tuple(layer_by_presets(filters, presets, row) for row in read_table(folder / "layers.csv", ("name",)))
    summary = folder / "summary.txt"
    wanted = (config.get("evaluations") or {}).get(name)
    evaluated = folders(results / "evaluation" / name)
    evaluations = chosen([str(entry).replace("/", ".") for entry in wanted or []], evaluated)
    sets = list(config.get("image_sets") or [])
    heatmaps = tuple(
        maps
        for entry in chosen(sets, folders(results / "cams" / name))
        if (maps := read_heatmaps(results / "cams" / name / entry, name, bad.get(entry, ())))
    )
    judged = (config.get("judging") or {}).get(name) or {}
    with_cam = any(CAMS["cam"] in entry.methods for entry in heatmaps)
    return Model(
        name=name,
        spec=read_object(folder / "model.json"),
        training=scalars(read_object(folder / "training.json")),
        epochs=len(read_table(folder / "history.csv")),
        curves=existing(folder / "curves.png"),
        summary=summary.read_text(encoding="utf-8", errors="replace") if summary.is_file() else "",
        layers=layers,
        evaluations=tuple(_evaluation(results / "evaluation" / name / entry) for entry in evaluations),
        activations=tuple(
            _activations(results / "activations" / name / entry, [layer.name for layer in layers])
            for entry in chosen(sets, folders(results / "activations" / name))
        ),
        heatmaps=heatmaps,
        explained=tuple(
            shown
            for entry in chosen(sets, folders(results / "attributions" / name))
            if (shown := explanations(results / "attributions" / name / entry, name))
        ),
        judged=tuple(
            found
            for entry in chosen(sets, folders(results / "judging" / name))
            # A verdict of an older config is none: it may be on other methods or images.
            if "judging" not in config or entry in judged.get("images", [])
            if (found := judging(results / "judging" / name / entry, judged.get("against")))
        ),
        files=_files(folder / "model.keras", folder / "model.json", folder / "layers.csv", folder / "history.csv"),
        # Of a head that no CAM takes any more there is nothing to say.
        cam_head=cam_head(results / "cams" / name / "gap_head.json") if with_cam else None,
    )


def _evaluation(folder: Path) -> Evaluation:
    dataset, _, split = folder.name.rpartition(".")
    rows = read_table(folder / "predictions.csv", ("class", "predicted"))
    metrics = read_object(folder / "metrics.json")
    confusion: dict[str, dict[str, int]] = {}
    right, judged = 0, 0
    for row in rows:
        # `predicted` is the class's name beside `class`, or its index where `predicted_label` holds the name.
        answer = class_name(row)
        by_answer = confusion.setdefault(row["class"] or "unknown", {})
        by_answer[answer] = by_answer.get(answer, 0) + 1
        correct = truth(row.get("correct"))
        judged += correct is not None
        right += correct is True
    accuracy = number(metrics.get("accuracy"))
    return Evaluation(
        dataset=dataset,
        split=split,
        images=len(rows) or int(number(metrics.get("images")) or 0),
        accuracy=accuracy if accuracy is not None or not judged else right / judged,
        metrics={key: entry for key, entry in scalars(metrics).items() if key not in _SHOWN_ELSEWHERE},
        confusion=confusion,
        figures=tuple(whole_files(folder, "*.png")),
        files=_files(folder / "predictions.csv", folder / "metrics.json"),
    )


def _activations(folder: Path, depth: list[str]) -> Activations:
    order = {name: position for position, name in enumerate(depth)}
    images = []
    for image in folders(folder / "sheets"):
        sheets = [(_sheet_layer(path.stem, order), path) for path in whole_files(folder / "sheets" / image, "*.png")]
        sheets.sort(key=lambda sheet: (order.get(sheet[0], len(order)), sheet[0]))
        images.append(Sheets(image, tuple(sheets)))
    figures = [*whole_files(folder, "*.png"), *whole_files(folder / "sheets", "*.png")]
    return Activations(
        image_set=folder.name,
        figures=tuple(sorted(figures, key=lambda path: (path.name != "sparsity.png", path.name))),
        images=tuple(images),
        files=_files(*whole_files(folder, "*.h5"), folder / "sparsity.csv"),
    )


def _sheet_layer(stem: str, order: dict[str, int]) -> str:
    """The layer a sheet shows: its file is called after it, perhaps with its depth in front (`03_conv2`)."""
    depth, _, rest = stem.partition("_")
    return rest if stem not in order and depth.isdigit() and rest in order else stem
