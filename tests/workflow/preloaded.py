"""Jobs without their start: a server that has the heavy libraries imported runs each of them in a forked child.

A job of the pipeline spends two or three seconds on importing TensorFlow, and its work in these tests takes tenths of one. `preloaded`
starts servers that import the libraries once, and puts a `python` first on the PATH that hands `python .../scripts X ...` and
`python -m snakemake ...` to one, with arguments, folder, environment and standard streams. The server forks; no operation of
TensorFlow has run in it by then, so that the child begins as a new process does, and the project's own modules are imported in the
child, from where the caller wants them. Everything else is run by the usual Python, and so is what the libraries would have to know
before they are imported: another backend, variables that Python and the libraries read as they start, another umask or limit.

What is drawn anew for each process, the order of a set among it, is the same for all children of a server. There are two of each kind,
and a process goes to either, so that of two runs that ought to be equal some jobs have another order.

What stays different: a library is there although the job did not import it, BLAS and OpenMP have one thread, and `/proc` shows the
server's command. Each workflow test that is marked `usual_start` has jobs that begin as a user's do.
"""

import atexit
import contextlib
import fcntl
import gc
import importlib
import marshal
import os
import runpy
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
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
# Read once, by Python or a library, when it starts.
_READ_AT_START = (
    "CUDA_", "HOME", "JAX_", "KERAS_", "LANG", "LC_", "LD_", "MATPLOTLIB", "MPL", "NUMBA_", "PYTHON", "SNAKEMAKE_", "TF_", "TZ",
    "XDG_", "XLA_",
)  # fmt: skip
_NO_MATTER = ("PYTHONPATH", "PYTHONUNBUFFERED", "TF_CPP_MIN_LOG_LEVEL")
_CLIENT = """#!{python} -SE
import os, sys, marshal, signal, _socket, array
def usual():
    names = [name for name in os.environ if name.startswith({read_at_start!r}) and name not in {no_matter!r}]
    read = {{name: os.environ[name] for name in names}}
    if read.get('KERAS_BACKEND') == 'tensorflow':
        del read['KERAS_BACKEND']
    mask = os.umask(0)
    os.umask(mask)
    with open('/proc/self/limits') as limits:
        return read, mask, os.getpriority(os.PRIO_PROCESS, 0), limits.read()
args = sys.argv[1:]
named = args[1:] if args[:1] == ['-m'] else args
module = os.path.basename(named[0]).partition('.')[0] if named else ''
address = os.path.join({folder!r}, module + str(os.urandom(1)[0] % {pairs}))
other = '--backend' in named and named[named.index('--backend') + 1:][:1] != ['tensorflow']
if not module or other or not os.path.exists(address) or usual() != {usual!r}:
    os.execv({python!r}, [{python!r}, *args])
# What comes before the child is known waits until it is.
handed_on = [number for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
signal.pthread_sigmask(signal.SIG_BLOCK, handed_on)
server = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
server.connect(address)
deaf = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
request = marshal.dumps((named, args is not named, os.getcwd(), dict(os.environ), deaf))
streams = array.array('i', [0, 1, 2])
server.sendmsg([len(request).to_bytes(8, 'big')], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)])
while request:
    request = request[server.send(request):]
child = int.from_bytes(server.recv(8), 'big')
for number in handed_on:
    signal.signal(number, lambda number, frame: os.kill(child, number))
signal.pthread_sigmask(signal.SIG_UNBLOCK, handed_on)
end = server.recv(8)
status = int.from_bytes(end, 'big') if end else signal.SIGKILL
if os.WIFSIGNALED(status):
    if os.WTERMSIG(status) != signal.SIGKILL:
        signal.signal(os.WTERMSIG(status), signal.SIG_DFL)
    os.kill(os.getpid(), os.WTERMSIG(status))
os._exit(os.WEXITSTATUS(status))
"""
_PAIRS = 2


