"""Write a study's gallery: static pages that open from disk."""

import argparse
from pathlib import Path

from convscope.jobs.job import parser, run, say


def main(args: argparse.Namespace) -> None:
    """Read the results, write the pages."""
    from convscope.gallery import build_gallery
    from convscope.gallery.tables import read_config
    from convscope.gallery.unfinished import read_unfinished

    unfinished = read_unfinished(args.unfinished) if args.unfinished else None
    study = build_gallery(args.results, read_config(args.config), args.out, unfinished)
    for gap in study.gaps:
        say(f"not shown: {gap.kind} {gap.model} {', '.join(gap.names)}: {gap.reason}")
    pages = sum(1 for _ in args.out.parent.glob("*.html"))
    say(f"{args.out}: {len(study.datasets)} datasets, {len(study.models)} models, {pages} pages")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the study's folder, results/<study>")
    arguments.add_argument(
        "--config", required=True, help="the study's config, defaults filled in: a JSON or YAML file, or JSON text"
    )
    arguments.add_argument("--unfinished", type=Path, help="JSON: the jobs that failed, and what was not made")
    arguments.add_argument("--out", type=Path, required=True, help="the first page; the others are written beside it")
    run(main, arguments)
