"""List a dataset: open every picture, put it in its split, list the bad ones, show a sample of each class."""

import argparse
import json
from pathlib import Path

from convscope.job import parser, run, say

COLUMNS, CELL, MOST_SHOWN = 8, 140, 160


def main(args: argparse.Namespace) -> None:
    """Scan the folder and write the tables and the contact sheet."""
    from convscope.contact_sheets import contact_sheet
    from convscope.datasets import BadRow, ImageRow, scan_dataset
    from convscope.files import write_json
    from convscope.images import fit_image, read_image
    from convscope.render import save_png
    from convscope.sampling import sample
    from convscope.tables import write_table

    dataset = scan_dataset(
        args.folder, json.loads(args.settings), args.threads, lambda done, known: say(f"{done} of {known} pictures")
    )
    for (split, name), count in sorted(dataset.counts().items()):
        say(f"{split}: {count} of class {name}")
    for row in dataset.bad:
        say(f"bad: {row.path!r}: {row.reason}")
    if shared := dataset.shared_between_splits():
        say(f"warning: {shared} pictures are in more than one split; accuracy measured on them is too high")
    write_table(args.images, dataset.images, ImageRow)
    write_table(args.bad, dataset.bad, BadRow)
    write_json(args.classes, {"classes": dataset.classes, "parts": dataset.parts})
    shown = sample(
        dataset.images, lambda row: row.path, lambda row: (row.split, row.class_), args.seed, COLUMNS, MOST_SHOWN
    )
    order = list(json.loads(args.settings).get("splits") or {})
    shown.sort(key=lambda row: order.index(row.split) if row.split in order else len(order))
    pictures = [fit_image(read_image(row.path), (CELL, CELL), "crop") for row in shown]
    captions = [f"{row.split}: {row.class_}" for row in shown]
    title = f"{len(dataset.images)} pictures, {len(dataset.classes)} classes, {len(dataset.bad)} bad"
    save_png(args.sheet, contact_sheet(pictures, COLUMNS, CELL, captions), Title=title)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--settings", required=True, help="the dataset's part of the config, as JSON")
    arguments.add_argument("--folder", type=Path, required=True, help="folder of the pictures (read only)")
    arguments.add_argument("--images", type=Path, required=True, help="table of the readable pictures to write (CSV)")
    arguments.add_argument("--bad", type=Path, required=True, help="table of the bad pictures to write (CSV)")
    arguments.add_argument("--classes", type=Path, required=True, help="names of classes and parts to write (JSON)")
    arguments.add_argument("--sheet", type=Path, required=True, help="contact sheet to write (PNG)")
    run(main, arguments)
