"""Judge one method, or the control maps, on an image set; write every number to HDF5."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run, say

# For the methods that compare with pictures of the whole set: as many as the original maps had.
_BACKGROUND = 200


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.attributions.class_scores import ClassScores
    from convscope.attributions.names import needs_background
    from convscope.data.masks import read_mask
    from convscope.data.regions import fit_mask, part_masks
    from convscope.judging import controls
    from convscope.judging import store as judged_store
    from convscope.judging.explainers import explainers
    from convscope.judging.methods import Subject, at_resolution, judge, spread_over
    from convscope.judging.names import CONTROLS
    from convscope.models.load import load_keras, load_model
    from convscope.pictures.read import load_rows
    from convscope.storage import store
    from convscope.storage.identity import pictures_identity
    from convscope.storage.tables import read_rows

    network, spec = load_model(args.model, args.spec)
    settings = json.loads(args.settings)
    every = read_rows(args.images)
    chosen = spread_over(len(every), settings["limit"])
    rows = [every[index] for index in chosen]
    keys = [row["id"] for row in rows]

    def load(rows: list[dict[str, str]]) -> np.ndarray:
        return load_rows(rows, spec.input_size, spec.resize, args.threads, spec.reads)

    pictures = load(rows)
    images = spec.preprocess(pictures)
    with store.open_file(args.maps) as file:
        targets, maps = judged_store.read_maps(file, chosen, keys)
        attributes = judged_store.attributes_of(file)
    parts = json.loads(args.parts.read_text(encoding="utf-8"))["parts"] if args.parts else []
    mask_of = {row["path"]: row for row in read_rows(args.masks)} if args.masks else {}

    def regions(row: dict[str, str]) -> dict[str, np.ndarray]:
        listed = mask_of.get(row["path"])
        if not listed or listed["reason"]:
            return {}
        mask = read_mask(listed["mask"], named=bool(parts), sha256=listed["sha256"])
        return part_masks(fit_mask(mask, spec.input_size, spec.resize), parts, np.unique(mask))

    masks = [regions(row) for row in rows]
    scores = ClassScores(network, spec)
    for method, out in zip(args.method, args.out, strict=True):
        make = None
        if method in CONTROLS:
            # A control is judged on the classes that a method explains: all are compared image by image.
            heat = controls.MAPS[method](spec.reads.for_people(pictures), keys, args.seed)
        else:
            heat = judged_store.heat_of(method, maps)
            own = json.loads(args.method_settings)
            background = None
            if needs_background(method, own) and every:
                background = spec.preprocess(load([every[index] for index in spread_over(len(every), _BACKGROUND)]))
            autoencoder = load_keras(args.autoencoder) if args.autoencoder else None
            layer = attributes.get("layer")
            make = explainers(method, network, spec, own, layer, background, autoencoder=autoencoder)
            if make is None:
                say(f"{method} cannot be made for another network: no randomisation, sensitivity and seeds")
        progress = Progress(len(settings["groups"]), f"{method} of {spec.name} on {len(rows)} images", "metrics")
        subject = Subject(images, targets, keys, at_resolution(heat, spec.input_size), masks)
        judged = judge(
            subject,
            settings["groups"],
            settings,
            lambda batch: scores.probabilities(batch, len(batch)),
            network,
            make,
            seed=args.seed,
            on_group=lambda name, progress=progress: progress.step(note=name),  # type: ignore[misc]
        )
        facts = {
            "model": spec.name,
            "model_digest": spec.identity,
            "images_digest": pictures_identity(every),
            "method": method,
            "seed": args.seed,
        }
        judged_store.write(out, subject, judged, **facts, settings=settings, classes=list(spec.classes))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--maps", type=Path, required=True, help="the method's maps; any method's for a control")
    arguments.add_argument("--method", nargs="+", required=True, help="a method, or several control maps")
    arguments.add_argument("--method-settings", default="{}", help="JSON of the method's settings")
    arguments.add_argument("--autoencoder", type=Path, help="for contrastive methods (.keras)")
    arguments.add_argument("--masks", type=Path, help="the dataset's table of part masks (CSV)")
    arguments.add_argument("--parts", type=Path, help="names of the masks' values (JSON)")
    arguments.add_argument("--settings", required=True, help="JSON of the model's judging: settings")
    arguments.add_argument("--out", type=output, nargs="+", required=True, help="a file each")
    run(main, arguments)
