"""Give a model the head that CAM needs: its own where it has one, else one trained on frozen features, and at what cost."""

import argparse
import json
from pathlib import Path
from typing import Any

from convscope.jobs.job import Progress, output, parser, run, say


def main(args: argparse.Namespace) -> None:
    from convscope.errors import UserError
    from convscope.models.cam_layer import default_cam_layer
    from convscope.models.gap_head import write_refusal
    from convscope.models.load import load_model
    from convscope.storage.files import write_json

    network, spec = load_model(args.model, args.spec)
    settings = json.loads(args.settings)
    layer = settings["layer"] or default_cam_layer(network, spec.input_size)
    facts: dict[str, Any] = {"model": spec.name, "model_digest": spec.identity, "layer": layer}
    try:
        head, cost = _head(network, spec, layer, settings, args)
    except UserError as error:
        # Not this job's failure: Grad-CAM shares its pass with CAM and needs no head.
        say(f"CAM is left out: {error}")
        write_refusal(args.out, str(error), **facts)
        write_json(args.report, facts | {"refusal": str(error)})
        return
    head.save(args.out, **facts, **cost)
    write_json(args.report, facts | cost | {"own_head": head.own})


def _head(
    network: Any, spec: Any, layer: str, settings: dict[str, Any], args: argparse.Namespace
) -> tuple[Any, dict[str, Any]]:
    """The head, and what it costs where it is a trained one."""
    from convscope.errors import UserError
    from convscope.models.gap_head import own_gap_head, train_gap_head
    from convscope.storage.tables import read_rows

    cost: dict[str, Any] = {}
    head = own_gap_head(network, layer)
    if head is None:
        if spec.head not in ("binary", "multiclass"):
            raise UserError(
                f"cams.{spec.name}.methods: 'cam' needs a head of global average pooling and one dense layer, and the model has "
                f"none behind '{layer}'; one is trained for exclusive classes alone, so leave 'cam' out"
            )
        if args.images is None:
            raise UserError(
                f"cams.{spec.name}.methods: 'cam' needs a head of global average pooling and one dense layer, and the model "
                f"has none behind '{layer}'; name pictures to train one with: gap_head: {{dataset: ...}}"
            )
        rows = read_rows(args.images)
        answers = {name: _answers(network, spec, layer, rows, settings[name], args) for name in ("train", "test")}
        pooled, _, labels = answers["train"]
        head = train_gap_head(pooled, labels, spec)
        pooled, logits, labels = answers["test"]
        own, trained = (
            float((spec.predicted(spec.class_scores(scores)) == labels).mean())
            for scores in (logits, head.logits(pooled))
        )
        cost = {
            "dataset": settings["dataset"],
            "train": settings["train"],
            "train_images": len(answers["train"][2]),
            "test": settings["test"],
            "test_images": len(labels),
            "accuracy_own_head": own,
            "accuracy_gap_head": trained,
            "accuracy_cost": own - trained,
        }
        say(f"accuracy of {spec.name} on '{settings['test']}': {own:.4f}, with a GAP head {trained:.4f}")
    return head, cost


def _answers(
    network: Any, spec: Any, layer: str, rows: list[dict[str, str]], split: str, args: argparse.Namespace
) -> Any:
    """Pooled features, logits and labels of the pictures of a split whose class the model knows."""
    import keras
    import numpy as np

    from convscope.backends.running import compiled, to_numpy
    from convscope.data.groups import label_names
    from convscope.errors import UserError
    from convscope.evaluation.labels import labels_for
    from convscope.models.gap_head import pooled_features
    from convscope.models.graphs import cut_at
    from convscope.models.lower_part import lower_part
    from convscope.pictures.read import load_rows
    from convscope.storage.prefetch import ahead

    known = [
        (row, label)
        for row, label in zip(rows, labels_for(rows, spec.classes), strict=True)
        # Of many labels the first is no picture's one class.
        if row["split"] == split and label >= 0 and len(label_names(row.get("labels") or "one")) == 1
    ]
    chosen, labels = [row for row, _ in known], np.array([label for _, label in known], np.int64)
    if not chosen:
        raise UserError(f"cams.{spec.name}.gap_head: split '{split}' has no picture of a class that the model knows")
    flat, sources, tail = cut_at(network, layer)
    head = lower_part(flat, sources)

    def answers(images: Any) -> Any:
        parts = head(images)
        return keras.ops.mean(parts[0], axis=(1, 2)), tail(*parts)

    step = compiled(answers, [keras.KerasTensor((None, *flat.inputs[0].shape[1:]), "float32")], flat.variables)

    def forward(images: Any) -> Any:
        return [to_numpy(part) for part in step(images)]

    def load(start: int) -> Any:
        return spec.preprocess(
            load_rows(chosen[start : start + args.batch], spec.input_size, spec.resize, channels=spec.reads)
        )

    progress = Progress(len(chosen), f"features of {spec.name} at {layer}, split {split}", "images")
    pictures = ahead(load, range(0, len(chosen), args.batch), args.threads, depth=args.threads + 1)

    def counted() -> Any:
        for images in pictures:
            yield images
            progress.step(len(images))

    pooled, logits = pooled_features(forward, counted(), int(sources[0].shape[-1]), int(flat.outputs[0].shape[-1]))
    return pooled, logits, labels


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", type=Path, required=True)
    arguments.add_argument("--spec", type=Path, required=True)
    arguments.add_argument(
        "--images", type=Path, help="table of the dataset's pictures; not needed for a model that has the head"
    )
    arguments.add_argument("--settings", required=True, help="JSON: layer, dataset, and its splits train and test")
    arguments.add_argument("--batch", type=int, default=16, help="images a forward pass (default: 16)")
    arguments.add_argument("--out", type=output, required=True, help="output: the head (.h5)")
    arguments.add_argument("--report", type=output, required=True, help="output: accuracy with either head (.json)")
    run(main, arguments)
