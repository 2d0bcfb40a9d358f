"""Downloads that go on where they stopped, are checked, and fail with one line that says what to do by hand.

All studies share what is downloaded: a store holds it, and each study has the same file under a name of its own (see `fetch`), so
that studies neither wait for each other's checksums nor take files away from each other.
"""

import contextlib
import glob
import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from convscope.data.transfers import Final, OnProgress, Passing, Transfer, one_line
from convscope.errors import UserError
from convscope.jobs.disk_errors import told
from convscope.pictures.kinds import HEAD, format_of
from convscope.storage.addresses import fault_of_address, local_file, without_secrets
from convscope.storage.digests import digest_of_file
from convscope.storage.files import put_in_place, sha256_of, write_text
from convscope.storage.locks import waiting_for
from convscope.storage.processes import place, tag_is_dead, this_process

Check = Callable[[Path], str]

_BLOCK = 1 << 18
_PAGES = (b"<!doctype html", b"<html", b"<head", b"<body", b"<script", b"<!--")


def fetch(
    url: str, path: str | os.PathLike[str], store: str | os.PathLike[str], sha256: str | None = None, **settings: Any
) -> Path:
    """Have a study's own name for what an address leads to, which is downloaded once for all studies.

    Args:
        url: http, https or file; a file of this computer is copied each time and stays out of the store, for it may change.
        path: the study's name for it: the same file as the store's where the file system has links, else a copy.
        store: where all studies have it.
        sha256, settings: as for `download`.

    Returns:
        `path`.

    Raises:
        UserError: as `download`.
    """
    path, store = Path(path), Path(store)
    if local_file(url) is not None:
        return download(url, path, sha256, **settings)
    folder = store.parent
    if folder.is_symlink() and not folder.exists():
        raise UserError(
            f"{folder} is a link to {folder.readlink()}, which is not there (a cache that CONVSCOPE_CACHE named?); bring that back, "
            "or remove the link"
        )
    say = settings.get("say", print)
    if folder.is_dir() and (not os.access(folder, os.W_OK | os.X_OK) or _is_fixed(store)):
        # Somebody else's: what is whole there is taken, and anything else is this study's alone.
        readable = os.access(store, os.R_OK) and store.is_file()
        if not readable or _is_damaged(store) or _objection(store, sha256, settings.get("check")):
            return download(url, path, sha256, **settings)
        say(f"taken from {store}")
        _share(store, path)
        return path
    with _alone_with(url, store, sha256, say):
        if _is_damaged(store):
            # The study's name is of the same file: it would be made again of what is damaged.
            say(f"{store} is not what was downloaded any more; downloaded again")
            store.unlink()
        if not _download(url, store, sha256, **settings):
            say(f"not downloaded again: {store} has it, for all studies; to have it anew, delete that and {path}")
        with contextlib.suppress(OSError):  # another user's store
            write_text(_digest_beside(store), digest_of_file(store))
        _share(store, path)
    return path


def _is_fixed(store: Path) -> bool:
    """Whether a store that all may write to holds a file that this user cannot read, or not replace: many remove only their own."""
    try:
        file, folder = store.stat(), store.parent.stat()
    except OSError:
        return False
    alone = bool(folder.st_mode & stat.S_ISVTX) and os.geteuid() not in (0, file.st_uid, folder.st_uid)
    return alone or not os.access(store, os.R_OK)


def _digest_beside(store: Path) -> Path:
    return store.with_name(f".{store.name}.xxh3")


def _is_damaged(store: Path) -> bool:
    """Whether a file of the store has another digest than when it came; one that somebody put there has none."""
    kept = _digest_beside(store)
    try:
        if store.is_file():
            return kept.read_text(encoding="utf-8") != digest_of_file(store)
        kept.unlink(missing_ok=True)
    except (OSError, ValueError):
        pass
    return False


def not_a_web_page(what: str, more: Check | None = None) -> Check:
    """A `check` for `download`: servers answer with a page where a file is gone, or wants a login."""

    def check(path: Path) -> str:
        with path.open("rb") as stream:
            start = stream.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if start.startswith(_PAGES):
            return f"what the address leads to is a web page, not {what}; look at it in a browser for the file's own address"
        if not start:
            return f"what the address leads to is empty, not {what}"
        return more(path) if more else ""

    return check


def not_text(path: Path) -> str:
    """A `check` of pictures: services answer in words where they refuse."""
    with path.open("rb") as stream:
        head = stream.read(HEAD)
    if (
        not format_of(head)
        and head.isascii()
        and head.decode("ascii").replace("\n", "").replace("\r", "").isprintable()
    ):
        return f"what the address leads to is text, not a picture: {head[:60].decode('ascii')!r}"
    return ""


