"""What studies share beyond the folder of their results: a cache in a place of the user's, named by `CONVSCOPE_CACHE`.

An entry is a folder: copies of what a job wrote, and beside them `entry.json`, with all that they depend on and the size and the
digest of each. It is made aside and renamed, so that it is there whole or not at all, however many write the same one. What is taken
is copied, and looked at before it takes its place: what happens to an entry later happens to no study, and the other way round.
"""

import contextlib
import errno
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from convscope.errors import UserError
from convscope.storage.digests import digest_of_bytes, digest_of_file
from convscope.storage.files import atomic_path
from convscope.storage.processes import tag_is_dead, this_process

VARIABLE = "CONVSCOPE_CACHE"
ENTRY = "entry.json"
DOWNLOADS = "downloads"
# A rename onto an entry that somebody else has put there.
_TAKEN = (errno.ENOTEMPTY, errno.EEXIST)
_GONE = (errno.ENOENT, errno.ENOTDIR)
_OF_WRITING = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)

Say = Callable[[str], object]


def cache_folder() -> Path | None:
    """The cache of this process; None where none is named.

    Raises:
        UserError: a variable or a user in its name is not known.
    """
    named = os.environ.get(VARIABLE, "").strip()
    if Path(named).is_absolute() and Path(named).is_dir():
        return Path(named)  # whatever signs are in it: jobs find the whole path that the run has made of a name
    try:
        folder = Path(os.path.expandvars(named)).expanduser()
    except RuntimeError:
        folder = Path("$")
    if "$" in str(folder):
        raise UserError(
            f"{VARIABLE}={named}: the variable or the user in it is not known here; name a folder, or take it away"
        )
    return folder.absolute() if named else None


def prepare_cache(downloads: Path) -> None:
    """Make the cache, where one is named, and have it hold what studies download: by a link, where there is no such folder yet.

    Args:
        downloads: the folder in which the studies of a folder share what they download.

    Raises:
        UserError: there is no such cache and none can be made, or its name is none (see `cache_folder`).
    """
    cache = cache_folder()
    if cache is None:
        return
    os.environ[VARIABLE] = str(cache)  # of jobs, which may begin in another folder
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(
            f"{VARIABLE} names '{cache}', which is no folder and cannot be made one: {error.strerror}"
        ) from None
    # One of somebody else's, or where links are not to be had: downloads stay where they were.
    with contextlib.suppress(OSError):
        if os.access(cache, os.W_OK) and not downloads.exists():
            (cache / DOWNLOADS).mkdir(exist_ok=True)
            if not os.access(cache / DOWNLOADS, os.W_OK | os.X_OK):
                return
            downloads.parent.mkdir(parents=True, exist_ok=True)
            if downloads.is_symlink() and not downloads.exists():
                downloads.unlink()  # of a cache that is gone
            if not downloads.exists():
                downloads.symlink_to(cache / DOWNLOADS)


def take(entry: Path, facts: Mapping[str, Any], outputs: Mapping[str, Path], say: Say = print) -> dict[str, Any] | None:
    """Copy what an entry holds to where a job writes it, if all of it is there and as it was written.

    Args:
        entry: its folder.
        facts: what the outputs depend on, JSON values: the entry must have been made of the very same.
        outputs: name -> file.
        say: given a line for the log where an entry is there and is not taken.

    Returns:
        the entry's notes, see `keep`; None where nothing was taken, and no output is touched then.

    Raises:
        OSError: the disk of the outputs is full, or cannot be written to.
    """
    try:
        told = _read(entry)
        if told["facts"] != _as_read(facts):
            raise ValueError("it was made of something else")
        if told["files"].keys() != outputs.keys():
            raise ValueError("it holds other files")
        with contextlib.ExitStack() as written:
            for name, path in outputs.items():
                temporary = written.enter_context(atomic_path(path))
                shutil.copyfile(entry / _name(name, path), temporary)
                if [temporary.stat().st_size, digest_of_file(temporary)] != told["files"][name]:
                    raise ValueError(f"{_name(name, path)} is not as it was written")
        with contextlib.suppress(OSError):  # somebody else's
            os.utime(entry)  # so that people see which entries nobody asks for
        return dict(told["notes"])
    except OSError as error:
        if error.errno in _OF_WRITING:
            raise  # what it would have instead could not be written either
        if error.errno not in _GONE or entry.is_dir():
            say(f"the cache's {entry} cannot be read: {error.strerror or error}")
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        say(f"the cache's {entry} is damaged: {error}")
    return None


