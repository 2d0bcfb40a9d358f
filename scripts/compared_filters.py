"""Lay the filter patterns of several models side by side, depth by depth."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.comparisons.side_by_side import pattern_sheet
    from convscope.pictures.render import save_png

    each = len(args.patterns) // len(args.models)
    layers = {model: args.patterns[place * each : (place + 1) * each] for place, model in enumerate(args.models)}
    save_png(args.sheet, pattern_sheet(layers), models=args.models)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="+", required=True, help="names of the models")
    arguments.add_argument(
        "--patterns", type=Path, nargs="+", required=True, help="HDF5 of as many layers of each model"
    )
    arguments.add_argument("--sheet", type=output, required=True, help="output: the pictures (.png)")
    run(main, arguments)