def download(url: str, path: str | os.PathLike[str], sha256: str | None = None, **settings: Any) -> Path:
    """Fetch a file, resuming an earlier attempt.

    What has arrived waits in `<path>.<place>.part`, a name of this machine's; its next attempt (also of a later run) asks for
    the rest, and starts over where the server cannot give it or the file has changed there. `path` appears only when complete
    and checked. A file already at `path` is kept when its checksum is right, or when there is none to compare, and the check has
    nothing against it; but a file of this computer is always copied. Processes of one machine do this one after the other. No
    message and no file tells a password or a token of the address.

    Args:
        url: http, https or file.
        path: where it goes.
        sha256: hexadecimal checksum the content must have.
        settings: any of these.
            max_bytes: refuse anything larger.
            retries: failures in a row (lost connections, 5xx, too short an answer) before giving up (5). A server that asks
                to be left alone for some time (Retry-After) is, up to two minutes.
            timeout: seconds for connecting, and for each wait for data ((15, 60)); what drips is given up after the second.
            progress: called with (bytes so far, bytes in all or None).
            pause: seconds before the first retry; doubled for each further one (1).
            check: given what was downloaded, says what is wrong with it, "" for nothing.
            say: given a line for the log while it waits, for another process or for the server.

    Returns:
        `path`.

    Raises:
        UserError: one line with the url, what happened, and what to do by hand.
        RunEnded: the run this process works for has ended.
    """
    path = Path(path)
    with _alone_with(url, path, sha256, settings.get("say", print)):
        _download(url, path, sha256, **settings)
    return path


@contextlib.contextmanager
def _alone_with(url: str, path: Path, sha256: str | None, say: Callable[[str], object]) -> Iterator[None]:
    """As the only process of this machine that downloads to a path; others have parts of their own."""
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(waiting_for(path.with_name(f".{path.name}.{place()}.lock"), say))
        except OSError as error:
            raise UserError(told(error, [path]) or _advice(url, path, one_line(error), sha256)) from None
        yield


def _share(store: Path, path: Path) -> None:
    """Give a file of the store a study's name, too."""
    temporary = path.with_name(f".{path.name}.{this_process().tag}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            if left == temporary or tag_is_dead(left.name[len(path.name) + 2 : -len(".part")]):
                left.unlink(missing_ok=True)
        try:
            os.link(os.path.realpath(store), temporary)
        except OSError:  # another user's, another disk, or a file system without links
            shutil.copyfile(store, temporary)
        put_in_place(temporary, path)
    except OSError as error:
        raise UserError(told(error, [path]) or f"{path}: {one_line(error)}") from None
    finally:
        temporary.unlink(missing_ok=True)


def _download(
    url: str,
    path: Path,
    sha256: str | None,
    max_bytes: int | None = None,
    retries: int = 5,
    timeout: tuple[float, float] = (15.0, 60.0),
    progress: OnProgress | None = None,
    pause: float = 1.0,
    check: Check | None = None,
    say: Callable[[str], object] = print,
) -> bool:
    """Whether there was anything to do: not where a file that is right is there."""
    here = local_file(url)
    part = path.with_name(f"{path.name}.{place()}.part")
    report = progress or (lambda done, total: None)
    transfer = Transfer(url, part, sha256, max_bytes, retries, timeout, pause, report, say)
    if here is None and path.is_file() and not _objection(path, sha256, check):
        transfer.state.unlink(missing_ok=True)  # of one that was killed before its last step
        return False
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if fault := fault_of_address(url):
            raise Final(fault)
        if here is not None:
            _copy(here, part, max_bytes, report)
        else:
            transfer.run()
        if objection := _objection(part, sha256, check):
            raise Final(objection)
        put_in_place(part, path)
        transfer.state.unlink(missing_ok=True)
        return True
    except Final as error:
        part.unlink(missing_ok=True)
        transfer.state.unlink(missing_ok=True)
        raise UserError(_advice(url, path, str(error), sha256)) from None
    except Passing as error:
        raise UserError(_advice(url, path, str(error), sha256)) from None
    except OSError as error:
        if here is not None:
            part.unlink(missing_ok=True)  # a copy begins anew
        raise UserError(told(error, [path]) or _advice(url, path, one_line(error), sha256)) from None


def _copy(source: Path, part: Path, max_bytes: int | None, report: OnProgress) -> None:
    try:
        total = source.stat().st_size
        if max_bytes is not None and total > max_bytes:
            raise Final(f"it has {total} bytes and max_bytes is {max_bytes}")
        with source.open("rb") as stream, part.open("wb") as target:
            while block := stream.read(_BLOCK):
                target.write(block)
                report(target.tell(), total)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise Final(f"{error.strerror}: {source}") from None


def _objection(path: Path, sha256: str | None, check: Check | None) -> str:
    """What is wrong with a downloaded file; "" for nothing."""
    if sha256 is not None and (found := sha256_of(path)) != sha256.lower():
        return f"its checksum is {found} and should be {sha256.lower()}"
    return check(path) if check else ""


def _advice(url: str, path: Path, what: str, sha256: str | None) -> str:
    check = f" (sha256 {sha256})" if sha256 else ""
    # Clients repeat the address, that of a redirection too, from its path on: no question mark of theirs asks for anything else.
    what = re.sub(r"\?[^\s'\")]+", "?...", without_secrets(what))
    what = "".join(sign if sign.isprintable() else "?" for sign in what)  # a server's words, on a terminal
    return f"cannot download {without_secrets(url)}: {what}; by hand: download it elsewhere{check} and put it at {path}"
