"""Jobs without their start: a server that has the heavy libraries imported runs each of them in a forked child.

A job of the pipeline spends two or three seconds on importing TensorFlow, and its work in these tests takes tenths of one. `Preloaded`
starts a server that imports the libraries once, and puts a `python` first on the PATH that hands `python .../scripts X ...` and
`python -m snakemake ...` to it, with arguments, folder, environment and standard streams. The server forks; no operation of
TensorFlow has run in it by then, so that the child begins as a new process does, and the project's own modules are imported in the
child, from where the caller wants them. Everything else is run by the usual Python.
"""

import os
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

JOBS, SNAKEMAKE = "scripts", "snakemake"
_LIBRARIES = {
    JOBS: (
        "tensorflow", "keras", "h5py", "numpy", "scipy.ndimage", "scipy.stats", "scipy.special", "PIL.Image", "PIL.ImageDraw",
        "jinja2", "yaml", "skimage.segmentation", "matplotlib.figure", "matplotlib.backends.backend_agg", "sklearn.linear_model",
        "shap", "tqdm", "numba", "isal.isal_zlib", "xxhash",
    ),
    SNAKEMAKE: (
        "snakemake.cli", "snakemake.workflow", "snakemake.executors.local", "snakemake.report", "yaml", "jsonschema", "pandas",
    ),
}  # fmt: skip
_CLIENT = """#!{python} -SE
import os, sys, marshal, signal, _socket, array
args = sys.argv[1:]
named = args[1:] if args[:1] == ['-m'] else args
module = os.path.basename(named[0]).partition('.')[0] if named else ''
address = os.path.join({folder!r}, module)
if not module or not os.path.exists(address):
    os.execv({python!r}, [{python!r}, *args])
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect(address)
request = marshal.dumps((named, os.getcwd(), dict(os.environ)))
streams = array.array('i', [0, 1, 2])
server.sendmsg([len(request).to_bytes(8, 'big')], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
while request:
    request = request[server.send(request):]
child = int.from_bytes(server.recv(8), 'big')
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, lambda number, frame: os.kill(child, number))
code = server.recv(1)
os._exit(code[0] if code else 137)
"""


class Preloaded:
    """A running server for jobs and one for Snakemake, and the folder of the `python` that goes to them."""

    def __init__(self, folder: Path) -> None:
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        client = self.bin / "python"
        client.write_text(_CLIENT.format(python=sys.executable, folder=str(folder)), encoding="utf-8")
        client.chmod(0o755)
        root = Path(__file__).resolve().parents[2]
        threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        environment = {
            **os.environ,
            **dict.fromkeys(threads, "1"),
            "PYTHONPATH": str(root),
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }
        self._servers = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.workflow.preloaded", str(folder), kind],
                stdin=subprocess.PIPE,
                env=environment,
                cwd=folder,
            )
            for kind in _LIBRARIES
        ]
        for kind, server in zip(_LIBRARIES, self._servers, strict=True):
            while not (folder / kind).exists():
                assert server.poll() is None, f"the server for {kind} did not start"
                time.sleep(0.02)

    def close(self) -> None:
        """End the servers; jobs that run are left to end."""
        for server in self._servers:
            server.stdin.close()
            server.wait()


@contextmanager
def preloaded(folder: Path) -> Iterator[Path]:
    """The folder to put first on the PATH, as long as its servers run."""
    servers = Preloaded(folder)
    try:
        yield servers.bin
    finally:
        servers.close()


def _import_libraries(kind: str) -> None:
    """As a job does, the wrapped libraries are kept from Keras; the project's own modules are forgotten again."""
    import importlib

    from convscope.jobs.lean_imports import keras_alone

    if kind == JOBS:
        keras_alone()
    for name in _LIBRARIES[kind]:
        importlib.import_module(name)
    sys.meta_path[:] = [finder for finder in sys.meta_path if type(finder).__module__ != "convscope.jobs.lean_imports"]
    for name in [name for name in sys.modules if name.partition(".")[0] in ("convscope", "scripts", "tests")]:
        del sys.modules[name]
    if kind == SNAKEMAKE:
        sys.modules["snakemake.cli"].get_argument_parser()  # loads the plugins
    if kind == JOBS:
        from tensorflow.python.eager import context

        assert context.context_safe() is None or not context.context_safe()._initialized, (
            "TensorFlow has run an operation"
        )


def _serve(folder: Path, kind: str) -> None:
    _import_libraries(kind)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # children are not waited for: they say themselves how they end
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(str(folder / f"{kind}.new"))
    door.listen(64)
    (folder / f"{kind}.new").rename(folder / kind)
    if kind == JOBS:
        (folder / "tests").symlink_to(kind)  # what the tests make with the same libraries
    waiting = selectors.DefaultSelector()
    waiting.register(door, selectors.EVENT_READ)
    waiting.register(0, selectors.EVENT_READ)
    while True:
        ready = [key.fileobj for key, _ in waiting.select()]
        if 0 in ready:
            return  # whoever started it has ended
        caller, _ = door.accept()
        if os.fork() == 0:
            waiting.close()
            door.close()
            _run(caller)
        caller.close()


def _run(caller: socket.socket) -> None:
    """Be the process that was asked for, to its end."""
    import atexit
    import contextlib
    import gc
    import importlib
    import marshal
    import runpy
    import threading
    import traceback

    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(caller, 8, 3)
    size, request = int.from_bytes(length, "big"), b""
    while len(request) < size:
        request += caller.recv(size - len(request))
    arguments, folder, environment = marshal.loads(request)  # noqa: S302 - from our own client
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    caller.sendall(os.getpid().to_bytes(8, "big"))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    own = str(Path(__file__).resolve().parents[2])
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [folder, *paths, *(path for path in sys.path if path and path != own)]
    sys.argv, sys.orig_argv = arguments, [sys.executable, *arguments]
    if sys.modules.pop("sitecustomize", None) or environment.get("CONVSCOPE_READS"):
        with contextlib.suppress(ImportError):
            importlib.import_module("sitecustomize")  # as Python does when it starts
    code = 1
    gc.enable()
    try:
        if os.sep in arguments[0]:
            runpy.run_path(arguments[0], run_name="__main__")
        else:
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    caller.sendall(bytes([code & 255]))
    os._exit(code)


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])
