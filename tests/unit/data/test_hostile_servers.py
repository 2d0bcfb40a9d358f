"""Downloads from servers that do whatever they like: the right bytes or one line, in bounded time, and never a wrong file in place."""

import contextlib
import email.utils
import gzip
import hashlib
import socket
import threading
import time
import types
from collections.abc import Callable, Iterator

import pytest

from convscope.data import transfers
from convscope.data.downloads import download, not_a_web_page, not_text
from convscope.errors import UserError
from tests.disks import small_disk

CONTENT = bytes(range(256)) * 1500
SHA = hashlib.sha256(CONTENT).hexdigest()
TAG = 'ETag: "one"'
Answer = Callable[[socket.socket], None]


def says(status: str, *headers: str, body: bytes = b"", ends: bool = True) -> Answer:
    """An answer word by word; it ends with the connection, or never does."""

    def answer(connection: socket.socket) -> None:
        head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "Connection: close", "", ""])
        connection.sendall(head.encode("latin1") + body)
        if not ends:
            time.sleep(3)

    return answer


def whole(content: bytes = CONTENT, *headers: str) -> Answer:
    return says("200 OK", f"Content-Length: {len(content)}", *(headers or (TAG,)), body=content)


def rest(start: int, content: bytes = CONTENT, *headers: str) -> Answer:
    there = f"Content-Range: bytes {start}-{len(content) - 1}/{len(content)}"
    length = f"Content-Length: {len(content) - start}"
    return says("206 Partial Content", there, length, *(headers or (TAG,)), body=content[start:])


def cut(at: int, *headers: str, length: int = len(CONTENT)) -> Answer:
    return says("200 OK", f"Content-Length: {length}", *(headers or (TAG,)), body=CONTENT[:at])


class Server:
    """Gives each request the next answer, and keeps what was asked; where no answer is left, nobody listens."""

    def __init__(self) -> None:
        self.answers: list[Answer] = []
        self.asked: list[str] = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listening.getsockname()[1]}/photos.zip"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += connection.recv(4096)
            self.asked.append(asked.decode("latin1"))
            if self.answers:
                self.answers.pop(0)(connection)

    def ranges(self) -> list[str]:
        """The range that each request asked for, "" for all."""
        lines = [text.splitlines() for text in self.asked]
        return ["".join(line.partition(": ")[2] for line in each if line.startswith("Range:")) for each in lines]


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.listening.close()


def get(server, tmp_path, *answers, **more):
    """Download what the answers give; the longest that it may take is bounded by the test."""
    server.answers = list(answers)
    return download(server.url, tmp_path / "f.zip", **{"pause": 0.0, "timeout": (0.5, 0.5), "retries": 2, **more})


def is_right(tmp_path) -> bool:
    return (tmp_path / "f.zip").read_bytes() == CONTENT and [path.name for path in tmp_path.iterdir()] == ["f.zip"]


def refused(server, tmp_path, *answers, **more) -> str:
    """The one line that a download ends with; nothing is in place."""
    began = time.monotonic()
    with pytest.raises(UserError) as error:
        get(server, tmp_path, *answers, **more)
    line = str(error.value)
    assert "\n" not in line and server.url in line and f"put it at {tmp_path / 'f.zip'}" in line
    assert not (tmp_path / "f.zip").exists() and time.monotonic() - began < 5
    return line


def test_stalls_are_waited_for_no_longer_than_said_and_gone_on_from(server, tmp_path):
    before, middle = (
        says("", ends=False),
        says("200 OK", "Content-Length: 384000", TAG, body=CONTENT[:1000], ends=False),
    )
    get(server, tmp_path, before, middle, rest(1000))
    assert is_right(tmp_path) and server.ranges() == ["", "", "bytes=1000-"]


def drips(head: bytes, drop: bytes, seconds: float = 4.0) -> Answer:
    def answer(connection: socket.socket) -> None:
        connection.sendall(head)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            connection.sendall(drop)
            time.sleep(0.05)

    return answer


