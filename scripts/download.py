"""Download a file: resumed, checked, and kept only when whole."""

import argparse
import os
import time
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    """Fetch the file."""
    from convscope.data.archives import what_is_wrong
    from convscope.data.downloads import fetch, not_a_web_page, not_text
    from convscope.errors import UserError

    url = os.environ.get(args.url_in, "") if args.url_in else args.url
    if not url:
        raise UserError(f"no variable {args.url_in} with the whole address of {args.url}; start it by the workflow")

    last = time.monotonic()

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        if time.monotonic() - last > 5 or done == total:
            last = time.monotonic()
            say(f"{done / 1e6:.1f} MB" + (f" of {total / 1e6:.1f} MB" if total else ""))

    checks = {"archive": not_a_web_page("an archive", what_is_wrong), "picture": not_a_web_page("a picture", not_text)}
    fetch(
        url,
        args.out,
        args.store,
        args.sha256 or None,
        max_bytes=args.max_bytes,
        retries=args.retries,
        progress=progress,
        check=checks.get(args.kind),
        say=say,
    )
    say(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--url", required=True, help="http, https or file URL")
    arguments.add_argument("--url-in", help="environment variable with the whole URL, where a part of it is secret")
    arguments.add_argument("--sha256", default="", help="checksum the file must have (default: not checked)")
    arguments.add_argument("--max-bytes", type=int, help="refuse a larger file (default: no limit)")
    arguments.add_argument("--retries", type=int, default=5, help="failures in a row before giving up (default: 5)")
    arguments.add_argument("--kind", default="", help="archive or picture: what it must be (default: not looked at)")
    arguments.add_argument(
        "--store", type=Path, required=True, help="where all studies have it (a local file is copied instead)"
    )
    arguments.add_argument("--out", type=output, required=True, help="file to write")
    run(main, arguments)
