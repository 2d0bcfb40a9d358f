"""Write where the concepts are in the pictures of an image set: masks to HDF5, a table, and a sheet."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    from convscope.concepts import store
    from convscope.concepts.figures import draw_concepts, spread
    from convscope.concepts.gather import concepts_of, gathered
    from convscope.concepts.names import OF_PIXELS
    from convscope.concepts.picture import Seen, seen_in
    from convscope.concepts.reading import Reader, classes_in
    from convscope.concepts.reduced import mask_size
    from convscope.concepts.report import ConceptRow, concept_rows
    from convscope.errors import UserError
    from convscope.models.spec import ModelSpec
    from convscope.storage.identity import pictures_identity
    from convscope.storage.prefetch import ahead
    from convscope.storage.tables import read_rows, write_table

    spec = ModelSpec.load(args.spec)
    kinds = json.loads(args.settings)["concepts"]
    rows = read_rows(args.images)
    parts = json.loads(args.parts.read_text(encoding="utf-8"))["parts"] if args.parts else []
    shown = {row["path"] for row in rows}
    masks = [row for row in read_rows(args.masks) if row["path"] in shown] if args.masks else []
    for row in masks:
        if row["reason"]:
            say(f"bad: {row['mask']!r}: {row['reason']}")
    read = Reader(spec.input_size, spec.resize, spec.reads, masks, parts)
    concepts = concepts_of(kinds, classes_in(rows), parts, masked=bool(read.masks), coloured=spec.reads.kind != "gray")
    if rows and not concepts:
        raise UserError(
            f"units.{spec.name}.concepts: no picture has what {' or '.join(kinds)} takes, a part mask that can be used or a class; "
            f"add {', '.join(OF_PIXELS[:-1])} or {OF_PIXELS[-1]}"
        )
    size = mask_size(spec.input_size)
    progress = Progress(len(rows), f"concepts of the pictures for {spec.name}", "pictures")

    def look(row: dict[str, str]) -> dict[str, Seen]:
        seen = seen_in(read(row), kinds, parts, size)
        progress.step()
        return seen

    found = gathered(concepts, ahead(look, rows, args.threads, depth=2 * args.threads), len(rows), size)
    facts = {"model": spec.name, "model_digest": spec.identity, "images_digest": pictures_identity(rows)}
    store.save(args.out, found, rows, **facts, input_size=spec.input_size, resize=spec.resize, **spec.reads.described())
    table = concept_rows(found)
    write_table(args.table, table, ConceptRow)
    chosen = spread(len(rows))
    pictures = [read(rows[index]).pixels for index in chosen]
    draw_concepts(args.figure, pictures, found, chosen, images=[rows[index]["id"] for index in chosen], **facts)
    nowhere = [row.name for row in table if not row.pictures]
    say(f"{len(table)} concepts in {len(rows)} pictures" + (f"; nowhere: {', '.join(nowhere)}" if nowhere else ""))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--masks", type=Path, help="the dataset's table of part masks (CSV)")
    arguments.add_argument("--parts", type=Path, help="names of the masks' values (JSON)")
    arguments.add_argument("--settings", required=True, help="JSON of the model's units: settings")
    arguments.add_argument("--out", type=output, required=True, help="the masks to write (HDF5)")
    arguments.add_argument("--table", type=output, required=True, help="table of the concepts to write (CSV)")
    arguments.add_argument("--figure", type=output, required=True, help="the sheet to write (PNG)")
    run(main, arguments)
