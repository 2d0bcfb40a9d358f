"""Write what every conv and pooling layer answers to one shard of an image set, to HDF5."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convscope.job import Progress, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope import store
    from convscope.activations import ActivationModel, write_shard
    from convscope.images import load_images
    from convscope.layer_table import ALL_ROLES, read_layers, select_layers
    from convscope.models import load_model
    from convscope.tables import read_rows

    network, spec = load_model(args.model, args.spec)
    settings = json.loads(args.settings)
    layers = select_layers(read_layers(args.layers), settings["layers"], ALL_ROLES, f"activations.{spec.name}.layers")
    names = [row["name"] for row in layers]
    rows = read_rows(args.images)[args.first : args.first + args.count]
    model = ActivationModel(network, names, [row["relu"] for row in layers])
    batch = model.batch_size(*spec.input_size)
    progress = Progress(len(rows), f"activations of {spec.name}", "images")

    def batches() -> Iterator[Any]:
        for start in range(0, len(rows), batch):
            part = rows[start : start + batch]
            pictures = load_images([row["path"] for row in part], spec.input_size, spec.resize, threads=args.threads)
            yield model(spec.preprocess(pictures))
            progress.step(len(part))

    attributes = {
        "model": spec.name,
        "model_digest": spec.digest,
        "input_size": spec.input_size,
        "layers_in_order": names,
    }
    with store.create(args.out, **attributes) as file:
        for column in ("id", "path", "class"):
            store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
        store.write_array(file, "label", [int(row["label"]) for row in rows], ("image",), dtype="int64")
        write_shard(file, batches(), len(rows), settings["dtype"])


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--first", type=int, required=True, help="first row of the shard")
    arguments.add_argument("--count", type=int, required=True, help="rows of the shard")
    arguments.add_argument("--settings", required=True, help="JSON of the model's activations: settings")
    arguments.add_argument("--out", type=Path, required=True)
    run(main, arguments)
