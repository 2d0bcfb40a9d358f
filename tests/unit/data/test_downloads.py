"""Downloads against a server on this machine that cuts, lies, stalls and refuses."""

import hashlib
import http.server
import io
import os
import socket
import threading
import time
import zipfile

import pytest

from convscope.data.archives import what_is_wrong
from convscope.data.downloads import _alone_with as alone_with
from convscope.data.downloads import download, fetch, not_a_web_page
from convscope.errors import UserError
from convscope.storage import runs
from convscope.storage.processes import place, this_process

CONTENT = bytes(range(256)) * 2000
SHA = hashlib.sha256(CONTENT).hexdigest()


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT; `faults` are used up one a request, then it behaves."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.tag = CONTENT, '"one"'
        self.faults: list[str] = []
        self.ranges = self.sends_length = True
        self.gate = threading.Event()
        self.gate.set()
        self.seen: list[dict[str, str]] = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}/photos.zip"


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        server.seen.append(dict(self.headers))
        server.gate.wait(10)
        fault = server.faults.pop(0) if server.faults else ""
        self.close_connection = True
        if fault.isdigit():
            self.send_response(int(fault))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if fault == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body, start = server.content, 0
        asked = self.headers.get("Range")
        if asked and server.ranges and self.headers.get("If-Range", server.tag) == server.tag:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if fault == "shifted":
                start += 10
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        if server.tag:
            self.send_header("ETag", server.tag)
        if server.sends_length:
            self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        self.wfile.write(body[start : start + 100_000] if fault == "cut" else body[start:])


@pytest.fixture
def server():
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


def get(server, path, **more):
    return download(server.url, path, **{"pause": 0.0, "timeout": (2, 2), **more})


def part_of(path):
    """Where this machine keeps what has arrived of a file."""
    return path.with_name(f"{path.name}.{place()}.part")


def only(path):
    """The file is there, whole, and nothing beside it but, in the store, its digest."""
    names = {p.name for p in path.parent.iterdir()} - {f".{path.name}.xxh3"}
    assert path.read_bytes() == CONTENT and names == {path.name}
    return True


def test_a_whole_file_with_progress(server, tmp_path):
    seen = []
    assert (
        get(server, tmp_path / "a/f.zip", sha256=SHA.upper(), progress=lambda *at: seen.append(at))
        == tmp_path / "a/f.zip"
    )
    assert only(tmp_path / "a/f.zip") and seen[-1] == (len(CONTENT), len(CONTENT))
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_what_is_there_is_kept_and_what_is_wrong_replaced(server, tmp_path):
    path = tmp_path / "f.zip"
    path.write_bytes(CONTENT)
    get(server, path, sha256=SHA)
    path.write_bytes(b"put here by hand")
    get(server, path)
    assert path.read_bytes() == b"put here by hand" and server.seen == []
    get(server, path, sha256=SHA)
    assert only(path) and len(server.seen) == 1


def test_a_cut_connection_is_resumed(server, tmp_path):
    server.faults = ["cut", "cut", "cut"]
    get(server, tmp_path / "f.zip", retries=1)
    assert only(tmp_path / "f.zip")
    assert [request.get("Range") for request in server.seen] == [
        None,
        "bytes=100000-",
        "bytes=200000-",
        "bytes=300000-",
    ]
    assert all(request["If-Range"] == '"one"' for request in server.seen[1:])


def test_a_later_run_resumes(server, tmp_path):
    server.faults = ["cut"]
    with pytest.raises(UserError, match="the connection ended after 100000 of 512000 bytes; by hand"):
        get(server, tmp_path / "f.zip", retries=0)
    assert not (tmp_path / "f.zip").exists() and part_of(tmp_path / "f.zip").stat().st_size == 100_000
    get(server, tmp_path / "f.zip", sha256=SHA)
    assert server.seen[-1]["Range"] == "bytes=100000-" and only(tmp_path / "f.zip")


