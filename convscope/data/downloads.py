"""Downloads that go on where they stopped, are checked, and fail with one line that says what to do by hand.

All studies share what is downloaded: a store holds it, and each study has the same file under a name of its own (see `fetch`), so
that studies neither wait for each other's checksums nor take files away from each other.
"""

import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
import urllib3

from convscope.errors import UserError
from convscope.storage.addresses import fault_of_address, local_file, without_secrets
from convscope.storage.files import put_in_place, sha256_of
from convscope.storage.locks import waiting_for
from convscope.storage.processes import place, this_process

OnProgress = Callable[[int, int | None], None]
Check = Callable[[Path], str]

_BLOCK = 1 << 18
_ENOUGH_TO_GO_ON = 1 << 16
_LONGEST_PAUSE = 30.0
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)


class _Passing(Exception):
    """What went wrong may be mended by trying again."""


class _Final(Exception):
    """What went wrong will go wrong again."""


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
    say = settings.get("say", print)
    with _alone_with(url, store, sha256, say):
        if not _download(url, store, sha256, **settings):
            say(f"not downloaded again: {store} has it, for all studies; to have it anew, delete that and {path}")
        _share(store, path)
    return path


def not_a_web_page(what: str, more: Check | None = None) -> Check:
    """A `check` for `download`: servers answer with a page where a file is gone, or wants a login."""

    def check(path: Path) -> str:
        with path.open("rb") as stream:
            start = stream.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
        if start.startswith((b"<!doctype html", b"<html")):
            return f"what the address leads to is a web page, not {what}; look at it in a browser for the file's own address"
        return more(path) if more else ""

    return check


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
            retries: failures in a row (lost connections, 5xx, too short an answer) before giving up (5).
            timeout: seconds for connecting, and for each wait for data ((15, 60)).
            progress: called with (bytes so far, bytes in all or None).
            pause: seconds before the first retry; doubled for each further one (1).
            check: given what was downloaded, says what is wrong with it, "" for nothing.
            say: given a line for the log while it waits for another process.

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
            raise UserError(_advice(url, path, _one_line(error), sha256)) from None
        yield


