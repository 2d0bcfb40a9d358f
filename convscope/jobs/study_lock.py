"""One run a study: a second one of the same study is refused, others go on beside it, and a killed one leaves nothing to clear.

Snakemake's own locks are off (`nolock` in the profiles). They are plain files of the whole folder: they outlive a kill, then nobody
can tell whose they are; and the first of two runs to end removes those of both.
"""

import atexit
import os
from collections.abc import Sequence
from pathlib import Path

from convscope.errors import UserError
from convscope.jobs.disk_errors import unwritable
from convscope.storage import runs
from convscope.storage.identity import identity
from convscope.storage.locks import Holder, Lock, holder_of

# What Snakemake is asked to say, not to make.
_WORDS = """
-n --dry-run --dryrun -l --lint --list --list-rules --list-target-rules --list-changes --list-input-changes
--list-params-changes --list-untracked --list-conda-envs -S --summary -D --detailed-summary --dag --rulegraph --filegraph
--d3dag --report --print-compilation --generate-unit-tests --version --help -h
"""
_ONLY_SAYS = frozenset(_WORDS.split())
_held: dict[Path, Lock] = {}


def begin_run(
    folder: str | os.PathLike[str],
    study: str,
    arguments: Sequence[str] = (),
    only_says: bool = False,
    results: str = "",
) -> bool:
    """Hold the study's lock until this process ends, and say to its jobs that they belong to it.

    Args:
        folder: `.snakemake` of the working directory.
        study: its name.
        arguments: of the command line; what only asks is neither refused nor does it hold anything.
        only_says: the same, known from elsewhere.
        results: the folder of its results, where that is not the usual one: a study of one name may lie below two prefixes.

    Returns:
        Whether the lock is held: not where nothing is to be made, nor in a place that cannot be written.

    Raises:
        UserError: another run of the study is at work, or one on another computer may be; locks are to be removed while
            runs live; or nothing can be written, and the study was never run here, or last asked what it would do.
    """
    folder = Path(folder)
    given = {argument.partition("=")[0] for argument in arguments}
    if "--unlock" in given:
        _refuse_unlock(folder)
        return False
    if only_says or given & _ONLY_SAYS:
        return False
    elsewhere = f".{identity(results=results)[:12]}" if results else ""
    lock = Lock(folder / "runs" / f"{study}{elsewhere}.lock")
    # Of a module, Snakemake reads the rules again for each `use rule`.
    if lock.path in _held:
        return True
    try:
        holder = _take(lock)
    except OSError:
        # A finished study may be looked at where nothing can be written; one that was never run here can't, and where it was only
        # asked what a run would do, Snakemake takes away what it kept of that.
        looked_at = (folder / "metadata").is_dir() and not (folder / "iocache" / "latest.pkl").exists()
        if not looked_at and (trouble := unwritable(folder)):
            raise UserError(trouble) from None
        return False
    if holder is not None:
        raise UserError(_refusal(study, holder, lock.path))
    if not [path for path in _live(folder) if path != lock.path]:
        # Left by a run that had Snakemake's own locks on, and was killed.
        for stale in (folder / "locks").glob("*.lock"):
            stale.unlink(missing_ok=True)
    runs.announce(lock.path, lock.token)
    return True


def hold_figure(
    folder: str | os.PathLike[str], figure: str, place: str, arguments: Sequence[str] = (), only_says: bool = False
) -> bool:
    """Hold a figure's folder until this process ends: studies share it, and of two that fill it at once each takes the other's away.

    Args:
        folder: `.snakemake` of the working directory.
        figure: its name.
        place: the folder that holds the figures.
        arguments, only_says: see `begin_run`.

    Returns:
        Whether it is held, see `begin_run`.

    Raises:
        UserError: a run of another study is making the figure.
    """
    if only_says or {argument.partition("=")[0] for argument in arguments} & _ONLY_SAYS:
        return False
    name = identity(figure=f"{place}/{figure}")[:12]
    lock = Lock(Path(folder) / "runs" / "figures" / f"{figure}.{name}.lock")
    # Of a module, Snakemake reads the rules again for each `use rule`.
    if lock.path in _held:
        return True
    try:
        holder = _take(lock)
    except OSError:
        return False
    if holder is not None:
        where = "" if holder.known_to_live else f"; if there is none, delete {lock.path} and start again"
        raise UserError(
            f"{place}/{figure}: a run of another study is making it ({holder}), and studies share that folder; wait for its end, or "
            f"start this one in a folder of its own{where}"
        )
    return True


def _take(lock: Lock) -> Holder | None:
    """Hold a lock until this process ends; who else has it, or None.

    Raises:
        OSError: it cannot be written.
    """
    if (holder := lock.acquire()) is None:
        _held[lock.path] = lock
        atexit.register(lock.release)
    return holder


def _live(folder: Path) -> dict[Path, Holder]:
    found = {path: holder_of(path) for path in sorted((folder / "runs").glob("*.lock"))}
    return {path: holder for path, holder in found.items() if holder is not None}


def _refuse_unlock(folder: Path) -> None:
    for path, holder in _live(folder).items():
        if not holder.known_to_live:
            raise UserError(_refusal(path.stem, holder, path))
        raise UserError(
            f"study '{path.stem}': a run of it is at work here ({holder}), and --unlock would not help it or you: "
            "wait for its end, or stop it. What a killed run leaves is cleared without --unlock"
        )


def _refusal(study: str, holder: Holder, path: Path) -> str:
    if holder.known_to_live:
        return (
            f"study '{study}': another run of it is at work in this folder ({holder}); wait for its end, or stop it. "
            "There is nothing to unlock, and a study of another name can run beside it"
        )
    return (
        f"study '{study}': a run of it may be at work on another computer ({holder}), where this one cannot look. "
        f"If it is, wait for its end; if it is not, delete {path} and start again"
    )
