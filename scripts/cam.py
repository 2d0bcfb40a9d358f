"""Compute class activation maps of one shard of an image set, all methods in one pass; write the raw maps to HDF5."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.cams.store import write_maps
    from convscope.evaluation.labels import labels_for
    from convscope.evaluation.truths import told
    from convscope.models.spec import ModelSpec
    from convscope.pictures.read import load_rows
    from convscope.storage import store
    from convscope.storage.identity import pictures_identity
    from convscope.storage.prefetch import ahead
    from convscope.storage.tables import read_rows

    spec = ModelSpec.load(args.spec)
    settings = json.loads(args.settings)
    batch, methods = settings["batch"], settings["methods"]
    every = read_rows(args.images)
    rows = every[args.first : args.first + args.count]
    labels = labels_for(every, spec.classes)[args.first : args.first + args.count]

    def load(start: int) -> tuple[int, np.ndarray]:
        return start, spec.preprocess(
            load_rows(rows[start : start + batch], spec.input_size, spec.resize, channels=spec.reads)
        )

    # Decoding starts here, and is under way while TensorFlow and the model are loaded.
    pictures = ahead(load, range(0, len(rows), batch), args.threads, depth=args.threads + 1)

    from convscope.cams.mapper import ClassMapper
    from convscope.errors import UserError
    from convscope.models.cam_layer import default_cam_layer
    from convscope.models.gap_head import GapHead
    from convscope.models.load import load_model

    network, spec = load_model(args.model, args.spec)
    layer = settings.get("layer") or default_cam_layer(network, spec.input_size)
    head, left_out = None, {}
    try:
        head = GapHead.load(args.gap_head) if args.gap_head else None
    except UserError as error:
        left_out["cam"] = str(error)
        methods = [method for method in methods if method != "cam"]
        if not methods:
            raise
        say(f"CAM is left out: {error}")
    mapper = ClassMapper(network, spec, layer, methods, head, settings.get("score_channels"), key=f"cams.{spec.name}")
    progress = Progress(len(rows), f"{', '.join(methods)} of {spec.name} at {layer}", "images")

    def parts() -> Iterator[Any]:
        for start, images in pictures:
            yield mapper(images, labels[start : start + len(images)], settings["class"])
            progress.step(len(images))

    attributes: dict[str, Any] = {
        "model": spec.name,
        "model_digest": spec.identity,
        "images_digest": pictures_identity(every),
        "layer": layer,
        "class": str(settings["class"]),
        "classes": list(spec.classes),
        "input_size": spec.input_size,
        "resize": spec.resize,
        **spec.reads.described(),
    }
    if (truths := told(spec, rows)) is not None:
        attributes["head"] = spec.head
    if head:
        attributes["gap_head"] = "the model's own" if head.own else "trained on frozen features"
    if left_out:
        attributes["left_out"] = left_out
    with store.create(args.out, **attributes) as file:
        for column in ("id", "path", "class", "sha256"):
            store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
        store.write_array(file, "label", labels, ("image",))
        if truths is not None:
            store.write_array(file, "truth", truths, ("image",), dtype=store.TEXT)
        write_maps(file, parts(), len(rows), methods, len(spec.classes))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--first", type=int, required=True, help="first row of the shard")
    arguments.add_argument("--count", type=int, required=True, help="rows of the shard")
    arguments.add_argument("--settings", required=True, help="JSON of the model's cams: settings, with the methods")
    arguments.add_argument("--gap-head", type=Path, help="HDF5 of the head that 'cam' takes")
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments)
