"""Compare where a model's maps lie with where another's do, on the same images: table, figure, verdict."""

import argparse
from pathlib import Path

from convscope.jobs.job import parser, run, say


def main(args: argparse.Namespace) -> list[Path]:
    from convscope.judging import store as judged_store
    from convscope.judging.against import COLUMNS, Judgement, against, revealing
    from convscope.judging.figures import draw_against
    from convscope.storage import store
    from convscope.storage.files import write_json
    from convscope.storage.tables import write_table

    def numbers(paths: list[Path]) -> dict[str, Judgement]:
        found = {}
        for path in paths:
            with store.open_file(path) as file:
                keys, _, judged = judged_store.read(file)
                found[str(file.attrs["method"])] = Judgement(keys, judged.metrics)
        return found

    rows = against(numbers(args.judged), numbers(args.other))
    found = revealing(rows)
    say(f"maps that lie less on the object than {args.other_name}'s: {', '.join(found) or 'none'}")
    write_table(args.out / "against.csv", rows, COLUMNS)
    facts = {"model": args.name, "other": args.other_name, "revealing": found, "rows": rows}
    write_json(args.out / "against.json", facts)
    draw_against(rows, args.name, args.other_name, args.out / "against.png")
    return [args.out / f"against.{kind}" for kind in ("csv", "json", "png")]


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--judged", type=Path, nargs="+", required=True, help="numbers of the model's methods")
    arguments.add_argument("--other", type=Path, nargs="+", required=True, help="numbers of the other model's")
    arguments.add_argument("--name", required=True, help="the model")
    arguments.add_argument("--other-name", required=True, help="the other model")
    arguments.add_argument("--out", type=Path, required=True, help="folder of the results")
    run(main, arguments)
