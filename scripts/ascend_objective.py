"""Find pictures of a class, of a direction among a layer's channels, or of several filters together; write and draw them."""

import argparse
import csv
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    from convscope.errors import UserError
    from convscope.filters.figures import labelled_patterns
    from convscope.filters.many import ascend_many, wanted_of
    from convscope.filters.presets import settings_from
    from convscope.filters.store import write_patterns
    from convscope.models.load import load_model
    from convscope.pictures.render import pattern_picture
    from convscope.storage import store

    network, spec = load_model(args.model, args.spec)
    part, given = json.loads(args.objective), json.loads(args.settings)
    direction = part.get("direction")
    if isinstance(direction, str):
        try:
            with Path(direction).open(encoding="utf-8", newline="") as file:
                direction = [float(cell) for row in csv.reader(file) for cell in row if cell.strip()]
        except (OSError, ValueError) as error:
            raise UserError(
                f"filters.{spec.name}.objectives.{args.name}.direction: '{direction}' is no file of numbers, one for each channel "
                f"({error})"
            ) from None
    wanted = wanted_of(network, spec, args.name, part, direction)
    found, settings = ascend_many(network, spec, args.name, wanted, settings_from(given), args.seed, report=say)
    for label, rise in zip(wanted.labels, found.objective, strict=True):
        say(f"{args.name}, {label}: from {rise[0]:.3g} to {rise[-1]:.3g}")
    attributes = {
        "model": spec.name,
        "model_digest": spec.identity,
        "objective": args.name,
        "asked": part,
        "layer": wanted.layer,
        "computed_by": "Keras's own graph",
        "seed": args.seed,
        "settings": settings.as_dict(),
        **spec.reads.described(),
    }
    bounded = settings.parameterisation != "pixels"
    with store.create(args.out, **attributes) as file:
        store.write_array(file, "label", wanted.labels, ("pattern",), dtype=store.TEXT)
        store.write_array(file, "weights", wanted.weights, ("pattern", "channel"))
        patterns = write_patterns(file, found, settings, "pattern")
    pictures = [pattern_picture(each, settings.crop, bounded, spec.reads) for each in patterns.astype("float32")]
    title = f"{spec.name}: {args.name}" + (f", {wanted.layer}" if wanted.layer else "")
    labelled_patterns(args.figure, title, pictures, wanted.labels)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--name", required=True, help="of the objective")
    arguments.add_argument("--objective", required=True, help="JSON of the model's filters: objectives: NAME")
    arguments.add_argument("--settings", required=True, help="JSON of the model's filters: settings")
    arguments.add_argument("--out", type=output, required=True, help="the patterns (HDF5)")
    arguments.add_argument("--figure", type=output, required=True, help="the patterns, drawn (PNG)")
    run(main, arguments)
