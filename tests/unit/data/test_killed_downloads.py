"""Downloads that are killed with -9: the next goes on, one that waits takes over, and nothing is left."""

import contextlib
import hashlib
import http.server
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

CONTENT = bytes(range(256)) * 2000
HALF = len(CONTENT) // 2


class Handler(http.server.BaseHTTPRequestHandler):
    """Sends half of the file, and the other half when the gate is open; the rest where that is asked for."""

    gate: threading.Event
    asked: list[str]

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "bytes=0-")
        self.asked.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if start else 200)
        self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.send_header("ETag", '"one"')
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(CONTENT[start:HALF])
            self.gate.wait(30)
            self.wfile.write(CONTENT[max(start, HALF) :])

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def server() -> Iterator[tuple[str, threading.Event, list[str]]]:
    gate, asked = threading.Event(), []
    handler = type("Handler", (Handler,), {"gate": gate, "asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        running.daemon_threads = True
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}/f.bin", gate, asked
        gate.set()
        running.shutdown()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def begin(url: str, root: Path, folder: Path, study: str) -> "subprocess.Popen[str]":
    command = [sys.executable, str(root / "scripts"), "download", "--url", url, "--store", "store/f.bin"]
    command += ["--sha256", hashlib.sha256(CONTENT).hexdigest(), "--out", f"{study}/f.bin", "--log", f"{study}.log"]
    environment = {name: value for name, value in os.environ.items() if name != "CONVSCOPE_RUN"}
    return subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.DEVNULL, text=True)


def made(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file() and path.suffix != ".xxh3"
    )


@pytest.mark.parametrize("killed", ["first", "waiting"])
def test_of_two_studies_that_want_one_file_one_is_killed(server, root: Path, tmp_path: Path, killed: str) -> None:
    url, gate, asked = server
    first = begin(url, root, tmp_path, "a")
    # Half has come, all but what waits in memory for more.
    until(lambda: any(path.stat().st_size > HALF - 70_000 for path in tmp_path.glob("store/f.bin.*.part")))
    second = begin(url, root, tmp_path, "b")
    until(lambda: (tmp_path / "b.log").exists() and "waiting for process" in (tmp_path / "b.log").read_text())
    victim, other, study = (first, second, "b") if killed == "first" else (second, first, "a")
    victim.kill()
    victim.wait()
    if killed == "first":
        until(lambda: len(asked) == 2)
    gate.set()
    assert other.wait(timeout=60) == 0
    assert (tmp_path / study / "f.bin").read_bytes() == (tmp_path / "store/f.bin").read_bytes() == CONTENT
    assert made(tmp_path) == sorted(["a.log", "b.log", f"{study}/f.bin", "store/f.bin"])
    if killed == "first":
        assert asked[0] == "bytes=0-" and int(asked[1].removeprefix("bytes=").rstrip("-")) > HALF - 70_000
    else:
        assert asked == ["bytes=0-"]
    again = begin(url, root, tmp_path, "b" if study == "a" else "a")
    assert again.wait(timeout=60) == 0 and len(asked) == (2 if killed == "first" else 1)
