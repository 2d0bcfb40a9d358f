"""`convscope verify`: what of a study is not as it was written, and, if asked to, that alone made again."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from convscope.errors import UserError
from convscope.jobs.verify import Verified, remove, told, verify, waves
from convscope.storage.files import read_json, write_json
from convscope.storage.seals import asked_as, is_there, place_of, seal_file

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
    damaged = sorted({fault.output or fault.file for fault in found.faults})
    made = _made_now(study, damaged, snakemake)
    for name in damaged:
        if name not in made:
            _leave(study, name)
    names = [name for name in damaged if name in made]
    for wave in waves(names, found.seals):
        # Not before their turn: what a repair that ends early did not come to is as it was.
        remove(study, wave)
        for some in _portions([asked_as(study, name).as_posix() for name in wave]):
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


def _made_now(study: Path, names: Sequence[str], snakemake: Sequence[str]) -> set[str]:
    """Which of some results the study makes, as it is written now: not those of a model that it had before.

    Raises:
        UserError: a run of the study is at work, or it cannot be run; nothing was taken away.
    """
    with tempfile.TemporaryDirectory() as folder:
        asked = Path(folder, "asked.json")
        write_json(asked, {name: asked_as(study, name).as_posix() for name in names})
        if subprocess.run(  # noqa: S603
            [sys.executable, *snakemake], env={**os.environ, "CONVSCOPE_ASKED": str(asked)}, check=False
        ).returncode:
            raise UserError("nothing was made again, and nothing taken away; the reason is above")
        return set(read_json(asked))


def _leave(study: Path, name: str) -> None:
    """Of a result that cannot be made again: leave what is there, and forget what is not."""
    path, seal = place_of(study, name), seal_file(study, name)
    if is_there(path):
        print(f"{path} is left as it is: the study does not make it any more; delete it, and {seal}", file=sys.stderr)
        return
    seal.unlink(missing_ok=True)
    seal.with_suffix(".chunks.npy").unlink(missing_ok=True)
    print(f"{path} is forgotten: it is gone, and the study does not make it any more", file=sys.stderr)


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
