"""XXH3's functions by their addresses, for a digest of maps that is taken while the nearest cache holds them.

Of what has left that cache it takes twice the time or more: it waits for memory, or for a cache that others use.
"""

import ctypes
import dataclasses
import importlib
import threading
from typing import Any

_local = threading.local()


@dataclasses.dataclass(frozen=True)
class Functions:
    """Addresses of XXH3's functions for what comes piece by piece; all 0 where the library does not show them."""

    reset: int = 0
    update: int = 0
    digest: int = 0


def _library() -> Any:
    """The library that `storage.digests` uses."""
    library = ctypes.CDLL(str(importlib.import_module("xxhash._xxhash").__file__))
    library.XXH3_createState.restype = ctypes.c_void_p
    library.XXH3_freeState.argtypes = [ctypes.c_void_p]
    return library


def functions() -> Functions:
    """Where the library has them."""
    try:
        library = _library()
        # Of the plain instructions. The widest are quicker by themselves; in pieces of kilobytes between other work a processor takes
        # longer to turn to them than they save (bench.seals: 0.10 s instead of 0.08 for 1.2 GB).
        update = library.XXH3_64bits_update
        found = (library.XXH3_64bits_reset, update, library.XXH3_64bits_digest)
        return Functions(*(ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found))
    except (ImportError, AttributeError, OSError):
        return Functions()


class _State:
    """The library's memory for one digest at a time."""

    def __init__(self) -> None:
        library = _library()
        self.address = int(library.XXH3_createState())
        self._free = library.XXH3_freeState

    def __del__(self) -> None:
        self._free(self.address)


def state() -> int:
    """Address of this thread's memory for one digest at a time."""
    if not hasattr(_local, "state"):
        _local.state = _State()
    return int(_local.state.address)
