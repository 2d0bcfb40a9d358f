"""Seals: what a job wrote, as it was when the job ended, so that what happens to it later is seen.

Beside a study's results lies a folder `seals`, and in it for each result, a file or a folder, a JSON of the same name: the size and
the digest of every file, what they were made from, and the log of the job. It is written last: a result without one is not known to
be whole. Paths are relative to the study, which may be moved.
"""

import dataclasses
import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from convscope.storage.digests import digest_of_bytes, digest_of_file
from convscope.storage.files import atomic_path, write_text
from convscope.storage.fingerprints import is_ignored

if TYPE_CHECKING:  # NumPy is not needed where nothing is large
    from convscope.storage.chunk_digests import ChunkDigests

FOLDER = "seals"
# What the workflow and its jobs leave beside the results: said, measured, unfinished.
UNSEALED = frozenset({"logs", "benchmarks", FOLDER})
# Snakemake's own, empty, to say that something was done, and when.
TOUCHED = frozenset({"listed", ".snakemake_timestamp"})
_LONGEST_NAME = 255

Kind = Literal["missing", "emptied", "cut", "changed", "foreign", "unreadable", "unsealed"]


@dataclasses.dataclass(frozen=True)
class Seal:
    """What is known of a result.

    Attributes:
        output: the result, below the study's folder.
        made_by: log of the job, below the study's folder ("logs/ascend/net.textbook.conv1.log").
        files: name below the result -> (bytes, digest); of a result that is a file, "" alone.
        is_folder: whether it is one.
        inputs: sealed results that it was made from, below the study's folder; those of which the job knew.
        chunks: of a large file; then its digest is that of what is in no chunk.
        timed: the files among them that tell how long something took: another run's are others.
    """

    output: str
    made_by: str
    files: dict[str, tuple[int, str]]
    is_folder: bool = False
    inputs: tuple[str, ...] = ()
    chunks: "ChunkDigests | None" = None
    timed: tuple[str, ...] = ()

    @property
    def job(self) -> str:
        """The job in words: "ascend net.textbook.conv1"."""
        return job_of(self.made_by)


@dataclasses.dataclass(frozen=True)
class Fault:
    """A file that is not as it was written, and the result that it belongs to.

    Attributes:
        file: below the study's folder.
        kind: what is the matter.
        what: the same for people ("cut: 12 of 300 bytes").
        output, made_by: see `Seal`; "" where no seal says.
    """

    file: str
    kind: Kind
    what: str
    output: str = ""
    made_by: str = ""


def job_of(log: str) -> str:
    """A job in words, from its log below the study's folder."""
    return " ".join(Path(log).with_suffix("").parts[1:])


def study_of(log: Path | None) -> Path | None:
    """The study's folder of a job, from its log `<study>/logs/...`; None for a job that has no such log."""
    parents = [] if log is None else list(log.parents)
    return next((parent.parent for parent in parents if parent.name == "logs"), None)


def is_there(path: Path) -> bool:
    """Whether something is there; what cannot be reached is not."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def below(study: Path, path: Path) -> str:
    """A path as seals name it; "" where it is not below the study's folder, or the folder itself."""
    name = os.path.relpath(path, study)
    return "" if name == "." or name.split(os.sep, 1)[0] == ".." else name


def place_of(study: Path, output: str) -> Path:
    """Where a result lies; a figure beside the study, also where the study's folder is a link to another disk."""
    return Path(os.path.normpath(study / output))


def asked_as(study: Path, output: str) -> Path:
    """What to ask Snakemake for, to have a result made: of the pages, whose folder no rule names, the first."""
    place = place_of(study, output)
    return place / "index.html" if output == "gallery" else place


def seal_file(study: Path, output: str) -> Path:
    """Where the seal of a result lies."""
    folder, name = os.path.split(output)
    if len(os.fsencode(name)) + len(".chunks.npy") > _LONGEST_NAME:
        name = hashlib.sha256(os.fsencode(name)).hexdigest()[:32]
    return study / FOLDER / folder.replace("..", "@") / f"{name}.json"


