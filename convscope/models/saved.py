"""Networks that somebody saved in a file: loaded without running anything from it."""

import contextlib
import importlib
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
from keras.src.ops import core, image, linalg, math, nn, numpy

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.backends.names import DEFAULT
from convscope.backends.running import NAME
from convscope.errors import UserError
from convscope.models.keras2_build import build, first_line
from convscope.models.keras2_weights import load_checkpoint, load_hdf5, load_zip
from convscope.models.own_code import traced
from convscope.models.room import weights_that_fit
from convscope.models.safe import Own, check_network, class_for, modules_of, own_class
from convscope.models.stored import Stored, stored
from convscope.storage.files import sha256_of

# Where Keras's operations are.
_OPERATIONS = (core, image, linalg, math, nn, numpy)


def check_sum(path: Path, expected: str | None, key: str) -> None:
    if not path.exists():
        raise UserError(f"{key}: no file '{path}'; check the path")
    if expected and path.is_dir():
        raise UserError(f"{key}: '{path}' is a folder, and sha256 is of a file; leave it out")
    if expected and sha256_of(path) != expected:
        raise UserError(f"{key}: '{path}' has another SHA-256 than the config's; it is damaged or not that file")


def load_file(path: Path, own: Own | None = None, shape: tuple[int | None, ...] | None = None) -> keras.Model:
    """Load what lies at a path (see `load_stored`)."""
    return load_stored(stored(path), own, shape)


def load_stored(found: Stored, own: Own | None = None, shape: tuple[int | None, ...] | None = None) -> keras.Model:
    """Load a network without running any code from its file.

    Args:
        found: what `stored` found.
        own: the user's own classes and functions, by name (`own_code.objects`).
        shape: (height, width, channels) of a picture, for networks whose file does not say it.

    Returns:
        The network; one of Keras 1 or 2 is built of Keras 3's layers, one of the user's class is traced.

    Raises:
        UserError: it is no Keras model, or it holds Lambda layers, pickled code, or classes of unknown modules, or what Keras 3 has
            no counterpart for.
    """
    own = own or {}
    check_network(found, own)
    with weights_that_fit(found.path):
        network = _built(found, own, shape) if found.old else _loaded(found, own)
    return traced(network, own, shape or _shape_of(found.config or {}), str(found.path))


def _built(found: Stored, own: Own, shape: tuple[int | None, ...] | None) -> keras.Model:
    config = found.config
    try:
        assert config is not None  # noqa: S101
        network, root = build(config, own, shape)
        if found.kind == "savedmodel":
            with found.saved_model() as folder:
                load_checkpoint(str(folder / "variables" / "variables"), root)
        else:
            with found.hdf5() as opened:
                if found.kind == "keras":
                    load_zip(opened, root)
                else:
                    load_hdf5(opened, root, found.version)
        return network
    except UserError as error:
        text = str(error)
        raise UserError(text if text.startswith("'") else f"'{found.path}' (saved by {found.writer}): {text}") from None
    except Exception as error:  # a config that no Keras wrote
        raise UserError(f"'{found.path}' (saved by {found.writer}) cannot be loaded: {first_line(error)}") from None


def _loaded(found: Stored, own: Own) -> keras.Model:
    for module in sorted(modules_of(found.config or {})):
        if module == "keras_hub":
            importlib.import_module(module)
    with _as_loaded(found, own) as path:
        try:
            with _known(own), _not_compiled():
                return keras.saving.load_model(path, compile=False, safe_mode=True)
        except Exception as error:
            newer = (
                f"; it is newer than this Keras {keras.__version__}: pip install --upgrade keras"
                if _newer(found)
                else ""
            )
            elsewhere = (
                f"; layers that call TensorFlow's functions need it: leave backend: {NAME} out, or write them with keras.ops"
                if own and NAME != DEFAULT
                else ""
            )
            raise UserError(
                f"'{found.path}' (saved by {found.writer}) cannot be loaded: {first_line(error)}{newer}{elsewhere}"
            ) from None


@contextlib.contextmanager
def _known(own: Own) -> Iterator[None]:
    """The user's classes stand for what they are called at Keras, whoever has registered others of these names in this process.

    Keras's `custom_object_scope` says so of the outermost network alone: its parts are looked for among what is registered first.
    """
    registered = keras.saving.get_custom_objects()
    before = {name: registered[name] for name in own if name in registered}
    registered.update(own)
    try:
        yield
    finally:
        for name in own:
            del registered[name]
        registered.update(before)


@contextlib.contextmanager
def _not_compiled() -> Iterator[None]:
    """Networks within networks are left as untrained as the outermost is: a loss of somebody's own stands in nobody's way."""
    compiled = keras.Model.compile_from_config
    keras.Model.compile_from_config = lambda *_: None
    try:
        yield
    finally:
        keras.Model.compile_from_config = compiled


def _newer(found: Stored) -> bool:
    """Whether a later Keras than this one wrote a file."""
    numbers = [re.findall(r"\d+", version)[:2] for version in (found.version or "", keras.__version__)]
    return [int(number) for number in numbers[0]] > [int(number) for number in numbers[1]]


