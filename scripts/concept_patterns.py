"""Find a pattern for each concept that was found without labels, by gradient ascent; write them to HDF5."""

import argparse
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.errors import UserError
    from convscope.filters.presets import settings_from
    from convscope.models.graphs import flatten, is_flat
    from convscope.models.load import load_model
    from convscope.storage import store
    from convscope.vectors.patterns import amounts_in, patterns_of, write_patterns

    with store.open_file(args.concepts) as file:
        layers = store.read_text(file["layer"])
        groups = [file[f"layers/{number:04d}"] for number in range(len(layers))]
        cuts = [str(group.attrs["cut"]) for group in groups]
        parts = {
            (number, index): group[f"found/{index}/parts"][()]
            for number, group in enumerate(groups)
            for index in group.get("found", {})
        }
        usual = {
            (number, index): groups[number][f"found/{index}/maps"][()].astype(np.float32).mean(axis=(0, 1, 2))
            * groups[number][f"found/{index}/maps"].attrs["scale"]
            for number, index in parts
        }
    network, spec = load_model(args.model, args.spec)
    flat = network if is_flat(network) else flatten(network)
    settings = settings_from({"preset": args.preset})
    attributes = {
        "model": spec.name,
        "model_digest": spec.identity,
        "layers": layers,
        "computed_by": "Keras's own graph",
        "seed": args.seed,
        "settings": settings.as_dict(),
        **spec.reads.described(),
    }
    progress = Progress(sum(map(len, parts.values())), f"patterns of concepts found in {spec.name}", "patterns")
    with store.create(args.out, **attributes) as file:
        for (number, index), directions in parts.items():
            if not len(directions):
                continue
            try:
                found, used = patterns_of(flat, spec, cuts[number], directions, settings, args.seed, progress.step, say)
            except UserError as error:
                say(f"{layers[number]}: no patterns, for {str(error).partition('; set ')[0]}")
                progress.step(len(directions), instant=True)
                continue
            own = np.diag(amounts_in(flat, spec, cuts[number], directions, found.patterns))
            group = file.create_group(f"layers/{number:04d}/found/{index}")
            failed = write_patterns(group, found, used, own, usual[number, index])
            if failed.any():
                say(
                    f"{layers[number]}, {spec.classes[int(index)]}: patterns of concepts {(found.channels[failed] + 1).tolist()} have "
                    "less of them than the class's pictures, and are not shown"
                )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--concepts", type=Path, required=True, help="HDF5 of the concepts")
    arguments.add_argument("--preset", required=True, help="of the ascent")
    arguments.add_argument("--out", type=output, required=True, help="the patterns (HDF5)")
    run(main, arguments)