def keep(
    entry: Path,
    facts: Mapping[str, Any],
    outputs: Mapping[str, Path],
    notes: Mapping[str, Any] | None = None,
    say: Say = print,
) -> bool:
    """Make an entry of what a job wrote. A whole one of the same name stays, a damaged one makes room.

    The job's own results are safe whatever happens here: a cache that is full or somebody else's is a line in the log.

    Args:
        entry, facts, outputs, say: as for `take`.
        notes: JSON values, for those who take it.

    Returns:
        whether there is a whole entry now.
    """
    made = entry.with_name(f".{entry.name}.{this_process().tag}.part")
    try:
        entry.parent.mkdir(
            exist_ok=True
        )  # the cache itself is there, or it is none that others see: a disk that this node lacks
        _remove_left(entry)
        made.mkdir()
        files = {}
        for name, path in outputs.items():
            copied = made / _name(name, path)
            shutil.copyfile(path, copied)
            files[name] = [copied.stat().st_size, digest_of_file(copied)]
            if files[name][1] != digest_of_file(path):
                raise OSError(errno.EIO, f"the copy of {path} is another")
        told = {"facts": dict(facts), "files": files, "notes": dict(notes or {})}
        text = json.dumps(told, sort_keys=True)
        seal = digest_of_bytes(text.encode())
        (made / ENTRY).write_text(json.dumps({"seal": seal, **told}, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        if entry.exists() and not _is_whole(entry, facts):
            # Aside in one step: two that meet a damaged one do not remove each other's new one.
            damaged = made.with_suffix(".damaged")
            with contextlib.suppress(FileNotFoundError):
                entry.rename(damaged)
            shutil.rmtree(damaged, ignore_errors=True)
        made.rename(entry)
        return True
    except OSError as error:
        if error.errno in _TAKEN and _is_whole(entry, facts):
            return True
        say(f"left out of the cache: {entry}: {error.strerror or error}")
        return False
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _name(name: str, path: Path) -> str:
    return f"{name}{path.suffix}"


def _as_read(facts: Mapping[str, Any]) -> Any:
    """Facts as a JSON file gives them back."""
    return json.loads(json.dumps(facts))


def _read(entry: Path) -> dict[str, Any]:
    """What an entry says of itself.

    Raises:
        OSError: it cannot be read.
        ValueError, TypeError, LookupError, AttributeError: it is damaged.
    """
    try:
        told: dict[str, Any] = json.loads((entry / ENTRY).read_bytes())
    except RecursionError:
        raise ValueError(f"{ENTRY} is nested too deeply") from None
    seal = told.pop("seal")
    if digest_of_bytes(json.dumps(told, sort_keys=True).encode()) != seal:
        raise ValueError(f"{ENTRY} is not as it was written")
    return told


def _is_whole(entry: Path, facts: Mapping[str, Any]) -> bool:
    try:
        told = _read(entry)
        there = {path.stem: path for path in entry.iterdir() if path.name != ENTRY}
        return bool(told["facts"] == _as_read(facts)) and all(
            [there[name].stat().st_size, digest_of_file(there[name])] == known for name, known in told["files"].items()
        )
    except (OSError, ValueError, TypeError, LookupError, AttributeError):
        return False


def _remove_left(entry: Path) -> None:
    """Remove what killed writers of an entry left; of another machine's nobody knows, but that it would not write for days."""
    for left in entry.parent.glob(f".{entry.name}.*"):
        dead = tag_is_dead(left.name.removeprefix(f".{entry.name}.").partition(".")[0])
        with contextlib.suppress(OSError):
            if dead or (dead is None and time.time() - left.stat().st_mtime > 7 * 86400):
                shutil.rmtree(left, ignore_errors=True)