def output_of(study: Path, place: Path) -> str:
    """The result whose seal lies there; its own name tells it, unless that was too long."""
    parts = place.relative_to(study / FOLDER).with_suffix("").parts
    return str(Path("..", "..", *parts[2:]) if parts[:3] == ("@", "@", "figures") else Path(*parts))


def seal(
    study: Path,
    path: Path,
    made_by: str,
    inputs: Iterable[str] = (),
    chunks: "ChunkDigests | None" = None,
    timed: Collection[Path] = (),
) -> Seal:
    """Take the digest of a result and keep it.

    Args:
        study: the study's folder.
        path: the file or folder, below it or a figure beside all studies.
        made_by, inputs, chunks: see `Seal`.
        timed: paths, those of other results too, see `Seal`.

    Raises:
        OSError: it is not there, or cannot be read.
    """
    output = os.path.relpath(path, study)
    found = {name: _look(path / name if name else path, chunks) for name in sorted(_names(path))}
    told = tuple(name for name in found if (path / name if name else path) in timed)
    result = Seal(output, made_by, found, path.is_dir(), tuple(sorted(set(inputs) - {output})), chunks, told)
    write_seal(study, result)
    return result


def write_seal(study: Path, result: Seal) -> None:
    """Keep a seal."""
    place = seal_file(study, result.output)
    facts = {field.name: getattr(result, field.name) for field in dataclasses.fields(result) if field.name != "chunks"}
    if result.chunks is not None:
        table = result.chunks.as_bytes()
        facts["layers"], facts["chunks"] = result.chunks.layers, digest_of_bytes(table)
        with atomic_path(place.with_suffix(".chunks.npy")) as temporary:
            temporary.write_bytes(table)
    text = json.dumps(facts, sort_keys=True)
    write_text(place, json.dumps({"seal": digest_of_bytes(text.encode()), **facts}, indent=1, sort_keys=True) + "\n")


def read_seal(study: Path, output: str) -> Seal | None:
    """The seal of a result; None where it has none.

    Raises:
        ValueError: the seal itself is damaged.
    """
    return _read(seal_file(study, output))


def _read(place: Path, with_chunks: bool = True) -> Seal | None:
    try:
        facts: dict[str, Any] = json.loads(place.read_bytes())
        told = facts.pop("seal")
        if digest_of_bytes(json.dumps(facts, sort_keys=True).encode()) != told:
            raise ValueError("its digest is another")
        layers, table_digest = facts.pop("layers", None), facts.pop("chunks", None)
        chunks = None
        if layers is not None and with_chunks:
            table_file = place.with_suffix(".chunks.npy")
            if not table_file.is_file():
                raise ValueError("the digests of its chunks are gone")
            table = table_file.read_bytes()
            if digest_of_bytes(table) != table_digest:
                raise ValueError("the digest of its chunks is another")
            from convscope.storage.chunk_digests import from_bytes

            chunks = from_bytes(tuple(layers), table)
        facts.setdefault("timed", [])  # of an earlier version
        words = (facts["output"], facts["made_by"], *facts["inputs"], *facts["timed"])
        if not all(isinstance(word, str) for word in words) or not _is_of_a_study(facts["output"]):
            raise ValueError("it is of nothing that a study makes")
        files = {name: (int(size), str(digest)) for name, (size, digest) in facts.pop("files").items()}
        lists = {name: tuple(facts[name]) for name in ("inputs", "timed")}
        return Seal(**{**facts, **lists}, files=files, chunks=chunks)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        OSError,
        ArithmeticError,
        MemoryError,
        RecursionError,
    ) as error:
        raise ValueError(f"{place}: {error}") from None


