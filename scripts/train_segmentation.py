"""Train a network of pixels on pictures and masks: best checkpoint, history; goes on where a killed run stopped."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import outputs_of_training, parser, run

# How a picture takes the shape of the input for a network of the project.
RESIZE = "crop"


def main(args: argparse.Namespace) -> None:
    """Train, make the model canonical, write everything."""
    from convscope.data.places import LEARNED
    from convscope.errors import UserError
    from convscope.jobs.job import Progress, say
    from convscope.models import architectures, training
    from convscope.models.channels import channel_facts
    from convscope.models.outcome import Outcome
    from convscope.models.settings import image_size
    from convscope.models.spec import ModelSpec
    from convscope.segmentation.truths import check_known, classes_of, read_truths
    from convscope.storage.files import read_json
    from convscope.storage.tables import read_rows

    settings = json.loads(args.settings)
    target, size = settings["target"], image_size(settings["image_size"])
    parts = read_json(args.parts)["parts"]
    classes = classes_of(target, parts)
    masks = {row["path"]: row for row in read_rows(args.masks) if not row["reason"]}

    training.seed_everything(args.seed)
    facts = channel_facts(args.name, settings, None, {})
    reads = ModelSpec(args.name, size, **facts).reads
    model = architectures.build({**settings, "dropout": 0}, len(classes), reads.depth)
    splits, used, without = {}, [], 0
    for split in LEARNED:
        of_split = [row for row in read_rows(args.images) if row["split"] == split]
        rows = [row for row in of_split if row["path"] in masks]
        if not rows:
            raise UserError(f"{args.masks}: no picture of the split '{split}' has a mask that can be used")
        without += len(of_split) - len(rows)
        listed = [masks[row["path"]] for row in rows]
        used += [[split, row["path"], row["sha256"], mask["sha256"]] for row, mask in zip(rows, listed, strict=True)]
        progress = Progress(len(rows), f"masks of split {split}", "masks")
        truths = read_truths(listed, size, RESIZE, target, parts, progress.step)
        check_known(truths, split)
        splits[split] = training.Pictures(
            [row["path"] for row in rows],
            truths,
            size,
            RESIZE,
            threads=args.threads,
            what=f"split {split}",
            digests=[row["sha256"] for row in rows],
            channels=reads,
        )
    if without:
        say(f"{without} pictures have no mask that can be used, and are left out")
    scale, offset = architectures.preprocessing(settings["architecture"])
    result = training.train(
        model,
        splits["train"],
        splits["validation"],
        settings,
        seed=args.seed,
        scale=scale,
        offset=offset,
        state=args.state,
        tag=training.state_tag(settings, args.seed, list(classes), parts, used),
    )

    Outcome.of(args).write(
        model,
        result,
        scale=scale,
        offset=offset,
        facts={
            "name": args.name,
            "input_size": size,
            "resize": RESIZE,
            "classes": classes,
            "head": "segmentation",
            "source": f"{settings['architecture']} trained on masks of {settings['dataset']}",
            **facts,
        },
        told={
            "settings": settings,
            "seed": args.seed,
            "images": {split: len(pictures) for split, pictures in splits.items()},
            "without_mask": without,
        },
    )
    best = result.best
    say(
        f"best epoch {result.best_epoch}: {best['val_accuracy']:.2%} of the validation pixels right, loss {best['val_loss']:.4f}"
    )


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--name", required=True, help="the model's name in the study")
    arguments.add_argument("--images", type=Path, required=True, help="the data set's images.csv")
    arguments.add_argument("--masks", type=Path, required=True, help="the data set's masks_to_learn.csv")
    arguments.add_argument("--parts", type=Path, required=True, help="the data set's parts.json")
    arguments.add_argument("--settings", required=True, help="the model's config, as JSON")
    outputs_of_training(arguments)
    run(main, arguments)
