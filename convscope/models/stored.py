"""What a file or folder is that holds a network: by its content, not its name. Nothing heavy here, and nothing of it is run."""

import contextlib
import dataclasses
import io
import re
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convscope.errors import UserError
from convscope.models.hdf5 import check_end, check_links
from convscope.models.json_text import value_of
from convscope.models.keras2 import is_old
from convscope.models.strange_files import strange_zip, stranger
from convscope.storage.places import is_file

_HDF5, _ZIP = b"\x89HDF\r\n\x1a\n", b"PK\x03\x04"
_JSON_BYTES = 100_000_000
_TEACHABLE, _TEACHABLE_FOLDER = "keras_model.h5", "model.savedmodel"
_OF_SAVED_MODEL = re.compile(r"(saved_model|keras_metadata)\.pb|variables/variables\.(index|data-\d{5}-of-\d{5})")
_NETWORK_BYTES = 8_000_000_000
# Weights hardly pack: what becomes a hundred times as large was made to fill a disk or a memory.
_PACKED = 100


@dataclasses.dataclass(frozen=True)
class Stored:
    """A network in a file or folder.

    Attributes:
        path: the file or folder.
        kind: "keras" (the zip of Keras 2.12 and later), "hdf5" (with or without a config) or "savedmodel".
        config: as it is in the file; None where there is none: weights alone, or no network of Keras's.
        version: of the Keras that wrote it; None where it does not say.
        member: of a zip around a file or a SavedModel: its name in it; of a folder, the file's name in that; else "".
        classes: class names of a labels.txt beside it, in the order of the outputs.
    """

    path: Path
    kind: str
    config: dict[str, Any] | None
    version: str | None = None
    member: str = ""
    classes: tuple[str, ...] = ()

    @property
    def old(self) -> bool:
        """Whether Keras 1 or 2 wrote it."""
        return self.kind == "savedmodel" or is_old(self.version)

    @property
    def writer(self) -> str:
        """Which Keras wrote it, for people."""
        return f"Keras {self.version}" if self.version else "a Keras that does not say its version"

    @property
    def of_teachable_machine(self) -> bool:
        """Whether it is what Google's Teachable Machine hands out: its pixels are -1..1."""
        parts = (self.path / self.member).parts
        named = parts[-1] in (_TEACHABLE, _TEACHABLE_FOLDER) or parts[-2:] == (_TEACHABLE_FOLDER, "saved_model.pb")
        return (named and bool(self.classes)) or _is_teachable(self.config)

    def check_sizes(self) -> None:
        """Check that no member of a zip, nor all of them together, become larger than what a network holds.

        Raises:
            UserError: one would, or all; which.
        """
        if self.kind == "keras" and not self.path.is_dir():
            with zipfile.ZipFile(self.path) as archive:
                members = archive.infolist()
            for about in members:
                _check_size(self.path, f"'{about.filename[:80]}'", about.file_size, _NETWORK_BYTES)
            whole = sum(about.file_size for about in members)
            _check_size(self.path, "all its members together", whole, _NETWORK_BYTES)

    def check_whole(self) -> None:
        """Check that a SavedModel comes with its weights.

        Raises:
            UserError: it does not.
        """
        if self.kind != "savedmodel":
            return
        index = "variables/variables.index"
        if self.path.is_dir():
            there = is_file(self.path / index)
        else:
            with zipfile.ZipFile(self.path) as archive:
                there = self.member.removesuffix("saved_model.pb") + index in archive.namelist()
        if not there:
            raise UserError(f"'{self.path}' holds no weights ({index}); it is not whole, get it again")

    @contextlib.contextmanager
    def saved_model(self) -> Iterator[Path]:
        """The folder of a SavedModel; out of a zip, one that is there as long as it is needed.

        Raises:
            UserError: a member of the zip is damaged, or larger than a network can be.
        """
        if self.path.is_dir():
            yield self.path
            return
        with zipfile.ZipFile(self.path) as archive:
            names = archive.namelist()
        top = self.member.removesuffix("saved_model.pb")
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "variables").mkdir()
            # By name, so that no other member, wherever it would lie, comes out of the zip.
            for name in names:
                if name.startswith(top) and _OF_SAVED_MODEL.fullmatch(inner := name[len(top) :]):
                    (Path(folder) / inner).write_bytes(_member(self.path, name, _NETWORK_BYTES))
            yield Path(folder)

    @contextlib.contextmanager
    def hdf5(self, attributes_alone: bool = False) -> Iterator[Any]:
        """The HDF5 file of its weights, open to read; nothing in it leads to another file.

        Args:
            attributes_alone: whether no arrays are read, so that it need not be looked through.

        Raises:
            UserError: it is damaged, larger than a network can be, or leads elsewhere.
        """
        import h5py

        source: Any = self.path / self.member if self.path.is_dir() else self.path
        if not self.path.is_dir() and (self.kind == "keras" or self.member):
            source = io.BytesIO(_member(self.path, self.member or "model.weights.h5", _NETWORK_BYTES))
        try:
            with h5py.File(source, "r", **({} if isinstance(source, io.BytesIO) else {"locking": False})) as opened:
                if not attributes_alone:
                    check_links(opened, self.path)
                yield opened
        except OSError as error:
            raise UserError(
                f"'{self.path}' cannot be read as HDF5 ({str(error)[:100]}); it is damaged, get it again"
            ) from None


