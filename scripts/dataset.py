"""List a dataset: open every picture, put it in its split, list the bad ones."""

import argparse
import json
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    """Scan the folder and write the tables."""
    from convscope.data.datasets import BadRow, ImageRow, scan_dataset
    from convscope.data.folders import SkippedRow
    from convscope.pictures.apart import Readers
    from convscope.pictures.describe import describe_apart
    from convscope.storage.files import write_json
    from convscope.storage.tables import write_table

    with Readers(args.threads) as readers:
        dataset = scan_dataset(
            args.folder,
            json.loads(args.settings),
            args.threads,
            lambda done, known: say(f"{done} of {known} pictures"),
            describe_apart(readers),
        )
    for (split, name), count in sorted(dataset.counts().items()):
        say(f"{split}: {count} of class {name}")
    for row in dataset.bad:
        say(f"bad: {row.path!r}: {row.reason}")
    for other in (*dataset.skipped, *dataset.hidden):
        say(f"left out: {other.path!r}: {other.reason}")
    if strangers := dataset.splits_without_a_common_class():
        names = " and ".join(strangers)
        say(
            f"warning: the splits {names} have no class in common; if these folders are classes, write splits: {{all: .}}"
        )
    if dataset.is_nearly_black():
        say(
            f"warning: no value of any picture is above {dataset.brightest} of 255, nearly black; where they are of 12 bits in 16, "
            "give the dataset window: [0, 4095]"
        )
    if shared := dataset.shared_between_splits():
        say(f"warning: {shared} pictures are in more than one split; accuracy measured on them is too high")
    write_table(args.images, dataset.images, ImageRow)
    write_table(args.bad, dataset.bad, BadRow)
    write_table(args.skipped, dataset.skipped, SkippedRow)
    write_json(args.classes, {"classes": dataset.classes})


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--settings", required=True, help="the dataset's part of the config, as JSON")
    arguments.add_argument(
        "--folder", type=Path, required=True, help="folder of the pictures, or their list (read only)"
    )
    arguments.add_argument("--images", type=output, required=True, help="table of the readable pictures to write (CSV)")
    arguments.add_argument("--bad", type=output, required=True, help="table of the bad pictures to write (CSV)")
    arguments.add_argument(
        "--skipped", type=output, required=True, help="table of what lies beside the pictures to write (CSV)"
    )
    arguments.add_argument("--classes", type=output, required=True, help="names of the classes to write (JSON)")
    run(main, arguments)
