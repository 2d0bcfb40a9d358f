"""Draw class activation maps: an overlay an image, contact sheets, and a table of what each picture shows."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run


def main(args: argparse.Namespace) -> None:
    import shutil

    from convscope.cams.figures import CamFigures
    from convscope.cams.names import METHODS
    from convscope.storage import store
    from convscope.storage.tables import read_rows, write_table

    settings = json.loads(args.settings)
    args.out.mkdir(parents=True, exist_ok=True)
    with store.open_file(args.maps) as file:
        figures = CamFigures(file, args.method, settings["colormap"], settings["scale"])
        progress = Progress(figures.count, f"{METHODS[args.method]} overlays of {file.attrs['model']}", "images")
        rows = figures.draw(args.out, on_image=progress.step, threads=args.threads)
    classes = {image["id"]: image["class"] for image in read_rows(args.images)}
    for row in rows:
        # The dataset's own word for the class. Labels and numbers are not in that column: theirs came with the maps.
        row["class"] = (figures.with_truths and row["class"]) or classes[row["id"]]
    shutil.copyfile(args.out / "sheet_000.png", args.sheet)
    write_table(args.table, rows, CamFigures.COLUMNS)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--maps", type=Path, required=True, help="HDF5 of raw maps")
    arguments.add_argument("--method", required=True, help="the maps' method")
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--settings", required=True, help="JSON of the model's cams: settings")
    arguments.add_argument("--table", type=output, required=True)
    arguments.add_argument("--sheet", type=output, required=True, help="the first contact sheet, for the report")
    arguments.add_argument("--out", type=output, required=True, help="folder for the pictures")
    run(main, arguments)
