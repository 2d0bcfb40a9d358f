"""Paths as people write them in a config, `~/photos` and `$DATA/photos`, as the paths that they mean: the one place for it."""

import os
import re
from pathlib import Path

from convscope.errors import UserError

# As a shell knows them; a $ before anything else is a letter of a name.
_VARIABLE = re.compile(r"\$(?:\{([^{}]*)\}|([A-Za-z_][A-Za-z0-9_]*))")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_WINDOWS = re.compile(r"[A-Za-z]:[\\/]")


def expanded(key: str, path: str) -> str:
    """A path with the home that it begins with (`~`, `~user`) and the environment's variables in it (`$NAME`, `${NAME}`) put in.

    What lies there by the very name that is written is that file, whatever signs its name holds. Of an address only `file://` is a
    path; others are left as they are.

    Args:
        key: the config's key, for the message.
        path: as it is written.

    Raises:
        UserError: no such user, a variable that is not set, or a path as Windows writes it where this is not Windows.
    """
    address = _ADDRESS.match(path)
    if address:
        return path[:7] + _with_variables(key, path[7:], path) if path.startswith("file://") else path
    if not any(sign in path for sign in "~$\\") or os.path.lexists(path):
        return path
    if os.sep == "/" and ("\\" in path or _WINDOWS.match(path)):
        meant = re.sub(r"\\+", "/", path)
        if _WINDOWS.match(path):
            raise UserError(
                f"{key}: '{path}' is a path of Windows, and this is not Windows; write the path that the disk has here"
            )
        raise UserError(f"{key}: '{path}': folders are parted by / here; write {meant}")
    result = _with_variables(key, path, path)
    if not result.startswith("~"):
        return result
    try:
        return str(Path(result).expanduser())
    except RuntimeError:
        raise UserError(f"{key}: '{path}': there is no user of that name; write ./{path}") from None


def _with_variables(key: str, text: str, path: str) -> str:
    def value(found: re.Match[str]) -> str:
        name = found[1] if found[1] is not None else found[2]
        if not os.environ.get(name):
            raise UserError(
                f"{key}: '{path}': the environment's {name or '{}'} is not set, or empty; set it, or write the path itself"
            )
        return os.environ[name]

    return _VARIABLE.sub(value, text)
