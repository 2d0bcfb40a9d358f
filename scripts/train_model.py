"""Train one model of a study: best checkpoint, history; goes on where a killed run stopped."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import outputs_of_training, parser, run

# How a picture takes the shape of the input for a network of the project.
RESIZE = "crop"


def main(args: argparse.Namespace) -> None:
    """Train, make the model canonical, write everything."""
    from convscope.data.rows import rows_to_learn
    from convscope.jobs.job import say
    from convscope.models import architectures, training
    from convscope.models.channels import channel_facts
    from convscope.models.outcome import Outcome
    from convscope.models.settings import image_size
    from convscope.models.spec import ModelSpec
    from convscope.storage.files import read_json

    settings = json.loads(args.settings)
    classes = read_json(args.classes)["classes"]
    size = image_size(settings["image_size"])
    rows = rows_to_learn(args.images, classes)

    training.seed_everything(args.seed)
    facts = channel_facts(args.name, settings, None, {})
    reads = ModelSpec(args.name, size, **facts).reads
    model = architectures.build(settings, len(classes), reads.depth)
    splits = {}
    for split in ("train", "validation"):
        paths, labels, digests = (
            [row[key] for row in rows if row["split"] == split] for key in ("path", "label", "sha256")
        )
        splits[split] = training.Pictures(
            paths,
            list(map(int, labels)),
            size,
            RESIZE,
            threads=args.threads,
            what=f"split {split}",
            digests=digests,
            channels=reads,
        )
    scale, offset = architectures.preprocessing(settings["architecture"])
    used = [[row[key] for key in ("split", "path", "label", "sha256")] for row in rows]
    # The number of threads changes nothing but the speed.
    wanted = {key: value for key, value in settings.items() if key != "threads"}
    tag = training.state_tag(wanted, args.seed, classes, used)
    result = training.train(
        model,
        splits["train"],
        splits["validation"],
        settings,
        seed=args.seed,
        scale=scale,
        offset=offset,
        state=args.state,
        tag=tag,
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
            "classes": tuple(classes),
            "head": "binary" if len(classes) == 2 else "multiclass",
            "source": f"{settings['architecture']} trained on {settings.get('dataset', args.images.parent.name)}",
            **facts,
        },
        told={
            "settings": wanted,
            "seed": args.seed,
            "images": {split: len(pictures) for split, pictures in splits.items()},
        },
    )
    best = result.best
    say(f"best epoch {result.best_epoch}: validation accuracy {best['val_accuracy']:.4f}, loss {best['val_loss']:.4f}")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--name", required=True, help="the model's name in the study")
    arguments.add_argument("--images", type=Path, required=True, help="the data set's images.csv")
    arguments.add_argument("--classes", type=Path, required=True, help="the data set's classes.json")
    arguments.add_argument("--settings", required=True, help="the model's config, as JSON")
    outputs_of_training(arguments)
    run(main, arguments)
