"""Find the patterns of a few filters with the weights of every kept epoch of a training; write them to HDF5."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.filters.run import ascend
    from convscope.filters.store import in_halves, range_of
    from convscope.models.epoch_networks import networks_of
    from convscope.models.epochs import read_epochs
    from convscope.models.layer_table import read_layers, select_layers, wanted_filters
    from convscope.models.load import load_model
    from convscope.storage import store
    from convscope.watching.settings import ascent_settings
    from convscope.watching.store import write_epoch_numbers

    network, spec = load_model(args.model, args.spec)
    wanted = json.loads(args.settings)
    key = f"watching.{spec.name}.filters"
    rows = select_layers(read_layers(args.layers), "all", frozenset({"conv"}), key)
    row = rows[len(rows) // 2]
    if "layer" in wanted:
        row = select_layers(rows, [wanted["layer"]], frozenset({"conv"}), f"{key}.layer")[0]
    channels = wanted_filters(int(row["filters"]), wanted["filters"], f"{key}.filters")
    settings = ascent_settings(wanted)
    kept, best = read_epochs(args.epochs)
    progress = Progress(len(kept), f"patterns of {spec.name}/{row['name']} while it learned", "epochs")
    found = []
    for entry in networks_of(args.epochs, network):
        found.append(
            ascend(network, spec, row["name"], channels, settings, args.seed, at_once=args.threads, report=say)
        )
        progress.step(1, f"epoch {entry.epoch}: objective {float(found[-1].objective[:, -1].mean()):.3g}")
    attributes = {
        "model": spec.name,
        "model_digest": spec.identity,
        "layer": row["name"],
        "best_epoch": best,
        "objective": "mean of the layer's channel, borders dropped",
        "seed": args.seed,
        "settings": settings.as_dict(),
        **spec.reads.described(),
    }
    with store.create(args.out, **attributes) as file:
        write_epoch_numbers(file, kept)
        store.write_array(file, "filter", np.array(channels, np.int64), ("filter",))
        patterns = in_halves(np.stack([part.patterns for part in found]))
        store.write_array(file, "patterns", patterns, ("epoch", "filter", "height", "width", "colour"))
        store.write_array(
            file, "objective_by_step", np.stack([part.objective for part in found]), ("epoch", "filter", "step")
        )
        file["patterns"].attrs["range"] = range_of(settings)
        store.write_array(file, "dead", np.stack([part.dead for part in found]), ("epoch", "filter"))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--epochs", type=Path, required=True, help="weights of the kept epochs (epochs.h5)")
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument("--settings", required=True, help="JSON of the model's watching: filters: settings")
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments, side_by_side=True)
