"""Find the patterns of a layer's filters by gradient ascent; write them, with their objectives, to HDF5."""

import argparse
import json
from pathlib import Path

from convscope.job import Progress, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope import store
    from convscope.ascent.presets import settings_from
    from convscope.ascent.run import ascend
    from convscope.layer_table import read_layers, wanted_filters
    from convscope.models import load_model

    network, spec = load_model(args.model, args.spec)
    config = json.loads(args.settings)
    row = next(row for row in read_layers(args.layers) if row["name"] == args.layer)
    channels = wanted_filters(int(row["filters"]), config["filters"], f"filters.{spec.name}.filters")
    settings = settings_from(config)
    progress = Progress(len(channels), f"patterns of {spec.name}/{args.layer}", "filters")
    found = ascend(
        network, spec, args.layer, channels, settings, args.seed,
        on_batch=lambda count, value: progress.step(count, f"objective {value:.3g}"),
    )  # fmt: skip
    if found.border_used < settings.border:
        say(
            f"the feature map is {found.map_size}: a border of {found.border_used} is dropped instead of {settings.border}"
        )
    say(f"dead filters: {found.channels[found.dead].tolist() or 'none'}")
    attributes = {
        "model": spec.name,
        "model_digest": spec.digest,
        "layer": args.layer,
        "objective": "mean of the layer's channel, borders dropped",
        "border_used": found.border_used,
        "map_size": found.map_size,
        "seed": args.seed,
        "settings": settings.as_dict(),
    }
    with store.create(args.out, **attributes) as file:
        store.write_array(file, "filter", found.channels, ("filter",))
        patterns = np.clip(found.patterns, -6e4, 6e4).astype(np.float16)
        options = {"chunks": (1, *patterns.shape[1:])}
        store.write_array(file, "patterns", patterns, ("filter", "height", "width", "colour"), **options)
        file["patterns"].attrs["range"] = "black is -1, white is 1; values beyond are common"
        store.write_array(file, "objective", found.objective, ("filter", "step"))
        store.write_array(file, "dead", found.dead, ("filter",))
        store.write_array(file, "opened_steps", found.opened, ("filter",))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument("--layer", required=True)
    arguments.add_argument("--settings", required=True, help="JSON of the model's filters: settings")
    arguments.add_argument("--out", type=Path, required=True)
    run(main, arguments)
