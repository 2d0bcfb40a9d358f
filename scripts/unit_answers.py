"""Ask what the units of some layers answer to an image set: when they fire, on which pictures, and which concepts lie there."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.concepts.masks import without_many_classes
    from convscope.concepts.store import load as load_concepts
    from convscope.models.layer_table import CONVOLUTIONS, read_layers, select_layers
    from convscope.models.spec import ModelSpec
    from convscope.pictures.read import load_rows
    from convscope.storage import store
    from convscope.storage.identity import pictures_identity
    from convscope.storage.prefetch import ahead
    from convscope.storage.tables import read_rows

    spec = ModelSpec.load(args.spec)
    settings = json.loads(args.settings)
    layers = select_layers(read_layers(args.layers), settings["layers"], CONVOLUTIONS, f"units.{spec.name}.layers")
    layers = layers[args.first : args.first + args.count]
    names = [row["name"] for row in layers]
    rows = read_rows(args.images)

    from convscope.models.load import load_model
    from convscope.units.answers import UnitMaps, ask, look
    from convscope.units.overlaps import Masks, Overlaps
    from convscope.units.store import write_layer

    network, spec = load_model(args.model, args.spec)
    model = UnitMaps(network, names, [row["relu"] for row in layers], (*spec.input_size, spec.depth))
    batch = model.batch_size(args.threads)
    progress = Progress(2 * len(rows), f"what {len(names)} layers of {spec.name} answer", "images")

    # Any order does, but the first pictures are to be a sample of all.
    sampled = np.random.default_rng([args.seed, len(rows)]).permutation(len(rows))

    def load(order: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        def read(start: int) -> tuple[np.ndarray, np.ndarray]:
            wanted = order[start : start + batch]
            pictures = load_rows([rows[row] for row in wanted], spec.input_size, spec.resize, channels=spec.reads)
            return wanted, spec.preprocess(pictures)

        # A pass may be made again; the last one is in the order of the table.
        last = len(order) if order is not sampled else len(order) + len(rows)
        progress.total = max(progress.total, progress.done + last)
        for part in ahead(read, range(0, len(order), batch), args.threads, depth=args.threads + 1):
            yield part
            progress.step(len(part[0]))

    concepts = without_many_classes(load_concepts(args.concepts))
    if all(each.kind != "class" for each in concepts.concepts):
        say("classes are told by how often a unit fires on each, not as concepts")
    kind_of = np.array([concepts.kinds.index(concept.kind) for concept in concepts.concepts])
    answers = ask(model, load, len(rows), sampled, args.threads)
    fixed = np.array([concept.kind == "place" for concept in concepts.concepts])
    masks = Masks.of(concepts.masks, concepts.known, kind_of, concepts.size, args.seed, fixed)
    overlaps = {name: Overlaps(masks, model.shapes[name], model.fields[name], spec.input_size) for name in names}
    shown = look(model, load, answers, overlaps, settings["crops"], args.threads)
    attributes: dict[str, Any] = {
        "model": spec.name,
        "model_digest": spec.identity,
        "images_digest": pictures_identity(rows),
        "input_size": spec.input_size,
    }
    with store.create(args.out, **attributes) as file:
        store.write_array(file, "layer", names, ("layer",), dtype=store.TEXT)
        for column in ("id", "path", "class", "sha256"):
            store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
        store.write_array(file, "concept", [each.name for each in concepts.concepts], ("concept",), dtype=store.TEXT)
        store.write_array(file, "kind", [each.kind for each in concepts.concepts], ("concept",), dtype=store.TEXT)
        for name in names:
            found = overlaps.pop(name).result()
            silent = int((found.fired == 0).sum())
            say(f"{name}: {len(found.fired)} units, {silent} of them never fire")
            write_layer(file, name, model.fields[name], answers.pop(name), found, shown.pop(name))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--concepts", type=Path, required=True, help="HDF5 of the concepts' masks")
    arguments.add_argument("--first", type=int, required=True, help="first of the selected layers")
    arguments.add_argument("--count", type=int, required=True, help="how many of them")
    arguments.add_argument("--settings", required=True, help="JSON of the model's units: settings")
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments, side_by_side=True)
