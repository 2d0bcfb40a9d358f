"""Write where the concepts are in the pictures of an image set: masks to HDF5, a table, and a sheet."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say

# Pictures of the sheet.
_SHOWN = 6


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.concepts import store
    from convscope.concepts.figures import draw_concepts
    from convscope.concepts.gather import concepts_of, gathered
    from convscope.concepts.picture import Seen, Shown, seen_in
    from convscope.concepts.reduced import mask_size
    from convscope.concepts.report import ConceptRow, concept_rows
    from convscope.data.groups import label_names
    from convscope.data.masks import read_mask
    from convscope.data.regions import fit_mask
    from convscope.errors import BadImage, UserError
    from convscope.models.spec import ModelSpec
    from convscope.pictures.read import fit_image, fitted_box, load_rows, read_pixels
    from convscope.storage.identity import pictures_identity
    from convscope.storage.prefetch import ahead
    from convscope.storage.tables import read_rows, write_table

    spec = ModelSpec.load(args.spec)
    kinds = json.loads(args.settings)["concepts"]
    rows = read_rows(args.images)
    part_names = json.loads(args.parts.read_text(encoding="utf-8"))["parts"] if args.parts else []
    listed = {row["path"]: row for row in read_rows(args.masks)} if args.masks else {}
    mask_of = {row["path"]: listed[row["path"]] for row in rows if row["path"] in listed}
    for row in mask_of.values():
        if row["reason"]:
            say(f"bad: {row['mask']!r}: {row['reason']}")
    size = mask_size(spec.input_size)

    def classes_of(row: dict[str, str]) -> tuple[str, ...] | None:
        """What a picture shows; None where that is not known."""
        if row.get("labels"):
            return label_names(row["labels"])
        return (row["class"],) if int(row["label"]) >= 0 else None

    def shown(row: dict[str, str]) -> Shown:
        try:
            pixels = read_pixels(row["path"], spec.reads, sha256=row["sha256"])
            box = fitted_box((pixels.shape[0], pixels.shape[1]), spec.input_size, spec.resize)
            picture = spec.reads.for_people(fit_image(pixels, spec.input_size, spec.resize))
            mask, parts, numbers = mask_of.get(row["path"]), None, np.zeros(0, np.uint8)
            if mask and not mask["reason"] and "part" in kinds:
                whole = read_mask(mask["mask"], named=bool(part_names), sha256=mask["sha256"])
                parts, numbers = fit_mask(whole, spec.input_size, spec.resize), np.unique(whole)
        except BadImage as error:
            raise BadImage(f"{row['path']}: {error}") from None
        return Shown(picture, box, parts, numbers, classes_of(row))

    progress = Progress(len(rows), f"concepts of the pictures for {spec.name}", "pictures")

    def look(row: dict[str, str]) -> dict[str, Seen]:
        seen = seen_in(shown(row), kinds, part_names, size)
        progress.step()
        return seen

    # In the order of their labels, as all tables have them.
    labels = sorted(
        {(int(row["label"]), name) for row in rows for name in classes_of(row) or () if not row.get("labels")}
    )
    several = sorted({name for row in rows if row.get("labels") for name in label_names(row["labels"])})
    concepts = concepts_of(
        kinds,
        [*(name for _, name in labels), *several],
        part_names,
        masked=any(not row["reason"] for row in mask_of.values()),
        coloured=spec.reads.kind != "gray",
    )
    if not concepts:
        raise UserError(
            f"units.{spec.name}.concepts: no picture has a usable part mask or a class, and no other concepts are asked for; "
            "add place, colour, orientation, frequency or texture"
        )
    found = gathered(concepts, ahead(look, rows, args.threads, depth=2 * args.threads), len(rows), size)
    facts = {"model": spec.name, "model_digest": spec.identity, "images_digest": pictures_identity(rows)}
    store.save(args.out, found, rows, **facts, input_size=spec.input_size, resize=spec.resize)
    write_table(args.table, concept_rows(found), ConceptRow)
    chosen = sorted({round(place) for place in np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows)))})
    some = [rows[index] for index in chosen]
    pictures = spec.reads.for_people(load_rows(some, spec.input_size, spec.resize, channels=spec.reads))
    draw_concepts(args.figure, list(pictures), found, chosen, images=[row["id"] for row in some], **facts)
    nowhere = [concept.name for concept, row in zip(concepts, concept_rows(found), strict=True) if not row.pictures]
    say(f"{len(concepts)} concepts in {len(rows)} pictures" + (f"; nowhere: {', '.join(nowhere)}" if nowhere else ""))


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
