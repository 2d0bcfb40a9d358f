"""Say how much of a study's filter patterns is made, and how long the rest takes. It changes nothing and may run beside the study."""

import argparse
import csv
import re
from pathlib import Path

from convscope.jobs.job import duration, parser, run


def main(args: argparse.Namespace) -> None:
    import yaml

    from convscope.config import complete
    from convscope.errors import UserError
    from convscope.filters.presets import preset_names
    from convscope.filters.remaining import LayerWork, depth_cost, seconds_each, seconds_left
    from convscope.models.layer_table import CONVOLUTIONS, read_layers, select_layers, wanted_filters
    from convscope.storage.config_file import located, read_config_file
    from convscope.storage.files import whole_files

    if not args.config.is_file():
        raise UserError(f"{args.config}: no such file; name the study's config")
    file = read_config_file(args.config)
    try:
        config = complete(yaml.safe_load(args.config.read_text(encoding="utf-8")))
    except UserError as error:
        raise UserError(located(str(error), [file])) from None
    study = Path("results") / config["study"]
    for model, part in config["filters"].items():
        table = study / "models" / model / "layers.csv"
        if not table.is_file():
            print(f"{model}: the model is not there yet")
            continue
        rows = read_layers(table)
        cost = depth_cost(rows)
        for preset in preset_names(part):
            layers = []
            for row in select_layers(rows, part["layers"], CONVOLUTIONS, f"filters.{model}.layers"):
                wanted = len(wanted_filters(int(row["filters"]), part["filters"], f"filters.{model}.filters"))
                made = study / "filters" / model / preset / f"{row['name']}.h5"
                threads = part["threads"]
                if made.is_file():
                    done, each = wanted, measured_each(study, f"{model}.{preset}.{row['name']}", threads, wanted)
                else:
                    batches = whole_files(made.with_suffix(".state"), "*/*.npz")
                    marks = [(path.stat().st_mtime, filters_in(path)) for path in batches]
                    done, each = min(wanted, sum(filters for _, filters in marks)), seconds_each(marks, threads)
                layers.append(LayerWork(row["name"], cost[row["name"]], wanted, done, each))
            report(model, preset, layers, seconds_left(layers))


def filters_in(batch: Path) -> int:
    """Filters of a kept batch."""
    import numpy as np

    with np.load(batch, allow_pickle=False) as file:
        return len(file["channels"])


def measured_each(study: Path, job: str, threads: int, filters: int) -> float | None:
    """Core-seconds a filter of a finished job: what Snakemake measured by the clock, on each of its threads.

    Of a layer that was killed on the way, it measured the last run alone; filters found before do not count.
    """
    path = study / "benchmarks" / "ascend" / f"{job}.tsv"
    found = filters - found_before(study / "logs" / "ascend" / f"{job}.log")
    if not path.is_file() or found <= 0:
        return None
    with path.open(encoding="utf-8", newline="") as stream:
        return threads * float(next(csv.DictReader(stream, delimiter="\t"))["s"]) / found


def found_before(log: Path) -> int:
    """Filters that a job took over from an earlier run, by its log."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    taken = re.search(r": (\d+)/\d+ filters, found by an earlier run$", text, re.MULTILINE)
    return int(taken[1]) if taken else 0


def report(model: str, preset: str, layers: list, left: float | None) -> None:  # type: ignore[type-arg]
    """One line a model and preset."""
    done, wanted = sum(layer.done for layer in layers), sum(layer.filters for layer in layers)
    finished = sum(layer.done == layer.filters for layer in layers)
    text = f"{model}, {preset}: {finished} of {len(layers)} layers, {done} of {wanted} filters"
    if done == wanted:
        print(f"{text}: all made")
    elif left is None:
        print(f"{text}; the time left is known after a few batches")
    else:
        print(f"{text}; about {duration(left)} of one core left")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the study's config file")
    run(main, arguments)
