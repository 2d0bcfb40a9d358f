"""Write the table of what jobs ask for into docs/cluster.md, beside what was measured: by this, the benchmarks of finished studies."""

import argparse
import csv
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from convscope.config import complete
from convscope.jobs.job import parser, run, say
from convscope.planning.groups import group_of
from convscope.planning.needs import NEEDS, megabytes, minutes
from convscope.planning.work import Study

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cluster.md"
MEASURED = ROOT / "docs" / "jobs.csv"
_COLUMNS = ("study", "rule", "jobs", "seconds", "asked_minutes", "mb", "asked_mb")
_MARKED = re.compile(r"(<!-- table: needs -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_BENCHMARK = re.compile(r'^(?:rule|checkpoint) (\w+):.*?^    benchmark:\s+"<study>/benchmarks/([^"]+)"', re.M | re.S)


def table(rows: list[dict[str, str]]) -> str:
    """The table, in Markdown: a line a rule, with the job that came nearest to what it asked for."""
    lines = [
        "| rule | memory, MB | time, s | GPU | measured: jobs | most memory: took / asked, MB | longest: took, s / asked, min |",
        "|---|---|---|---|---|---|---|",
    ]
    for rule, need in NEEDS.items():
        memory = [f"{need.mb}", *([f"{need.mb_held} a Mpx held"] if need.mb_held else [])]
        memory += [f"{need.mb_thousand:g} a thousand pictures"] if need.mb_thousand else []
        time = [f"{need.s:g}", *(["2 a Mpx seen"] if need.gpu else [])]
        time += [f"{need.s_thousand:g} a thousand pictures"] if need.s_thousand else []
        own = [row for row in rows if row["rule"] == rule]
        shown = ["", "", ""]
        if own:
            most = max(own, key=lambda row: int(row["mb"]) / int(row["asked_mb"]))
            longest = max(own, key=lambda row: float(row["seconds"]) / int(row["asked_minutes"]))
            shown = [
                str(sum(int(row["jobs"]) for row in own)),
                f"{most['mb']} / {most['asked_mb']}",
                f"{float(longest['seconds']):.0f} / {longest['asked_minutes']}",
            ]
        cells = [f"`{rule}`", " + ".join(memory), " + ".join(time), "yes" if need.gpu else "", *shown]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


@dataclass(frozen=True)
class Job:
    """A job that a study has had: its rule and wildcards, seconds and MB that it took."""

    rule: str
    names: dict[str, str]
    seconds: float
    mb: float


def jobs_of(results: Path, config: dict[str, Any], rules: Path = ROOT / "rules") -> Iterator[Job]:
    """The jobs of a finished study.

    Args:
        results: the study's folder, with `benchmarks/` in it.
        config: of the study, completed.
        rules: where the names of the benchmark files are.
    """
    known = {"model": config["models"], "images": config["image_sets"], "dataset": config["datasets"]}
    text = "\n".join(path.read_text(encoding="utf-8") for path in sorted(rules.glob("*.smk")))
    for rule, pattern in _BENCHMARK.findall(text):
        parts = re.split(r"\{(\w+)\}", pattern)
        expression = "".join(
            f"(?P<{part}>{'|'.join(known.get(part, ())) or '[^/]+'})" if number % 2 else re.escape(part)
            for number, part in enumerate(parts)
        )
        for path in sorted((results / "benchmarks").rglob("*.tsv")):
            if found := re.fullmatch(expression, path.relative_to(results / "benchmarks").as_posix()):
                with path.open(encoding="utf-8") as stream:
                    row = next(csv.DictReader(stream, delimiter="\t"))
                memory = float(row["max_rss"]) if row["max_rss"] not in ("-", "NA") else 0.0
                yield Job(rule, found.groupdict(), float(row["s"]), memory)


def measured(jobs: Iterable[Job], study: Study) -> Iterator[dict[str, str]]:
    """What jobs took, beside what they would ask for now: a row a rule, of those that came nearest to it."""
    by_rule = defaultdict(list)
    for job in jobs:
        work = study.work(job.rule, job.names)
        by_rule[job.rule].append((job.seconds, minutes(job.rule, work), job.mb, megabytes(job.rule, work)))
    for rule, took in by_rule.items():
        most = max(took, key=lambda job: job[2] / job[3])
        longest = max(took, key=lambda job: job[0] / job[1])
        values = (study.config["study"], rule, len(took), round(longest[0], 1), longest[1], round(most[2]), most[3])
        yield {column: str(value) for column, value in zip(_COLUMNS, values, strict=True)}


def submissions(jobs: Iterable[Job], study: Study) -> int:
    """How many submissions the jobs of a study are; those that run where Snakemake does are none."""
    layers: dict[tuple[str, str], list[str]] = defaultdict(list)
    groups: set[str] = set()
    alone = 0
    for job in jobs:
        if job.rule not in ("download", "fetch_model", "index"):
            own = layers[job.names.get("model", ""), job.names.get("preset", "")]
            layer = job.names.get("layer", "")
            own += [] if layer in own else [layer]
            group = group_of(study, job.rule, job.names, partial(own.index, layer))
            groups |= {group} if group else set()
            alone += group is None
    return len(groups) + alone


def read_measured() -> list[dict[str, str]]:
    """The rows of what was measured."""
    with MEASURED.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def page(old: str, rows: list[dict[str, str]]) -> str:
    """The page, its table made anew."""
    return _MARKED.sub(lambda found: found[1] + table(rows) + found[3], old)


def main(args: argparse.Namespace) -> None:
    """Write the page, and first what studies took, where any are named."""
    if args.studies:
        rows: list[dict[str, str]] = []
        for named in args.studies:
            file, _, results = named.partition(":")
            config = complete(yaml.safe_load(Path(file).read_text(encoding="utf-8")))
            study, jobs = Study(config), list(jobs_of(Path(results), config))
            rows += measured(jobs, study)
            work = sum(job.seconds for job in jobs)
            say(f"{config['study']}: {len(jobs)} jobs of {work:.0f} s in {submissions(jobs, study)} submissions")
        with MEASURED.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, _COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), read_measured()), encoding="utf-8")
    say(f"{PAGE}: {len(NEEDS)} rules")


if __name__ == "__main__":
    arguments = parser(__doc__)
    arguments.add_argument(
        "--studies", nargs="*", default=[], metavar="CONFIG:RESULTS", help="finished studies, to measure anew"
    )
    run(main, arguments)
