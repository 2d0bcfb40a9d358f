"""Make a classifier's report from its table of predictions: tables and figures."""

import argparse
from pathlib import Path
from typing import Any

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    """Write every table and figure of the report into the folder of the evaluation."""
    from convscope.evaluation import figures as pictures
    from convscope.evaluation import of_labels, of_numbers, report
    from convscope.jobs.job import Progress, say
    from convscope.models.spec import ModelSpec
    from convscope.storage import store
    from convscope.storage.files import write_json
    from convscope.storage.tables import read_rows, write_table

    spec = ModelSpec.load(args.spec)
    of: Any = {"multilabel": of_labels, "regression": of_numbers}.get(spec.head, report)
    rows = read_rows(args.predictions)
    title = f"{spec.name} on {args.title}"
    with store.open_file(args.scores) as file:
        found = of.read_predictions(rows, spec.classes, file["scores"])
        write_table(args.classes, of.class_rows(found), of.CLASS_COLUMNS)
        write_table(args.roc_table, of.roc_rows(found), of.ROC_COLUMNS)
        write_table(args.calibration_table, of.calibration_rows(found), of.CALIBRATION_COLUMNS)
        of.draw_confusion(found, title, args.confusion, normalised=False)
        of.draw_confusion(found, title, args.confusion_shares, normalised=True)
        of.draw_roc(found, title, args.roc)
        of.draw_calibration(found, title, args.calibration)
        pictures.draw_errors(found, of.worst(found, pictures.ERRORS_SHOWN), args.errors)
    predicted = [(row["path"], row["sha256"]) for row in rows]
    progress = Progress(min(len(predicted), pictures.MOST_THUMBNAILS), "small views", "images")
    write_json(args.thumbnails_geometry, pictures.draw_thumbnails(predicted, args.thumbnails, progress.step))
    errors = "" if spec.head == "regression" else f", {int((~found.correct).sum())} errors"
    say(f"{len(found)} labelled images{errors}")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--predictions", type=Path, required=True, help="the table of predictions (.csv)")
    arguments.add_argument("--scores", type=Path, required=True, help="the scores of all classes (.h5)")
    arguments.add_argument("--spec", type=Path, required=True, help="facts of the model (.json)")
    arguments.add_argument("--title", required=True, help="what it was tested on, for the figures")
    for name, text in (
        ("classes", "precision, recall, F1 of every class (.csv)"),
        ("roc-table", "points of the ROC curves (.csv)"),
        ("calibration-table", "bins of the reliability diagram (.csv)"),
        ("confusion", "confusion matrix, counts (.png)"),
        ("confusion-shares", "confusion matrix, shares of the true class (.png)"),
        ("roc", "ROC curves (.png)"),
        ("calibration", "reliability diagram (.png)"),
        ("errors", "the most confident errors (.png)"),
        ("thumbnails", "a small view of every image (.jpg)"),
        ("thumbnails-geometry", "where each of them lies (.json)"),
    ):
        arguments.add_argument(f"--{name}", type=output, required=True, help=f"output: {text}")
    run(main, arguments)
