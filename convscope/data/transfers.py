"""Getting what a web address leads to into a part of a file: gone on with, tried again, and never believed further than it says.

Everything here ends: a server that stalls or drips is given up, what breaks is tried a number of times, and a body that is endless
stops at the limit or leaves with the part that it filled the disk with.
"""

import contextlib
import dataclasses
import email.utils
import errno
import hashlib
import json
import math
import queue
import re
import shutil
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import requests
import urllib3

from convscope.storage.addresses import fault_of_address, without_secrets
from convscope.storage.files import sha256_of

OnProgress = Callable[[int, int | None], None]

_BLOCK = 1 << 18
_ENOUGH_TO_GO_ON = 1 << 16
_LONGEST_PAUSE = 30.0
_LONGEST_WAIT = 120.0  # that a server may ask for
_LONGEST_ASKED = 1e9  # that is told of
_DIGITS = r"\d{1,18}"  # of a size: Python reads no number of thousands of them
_SLOWEST = 200.0  # bytes a second; less is no download but a line that is kept open
_MOST_REDIRECTIONS = 10
_TRY_AGAIN = (408, 425, 429, 500, 502, 503, 504)
# Servers call a file compressed on the way that is itself a compressed one.
_PACKED = (".gz", ".tgz", ".bz2", ".tbz2", ".tbz", ".xz", ".txz", ".z", ".zst")
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Passing(Exception):
    """What went wrong may be mended by trying again, by the next run at the latest.

    Attributes:
        wait: seconds that the server asks to be left alone; `math.inf` where this run need not try again.
    """

    def __init__(self, what: str, wait: float = 0.0) -> None:
        super().__init__(what)
        self.wait = wait


class Final(Exception):
    """What went wrong will go wrong again."""


