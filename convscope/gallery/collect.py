"""Reads what a config asks for from a study's results folder into plain records; what cannot be shown is listed."""

import dataclasses
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from convscope.errors import UserError
from convscope.filters.presets import NEGATIVE
from convscope.gallery.asked import Asked, AskedModel, asked_for
from convscope.gallery.compared import comparisons
from convscope.gallery.evaluated import evaluation
from convscope.gallery.explained import Explanations, explanations
from convscope.gallery.filters import Layer, layer_by_presets
from convscope.gallery.heads import cam_head, transfer_heads
from convscope.gallery.heatmaps import Heatmaps, read_heatmaps
from convscope.gallery.judged import Judging, judging
from convscope.gallery.picture_sets import dataset, existing_files, image_set
from convscope.gallery.present import Present
from convscope.gallery.reasons import Reasons, reasons
from convscope.gallery.reasons import title_of as reason_title
from convscope.gallery.records import Activations, Evaluation, ImageSet, Model, Sheets, Study
from convscope.gallery.segmented import Segmented, segmented
from convscope.gallery.tables import Row, folders, read_object, read_table, scalars
from convscope.gallery.unfinished import Unfinished
from convscope.gallery.units import Units, units
from convscope.gallery.vectors import Vectors, vectors
from convscope.gallery.watched import Watching, watching
from convscope.models.layer_table import CONVOLUTIONS, select_layers
from convscope.segmentation.names import REGIONS
from convscope.storage.files import whole_files


def collect(results: Path, config: Mapping[str, Any], unfinished: Unfinished | None = None) -> Study:
    """Read what a study asks for: what is there of it, and is its config's, its model's and its pictures' own.

    Args:
        results: the study's folder (`results/<study>`).
        config: its config, with the schema's defaults filled in; it chooses and orders all that is shown.
        unfinished: of a run in which jobs failed; what it could not make is not shown, nor what is damaged.

    Raises:
        UserError: the folder is missing, or (after a whole run) one of its tables is damaged.
    """
    if not results.is_dir():
        raise UserError(f"{results}: no such results folder; run the study first")
    asked, present = asked_for(config), Present(results, unfinished.files if unfinished else None)
    datasets = [found for name in asked.datasets for found in dataset(present, name)]
    sets = {name: found for name in _used_sets(asked) for found in image_set(present, name)}
    models = [found for model in asked.models for found in _ModelResults(present, model, asked, sets).read()]
    return Study(
        name=asked.study or results.name,
        title=asked.title or results.name,
        folder=results,
        datasets=tuple(datasets),
        models=tuple(models),
        image_sets=tuple(sets.values()),
        comparisons=comparisons(present, asked.comparisons, {model.name: model.spec for model in models}),
        gaps=present.gaps,
        unfinished=unfinished,
    )


def _used_sets(asked: Asked) -> list[str]:
    """The image sets that a stage is asked for: the table of another one is made for nobody, and may be of any age."""
    used = {
        name
        for model in asked.models
        for stage in (
            model.activations,
            model.segmentation,
            model.cams,
            model.attributions,
            model.judging,
            model.watching,
            model.units,
            model.vectors,
            tuple(images for images, _ in model.strategies),
        )
        for name in stage
    }
    return [name for name in asked.image_sets if name in used]


def _same(value: Any) -> Any:
    return value


