"""Every job reads what its rule declares, and nothing else: what it read besides could change, and the job would not be done again."""

import base64
import json
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]


def declared(project: Project) -> dict[str, tuple[str, set[str]]]:
    """Of each job, by its log: its rule, and its inputs and outputs, as Snakemake has noted them."""
    jobs: dict[str, tuple[str, set[str]]] = {}
    records = project.folder / ".snakemake" / "metadata"
    for record in filter(Path.is_file, records.rglob("*")):
        # Long names are cut into folders.
        name = str(record.relative_to(records)).replace("/@", "").removeprefix("@")
        facts = json.loads(record.read_text(encoding="utf-8"))
        for log in facts["log"]:
            files = jobs.setdefault(log, (facts["rule"], set()))[1]
            files.update([log, base64.b64decode(name).decode(), *facts["input"]])
    return jobs


def test_a_job_reads_what_its_rule_declares(finished: Project) -> None:
    jobs, seen, undeclared = declared(finished), set(), []
    for noted in (finished.folder / ".snakemake" / "reads").iterdir():
        command, *names = noted.read_bytes().decode("utf-8", "surrogateescape").splitlines()
        words = command.split("\0")
        if "--log" not in words:
            continue
        rule, files = jobs[words[words.index("--log") + 1]]
        seen.add(rule)
        for name in {f"results/{name.rpartition('/results/')[2]}" for name in names}:
            above = {name, *(str(folder) for folder in Path(name).parents)}
            # A picture of a dataset is known by its checksum in the table that lists it, a kept state by what is in it; and a file
            # that is being written is the job's own.
            known = files & above or "/drawn" in name or "state" in name or ".part" in name
            # A seal says whether an input is whole, and nothing of what is made of it.
            known = known or "/seals" in name
            # A folder is looked through for what its job left behind when it was cut off.
            known = known or name in {str(Path(file).parent) for file in files}
            # What the gallery makes for itself; and pictures in the folders of jobs whose tables are declared.
            inside = rule == "gallery" and (
                "/gallery/" in name or any(f"{folder}.csv" in files for folder in above) or "/sheets" in name
            )
            if not (known or inside):
                undeclared.append(f"{rule}: {name}")
    assert len(seen) > 20, seen
    assert not undeclared, "\n".join(sorted(undeclared))