def stored(path: Path) -> Stored:
    """What lies at a path.

    Raises:
        UserError: nothing that holds a network of Keras's; what it is, and what to do.
    """
    if path.is_dir():
        return _folder(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(512)
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror}") from None
    if start.startswith(_HDF5):
        status = path.stat()
        check_end(path, status.st_size, status.st_mtime_ns)
        return _with_labels(_of_hdf5(Stored(path, "hdf5", None)))
    if start.startswith(_ZIP) or zipfile.is_zipfile(path):
        return _of_zip(path)
    raise UserError(f"'{path}' {stranger(path, start)}")


def stored_or_none(path: Path) -> Stored | None:
    """What lies at a path; None where `stored` refuses."""
    try:
        return stored(path)
    except UserError:
        return None


def _of_hdf5(found: Stored) -> Stored:
    import h5py

    try:
        with found.hdf5(attributes_alone=True) as opened:
            config = opened.attrs.get("model_config")
            version = opened.attrs.get("keras_version")
            if version is None and isinstance(opened.get("model_weights"), h5py.Group):
                version = opened["model_weights"].attrs.get("keras_version")
            try:
                network = value_of(_text(config)) if config is not None else None
            except ValueError:
                network = None
    except (KeyError, RuntimeError, TypeError, AttributeError, ValueError):
        raise UserError(f"'{found.path}' holds no Keras model (damaged); get it again") from None
    version = None if version is None else _text(version)
    if config is not None and not isinstance(network, dict):
        raise UserError(f"'{found.path}' holds no Keras model: its config is damaged; get it again")
    return dataclasses.replace(found, config=network, version=version)


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _of_zip(path: Path) -> Stored:
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile):
        raise UserError(f"'{path}' is a damaged zip file; get it again") from None
    by_end = {name.rpartition("/")[2]: name for name in reversed(names) if not name.startswith("__MACOSX/")}
    if "config.json" in names:
        config = _json_of(path, "config.json")
        metadata = _json_of(path, "metadata.json") if "metadata.json" in names else {}
        return Stored(path, "keras", config, str(metadata.get("keras_version") or "") or None)
    if _TEACHABLE in by_end:
        labels = _member(path, by_end["labels.txt"], 1_000_000) if "labels.txt" in by_end else b""
        found = Stored(path, "hdf5", None, member=by_end[_TEACHABLE], classes=labels_in(labels))
        return _of_hdf5(found)
    if "saved_model.pb" in by_end:
        graphs = [name for name in names if re.fullmatch(r"(?!__MACOSX/)(.*/)?saved_model\.pb", name)]
        if len(graphs) > 1:
            raise UserError(f"'{path}' holds {len(graphs)} SavedModels; unpack it and name the folder of one")
        return _of_zipped_saved_model(Stored(path, "savedmodel", None, member=by_end["saved_model.pb"]), by_end)
    raise UserError(f"'{path}' {strange_zip(names, by_end)}")


def _of_zipped_saved_model(found: Stored, by_end: dict[str, str]) -> Stored:
    from convscope.models.saved_model_config import config_of_saved_model

    labels = _member(found.path, by_end["labels.txt"], 1_000_000) if "labels.txt" in by_end else b""
    with found.saved_model() as folder:
        config, version = config_of_saved_model(folder)
    return dataclasses.replace(found, config=config, version=version, classes=labels_in(labels))


def _json_of(path: Path, name: str) -> dict[str, Any]:
    try:
        value = value_of(_member(path, name, _JSON_BYTES))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise UserError(f"'{path}' holds no Keras model: its {name} is damaged; get it again")
    return value


