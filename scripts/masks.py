"""List the part masks of a dataset's pictures, and the names of their values."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    """Write both tables."""
    from convscope.data.datasets import ImageRow
    from convscope.data.part_masks import write_masks
    from convscope.storage.tables import read_table

    images = read_table(args.images, ImageRow)
    rows = write_masks(args.folder, json.loads(args.settings), images, args.masks, args.parts)
    if bad := [row for row in rows if row.reason]:
        say(
            f"warning: {len(bad)} part masks are not used, as {args.masks} says; where maps lie is not judged on their pictures"
        )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--settings", required=True, help="the dataset's part of the config, as JSON")
    arguments.add_argument("--folder", type=Path, required=True, help="folder of the pictures (read only)")
    arguments.add_argument("--images", type=Path, required=True, help="the dataset's table of pictures (CSV)")
    arguments.add_argument("--masks", type=output, required=True, help="table of the masks to write (CSV)")
    arguments.add_argument("--parts", type=output, required=True, help="names of the masks' values to write (JSON)")
    run(main, arguments)
