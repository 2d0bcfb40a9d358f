"""What no file may bring: code of its own. Nothing heavy here: files are looked at before any work is done."""

import inspect
import keyword
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from convscope.errors import UserError
from convscope.models.keras2 import known_lambda
from convscope.models.stored import Stored
from convscope.models.weights_only import fitting_networks

Own = Mapping[str, Any]  # the user's own classes and functions, by name
# keras-nlp is what keras-hub was called when the first of its presets of pictures were made.
_SAFE_MODULES = ("keras", "keras_hub", "keras_nlp", "builtins")
# Files of Keras 2 name these, and none of it is imported: their layers are built of Keras 3's.
_OLD_MODULES = (*_SAFE_MODULES, "tensorflow", "tf_keras")
# Of a preset's folder.
PRESET_CONFIGS = ("config.json", "task.json", "preprocessor.json", "image_converter.json")
_NETWORKS = ("Functional", "Model", "Sequential")
# Where in Keras lie the things that a network is made of. Elsewhere are functions that download, write and set (`keras.utils`,
# `keras.datasets`, `keras.applications`): Keras itself takes a good many of those for an activation, and calls them.
_PARTS = (
    "activations",
    "constraints",
    "dtype_policies",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "nn",
    "ops",
    "optimizers",
    "quantizers",
    "random",
    "regularizers",
    "src",
)
# Read a file, or run a graph or a pickle, that the config names.
_READERS = re.compile(r"TFSMLayer|TorchModuleWrapper|JaxLayer|FlaxLayer|KerasFileEditor|.*Tokenizer")


def class_for(name: str) -> str:
    """What a user's class for a Lambda is called: as its layer, but `lambda`, as Keras calls the first, is no name in Python."""
    return f"{name}_" if keyword.iskeyword(name) else name


def own_class(entry: Mapping[str, Any], own: Own) -> Any:
    """The user's class for a layer of a file: of its registered name or class, for a Lambda of the layer's name; None without one."""
    if not isinstance(entry.get("config"), Mapping | list):
        return None
    kind, registered = str(entry.get("class_name") or ""), str(entry.get("registered_name") or "")
    if kind == "Lambda":
        name = str(entry["config"].get("name", "")) if isinstance(entry["config"], Mapping) else ""
        kind = registered = class_for(name)
    for name in (registered, kind, kind.rpartition(">")[2]):
        if inspect.isclass(found := own.get(name)):
            return found
    return None


def check_network(found: Stored, own: Own | None) -> None:
    """Check that a file holds a network, and that loading it runs nothing of it.

    Args:
        found: what the file is.
        own: the user's classes, by name; None where they are named but not imported yet, so that only what needs none is checked.

    Raises:
        UserError: weights alone, Lambda layers, pickled code, or classes that neither Keras nor the user has.
    """
    if found.config is None:
        raise UserError(_without_network(found))
    kind = found.config.get("class_name")
    if not isinstance(kind, str) or not isinstance(found.config.get("config"), dict | list):
        raise UserError(f"'{found.path}' holds no Keras model: its config names no network; get it again")
    found.check_sizes()
    found.check_whole()
    if found.kind == "hdf5":
        with found.hdf5():
            pass  # looks for links that lead elsewhere
    if own is None:
        return
    check_parts(found.config, found.path, own, found.old)
    if found.old and kind not in _NETWORKS and own_class(found.config, own) is None:
        raise UserError(
            f"'{found.path}' ({found.writer}) is a network of the class {kind}, which is not in the file; name the Python file of "
            "that class (code: my_layers.py)"
        )


def _without_network(found: Stored) -> str:
    if found.kind == "savedmodel":
        return (
            f"'{found.path}' is a SavedModel that does not say what layers it was made of, and its graph is not run; where it was "
            "made, type: model.save('model.keras')"
        )
    with found.hdf5() as opened:
        return f"'{found.path}' {fitting_networks(opened)}"


def _entries(value: Any, own: Own, old: bool = False) -> Iterator[dict[str, Any]]:
    """Every mapping in a config that is loaded.

    Not how it was trained, which may need losses of somebody's own; nor a Lambda that is left behind: a class of the user's takes its
    place, or in a file of Keras 2 one of Keras's (`known_lambda`).
    """
    if isinstance(value, dict):
        if value.get("class_name") == "Lambda" and (
            own_class(value, own) is not None or (old and known_lambda(value) is not None)
        ):
            return
        yield value
        for key, inner in value.items():
            if key != "compile_config":
                yield from _entries(inner, own, old)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner, own, old)


def check_parts(whole: dict[str, Any], path: Path, own: Own, old: bool = False) -> None:
    """Check that a config names parts of networks alone, and brings no code.

    Args:
        whole: of a network, or of a part of one.
        path: the file or folder that it is in, for the message.
        own: the user's classes, by name.
        old: whether Keras 1 or 2 wrote it.

    Raises:
        UserError: it does not.
    """
    entries = list(_entries(whole, own, old))
    for entry in entries:
        kind = entry.get("class_name")
        if kind in ("Lambda", "__lambda__") or entry.get("function_type") == "lambda":
            config = entry.get("config")
            name = str(config.get("name", "")) if isinstance(config, dict) else ""
            what = f"{kind or 'lambda'} {name}".strip()
            instead = "replace it by a layer and save again"
            if kind == "Lambda" and name.isidentifier():
                instead += (
                    f", or write the class {class_for(name)}(keras.layers.Layer) in a file of your own and name that "
                    "(code: my_layers.py)"
                )
            raise UserError(f"'{path}' holds code ({what}) that would run when loaded; {instead}")
    known = _OLD_MODULES if old else _SAFE_MODULES
    for entry in entries:
        module = _module_of(entry)
        if own_class({"config": {}, **entry}, own) is not None:
            continue
        kind = str(entry.get("class_name"))
        named = entry["config"] if kind == "function" and isinstance(entry.get("config"), str) else kind
        # A name may have dots, too.
        full = f"{entry.get('module') or 'keras'}.{named}".split(".")
        if _READERS.fullmatch(full[-1]) or (module == "keras" and full[2:] and full[1] not in _PARTS):
            raise UserError(
                f"'{path}' names {'.'.join(full)[:120]}, which is no part of a network that is safe to load; replace it by a "
                "layer and save again"
            )
        if module is not None and module not in known:
            raise UserError(
                f"'{path}' needs code of module '{module}', which no file may bring; rebuild it of Keras layers, or name the "
                "file of your own that has it (code: my_layers.py)"
            )


def _module_of(entry: Mapping[str, Any]) -> str | None:
    module = entry.get("module")
    return str(module).partition(".")[0] if module is not None and "class_name" in entry else None


def modules_of(config: dict[str, Any]) -> set[str]:
    return {module for entry in _entries(config, {}) if (module := _module_of(entry)) is not None}
