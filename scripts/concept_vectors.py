"""Ask a model which concepts its classes depend on: by concept vectors of examples, and by concepts found without labels."""

import argparse
import json
from pathlib import Path
from typing import Any

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.concepts.gather import concepts_of, gathered
    from convscope.concepts.picture import seen_in
    from convscope.concepts.reading import Reader
    from convscope.concepts.reduced import mask_size
    from convscope.models.layer_table import CONVOLUTIONS, read_layers, select_layers
    from convscope.models.spec import ModelSpec
    from convscope.pictures.read import load_rows
    from convscope.storage import store
    from convscope.storage.identity import pictures_identity
    from convscope.storage.prefetch import ahead
    from convscope.storage.tables import read_rows, write_table
    from convscope.vectors.examples import as_many, masked_concepts, own_concept, random_crops, random_pictures
    from convscope.vectors.names import LAST, LEAST_PICTURES
    from convscope.vectors.report import adjusted
    from convscope.vectors.rows import FoundRow, VectorRow
    from convscope.vectors.selection import chosen_classes, content_of, spread_rows, without_copies

    spec = ModelSpec.load(args.spec)
    settings = json.loads(args.settings)
    key = f"concepts.{spec.name}"
    every = read_rows(args.images)
    rows = spread_rows(every, settings["limit"])
    if len(rows) < len(every):
        say(f"{len(rows)} of {len(every)} pictures are looked at, evenly spread (limit)")

    # The masks, and where pictures are no padding.
    parts = json.loads(args.parts.read_text(encoding="utf-8"))["parts"] if args.parts else []
    shown = {row["path"] for row in rows}
    masks = [row for row in read_rows(args.masks) if row["path"] in shown] if args.masks else []
    read = Reader(spec.input_size, spec.resize, spec.reads, masks, parts)
    kinds, size = settings["concepts"], mask_size(spec.input_size)
    named = concepts_of(kinds, (), parts, masked=bool(read.masks), coloured=spec.reads.kind != "gray")
    boxes = np.zeros((len(rows), 4), np.int64)
    progress = Progress(len(rows), f"concepts of the pictures for {spec.name}", "pictures")

    def look(place: int) -> Any:
        picture = read(rows[place])
        boxes[place] = [edge for side in picture.box for edge in (side.start, side.stop)]
        progress.step()
        return seen_in(picture, kinds, parts, size)

    found_masks = gathered(named, ahead(look, range(len(rows)), args.threads, depth=2 * args.threads), len(rows), size)

    # Whole pictures: of the set, of the user's own concepts, and random ones.
    own = {
        name: spread_rows(without_copies(read_rows(path)), settings["examples"])
        for name, path in zip(args.named, args.own, strict=True)
    }
    taken = {content_of(row) for some in own.values() for row in some}
    pool = without_copies(read_rows(args.random) if args.random else rows, taken) if own else []
    pool = spread_rows(pool, settings["random_sets"] * settings["examples"])
    places = {row["path"]: place for place, row in enumerate(rows)}
    whole = list(rows)
    for row in [row for some in (*own.values(), pool) for row in some]:
        if row["path"] not in places:
            places[row["path"]] = len(whole)
            whole.append(row)
    pixels = [load_rows([row], spec.input_size, spec.resize, channels=spec.reads)[0] for row in whole]
    concepts = masked_concepts(found_masks, spec.input_size, settings["examples"])
    concepts += [
        own_concept(name, [places[row["path"]] for row in some], spec.input_size, settings["examples"])
        for name, some in own.items()
    ]
    asked = {"sets": settings["random_sets"], "count": settings["examples"], "seed": args.seed}
    randoms = {
        share: random_crops(boxes, share, spec.input_size, **asked)
        for share in sorted({concept.share for concept in concepts if concept.enough and concept.kind != "own"})
    }
    if own:
        randoms[1.0] = random_pictures([places[row["path"]] for row in pool], spec.input_size, **asked)
        used = randoms[1.0].windows.shape[1]
        if used < min(settings["examples"], max(map(len, own.values()))):
            say(
                f"your own concepts are told from {len(pool)} random pictures, which is few: {used} examples of each are used; name "
                f"an image set of more at {key}.random"
            )
    concepts = as_many(concepts, randoms)

    from convscope.models.load import load_model
    from convscope.vectors.layer import Asked, Shown
    from convscope.vectors.network import CutNetwork, layer_to_cut
    from convscope.vectors.study import found_of_layer, vectors_of_layer
    from convscope.vectors.windows import grid_windows

    first: dict[str, int] = {}
    same = np.array([first.setdefault(content_of(row), place) for place, row in enumerate(whole)], np.int64)
    network, spec = load_model(args.model, args.spec)
    if settings["layers"] == LAST:
        layers = [{"name": LAST, "relu": ""}]
    else:
        layers = select_layers(read_layers(args.layers), settings["layers"], CONVOLUTIONS, f"{key}.layers")
    vectors: list[VectorRow] = []
    found: list[FoundRow] = []
    classes: list[tuple[int, np.ndarray]] | None = None
    attributes: dict[str, Any] = {
        "model": spec.name,
        "model_digest": spec.identity,
        "images_digest": pictures_identity(every),
        "input_size": spec.input_size,
        "settings": {name: settings[name] for name in settings if name not in ("images", "threads")},
        "classes": list(spec.classes),
    }
    examples = sum(each.windows.size // 5 for each in randoms.values()) + sum(len(each.windows) for each in concepts)
    crops = len(grid_windows(boxes, settings["crop"], spec.input_size)) if settings["found"] else 0
    numbers = spec.head == "regression"  # each of its outputs is asked with all pictures
    outputs = (
        len(chosen_classes(spec, np.zeros(len(rows), int), settings["classes"], f"{key}.classes")) if numbers else 1
    )
    passes = 1 + (outputs if numbers else 0) + (outputs if settings["found"] else 0)
    steps = len(layers) * (examples + outputs * crops + passes * len(rows))
    progress = Progress(steps, f"what {spec.name} makes of concepts", "pictures")
    with store.create(args.out, **attributes) as file:
        for column in ("id", "path", "class", "sha256"):
            store.write_array(file, column, [row[column] for row in every], ("image",), dtype=store.TEXT)
        store.write_array(file, "shown", [row["path"] for row in whole], ("shown",), dtype=store.TEXT)
        store.write_array(file, "shown_sha256", [row["sha256"] for row in whole], ("shown",), dtype=store.TEXT)
        names = []
        for number, row in enumerate(layers if rows else []):
            cut = CutNetwork(network, spec, layer_to_cut(network, row["name"], row["relu"], spec.input_size))
            name = cut.cut if row["name"] == LAST else row["name"]
            names.append(name)
            one = Asked(cut, spec, Shown(pixels, boxes, same), settings["pooled"], progress.step)
            predicted, _, gradients = one.gradients()
            if classes is None:
                classes = chosen_classes(spec, predicted, settings["classes"], f"{key}.classes")
                wanted = (
                    [] if settings["classes"] == "all" else [spec.class_index(each) for each in settings["classes"]]
                )
                if few := [spec.classes[index] for index in wanted if index not in dict(classes)]:
                    say(f"nothing is said of {', '.join(few)}: fewer than {LEAST_PICTURES} pictures are taken for it")
            if numbers:
                of_classes = [one.gradients(index)[2] for index, _ in classes]
            else:
                of_classes = [gradients[pictures] for _, pictures in classes]
            group = file.create_group(f"layers/{number:04d}")
            vectors += vectors_of_layer(group, name, one, concepts, randoms, classes, of_classes, args.seed)
            if settings["found"]:
                found += found_of_layer(group, name, one, found_masks, classes, settings, args.seed)
        store.write_array(file, "layer", names, ("layer",), dtype=store.TEXT)
    vectors = adjusted(vectors)
    write_table(args.vectors, vectors, VectorRow)
    write_table(args.found, found, FoundRow)
    counted = [row for row in vectors if row.verdict in ("raises", "lowers")]
    say(
        f"{len({(r.layer, r.concept, r.kind) for r in vectors})} concepts; {len(counted)} of {len(vectors)} tests show "
        f"that a class depends on one; {len(found)} concepts found without labels"
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--masks", type=Path, help="the dataset's table of part masks (CSV)")
    arguments.add_argument("--parts", type=Path, help="names of the masks' values (JSON)")
    arguments.add_argument("--own", type=Path, nargs="*", default=[], help="the image sets of the user's own concepts")
    arguments.add_argument("--named", nargs="*", default=[], help="what these concepts are called")
    arguments.add_argument("--random", type=Path, help="the image set of random pictures for those")
    arguments.add_argument("--settings", required=True, help="JSON of the model's concepts: settings")
    arguments.add_argument("--out", type=output, required=True, help="vectors and found concepts (HDF5)")
    arguments.add_argument("--vectors", type=output, required=True, help="a row a concept, class and layer (CSV)")
    arguments.add_argument("--found", type=output, required=True, help="a row a found concept (CSV)")
    run(main, arguments, side_by_side=True)
