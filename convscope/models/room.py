"""What a network that somebody gave asks of the memory: told before it is taken, as a few words of a config can ask for anything."""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from convscope.errors import UserError
from convscope.models.nodes import graph_of, nodes_in_order

# Numbers that a network has for each byte of its file: 25 of four bytes are a hundred times as much, and weights hardly pack.
_FOR_EACH_BYTE = 25
_FEW = 50_000_000
_MOST_ANSWERS = 1 << 30


class _TooMany(Exception):
    """More weights than a file can hold; no `UserError`, as Keras hides what is raised while it builds."""


@contextlib.contextmanager
def weights_that_fit(path: Path) -> Iterator[None]:
    """Layers built inside have no more weights than a file can hold: a config of a line may ask for more than there is memory.

    Args:
        path: the file or folder that the network comes from.

    Raises:
        UserError: they would have more; which layer, and how many.
    """
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    most = max(_FEW, _FOR_EACH_BYTE * sum(file.stat().st_size for file in files))
    plain, count, said = keras.Layer.add_weight, 0, ""

    def add_weight(layer: keras.Layer, shape: Any = None, *args: Any, **settings: Any) -> Any:
        nonlocal count, said
        sizes = (shape,) if isinstance(shape, int) else tuple(shape or ())
        number = math.prod(int(size) for size in sizes if size is not None)
        count += number
        if count > most:
            said = said or (
                f"'{path}' would need {count:.3g} weights ({number:.3g} of layer '{layer.name}'), more than a file of its size "
                "can hold; it is damaged, or made to fill a memory, and not taken"
            )
            raise _TooMany(said)
        return plain(layer, shape, *args, **settings)

    keras.Layer.add_weight = add_weight
    try:
        yield
    except Exception:
        if said:
            raise UserError(said) from None
        raise
    finally:
        keras.Layer.add_weight = plain
    if said:  # Keras tries to build some layers, and goes on where it cannot
        raise UserError(said)


def check_answers(network: keras.Model, where: str) -> None:
    """Check that no layer answers to one picture with more numbers than fit into memory; sizes that are open count as 1.

    Args:
        network: any.
        where: the config's key, for the message.

    Raises:
        UserError: one does; which, and how many.
    """
    graph = graph_of(network)
    for node in nodes_in_order(graph) if graph is not None else ():
        for tensor in node.outputs:
            number = math.prod(size for size in tensor.shape[1:] if size is not None)
            if number > _MOST_ANSWERS:
                sizes = "x".join("?" if size is None else str(size) for size in tensor.shape[1:])
                raise UserError(
                    f"{where}: layer '{node.operation.name}' answers to one picture with {sizes} numbers, more than fit into memory"
                )
        check_answers(node.operation, where)
