"""Draw each image of a set with its label, its prediction and every method's map beside the others."""

import argparse
import contextlib
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run

COLUMNS = [
    "id", "path", "class", "label", "predicted", "predicted_label", "confidence", "correct", "targets", "picture",
    "sha256",
]  # fmt: skip


def main(args: argparse.Namespace) -> None:
    import shutil

    from convscope.attributions.figures import MapFile, Style
    from convscope.attributions.side_by_side import rows_of, side_by_side
    from convscope.pictures.contact_sheets import contact_sheet
    from convscope.pictures.render import enlarged, save_png
    from convscope.storage import store
    from convscope.storage.tables import write_table

    style = Style(**json.loads(args.settings))
    args.out.mkdir(parents=True, exist_ok=True)
    table: list[dict[str, object]] = []
    with contextlib.ExitStack() as stack:
        files = [MapFile(stack.enter_context(store.open_file(path)), style) for path in args.maps]
        progress = Progress(files[0].count, f"{len(files)} methods side by side", "images")
        described = {"model": str(files[0].attributes["model"]), "methods": [maps.method for maps in files]}
        for index in range(files[0].count):
            photo, about = files[0].photo(index), files[0].prediction(index)
            rows = rows_of(files, index, photo)
            photo = enlarged(photo)
            signed = any(maps.signed for maps in files)
            chances = files[0].probabilities(index)
            picture = side_by_side(photo, about, chances, rows, style, signed, files[0].head)
            answer = files[0].parts.get(about["predicted"], about["predicted"])
            name = f"{about['id']}_predicted_{answer}.png".replace("/", "-").replace(" ", "-")
            targets = [target for target, _, _ in files[0].targets(index)]
            save_png(args.out / name, picture, **described, image=about["id"], targets=targets)
            if not table:
                shutil.copyfile(args.out / name, args.first)
            table.append({**about, "targets": "; ".join(targets), "picture": f"{args.out.name}/{name}"})
            progress.step()
    if not table:
        save_png(args.first, contact_sheet([], 1, 160), **described)
    write_table(args.table, table, COLUMNS)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument(
        "--maps", type=Path, nargs="+", required=True, help="HDF5 of raw maps, one a method, in order"
    )
    arguments.add_argument("--settings", required=True, help="JSON: colormap, diverging, percentile, scale")
    arguments.add_argument("--table", type=output, required=True)
    arguments.add_argument("--first", type=output, required=True, help="a copy of the first picture, for the report")
    arguments.add_argument("--out", type=output, required=True, help="folder for the pictures")
    run(main, arguments)