class _ModelResults:
    """Reads what is asked for of one model."""

    def __init__(self, present: Present, asked: AskedModel, study: Asked, sets: Mapping[str, ImageSet]) -> None:
        self.present, self.asked, self.name, self.sets = present, asked, asked.name, sets
        self.order = [name for name in study.image_sets if name in sets]
        self.folder = present.results / "models" / asked.name
        self.spec: dict[str, Any] = {}

    def read(self) -> list[Model]:
        """The model, or nothing where there is none."""
        return self.present.read("Model", self.name, "", self._read, [self.folder / "model.json"])

    def _read(self) -> Model:
        self.spec = read_object(self.folder / "model.json")
        folder, trained = self.folder, self.asked.trained
        rows = self._one("Layers", "", lambda: read_table(folder / "layers.csv", ("name",)), [folder / "layers.csv"])
        layers = self._layers(rows[0] if rows else [])
        heatmaps = [found for entry in self._sets(self.asked.cams) for found in self._heatmaps(entry)]
        summary = folder / "summary.txt"
        curves = folder / "curves.png"
        history = folder / "history.csv"
        drawn = self._one("Training curves", "", lambda: curves, [curves]) if trained else []
        with_cam = any(CAMS["cam"] in entry.methods for entry in heatmaps)
        head = self.present.results / "cams" / self.name / "gap_head.json"
        # Of a head that no CAM takes any more there is nothing to say.
        heads = self._one("Head of CAM", "", lambda: cam_head(head), [head], witness=head) if with_cam else []
        table = folder / "heads.csv"
        compared = (
            self._one("Comparison of heads", "", lambda: transfer_heads(table), [table])
            if self.asked.transferred
            else []
        )
        return Model(
            name=self.name,
            spec=self.spec,
            # Of an imported model, training and curves are another's that had the name before.
            training=scalars(read_object(folder / "training.json")) if trained else {},
            epochs=len(read_table(history)) if trained else 0,
            curves=drawn[0] if drawn else None,
            summary=summary.read_text(encoding="utf-8", errors="replace") if summary.is_file() else "",
            layers=tuple(layers),
            evaluations=tuple(found for entry in self.asked.evaluations for found in self._evaluation(entry)),
            activations=tuple(
                found
                for entry in self._sets(self.asked.activations)
                for found in self._activations(entry, [layer.name for layer in layers])
            ),
            heatmaps=tuple(heatmaps),
            explained=tuple(found for entry in self._sets(self.asked.attributions) for found in self._explained(entry)),
            judged=tuple(found for entry in self._sets(self.asked.judging) for found in self._judged(entry)),
            files=existing_files(
                folder / "model.keras", folder / "model.json", folder / "layers.csv", *([history] if trained else [])
            ),
            cam_head=heads[0] if heads else None,
            segmented=tuple(found for entry in self._sets(self.asked.segmentation) for found in self._segmented(entry)),
            transfer_heads=compared[0] if compared else None,
            objectives=tuple(self._objectives()),
            units=tuple(found for entry in self._sets(self.asked.units) for found in self._units(entry, layers)),
            vectors=tuple(found for entry in self._sets(self.asked.vectors) for found in self._vectors(entry)),
            reasons=tuple(self._reasons()),
            watched=tuple(found for entry in self._sets(self.asked.watching) for found in self._watched(entry)),
        )

    def _one(
        self,
        kind: str,
        name: str,
        read: Callable[[], Any],
        files: Sequence[Path],
        witness: Path | None = None,
        images: str | None = None,
    ) -> list[Any]:
        """What `read` finds, if it may be shown; `witness` tells of which model and images it is."""
        rows = None if images is None else self.sets[images].rows
        return self.present.read(kind, self.name, name, read, files, self.spec, rows, witness)

    def _sets(self, asked: tuple[str, ...]) -> list[str]:
        """The image sets of a stage that are there, in the order of the study."""
        return [name for name in self.order if name in asked]

    def _layers(self, rows: list[Row]) -> list[Layer]:
        filters, presets = self.present.results / "filters" / self.name, self.asked.presets
        wanted: set[str] = set()
        if presets:
            chosen = self._one(
                "Filter patterns",
                "",
                lambda: select_layers(rows, self.asked.layers, CONVOLUTIONS, f"filters.{self.name}.layers"),
                [],
            )
            wanted = {row["name"] for found in chosen for row in found}
        layers = []
        for row in rows:
            shown: list[str] = []
            for preset in presets if row["name"] in wanted else ():
                name = row["name"] if len(presets) == 1 else f"{row['name']} ({preset})"
                grid = filters / preset / f"filters_for_layer_{row['name']}.png"
                shown += self._one(
                    "Filter patterns",
                    name,
                    functools.partial(str, preset),
                    [grid],
                    filters / preset / f"{row['name']}.h5",
                )
            read = functools.partial(layer_by_presets, filters, shown, row)
            found = self._one("Filter patterns", row["name"], read, [])
            layers += found or [layer_by_presets(filters, [], row)]
        return layers

    def _objectives(self) -> list[tuple[str, str, Path]]:
        """Pictures of other things than one filter: name, preset and figure."""
        folder = self.present.results / "filters" / self.name
        figures = [
            (name, preset, folder / preset / "objectives" / f"{name}.png")
            for name in self.asked.objectives
            for preset in self.asked.presets
            if not preset.endswith(NEGATIVE)
        ]
        return [
            found
            for each in figures
            for found in self._one(
                "Pictures",
                f"{each[0]} ({each[1]})",
                functools.partial(_same, each),
                [each[2]],
                each[2].with_suffix(".h5"),
            )
        ]

    def _evaluation(self, entry: str) -> list[Evaluation]:
        folder = self.present.results / "evaluation" / self.name / entry
        metrics = folder / "metrics.json"
        found = self._one(
            "Evaluation", entry, lambda: evaluation(folder), [folder / "predictions.csv", metrics], metrics
        )
        report = found and self._one(
            "Report of the evaluation", entry, lambda: whole_files(folder, "*.png"), [folder / "classes.csv"]
        )
        return [
            dataclasses.replace(entry, reported=bool(report), figures=tuple(report[0]) if report else ())
            for entry in found
        ]

    def _activations(self, entry: str, depth: list[str]) -> list[Activations]:
        folder = self.present.results / "activations" / self.name / entry
        files, witness = [folder / "sparsity.png"], folder / "activations.h5"
        return self._one("Activations", entry, lambda: _activations(folder, depth), files, witness, entry)

    def _segmented(self, entry: str) -> list[Segmented]:
        folder = self.present.results / "segmentation" / self.name / entry
        metrics = folder / "metrics.json"
        cams = tuple(
            (REGIONS[region], path)
            for region in self.asked.regions
            for path in self._cam_sheet(entry, region, folder / f"gradcam_{region}.png")
        )
        return self._one("Masks", entry, lambda: segmented(folder, cams), [metrics], metrics, entry)

    def _cam_sheet(self, entry: str, region: str, sheet: Path) -> list[Path]:
        return self._one(
            "Seg-Grad-CAM",
            f"{entry}: {region}",
            lambda: sheet,
            [sheet, sheet.with_suffix(".csv")],
            sheet.with_suffix(".h5"),
        )

    def _heatmaps(self, entry: str) -> list[Heatmaps]:
        folder = self.present.results / "cams" / self.name / entry
        methods = self._methods("Class activation maps", folder, self.asked.cam_methods, CAMS.__getitem__)
        bad = self.sets[entry].bad
        return self._some("Class activation maps", entry, lambda: read_heatmaps(folder, self.name, bad, methods))

    def _explained(self, entry: str) -> list[Explanations]:
        folder = self.present.results / "attributions" / self.name / entry
        methods = self._methods(
            "Attributions", folder, self.asked.attribution_methods, lambda name: ATTRIBUTIONS[name].title
        )
        table = folder / "side_by_side.csv"
        together = bool(methods) and bool(self._one("Side by side", entry, lambda: table, [table]))
        return self._some("Attributions", entry, lambda: explanations(folder, self.name, methods, together=together))

    def _methods(self, kind: str, folder: Path, asked: tuple[str, ...], title: Callable[[str], str]) -> list[str]:
        """The methods whose maps may be shown."""
        return [
            method
            for method in asked
            if self._one(
                kind,
                f"{folder.name}: {title(method)}",
                lambda: True,
                [folder / f"{method}.csv"],
                folder / f"{method}.h5",
                folder.name,
            )
        ]

    def _some(self, kind: str, name: str, read: Callable[[], Any]) -> list[Any]:
        return [found for found in self._one(kind, name, read, []) if found]

    def _judged(self, entry: str) -> list[Judging]:
        folder = self.present.results / "judging" / self.name / entry
        table, against = folder / "table.json", folder / "against.json"
        rival, kind = self.asked.against, f"Comparison with {self.asked.against}"
        compared = self._one(kind, entry, lambda: read_object(against).get("other"), [against]) if rival else []
        if compared and compared[0] != rival:
            self.present.leave_out(kind, self.name, entry, f"{against.name} compares with {compared[0]}")
            compared = []
        read = functools.partial(judging, folder, rival if compared else None)
        found = self._one("Judging", entry, read, [table], table, entry)
        return [dataclasses.replace(judged, masks=self.asked.masks) for judged in found if judged]

    def _units(self, entry: str, layers: Sequence[Layer]) -> list[Units]:
        folder = self.present.results / "units" / self.name / entry
        table, witness = folder / "units.csv", folder / "units.h5"
        patterns = folder / "patterns.csv"
        paths = sorted((folder / "paths").glob("*"))
        measured = patterns.is_file() and self._one(
            "Which patterns to believe", entry, lambda: patterns, [patterns, *paths], images=entry
        )
        read = functools.partial(units, folder, layers, bool(measured))
        crops = sorted((folder / "crops").glob("*"))
        return self._one("Units", entry, read, [table, witness, *crops], witness, entry)

    def _vectors(self, entry: str) -> list[Vectors]:
        folder = self.present.results / "concepts" / self.name / entry
        files = [folder / "vectors.csv", folder / "found.csv", folder / "vectors.png"]
        witness = folder / "concepts.h5"
        return self._one("Concepts", entry, lambda: vectors(folder), [*files, witness], witness, entry)

    def _reasons(self) -> Iterator[Reasons]:
        for entry, methods in self.asked.strategies:
            folder = self.present.results / "strategies" / self.name / entry
            for method in methods if entry in self.sets else ():
                table, witness = folder / f"{method}.csv", folder / f"{method}.h5"
                read = functools.partial(reasons, folder, method)
                name = f"{entry}: {reason_title(method)}"
                yield from self._one("Kinds of reasons", name, read, [table, witness], witness, entry)

    def _watched(self, entry: str) -> list[Watching]:
        folder = self.present.results / "watching" / self.name
        facts, patterns = folder / entry / "frames.json", folder / "filters.json"
        files = [facts, folder / entry / "predictions.csv"]
        shown = self.asked.watched_filters and self._one(
            "Filter patterns while it learned", "", lambda: patterns, [patterns], patterns
        )
        log = folder / entry / "tensorboard" / "events.out.tfevents.watch"
        # Another job's: where it failed, an older run's log may lie there.
        board = self.asked.watched_board and self._one("Log for TensorBoard", entry, lambda: log, [log])
        read = functools.partial(
            watching, folder / entry, self.folder / "history.csv", patterns if shown else None, bool(board)
        )
        return self._one("While it learned", entry, read, files, facts, entry)


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
        files=existing_files(*whole_files(folder, "*.h5"), folder / "sparsity.csv"),
    )


def _sheet_layer(stem: str, order: dict[str, int]) -> str:
    """The layer a sheet shows: its file is called after it, perhaps with its depth in front (`03_conv2`)."""
    depth, _, rest = stem.partition("_")
    return rest if stem not in order and depth.isdigit() and rest in order else stem
