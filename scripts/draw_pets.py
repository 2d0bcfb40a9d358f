"""Draw the pictures of the drawn-pets dataset."""

import argparse

from convscope.data.drawn.command import drawing_parser
from convscope.jobs.job import run


def main(args: argparse.Namespace) -> None:
    """Draw cats and dogs."""
    from convscope.data.drawn.command import draw_dataset
    from convscope.data.drawn.pets import pets_before

    draw_dataset(args, pets_before(args.background))


if __name__ == "__main__":
    arguments = drawing_parser(__doc__)
    arguments.add_argument(
        "--background",
        choices=["any", "cheat", "mixed"],
        required=True,
        help="any place; one place for cats and another for dogs; or those two whatever the animal",
    )
    run(main, arguments)
