"""`convscope verify`: what of a study is not as it was written, and, if asked to, that alone made again."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

from convscope.errors import UserError, in_one_line
from convscope.jobs.sealing import note
from convscope.jobs.verify import (
    PERHAPS_LOST,
    Verified,
    candidates,
    in_folders_of_jobs,
    planned_from,
    remove,
    told,
    unsealed,
    verify,
    waves,
)
from convscope.storage.files import read_json, write_json
from convscope.storage.seals import asked_as, is_there, place_of, seal_file

_LONGEST_COMMAND = 100_000


def verify_study(name: str, snakemake: Sequence[str], repair: bool = False) -> int:
    """Look at all results of a study, say what is wrong, and have it made again.

    Args:
        name: of the study; its results are in results/<name> here.
        snakemake: the arguments of Python that run the workflow.
        repair: have what is damaged made again.

    Returns:
        The exit code: 1 where something is, or stays, damaged or missing, or has no seal any more. What nobody made is only told.

    Raises:
        UserError: there are no results.
    """
    study = _with_results(Path("results", name))
    found = _looked_at(study, snakemake)
    if not found.faults:
        return 0
    if not repair:
        print("convscope verify --repair has what is damaged or missing made again, and that alone", file=sys.stderr)
        return 1
    before = {output: seal.files for output, seal in found.seals.items()}
    rest = {fault.output or fault.file for fault in found.faults}
    known = _made_now(study, rest, snakemake)
    names: list[str] = []
    # By a damaged table of layers or of images nothing can be planned; behind it, what the study makes is known thereafter.
    now = planned_from(rest & known, found.seals)
    while now := now or _among_jobs(study, rest & known, snakemake):
        for wave in waves(now, found.seals):
            # Not before their turn: what a repair that ends early did not come to is as it was.
            remove(study, wave)
            for some in _portions([asked_as(study, name).as_posix() for name in wave]):
                # Targets before the options: --configfile takes all that follow it.
                command = [sys.executable, *snakemake[:4], *some, *snakemake[4:]]
                if subprocess.run(command, check=False).returncode:  # noqa: S603
                    raise UserError("not all of it could be made again; Snakemake says above why")
        names += now
        rest -= now
        now = set()
    for name in sorted(rest):
        _leave(study, name)
    again = _looked_at(study, snakemake)
    same = [name for name in names if name in again.seals and again.seals[name].files == before.get(name)]
    timed = [name for name in names if name not in same and name in again.seals and again.seals[name].timed]
    print(
        f"made again: {len(names)}, with the same bytes as before: {len(same)}"
        + (f", and with other times: {len(timed)}" if timed else "")
    )
    return 1 if again.faults else 0


def verify_folder(study: Path, repair: bool = False) -> int:
    """Look at results wherever they lie: of a workflow that has Convscope as a module, or somebody else's.

    Args:
        study: the folder that holds `seals`.
        repair: let the next run of the workflow make again what is damaged.

    Returns:
        As `verify_study`.

    Raises:
        UserError: there are no results.
    """
    found = _looked_at(_with_results(study), None)
    if not found.faults:
        return 0
    if repair:
        noted = {fault.output: fault for fault in found.faults if fault.output in found.seals}
        for fault in noted.values():
            note(study, fault)
        print(f"the next run of the workflow makes again: {len(noted)}, and what hangs on it", file=sys.stderr)
        left = {fault.file for fault in found.faults if fault.output not in found.seals}
        if left:
            print(
                f"without a seal that can be read, left as they are: {len(left)}; what is deleted is made again",
                file=sys.stderr,
            )
    else:
        print("convscope verify --repair has the next run of the workflow make again what is damaged", file=sys.stderr)
    return 1


def _with_results(study: Path) -> Path:
    """The folder, if it has seals."""
    if (study / "seals").is_dir():
        return study
    if is_there(study / "gallery") or is_there(study / "logs"):
        raise UserError(
            f"{study}: its results have no seals, and nobody knows whether they are whole; delete them, and convscope run makes them"
        )
    inner = sorted(path.parent for path in study.glob("*/seals"))
    hint = f"; did you mean {inner[0]}?" if inner else "; convscope run makes them"
    raise UserError(f"{study}: no results that could be looked at{hint}")


def _looked_at(study: Path, snakemake: Sequence[str] | None) -> Verified:
    began = time.monotonic()
    found = verify(study)
    took = time.monotonic() - began
    if found.strangers:
        if snakemake is None:
            unsealed(found, in_folders_of_jobs(found), PERHAPS_LOST)
        else:
            unsealed(found, _made_of(study, candidates(found), snakemake))
    print(*told(study, found), sep="\n", end="\n" if found.faults or found.strangers else "")
    damaged = len({fault.output or fault.file for fault in found.faults})
    print(
        f"{study}: {len(found.seals)} results, {found.files:,} files, {found.size / 1e6:,.1f} MB looked at in "
        f"{took:.1f} s; {damaged or 'none'} damaged or missing"
    )
    return found


def _made_of(study: Path, names: Collection[str], snakemake: Sequence[str]) -> set[str]:
    """Which of some names jobs of the study make, and keep."""
    kept = _ask(study, names, snakemake, says=True)
    if kept is None:
        print("which files without a seal are the study's is not known: Snakemake could not be asked", file=sys.stderr)
    return kept or set()


def _made_now(study: Path, names: Collection[str], snakemake: Sequence[str]) -> set[str]:
    """Which of some results rules of the study make, as it is written now: not those of a model that it had before.

    Raises:
        UserError: a run of the study is at work, or it cannot be run; nothing was taken away.
    """
    made = _ask(study, names, snakemake)
    if made is None:
        raise UserError("nothing was made again, and nothing taken away; the reason is above")
    return made


def _among_jobs(study: Path, names: Collection[str], snakemake: Sequence[str]) -> set[str]:
    """Which of some results a whole run of the study would make, if nothing were there.

    A rule may make what nobody asks for: a layer that was in a list once, and is not known any more.

    Raises:
        UserError: the study cannot be planned.
    """
    if not names:
        return set()
    made = _ask(study, names, snakemake, says=True)
    if made is None:
        raise UserError("not all of it could be made again; Snakemake cannot plan the study")
    return made


def _ask(study: Path, names: Collection[str], snakemake: Sequence[str], says: bool = False) -> set[str] | None:
    """Ask the rules which of some results they make; None where they cannot be asked, for a reason that is printed.

    Args:
        study: the study's folder.
        names: of the results.
        snakemake: see `verify_study`.
        says: only what a whole run makes, and no other run is in the way; else what any rule makes, if no run is at work.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder, "asked.json")
        write_json(asked, {name: asked_as(study, name).as_posix() for name in names})
        done = subprocess.run(  # noqa: S603
            [sys.executable, *snakemake[:4], *(["--summary"] if says else []), *snakemake[4:]],
            env={**os.environ, "CONVSCOPE_ASKED": str(asked)},
            stdout=subprocess.PIPE if says else None,
            stderr=subprocess.PIPE if says else None,
            text=True,
            errors="surrogateescape",
            check=False,
        )
        if done.returncode:
            print(done.stderr or "", end="", file=sys.stderr)
            return None
        made = set(read_json(asked))
    if says:
        jobs = {line.partition("\t")[0] for line in done.stdout.splitlines()}
        made = {name for name in made if asked_as(study, name).as_posix() in jobs}
    return made


def _leave(study: Path, name: str) -> None:
    """Of a result that cannot be made again: leave what is there, and forget what is not."""
    path, seal = place_of(study, name), seal_file(study, name)
    if is_there(path):
        said = f"{path} is left as it is: the study does not make it any more; delete it, and {seal}"
        print(in_one_line(said), file=sys.stderr)
        return
    seal.unlink(missing_ok=True)
    seal.with_suffix(".chunks.npy").unlink(missing_ok=True)
    said = f"{path} is forgotten: it is gone, and the study does not make it any more"
    print(in_one_line(said), file=sys.stderr)


def _portions(names: Sequence[str]) -> list[list[str]]:
    """Names in portions that a command line takes."""
    portions: list[list[str]] = [[]]
    length = 0
    for name in names:
        if length + len(name) > _LONGEST_COMMAND:
            portions.append([])
            length = 0
        portions[-1].append(name)
        length += len(name) + 1
    return portions
