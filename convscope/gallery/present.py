"""Which results are the present ones: made, made with the model that now has the name, and of the pictures as they are now."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import h5py

from convscope.errors import UserError
from convscope.gallery.tables import Row, read_object, text_of
from convscope.storage import store
from convscope.storage.identity import pictures_identity

Found = TypeVar("Found")


@dataclass(frozen=True)
class NotShown:
    """A thing that the config asks for and the pages do not show: of which kind, of which model ("" for none), why."""

    kind: str
    model: str
    name: str
    reason: str


@dataclass(frozen=True)
class Gap:
    """Things of one kind and model that are not shown for one reason."""

    kind: str
    model: str
    names: tuple[str, ...]
    reason: str


def other_model(path: Path, spec: Mapping[str, Any]) -> str:
    """Why a result is not of the model that `spec` describes; "" where it is.

    Args:
        path: an HDF5 file or a JSON object; its `model_digest` is compared.
        spec: the model's `model.json`; its `identity` is of all that a result of the model depends on.

    Raises:
        UserError: the file is damaged.
    """
    made, now = _told(path, "model_digest"), str(spec.get("identity", ""))
    if not made:
        return f"{path.name} does not tell which model it was made with"
    if not now:
        return "the model's model.json is of an older version and does not tell which model it is; run the study"
    return "" if made == now else f"made with another model of that name ({made[:12]}, now {now[:12]})"


def other_images(path: Path, rows: Sequence[Row]) -> str:
    """Why a result is not of the pictures that a table lists; "" where it is.

    Args:
        path: an HDF5 file (with a dataset `id`, perhaps one `sha256`, an entry an image) or a JSON object, perhaps with an
            `images_digest`.
        rows: of the image set's table.

    Raises:
        UserError: the file is damaged.
    """
    known = all("sha256" in row for row in rows)
    made = _told(path, "images_digest")
    if made and known and made == pictures_identity(rows):
        return ""
    if path.suffix != ".json":
        with _opened(path) as file:
            if "id" in file and [text_of(name) for name in store.read_text(file["id"])] == [row["id"] for row in rows]:
                sums = store.read_text(file["sha256"]) if "sha256" in file and known else []
                changed = sum(old != row["sha256"] for old, row in zip(sums, rows, strict=False))
                if changed:
                    return f"{changed} of {len(rows)} images have changed since"
                if not made or not known:
                    return ""
    elif not made:
        return ""
    return "made of other images than the image set holds now"


def _told(path: Path, name: str) -> str:
    """What a file says of itself; "" where it says nothing."""
    if path.suffix == ".json":
        return str(read_object(path).get(name, ""))
    with _opened(path) as file:
        return str(file.attrs.get(name, ""))


@contextmanager
def _opened(path: Path) -> Iterator[h5py.File]:
    try:
        with store.open_file(path) as file:
            yield file
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable ({str(error).splitlines()[0]}); delete it and run again") from None


class Present:
    """Decides what may be shown, and keeps the list of what may not.

    Args:
        results: the study's folder.
        unmade: files that a run could not make, with the reason: what lies there is an older run's. None after a whole
            run; then a damaged file is an error, not a gap.
    """

    def __init__(self, results: Path, unmade: Mapping[str, str] | None = None) -> None:
        self.results = results
        self.partial = unmade is not None
        self._unmade = {_key(path): reason for path, reason in (unmade or {}).items()}
        self._left_out: list[NotShown] = []

    def reason(
        self,
        files: Sequence[Path],
        spec: Mapping[str, Any] | None = None,
        rows: Sequence[Row] | None = None,
        witness: Path | None = None,
    ) -> str:
        """Why a thing may not be shown; "" where it may.

        Args:
            files: all that it needs.
            spec: the model it must have been made with.
            rows: the image set it must have been made of.
            witness: the HDF5 or JSON file that tells of both; where it was deleted to save space, Snakemake's word has to do.

        Raises:
            UserError: a file is damaged, after a whole run.
        """
        for path in [*files, *([witness] if witness else [])]:
            if _key(path) in self._unmade:
                return self._unmade[_key(path)]
        for path in files:
            if not path.exists():
                return f"{self._short(path)} is not there; run the study"
        if witness is None or not witness.is_file():
            return ""
        try:
            found = other_model(witness, spec) if spec is not None else ""
            return found or (other_images(witness, rows) if rows is not None else "")
        except UserError as error:
            if not self.partial:
                raise
            return str(error)

    def read(
        self,
        kind: str,
        model: str,
        name: str,
        read: Callable[[], Found],
        files: Sequence[Path],
        spec: Mapping[str, Any] | None = None,
        rows: Sequence[Row] | None = None,
        witness: Path | None = None,
    ) -> list[Found]:
        """What `read` finds, in a list; an empty one where it may not be shown, which is then among the gaps.

        Args:
            kind, model, name: how the page calls it; `model` is "" where it is of none.
            read: reads it.
            files, spec, rows, witness: those of `reason`.

        Raises:
            UserError: a file is damaged, after a whole run.
        """
        reason = self.reason(files, spec, rows, witness)
        if not reason:
            try:
                return [read()]
            except UserError as error:
                if not self.partial:
                    raise
                reason = str(error)
        self.leave_out(kind, model, name, reason)
        return []

    def leave_out(self, kind: str, model: str, name: str, reason: str) -> None:
        """Put a thing among the gaps."""
        self._left_out.append(NotShown(kind, model, name, reason))

    @property
    def gaps(self) -> tuple[Gap, ...]:
        """What is not shown, a line a kind, model and reason, in the order of the pages."""
        names: dict[tuple[str, str, str], list[str]] = {}
        for entry in self._left_out:
            names.setdefault((entry.kind, entry.model, entry.reason), []).append(entry.name)
        return tuple(
            Gap(kind, model, tuple(dict.fromkeys(filter(None, found))), reason)
            for (kind, model, reason), found in names.items()
        )

    def _short(self, path: Path) -> str:
        return path.relative_to(self.results).as_posix() if path.is_relative_to(self.results) else str(path)


def _key(path: str | os.PathLike[str]) -> str:
    return os.path.abspath(path)  # noqa: PTH100 (symbolic links stay)
