"""What a SavedModel folder says of the network of Keras's that it was made of. Its graph and its functions are never loaded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convscope.errors import UserError
from convscope.models.json_text import value_of

_MOST_BYTES = 2_000_000_000
_KINDS = ("_tf_keras_sequential", "_tf_keras_network", "_tf_keras_model", "_tf_keras_layer")


def config_of_saved_model(folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """The config of the network, and the Keras that wrote it; None for what is not there.

    Keras 2.5 and later keep it in `keras_metadata.pb`, before that it stands in the graph's list of objects.

    Raises:
        UserError: a file cannot be read.
    """
    if (kept := _read(folder / "keras_metadata.pb")) is not None:
        # SavedMetadata.nodes = 1 {node_id = 2, identifier = 4, metadata = 5}; the first is the model.
        for node in _parts(kept, 1):
            kind, text = _last(node, 4), _last(node, 5)
            if _last_number(node, 2) == 0 or kind in (
                b"_tf_keras_sequential",
                b"_tf_keras_network",
                b"_tf_keras_model",
            ):
                return _config_in(text)
    if (graph := _read(folder / "saved_model.pb")) is not None:
        # SavedModel.meta_graphs = 2, MetaGraphDef.object_graph_def = 7, nodes = 2, user_object = 4 {identifier = 1, metadata = 3}.
        for meta in _parts(graph, 2):
            for objects in _parts(meta, 7):
                for node in _parts(objects, 2):
                    for user in _parts(node, 4):
                        if _last(user, 1).decode("utf-8", "replace") in _KINDS[:3]:
                            return _config_in(_last(user, 3))
                    break  # the first is the model itself
    return None, None


def _config_in(text: bytes) -> tuple[dict[str, Any] | None, str | None]:
    try:
        told = value_of(text)
    except ValueError:
        return None, None
    if not isinstance(told, dict):
        return None, None
    version = told.get("keras_version")
    config = told.get("config")
    if not isinstance(config, dict | list):
        config = {}
    return {"class_name": told.get("class_name"), "config": config}, str(version) if version else None


def _read(path: Path) -> memoryview | None:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise UserError(f"'{path}' is larger than a network's description can be; it is not taken")
        return memoryview(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"'{path}' cannot be read: {error.strerror}") from None


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of a message of Protocol Buffers: (number, value); an end that is cut off ends it."""
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(message, place)
            yield tag >> 3, value
            continue
        if kind == 2:
            size, place = _varint(message, place)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            return
        if place + size > len(message):
            return
        yield tag >> 3, message[place : place + size]
        place += size


def _varint(message: memoryview, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(message) and shift < 70:
        byte = message[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            break
    return value, place


def _parts(message: memoryview, number: int) -> Iterator[memoryview]:
    yield from (value for field, value in _fields(message) if field == number and isinstance(value, memoryview))


def _last(message: memoryview, number: int) -> bytes:
    values = list(_parts(message, number))
    return bytes(values[-1]) if values else b""


def _last_number(message: memoryview, number: int) -> int:
    values = [value for field, value in _fields(message) if field == number and isinstance(value, int)]
    return values[-1] if values else 0
