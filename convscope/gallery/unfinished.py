"""A run in which jobs failed: what a gallery of the rest says of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from convscope.errors import UserError
from convscope.gallery.tables import existing, read_object


@dataclass(frozen=True)
class FailedJob:
    """A job that failed: its rule and names ("ascend net textbook conv1"), the reason in one line, its log if there is one."""

    name: str
    reason: str
    log: Path | None


@dataclass(frozen=True)
class Unfinished:
    """The jobs that failed, and the files that were not made, each with the reason."""

    jobs: tuple[FailedJob, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)


def read_unfinished(path: Path) -> Unfinished:
    """Read `{"jobs": [{"name", "reason", "log"}, ...], "files": {path: reason}}`.

    Raises:
        UserError: there is no such file, or it is damaged.
    """
    if not path.is_file():
        raise UserError(f"--unfinished {path}: no such file")
    value = read_object(path)
    jobs = tuple(
        FailedJob(str(job["name"]), str(job["reason"]), existing(Path(job["log"])) if job.get("log") else None)
        for job in value.get("jobs", [])
    )
    return Unfinished(jobs, {str(file): str(reason) for file, reason in value.get("files", {}).items()})
