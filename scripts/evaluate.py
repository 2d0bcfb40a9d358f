"""Test a model on a split of a data set: the table of all predictions, and the numbers."""

import argparse
from pathlib import Path

from convscope.jobs.job import parser, run


def main(args: argparse.Namespace) -> None:
    """Predict every picture of the split and write table and metrics."""
    from convscope.errors import UserError, nearest
    from convscope.evaluation import predict
    from convscope.evaluation.labels import label_map
    from convscope.evaluation.metrics import metrics
    from convscope.jobs.job import Progress, say
    from convscope.models import load
    from convscope.storage.files import write_json
    from convscope.storage.tables import read_rows, write_table

    network, spec = load.load_model(args.model, args.spec)
    if spec.head == "none":
        raise UserError(
            f"model '{spec.name}' has no classification head, so it cannot be evaluated; leave it out of 'evaluations'"
        )
    table = read_rows(args.images)
    rows = [row for row in table if row["split"] == args.split]
    if not rows:
        raise UserError(
            f"{args.images}: no split '{args.split}'; {nearest(args.split, sorted({row['split'] for row in table}))}"
        )
    names = {int(row["label"]): row["class"] for row in table if int(row["label"]) >= 0}
    index_of = dict(zip(sorted(names), label_map(spec, [names[i] for i in sorted(names)]), strict=True))
    labels = [index_of.get(int(row["label"]), -1) for row in rows]
    paths = [row["path"] for row in rows]
    progress = Progress(len(rows), f"evaluating {spec.name}", "images")
    digests = [row["sha256"] for row in rows]
    logits, bad = predict.predict(
        network,
        spec,
        paths,
        batch_size=args.batch,
        threads=args.threads,
        digests=digests,
        after_batch=progress.step,
    )
    unreadable = {path for path, _ in bad}
    for path, reason in bad:
        say(f"bad: {path}: {reason}")
    keep = [i for i, path in enumerate(paths) if path not in unreadable]
    kept = ([paths[i] for i in keep], [rows[i]["class"] for i in keep], [labels[i] for i in keep], logits[keep])
    predicted = predict.prediction_rows(spec, *kept, [digests[i] for i in keep])
    write_table(args.predictions, predicted, predict.prediction_columns(spec))
    known = [i for i in keep if labels[i] >= 0]
    numbers = metrics(spec, [labels[i] for i in known], logits[known])
    facts = {"model": spec.name, "model_digest": spec.identity, "split": args.split, "unreadable": len(bad)}
    write_json(args.metrics, numbers | facts)
    say(f"accuracy {numbers['accuracy']} of {numbers['images']} images, {len(bad)} unreadable")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="the network (.keras)")
    arguments.add_argument("--spec", type=Path, required=True, help="the facts beside it (.json)")
    arguments.add_argument("--images", type=Path, required=True, help="the data set's images.csv")
    arguments.add_argument("--split", required=True, help="the split to test on")
    arguments.add_argument("--batch", type=int, default=32, help="images a forward pass (default: 32)")
    arguments.add_argument("--predictions", type=Path, required=True, help="output: one row an image (.csv)")
    arguments.add_argument("--metrics", type=Path, required=True, help="output: the numbers (.json)")
    run(main, arguments)
