"""Draw the pictures of the drawn-pets data set."""

import argparse
import json
from pathlib import Path

from convscope.errors import UserError
from convscope.job import Progress, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.drawn_pets import write_dataset
    from convscope.files import write_text
    from convscope.fingerprints import fingerprint

    try:
        counts = json.loads(args.counts)
    except json.JSONDecodeError as error:
        raise UserError(f'--counts: {error}: write it like \'{{"train": 1500, "test": 500}}\'') from None
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        raise UserError(f'--counts is {args.counts}: write it like \'{{"train": 1500, "test": 500}}\'')
    progress = Progress(2 * sum(counts.values()), "drawn pets", "images")
    write_dataset(args.out, counts, args.size, args.seed, progress.step, args.threads)
    if args.content:
        write_text(args.content, fingerprint(args.out, threads=args.threads) + "\n")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--out", type=Path, required=True, help="folder of the data set")
    arguments.add_argument("--content", type=Path, help="file for the digest of all that was drawn")
    arguments.add_argument("--size", type=int, default=96, help="side of the pictures in pixels (default: 96)")
    arguments.add_argument("--counts", required=True, help="pictures of each class for each split, as JSON")
    run(main, arguments)
