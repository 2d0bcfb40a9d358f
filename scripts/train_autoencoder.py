"""Train the auto-encoder that keeps contrastive explanations among pictures like those of a dataset."""

import argparse
from pathlib import Path

from convscope.jobs.job import Progress, output, parser, run


def main(args: argparse.Namespace) -> None:
    import numpy as np

    from convscope.backends.running import to_numpy
    from convscope.models import autoencoder, training
    from convscope.models.load import save_model
    from convscope.models.spec import ModelSpec
    from convscope.pictures.render import grid, save_png
    from convscope.storage.tables import read_rows, write_table

    spec = ModelSpec.load(args.spec)
    splits = {}
    for split in ("train", "validation"):
        pictures = [row for row in read_rows(args.images) if row["split"] == split]
        splits[split] = training.Pictures(
            [row["path"] for row in pictures],
            [0] * len(pictures),
            spec.input_size,
            spec.resize,
            threads=args.threads,
            what=f"split {split}",
            digests=[row["sha256"] for row in pictures],
            channels=spec.reads,
        )
    training.seed_everything(args.seed)
    model = autoencoder.build_autoencoder(spec.input_size, depth=spec.depth)
    progress = Progress(autoencoder.EPOCHS, f"auto-encoder for {spec.name}", "epochs")
    rows = autoencoder.train_autoencoder(
        model,
        splits["train"],
        splits["validation"],
        args.seed,
        after_epoch=lambda row: progress.step(note=f"loss {row['loss']:.5f}, validation {row['val_loss']:.5f}"),
    )
    write_table(args.history, rows, ["epoch", "loss", "val_loss"])
    shown = splits["validation"] if len(splits["validation"]) else splits["train"]
    originals, _ = next(shown.batches(np.linspace(0, len(shown) - 1, min(8, len(shown))).round().astype(np.int64), 8))
    redrawn = to_numpy(model(originals.astype(np.float32) / 255, training=False))
    seen = [*originals, *np.rint(np.clip(redrawn, 0, 1) * 255).astype(np.uint8)]
    cells = [spec.reads.for_people(picture) for picture in seen]
    save_png(args.sheet, grid(cells, len(originals), 4), model=spec.name, rows="pictures, redrawn")
    save_model(model, args.model)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--spec", type=Path, required=True, help="the facts of the model it is for (.json)")
    arguments.add_argument("--images", type=Path, required=True, help="the data set's images.csv")
    arguments.add_argument("--model", type=output, required=True, help="output: the auto-encoder (.keras)")
    arguments.add_argument("--history", type=output, required=True, help="output: one row an epoch (.csv)")
    arguments.add_argument(
        "--sheet", type=output, required=True, help="output: pictures, and below them redrawn (.png)"
    )
    run(main, arguments)