def _share(store: Path, path: Path) -> None:
    """Give a file of the store a study's name, too."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{this_process().tag}.part")
    try:
        temporary.unlink(missing_ok=True)
        try:
            os.link(os.path.realpath(store), temporary)
        except OSError:  # another user's, another disk, or a file system without links
            shutil.copyfile(store, temporary)
        put_in_place(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: {_one_line(error)}") from None
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
    say: object = None,
) -> bool:
    """Whether there was anything to do: not where a file that is right is there."""
    here = local_file(url)
    if here is None and path.is_file() and not _objection(path, sha256, check):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{place()}.part")
    state = part.with_name(part.name + ".json")
    report = progress or (lambda done, total: None)
    try:
        if fault := fault_of_address(url):
            raise _Final(fault)
        if here is not None:
            _copy(here, part, max_bytes, report)
        else:
            _fetch_with_retries(url, part, state, sha256, max_bytes, retries, timeout, report, pause)
        if objection := _objection(part, sha256, check):
            raise _Final(objection)
        state.unlink(missing_ok=True)
        put_in_place(part, path)
        return True
    except _Final as error:
        part.unlink(missing_ok=True)
        state.unlink(missing_ok=True)
        raise UserError(_advice(url, path, str(error), sha256)) from None
    except (_Passing, OSError) as error:
        raise UserError(_advice(url, path, _one_line(error), sha256)) from None


def _fetch_with_retries(
    url: str,
    part: Path,
    state: Path,
    sha256: str | None,
    max_bytes: int | None,
    retries: int,
    timeout: tuple[float, float],
    report: OnProgress,
    pause: float,
) -> None:
    failures = 0
    resumed_wrongly = False
    with requests.Session() as session:
        while True:
            before = _size(part)
            try:
                _fetch(session, url, part, state, sha256, max_bytes, timeout, report)
                if before and not resumed_wrongly and sha256 and sha256_of(part) != sha256.lower():
                    # The old piece may be of another file: once, all of it again.
                    resumed_wrongly = True
                    part.unlink()
                    continue
                return
            except (_Passing, requests.RequestException) as error:
                if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.TooManyRedirects):
                    raise _Final(_one_line(error)) from None
                # A connection that brings something before it breaks may break any number of times.
                failures = 1 if _size(part) - before >= _ENOUGH_TO_GO_ON else failures + 1
                if failures > retries:
                    raise _Passing(_one_line(error) + (f" (tried {failures} times)" if failures > 1 else "")) from None
                time.sleep(min(pause * 2 ** (failures - 1), _LONGEST_PAUSE))


def _fetch(
    session: requests.Session,
    url: str,
    part: Path,
    state: Path,
    sha256: str | None,
    max_bytes: int | None,
    timeout: tuple[float, float],
    report: OnProgress,
) -> None:
    have = _size(part)
    known = _read_state(state)
    # Without a sign of the version, the rest of a changed file could be joined to the start of the old one.
    if have and (known.get("url") != _digest(url) or not (known.get("version") or sha256)):
        have = 0
    # Compressed on the way, the bytes would be neither the file's nor countable.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if known.get("version"):
            headers["If-Range"] = known["version"]
    with session.get(url, headers=headers, stream=True, timeout=timeout) as answer:
        status = answer.status_code
        if status == 416 and have:
            if re.fullmatch(rf"bytes \*/{have}", answer.headers.get("Content-Range", "").strip()):
                return  # nothing is missing
            part.unlink()
            raise _Passing("the server holds less than was downloaded before")
        if status in _TRY_AGAIN:
            raise _Passing(f"the server answered {status} {answer.reason}")
        if status not in (200, 206):
            raise _Final(f"the server answered {status} {answer.reason}")
        start, total = _range(answer) if status == 206 else (0, _length(answer))
        if start != have and status == 206:
            part.unlink(missing_ok=True)
            raise _Passing("the server sent another part of the file than it was asked for")
        if max_bytes is not None and total is not None and total > max_bytes:
            raise _Final(f"it has {total} bytes and max_bytes is {max_bytes}")
        _write_state(state, url, answer)
        _save(answer, part, start, total, max_bytes, report)


def _save(
    answer: requests.Response, part: Path, start: int, total: int | None, max_bytes: int | None, report: OnProgress
) -> None:
    done = start
    with part.open("r+b" if start else "wb") as stream:
        stream.truncate(start)
        stream.seek(start)
        for block in _blocks(answer, total):
            done += len(block)
            if max_bytes is not None and done > max_bytes:
                raise _Final(f"it has more than max_bytes = {max_bytes} bytes")
            stream.write(block)
            report(done, total)
    if total is not None and done < total:
        raise _Passing(f"the connection ended after {done} of {total} bytes")


def _blocks(answer: requests.Response, total: int | None) -> Iterator[bytes]:
    try:
        # The raw stream: a server that labels a .tar.gz as compressed on the way must not have it unpacked.
        yield from answer.raw.stream(_BLOCK, decode_content=False)
    except urllib3.exceptions.TimeoutError:
        raise _Passing("no more data in time") from None
    except (urllib3.exceptions.HTTPError, OSError) as error:
        if total is None:  # else the count says it better
            raise _Passing(f"the connection broke: {_innermost(error)}") from None


def _range(answer: requests.Response) -> tuple[int, int | None]:
    match = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", answer.headers.get("Content-Range", "").strip())
    if not match:
        return -1, None
    return int(match[1]), int(match[2]) + 1 if match[3] == "*" else int(match[3])


def _length(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() else None


def _copy(source: Path, part: Path, max_bytes: int | None, report: OnProgress) -> None:
    try:
        total = source.stat().st_size
        if max_bytes is not None and total > max_bytes:
            raise _Final(f"it has {total} bytes and max_bytes is {max_bytes}")
        with source.open("rb") as stream, part.open("wb") as target:
            while block := stream.read(_BLOCK):
                target.write(block)
                report(target.tell(), total)
    except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
        raise _Final(f"{error.strerror}: {source}") from None


def _objection(path: Path, sha256: str | None, check: Check | None) -> str:
    """What is wrong with a downloaded file; "" for nothing."""
    if sha256 is not None and (found := sha256_of(path)) != sha256.lower():
        return f"its checksum is {found} and should be {sha256.lower()}"
    return check(path) if check else ""


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode(errors="surrogateescape")).hexdigest()


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _read_state(state: Path) -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        value = json.loads(state.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
    return {}


def _write_state(state: Path, url: str, answer: requests.Response) -> None:
    tag = answer.headers.get("ETag", "")
    # A weak tag does not promise equal bytes, and If-Range must not carry one.
    version = tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")
    state.write_text(json.dumps({"url": _digest(url), "version": version}), encoding="utf-8")


def _one_line(error: BaseException) -> str:
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.exceptions.SSLError):
        return f"no secure connection: {_innermost(error)}"
    if isinstance(error, requests.exceptions.ConnectionError):
        return f"no connection: {_innermost(error)}"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _innermost(error: BaseException) -> str:
    """The cause, without the wrappers' object addresses."""
    text = " ".join(str(error).split())
    found = re.findall(r"(?:\[Errno -?\d+\] |: )([A-Z][\w ,.'-]+)", text)
    return found[-1].strip(" '") if found else text[:200]


def _advice(url: str, path: Path, what: str, sha256: str | None) -> str:
    check = f" (sha256 {sha256})" if sha256 else ""
    # Clients repeat the address, that of a redirection too, from its path on: no question mark of theirs asks for anything else.
    what = re.sub(r"\?[^\s'\")]+", "?...", without_secrets(what))
    return f"cannot download {without_secrets(url)}: {what}; by hand: download it elsewhere{check} and put it at {path}"
