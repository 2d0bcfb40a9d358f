"""Bring a model (keras-hub preset, saved file, keras.applications) to the canonical form, with its facts."""

import argparse
import json

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    """Find or download the model, make it canonical, write it."""
    from convscope.jobs.job import say
    from convscope.models import load
    from convscope.storage.files import write_text

    network, spec = load.import_model(args.name, json.loads(args.settings))
    size = f"{spec.input_size[0]}x{spec.input_size[1]}"
    kinds = {"regression": "outputs", "multilabel": "labels"}.get(spec.head, "classes")
    say(f"{spec.source}: {network.count_params()} parameters, {size} pixels")
    say(f"head {spec.head}, {len(spec.classes)} {kinds}")
    for note in spec.notes:
        say(note)
    for warning in spec.warnings:
        say(f"warning: {warning}")
    write_text(args.summary, load.summary_text(network))
    spec.save(args.spec)
    load.save_model(network, args.model)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--name", required=True, help="the model's name in the study")
    arguments.add_argument("--settings", required=True, help="the model's config, as JSON")
    arguments.add_argument("--model", type=output, required=True, help="output: the network (.keras)")
    arguments.add_argument("--spec", type=output, required=True, help="output: the facts beside it (.json)")
    arguments.add_argument("--summary", type=output, required=True, help="output: table of layers (.txt)")
    run(main, arguments)
