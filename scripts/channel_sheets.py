"""Draw activations: a sheet of every channel a layer, one channel alone, and sparsity by depth."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, this_sealing


def main(args: argparse.Namespace) -> None:
    from convscope.activations.sheets import channel_sheet, single_channel_figure, sparsity_figure
    from convscope.activations.sparsity import sparsity_by_layer
    from convscope.models.layer_table import read_layers
    from convscope.models.spec import ModelSpec
    from convscope.pictures.read import shown_as
    from convscope.pictures.render import save_png
    from convscope.storage import store
    from convscope.storage.tables import write_table

    spec = ModelSpec.load(args.spec)
    settings = json.loads(args.settings)
    table = read_layers(args.layers)
    roles = {row["name"]: row["role"] for row in table}
    relus = {row["name"]: row["relu"] for row in table}
    with store.open_file(args.activations) as file:
        names = json.loads(file.attrs["layers_in_order"])
        chosen = range(min(settings["sheets"], len(file["id"])))
        # The joined file names the shards, which no argument does; nothing is read of them before.
        this_sealing().check_maps(args.activations, names, chosen)
        ids, paths, digests = (store.read_text(file[column]) for column in ("id", "path", "sha256"))
        rows = sparsity_by_layer(file, names, [relus[name] for name in names]) if ids else []
        written = [{k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows]
        columns = ["layer", "relu", "channels", "zeros", "dead", "mean", "maximum"]
        write_table(args.sparsity, written, columns)
        sparsity_figure(
            args.sparsity_figure,
            rows,
            f"{spec.name}: sparsity by depth, {len(ids)} image{'s' if len(ids) != 1 else ''}",
        )
        progress = Progress(len(chosen) * len(names), f"channel sheets of {spec.name}", "sheets")
        args.sheets.mkdir(parents=True, exist_ok=True)
        for image in chosen:
            for depth, name in enumerate(names):
                sheet = channel_sheet(file[f"layers/{name}"][image])
                facts = {"model": spec.name, "layer": name, "image": ids[image]}
                save_png(args.sheets / ids[image] / f"{depth:02d}_{name}.png", sheet, **facts)
                progress.step(note=name)
        if len(chosen):
            first = next(name for name in names if roles[name] != "pool")
            channel = min(settings["channel"], file[f"layers/{first}"].shape[-1] - 1)
            picture = shown_as(spec.reads, paths[0], digests[0], spec.input_size, spec.resize)
            values = file[f"layers/{first}"][0, :, :, channel]
            single_channel_figure(
                args.sheets / f"{ids[0]}_{first}_channel_{channel}.png", picture, values, f"{first}, channel {channel}"
            )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--activations", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--layers", type=Path, required=True)
    arguments.add_argument("--settings", required=True, help="JSON of the model's activations: settings")
    arguments.add_argument("--sheets", type=output, required=True, help="folder for the sheets")
    arguments.add_argument("--sparsity", type=output, required=True)
    arguments.add_argument("--sparsity-figure", type=output, required=True)
    run(main, arguments)
