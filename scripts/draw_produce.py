"""Draw the pictures of the drawn-produce dataset."""

import argparse

from convscope.drawing.command import drawing_parser
from convscope.job import run


def main(args: argparse.Namespace) -> None:
    """Draw fruit and vegetables."""
    from convscope.drawing.command import draw_dataset
    from convscope.drawn_produce import DRAWN_PRODUCE

    draw_dataset(args, DRAWN_PRODUCE)


if __name__ == "__main__":
    run(main, drawing_parser(__doc__))
