"""Tell which of a model's patterns to believe: a row each, and a figure by preset and depth."""

import argparse
from pathlib import Path

from convscope.jobs.job import output, parser, run, say


def main(args: argparse.Namespace) -> None:
    from convscope.storage import store
    from convscope.storage.tables import write_table
    from convscope.units.figures import patterns_by_depth
    from convscope.units.trust import PatternRow, count_presets, read_paths, rows_of

    rows: list[PatternRow] = []
    for path in args.paths:
        with store.open_file(path) as file:
            rows += rows_of(read_paths(file))
    write_table(args.table, rows, PatternRow)
    counts = count_presets(rows)
    for count in counts:
        say(f"{count.layer}, {count.preset}: {count.trusted} of {count.patterns} patterns are to be believed")
    patterns_by_depth(args.figure, f"{args.model}: which patterns to believe", counts)


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--model", required=True, help="its name")
    arguments.add_argument(
        "--paths", type=Path, nargs="+", required=True, help="what was measured of each layer (HDF5)"
    )
    arguments.add_argument("--table", type=output, required=True, help="a row a pattern (CSV)")
    arguments.add_argument("--figure", type=output, required=True, help="by preset and depth (PNG)")
    run(main, arguments)
