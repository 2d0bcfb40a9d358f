"""Explain one shard of an image set by one attribution method; write the raw maps to HDF5."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.attributions.class_scores import ClassScores
    from convscope.attributions.explained import background_places, empty_maps, explained_batch
    from convscope.attributions.names import METHODS, needs_background
    from convscope.attributions.registry import explainer
    from convscope.evaluation.labels import labels_for
    from convscope.evaluation.truths import told
    from convscope.models.load import load_keras, load_model
    from convscope.pictures.read import load_rows
    from convscope.storage import store
    from convscope.storage.identity import pictures_identity
    from convscope.storage.tables import read_rows

    network, spec = load_model(args.model, args.spec)
    settings = json.loads(args.settings)
    own = settings.get(args.method, {})

    def load(rows: list[dict[str, str]]) -> np.ndarray:
        return spec.preprocess(load_rows(rows, spec.input_size, spec.resize, args.threads, spec.reads))

    whole = read_rows(args.images)
    rows = whole[args.first : args.first + args.count]
    background = None
    if needs_background(args.method, own) and whole:
        background = load([whole[index] for index in background_places(len(whole))])
    autoencoder = load_keras(args.autoencoder) if args.autoencoder else None
    explain = explainer(args.method, network, spec, own, args.seed, settings.get("layer"), background, autoencoder)
    if line := getattr(explain, "said", ""):
        say(line)
    scores = ClassScores(network, spec)
    labels = labels_for(whole, spec.classes)[args.first : args.first + args.count]
    progress = Progress(len(rows), f"{METHODS[args.method].title} of {spec.name}", "images")
    parts: dict[str, list[np.ndarray]] = {}
    for start in range(0, len(rows), settings["batch"]):
        part = rows[start : start + settings["batch"]]
        keys, own_labels = [row["id"] for row in part], labels[start : start + len(part)]
        found = explained_batch(explain, scores, load(part), keys, own_labels, settings["class"])
        for name, values in found.items():
            parts.setdefault(name, []).append(values)
        progress.step(len(part))
    attributes = {
        "model": spec.name,
        "model_digest": spec.identity,
        "images_digest": pictures_identity(whole),
        "method": args.method,
        "signed": explain.signed,
        "class": str(settings["class"]),
        "classes": list(spec.classes),
        "input_size": spec.input_size,
        "resize": spec.resize,
        "channels": spec.channels,
        "seed": args.seed,
        "settings": {**METHODS[args.method].settings, **own},
        **spec.reads.described(),
    }
    if (truths := told(spec, rows)) is not None:
        attributes["head"] = spec.head
    if METHODS[args.method].layer:
        attributes["layer"] = str(getattr(explain, "layer", settings.get("layer", "")))
    arrays = {name: np.concatenate(values) for name, values in parts.items()} or _nothing(spec)
    with store.create(args.out, **attributes) as file:
        for column in ("id", "path", "class", "sha256"):
            store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
        store.write_array(file, "label", labels, ("image",))
        if truths is not None:
            store.write_array(file, "truth", truths, ("image",), dtype=store.TEXT)
        store.write_array(file, "predicted", arrays.pop("predicted"), ("image",))
        store.write_array(file, "probabilities", arrays.pop("probabilities"), ("image", "class"))
        maps = arrays.pop("maps")
        store.write_array(file, "maps", maps, ("image", "target", "height", "width", "colour")[: maps.ndim])
        for name, values in arrays.items():
            store.write_array(file, name, values, ("image", "target"))
        store.write_array(file, "empty", empty_maps(maps, explain.signed), ("image", "target"))


def _nothing(spec):  # type: ignore[no-untyped-def]
    """What an image set without images gives."""
    import numpy as np

    return {
        "maps": np.zeros((0, 1, *spec.input_size), np.float32),
        "targets": np.zeros((0, 1), np.int64),
        "scores": np.zeros((0, 1), np.float32),
        "probabilities": np.zeros((0, len(spec.classes)), np.float32),
        "predicted": np.zeros(0, np.int64),
    }


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--first", type=int, required=True, help="first row of the shard")
    arguments.add_argument("--count", type=int, required=True, help="rows of the shard")
    arguments.add_argument("--method", required=True)
    arguments.add_argument("--settings", required=True, help="JSON of the model's attributions: settings")
    arguments.add_argument("--autoencoder", type=Path, help="for contrastive methods (.keras)")
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments)
