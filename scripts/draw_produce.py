"""Draw the pictures of the drawn-produce dataset."""

import argparse

from convscope.data.drawn.command import drawing_parser
from convscope.jobs.job import run


def main(args: argparse.Namespace) -> None:
    """Draw fruit and vegetables."""
    from convscope.data.drawn.command import draw_dataset
    from convscope.data.drawn.produce import DRAWN_PRODUCE

    draw_dataset(args, DRAWN_PRODUCE)


if __name__ == "__main__":
    run(main, drawing_parser(__doc__))
