"""Look at some pictures with the weights of every kept epoch of a training; write what is seen to HDF5."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.cams.names import METHODS
    from convscope.errors import UserError
    from convscope.evaluation.labels import labels_for
    from convscope.models.cam_layer import default_cam_layer
    from convscope.models.epoch_networks import networks_of
    from convscope.models.epochs import read_epochs
    from convscope.models.gap_head import own_gap_head
    from convscope.models.load import load_model
    from convscope.pictures.read import load_rows
    from convscope.storage import store
    from convscope.storage.identity import pictures_identity
    from convscope.storage.tables import read_rows
    from convscope.watching.looks import Looker, spread_rows, stacked
    from convscope.watching.store import write_epoch_numbers, write_watch

    settings = json.loads(args.settings)
    network, spec = load_model(args.model, args.spec)
    every = read_rows(args.images)
    chosen = spread_rows(len(every), settings["limit"])
    rows, labels = [every[row] for row in chosen], labels_for(every, spec.classes)[np.array(chosen, int)]
    pixels = load_rows(rows, spec.input_size, spec.resize, args.threads, spec.reads)
    images = spec.preprocess(pixels)

    layer = settings.get("layer") or default_cam_layer(network, spec.input_size)
    methods, left_out = [method for method in METHODS if method in settings["methods"]], {}
    if "cam" in methods and own_gap_head(network, layer) is None:
        left_out["cam"] = f"there is more than global average pooling and one dense layer behind '{layer}'"
        methods.remove("cam")
        if not methods:
            raise UserError(f"watching.{spec.name}.methods: cam alone, and {left_out['cam']}; use gradcam")
        say(f"CAM is left out: {left_out['cam']}")
    wanted = settings["activation"]
    watched = wanted.get("layer") or layer
    looker = Looker(network, spec, methods, layer, watched)
    # The network is still that of the best epoch.
    channel = looker.chosen_channel(images, wanted.get("channel"))

    kept, best = read_epochs(args.epochs)
    progress = Progress(len(kept), f"{spec.name} while it learned", "epochs")
    looks = []
    for entry in networks_of(args.epochs, network):
        looks.append(looker(images, labels, settings["class"], channel))
        right = int(np.sum(looks[-1].predicted == labels))
        progress.step(1, f"epoch {entry.epoch}: {right} of {len(rows)} right")

    attributes = {
        "model": spec.name,
        "model_digest": spec.identity,
        "images_digest": pictures_identity(every),
        "images": len(every),
        "methods": methods,
        "layer": layer,
        "class": str(settings["class"]),
        "classes": list(spec.classes),
        "head": spec.head,
        "activation_layer": watched,
        "activation_channel": channel,
        "best_epoch": best,
        "input_size": spec.input_size,
        "resize": spec.resize,
        "left_out": left_out,
        **spec.reads.described(),
    }
    with store.create(args.out, **attributes) as file:
        write_epoch_numbers(file, kept)
        write_watch(file, stacked(looks), rows, labels, spec.reads.for_people(pixels))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--epochs", type=Path, required=True, help="weights of the kept epochs (epochs.h5)")
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--settings", required=True, help="JSON of the model's watching: settings")
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments)
