"""Extract a zip or tar archive safely; list the members left out or renamed, and why."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    """Extract the archive and write the listing."""
    from convscope.data.archives import MAX_RATIO, ListedMember, extract
    from convscope.errors import UserError
    from convscope.storage.files import sha256_of, write_text
    from convscope.storage.fingerprints import fingerprint
    from convscope.storage.tables import write_table

    listed: list[ListedMember] = []

    def unpack(archive: Path, sha256: str, out: Path) -> None:
        # The download was checked; whoever replaced the file since has not read the config.
        if sha256 and archive.is_file() and (found := sha256_of(archive)) != sha256:
            raise UserError(
                f"{archive}: its checksum is {found} and should be {sha256}; delete it, and the next run downloads it again"
            )
        result = extract(
            archive,
            out,
            args.max_bytes,
            args.max_files,
            args.max_ratio or MAX_RATIO,
            on_progress=lambda files, count: say(f"{files} files, {count / 1e6:.0f} MB"),
        )
        say(f"{result.files} files, {result.bytes / 1e6:.0f} MB, {len(result.listed)} members listed")
        for row in result.listed:
            say(f"{row.member!r}: {row.reason}")
        listed.extend(result.listed)

    unpack(args.archive, args.sha256, args.out)
    if args.masks:
        beside = args.out.with_name(f"{args.out.name}.masks")
        unpack(args.masks, args.masks_sha256, beside)
        for entry in sorted(beside.iterdir()):
            if (args.out / entry.name).exists():
                raise UserError(
                    f"{args.masks}: '{entry.name}' is in the archive of the pictures, too; join them yourself"
                )
            entry.rename(args.out / entry.name)
        beside.rmdir()
    write_table(args.listing, listed, ListedMember)
    if args.content:
        write_text(args.content, fingerprint(args.out, threads=args.threads) + "\n")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--archive", type=Path, required=True, help="zip or tar (.gz, .bz2, .xz) file")
    arguments.add_argument("--sha256", default="", help="checksum the archive must have (default: not checked)")
    arguments.add_argument(
        "--masks", type=Path, help="another archive, of masks, extracted beside what is in the first"
    )
    arguments.add_argument("--masks-sha256", default="", help="checksum that it must have (default: not checked)")
    arguments.add_argument("--out", type=output, required=True, help="folder to make")
    arguments.add_argument("--content", type=output, help="file for the digest of all that was extracted")
    arguments.add_argument("--max-bytes", type=int, required=True, help="most bytes to unpack")
    arguments.add_argument("--max-files", type=int, required=True, help="most members")
    arguments.add_argument("--max-ratio", type=float, help="most bytes unpacked per byte of archive (default: 200)")
    arguments.add_argument("--listing", type=output, required=True, help="table of members left out or renamed (CSV)")
    run(main, arguments)
