"""Compute Seg-Grad-CAM of some pictures of an image set for one kind of region; write the raw maps to HDF5."""

import argparse
import json
from pathlib import Path
from typing import Any

from convscope.jobs.job import Progress, output, parser, run


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.models.load import load_model
    from convscope.pictures.read import load_images
    from convscope.segmentation.explain import SegGradCam, chosen_classes, deepest_layer, regions_of
    from convscope.segmentation.report import spread
    from convscope.storage import store

    network, spec = load_model(args.model, args.spec)
    settings = json.loads(args.settings)
    key = f"segmentation.{spec.name}.gradcam.classes"
    targets = chosen_classes(settings["classes"], spec.classes, key)
    layer = settings.get("layer") or deepest_layer(network, spec)
    explain = SegGradCam(network, spec, layer)
    with store.open_file(args.masks) as masks:
        chosen = spread(len(masks["id"]), settings["limit"])
        about = {name: [store.read_text(masks[name])[i] for i in chosen] for name in ("id", "path", "sha256")}
        progress = Progress(len(chosen), f"Seg-Grad-CAM of {spec.name} at {layer}", "images")
        found, scores, regions = [], [], []
        for start in range(0, len(chosen), args.batch):
            batch = chosen[start : start + args.batch]
            place = slice(start, start + len(batch))
            pictures = load_images(
                about["path"][place], spec.input_size, spec.resize, args.threads, about["sha256"][place], spec.reads
            )
            region = regions_of(
                args.region, masks["predicted"][batch], masks["truth"][batch], targets, settings.get("box")
            )
            maps, score = explain(spec.preprocess(pictures), region, targets)
            found.append(maps)
            scores.append(score)
            regions.append(region)
            progress.step(len(batch))
        attributes: dict[str, Any] = {
            name: str(masks.attrs[name]) for name in ("model", "model_digest", "images_digest", "input_size", "resize")
        }
    none = np.zeros((0, len(targets), 1, 1), np.float32)
    maps = np.concatenate(found or [none])
    region = np.concatenate(regions or [none.astype(np.bool_)])
    with store.create(
        args.out,
        **attributes,
        layer=layer,
        region=args.region,
        classes=[spec.classes[target] for target in targets],
        **spec.reads.described(),
    ) as file:
        for name, texts in about.items():
            store.write_array(file, name, texts, ("image",), dtype=store.TEXT)
        store.write_array(file, "maps", maps, ("image", "class", "height", "width"))
        options = {"compression": "gzip"} if len(region) else {}
        store.write_array(file, "regions", region, ("image", "class", "row", "column"), **options)
        store.write_array(file, "scores", np.concatenate(scores or [none[:, :, 0, 0]]), ("image", "class"))
        # Nothing above 0: a picture scaled to its largest value would be 0/0.
        store.write_array(file, "empty", ~(maps > 0).any(axis=(2, 3)), ("image", "class"))


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--masks", type=Path, required=True, help="HDF5 of the predicted masks")
    arguments.add_argument("--region", required=True, help="whose logits are summed")
    arguments.add_argument("--settings", required=True, help="JSON of the model's gradcam: settings")
    arguments.add_argument("--batch", type=int, required=True, help="images that go through the network together")
    arguments.add_argument("--out", type=output, required=True, help="output: the raw maps (HDF5)")
    run(main, arguments)