def test_a_file_changed_on_the_server_is_not_joined_to_the_old_one(server, tmp_path):
    server.faults = ["cut"]
    server.content, server.tag = b"\0" * 400_000, '"old"'
    with pytest.raises(UserError):
        get(server, tmp_path / "f.zip", retries=0)
    server.content, server.tag = CONTENT, '"new"'
    get(server, tmp_path / "f.zip")
    assert only(tmp_path / "f.zip")


def test_without_a_version_only_a_checksum_allows_resuming(server, tmp_path):
    server.tag = ""
    for sha256, wanted in ((None, None), (SHA, "bytes=100000-")):
        server.faults = ["cut"]
        path = tmp_path / str(wanted is None) / "f.zip"
        get(server, path, sha256=sha256)
        assert server.seen[-1].get("Range") == wanted and only(path)
    # A stale first part, undetectable but for the checksum: all of it again, once.
    path = tmp_path / "stale/f.zip"
    server.faults = ["cut"]
    server.content = b"\0" * 400_000
    with pytest.raises(UserError):
        get(server, path, retries=0, sha256=SHA)
    server.content = CONTENT
    get(server, path, sha256=SHA)
    assert only(path)


def test_a_server_that_ignores_ranges_starts_over(server, tmp_path):
    server.ranges = False
    server.faults = ["cut", "cut"]
    get(server, tmp_path / "f.zip")
    assert only(tmp_path / "f.zip") and server.seen[1]["Range"] == "bytes=100000-"


def test_a_server_that_sends_another_range_is_not_believed(server, tmp_path):
    server.faults = ["cut", "shifted"]
    get(server, tmp_path / "f.zip")
    assert only(tmp_path / "f.zip")


def test_a_part_that_is_whole_already(server, tmp_path):
    server.faults = ["cut"]
    with pytest.raises(UserError):
        get(server, tmp_path / "f.zip", retries=0)
    part_of(tmp_path / "f.zip").write_bytes(CONTENT)
    get(server, tmp_path / "f.zip", sha256=SHA)
    assert only(tmp_path / "f.zip")


def test_a_part_longer_than_the_file_starts_over(server, tmp_path):
    server.faults = ["cut"]
    with pytest.raises(UserError):
        get(server, tmp_path / "f.zip", retries=0)
    part_of(tmp_path / "f.zip").write_bytes(CONTENT + b"more")
    get(server, tmp_path / "f.zip")
    assert only(tmp_path / "f.zip")


def test_passing_faults_are_retried(server, tmp_path):
    server.faults = ["503", "500", "drop", "429"]
    get(server, tmp_path / "f.zip", retries=4)
    assert only(tmp_path / "f.zip") and len(server.seen) == 5


def test_retries_end(server, tmp_path):
    server.faults = ["503"] * 10
    with pytest.raises(UserError, match=r"the server answered 503 .* \(tried 3 times\)"):
        get(server, tmp_path / "f.zip", retries=2)
    assert len(server.seen) == 3


def test_missing_is_final_and_says_what_to_do(server, tmp_path):
    server.faults = ["404", "404"]
    with pytest.raises(UserError) as error:
        get(server, tmp_path / "f.zip", sha256=SHA)
    assert str(error.value) == (
        f"cannot download {server.url}: the server answered 404 Not Found; by hand: download it elsewhere "
        f"(sha256 {SHA}) and put it at {tmp_path / 'f.zip'}"
    )
    assert len(server.seen) == 1 and list(tmp_path.iterdir()) == []


def test_a_wrong_checksum_leaves_nothing(server, tmp_path):
    with pytest.raises(UserError, match=f"its checksum is {SHA} and should be {'0' * 64}"):
        get(server, tmp_path / "f.zip", sha256="0" * 64)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("sends_length", [True, False])
def test_too_large_is_refused_announced_or_not(server, tmp_path, sends_length):
    server.sends_length = sends_length
    with pytest.raises(UserError, match="max_bytes"):
        get(server, tmp_path / "f.zip", max_bytes=len(CONTENT) - 1)
    assert list(tmp_path.iterdir()) == []
    get(server, tmp_path / "f.zip", max_bytes=len(CONTENT))
    assert only(tmp_path / "f.zip")


