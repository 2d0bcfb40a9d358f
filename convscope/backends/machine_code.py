"""Loops in machine code, for what NumPy has no words for."""

from typing import Any

import numba


def in_machine_code(function: Any) -> Any:
    """The function in machine code, kept on the disk for the next job where there is a place for it; it lets other threads run."""
    try:
        return numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    except RuntimeError:
        return numba.njit(nogil=True, error_model="numpy")(function)
