"""Compute class activation maps of one shard of an image set; write the raw maps to HDF5."""

import argparse
import json
from pathlib import Path

from convscope.job import Progress, parser, run


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope import store
    from convscope.cams import ClassMapper
    from convscope.images import load_images
    from convscope.labels import labels_for
    from convscope.models import load_model
    from convscope.networks import default_cam_layer
    from convscope.tables import read_rows

    network, spec = load_model(args.model, args.spec)
    settings = json.loads(args.settings)
    layer = settings.get("layer") or default_cam_layer(network)
    mapper = ClassMapper(network, spec, layer, args.method)
    rows = read_rows(args.images)[args.first : args.first + args.count]
    labels = labels_for(rows, spec.classes)
    progress = Progress(len(rows), f"{args.method} of {spec.name} at {layer}", "images")
    parts = []
    for start in range(0, len(rows), settings["batch"]):
        part = rows[start : start + settings["batch"]]
        pictures = load_images([row["path"] for row in part], spec.input_size, spec.resize, threads=args.threads)
        parts.append(mapper(spec.preprocess(pictures), labels[start : start + len(part)], settings["class"]))
        progress.step(len(part))
    attributes = {
        "model": spec.name,
        "model_digest": spec.digest,
        "method": args.method,
        "layer": layer,
        "class": str(settings["class"]),
        "classes": list(spec.classes),
        "input_size": spec.input_size,
        "resize": spec.resize,
    }
    with store.create(args.out, **attributes) as file:
        for column in ("id", "path", "class"):
            store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
        store.write_array(file, "label", labels, ("image",))
        dimensions = {
            "maps": ("image", "target", "height", "width"),
            "targets": ("image", "target"),
            "scores": ("image", "target"),
            "probabilities": ("image", "class"),
            "predicted": ("image",),
        }
        for name, labels_of_axes in dimensions.items():
            values = (
                np.concatenate([getattr(part, name) for part in parts]) if parts else _nothing(name, len(spec.classes))
            )
            store.write_array(file, name, values, labels_of_axes)
        maps = file["maps"][()]
        empty = ~(maps > 0).reshape(*maps.shape[:2], -1).any(axis=2)
        store.write_array(file, "empty", empty, ("image", "target"))


def _nothing(name: str, classes: int):  # type: ignore[no-untyped-def]
    import numpy as np

    shapes = {"maps": (0, 1, 1, 1), "probabilities": (0, classes), "predicted": (0,)}
    return np.zeros(shapes.get(name, (0, 1)), np.int64 if name in ("targets", "predicted") else np.float32)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--first", type=int, required=True, help="first row of the shard")
    arguments.add_argument("--count", type=int, required=True, help="rows of the shard")
    arguments.add_argument("--method", required=True)
    arguments.add_argument("--settings", required=True, help="JSON of the model's cams: settings")
    arguments.add_argument("--out", type=Path, required=True)
    run(main, arguments)
