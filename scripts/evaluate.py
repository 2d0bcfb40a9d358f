"""Test a model on a split of a data set: the table of all predictions, the scores of all classes, and the numbers."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    """Predict every picture of the split and write tables and metrics."""
    import dataclasses

    import numpy as np

    from convscope.errors import UserError, nearest
    from convscope.evaluation import predict
    from convscope.evaluation.doubts import doubts
    from convscope.evaluation.numbers import numbers_of
    from convscope.evaluation.rows import prediction_columns, prediction_rows
    from convscope.evaluation.scores import Scores, ScoreWriter
    from convscope.evaluation.truths import by_order, truths_of
    from convscope.jobs.job import Progress, say
    from convscope.models import load
    from convscope.storage import store
    from convscope.storage.files import write_json
    from convscope.storage.tables import read_rows, write_table

    network, spec = load.load_model(args.model, args.spec)
    if spec.head in ("segmentation", "none"):
        raise UserError(
            f"model '{spec.name}' has no classification head, so it cannot be evaluated; leave it out of 'evaluations'"
        )
    table = read_rows(args.images)
    rows = [row for row in table if row["split"] == args.split]
    if not rows:
        raise UserError(
            f"{args.images}: no split '{args.split}'; {nearest(args.split, sorted({row['split'] for row in table}))}"
        )
    truths = truths_of(spec, table, rows)
    if met := by_order(spec, table, truths):
        say(f"no class name of the data set is the model's; taken by their order: {met}")
    paths, digests = [row["path"] for row in rows], [row["sha256"] for row in rows]
    progress = Progress(len(rows), f"evaluating {spec.name}", "images")
    keep: list[int] = []
    bad: list[str] = []
    answers: list[tuple[float, float]] = []
    facts = {"model": spec.name, "model_digest": spec.identity, "split": args.split}
    with store.create(args.scores, **facts, head=spec.head, classes=list(spec.classes)) as file:
        writer = ScoreWriter(file, len(rows), len(spec.classes))

        def written() -> Iterator[dict[str, Any]]:
            found = predict.predict(network, spec, paths, batch_size=args.batch, threads=args.threads, digests=digests)
            for batch in found:
                for path, reason in batch.bad:
                    bad.append(f"{path}: {reason}")
                    say(f"bad: {bad[-1]}")
                places = np.array(batch.places, int)
                some = dataclasses.replace(
                    truths,
                    classes=[truths.classes[i] for i in places],
                    labels=truths.labels[places],
                    many=None if truths.many is None else truths.many[places],
                    numbers=None if truths.numbers is None else truths.numbers[places],
                )
                scores = spec.class_scores(batch.logits)
                writer.add(scores)
                keep.extend(batch.places)
                of = [paths[i] for i in places], some, batch.logits, [digests[i] for i in places]
                chances = spec.probabilities(batch.logits)
                for best, p, score in zip(spec.predicted(scores), chances, scores, strict=True):
                    answers.append(
                        (float(score[0]), float(p[0])) if spec.head == "regression" else (int(best), float(p[best]))
                    )
                yield from prediction_rows(spec, *of)
                progress.step(len(places) + len(batch.bad))

        write_table(args.predictions, written(), prediction_columns(spec))
        writer.close()
        if not keep:
            raise UserError(f"no picture of '{args.split}' can be evaluated; the first: {bad[0]}")
        kept = np.array(keep, int)
        numbers = numbers_of(spec, truths, kept, Scores(file["scores"]))
    predicted, confidence = np.array(answers).reshape(-1, 2).T
    warnings = doubts(spec, numbers, predicted if spec.head == "regression" else predicted.astype(int), confidence)
    for warning in warnings:
        say(f"warning: {warning}")
    numbers |= {"warnings": warnings} if warnings else {}
    numbers |= {"head": spec.head} if spec.head in ("multilabel", "regression") else {}
    write_json(args.metrics, numbers | facts | {"unreadable": len(bad)})
    shown = next(key for key in ("accuracy", "mae") if key in numbers)
    say(f"{shown} {numbers[shown]} of {numbers['images']} images, {len(bad)} unreadable")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="the network (.keras)")
    arguments.add_argument("--spec", type=Path, required=True, help="the facts beside it (.json)")
    arguments.add_argument("--images", type=Path, required=True, help="the data set's images.csv")
    arguments.add_argument("--split", required=True, help="the split to test on")
    arguments.add_argument("--batch", type=int, default=32, help="images a forward pass (default: 32)")
    arguments.add_argument("--predictions", type=output, required=True, help="output: one row an image (.csv)")
    arguments.add_argument("--scores", type=output, required=True, help="output: the scores of all classes (.h5)")
    arguments.add_argument("--metrics", type=output, required=True, help="output: the numbers (.json)")
    run(main, arguments)
