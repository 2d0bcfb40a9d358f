"""XXH3 called from machine code, for a digest of maps that is taken while the nearest cache holds them.

Of what has left that cache it takes twice the time or more: it waits for memory, or for a cache that others use.
"""

import ctypes
import dataclasses
import importlib
import threading
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_WORD = ir.IntType(64)
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
        # Where there are several, the one that looks which instructions the processor has.
        update = getattr(library, "XXH3_64bits_update_dispatch", None) or library.XXH3_64bits_update
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


@intrinsic
def call(_: Any, address: Any, state: Any) -> Any:
    """`reset` or `digest` of a state: uint64."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.inttoptr(arguments[0], ir.FunctionType(_WORD, [_WORD]).as_pointer())
        return builder.call(function, arguments[1:])

    return types.uint64(types.uint64, types.uint64), generate


@intrinsic
def feed(_: Any, address: Any, state: Any, data: Any, size: Any) -> Any:
    """`update` a state by bytes at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        function = builder.inttoptr(arguments[0], ir.FunctionType(ir.IntType(32), [_WORD] * 3).as_pointer())
        return builder.call(function, arguments[1:])

    return types.int32(types.uint64, types.uint64, types.uint64, types.uint64), generate
