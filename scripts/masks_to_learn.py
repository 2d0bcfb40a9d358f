"""List the part masks that a network of pixels learns from and is validated with, and the names of their values."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    """Write both tables."""
    from convscope.data.part_masks import learned, write_masks

    write_masks(args.folder, json.loads(args.settings), learned(args.images), args.masks, args.parts)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--settings", required=True, help="the dataset's part of the config, as JSON")
    arguments.add_argument("--folder", type=Path, required=True, help="folder of the pictures (read only)")
    arguments.add_argument("--images", type=Path, required=True, help="the dataset's table of pictures (CSV)")
    arguments.add_argument("--masks", type=output, required=True, help="table of the masks to write (CSV)")
    arguments.add_argument("--parts", type=output, required=True, help="names of the masks' values to write (JSON)")
    run(main, arguments)
