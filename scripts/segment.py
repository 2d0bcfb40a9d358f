"""Predict the class of every pixel of an image set; write the masks, and the true ones beside them, to HDF5."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.backends.running import to_numpy
    from convscope.errors import UserError
    from convscope.models.load import load_model
    from convscope.pictures.read import load_rows
    from convscope.segmentation.names import IGNORED
    from convscope.segmentation.store import Masks, write_masks
    from convscope.segmentation.truths import classes_of, read_truths
    from convscope.storage.files import read_json
    from convscope.storage.identity import pictures_identity
    from convscope.storage.prefetch import ahead
    from convscope.storage.tables import read_rows

    network, spec = load_model(args.model, args.spec)
    rows = read_rows(args.images)
    parts = read_json(args.parts)["parts"] if args.parts else []
    listed = {row["path"]: row for row in read_rows(args.masks)} if args.masks else {}
    masks = {path: row for path, row in listed.items() if not row["reason"]}
    if masks and (there := classes_of(args.target, parts)) != spec.classes:
        raise UserError(
            f"model '{spec.name}' knows the classes {', '.join(spec.classes)}, and the masks of these pictures tell "
            f"{', '.join(there)}; take pictures of a dataset with the same parts"
        )

    def load(start: int) -> tuple[int, np.ndarray]:
        batch = rows[start : start + args.batch]
        return start, spec.preprocess(load_rows(batch, spec.input_size, spec.resize, channels=spec.reads))

    progress = Progress(len(rows), f"masks by {spec.name}", "images")

    def batches() -> Iterator[Masks]:
        for start, images in ahead(load, range(0, len(rows), args.batch), args.threads, depth=2):
            logits = to_numpy(network(images, training=False))
            truth = np.full((len(images), *spec.input_size), IGNORED, np.int8)
            known = np.array([row["path"] in masks for row in rows[start : start + len(images)]], np.bool_)
            of_batch = [masks[row["path"]] for row in rows[start : start + len(images)] if row["path"] in masks]
            if of_batch:
                truth[known] = read_truths(of_batch, spec.input_size, spec.resize, args.target, parts)
            yield Masks(logits.argmax(axis=-1).astype(np.int8), truth, known)
            progress.step(len(images))

    write_masks(
        args.out,
        rows,
        spec.input_size,
        batches(),
        model=spec.name,
        model_digest=spec.identity,
        images_digest=pictures_identity(rows),
        classes=list(spec.classes),
        input_size=spec.input_size,
        resize=spec.resize,
        masks_not_used=sum(bool(listed[row["path"]]["reason"]) for row in rows if row["path"] in listed),
        **spec.reads.described(),
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True, help="the image set's table")
    arguments.add_argument("--masks", type=Path, help="the dataset's table of part masks (CSV)")
    arguments.add_argument("--parts", type=Path, help="names of the masks' values (JSON)")
    arguments.add_argument("--target", required=True, help="what part masks are made into")
    arguments.add_argument("--batch", type=int, required=True, help="images that go through the network together")
    arguments.add_argument("--out", type=output, required=True, help="output: the masks (HDF5)")
    run(main, arguments)