class _Session(requests.Session):
    """Follows nothing by itself: it would read on the way all that an answer holds that sends on, which may have no end."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """To requests, an answer leads nowhere."""
        return None

    def sends_on_to(self, answer: requests.Response) -> str | None:
        """Where an answer does lead; None where it is the last."""
        try:
            return super().get_redirect_target(answer)
        except UnicodeDecodeError:
            raise Final("the server sends on to an address that is no text (not UTF-8)") from None


@dataclasses.dataclass(frozen=True)
class Transfer:
    """What is asked for, where what has arrived waits, and how patiently; the settings are those of `downloads.download`."""

    url: str
    part: Path
    sha256: str | None
    max_bytes: int | None
    retries: int
    timeout: tuple[float, float]
    pause: float
    report: OnProgress
    say: Callable[[str], object]

    @property
    def state(self) -> Path:
        """What is known of the part: the address, and the version and length of the file there."""
        return self.part.with_name(self.part.name + ".json")

    def run(self) -> None:
        """Fill the part.

        Raises:
            Passing, Final: it is not whole.
            OSError: it cannot be written.
        """
        failures, most = 0, _size(self.part)
        resumed_wrongly = False
        with _Session() as session:
            while True:
                before = _size(self.part)
                try:
                    self._attempt(session)
                    if before and not resumed_wrongly and self.sha256 and sha256_of(self.part) != self.sha256.lower():
                        # The old piece may be of another file: once, all of it again.
                        resumed_wrongly = True
                        self.part.unlink()
                        continue
                    return
                except (Passing, requests.RequestException) as error:
                    if isinstance(error, requests.exceptions.InvalidURL):
                        raise Final(one_line(error)) from None
                    # What gets further before it breaks may break any number of times.
                    failures = 1 if _size(self.part) - most >= _ENOUGH_TO_GO_ON else failures + 1
                    most = max(most, _size(self.part))
                    wait = error.wait if isinstance(error, Passing) else 0.0
                    if failures > self.retries or wait > _LONGEST_WAIT:
                        tried = f" (tried {failures} times)" if failures > 1 else ""
                        raise Passing(one_line(error) + tried) from None
                    wait = max(wait, min(self.pause * 2 ** (failures - 1), _LONGEST_PAUSE))
                    self.say(without_secrets(f"{one_line(error)}; again in {wait:.0f} s"))
                    time.sleep(wait)

    def _attempt(self, session: _Session) -> None:
        have = _size(self.part)
        known = _read_state(self.state)
        # Without a sign of the version, the rest of a changed file could be joined to the start of the old one.
        if have and (known.get("url") != _digest(self.url) or not (known.get("version") or self.sha256)):
            have = 0
        # Compressed on the way, the bytes would be neither the file's nor countable.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
            if known.get("version"):
                headers["If-Range"] = known["version"]
        with self._ask(session, headers) as answer:
            status, version = answer.status_code, _version(answer)
            if status == 416 and have:
                complete = re.fullmatch(rf"bytes \*/{have}", answer.headers.get("Content-Range", "").strip())
                # What is the whole of one version may be the start of another; a checksum would tell.
                other = _differ(known.get("total"), have) or _differ(known.get("version"), version)
                if complete and (self.sha256 or not other):
                    return  # nothing is missing
                self.part.unlink()
                raise Passing("the server holds less than was downloaded before")
            if status in _TRY_AGAIN:
                wait = _asked_to_wait(answer)
                asks = f" and asks to wait for {wait:.0f} s" if wait else ""
                asks += "; start again after that" if wait > _LONGEST_WAIT else ""
                raise Passing(f"the server answered {status} {answer.reason}{asks}", wait)
            if status not in (200, 206):
                raise Final(f"the server answered {status} {answer.reason}")
            start, total = _range(answer) if status == 206 else (0, _length(answer))
            if status == 206 and start != have:
                self.part.unlink(missing_ok=True)
                raise Passing("the server sent another part of the file than it was asked for")
            if start and (_differ(known.get("version"), version) or _differ(known.get("total"), total)):
                self.part.unlink()
                raise Passing("the file has changed on the server")
            self._refuse(answer, total)
            if not start:
                # Before it is said to be of a new version.
                self.part.unlink(missing_ok=True)
            state = {"url": _digest(self.url), "version": version or known.get("version", ""), "total": total}
            self.state.write_text(json.dumps(state), encoding="utf-8")
            self._save(answer, start, total)

    def _ask(self, session: _Session, headers: dict[str, str]) -> requests.Response:
        """The answer of the place where the address leads in the end; its body is not read yet."""
        url = self.url
        for _ in range(_MOST_REDIRECTIONS):
            answer = self._answer(session, url, headers)
            target = session.sends_on_to(answer)
            if not target:
                return answer
            answer.close()  # unread: there may be no end of it
            url = self._sent_on(url, target)
        raise Final(f"the server sends on, {_MOST_REDIRECTIONS} times and more")

    def _answer(self, session: _Session, url: str, headers: dict[str, str]) -> requests.Response:
        """The answer to one request. One that comes byte by byte is waited for no longer than one that does not come."""
        came: queue.Queue[requests.Response | BaseException] = queue.Queue()

        def ask() -> None:
            try:
                came.put(session.get(url, headers=headers, stream=True, timeout=self.timeout))
            except BaseException as error:
                came.put(error)

        threading.Thread(target=ask, daemon=True).start()
        try:
            answer = came.get(timeout=sum(self.timeout))
        except queue.Empty:
            raise Passing("no answer in time") from None
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _sent_on(self, url: str, target: str) -> str:
        """Where an answer sends on to, if that is the web, and no less safe than the address that was given."""
        try:
            there = urllib.parse.urljoin(url, target)
            fault = fault_of_address(there)
            before, after = (urllib.parse.urlsplit(each).scheme.lower() for each in (url, there))
        except ValueError as error:
            raise Final(f"the server sends on to {target!r}: {error}") from None
        if fault or after == "file":
            raise Final(f"the server sends on to {there}: {fault or 'a file of this computer'}")
        if (before, after) == ("https", "http") and not self.sha256:
            raise Final(
                f"the server sends on to {there}, and anybody on the way could change what comes; give its sha256"
            )
        return there

    def _refuse(self, answer: requests.Response, total: int | None) -> None:
        """Look at what is announced, before any of it is taken."""
        if self.max_bytes is not None and total is not None and total > self.max_bytes:
            raise Final(f"it has {total} bytes and max_bytes is {self.max_bytes}")
        disk = shutil.disk_usage(self.part.parent)
        free = disk.free + _size(self.part)
        if total is not None and total > free and disk.total:  # some file systems do not say
            raise Passing(f"it has {total} bytes and {self.part.parent} has room for {free}; make room", math.inf)
        encoding = answer.headers.get("Content-Encoding", "").strip().lower()
        names = [urllib.parse.urlsplit(url).path.lower() for url in (self.url, answer.url)]
        # A checksum tells the file's own bytes from compressed ones.
        if encoding not in ("", "identity") and not self.sha256 and not any(name.endswith(_PACKED) for name in names):
            raise Final(f"the server sent it compressed ({encoding}), which it was asked not to")

    def _save(self, answer: requests.Response, start: int, total: int | None) -> None:
        done = start
        try:
            with self.part.open("r+b" if start else "wb") as stream:
                stream.truncate(start)
                stream.seek(start)
                for block in self._blocks(answer, total):
                    done += len(block)
                    if self.max_bytes is not None and done > self.max_bytes:
                        raise Final(f"it has more than max_bytes = {self.max_bytes} bytes")
                    if total is not None and done > total:
                        raise Final(f"the server sent more than the {total} bytes that it said the file has")
                    stream.write(block)
                    self.report(done, total)
        except OSError as error:
            if total is None and error.errno in _FULL:
                self.part.unlink(missing_ok=True)  # it may have no end
            raise
        if total is not None and done < total:
            raise Passing(f"the connection ended after {done} of {total} bytes")

    def _blocks(self, answer: requests.Response, total: int | None) -> Iterator[bytes]:
        # What is there, without waiting for a block to be full; older versions of urllib3 do that.
        read = getattr(answer.raw, "read1", answer.raw.read)
        came, since = 0, time.monotonic()
        try:
            # The raw stream: a server that labels a .tar.gz as compressed on the way must not have it unpacked.
            while block := read(_BLOCK, decode_content=False):
                yield block
                came += len(block)
                passed = time.monotonic() - since
                if passed > self.timeout[1]:
                    if came < _SLOWEST * passed:
                        raise Passing(f"no more than {came} bytes came in {passed:.0f} s")
                    came, since = 0, time.monotonic()
        except urllib3.exceptions.TimeoutError:
            raise Passing("no more data in time") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            if total is None:  # else the count says it better
                raise Passing(f"the connection broke: {_innermost(error)}") from None


def one_line(error: BaseException) -> str:
    """What went wrong, for people."""
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


def _asked_to_wait(answer: requests.Response) -> float:
    """Seconds that a server asks to be left alone; 0 where it does not say. A date is counted from the server's own."""
    asked = answer.headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdecimal():
        return min(float(asked), _LONGEST_ASKED)
    then, now = _timestamp(asked), _timestamp(answer.headers.get("Date", ""))
    return 0.0 if then is None else max(then - (time.time() if now is None else now), 0.0)


def _timestamp(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


def _range(answer: requests.Response) -> tuple[int, int | None]:
    match = re.fullmatch(
        rf"bytes ({_DIGITS})-({_DIGITS})/({_DIGITS}|\*)", answer.headers.get("Content-Range", "").strip()
    )
    if not match:
        return -1, None
    return int(match[1]), int(match[2]) + 1 if match[3] == "*" else int(match[3])


def _length(answer: requests.Response) -> int | None:
    length = answer.headers.get("Content-Length", "")
    return int(length) if re.fullmatch(_DIGITS, length) else None


def _version(answer: requests.Response) -> str:
    """A sign that is another where the file is another; "" where the server gives none."""
    tag = answer.headers.get("ETag", "")
    # A weak tag does not promise equal bytes, and If-Range must not carry one.
    return tag if tag and not tag.startswith("W/") else answer.headers.get("Last-Modified", "")


def _differ(known: object, said: object) -> bool:
    return bool(known and said and known != said)


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode(errors="surrogateescape")).hexdigest()


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0


def _read_state(state: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        value = json.loads(state.read_text(encoding="utf-8"))
        if isinstance(value, dict):
            return value
    return {}
