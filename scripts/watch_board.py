"""Write what was seen of a model while it learned as a log of TensorBoard's."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.watching.loggers import write_board
    from convscope.watching.settings import need
    from convscope.watching.store import read_watch

    seen = read_watch(args.seen)
    # Where jobs run it may be another Python than where the study was checked.
    need("tensorboard", f"watching.{seen.facts['model']}.tensorboard")
    write_board(args.board, seen.watched, seen.moments, json.loads(args.settings)["colormap"])


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--seen", type=Path, required=True, help="HDF5 of the rule watch")
    arguments.add_argument("--settings", required=True, help="JSON of the model's watching: settings")
    arguments.add_argument("--board", type=output, required=True, help="output: the log, an event file")
    run(main, arguments)
