"""Draw the pictures of the drawn-pets dataset."""

import argparse

from convscope.drawing.command import drawing_parser
from convscope.job import run


def main(args: argparse.Namespace) -> None:
    """Draw cats and dogs."""
    from convscope.drawing.command import draw_dataset
    from convscope.drawn_pets import DRAWN_PETS

    draw_dataset(args, DRAWN_PETS)


if __name__ == "__main__":
    run(main, drawing_parser(__doc__))
