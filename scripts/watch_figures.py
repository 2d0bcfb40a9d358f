"""Draw what was seen of a model while it learned: a strip and an animation a picture, a sheet of all, the table of answers."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.pictures.render import save_png
    from convscope.storage.files import write_json
    from convscope.storage.tables import write_table
    from convscope.watching.figures import COLUMNS
    from convscope.watching.store import read_watch
    from convscope.watching.strips import draw_seen, facts_of

    seen = read_watch(args.seen)
    rows, sheet = draw_seen(args.out, seen, json.loads(args.settings)["colormap"])
    about = {"model": seen.facts["model"], "layer": seen.facts["layer"], "epochs": seen.epochs}
    save_png(args.sheet, sheet, method=seen.methods[0], **about)
    write_table(args.table, rows, COLUMNS)
    write_json(args.facts, facts_of(seen))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--seen", type=Path, required=True, help="HDF5 of the rule watch")
    arguments.add_argument("--settings", required=True, help="JSON of the model's watching: settings")
    arguments.add_argument("--table", type=output, required=True, help="output: a row a picture and epoch (.csv)")
    arguments.add_argument("--sheet", type=output, required=True, help="output: all strips (.png)")
    arguments.add_argument("--facts", type=output, required=True, help="output: what the frames are (.json)")
    arguments.add_argument("--out", type=output, required=True, help="folder for the pictures")
    run(main, arguments)
