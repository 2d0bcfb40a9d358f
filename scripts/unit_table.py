"""Tell of all units of a model what they look for: a table in words and numbers, its figure by depth, and which are alike."""

import argparse
import contextlib
from pathlib import Path
from typing import Any

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.filters.strength import WEAK, filter_strength
    from convscope.models.graphs import node_of
    from convscope.models.layer_table import CONVOLUTIONS, read_layers
    from convscope.models.load import load_model
    from convscope.storage import store
    from convscope.storage.tables import write_table
    from convscope.units.figures import units_by_depth
    from convscope.units.relations import Numbers, alike_by_answers, alike_by_weights, wiring
    from convscope.units.report import Concepts, UnitRow, count_layers, unit_rows
    from convscope.units.store import layers_of, read_answers, read_dissected, write_units

    network, spec = load_model(args.model, args.spec)
    table = [row for row in read_layers(args.layers) if row["role"] in CONVOLUTIONS]
    numbers = Numbers([(row["name"], int(row["filters"])) for row in table])
    feeding, feeds = wiring(network, numbers)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(store.open_file(path)) for path in args.answers]
        concepts = Concepts(store.read_text(files[0]["concept"]), store.read_text(files[0]["kind"]))
        classes = store.read_text(files[0]["class"])
        names = sorted(set(classes) - {""})
        rows: list[UnitRow] = []
        every: dict[str, dict[str, Any]] = {}
        # Layers of the same name may lie in parts of an older run, too.
        parts = {
            layer: path.stem for path, file in zip(args.answers, files, strict=True) for layer, _ in layers_of([file])
        }
        for layer, group in layers_of(files):
            answers, found = read_answers(group), read_dissected(group)
            of_layer = list(unit_rows(layer, answers, found, concepts, classes, filter_strength(network, layer), WEAK))
            rows += [row for row, _ in of_layer]
            rates = np.array([[each.rates[name] for name in names] for _, each in of_layer], np.float32)
            every[layer] = {"answers": answers, "found": found, "shown": group["shown"][()], "rates": rates}
        attributes = {key: files[0].attrs[key] for key in ("model", "model_digest", "images_digest", "input_size")}
        pictures = {column: store.read_text(files[0][column]) for column in ("id", "path", "class", "sha256")}
    write_table(args.table, rows, UnitRow)
    counts = count_layers(rows)
    for count in counts:
        say(
            f"{count.layer}: {count.detectors} of {count.units} units detect a concept, {count.concepts} different; "
            f"{count.dead} never fire"
        )
    images = f"{len(classes)} picture{'s' * (len(classes) != 1)}"
    units_by_depth(args.figure, f"{spec.name}: what its units look for, {images}", counts)
    maxima = [each["answers"].maximum for each in every.values()]
    by_answers = alike_by_answers(maxima, [numbers.first[layer] for layer in every])
    with store.create(args.units, **attributes) as file:
        texts = {"layer": list(numbers.first), "concept": concepts.names, "kind": concepts.kinds, "label": names}
        for name, values in {**texts, **pictures}.items():
            axis = "image" if name in pictures else name
            store.write_array(file, name, values, (axis,), dtype=store.TEXT)
        store.write_array(file, "first", list(numbers.first.values()), ("layer",))
        store.write_array(file, "part", [parts.get(layer, "") for layer in numbers.first], ("layer",), dtype=store.TEXT)
        for (layer, each), alike in zip(every.items(), by_answers, strict=True):
            by_weights = alike_by_weights(node_of(network, layer).operation, numbers.first[layer])
            related = {"answers": alike, "weights": by_weights, "fed_by": feeding[layer], "feeds": feeds[layer]}
            write_units(file, layer, each["answers"], each["shown"], each["found"], related, each["rates"])


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument(
        "--answers", type=Path, nargs="+", required=True, help="what the units answer, in order of depth"
    )
    arguments.add_argument("--table", type=output, required=True, help="a row a unit (CSV)")
    arguments.add_argument("--figure", type=output, required=True, help="how many units look for what, by depth (PNG)")
    arguments.add_argument("--units", type=output, required=True, help="all that is known of them (HDF5)")
    run(main, arguments)
