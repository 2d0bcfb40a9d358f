"""`convscope verify`: what of a study is not as it was written, and, if asked to, that alone made again."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from convscope.errors import UserError
from convscope.jobs.verify import Verified, remove, told, verify, waves

_LONGEST_COMMAND = 100_000


def verify_study(name: str, snakemake: Sequence[str] | None) -> int:
    """Look at all results of a study, say what is wrong, and have it made again.

    Args:
        name: of the study; its results are in results/<name> here.
        snakemake: the arguments of Python that run the workflow; None where nothing is to be made again.

    Returns:
        The exit code: 1 where something is, or stays, damaged or missing. What nobody made is only told.

    Raises:
        UserError: there are no results.
    """
    study = Path("results", name)
    if not (study / "seals").is_dir():
        raise UserError(f"{study}: no results that could be looked at; convscope run makes them")
    found = _looked_at(study)
    if not found.faults:
        return 0
    if snakemake is None:
        print("convscope verify --repair has what is damaged or missing made again, and that alone", file=sys.stderr)
        return 1
    before = {output: seal.files for output, seal in found.seals.items()}
    names = remove(study, found.faults)
    for wave in waves(names, found.seals):
        for some in _portions([str((study / name).as_posix()) for name in wave]):
            # Targets before the options: --configfile takes all that follow it.
            command = [sys.executable, *snakemake[:4], *some, *snakemake[4:]]
            if subprocess.run(command, check=False).returncode:  # noqa: S603
                raise UserError("not all of it could be made again; Snakemake says above why")
    again = _looked_at(study)
    same = [name for name in names if name in again.seals and again.seals[name].files == before.get(name)]
    print(f"made again: {len(names)}, with the same bytes as before: {len(same)}")
    return 1 if again.faults else 0


def _looked_at(study: Path) -> Verified:
    began = time.monotonic()
    found = verify(study)
    print(*told(study, found), sep="\n", end="\n" if found.faults or found.strangers else "")
    damaged = len({fault.output or fault.file for fault in found.faults})
    print(
        f"{study}: {len(found.seals)} results, {found.files:,} files, {found.size / 1e6:,.1f} MB looked at in "
        f"{time.monotonic() - began:.1f} s; {damaged or 'none'} damaged or missing"
    )
    return found


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
