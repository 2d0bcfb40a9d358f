"""Download a file: resumed, checked, and kept only when whole."""

import argparse
import time
from pathlib import Path

from convscope.job import parser, run, say


def main(args: argparse.Namespace) -> None:
    """Fetch the file."""
    from convscope.downloads import download

    last = time.monotonic()

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last > 5 or done == total:
            last = time.monotonic()
            say(f"{done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f} MB" if total else ""))

    download(args.url, args.out, args.sha256 or None, args.max_bytes, retries=args.retries, progress=progress)
    say(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--url", required=True, help="http, https or file URL")
    arguments.add_argument("--sha256", default="", help="checksum the file must have (default: not checked)")
    arguments.add_argument("--max-bytes", type=int, help="refuse a larger file (default: no limit)")
    arguments.add_argument("--retries", type=int, default=5, help="failures in a row before giving up (default: 5)")
    arguments.add_argument("--out", type=Path, required=True, help="file to write")
    run(main, arguments)