def test_what_drips_is_given_up_in_headers_and_in_the_body(server, tmp_path):
    """Each drop comes in time, and the whole would take for ever."""
    header = drips(b"HTTP/1.1 200 OK\r\nX: ", b"x")
    assert "no answer in time" in refused(server, tmp_path, header, retries=0)
    body = drips(b"HTTP/1.1 200 OK\r\nContent-Length: 384000\r\n\r\n", CONTENT[:1])
    assert "bytes came in" in refused(server, tmp_path, body, retries=0)
    going_on = drips(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n")
    assert "no answer in time" in refused(server, tmp_path, going_on, retries=0)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")


def test_resets_before_and_in_the_middle(server, tmp_path):
    def in_the_middle(connection: socket.socket) -> None:
        says("200 OK", "Content-Length: 384000", TAG, body=CONTENT[:200_000])(connection)
        time.sleep(0.2)  # or what was sent would be thrown away, too
        reset(connection)

    get(server, tmp_path, reset, in_the_middle, rest(200_000))
    assert is_right(tmp_path)


def test_garbage_is_no_answer(server, tmp_path):
    def garbage(connection: socket.socket) -> None:
        connection.sendall(b"\x16\x03\x01 SSH-2.0 220 ready\r\n\r\n")

    assert "no connection" in refused(server, tmp_path, garbage, garbage, garbage)


def test_a_length_that_is_too_large_is_asked_for_to_the_end_and_not_believed(server, tmp_path):
    """The file is there whole, but the server has promised more; without a checksum it is no more than a start."""
    lie = cut(len(CONTENT), length=len(CONTENT) + 5)
    empty = says("206 Partial Content", "Content-Range: bytes 384000-384004/384005", "Content-Length: 5", TAG)
    assert "ended after 384000 of 384005 bytes" in refused(server, tmp_path, lie, empty, empty)
    # Of two words of the server one is wrong: all of it again, or the checksum tells.
    no_more = says("416 Range Not Satisfiable", "Content-Range: bytes */384000")
    get(server, tmp_path, no_more, whole())
    assert is_right(tmp_path)
    (tmp_path / "f.zip").unlink()
    get(server, tmp_path, lie, no_more, sha256=SHA)
    assert is_right(tmp_path)


def test_a_length_that_is_too_small_is_the_file_unless_something_tells_more(server, tmp_path):
    lie = says("200 OK", "Content-Length: 300000", TAG, body=CONTENT)
    assert "its checksum is" in refused(server, tmp_path, lie, sha256=SHA)
    get(server, tmp_path, lie)
    assert (tmp_path / "f.zip").read_bytes() == CONTENT[:300_000]


@pytest.mark.parametrize("length", ["-5", "many", "5, 6", "", "9" * 30, "9" * 5000])
def test_lengths_that_are_none(server, tmp_path, length):
    answer = says("200 OK", f"Content-Length: {length}", TAG, body=CONTENT)
    with contextlib.suppress(UserError):
        get(server, tmp_path, answer, answer, answer, sha256=SHA)
        assert is_right(tmp_path)


def test_more_than_the_range_has_is_refused(server, tmp_path):
    more = says("206 Partial Content", "Content-Range: bytes 1000-383999/384000", TAG, body=CONTENT[1000:] + b"more")
    assert "sent more than the 384000 bytes" in refused(server, tmp_path, cut(1000), more)


def test_a_range_of_thousands_of_digits_is_none(server, tmp_path):
    digits = "9" * 5000
    much = says("206 Partial Content", f"Content-Range: bytes 1000-{digits}/{digits}", TAG, body=CONTENT)
    assert "sent another part of the file" in refused(server, tmp_path, cut(1000), much, retries=1)


def test_a_wait_of_thousands_of_digits_is_told(server, tmp_path):
    busy = says("503 Service Unavailable", f"Retry-After: {'9' * 5000}", "Content-Length: 0")
    assert "asks to wait for 1000000000 s" in refused(server, tmp_path, busy)


def test_an_address_that_is_no_text_is_not_followed(server, tmp_path):
    def sends_on(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\xff\xfe\r\nContent-Length: 0\r\n\r\n")

    assert "sends on to an address that is no text" in refused(server, tmp_path, sends_on)


def test_a_body_without_an_end_stops_at_the_limit(server, tmp_path):
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            connection.sendall(CONTENT)

    assert "more than max_bytes = 5000000" in refused(server, tmp_path, endless, max_bytes=5_000_000)
    assert list(tmp_path.iterdir()) == []


def test_a_body_without_an_end_does_not_keep_the_disk_full(server, tmp_path):
    endless = says("200 OK", TAG, body=CONTENT * 10)
    with small_disk(tmp_path / "disk", 1) as disk:
        server.answers = [endless]
        with pytest.raises(UserError, match=r"disk: too little space is left .*make room"):
            download(server.url, disk / "f.zip", retries=0)
        assert [path.suffix for path in disk.iterdir()] == [".json"]


def test_what_has_no_room_is_told_before_it_comes(server, tmp_path):
    huge = says("200 OK", f"Content-Length: {10**17}", TAG, body=CONTENT)
    assert f"it has {10**17} bytes and {tmp_path} has room for" in refused(server, tmp_path, huge)
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("file:///etc/passwd", "a file of this computer"),
        ("ftp://127.0.0.1/f", "'ftp' is not http, https or file"),
        ("gopher:x", "'gopher' is not http"),
        ("javascript:alert(1)", "'javascript' is not http"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("https:///nowhere", "names no host"),
        ("http://:80/", "names no host"),
    ],
)
def test_redirections_lead_to_the_web_or_nowhere(server, tmp_path, target, why):
    line = refused(server, tmp_path, says("302 Found", f"Location: {target}"))
    assert "the server sends on to" in line and why in line and len(server.asked) == 1


def test_a_redirection_from_https_to_http_needs_a_checksum(tmp_path):
    def sent_on(sha256: str | None) -> str:
        part = tmp_path / "part"
        transfer = transfers.Transfer("https://a/f", part, sha256, None, 0, (1, 1), 0, print, print)
        return transfer._sent_on("https://a/f", "http://a/g")

    assert sent_on(SHA) == "http://a/g"
    with pytest.raises(transfers.Final, match="anybody on the way could change what comes; give its sha256"):
        sent_on(None)


def test_redirections_end(server, tmp_path):
    again = says("302 Found", "Location: /photos.zip")
    line = refused(server, tmp_path, *[again] * 30)
    assert "sends on, 10 times and more" in line and len(server.asked) == 10


def test_a_redirection_with_a_body_without_an_end_is_not_read(server, tmp_path):
    def endless(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /other.zip\r\n\r\n")
        while True:
            connection.sendall(CONTENT)

    get(server, tmp_path, endless, whole())
    assert is_right(tmp_path) and server.asked[1].startswith("GET /other.zip ")


def test_another_host_learns_no_password_of_the_first(server, tmp_path):
    other = Server()
    other.answers = [whole()]
    to = other.url.replace("127.0.0.1", "localhost")
    server.answers = [says("302 Found", f"Location: {to}")]
    download(server.url.replace("//", "//joe:SESAME@"), tmp_path / "f.zip", timeout=(1, 1))
    assert is_right(tmp_path) and "Authorization" in server.asked[0] and "Authorization" not in other.asked[0]
    other.listening.close()


def later(seconds: float) -> str:
    return email.utils.formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize("status", ["429 Too Many Requests", "500 Internal Server Error", "503 Service Unavailable"])
@pytest.mark.parametrize("asked", ["none", "seconds", "date", "nonsense", "past"])
def test_a_server_that_asks_for_patience_is_given_it(server, tmp_path, monkeypatch, status, asked):
    waited = []
    clock = types.SimpleNamespace(sleep=waited.append, time=time.time, monotonic=time.monotonic)
    monkeypatch.setattr(transfers, "time", clock)
    hour = 3600.0  # its clock is an hour before ours
    headers = {
        "none": [],
        "seconds": ["Retry-After: 7"],
        "date": [f"Retry-After: {later(hour + 7)}", f"Date: {later(hour)}"],
        "nonsense": ["Retry-After: soon"],
        "past": [f"Retry-After: {later(-100)}"],
    }[asked]
    said = []
    get(server, tmp_path, says(status, "Content-Length: 0", *headers), whole(), pause=2, say=said.append)
    expected = 7 if asked in ("seconds", "date") else 2
    assert is_right(tmp_path) and waited[0] == pytest.approx(expected, abs=1.1)
    assert said[0].startswith(f"the server answered {status}") and said[0].endswith(f"again in {waited[0]:.0f} s")


@pytest.mark.parametrize(
    "asked",
    ["86400", "9" * 400, later(1e6), later(1e11)],
    ids=["a day", "400 digits", "in days", "in thousands of years"],
)
def test_a_server_that_asks_for_too_much_patience_is_left_for_the_next_run(server, tmp_path, asked):
    with contextlib.suppress(UserError):
        get(server, tmp_path, cut(1000), retries=0)
    busy = says("503 Service Unavailable", f"Retry-After: {asked}", "Content-Length: 0")
    line = refused(server, tmp_path, busy)
    assert "and asks to wait for" in line and "; start again after that" in line
    get(server, tmp_path, rest(1000))
    assert is_right(tmp_path) and server.ranges() == ["", "bytes=1000-", "bytes=1000-"]  # what had come is still there


OTHER = CONTENT[::-1]


@pytest.mark.parametrize(
    ("first", "then"),
    [
        ([TAG], ['ETag: "two"']),
        ([TAG], ["Last-Modified: Thu, 02 Jan 2025 00:00:00 GMT"]),
        (["Last-Modified: Wed, 01 Jan 2025 00:00:00 GMT"], ["Last-Modified: Thu, 02 Jan 2025 00:00:00 GMT"]),
        (['ETag: W/"one"'], ['ETag: W/"one"']),
        (["X: y"], ["X: y"]),
    ],
)
def test_a_file_that_changes_between_two_tries_is_not_two_halves(server, tmp_path, first, then):
    """Also where the server sends the rest of the new one, whatever If-Range says."""
    get(server, tmp_path, cut(1000, *first), rest(1000, OTHER, *then), whole(OTHER, *then))
    assert (tmp_path / "f.zip").read_bytes() == OTHER


def test_a_file_that_grows_under_one_tag_is_not_two_halves(server, tmp_path):
    grown = OTHER + b"more"
    get(server, tmp_path, cut(1000), rest(1000, grown), whole(grown))
    assert (tmp_path / "f.zip").read_bytes() == grown


@pytest.mark.parametrize("tag", [TAG, 'ETag: "two"'])
def test_the_start_of_a_file_is_not_the_whole_of_one_that_became_shorter(server, tmp_path, tag):
    shorter = OTHER[:1000]
    no_more = says("416 Range Not Satisfiable", "Content-Range: bytes */1000", tag)
    get(server, tmp_path, cut(1000), no_more, whole(shorter, tag))
    assert (tmp_path / "f.zip").read_bytes() == shorter


def test_another_version_is_not_said_of_what_has_come_of_the_first(server, tmp_path, monkeypatch):
    """Killed between the two, the next run would join them."""
    with contextlib.suppress(UserError):
        get(server, tmp_path, cut(1000), retries=0)

    def killed(*args, **more):
        raise KeyboardInterrupt

    monkeypatch.setattr(transfers.Transfer, "_save", killed)
    with pytest.raises(KeyboardInterrupt):
        get(server, tmp_path, whole(OTHER, 'ETag: "two"'))
    monkeypatch.undo()
    get(server, tmp_path, whole(OTHER, 'ETag: "two"'))
    assert (tmp_path / "f.zip").read_bytes() == OTHER and server.ranges()[-1] == ""


def test_a_server_that_ignores_ranges_and_always_breaks_is_given_up(server, tmp_path):
    """However far it comes each time: it never gets further than before."""
    line = refused(server, tmp_path, *[cut(at) for at in (300_000, 100_000, 250_000, 90_000, 280_000, 1000, 299_000)])
    assert "(tried 3 times)" in line and len(server.asked) == 3


def test_chunks_that_are_cut_off_are_gone_on_from(server, tmp_path):
    chunk = b"10000\r\n" + CONTENT[:65536] + b"\r\n"
    for broken in (chunk, chunk + b"10000\r\n" + CONTENT[65536:70000], chunk + b"no number\r\n"):
        (tmp_path / "f.zip").unlink(missing_ok=True)
        server.asked.clear()
        came = 70000 if len(broken) > 70000 else 65536
        get(server, tmp_path, says("200 OK", "Transfer-Encoding: chunked", TAG, body=broken), rest(came))
        assert is_right(tmp_path) and server.ranges() == ["", f"bytes={came}-"]
    (tmp_path / "f.zip").unlink()
    get(server, tmp_path, says("200 OK", "Transfer-Encoding: chunked", TAG, body=chunk + b"0\r\n\r\n"))
    assert (tmp_path / "f.zip").read_bytes() == CONTENT[:65536]


def test_what_is_compressed_on_the_way_unasked_is_no_file_unless_its_name_or_checksum_says_so(server, tmp_path):
    packed = whole(gzip.compress(CONTENT), TAG, "Content-Encoding: gzip")
    assert "compressed (gzip), which it was asked not to" in refused(server, tmp_path, packed)
    assert "its checksum is" in refused(server, tmp_path, packed, sha256=SHA)
    get(server, tmp_path, whole(CONTENT, "Content-Encoding: x-gzip"), sha256=SHA)
    assert is_right(tmp_path)
    server.url = server.url.replace("photos.zip", "photos.tar.gz")
    (tmp_path / "f.zip").unlink()
    get(server, tmp_path, packed)
    assert gzip.decompress((tmp_path / "f.zip").read_bytes()) == CONTENT


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<!DOCTYPE html><title>Log in", "a web page, not a picture"),
        (b"<head><script>", "a web page, not a picture"),
        (b"<!-- moved --><html>", "a web page, not a picture"),
        (b'{"error": "no such file"}\n', 'text, not a picture: \'{"error"'),
        (b"", "is empty, not a picture"),
    ],
)
def test_what_is_said_instead_of_a_picture(server, tmp_path, body, why):
    line = refused(server, tmp_path, whole(body), check=not_a_web_page("a picture", not_text))
    assert why in line and list(tmp_path.iterdir()) == []


def test_pictures_are_no_text(tmp_path):
    for start in (b"P3 2 2 255\n1 2 3", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"\0\0\2\0"):
        (tmp_path / "f").write_bytes(start)
        assert not_text(tmp_path / "f") == ""


def test_a_servers_words_move_no_cursor(server, tmp_path):
    assert "\x1b" not in refused(server, tmp_path, says("404 \x1b[2J\x07Gone", "Content-Length: 0"))
