"""Draw the filter patterns of every kept epoch, a row a filter and a column an epoch."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.storage import store
    from convscope.storage.files import write_json
    from convscope.watching.strips import draw_patterns

    with store.open_file(args.patterns) as file:
        facts = draw_patterns(file, args.strip, args.frames)
        write_json(args.facts, {"model_digest": str(file.attrs["model_digest"]), **facts})


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--patterns", type=Path, required=True, help="HDF5 of the rule watch_filters")
    arguments.add_argument("--strip", type=output, required=True, help="output: with captions (.png)")
    arguments.add_argument("--frames", type=output, required=True, help="output: the cells alone (.jpg)")
    arguments.add_argument("--facts", type=output, required=True, help="output: what the frames are (.json)")
    run(main, arguments)
