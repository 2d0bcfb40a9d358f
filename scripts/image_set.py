"""Choose the pictures of an image set and list the bad ones among them."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    """Select and write both tables."""
    from convscope.data.folders import SkippedRow
    from convscope.data.image_sets import BadSetRow, SetRow, select_images
    from convscope.data.rows import BadRow, ImageRow
    from convscope.pictures.apart import Readers
    from convscope.pictures.describe import describe_apart
    from convscope.storage.files import read_json
    from convscope.storage.tables import read_rows, read_table, write_table

    skipped: list[SkippedRow] = []
    with Readers(1) as readers:
        rows, bad = select_images(
            json.loads(args.settings),
            read_table(args.images, ImageRow) if args.images else [],
            read_table(args.bad_images, BadRow) if args.bad_images else [],
            read_rows(args.predictions) if args.predictions else [],
            args.seed,
            skipped,
            read_json(args.model)["classes"] if args.model else (),
            describe_apart(readers),
        )
    say(f"{len(rows)} pictures, {len(bad)} bad")
    for row in bad:
        say(f"bad: {row.path!r}: {row.reason}")
    for other in skipped:
        say(f"left out: {other.path!r}: {other.reason}")
    write_table(args.out, rows, SetRow)
    write_table(args.bad, bad, BadSetRow)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--settings", required=True, help="the image set's part of the config, as JSON")
    arguments.add_argument("--images", type=Path, help="the dataset's table of pictures (CSV)")
    arguments.add_argument("--bad-images", type=Path, help="the dataset's table of bad pictures (CSV)")
    arguments.add_argument("--predictions", type=Path, help="the evaluation's predictions (CSV)")
    arguments.add_argument("--model", type=Path, help="the facts of the evaluated model (JSON)")
    arguments.add_argument("--out", type=output, required=True, help="table of the set to write (CSV)")
    arguments.add_argument("--bad", type=output, required=True, help="table of its bad pictures to write (CSV)")
    run(main, arguments)