def test_nobody_listens(tmp_path):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    with pytest.raises(UserError) as error:
        download(f"http://127.0.0.1:{port}/f", tmp_path / "f", retries=1, pause=0)
    text = str(error.value)
    assert "no connection: Connection refused (tried 2 times)" in text and "0x" not in text and "\n" not in text


def test_a_server_that_never_answers(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/f"
        with pytest.raises(UserError, match="no answer in time"):
            download(url, tmp_path / "f", retries=0, timeout=(0.2, 0.2))


def test_file_urls_and_others(tmp_path):
    source = tmp_path / "with blank ä.zip"
    source.write_bytes(CONTENT)
    download(source.as_uri(), tmp_path / "out/f.zip", sha256=SHA)
    assert only(tmp_path / "out/f.zip") and source.exists()
    for url, message in (
        ((tmp_path / "none").as_uri(), "No such file"),
        ("ftp://127.0.0.1/f", "'ftp' is not http, https or file"),
        ("photos.zip", "'photos.zip' is not http"),
        (source.as_uri().replace("///", "//host/"), "'host' would be another machine"),
    ):
        with pytest.raises(UserError, match=message):
            download(url, tmp_path / "out/g.zip")
    with pytest.raises(UserError, match="max_bytes is 5"):
        download(source.as_uri(), tmp_path / "out/g.zip", max_bytes=5)


def test_a_local_file_is_copied_again_when_it_was_replaced(tmp_path):
    source = tmp_path / "mine.zip"
    for content in (b"first", b"other"):  # of one length: its size tells nothing
        source.write_bytes(content)
        fetch(source.as_uri(), tmp_path / "out/f.zip", tmp_path / "store/f.zip")
        assert (tmp_path / "out/f.zip").read_bytes() == content
    assert source.stat().st_nlink == 1 and not (tmp_path / "store").exists()
    with pytest.raises(UserError, match="its checksum is"):
        fetch(source.as_uri(), tmp_path / "out/f.zip", tmp_path / "store/f.zip", sha256=SHA)


def study(tmp_path, name):
    return tmp_path / name / "f.zip", tmp_path / "store" / "f.zip"


def test_studies_share_what_is_downloaded_once(server, tmp_path):
    for name, sha256 in (("a", None), ("b", SHA), ("a", None), ("b", SHA)):  # with and without a checksum, in turns
        path, store = study(tmp_path, name)
        fetch(server.url, path, store, sha256, pause=0)
        assert only(path) and only(store)
    assert len(server.seen) == 1
    assert study(tmp_path, "a")[0].samefile(store)


def test_what_a_study_lost_comes_from_the_store_and_says_how_to_have_it_anew(server, tmp_path):
    path, store = study(tmp_path, "a")
    said = []
    fetch(server.url, path, store, say=said.append)
    assert said == []
    server.content, server.tag = b"replaced on the server", '"two"'
    path.unlink()
    fetch(server.url, path, store, say=said.append)
    assert path.read_bytes() == CONTENT
    assert said == [f"not downloaded again: {store} has it, for all studies; to have it anew, delete that and {path}"]
    path.unlink()
    store.unlink()
    fetch(server.url, path, store)
    assert path.read_bytes() == b"replaced on the server"


def test_what_is_damaged_in_the_store_is_downloaded_again(server, tmp_path):
    path, store = study(tmp_path, "a")
    fetch(server.url, path, store)
    before = store.stat()
    store.write_bytes(bytes([CONTENT[0] ^ 1]) + CONTENT[1:])  # and with it the study's, which is the same file
    os.utime(store, ns=(before.st_atime_ns, before.st_mtime_ns))
    path.unlink()
    said = []
    fetch(server.url, path, store, say=said.append)
    assert only(path) and only(store) and said == [f"{store} is not what was downloaded any more; downloaded again"]
    fetch(server.url, path, store)
    assert len(server.seen) == 2


def test_a_study_keeps_its_file_when_another_one_wants_the_newer(server, tmp_path):
    (first, store), (second, _) = study(tmp_path, "a"), study(tmp_path, "b")
    old = server.content = b"an older archive"
    fetch(server.url, first, store)
    server.content, server.tag = CONTENT, '"two"'
    fetch(server.url, second, store, SHA)
    assert first.read_bytes() == old and only(second) and only(store)


def test_what_a_killed_run_left_beside_a_studys_name_is_removed_and_a_live_ones_is_not(server, tmp_path):
    path, store = study(tmp_path, "a")
    path.parent.mkdir()
    mine = this_process().tag
    dead = "-".join([*mine.split("-")[:2], "3fffff", "1"])
    for tag in (dead, "another.machines"):
        path.with_name(f".f.zip.{tag}.part").touch()
    fetch(server.url, path, store)
    assert sorted(file.name for file in path.parent.iterdir()) == [".f.zip.another.machines.part", "f.zip"]


def test_without_links_it_is_a_copy(server, tmp_path, monkeypatch):
    monkeypatch.setattr("os.link", lambda *args: (_ for _ in ()).throw(PermissionError(1, "no")))
    path, store = study(tmp_path, "a")
    fetch(server.url, path, store)
    assert only(path) and only(store) and not path.samefile(store)


def test_put_into_the_store_by_hand_as_a_link_it_is_found(server, tmp_path):
    path, store = study(tmp_path, "a")
    store.parent.mkdir()
    (tmp_path / "elsewhere.zip").write_bytes(CONTENT)
    store.symlink_to("../elsewhere.zip")
    fetch(server.url, path, store, SHA)
    assert only(path) and not path.is_symlink() and server.seen == []


def test_a_store_that_is_a_link_to_what_is_gone_is_said(server, tmp_path):
    """As a shared cache leaves it that was removed, or is not mounted, and is named no more."""
    link = tmp_path / "downloads"
    link.symlink_to(tmp_path / "cache/downloads")
    with pytest.raises(
        UserError, match=r"downloads is a link to .*, which is not there .*; bring that back, or remove the"
    ):
        fetch(server.url, tmp_path / "one/f", link / "f")
    assert link.is_symlink() and not (tmp_path / "one").exists()


def test_from_somebody_elses_store_what_is_whole_is_taken_and_the_rest_is_the_studys(server, tmp_path, monkeypatch):
    """Where a cache was made read-only once it was full, and folders of results are linked to it."""
    (path, store), (other, _) = study(tmp_path, "a"), study(tmp_path, "b")
    fetch(server.url, path, store)
    path.unlink()
    access = os.access
    monkeypatch.setattr(os, "access", lambda of, mode: access(of, mode) and not (of == store.parent and mode & os.W_OK))
    monkeypatch.setattr("convscope.data.downloads._alone_with", alone_outside_of(store.parent))
    said = []
    fetch(server.url, path, store, SHA, say=said.append)
    assert only(path) and len(server.seen) == 1 and said == [f"taken from {store}"]
    store.write_bytes(b"damaged")
    for wanted in (SHA, None):
        fetch(server.url, other, store, wanted)
        assert only(other) and store.read_bytes() == b"damaged"
        other.unlink()
    store.unlink()
    fetch(server.url, other, store)
    assert only(other) and not store.exists() and len(server.seen) == 4


@pytest.mark.parametrize("unreadable", [True, False])
def test_a_file_that_only_its_owner_reads_or_removes_is_the_stores(unreadable, server, tmp_path, monkeypatch):
    """In a store that all may write to, as folders of a group are, or those where each removes only what is their own."""
    (path, store), (other, _) = study(tmp_path, "a"), study(tmp_path, "b")
    fetch(server.url, path, store)
    path.unlink()
    store.write_bytes(b"damaged")
    if unreadable:
        access = os.access
        monkeypatch.setattr(os, "access", lambda of, mode: access(of, mode) and not (of == store and mode & os.R_OK))
    else:
        store.parent.chmod(0o1777)
        monkeypatch.setattr(os, "geteuid", lambda: store.stat().st_uid + 1)
    for wanted in (SHA, None):
        fetch(server.url, other, store, wanted)
        assert only(other) and store.read_bytes() == b"damaged"
        other.unlink()


def alone_outside_of(folder):
    def lock(url, path, *more):
        if path.parent == folder:
            raise UserError("no permission")
        return alone_with(url, path, *more)

    return lock


def test_two_at_once_download_once(server, tmp_path):
    """Also where they are threads, which have everything in common but the moment."""
    server.gate.clear()
    said, failed = [], []

    def work(name):
        try:
            fetch(server.url, *study(tmp_path, name), pause=0, say=said.append)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    while not said and any(thread.is_alive() for thread in threads):
        time.sleep(0.01)
    server.gate.set()
    for thread in threads:
        thread.join()
    assert failed == [] and len(server.seen) == 1
    assert (
        len(said) == 2 and said[0].startswith("waiting for process ") and said[1].startswith("not downloaded again: ")
    )
    assert all(only(study(tmp_path, name)[0]) for name in "ab")


def test_another_machines_part_is_not_touched(server, tmp_path):
    """Locks may be kept to one machine: two that write one file would spoil it."""
    other = tmp_path / "f.zip.0a1b2c.part"
    other.write_bytes(b"x" * 1000)
    server.faults = ["cut"]
    get(server, tmp_path / "f.zip")
    assert (tmp_path / "f.zip").read_bytes() == CONTENT and other.read_bytes() == b"x" * 1000
    assert "Range" not in server.seen[0]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"<!DOCTYPE html><html>Sorry", "a web page, not an archive"),
        (b"\n  <HTML>", "a web page, not an archive"),
        (b"no archive at all", "not a zip or tar archive"),
        (b"PK\x03\x04 cut off", "damaged zip archive"),
    ],
)
def test_a_wrong_download_is_not_kept_and_the_next_run_asks_again(server, tmp_path, content, why):
    path, store = study(tmp_path, "a")
    check = not_a_web_page("an archive", what_is_wrong)
    server.content = content
    with pytest.raises(UserError, match=why):
        fetch(server.url, path, store, check=check)
    assert not path.exists() and list(store.parent.iterdir()) == []
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("cat/1.png", b"picture")
    server.content = stream.getvalue()
    # One that was kept by an older version, or put there by hand, is replaced.
    store.write_bytes(content)
    fetch(server.url, path, store, check=check)
    assert path.read_bytes() == store.read_bytes() == server.content


