"""Train one model of a study: best checkpoint, history; goes on where a killed run stopped."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import parser, run

# How a picture takes the shape of the input for a network of the project.
RESIZE = "crop"


def main(args: argparse.Namespace) -> None:
    """Train, make the model canonical, write everything."""
    from convscope.data.rows import ONE_CLASS
    from convscope.errors import UserError
    from convscope.jobs.job import say
    from convscope.models import architectures, epoch_networks, graphs, load, training
    from convscope.models.canonical import canonical
    from convscope.models.channels import channel_facts
    from convscope.models.settings import image_size
    from convscope.models.spec import ModelSpec
    from convscope.storage.files import read_json, write_json, write_text
    from convscope.storage.tables import read_rows

    settings = json.loads(args.settings)
    classes = read_json(args.classes)["classes"]
    size = image_size(settings["image_size"])
    table = read_rows(args.images)
    if any(row.get("labels") or row.get("target") for row in table):
        raise UserError(f"{args.images} says {ONE_CLASS}")
    rows = [row for row in table if row["split"] in ("train", "validation") and int(row["label"]) >= 0]
    if len(classes) < 2:
        raise UserError(f"{args.images}: training needs at least two classes, found {len(classes)}")

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

    network, _ = canonical(model, args.name, scale=scale, offset=offset)
    spec = ModelSpec(
        name=args.name,
        input_size=size,
        resize=RESIZE,
        scale=(scale,),
        offset=(offset,),
        classes=tuple(classes),
        head="binary" if len(classes) == 2 else "multiclass",
        source=f"{settings['architecture']} trained on {settings.get('dataset', args.images.parent.name)}",
        digest=graphs.network_digest(network),
        requires=load.required_modules(network),
        **facts,
    )
    best = result.best
    training.write_history(args.history, result.history)
    write_text(args.summary, load.summary_text(model))
    write_json(
        args.training,
        {
            "settings": wanted,
            "seed": args.seed,
            "images": {split: len(pictures) for split, pictures in splits.items()},
            "parameters": model.count_params(),
            "epochs": len(result.history),
            "best_epoch": result.best_epoch,
            **{key: best[key] for key in ("loss", "accuracy", "val_loss", "val_accuracy")},
        },
    )
    load.save_model(network, args.model)
    spec.save(args.spec)
    epoch_networks.write_epochs(
        args.epochs,
        model,
        network,
        result.kept,
        result.history,
        result.best_epoch,
        lambda: canonical(model, args.name, scale=scale, offset=offset)[0],
        model=args.name,
        model_digest=spec.identity,
    )
    if args.state:
        training.forget_state(args.state)
    say(f"best epoch {result.best_epoch}: validation accuracy {best['val_accuracy']:.4f}, loss {best['val_loss']:.4f}")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--name", required=True, help="the model's name in the study")
    arguments.add_argument("--images", type=Path, required=True, help="the data set's images.csv")
    arguments.add_argument("--classes", type=Path, required=True, help="the data set's classes.json")
    arguments.add_argument("--settings", required=True, help="the model's config, as JSON")
    arguments.add_argument("--state", type=Path, help="folder that keeps what a resumed run needs")
    arguments.add_argument("--model", type=Path, required=True, help="output: the network (.keras)")
    arguments.add_argument("--spec", type=Path, required=True, help="output: the facts beside it (.json)")
    arguments.add_argument("--history", type=Path, required=True, help="output: one row an epoch (.csv)")
    arguments.add_argument("--summary", type=Path, required=True, help="output: table of layers (.txt)")
    arguments.add_argument("--training", type=Path, required=True, help="output: settings and best epoch (.json)")
    arguments.add_argument("--epochs", type=Path, required=True, help="output: weights of some epochs (.h5)")
    run(main, arguments)
