"""Make one HDF5 file of the shards of an image set's activations; it refers to them, nothing is copied."""

import argparse
from pathlib import Path

from convscope.job import parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.store import concatenate

    concatenate(args.shards, args.out, "image", virtual=True)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--shards", type=Path, nargs="+", required=True)
    arguments.add_argument("--out", type=Path, required=True)
    run(main, arguments)
