"""Write what every conv and pooling layer answers to one shard of an image set, to HDF5."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run
from convscope.jobs.sealing import keep_chunks


def main(args: argparse.Namespace) -> None:

    from convscope.models.layer_table import ALL_ROLES, read_layers, select_layers
    from convscope.models.spec import ModelSpec
    from convscope.pictures.read import load_rows
    from convscope.storage import store
    from convscope.storage.identity import pictures_identity
    from convscope.storage.prefetch import ahead, behind
    from convscope.storage.tables import read_rows

    spec = ModelSpec.load(args.spec)
    settings = json.loads(args.settings)
    layers = select_layers(read_layers(args.layers), settings["layers"], ALL_ROLES, f"activations.{spec.name}.layers")
    names = [row["name"] for row in layers]
    every = read_rows(args.images)
    rows = every[args.first : args.first + args.count]

    from convscope.activations.extract import ActivationModel, Answers, ShardWriter
    from convscope.models.load import load_model

    network, spec = load_model(args.model, args.spec)
    model = ActivationModel(network, names, [row["relu"] for row in layers], settings["dtype"])
    batch = model.batch_size(*spec.input_size, at_once=args.threads)
    progress = Progress(len(rows), f"activations of {spec.name}", "images")

    def answer(start: int) -> Answers:
        return model(
            spec.preprocess(load_rows(rows[start : start + batch], spec.input_size, spec.resize, channels=spec.reads))
        )

    attributes = {
        "model": spec.name,
        "model_digest": spec.identity,
        "images_digest": pictures_identity(every),
        "input_size": spec.input_size,
        "layers_in_order": names,
    }
    with store.create(args.out, page_aligned=True, **attributes) as file:
        for column in ("id", "path", "class", "sha256"):
            store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
        store.write_array(file, "label", [int(row["label"]) for row in rows], ("image",), dtype="int64")
        # Each thread takes a batch from the files to its maps; writing overlaps. At most a few batches are in memory.
        with ShardWriter(file, len(rows)) as writer, behind(writer, depth=1) as write:
            for answers in ahead(answer, range(0, len(rows), batch), args.threads, depth=args.threads + 1):
                write(answers)
                progress.step(len(next(iter(answers[0].values()))))
        keep_chunks(args.out, writer.digests())


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--first", type=int, required=True, help="first row of the shard")
    arguments.add_argument("--count", type=int, required=True, help="rows of the shard")
    arguments.add_argument("--settings", required=True, help="JSON of the model's activations: settings")
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments, side_by_side=True)
