"""What a job does for seals: it takes nothing that is damaged, and seals what it made."""

import argparse
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from convscope.errors import UserError
from convscope.storage.files import read_json, write_json
from convscope.storage.identity import identity
from convscope.storage.seals import (
    UNSEALED,
    Fault,
    Seal,
    below,
    every_seal,
    faults,
    is_there,
    job_of,
    place_of,
    read_seal,
    seal,
    seal_over,
    study_of,
)

if TYPE_CHECKING:
    from convscope.storage.chunk_digests import ChunkDigests

_chunks: "dict[Path, ChunkDigests]" = {}
_timed: set[Path] = set()
_checked: set[str] = set()


def output(text: str) -> Path:
    """The `type=` of an argument that names a file or folder to write: it is sealed when the job ends."""
    return Path(text)


def keep_chunks(path: Path, chunks: "ChunkDigests") -> None:
    """Seal a large output by these digests, which were taken as it was written."""
    _chunks[path] = chunks


def tells_seconds(*paths: Path) -> None:
    """Have the seals of these outputs say that they tell how long something took, and differ from run to run."""
    _timed.update(paths)


class Sealing:
    """One job's: `check` what it reads, `seal` what it wrote. A job without a study's log, started by hand, does neither.

    Args:
        log: the job's log file, `<study>/logs/...`.
    """

    def __init__(self, log: Path | None) -> None:
        self.study = study_of(log)
        self._made_by = below(self.study, log) if self.study and log else ""
        self._inputs: set[str] = set()
        self._seals: dict[str, Seal | None] = {}

    def check(self, paths: Iterable[Path]) -> None:
        """Look whether results are as their seals say; what has none is not looked at.

        Raises:
            UserError: one is not; it is noted, and the next run makes it again.
        """
        found: list[Fault] = []
        for path in paths:
            name = below(self.study, path) if self.study else ""
            if self.study is None or not name or name in _checked or Path(name).parts[0] in UNSEALED:
                continue
            _checked.add(name)
            try:
                known = seal_over(self.study, path, self._seals)
            except ValueError:
                found.append(Fault(name, "changed", "its seal is damaged", name))
                continue
            if known is not None:
                self._inputs.add(known.output)
                inner = None if known.output == name else os.path.relpath(name, known.output)
                if inner is not None and (self.study / name).is_dir():
                    inner = None
                found += faults(self.study, known, inner, deep=False)
        self.refuse(found)

    def check_maps(self, whole: Path, layers: Sequence[str], images: Iterable[int]) -> None:
        """Look whether maps in the shards of a joined file are as they were written.

        Args:
            whole: the joined file of activations.
            layers: names of layers.
            images: numbers of images, as the whole counts them.

        Raises:
            UserError: some are not.
        """
        from convscope.storage.store import shards_of

        wanted = set(images)
        found: list[Fault] = []
        shards = shards_of(whole, f"layers/{layers[0]}") if layers else []
        self.check(shard for shard, _, _ in shards)
        for shard, first, count in shards:
            known = seal_over(self.study, shard) if self.study else None
            mine = [image - first for image in wanted if first <= image < first + count]
            if known is None or known.chunks is None or not mine:
                continue
            for layer, image in [bad for name in layers for bad in known.chunks.damaged(shard, name, mine)]:
                what = f"its content has changed: {layer} of image {image}"
                found.append(Fault(known.output, "changed", what, known.output, known.made_by))
        self.refuse(found)

    def study_faults(self, without: Path) -> list[Fault]:
        """The faults of all results of the study but of what the job itself makes, below `without`."""
        if self.study is None:
            return []
        own = below(self.study, without)
        return [
            fault
            for _, known in every_seal(self.study)
            if known is not None and known.output != own and is_there(place_of(self.study, known.output))
            for fault in faults(self.study, known)
            if fault.kind != "foreign"
        ]

    def note(self, found: Iterable[Fault]) -> None:
        """Let the next run make again what has faults."""
        for fault in found:
            if self.study is not None:
                note(self.study, fault)

    def refuse(self, found: Sequence[Fault]) -> None:
        """End where there are faults.

        Raises:
            UserError: there are; they are noted, and the next run makes them again.
        """
        if not found or self.study is None:
            return
        self.note(found)
        first = found[0]
        by = f"; made by {job_of(first.made_by)}" if first.made_by else ""
        more = f", and so are {len(found) - 1} more files" if len(found) > 1 else ""
        raise UserError(
            f"{self.study / first.file} is damaged ({first.what}{by}){more}: the next run makes it again and all that hangs on it, "
            "convscope verify --repair it alone"
        )

    def seal(self, outputs: Iterable[Path]) -> None:
        """Seal what was written, last of all."""
        if self.study is None:
            return
        made = set(outputs)
        for path in sorted(made):
            # What lies in a folder that is sealed needs no seal of its own.
            if path.exists() and made.isdisjoint(path.parents):
                chunks = _chunks.get(path)
                seal(self.study, path, self._made_by, self._inputs, chunks, _timed)


def paths_of(args: argparse.Namespace, names: Iterable[str]) -> list[Path]:
    """All paths among some of a job's arguments, alone or in lists."""
    values = [getattr(args, name) for name in sorted(names)]
    flat = [part for value in values for part in (value if isinstance(value, list) else [value])]
    return [value for value in flat if isinstance(value, Path)]


def note(study: Path, fault: Fault) -> None:
    """Keep a fault for the next run."""
    folder = study / "logs" / "damaged"
    write_json(
        folder / f"{identity(output=fault.output or fault.file)[:16]}.json", {"output": fault.output or fault.file}
    )


def damaged_before(study: Path, keep: bool = False) -> list[str]:
    """The results in which a job found damage, that is there still; the notes of them are taken away, unless told to keep them."""
    still = []
    for place in sorted((study / "logs" / "damaged").glob("[!.]*.json")):
        name = ""
        try:
            name = str(read_json(place)["output"])
            known = read_seal(study, name)
            damaged = known is None or bool(faults(study, known))
        except (ValueError, LookupError, TypeError, OSError):
            damaged = True  # a seal that cannot be read; or the note, which then names nothing
        if not keep:
            place.unlink(missing_ok=True)
        if damaged and name:
            still.append(name)
    return still


def is_planned_from(output: str) -> bool:
    """Whether a result is a small table by which a run plans its jobs."""
    return output.startswith("image_sets/") or output.endswith("/layers.csv")


def damaged_at_a_glance(study: Path) -> list[Fault]:
    """What is seen without reading: files of another size, and those that a folder lacks. A result that is gone altogether is none.

    The small tables by which a run plans its jobs are read: no job looks at them before.
    """
    return [
        fault
        for _, known in every_seal(study, chunks=False)
        if known is not None and is_there(place_of(study, known.output))
        for fault in faults(study, known, quick=not is_planned_from(known.output))
        if fault.kind != "foreign"
    ]
