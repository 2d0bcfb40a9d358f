"""Lay the heatmaps of the same pictures by several models side by side."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.comparisons.side_by_side import heatmap_sheet
    from convscope.pictures.render import save_png

    sheet = heatmap_sheet(dict(zip(args.models, args.maps, strict=True)), args.colormap)
    save_png(args.sheet, sheet, models=args.models)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--models", nargs="+", required=True, help="names of the models")
    arguments.add_argument("--maps", type=Path, nargs="+", required=True, help="HDF5 of maps of each model")
    arguments.add_argument("--colormap", required=True, help="matplotlib's name of a colour map")
    arguments.add_argument("--sheet", type=output, required=True, help="output: the pictures (.png)")
    run(main, arguments)
