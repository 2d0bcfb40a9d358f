"""Extract a zip or tar archive safely; list the members left out or renamed, and why."""

import argparse
from pathlib import Path

from convscope.jobs.job import parser, run, say


def main(args: argparse.Namespace) -> None:
    """Extract the archive and write the listing."""
    from convscope.data.archives import MAX_RATIO, ListedMember, extract
    from convscope.errors import UserError
    from convscope.storage.files import sha256_of, write_text
    from convscope.storage.fingerprints import fingerprint
    from convscope.storage.tables import write_table

    # The download was checked; whoever replaced the file since has not read the config.
    if args.sha256 and args.archive.is_file() and (found := sha256_of(args.archive)) != args.sha256:
        raise UserError(
            f"{args.archive}: its checksum is {found} and should be {args.sha256}; delete it, and the next run downloads it again"
        )
    result = extract(
        args.archive,
        args.out,
        args.max_bytes,
        args.max_files,
        args.max_ratio or MAX_RATIO,
        on_progress=lambda files, count: say(f"{files} files, {count / 1e6:.0f} MB"),
    )
    say(f"{result.files} files, {result.bytes / 1e6:.0f} MB, {len(result.listed)} members listed")
    for row in result.listed:
        say(f"{row.member!r}: {row.reason}")
    write_table(args.listing, result.listed, ListedMember)
    if args.content:
        write_text(args.content, fingerprint(args.out, threads=args.threads) + "\n")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--archive", type=Path, required=True, help="zip or tar (.gz, .bz2, .xz) file")
    arguments.add_argument("--sha256", default="", help="checksum the archive must have (default: not checked)")
    arguments.add_argument("--out", type=Path, required=True, help="folder to make")
    arguments.add_argument("--content", type=Path, help="file for the digest of all that was extracted")
    arguments.add_argument("--max-bytes", type=int, required=True, help="most bytes to unpack")
    arguments.add_argument("--max-files", type=int, required=True, help="most members")
    arguments.add_argument("--max-ratio", type=float, help="most bytes unpacked per byte of archive (default: 200)")
    arguments.add_argument("--listing", type=Path, required=True, help="table of members left out or renamed (CSV)")
    run(main, arguments)
