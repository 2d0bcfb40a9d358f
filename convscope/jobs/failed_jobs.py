"""The end of a run in which jobs failed: why each of them did, and what was not made because of it.

Snakemake's jobs are taken as they come, for their `rule.name`, `wildcards_dict`, `log` and `output`; nothing is imported
from it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from convscope.errors import in_one_line
from convscope.jobs.disk_errors import trouble_at

# How `convscope.jobs.job` ends the log of a job: "ascend: error: what is wrong".
_ERROR = re.compile(r"^\S+: error: (.+)$")
INTERRUPTED = "interrupted"
SILENT = "stopped without giving a reason (killed? short of memory or time?)"
UNBEGUN = "stopped before it wrote a log; what Snakemake says of it stands above"
# An error's line is the last one or nearly; libraries may say good-bye after it.
_LAST_BYTES = 20_000
_LONGEST = 500


@dataclass(frozen=True)
class Failure:
    """A job that failed: its name ("ascend net textbook conv1"), the reason in one line, its log ("" for none)."""

    name: str
    reason: str
    log: str

    @property
    def line(self) -> str:
        """All of it in one line."""
        return f"{self.name}: {self.reason}" + (f" ({self.log})" if self.log else "")


def job_name(job: Any) -> str:
    """A job's rule and the values of its wildcards."""
    return " ".join([str(job.rule.name), *(str(value) for value in job.wildcards_dict.values())])


def why(logs: Iterable[str], since: float) -> tuple[str, str]:
    """The reason that a job's log gives, in one line, and the log's name ("" where this run wrote none).

    Args:
        logs: the job's log files.
        since: when the run began, seconds since the epoch; an older log is another run's.
    """
    for name in map(str, logs):
        path = Path(name)
        if not path.is_file() or path.stat().st_mtime < since:
            if trouble := trouble_at(path.parent):
                return trouble, name
            continue
        with path.open("rb") as stream:
            stream.seek(max(path.stat().st_size - _LAST_BYTES, 0))
            lines = stream.read().decode("utf-8", "replace").splitlines()
        found = [match[1].strip() for match in map(_ERROR.match, lines) if match]
        if found:
            return _readable(found[-1]), name
        return trouble_at(path.parent) or SILENT, name
    return UNBEGUN, ""


def _readable(text: str) -> str:
    """A text to show on a terminal: some libraries complain by the page."""
    shown = in_one_line(text)
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]} ..."


def failures(failed: Iterable[Any], since: float) -> dict[Any, Failure]:
    """The failed jobs, each with its reason; of a group, its jobs.

    Args:
        failed: jobs or groups of jobs.
        since: when the run began, seconds since the epoch.
    """
    found: dict[Any, Failure] = {}
    for entry in failed:
        jobs = {job: Failure(job_name(job), *why(job.log, since)) for job in getattr(entry, "jobs", [entry])}
        # Of a group that failed, the others were well, or never began.
        guilty = {job: failure for job, failure in jobs.items() if failure.reason not in (SILENT, UNBEGUN)}
        found |= guilty or jobs
    return dict(sorted(found.items(), key=lambda entry: entry[1].name))


def companions(entries: Iterable[Any], failed: Mapping[Any, Failure]) -> dict[Any, Failure]:
    """Of the groups that failed, the jobs that were well or never began, each with the failure of another one that is to blame.

    Args:
        entries: jobs or groups of jobs, as in `failures`.
        failed: what that found.
    """
    found: dict[Any, Failure] = {}
    for entry in entries:
        jobs = getattr(entry, "jobs", [entry])
        guilty = sorted((failed[job] for job in jobs if job in failed), key=lambda failure: failure.name)
        found |= {job: guilty[0] for job in jobs if job not in failed}
    return found


def unmade(
    unfinished: Iterable[Any],
    needed_by: Mapping[Any, Iterable[Any]],
    failed: Mapping[Any, Failure],
    beside: Mapping[Any, Failure] | None = None,
    since: float = 0.0,
) -> dict[str, str]:
    """The files that a run wanted to make and did not: file -> the reason in one line.

    Args:
        unfinished: the jobs that should have run and are not finished, the failed ones among them.
        needed_by: for each job, those that it waits for.
        failed: what `failures` found.
        beside: what `companions` found; what these have made stands.
        since: when the run began, seconds since the epoch; an older file is another run's.
    """
    beside = beside or {}
    reasons = {**beside, **failed}
    blamed: dict[Any, str] = {job: f"{failure.name} failed: {failure.reason}" for job, failure in reasons.items()}

    def blame(job: Any) -> str:
        # Depth first, without recursion: a chain of jobs may be longer than Python's stack.
        stack = [job]
        while stack:
            current = stack[-1]
            if current in blamed:
                stack.pop()
                continue
            waits_for = list(needed_by.get(current, ()))
            waiting = [other for other in waits_for if other not in blamed]
            if waiting:
                stack.extend(waiting)
            else:
                blamed[current] = next((blamed[other] for other in waits_for if blamed[other]), "")
                stack.pop()
        return blamed[job]

    return {
        str(file): blame(job) or "the run ended before it was made"
        for job in unfinished
        for file in job.output
        if not (job in beside and _made(str(file), since))
    }


def _made(file: str, since: float) -> bool:
    path = Path(file)
    return path.exists() and path.stat().st_mtime >= since


def misleading(unfinished: Iterable[Any]) -> list[Any]:
    """The unfinished jobs whose files of an older run would be taken for present ones by the next run.

    Snakemake makes a lost file again only where a job that has to run wants it. Between a job that failed (its files were
    removed) and the pages, files of an older run may lie that are newer than all they were made of: nothing would ask for
    the failed job again.
    """
    return [
        job
        for job in unfinished
        if any(Path(str(file)).exists() for file in job.output)
        and not all(Path(str(file)).exists() for file in job.input)
    ]


def as_json(failed: Mapping[Any, Failure], files: Mapping[str, str]) -> dict[str, Any]:
    """The same for the gallery's script: `{"jobs": [{"name", "reason", "log"}, ...], "files": {file: reason}}`."""
    return {"jobs": [asdict(failure) for failure in failed.values()], "files": dict(files)}
