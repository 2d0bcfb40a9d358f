"""Join the shards of an image set into one HDF5 file: copied, or (--virtual) only referred to."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run


def main(args: argparse.Namespace) -> None:
    from convscope.storage.store import concatenate

    concatenate(args.shards, args.out, "image", virtual=args.virtual, part=args.part)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--shards", type=Path, nargs="+", required=True)
    arguments.add_argument("--part", default="", help="of what lies in groups, take only this member of each")
    arguments.add_argument("--virtual", action="store_true", help="refer to the shards by their relative paths")
    arguments.add_argument("--out", type=output, required=True)
    run(main, arguments)