def test_nothing_is_put_in_place_once_the_run_has_ended(server, tmp_path, monkeypatch):
    monkeypatch.setattr(runs, "why_ended", lambda: "it has ended")
    with pytest.raises(runs.RunEnded):
        get(server, tmp_path / "f.zip")
    part = part_of(tmp_path / "f.zip").name
    assert sorted(path.name for path in tmp_path.iterdir()) == [part, f"{part}.json"]
    monkeypatch.undo()
    get(server, tmp_path / "f.zip")
    assert only(tmp_path / "f.zip") and server.seen[1]["Range"] == f"bytes={len(CONTENT)}-"  # nothing comes twice


def test_no_secret_in_any_message_or_file(server, tmp_path):
    secret = server.url.replace("//", "//joe:SESAME@") + "?token=SESAME#SESAME"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"http://joe:SESAME@127.0.0.1:{closed.getsockname()[1]}/f?SESAME"
    for url, faults in ((secret, ["404"]), (secret, ["503", "503"]), (secret, ["cut", "drop"]), (nobody, [])):
        server.faults = list(faults)
        with pytest.raises(UserError) as error:
            download(url, tmp_path / "f.zip", retries=1 if len(faults) != 1 else 0, pause=0, timeout=(2, 2))
        assert "SESAME" not in str(error.value) and "127.0.0.1" in str(error.value)
        assert not [path for path in tmp_path.iterdir() if b"SESAME" in path.read_bytes()]
    assert part_of(tmp_path / "f.zip").exists(), "what came is kept"
    server.faults = []
    download(secret, tmp_path / "f.zip", pause=0, timeout=(2, 2))
    assert only(tmp_path / "f.zip") and server.seen[-1]["Range"] == "bytes=100000-"
    assert server.seen[-1]["Authorization"].startswith("Basic "), "the server still learns who asks"
