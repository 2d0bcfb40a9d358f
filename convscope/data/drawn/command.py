"""What the scripts that draw a dataset share: their arguments, and their work."""

import argparse
import json
from typing import TYPE_CHECKING

from convscope.errors import UserError
from convscope.jobs.job import JobParser, Progress, output, parser
from convscope.storage.files import write_text
from convscope.storage.fingerprints import fingerprint

if TYPE_CHECKING:
    from convscope.data.drawn.dataset import Drawings


def drawing_parser(description: str | None) -> JobParser:
    """Arguments of a script that draws."""
    arguments = parser(description)
    arguments.add_argument("--out", type=output, required=True, help="folder of the dataset")
    arguments.add_argument("--content", type=output, help="file for the digest of all that was drawn")
    arguments.add_argument("--size", type=int, required=True, help="side of the pictures in pixels")
    arguments.add_argument("--counts", required=True, help="pictures of each class for each split, as JSON")
    return arguments


def draw_dataset(args: argparse.Namespace, drawings: "Drawings") -> None:
    """Draw and write the dataset, and the digest of its content.

    Raises:
        UserError: the counts are no JSON object of numbers, or the dataset cannot be drawn so.
    """
    from convscope.data.drawn.dataset import write_dataset

    try:
        counts = json.loads(args.counts)
    except json.JSONDecodeError as error:
        raise UserError(f'--counts: {error}: write it like \'{{"train": 1500, "test": 500}}\'') from None
    if not isinstance(counts, dict) or not all(type(count) is int for count in counts.values()):
        raise UserError(f'--counts is {args.counts}: write it like \'{{"train": 1500, "test": 500}}\'')
    progress = Progress(len(drawings.classes) * sum(counts.values()), drawings.title, "images")
    write_dataset(drawings, args.out, counts, args.size, args.seed, progress.step, args.threads)
    if args.content:
        write_text(args.content, fingerprint(args.out, threads=args.threads) + "\n")
