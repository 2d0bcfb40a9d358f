"""Python reads this file when it starts, where its folder is on the search path: each process then notes which files it opens to read.

One file a process in the folder `CONVSCOPE_READS`: its command, and a line for each file. HDF5 files are opened by a library in C, of
which Python's audit hears nothing, so that h5py's own class is wrapped as soon as it is imported.
"""

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys

_FOLDER = os.environ.get("CONVSCOPE_READS", "")


def _begin() -> None:
    log = os.open(f"{_FOLDER}/{os.getpid()}", os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC)
    os.write(log, ("\0".join(sys.orig_argv) + "\n").encode("utf-8", "surrogateescape"))

    def note(path: object) -> None:
        if isinstance(path, str | bytes | os.PathLike):
            name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 (nothing heavy at the start of each process)
            if "/results/" in name:
                os.write(log, (name + "\n").encode("utf-8", "surrogateescape"))

    def heard(event: str, args: tuple) -> None:  # type: ignore[type-arg]
        reading = event == "open" and not (args[2] or 0) & (os.O_WRONLY | os.O_RDWR)
        if reading or event in ("os.listdir", "os.scandir"):
            note(args[0])

    def wrap(module) -> None:  # type: ignore[no-untyped-def]
        opened = module.File.__init__

        def wrapped(file, name, mode="r", *rest, **more):  # type: ignore[no-untyped-def]
            if mode == "r":
                note(name)
            opened(file, name, mode, *rest, **more)

        module.File.__init__ = wrapped

    class Loader(importlib.abc.Loader):
        def __init__(self, spec: importlib.machinery.ModuleSpec) -> None:
            self.own = spec.loader

        def create_module(self, spec):  # type: ignore[no-untyped-def]
            return self.own.create_module(spec)

        def exec_module(self, module):  # type: ignore[no-untyped-def]
            self.own.exec_module(module)
            wrap(module)

    class Finder(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):  # type: ignore[no-untyped-def]
            if name != "h5py":
                return None
            sys.meta_path.remove(self)
            spec = importlib.util.find_spec(name)
            if spec is not None and spec.loader is not None:
                spec.loader = Loader(spec)
            return spec

    if "h5py" in sys.modules:  # of a server that has the libraries loaded
        wrap(sys.modules["h5py"])
    else:
        sys.meta_path.insert(0, Finder())
    sys.addaudithook(heard)


if _FOLDER and os.path.isdir(_FOLDER):  # noqa: PTH112
    _begin()