def _member(path: Path, name: str, limit: int) -> bytes:
    """The content of a member of a zip; never more than a limit, nor much more than the zip itself."""
    try:
        with zipfile.ZipFile(path) as archive:
            about = archive.getinfo(name)
            _check_size(path, f"'{about.filename[:80]}'", about.file_size, limit)
            return archive.read(about)
    except KeyError:
        raise UserError(f"'{path}' holds no '{name}'; it is not whole, get it again") from None
    except (OSError, RuntimeError, NotImplementedError, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise UserError(f"'{path}': '{name}' cannot be read ({str(error)[:80]}); it is damaged, get it again") from None


def _check_size(path: Path, what: str, size: int, limit: int) -> None:
    if size > min(limit, max(10_000_000, _PACKED * path.stat().st_size)):
        raise UserError(f"'{path}': {what} would be {size} bytes, more than a network's can be; it is not taken")


def labels_in(content: bytes) -> tuple[str, ...]:
    """Class names of a labels.txt, one a line; Teachable Machine writes a number before each.

    A class that has nothing but its number is called by that.
    """
    wide = content.startswith((b"\xff\xfe", b"\xfe\xff"))
    text = content.decode("utf-16" if wide else "utf-8-sig", "replace")
    lines = [line.strip() for line in re.split(r"[\r\n]+", text) if line.strip()]
    numbered = [re.fullmatch(r"(\d+)(?:[ \t]+(.+))?", line) for line in lines]
    if all(found and int(found[1]) == place for place, found in enumerate(numbered)):
        return tuple((found[2] or found[1]).strip() for found in numbered if found)
    return tuple(lines)


def _folder(path: Path) -> Stored:
    from convscope.models.saved_model_config import config_of_saved_model

    if is_file(path / "saved_model.pb"):
        config, version = config_of_saved_model(path)
        labels = _labels_beside(path) or (_labels_beside(path.parent) if path.name == _TEACHABLE_FOLDER else ())
        return Stored(path, "savedmodel", config, version, classes=labels)
    if is_file(path / _TEACHABLE):
        return _of_hdf5(Stored(path, "hdf5", None, member=_TEACHABLE, classes=_labels_beside(path)))
    if is_file((inner := path / _TEACHABLE_FOLDER) / "saved_model.pb"):
        config, version = config_of_saved_model(inner)
        return Stored(inner, "savedmodel", config, version, "saved_model.pb", _labels_beside(path))
    hint = "a model is a .keras or .h5 file, a SavedModel folder, or what Teachable Machine hands out"
    if is_file(path / "config.json"):
        hint = "if it is a keras-hub preset: source: preset, preset: and the folder"
    elif is_file(path / "model.json"):
        hint = "it is a model for the browser (TensorFlow.js); of Teachable Machine choose the export Tensorflow, Keras"
    raise UserError(f"'{path}' is a folder, not a file; {hint}")


def _with_labels(found: Stored) -> Stored:
    """A file of Teachable Machine, taken out of its zip, with the labels.txt beside it; under another name, if it fits."""
    if found.path.name != _TEACHABLE and not found.of_teachable_machine:
        return found
    labels = _labels_beside(found.path.parent)
    fits = found.path.name == _TEACHABLE or len(labels) == _teachable_parts(found.config)[1][-1]["config"].get("units")
    return dataclasses.replace(found, classes=labels) if fits else found


def _is_teachable(config: dict[str, Any] | None) -> bool:
    """Whether a network is built as Teachable Machine builds them: a part for the pictures, and two layers for the classes.

    Its layers have the names that TensorFlow.js gave them, whose training in the browser made them.
    """
    first, last = _teachable_parts(config)
    names = [str(layer["config"].get("name")) for part in (first[-1:], last[-1:]) for layer in part]
    pooled = names and names[0].startswith("global_average_pooling2d_GlobalAveragePooling2D")
    return len(names) == 2 and bool(pooled) and names[1].startswith("dense_Dense")


def _teachable_parts(config: dict[str, Any] | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The layers of the two networks that a network is a sequence of; empty where it is none."""

    def layers(entry: Any) -> list[dict[str, Any]]:
        inner = entry.get("config") if isinstance(entry, dict) and entry.get("class_name") == "Sequential" else None
        inner = inner.get("layers") if isinstance(inner, dict) else inner
        found = inner if isinstance(inner, list) else []
        return [part for part in found if isinstance(part, dict) and isinstance(part.get("config"), dict)]

    parts = [found for part in layers(config) if (found := layers(part))]
    return (parts[0], parts[1]) if len(parts) == 2 else ([], [])


def _labels_beside(path: Path) -> tuple[str, ...]:
    place = path / "labels.txt"
    try:
        with place.open("rb") as stream:
            return labels_in(stream.read(1_000_000))
    except OSError:
        return ()
