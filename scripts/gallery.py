"""Write a study's gallery: static pages that open from disk."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run, say, this_sealing
from convscope.jobs.sealing import tells_seconds


def main(args: argparse.Namespace) -> list[Path]:
    """Read the results, write the pages."""
    from dataclasses import replace

    from convscope.gallery import build_gallery
    from convscope.gallery.tables import read_config
    from convscope.gallery.unfinished import read_unfinished

    unfinished = read_unfinished(args.unfinished) if args.unfinished else None
    if unfinished is not None:
        # The rest is shown all the same; the next run makes again what is damaged.
        damaged = this_sealing().study_faults(without=args.out.parent)
        this_sealing().note(damaged)
        reasons = {str(args.results / fault.file): f"damaged: {fault.what}" for fault in damaged}
        unfinished = replace(unfinished, files={**unfinished.files, **reasons})
    study = build_gallery(args.results, read_config(args.config), args.out, unfinished)
    for gap in study.gaps:
        say(f"not shown: {gap.kind} {gap.model} {', '.join(gap.names)}: {gap.reason}")
    pages = sum(1 for _ in args.out.parent.glob("*.html"))
    say(f"{args.out}: {len(study.datasets)} datasets, {len(study.models)} models, {pages} pages")
    tells_seconds(*args.out.parent.glob("comparison_*.html"))
    return [args.out.parent]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--results", type=Path, required=True, help="the study's folder, results/<study>")
    arguments.add_argument(
        "--config", required=True, help="the study's config, defaults filled in: a JSON or YAML file, or JSON text"
    )
    arguments.add_argument("--unfinished", type=Path, help="JSON: the jobs that failed, and what was not made")
    arguments.add_argument("--out", type=output, required=True, help="the first page; the others are written beside it")
    run(main, arguments)
