"""Find the patterns of a layer's filters by gradient ascent in input space; write them, with their objectives, to HDF5."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, last_of_all, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    from convscope.backends.running import NAME
    from convscope.filters.kept import KeptBatches
    from convscope.filters.presets import settings_from
    from convscope.filters.run import FilterPatterns, ascend, joined, own_precision
    from convscope.filters.store import write_patterns
    from convscope.filters.strength import WEAK, filter_strength
    from convscope.models.layer_table import read_layers, wanted_filters
    from convscope.models.load import load_model
    from convscope.storage import store

    network, spec = load_model(args.model, args.spec)
    config = json.loads(args.settings)
    row = next(row for row in read_layers(args.layers) if row["name"] == args.layer)
    channels = wanted_filters(int(row["filters"]), config["filters"], f"filters.{spec.name}.filters")
    settings = settings_from(config)
    strength = filter_strength(network, args.layer)
    weak = [channel for channel in channels if strength[channel] < WEAK]
    say(f"filters whose weights hardly say anything: {weak or 'none'}")

    precision = own_precision(settings.precision)
    if settings.precision not in ("auto", precision):
        say(f"precision {settings.precision} is not on {NAME} without a graphics processor: {precision}")
    kept = KeptBatches(
        args.state,
        model=spec.identity,
        layer=args.layer,
        settings=settings.as_dict(),
        precision=precision,
        seed=args.seed,
        code=args.code,
    )
    parts = kept.read()
    done = {int(channel) for part in parts for channel in part.channels}.intersection(channels)
    progress = Progress(len(channels), f"patterns of {spec.name}/{args.layer} ({settings.preset})", "filters")
    if done:
        progress.step(len(done), "found by an earlier run", instant=True)
    if kept.mistrust:
        say(f"Keras's own graph goes on, as in an earlier run: {kept.mistrust}")

    def on_batch(part: FilterPatterns) -> None:
        kept.write(part)
        progress.step(len(part.channels), f"objective {float(part.objective[:, -1].mean()):.3g}")

    def on_mistrust(reason: str) -> None:
        nonlocal progress
        kept.begin_again(reason)
        parts.clear()
        progress = Progress(len(channels), f"patterns of {spec.name}/{args.layer}, by Keras's own graph", "filters")

    if len(done) < len(channels):
        found = ascend(
            network, spec, args.layer, channels, settings, args.seed, on_batch, done, args.threads, say, on_mistrust,
            by_keras=bool(kept.mistrust),
        )  # fmt: skip
        parts.append(found)
    found = joined(parts).only(channels)
    say(f"dead filters: {found.channels[found.dead].tolist() or 'none'}")
    by = "written-out trunk" if NAME == "tensorflow" else f"Keras's own graph, on {NAME}"
    by = f"Keras's own graph: {kept.mistrust}" if kept.mistrust else by
    attributes = {
        "model": spec.name,
        "model_digest": spec.identity,
        "layer": args.layer,
        "objective": "minus the mean of the layer's channel before its activation, borders dropped"
        if settings.negative
        else "mean of the layer's channel, borders dropped",
        "precision": "float32" if kept.mistrust else precision,
        "computed_by": by,
        "seed": args.seed,
        "settings": settings.as_dict(),
        **spec.reads.described(),
    }
    with store.create(args.out, **attributes) as file:
        store.write_array(file, "filter", found.channels, ("filter",))
        write_patterns(file, found, settings, "filter")
        store.write_array(file, "opened_steps", found.opened, ("filter",))
        store.write_array(file, "strength", strength[found.channels], ("filter",))
    last_of_all(kept.forget)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True, help="the model's layers.csv")
    arguments.add_argument("--layer", required=True)
    arguments.add_argument("--settings", required=True, help="JSON of the model's filters: settings")
    arguments.add_argument(
        "--state", type=Path, required=True, help="folder that keeps finished batches for a resumed run"
    )
    arguments.add_argument("--code", default="", help="digest of the code: batches of another one are not taken")
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments, side_by_side=True)
