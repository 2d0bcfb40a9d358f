"""Extracting archives that may be damaged or malicious: nothing leaves the folder, nothing fills the disk.

Links, devices and paths that lead out of the folder are left out; damaged members too. All of them are listed. Limits
count what is really unpacked, never what the archive says of itself.
"""

import bz2
import contextlib
import dataclasses
import errno
import gzip
import lzma
import os
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any, NoReturn

from convscope.errors import UserError
from convscope.storage.runs import still_on

MAX_RATIO = 200
_SLACK = 16 << 20  # small archives of repetitive files are no bombs
_BLOCK = 1 << 20
_LONGEST_HEADER = 1 << 20
_MOST_OF_HEADERS = 2 * _LONGEST_HEADER  # of one member, that may have several
_DEEPEST = 64
# Places in what `zipfile` reads of a zip's end; and bytes of a member in its directory: 46, its name, and what else is noted.
_MEMBERS, _DIRECTORY_BYTES, _LONGEST_ENTRY = 4, 5, 400
_LONG_DIRECTORY = 8 << 20
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, ValueError)
# What a file system says to a name, or a whole path, that it does not take.
_OF_NAMES = (errno.ENAMETOOLONG, errno.EILSEQ, errno.EINVAL)
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)

OnProgress = Callable[[int, int], None]


@dataclasses.dataclass(frozen=True)
class ListedMember:
    """A member that was left out, or kept under another name, and why."""

    member: str
    reason: str


@dataclasses.dataclass(frozen=True)
class Extraction:
    """What came out: number of files, their bytes, and the members worth a note, in the archive's order."""

    files: int
    bytes: int
    listed: list[ListedMember]


