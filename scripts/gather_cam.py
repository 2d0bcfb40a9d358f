"""Join the shards of class activation maps into one HDF5 file."""

import argparse
from pathlib import Path

from convscope.job import parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.store import concatenate

    concatenate(args.shards, args.out, "image", virtual=False)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--shards", type=Path, nargs="+", required=True)
    arguments.add_argument("--out", type=Path, required=True)
    run(main, arguments)