def _is_of_a_study(output: str) -> bool:
    """Whether a name is below the study's folder, or a figure beside all studies: results may be a stranger's."""
    parts = Path(output).parts
    inside = parts[3:] if parts[:3] == ("..", "..", "figures") else parts
    return (
        bool(inside)
        and inside[0] not in UNSEALED
        and ".." not in inside
        and "\0" not in output
        and all(len(os.fsencode(part)) <= _LONGEST_NAME for part in inside)
        and not Path(output).is_absolute()
    )


def seal_over(study: Path, path: Path, known: dict[str, Seal | None] | None = None) -> Seal | None:
    """The seal of a result, or of the folder that a file is a part of; None where there is none.

    Args:
        study: the study's folder.
        path: the file or folder, below it.
        known: seals that were read before; more are added.

    Raises:
        ValueError: the seal itself is damaged.
    """
    name, known = below(study, path), {} if known is None else known
    while name:
        if name not in known:
            known[name] = read_seal(study, name)
        found = known[name]
        if found is not None:
            return found
        name = os.path.split(name)[0]
    return None


def every_seal(study: Path, chunks: bool = True) -> Iterator[tuple[Path, Seal | None]]:
    """All seals of a study with the files that hold them; None for one that is damaged.

    Without `chunks` their tables are left aside: for a glance, which reads nothing.
    """
    for folder, folders, names in os.walk(study / FOLDER):
        folders.sort()
        for name in sorted(names):
            place = Path(folder, name)
            if name.startswith(".") or place.suffix != ".json":
                continue
            try:
                yield place, _read(place, chunks)
            except ValueError:
                yield place, None


def faults(study: Path, known: Seal, only: str | None = None, deep: bool = True, quick: bool = False) -> list[Fault]:
    """What is not as a seal says.

    Args:
        study: the study's folder.
        known: the seal.
        only: look at this file of the result alone (name below it).
        deep: read the chunks of large files too.
        quick: believe what is there and has its size.
    """
    root = place_of(study, known.output)
    # To list a folder for each of its files would take hours.
    there = _names(root) if only is None else {only} if is_there(root / only) else set()
    found: list[Fault] = []

    def add(name: str, kind: Kind, what: str) -> None:
        found.append(Fault(str(Path(known.output, name)), kind, what, known.output, known.made_by))

    for name, (size, digest) in known.files.items():
        if only is not None and name != only:
            continue
        path = root / name if name else root
        if name not in there:
            add(name, "missing", "missing")
            continue
        try:
            now = path.stat().st_size
            if now != size:
                kind: Kind = "emptied" if not now else "cut" if now < size else "changed"
                add(name, kind, "emptied" if not now else f"{kind}: {now:,} bytes where {size:,} were written")
            elif not quick and _look(path, known.chunks)[1] != digest:
                add(name, "changed", "its content has changed")
            elif not quick and deep and known.chunks is not None and (bad := known.chunks.damaged(path)):
                add(
                    name,
                    "changed",
                    f"its content has changed, of {len(bad)} maps ({bad[0][0]} of image {bad[0][1]} the first)",
                )
        except OSError as error:
            add(name, "unreadable", f"unreadable: {error.strerror}")
    if only is None:
        for name in sorted(there - known.files.keys()):
            if is_ignored(os.path.split(name)[1]):
                continue  # a file manager's; nobody takes it for a picture
            add(name, "foreign", "foreign: the job did not make it")
    return found


def _look(path: Path, chunks: "ChunkDigests | None") -> tuple[int, str]:
    return path.stat().st_size, digest_of_file(path) if chunks is None else chunks.rest(path)


def _names(path: Path) -> set[str]:
    """The files of a result, below it: "" of a file; without what a writer has not finished, and what Snakemake touches."""
    if not is_there(path):
        return set()
    if not path.is_dir():
        return {""}
    names = set()
    for folder, _, files in os.walk(path):
        inner = os.path.relpath(folder, path)
        names |= {
            str(Path(inner, name))
            for name in files
            if name not in TOUCHED and not (name.startswith(".") and ".part" in name)
        }
    return names
