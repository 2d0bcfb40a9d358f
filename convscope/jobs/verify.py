"""Whether all results of a study are as their jobs wrote them, and in which order to make again what is not."""

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from convscope.errors import UserError, in_one_line
from convscope.jobs.sealing import is_planned_from
from convscope.storage.fingerprints import is_ignored
from convscope.storage.seals import TOUCHED, UNSEALED, Fault, Seal, every_seal, faults, job_of, output_of, place_of

# What a training or an ascent that is not finished keeps for going on.
_UNFINISHED = (".state", "state")
# What is said of a result without a seal; where nobody can be asked, of what may be one.
LOST = "its seal is gone, and nobody knows whether it is whole"
PERHAPS_LOST = "a result whose seal is gone, or somebody's own"


@dataclass
class Verified:
    """What `verify` found.

    Attributes:
        seals: of every result, by its name below the study.
        files, size: how many files were looked at, and their bytes.
        faults: what is not as it was written.
        strangers: files that belong to no result.
    """

    seals: dict[str, Seal] = field(default_factory=dict)
    files: int = 0
    size: int = 0
    faults: list[Fault] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


def verify(study: Path) -> Verified:
    """Read every result of a study and compare it with its seal.

    Args:
        study: the study's folder.

    Raises:
        OSError: the folder cannot be read.
    """
    found = Verified()
    for place, known in every_seal(study):
        if known is None:
            inner = output_of(study, place)
            found.faults.append(Fault(inner, "changed", "its seal is damaged", inner))
            continue
        found.seals[known.output] = known
        found.faults += faults(study, known)
        found.files += len(known.files)
        found.size += sum(size for size, _ in known.files.values())
    known_files = {str(Path(output, name)) for output, known in found.seals.items() for name in known.files}
    accused = {fault.file for fault in found.faults}
    found.strangers = [name for name in _results(study) if name not in known_files and name not in accused]
    return found


def candidates(found: Verified) -> list[str]:
    """What may be results that lost their seals: files without one, and the folders that they lie in."""
    names = {str(part) for name in found.strangers for part in (Path(name), *Path(name).parents)}
    return sorted(names - {"."})


def unsealed(found: Verified, made: Collection[str], what: str = LOST) -> None:
    """Take the files without a seal that belong to results for faults: nobody knows whether they are whole.

    Args:
        found: is changed.
        made: the names among `candidates` of what jobs make.
        what: is said of them.
    """
    owners = {
        name: next((str(part) for part in (*reversed(Path(name).parents), Path(name)) if str(part) in made), "")
        for name in found.strangers
    }
    found.faults += [Fault(owner, "unsealed", what, owner) for owner in sorted(set(owners.values()) - {""})]
    found.strangers = [name for name, owner in owners.items() if not owner]


def in_folders_of_jobs(found: Verified) -> set[str]:
    """Those among the files without a seal that lie where jobs of the study keep what they make; for where nobody can be asked."""
    folders = {Path(output).parts[0] for output in found.seals if len(Path(output).parts) > 1}
    return {name for name in found.strangers if Path(name).parts[0] in folders and len(Path(name).parts) > 1}


def _results(study: Path) -> Iterator[str]:
    """Every file of a study but what is said, measured, unfinished, or Snakemake's own."""
    for folder, folders, names in os.walk(study):
        inner = Path(folder).relative_to(study)
        folders[:] = sorted(
            name for name in folders if not name.endswith(_UNFINISHED) and not (inner == Path() and name in UNSEALED)
        )
        for name in sorted(names):
            if name not in TOUCHED and not is_ignored(name):
                yield str(inner / name)


def waves(outputs: Collection[str], seals: Mapping[str, Seal]) -> list[list[str]]:
    """Results in the order in which they have to be made again: none of a wave is made from another of it, or of a later one.

    All at once would be asked of Snakemake in vain: between two of them it would make again what is whole.

    Args:
        outputs: the results.
        seals: of every result of the study.
    """
    depths: dict[str, int] = {}

    def depth(output: str) -> int:
        # Depth first without recursion, as deep as a chain of results may be; what leads back to itself counts for nothing.
        path = [(output, iter(seals[output].inputs if output in seals else ()))]
        on_path = {output}
        while path:
            current, inputs = path[-1]
            following = next((name for name in inputs if name not in depths and name not in on_path), None)
            if following is not None:
                path.append((following, iter(seals[following].inputs if following in seals else ())))
                on_path.add(following)
                continue
            path.pop()
            on_path.discard(current)
            made_of = seals[current].inputs if current in seals else ()
            depths[current] = max((depths.get(name, 0) + (name in outputs) for name in made_of), default=0)
        return depths[output]

    # The pages are made of everything, whatever their seal names.
    last = [name for name in outputs if name.partition("/")[0] in ("gallery", "..")]
    grouped: dict[int, list[str]] = {}
    for output in sorted(set(outputs) - set(last)):
        grouped.setdefault(depth(output), []).append(output)
    return [grouped[key] for key in sorted(grouped)] + ([sorted(last)] if last else [])


def planned_from(outputs: Collection[str], seals: Mapping[str, Seal]) -> set[str]:
    """The tables among some results by which a run is planned, and those among them that the tables are made from."""
    found: set[str] = set()
    looked: set[str] = set()
    waiting = [name for name in outputs if is_planned_from(name)]
    while waiting:
        name = waiting.pop()
        if name in looked:
            continue
        looked.add(name)
        found |= {name} & set(outputs)
        waiting += seals[name].inputs if name in seals else ()
    return found


def told(study: Path, found: Verified, most: int = 200) -> list[str]:
    """What was found, for people: a line a fault, those of one kind together."""
    lines = [
        f"{fault.kind}: {study / fault.file}"
        + (f": {fault.what.removeprefix(f'{fault.kind}: ')}" if fault.what != fault.kind else "")
        + (f" (made by {job_of(fault.made_by)})" if fault.made_by else "")
        for fault in sorted(found.faults, key=lambda fault: (fault.kind, fault.file))
    ]
    lines += [f"foreign: {study / name}: no job of the study made it" for name in found.strangers]
    lines = list(map(in_one_line, lines))
    return lines[:most] + ([f"... and {len(lines) - most} more"] if len(lines) > most else [])


def remove(study: Path, names: Iterable[str]) -> None:
    """Take damaged results away, so that they are made again.

    Args:
        study: the study's folder.
        names: of the results, below it.

    Raises:
        UserError: one of them cannot be.
    """
    import shutil

    for name in names:
        path = place_of(study, name)
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{path} is damaged and cannot be taken away: {error.strerror}") from None
