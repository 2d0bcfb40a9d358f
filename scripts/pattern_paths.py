"""Measure a layer's patterns as real pictures are: what their units answer to them, and by which way."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.models.layer_table import CONVOLUTIONS, read_layers
    from convscope.models.load import load_model
    from convscope.pictures.read import load_rows
    from convscope.storage import store
    from convscope.storage.tables import read_rows
    from convscope.units.measured import measure
    from convscope.units.paths import Way
    from convscope.units.store import group_of
    from convscope.units.trust import rows_of, write_paths

    network, spec = load_model(args.model, args.spec)
    table = [row for row in read_layers(args.layers) if row["role"] in CONVOLUTIONS]
    relus = {row["name"]: row["relu"] for row in table}
    patterns = dict(zip(json.loads(args.presets), args.patterns, strict=True))
    pictures = read_rows(args.images)
    with store.open_file(args.units) as file:
        group = group_of(file, args.layer)
        shown, answers = group["shown"][()], group["shown_answer"][()]
        images_digest = file.attrs["images_digest"]

    def way_of(size: tuple[int, int, int]) -> Way:
        return Way(network, args.layer, relus[args.layer], list(relus), size)

    def load(rows: np.ndarray) -> np.ndarray:
        chosen = [pictures[row] for row in rows]
        return spec.preprocess(load_rows(chosen, spec.input_size, spec.resize, channels=spec.reads))

    progress = Progress(0, f"the ways to units of {args.layer}", "pictures")

    def report(count: int) -> None:
        progress.total = max(progress.total, progress.done + count)
        progress.step(count)

    found = measure(way_of, spec, args.layer, patterns, shown, answers, len(pictures), load, args.seed, report)
    for preset in patterns:
        rows = [row for row in rows_of(found) if row.preset == preset]
        say(
            f"{args.layer}, {preset}: {sum(row.trust == 'yes' for row in rows)} of {len(rows)} patterns are to be believed"
        )
    attributes = {
        "model": spec.name,
        "model_digest": spec.identity,
        "images_digest": images_digest,
        "layer": args.layer,
        "seed": args.seed,
    }
    with store.create(args.out, **attributes) as file:
        write_paths(file, found)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--units", type=Path, required=True, help="HDF5 of all that is known of the units")
    arguments.add_argument("--layer", required=True)
    arguments.add_argument("--presets", required=True, help="JSON list of the presets")
    arguments.add_argument(
        "--patterns", type=Path, nargs="+", required=True, help="HDF5 of the layer's patterns by each of them"
    )
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments)
