"""Draw one method's attribution maps: map and overlay an image, contact sheets, and a table of what each picture shows."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run


def main(args: argparse.Namespace) -> None:
    import shutil

    from convscope.attributions.figures import AttributionFigures, MapFile, Style
    from convscope.storage import store
    from convscope.storage.tables import write_table

    args.out.mkdir(parents=True, exist_ok=True)
    with store.open_file(args.maps) as file:
        figures = AttributionFigures(MapFile(file, Style(**json.loads(args.settings))))
        progress = Progress(figures.count, f"{file.attrs['method']} of {file.attrs['model']}", "images")
        rows = figures.draw(args.out, on_image=progress.step)
    shutil.copyfile(args.out / "sheet_000.png", args.sheet)
    write_table(args.table, rows, figures.columns)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--maps", type=Path, required=True, help="HDF5 of raw maps")
    arguments.add_argument("--settings", required=True, help="JSON: colormap, diverging, percentile, scale")
    arguments.add_argument("--table", type=output, required=True)
    arguments.add_argument("--sheet", type=output, required=True, help="the first contact sheet, for the report")
    arguments.add_argument("--out", type=output, required=True, help="folder for the pictures")
    run(main, arguments)
