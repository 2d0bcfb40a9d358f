"""Draw a sample of a dataset: a few pictures of every split and class."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run

COLUMNS, CELL, MOST_SHOWN = 8, 140, 160


def main(args: argparse.Namespace) -> None:
    """Choose the pictures, draw the sheet."""
    from convscope.data.datasets import ImageRow
    from convscope.data.sampling import sample
    from convscope.pictures.contact_sheets import contact_sheet
    from convscope.pictures.read import fit_image, read_image
    from convscope.pictures.render import save_png
    from convscope.storage.tables import read_rows, read_table

    rows = read_table(args.images, ImageRow)
    shown = sample(rows, lambda row: row.path, lambda row: (row.split, row.class_), args.seed, COLUMNS, MOST_SHOWN)
    order = json.loads(args.splits)
    shown.sort(key=lambda row: order.index(row.split) if row.split in order else len(order))
    pictures = [fit_image(read_image(row.path, sha256=row.sha256), (CELL, CELL), "crop") for row in shown]
    captions = [f"{row.split}: {row.shows()}" for row in shown]
    classes = len({row.label for row in rows})
    title = f"{len(rows)} pictures, {classes} classes, {len(read_rows(args.bad))} bad"
    save_png(args.sheet, contact_sheet(pictures, COLUMNS, CELL, captions), Title=title)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--images", type=Path, required=True, help="the dataset's table of pictures (CSV)")
    arguments.add_argument("--bad", type=Path, required=True, help="its table of bad pictures (CSV)")
    arguments.add_argument("--splits", required=True, help="names of the splits in order, as JSON")
    arguments.add_argument("--sheet", type=output, required=True, help="contact sheet to write (PNG)")
    run(main, arguments)
