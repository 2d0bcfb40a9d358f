"""Put the pictures of one figure of the index into a folder of their own, and list what each is made of."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    from convscope.errors import UserError
    from convscope.figure_index.draw import draw
    from convscope.figure_index.sources import Source
    from convscope.pictures.captions import name_parts
    from convscope.storage.tables import write_table

    args.out.mkdir(parents=True, exist_ok=True)
    found = [Source(**source) for source in json.loads(args.sources)]
    stems, rows = name_parts([source.label for source in found]), []
    for source in found:
        for picture in draw(source, args.results, args.out / stems[source.label]):
            rows.append({"picture": picture.name, "of": source.label, "made_from": args.results / source.files[0]})
    if not rows:
        raise UserError(f"{args.out}: nothing to be shown: the image sets or tables are empty, or every filter is dead")
    write_table(args.out / "sources.csv", rows, ["picture", "of", "made_from"])
    say(f"{args.out}: {len(rows)} picture{'s' if len(rows) != 1 else ''}")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the study's folder, results/<study>")
    arguments.add_argument("--sources", required=True, help="JSON: what the figure is made of, a `Source` each")
    arguments.add_argument("--out", type=output, required=True, help="output: folder of pictures, and sources.csv")
    run(main, arguments)
