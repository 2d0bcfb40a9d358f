"""Networks that somebody saved in a file: loaded without running anything from it."""

import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError
from convscope.models.names import read_file_config
from convscope.storage.files import sha256_of

_SAFE_MODULES = ("keras", "keras_hub", "builtins")


def check_sum(path: Path, expected: str | None, key: str) -> None:
    if not path.is_file():
        raise UserError(f"{key}: no file '{path}'; check the path")
    if expected and sha256_of(path) != expected:
        raise UserError(f"{key}: '{path}' has another SHA-256 than the config's; it is damaged or not that file")


def load_file(path: Path) -> keras.Model:
    """Load a `.keras` or `.h5` file without running any code from it.

    Raises:
        UserError: the file is no Keras model, or it holds Lambda layers, pickled code, or classes of unknown modules.
    """
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise UserError(f"'{path}' is not a .keras or .h5 file; save the model again with model.save('model.keras')")
    config = read_file_config(path)
    if config is None:
        raise UserError(
            f"'{path}' holds no Keras model (damaged, or weights only); save it with model.save('model.keras')"
        )
    _check_safe(config, path)
    for module in sorted(_modules(config)):
        if module == "keras_hub":
            importlib.import_module(module)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"'{path}' cannot be loaded: {reason}") from None


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)


def _check_safe(whole: dict[str, Any], path: Path) -> None:
    for entry in _entries(whole):
        kind = entry.get("class_name")
        if kind in ("Lambda", "__lambda__") or entry.get("function_type") == "lambda":
            config = entry.get("config")
            name = config.get("name", "") if isinstance(config, dict) else ""
            what = f"{kind or 'lambda'} {name}".strip()
            raise UserError(
                f"'{path}' holds code ({what}) that would run when loaded; replace it by a layer and save again"
            )
    for module in sorted(_modules(whole)):
        if module not in _SAFE_MODULES:
            raise UserError(
                f"'{path}' needs code of module '{module}', which no file may bring; rebuild it of Keras layers"
            )


def _modules(config: dict[str, Any]) -> set[str]:
    return {
        entry["module"].partition(".")[0]
        for entry in _entries(config)
        if isinstance(entry.get("module"), str) and "class_name" in entry
    }