@contextmanager
def preloaded(folder: Path) -> Iterator[Path]:
    """The folder to put first on the PATH, with servers behind it.

    Several processes may share a folder: the first to come starts the servers, which end when nobody is left.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        there = all(address.exists() for address in _addresses(folder))
        held, started = (os.open(folder / "held", os.O_WRONLY), []) if there else _start(folder)
    try:
        yield folder / "bin"
    finally:
        os.close(held)
        for server in started:
            server.wait()


def _addresses(folder: Path) -> list[Path]:
    return [folder / f"{kind}{number}" for kind in _LIBRARIES for number in range(_PAIRS)]


def _start(folder: Path) -> tuple[int, list[subprocess.Popen[bytes]]]:
    """Start the servers, and wait until they are there; with what is held open as long as they are needed."""
    root = Path(__file__).resolve().parents[2]
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}  # as the tests' own jobs have it
    client = folder / "bin" / "python"
    client.parent.mkdir(exist_ok=True)
    client.write_text(
        _CLIENT.format(
            python=sys.executable,
            folder=str(folder),
            pairs=_PAIRS,
            read_at_start=_READ_AT_START,
            no_matter=_NO_MATTER,
            usual=_usual(environment),
        ),
        encoding="utf-8",
    )
    client.chmod(0o755)
    (folder / "held").unlink(missing_ok=True)
    os.mkfifo(folder / "held")
    reading = os.open(folder / "held", os.O_RDONLY | os.O_NONBLOCK)
    held = os.open(folder / "held", os.O_WRONLY)
    started = {
        address: subprocess.Popen(
            [sys.executable, "-m", "tests.workflow.preloaded", str(address)],
            stdin=reading,
            env={**environment, **dict.fromkeys(threads, "1"), "PYTHONPATH": str(root)},
            cwd=folder,
        )
        for address in _addresses(folder)
    }
    os.close(reading)
    for address, server in started.items():
        while not address.exists():
            assert server.poll() is None, f"the server {address.name} did not start"
            time.sleep(0.02)
    return held, list(started.values())


def _usual(environment: dict[str, str]) -> tuple[dict[str, str], int, int, str]:
    """What a process has to have that goes to a server; the client looks for the same."""
    names = [name for name in environment if name.startswith(_READ_AT_START) and name not in _NO_MATTER]
    read = {name: environment[name] for name in names}
    if read.get("KERAS_BACKEND") == "tensorflow":
        del read["KERAS_BACKEND"]
    mask = os.umask(0)
    os.umask(mask)
    return read, mask, os.getpriority(os.PRIO_PROCESS, 0), Path("/proc/self/limits").read_text()


def _import_libraries(kind: str) -> None:
    """As a job does, the wrapped libraries are kept from Keras; the project's own modules are forgotten again."""
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


def _serve(address: Path) -> None:
    kind = address.name.rstrip("0123456789")
    _import_libraries(kind)
    own = (str(Path(__file__).resolve().parents[2]), str(Path.cwd()))
    search = [path for path in sys.path if path and path not in own]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    door = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    door.bind(f"{address}.new")
    door.listen(64)
    if kind == JOBS:
        also = address.with_name(address.name.replace(kind, "tests"))  # what they make with the same libraries
        also.unlink(missing_ok=True)
        also.symlink_to(address)
    Path(f"{address}.new").rename(address)
    waiting = selectors.DefaultSelector()
    waiting.register(door, selectors.EVENT_READ)
    waiting.register(0, selectors.EVENT_READ)
    at_work: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for key, _ in waiting.select():
            if key.fileobj is door:
                caller, _ = door.accept()
                child = os.fork()
                if child == 0:
                    waiting.close()
                    door.close()
                    for others, other in at_work.items():
                        os.close(others)
                        other[1].close()
                    _run(caller, search)
                ended = os.pidfd_open(child)
                at_work[ended] = child, caller
                waiting.register(ended, selectors.EVENT_READ)
            elif key.fd == 0:
                if _is_left(address):
                    return
            else:
                child, caller = at_work.pop(key.fd)
                waiting.unregister(key.fd)
                os.close(key.fd)
                with contextlib.suppress(OSError):  # who asked may have been killed
                    caller.sendall(os.waitpid(child, 0)[1].to_bytes(8, "big"))
                caller.close()


def _is_left(address: Path) -> bool:
    """Whether nobody holds the servers any more; nobody finds this one from then on."""
    with (address.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        left = bool(select.select([0], [], [], 0)[0])
        if left and (address.parent / "held").stat().st_ino == os.fstat(0).st_ino:
            address.unlink()
    return left


def _run(caller: socket.socket, search: list[str]) -> None:
    """Be the process that was asked for, to its end."""
    try:
        code = _run_to_its_end(caller, search)
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code & 255)


def _run_to_its_end(caller: socket.socket, search: list[str]) -> int:
    length, streams, _, _ = socket.recv_fds(caller, 8, 3)
    size, request = int.from_bytes(length, "big"), b""
    while len(request) < size:
        request += caller.recv(size - len(request))
    arguments, as_module, folder, environment, deaf = marshal.loads(request)  # noqa: S302 - from our own client
    if not deaf:  # as what runs in the background of a shell is
        signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    caller.sendall(os.getpid().to_bytes(8, "big"))
    caller.close()
    sys.stdout.reconfigure(line_buffering=os.isatty(1))
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    paths = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [*([folder] if as_module else []), *paths, *search]
    sys.argv, sys.orig_argv = arguments, [sys.executable, *(["-m"] if as_module else []), *arguments]
    tempfile.tempdir = None
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()  # what no seed is set for is another for each process
    if sys.modules.pop("sitecustomize", None) or environment.get("CONVSCOPE_READS"):
        with contextlib.suppress(ImportError):
            importlib.import_module("sitecustomize")  # as Python does when it starts
    code = 1
    gc.enable()
    interrupted = False
    try:
        if as_module:
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(arguments[0], run_name="__main__")
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
        if isinstance(error.code, str):
            print(error.code, file=sys.stderr)
    except BaseException as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        traceback.print_exc()
    threading._shutdown()
    atexit._run_exitfuncs()
    try:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError as error:
        os.write(2, f"Exception ignored while flushing:\n{type(error).__name__}: {error}\n".encode())
        code = 120  # Python's own
    if interrupted:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    return code


if __name__ == "__main__":
    _serve(Path(sys.argv[1]))
