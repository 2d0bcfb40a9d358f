"""Draw the pictures of the drawn-pets dataset."""

import argparse

from convscope.drawing.command import drawing_parser
from convscope.job import run


def main(args: argparse.Namespace) -> None:
    """Draw cats and dogs."""
    from convscope.drawing.command import draw_dataset
    from convscope.drawn_pets import pets_before

    draw_dataset(args, pets_before(args.background))


if __name__ == "__main__":
    arguments = drawing_parser(__doc__)
    arguments.add_argument(
        "--background",
        choices=["any", "cheat", "mixed"],
        default="any",
        help="any place; one place for cats and another for dogs; or those two whatever the animal (default: any)",
    )
    run(main, arguments)
