"""Put one method's maps of an image set together by likeness: kinds of reasons, a table, a figure, and a map of pictures."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.attributions.names import METHODS as ATTRIBUTIONS
    from convscope.cams.names import METHODS as CAMS
    from convscope.errors import UserError
    from convscope.storage import store
    from convscope.storage.tables import read_rows, write_table
    from convscope.strategies.figures import draw_strategies
    from convscope.strategies.grids import read_grids
    from convscope.strategies.places import inside
    from convscope.strategies.report import KindRow, strategies
    from convscope.strategies.store import save

    rows = read_rows(args.images)
    ids = [row["id"] for row in rows]
    with store.open_file(args.maps) as file:
        facts = {key: str(file.attrs[key]) for key in ("model", "model_digest", "images_digest")}
        grids, classes, _ = read_grids(file, args.method)
        predicted = np.asarray(file["predicted"][()]).reshape(len(grids), -1)
        names = [str(name) for name in json.loads(file.attrs["classes"])]
        head = str(file.attrs.get("head", ""))
        if store.read_text(file["id"]) != ids:
            raise UserError(f"{args.maps}: its images are not those of {args.images}; delete the file and run again")
    with store.open_file(args.concepts) as file:
        if store.read_text(file["id"]) != ids:
            raise UserError(
                f"{args.concepts}: its images are not those of {args.images}; delete the file and run again"
            )
        found = inside(file, grids)
    # A map of no class shows what the layer answers to: of a picture that is answered so.
    of_one = head not in ("multilabel", "regression") and predicted.shape[1] == 1
    classes = np.where((classes < 0) & of_one, predicted[:, 0], classes) if len(classes) else classes
    truths = [row["class"] for row in rows]
    known = of_one and set(names) >= {truth for truth in truths if truth}
    answers = [names[k] if 0 <= k < len(names) else "" for k in predicted[:, 0].tolist()] if of_one else []
    wrong = [
        truth != answer if truth and known else None
        for truth, answer in zip(truths, answers or [""] * len(rows), strict=True)
    ]
    settings = json.loads(args.settings)
    result = strategies(grids, classes, names, truths, wrong, ids, found, settings["most"], args.seed)
    for entry in result.classes:
        say(entry.words + (f"; {entry.empty} maps have no heat" if entry.empty else ""))
        for group in entry.groups:
            if group.row.warning:
                say(f"  kind {group.row.kind}, {group.row.pictures} pictures: {group.row.warning}")
    title = CAMS.get(args.method) or ATTRIBUTIONS[args.method].title
    save(args.out, result, ids, **facts, method=args.method, seed=args.seed, settings=settings)
    write_table(args.table, result.rows, KindRow)
    draw_strategies(args.figure, f"{facts['model']}, {title}: kinds of reasons in {len(rows)} pictures", result)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--maps", type=Path, required=True, help="the method's gathered maps (HDF5)")
    arguments.add_argument("--method", required=True)
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--concepts", type=Path, required=True, help="masks of the concepts (HDF5)")
    arguments.add_argument("--settings", required=True, help="JSON of the model's strategies: settings")
    arguments.add_argument("--out", type=output, required=True, help="the kinds and the map of pictures (HDF5)")
    arguments.add_argument("--table", type=output, required=True, help="a row a kind (CSV)")
    arguments.add_argument("--figure", type=output, required=True, help="the kinds of each class (PNG)")
    run(main, arguments)
