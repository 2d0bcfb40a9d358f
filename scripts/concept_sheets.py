"""Draw what the classes of a model depend on, and the concepts that were found: crops, patterns, and where they are in pictures."""

import argparse
import contextlib
from functools import lru_cache
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run

# Of pictures that are kept for other concepts that show them.
KEPT_BYTES = 256 * 2**20


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.filters.figures import crossed_out
    from convscope.models.spec import ModelSpec
    from convscope.pictures.read import shown_as
    from convscope.pictures.render import save_jpeg, save_png
    from convscope.storage import store
    from convscope.storage.tables import read_table
    from convscope.units.store import read_field
    from convscope.vectors.figures import CELL, draw_found, draw_vectors, patterns_drawn
    from convscope.vectors.rows import FoundRow, VectorRow
    from convscope.vectors.sheet import captioned
    from convscope.vectors.store import read_found

    spec = ModelSpec.load(args.spec)
    rows, told = read_table(args.vectors, VectorRow), read_table(args.found, FoundRow)
    args.sheets.mkdir(parents=True, exist_ok=True)
    draw_vectors(args.figure, f"{spec.name}: which concepts its classes depend on", rows)
    progress = Progress(len(told), f"concepts found in {spec.name}", "concepts")
    ascended = store.open_file(args.patterns) if args.patterns else contextlib.nullcontext()
    with store.open_file(args.concepts) as file, ascended as known:
        paths, digests = (store.read_text(file[name]) for name in ("shown", "shown_sha256"))

        @lru_cache(maxsize=max(KEPT_BYTES // (3 * spec.input_size[0] * spec.input_size[1]), 1))
        def picture(row: int) -> np.ndarray:
            return shown_as(spec.reads, paths[row], digests[row], spec.input_size, spec.resize)

        for number, layer in enumerate(store.read_text(file["layer"])):
            group = file[f"layers/{number:04d}"]
            field = read_field(group)
            for index in group.get("found", {}):
                name = spec.classes[int(index)]
                found = read_found(group[f"found/{index}"])
                mine = [row for row in told if (row.layer, row.class_) == (layer, name)]
                patterns = patterns_drawn(known, f"{group.name}/found/{index}", spec.reads)
                strips = []
                for row in mine:
                    crops, maps = draw_found(found, row.number - 1, field, picture, spec.input_size)
                    shown = {"crops": crops, "maps": maps}
                    pattern = patterns[row.number - 1] if patterns else None
                    if pattern is not None:
                        shown["pattern"] = pattern
                    for kind, pixels in shown.items():
                        save_jpeg(args.sheets / f"{number:04d}.{index}.{row.number:02d}.{kind}.jpg", pixels, quality=88)
                    if patterns:
                        shown.setdefault("pattern", crossed_out(CELL))
                    strips.append([shown[kind] for kind in ("crops", "pattern", "maps") if kind in shown])
                    progress.step(1, layer)
                if mine:
                    sheet = captioned(f"{name}, {layer}", mine, strips)
                    save_png(
                        args.sheets / f"{number:04d}.{index}.png", sheet, model=spec.name, layer=layer, class_name=name
                    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--concepts", type=Path, required=True, help="HDF5 of the concepts")
    arguments.add_argument("--vectors", type=Path, required=True, help="table of the concepts with a name (CSV)")
    arguments.add_argument("--found", type=Path, required=True, help="table of the concepts that were found (CSV)")
    arguments.add_argument("--patterns", type=Path, help="HDF5 of the patterns of the concepts that were found")
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--sheets", type=output, required=True, help="folder for the sheets")
    arguments.add_argument("--figure", type=output, required=True, help="what the classes depend on (PNG)")
    run(main, arguments)