def extract(
    archive: str | os.PathLike[str],
    folder: str | os.PathLike[str],
    max_bytes: int,
    max_files: int,
    max_ratio: float = MAX_RATIO,
    on_progress: OnProgress | None = None,
) -> Extraction:
    """Extract a zip or tar (plain, gzip, bzip2, xz) into a folder, which appears when all is done.

    An older folder of that name is replaced. Files get plain permissions. Names that other systems cannot store are
    changed; of names that differ in case only, the later one gets a number.

    Args:
        archive: the file; its content tells its kind.
        folder: what to make.
        max_bytes: most bytes to unpack.
        max_files: most members, whatever they are.
        max_ratio: most bytes unpacked for each byte of the archive (beyond the first 16 MiB).
        on_progress: called with (files, bytes) now and then.

    Raises:
        UserError: not such an archive, damaged as a whole, a limit passed, or nothing in it.
        RunEnded: the run this process works for has ended; the older folder is untouched.
    """
    archive, folder = Path(archive), Path(folder)
    if not archive.is_file():
        raise UserError(f"no such archive: {archive}")
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    most = min(max_bytes, int(max_ratio * archive.stat().st_size) + _SLACK)
    ratio_first = most < max_bytes
    out = _Folder(
        archive, partial, most, max_files, f"max_ratio {max_ratio:g}" if ratio_first else "max_bytes", on_progress
    )
    try:
        if _is_zip(archive):
            _extract_zip(archive, out)
        else:
            _extract_tar(archive, out, most + max_files * 2048)
        if not out.files:
            raise UserError(f"{archive}: no file could be extracted ({len(out.listed)} members left out)")
        still_on()
        if folder.is_dir() and not folder.is_symlink():
            shutil.rmtree(folder)
        partial.rename(folder)
    except OSError as error:
        raise UserError(f"{archive}: {error.strerror or error} while extracting to {folder}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return Extraction(out.files, out.bytes, out.listed)


class _Folder:
    """The folder being filled: the one place that decides on names and counts against the limits."""

    def __init__(
        self, archive: Path, root: Path, most: int, max_files: int, limit_name: str, on_progress: OnProgress | None
    ) -> None:
        self.archive, self.root, self.most, self.max_files = archive, root, most, max_files
        self.limit_name, self.on_progress = limit_name, on_progress
        self.files = self.bytes = self.members = 0
        self.listed: list[ListedMember] = []
        self._spelling: dict[tuple[str, str], tuple[str, bool]] = {}
        self._numbers: dict[tuple[str, str], int] = {}

    def skip(self, member: str, reason: str) -> None:
        self.listed.append(ListedMember(member, reason))

    def count_member(self) -> None:
        self.members += 1
        if self.members > self.max_files:
            self.too_many()

    def too_many(self) -> NoReturn:
        """Raise what is said of more members than the limit."""
        raise UserError(f"{self.archive}: more than max_files = {self.max_files} members; raise it if you trust this")

    def write(self, member: str, open_member: Callable[[], IO[bytes] | None]) -> str | None:
        """Write a member; its path below the root, or None where it was left out (and listed)."""
        parts = _safe_parts(member)
        if isinstance(parts, str):
            self.skip(member, parts)
            return None
        inside = self._place(parts)
        if inside is None:
            self.skip(member, "a file has the name of its folder, or a folder its own name")
            return None
        target = self.root / inside
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._pour(open_member, target)
        except OSError as error:
            if error.errno not in _OF_NAMES:
                raise
            self._leave_out(target, member, f"a path that cannot be stored here: {error.strerror}")
            return None
        except _DAMAGED as error:
            self._leave_out(target, member, f"damaged: {' '.join(str(error).split()) or type(error).__name__}")
            return None
        except RuntimeError as error:
            self._leave_out(target, member, "encrypted" if "password" in str(error) else str(error))
            return None
        self.files += 1
        if inside != PurePosixPath(member.replace("\\", "/")).as_posix():
            self.skip(member, f"kept as {inside}")
        if self.on_progress and self.files % 1000 == 0:
            self.on_progress(self.files, self.bytes)
        return inside

    def _pour(self, open_member: Callable[[], IO[bytes] | None], target: Path) -> None:
        source = open_member()
        if source is None:
            raise ValueError("no content")
        with source, target.open("xb") as stream:
            while block := _read(source):
                self.bytes += len(block)
                if self.bytes > self.most:
                    raise UserError(
                        f"{self.archive}: unpacks to more than {self.most} bytes ({self.limit_name}); "
                        "raise the limit if you trust this archive"
                    )
                stream.write(block)

    def _leave_out(self, target: Path, member: str, reason: str) -> None:
        with contextlib.suppress(OSError):  # of a name that cannot be, nothing is left
            target.unlink(missing_ok=True)
        self.skip(member, reason)

    def _place(self, parts: list[str]) -> str | None:
        """Path for a new file: folders join those spelt alike but for case, the file gets a name of its own."""
        below = ""
        for part in parts[:-1]:
            name, is_folder = self._spelling.setdefault((below, _same(part)), (part, True))
            if not is_folder:
                return None
            below = f"{below}/{name}" if below else name
        wanted, first = parts[-1], (below, _same(parts[-1]))
        number = self._numbers.get(first, 2)
        while (taken := self._spelling.get((below, _same(wanted)))) is not None:
            if taken[1]:
                return None
            stem, dot, suffix = parts[-1].rpartition(".")
            wanted = f"{stem or suffix}~{number}{dot + suffix if stem else ''}"
            number += 1
        # A hundred thousand of one name would each try all the numbers before.
        self._numbers[first] = number
        self._spelling[below, _same(wanted)] = (wanted, False)
        return f"{below}/{wanted}" if below else wanted


def _read(source: IO[bytes]) -> bytes:
    try:
        return source.read(_BLOCK)
    except OSError as error:
        # Decompressors report damage as an OSError; it must not be taken for a full disk.
        raise ValueError(str(error)) from None
    except MemoryError:
        raise ValueError("its decompression asks for more memory than there is") from None


def _is_zip(archive: Path) -> bool:
    with archive.open("rb") as stream:
        start = stream.read(262)
    # A tar whose last member is a zip ends like a zip.
    return start.startswith(b"PK") or (start[257:] != b"ustar" and zipfile.is_zipfile(archive))


def what_is_wrong(archive: Path) -> str:
    """Why a file is no archive that can be extracted; "" where it can, in part at least."""
    try:
        if _is_zip(archive):
            # A long list of members, which takes time and memory, is left to the extraction, which knows how many may be.
            if _directory(archive)[1] <= _LONG_DIRECTORY:
                _open_zip(archive).close()
        else:
            with archive.open("rb") as raw:
                _open_tar(archive, _Bounded(_decompressed(raw), _LONGEST_HEADER, archive)).close()
    except UserError as error:
        return str(error).removeprefix(f"{archive}: ")
    return ""


def _check_directory(archive: Path, out: _Folder) -> None:
    """A zip's list of members is read at once, into twelve times as much memory: first its length counts.

    Raises:
        UserError: it says more members than the limit, or less than there must be for its length.
    """
    members, size = _directory(archive)
    if members > out.max_files or size > out.max_files * _LONGEST_ENTRY:
        out.too_many()


def _directory(archive: Path) -> tuple[int, int]:
    """How many members a zip says it has, and how many bytes their list; 0 and 0 where it has no end, as opening it will tell."""
    with archive.open("rb") as stream:
        try:
            end = zipfile._EndRecData(stream)  # type: ignore[attr-defined]
        except _DAMAGED:
            end = None
    return (int(end[_MEMBERS]), int(end[_DIRECTORY_BYTES])) if end else (0, 0)


def _open_zip(archive: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(archive)
    except _DAMAGED as error:
        raise UserError(f"{archive}: damaged zip archive ({error}); download it again") from None


def _open_tar(archive: Path, stream: "_Bounded") -> tarfile.TarFile:
    try:
        with stream.headers():
            return tarfile.open(fileobj=stream, mode="r:")  # type: ignore[call-overload, no-any-return]
    except UserError:
        raise
    except Exception as error:  # of what is forged the library fails in many ways
        hint = f"damaged ({error}); download it again" if stream.is_compressed else "not a zip or tar archive"
        raise UserError(f"{archive}: {hint}") from None


def _extract_zip(archive: Path, out: _Folder) -> None:
    _check_directory(archive, out)
    with _open_zip(archive) as container:
        for info in container.infolist():
            out.count_member()
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.filename.endswith("/"):
                continue
            if kind == stat.S_IFLNK:
                out.skip(info.filename, "a symbolic link")
            elif kind not in (0, stat.S_IFREG):
                out.skip(info.filename, "a device or another special file")
            else:
                out.write(info.filename, lambda info=info: container.open(info))  # type: ignore[misc]


def _extract_tar(archive: Path, out: _Folder, most: int) -> None:
    written: dict[str, str] = {}
    with archive.open("rb") as raw:
        stream = _Bounded(_decompressed(raw), most, archive)
        container = _open_tar(archive, stream)
        for member in _members(container, out):
            out.count_member()
            name = member.name
            if member.isdir():
                continue
            if member.issym():
                out.skip(name, "a symbolic link")
            elif member.islnk():
                first = written.get(member.linkname)
                if first is None:
                    out.skip(name, "a hard link to nothing that was extracted")
                else:
                    out.write(name, lambda first=first: (out.root / first).open("rb"))  # type: ignore[misc]
            elif not member.isfile():
                out.skip(name, "a device or another special file")
            elif place := out.write(name, lambda member=member: container.extractfile(member)):  # type: ignore[misc]
                written[name] = place


def _members(container: tarfile.TarFile, out: _Folder) -> Iterator[tarfile.TarInfo]:
    """Members in order; where the archive breaks off, what is lost is listed instead of an error."""
    try:
        while (member := _next(container)) is not None:
            # The list that tarfile keeps of all members would grow without bound.
            container.members.clear()  # type: ignore[attr-defined]
            yield member
        # tarfile takes a damaged header for the end; a true end is a block of zeros, or nothing.
        container.fileobj.seek(container.offset)  # type: ignore[union-attr]
        if any(container.fileobj.read(512)):  # type: ignore[union-attr]
            out.skip("(what follows)", f"the archive is damaged after {out.members} members")
    except UserError:
        raise
    except Exception as error:  # of what is forged the library fails in many ways
        reason = " ".join(str(error).split()) or type(error).__name__
        out.skip("(what follows)", f"the archive is damaged after {out.members} members: {reason}")


def _next(container: tarfile.TarFile) -> tarfile.TarInfo | None:
    with container.fileobj.headers():  # type: ignore[attr-defined, union-attr]
        return container.next()


def _decompressed(raw: IO[bytes]) -> IO[bytes]:
    magic = raw.read(6)
    raw.seek(0)
    if magic.startswith(b"\x1f\x8b"):
        return gzip.GzipFile(fileobj=raw)  # type: ignore[return-value]
    if magic.startswith(b"BZh"):
        return bz2.BZ2File(raw)  # type: ignore[return-value]
    if magic == b"\xfd7zXZ\x00":
        return lzma.LZMAFile(raw)  # type: ignore[return-value]
    return raw


class _Bounded:
    """A readable, seekable stream that refuses to be read too far, or in pieces that only a forged header asks for."""

    def __init__(self, stream: IO[bytes], most: int, archive: Path) -> None:
        self.stream, self.most, self.archive = stream, most, archive
        self.is_compressed = isinstance(stream, gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile)
        self._left: int | None = None

    @contextlib.contextmanager
    def headers(self) -> Iterator[None]:
        """What is read inside are headers: those of one member, which lists of holes may make very many."""
        self._left = _MOST_OF_HEADERS
        try:
            yield
        finally:
            self._left = None

    def read(self, size: int = -1) -> bytes:
        if size < 0 or size > _BLOCK + _LONGEST_HEADER or (self._left is not None and size > self._left):
            raise UserError(
                f"{self.archive}: a header of {max(size, _MOST_OF_HEADERS)} bytes and more, which no honest tar archive has"
            )
        if self._left is not None:
            self._left -= size
        return self.stream.read(size)

    def seek(self, position: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or position > self.most:
            self._too_long()
        return self.stream.seek(position)

    def tell(self) -> int:
        return self.stream.tell()

    def _too_long(self) -> NoReturn:
        raise UserError(
            f"{self.archive}: unpacks to more than its limit allows; raise max_bytes if you trust this archive"
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def _safe_parts(member: str) -> list[str] | str:
    """The parts of a member's path, made storable everywhere; or the reason why it must not be written."""
    name = member.replace("\\", "/")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "an absolute path"
    parts = [part for part in PurePosixPath(name).parts if part != "."]
    if ".." in parts:
        return "a path that leads out of the folder"
    if not parts or len(parts) > _DEEPEST:
        return "no name" if not parts else f"more than {_DEEPEST} folders deep"
    return [_storable(part) for part in parts]


def _storable(part: str) -> str:
    name = "".join("_" if c in '<>:"|?*' or ord(c) < 32 or ord(c) == 127 else c for c in part)
    name = name.rstrip(" .") or "_"
    if _RESERVED.fullmatch(name):
        name = f"_{name}"
    stem, dot, suffix = name.rpartition(".")
    if len(os.fsencode(name)) > 200:
        ending = dot + suffix if stem and len(suffix) < 10 else ""
        short = os.fsencode(name)[:180].decode(errors="ignore")
        name = f"{short}~{zlib.crc32(os.fsencode(part)):08x}{ending}"
    return name


def _same(part: str) -> str:
    return unicodedata.normalize("NFC", part).casefold()
