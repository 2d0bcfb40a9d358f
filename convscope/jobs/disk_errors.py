"""A disk that is full, write-protected, another's, or gone: said in one line, with the place and what to do.

Imports nothing heavy: the rules ask here, too.
"""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

_GO_ON = "start the same command again, which goes on where this stopped"
_FULL = (errno.ENOSPC, errno.EDQUOT)
# What is wrong, and what to do.
_KNOWN = {
    errno.ENOSPC: ("too little space is left", "make room"),
    errno.EDQUOT: ("the quota of this user is used up", "delete something, or ask for more"),
    errno.EROFS: ("the file system is read-only", "make it writable, or work in another folder"),
    errno.EACCES: ("no permission", "give this user the right to it, or work in another folder"),
    errno.EPERM: ("no permission", "give this user the right to it, or work in another folder"),
    errno.EIO: ("the disk fails", "have a look at it (dmesg)"),
    errno.ESTALE: ("the network's disk was taken away, or is another one now", "mount it again"),
    errno.ENOTCONN: ("the network's disk was taken away", "mount it again"),
    errno.ENODEV: ("the disk was taken away", "mount it again"),
    errno.ENXIO: ("the disk was taken away", "mount it again"),
    errno.EFBIG: ("a file would be larger than is allowed there", "raise the limit (ulimit -f)"),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)"),
}
# HDF5 says where in the middle of its message; NumPy says neither where nor why.
_IN_HDF5 = re.compile(r"filename = '([^']+)'.*?errno = (\d+)", re.DOTALL)
_OF_NUMPY = re.compile(r"\d+ requested and \d+ written")
# `storage.files.atomic_path` writes to such a name beside the file's own.
_TEMPORARY = re.compile(r"^\..*\.part(\.\w+)?$")
_LITTLE = 1 << 16


def told(error: BaseException, used: Iterable[object] = ()) -> str:
    """What a disk has to do with an error, in one line; "" where that is not known to be any.

    Args:
        error: of a job.
        used: what the job reads and writes, paths among others: where an error names no place, it is on one of their disks.
    """
    for each in _chain(error):
        if not isinstance(each, OSError):
            continue
        number, place = _number_and_place(each)
        if each is error and number == errno.ENOENT and place and not Path(place).parent.is_dir():
            return _gone(Path(place).parent)
        # Libraries try what they may not, and go on; what they say later is no matter of that.
        if number in _KNOWN and (each is error or number not in (errno.EACCES, errno.EPERM)):
            return _line(number, Path(place) if place else _fullest(used))
    return ""


def unwritable(folder: str | os.PathLike[str]) -> str:
    """Why nothing can be written to a folder that is there or would be made, in one line; "" where it can."""
    place = _existing(Path(folder))
    try:
        with tempfile.TemporaryFile(dir=place) as stream:
            stream.write(bytes(_LITTLE))
    except OSError as error:
        return _line(error.errno or 0, place, error.strerror or str(error))
    return ""


def forbidden(files: Iterable[str]) -> str:
    """Why one of some files cannot be made, by its folder alone, in one line; "" where nothing forbids it."""
    folders = {_existing(folder) for folder in {Path(file).parent for file in files}}
    for folder in sorted(folders):
        if not os.access(folder, os.W_OK | os.X_OK):
            return unwritable(folder) or _line(errno.EACCES, folder)
    return ""


def trouble_at(folder: str | os.PathLike[str]) -> str:
    """Why a log in a folder may say nothing, in one line; "" where the disk is not to blame."""
    return unwritable(folder) if Path(folder).is_dir() else _gone(Path(folder))


def _gone(folder: Path) -> str:
    above = _existing(folder)
    lost = next((place for place in (folder, *folder.parents) if place.parent == above), folder)
    return f"{lost} is not there (any more); bring it back (is a disk to be mounted?), and {_GO_ON}"


def _line(number: int, place: Path, otherwise: str = "") -> str:
    what, remedy = _KNOWN.get(number, (otherwise, "see to it"))
    where = place.parent if number in _FULL and place.is_file() else place
    if _TEMPORARY.match(where.name):
        where = where.parent
    where = where if where.name else where.absolute()
    return f"{where}: {what}{_room(where) if number in _FULL else ''}; {remedy}, and {_GO_ON}"


def _room(place: Path) -> str:
    try:
        return f" ({shutil.disk_usage(_existing(place)).free / 1e6:.1f} MB)"
    except OSError:
        return ""


def _number_and_place(error: OSError) -> tuple[int, str]:
    """An error's number (0 unknown) and the file that it is about ("" unknown)."""
    text = str(error)
    if found := _IN_HDF5.search(text):
        return int(found[2]), found[1]
    if error.errno is None and _OF_NUMPY.search(text):
        return errno.ENOSPC, ""
    # Of two names the second is written.
    name = error.filename2 or error.filename or ""
    return error.errno or 0, os.fsdecode(name) if isinstance(name, (str, bytes)) else ""


def _fullest(used: Iterable[object]) -> Path:
    """What those of some paths have in common that lie on the disk with the least room, that of temporary files among the disks."""
    temporary = Path(tempfile.gettempdir())
    disks = {temporary.stat().st_dev: [temporary]}
    for folder in sorted({_existing(path.parent) for path in used if isinstance(path, Path)}):
        others = disks.setdefault(folder.stat().st_dev, [])
        disks[folder.stat().st_dev] = [folder, *(other for other in others if other != temporary)]
    # Some that are no disks have no room at all.
    real = [on_it for on_it in disks.values() if shutil.disk_usage(on_it[0]).total]
    fullest = min(real, key=lambda on_it: shutil.disk_usage(on_it[0]).free)
    if any(folder.is_absolute() for folder in fullest):
        fullest = [folder.absolute() for folder in fullest]
    return Path(os.path.commonpath(fullest))


def _existing(place: Path) -> Path:
    """A folder, or the nearest one above it that exists."""
    return next((folder for folder in (place, *place.parents) if folder.is_dir()), Path())


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what led to it."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
