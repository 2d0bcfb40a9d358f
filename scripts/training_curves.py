"""Draw how a model's training went: accuracy and loss by epoch."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    """Read the history, draw it."""
    from convscope.models.figures import draw_curves
    from convscope.models.spec import ModelSpec
    from convscope.storage.files import read_json
    from convscope.storage.tables import read_rows

    spec, training = ModelSpec.load(args.spec), read_json(args.training)
    history = [{key: float(value) for key, value in row.items()} for row in read_rows(args.history)]
    height, width = spec.input_size
    sides = height if height == width else f"{height}x{width}"
    settings = training["settings"]
    made = settings.get("architecture") or f"a {settings['head']} head on {settings['base']}"
    head_epochs = training.get("head_epochs", len(history))
    draw_curves(args.curves, f"{spec.name}: {made}, {sides} px", history, training["best_epoch"], head_epochs)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--history", type=Path, required=True, help="one row an epoch (.csv)")
    arguments.add_argument("--training", type=Path, required=True, help="settings and best epoch (.json)")
    arguments.add_argument("--spec", type=Path, required=True, help="facts of the model (.json)")
    arguments.add_argument("--curves", type=output, required=True, help="output: accuracy and loss (.png)")
    run(main, arguments)