def load_weights(network: keras.Model, path: Path) -> None:
    """Fill a network from a file of weights, or of a whole model, of any Keras; its content counts, not its name.

    Raises:
        Exception: what Keras says of weights that do not fit.
    """
    suffix = ".keras"
    if not zipfile.is_zipfile(path):
        with Stored(path, "hdf5", None).hdf5() as opened:
            old = "layer_names" in opened.attrs or "model_weights" in opened or "layer_names0" in opened.attrs
        suffix = ".h5" if old else ".weights.h5"
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder) / f"model{suffix}"
        place.symlink_to(path.resolve())
        network.load_weights(place)


@contextlib.contextmanager
def _as_loaded(found: Stored, own: Own) -> Iterator[Path]:
    """A path of the file, or of a copy whose Lambdas are classes of the user's."""
    config = _with_own_classes(found.config, own)
    config = _with_operations(config) if found.kind == "hdf5" else config
    with _with_suffix(found) as path:
        if config == found.config:
            yield path
            return
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / path.name
            if found.kind == "keras":
                with zipfile.ZipFile(path) as whole, zipfile.ZipFile(copy, "w") as changed:
                    for name in whole.namelist():
                        changed.writestr(name, json.dumps(config) if name == "config.json" else whole.read(name))
            else:
                import h5py

                shutil.copyfile(path, copy)
                with h5py.File(copy, "r+") as opened:
                    opened.attrs["model_config"] = json.dumps(config)
            yield copy


def _with_own_classes(value: Any, own: Own) -> Any:
    """A config with the user's classes for the Lambdas of their names, whose code is left behind."""
    if isinstance(value, Mapping):
        if value.get("class_name") == "Lambda" and own_class(value, own) is not None:
            name = value["config"]["name"]
            kind = class_for(name)
            ours = {"module": None, "class_name": kind, "registered_name": kind, "config": {"name": name}}
            changed = {**value, **{key: part for key, part in ours.items() if key in value}}
            return (
                {**changed, "inbound_nodes": _unmasked(value["inbound_nodes"])} if "inbound_nodes" in value else changed
            )
        return {key: _with_own_classes(part, own) for key, part in value.items()}
    return [_with_own_classes(part, own) for part in value] if isinstance(value, list) else value


def _with_operations(value: Any) -> Any:
    """A config of HDF5 with the modules of operations (`x / 127.5`, `ops.softmax(x)`), which Keras 3 leaves out there, and without
    which it does not find them again, or takes them for layers of the same name."""
    if isinstance(value, Mapping):
        result = {key: _with_operations(part) for key, part in value.items()}
        if (module := _module_of_operation(value)) is None:
            return result
        if value["class_name"] == "GetItem":
            result["inbound_nodes"] = [_without_ellipsis(node) for node in result["inbound_nodes"]]
        return {**result, "module": module, "registered_name": None}
    return [_with_operations(part) for part in value] if isinstance(value, list) else value


def _without_ellipsis(node: Any) -> Any:
    """A call of `x[..., 0]` with all axes written out: Keras 3 does not read what it wrote for the three dots in HDF5."""
    try:
        tensor, keys = node["args"]
        axes = len(tensor["config"]["shape"])
    except (KeyError, TypeError, ValueError):
        return node  # which Keras says what is wrong with
    keys = keys if isinstance(keys, list) else [keys]
    every = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
    rest = axes - sum(key is not None for key in keys) + 1
    written = [part for key in keys for part in ([every] * rest if _is_ellipsis(key) else [key])]
    return {**node, "args": [tensor, {"class_name": "__tuple__", "items": written}]}


def _is_ellipsis(key: Any) -> bool:
    return isinstance(key, Mapping) and key.get("class_name") == "__ellipsis__"


def _module_of_operation(entry: Mapping[str, Any]) -> str | None:
    """The module of a call's operation; None of a layer, and where the file says it."""
    kind, nodes, config = entry.get("class_name"), entry.get("inbound_nodes"), entry.get("config")
    if "module" in entry or not isinstance(kind, str) or not isinstance(nodes, list) or not isinstance(config, Mapping):
        return None
    found = next((made for part in _OPERATIONS if isinstance(made := vars(part).get(kind), type)), None)
    if found is None or not issubclass(found, keras.Operation):
        return None
    # A layer takes two tensors in a list, an operation one by one.
    args = nodes[0].get("args", ()) if nodes and isinstance(nodes[0], Mapping) else ()
    is_layer = hasattr(keras.layers, kind) and len(args) < 2 and "newshape" not in config
    return None if is_layer else found.__module__


def _unmasked(value: Any) -> Any:
    """Calls of a layer without the mask, None, that every Lambda is called with."""
    if isinstance(value, Mapping):
        return {key: _unmasked(part) for key, part in value.items() if key != "mask" or part is not None}
    return [_unmasked(part) for part in value] if isinstance(value, list) else value


@contextlib.contextmanager
def _with_suffix(found: Stored) -> Iterator[Path]:
    """A path of the file under the suffix that Keras goes by."""
    suffix = ".keras" if found.kind == "keras" else ".h5"
    if found.path.suffix == suffix and not found.member:
        yield found.path
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"model{suffix}"
        if found.member and not found.path.is_dir():
            with found.hdf5() as opened:
                path.write_bytes(opened.id.get_file_image())
        else:
            path.symlink_to((found.path / found.member).resolve())
        yield path


def _shape_of(config: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    """(height, width, channels) that a network of a class of its own was built for."""
    built = config.get("build_config")
    shape = built.get("input_shape") if isinstance(built, Mapping) else None
    return tuple(shape[1:]) if isinstance(shape, list | tuple) and len(shape) == 4 else None
