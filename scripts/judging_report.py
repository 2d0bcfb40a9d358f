"""Put the numbers of all methods in one table with intervals; pass the sanity gate; draw the figures; check the maps."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from convscope.jobs.job import parser, run, say


def main(args: argparse.Namespace) -> list[Path]:
    import numpy as np

    from convscope.errors import UserError
    from convscope.judging import figures, report
    from convscope.judging import store as judged_store
    from convscope.judging.agreement import agreement_matrix
    from convscope.judging.gate import sanity_gate, what_can_be_told
    from convscope.judging.methods import Judged, at_resolution, spread_over
    from convscope.judging.names import CONTROLS, METRICS
    from convscope.models.spec import ModelSpec
    from convscope.storage import store
    from convscope.storage.files import write_json
    from convscope.storage.tables import write_table

    settings, spec = json.loads(args.settings), ModelSpec.load(args.spec)
    judged: dict[str, Judged] = {}
    facts: dict[str, str] = {}
    common: tuple[str, list[str], np.ndarray] | None = None
    for path in args.judged:
        with store.open_file(path) as file:
            method = str(file.attrs["method"])
            facts = {key: str(file.attrs[key]) for key in ("model", "model_digest", "images_digest")}
            keys, targets, judged[method] = judged_store.read(file)
        common = common or (method, keys, targets)
        if keys != common[1] or not np.array_equal(targets, common[2]):
            raise UserError(
                f"judging: '{method}' and '{common[0]}' explain other images or other classes, and cannot be compared; "
                "set the same class: for cams and attributions"
            )
    methods = {name: entry.metrics for name, entry in judged.items()}
    verdicts = sanity_gate(methods, settings["survives"])
    rows = report.table(methods, {name: entry.regions for name, entry in judged.items()})
    checks, maps = [], {}
    names = [name for name in judged if name not in CONTROLS]
    for name, path in zip(names, args.maps, strict=True):
        with store.open_file(path) as file:
            checks += report.self_check(name, file)
            if "agreement" in settings["groups"]:
                every = store.read_text(file["id"])
                chosen = spread_over(len(every), settings["limit"])
                _, raw = judged_store.read_maps(file, chosen, [every[index] for index in chosen])
                maps[name] = at_resolution(judged_store.heat_of(name, raw), spec.input_size)
    matrix = agreement_matrix(maps)
    agreement = [
        {"method": first, "other": second, "spearman": report.rounded(matrix[i, j])}
        for i, first in enumerate(maps)
        for j, second in enumerate(maps)
    ]
    for name, found in verdicts.items():
        say(f"{name}: {found.status}" + (f" ({', '.join(found.labels)})" if found.labels else ""))
    write_table(args.out / "table.csv", rows, report.COLUMNS)
    write_table(args.out / "agreement.csv", agreement, ("method", "other", "spearman"))
    write_table(args.out / "self_check.csv", checks, report.SELF_CHECK_COLUMNS)
    gate = {name: found.to_dict() for name, found in verdicts.items()}
    images = len(common[1]) if common else 0
    told = what_can_be_told(images)
    write_json(args.out / "gate.json", {**facts, "survives": settings["survives"], "told": told, "methods": gate})
    metrics = {
        name: {k: v for k, v in asdict(metric).items() if k in ("title", "better")} for name, metric in METRICS.items()
    }
    whole = {**facts, "images": images, "told": told, "metrics": metrics, "rows": rows, "gate": gate}
    write_json(args.out / "table.json", whole)
    figures.draw_metrics(rows, verdicts, args.out / "metrics.png")
    curves = {name: vars(entry.curves) for name, entry in judged.items() if entry.curves is not None}
    cascades = {
        name: {"depths": entry.cascade.depths, **entry.cascade.similarity}
        for name, entry in judged.items()
        if entry.cascade is not None
    }
    figures.draw_curves(curves, cascades, args.out / "curves.png", spec.head)
    figures.draw_agreement(list(maps), matrix, args.out / "agreement.png")
    tables = ("table.csv", "agreement.csv", "self_check.csv", "gate.json", "table.json")
    return [args.out / name for name in (*tables, "metrics.png", "curves.png", "agreement.png")]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument(
        "--judged", type=Path, nargs="+", required=True, help="numbers of the methods, then the controls"
    )
    arguments.add_argument("--maps", type=Path, nargs="+", required=True, help="maps of the methods, in the same order")
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--settings", required=True, help="JSON of the model's judging: settings")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    run(main, arguments)
