"""Write the list of studies: the page to open first."""

import argparse
from pathlib import Path

from convscope.jobs.job import parser, run, say


def main(args: argparse.Namespace) -> None:
    """List the studies given and those beside the page."""
    from convscope.gallery import build_index

    shown = build_index(args.studies, args.out)
    say(f"{args.out}: {len(shown)} studies")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--studies", type=Path, nargs="*", default=[], help="study.json files of galleries")
    arguments.add_argument("--out", type=Path, required=True, help="the page, results/index.html")
    run(main, arguments)
