"""Put a new head on the frozen layers of another model, and fine-tune the last of them; goes on where a killed run stopped."""

import argparse
import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

from convscope.jobs.job import last_of_all, output, outputs_of_training, parser, run, say


def main(args: argparse.Namespace) -> None:
    """Compute the features, train both heads on them, fine-tune with the chosen one, make it canonical, write everything."""
    from convscope.data.rows import rows_to_learn
    from convscope.errors import UserError
    from convscope.models import epoch_networks, frozen, graphs, load, training, transfer
    from convscope.models.cam_layer import default_cam_layer
    from convscope.models.canonical import canonical
    from convscope.models.head_cost import HeadRow, head_rows
    from convscope.models.remarks import remarked
    from convscope.storage.files import read_json, write_json, write_text
    from convscope.storage.tables import write_table

    settings: dict[str, Any] = json.loads(args.settings)
    classes = read_json(args.classes)["classes"]
    training.seed_everything(args.seed)
    network, base = load.load_model(args.base, args.base_spec)
    try:
        layer = settings.get("layer") or default_cam_layer(network, base.input_size)
    except UserError as error:
        raise UserError(f"models.{args.name}.base: '{settings['base']}' is no backbone: {error}") from None
    backbone = frozen.backbone_of(network, base, layer, f"models.{args.name}.layer")
    say(f"{base.name} cut behind {layer}: feature maps {'x'.join(map(str, backbone.outputs[0].shape[1:]))}")

    spec = transfer.facts_of(args.name, base, settings, classes, layer)
    if "fine_tune" in settings:  # what cannot move is told before anything is computed
        transfer.let_move(backbone, base, settings["fine_tune"]["from"], f"models.{args.name}.fine_tune.from")
    # Pictures to test with only where there are any.
    listed = rows_to_learn(args.images, classes, ("train", "validation", "test"))
    rows = {split: [row for row in listed if row["split"] == split] for split in ("train", "validation", "test")}
    if missing := [split for split in ("train", "validation") if not rows[split]]:
        raise UserError(f"split '{missing[0]}' has no pictures; training needs both 'train' and 'validation'")
    rows = {split: chosen for split, chosen in rows.items() if chosen}
    pictures, blocks = {}, {}
    for split, chosen in rows.items():
        read = training.Pictures(
            [row["path"] for row in chosen],
            [int(row["label"]) for row in chosen],
            base.input_size,
            base.resize,
            threads=args.threads,
            what=f"split {split}",
            # Features take each picture once.
            cache_bytes=training.CACHE_BYTES if "fine_tune" in settings and split != "test" else 0,
            digests=[row["sha256"] for row in chosen],
            channels=base.reads,
        )
        pictures[split] = frozen.InModelSpace(read, base)
        blocks[split] = frozen.blocks_of(
            backbone,
            pictures[split],
            f"features of split {split}",
            args.state and args.state / "features" / split,
            [base.identity, layer, [row["sha256"] for row in chosen], transfer.code_of_transfer()],
            flat=settings["flatten"],
        )
    used = [
        [row[key] for key in ("split", "path", "label", "sha256")]
        for split in ("train", "validation")
        for row in rows[split]
    ]
    # The number of threads changes nothing but the speed.
    wanted = {key: value for key, value in settings.items() if key != "threads"}
    labels = {split: part.labels for split, part in pictures.items()}
    heads = transfer.Heads(
        backbone, base, spec, wanted, blocks, labels,
        seed=args.seed, state=args.state, tag=[classes, used, base.identity, layer],
    )  # fmt: skip
    whole, tuned = heads.whole(), None
    result = heads.result(whole)
    if "fine_tune" in settings:
        tuned = heads.fine_tune(whole, pictures["train"], pictures["validation"])
        result = tuned.result

    def as_canonical() -> Any:
        return canonical(whole, args.name, scale=base.scale, offset=base.offset, size=base.input_size)[0]

    final = as_canonical()
    spec = remarked(spec, final)
    spec = dataclasses.replace(spec, digest=graphs.network_digest(final), requires=load.required_modules(final))
    compared: list[HeadRow] = []
    for split in [split for split in rows if split != "train"]:
        shares = {kind: heads.probabilities(kind, split) for kind in transfer.HEADS}
        sizes = {kind: heads.models[kind].count_params() for kind in transfer.HEADS}
        if tuned and tuned.layers:
            shares["fine-tuned"] = spec.probabilities(frozen.answers(final, pictures[split]))
            sizes["fine-tuned"] = tuned.parameters
        compared += head_rows(split, labels[split], shares, sizes)
    best = result.best
    training.write_history(args.history, result.history)
    write_table(args.heads, compared, HeadRow)
    write_text(args.summary, load.summary_text(final))
    write_json(
        args.training,
        {
            "settings": wanted,
            "seed": args.seed,
            "images": {split: len(labels[split]) for split in ("train", "validation")},
            "base": base.name,
            "cut_behind": layer,
            "parameters": final.count_params(),
            "head_parameters": heads.models[settings["head"]].count_params(),
            "epochs": len(result.history),
            "head_epochs": len(heads.results[settings["head"]].history),
            "best_epoch": result.best_epoch,
            "fine_tuned_layers": list(tuned.layers) if tuned else [],
            **{key: best[key] for key in ("loss", "accuracy", "val_loss", "val_accuracy")},
        },
    )
    load.save_model(final, args.model)
    spec.save(args.spec)
    # The last: both networks are left with the weights of the last epoch.
    epoch_networks.write_epochs(
        args.epochs,
        whole,
        final,
        result.kept,
        result.history,
        result.best_epoch,
        as_canonical,
        model=spec.name,
        model_digest=spec.identity,
    )
    if args.state:
        last_of_all(functools.partial(frozen.forget, args.state))
    for row in compared:
        say(f"{row.split}: {row.head} head right on {row.right} of {row.images} ({row.accuracy:.4f})")
    say(f"best epoch {result.best_epoch}: validation accuracy {best['val_accuracy']:.4f}, loss {best['val_loss']:.4f}")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--name", required=True, help="the model's name in the study")
    arguments.add_argument("--base", type=Path, required=True, help="the base's network (.keras)")
    arguments.add_argument("--base-spec", type=Path, required=True, help="the facts beside it (.json)")
    arguments.add_argument("--images", type=Path, required=True, help="the data set's images.csv")
    arguments.add_argument("--classes", type=Path, required=True, help="the data set's classes.json")
    arguments.add_argument("--settings", required=True, help="the model's config, as JSON")
    arguments.add_argument("--heads", type=output, required=True, help="output: both heads on each split (.csv)")
    outputs_of_training(arguments)
    run(main, arguments)
