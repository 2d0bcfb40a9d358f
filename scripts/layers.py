"""List the convolution and pooling layers of a model: sizes, filters, the ReLU that follows, shortcuts."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    """Load the model and write its table."""
    from convscope.jobs.job import say
    from convscope.models import layers, load
    from convscope.storage.tables import write_table

    network, spec = load.load_model(args.model, args.spec)
    rows = layers.layer_table(network, spec)
    convolutions = [row for row in rows if row.role != "pool"]
    say(f"{len(convolutions)} convolution layers with {sum(row.filters for row in convolutions)} filters")
    write_table(args.table, rows, layers.LayerRow)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True, help="the network (.keras)")
    arguments.add_argument("--spec", type=Path, required=True, help="the facts beside it (.json)")
    arguments.add_argument("--table", type=output, required=True, help="output: one row a layer (.csv)")
    run(main, arguments)
