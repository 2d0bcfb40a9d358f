"""Compare networks that were trained from several seeds: a table, what is decided of every two, curves, costs."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import parser, run, say
from convscope.jobs.sealing import tells_seconds


def main(args: argparse.Namespace) -> list[Path]:
    from convscope.comparisons import report
    from convscope.comparisons.figures import draw_costs, draw_curves
    from convscope.comparisons.selection import trainings
    from convscope.models.load import load_model
    from convscope.models.multiply_adds import costs
    from convscope.storage.files import read_json, write_json
    from convscope.storage.tables import read_rows, write_table

    settings = json.loads(args.settings)
    files = zip(args.histories, args.trainings, args.predictions, strict=True)
    every = [
        report.Training(
            model,
            number,
            [{key: float(value) for key, value in row.items()} for row in read_rows(history)],
            read_json(training),
            report.correct_of(read_rows(predictions)),
        )
        for (model, number), (history, training, predictions) in zip(trainings(settings), files, strict=True)
    ]
    right, left_out = report.answers(every)
    if left_out:
        say(f"{left_out} pictures are left out: not every network answered them")
    multiply_adds, identities = {}, {}
    for name, model, facts in zip(settings["models"], args.models, args.specs, strict=True):
        network, spec = load_model(model, facts)
        multiply_adds[name] = sum(cost.multiply_adds for cost in costs(network, spec.input_size))
        identities[name] = spec.identity
    rows = report.table(every, right, multiply_adds)
    models, pairs = report.summaries(rows, right), report.pairs(right)
    images = rows[0]["images"]
    for row in pairs:
        say(row["reason"])
    write_table(args.out / "table.csv", rows, report.COLUMNS)
    write_table(
        args.out / "pairs.csv", [{key: row[key] for key in report.PAIR_COLUMNS} for row in pairs], report.PAIR_COLUMNS
    )
    title = f"{args.name}: {settings['split']}, {images} pictures, {settings['seeds']} seeds a model"
    curves = {name: [entry.history for entry in every if entry.model == name] for name in settings["models"]}
    draw_curves(curves, f"{args.name}: mean of {settings['seeds']} seeds, least to greatest", args.out / "curves.png")
    draw_costs(models, rows, title, args.out / "costs.png")
    write_json(
        args.out / "comparison.json",
        {
            "split": settings["split"],
            "seeds": settings["seeds"],
            "images": images,
            "left_out": left_out,
            "identities": identities,
            "told": report.what_can_be_told(settings["seeds"], images, len(models)),
            "unmatched": report.unmatched(models),
            "models": models,
            "pairs": pairs,
        },
    )
    tells_seconds(*(args.out / name for name in ("table.csv", "costs.png", "comparison.json")))
    return [args.out / name for name in ("table.csv", "pairs.csv", "curves.png", "costs.png", "comparison.json")]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--name", required=True, help="the comparison")
    arguments.add_argument("--settings", required=True, help="JSON of what is compared: models, seeds, split")
    arguments.add_argument(
        "--histories", type=Path, nargs="+", required=True, help="history.csv of each training, model by model"
    )
    arguments.add_argument("--trainings", type=Path, nargs="+", required=True, help="training.json of each")
    arguments.add_argument("--predictions", type=Path, nargs="+", required=True, help="predictions.csv of each")
    arguments.add_argument("--models", type=Path, nargs="+", required=True, help="model.keras of each model")
    arguments.add_argument("--specs", type=Path, nargs="+", required=True, help="model.json of each model")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    run(main, arguments)
