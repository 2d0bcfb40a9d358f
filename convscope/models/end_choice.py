"""Which of a network's inputs is the picture and which of its outputs is meant, by their names. Imports nothing heavy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from convscope.errors import UserError, nearest

# Of one picture, without the batch; None where it is not known.
Shape = Sequence[int | None] | None


def picture_input(names: Sequence[str], shapes: Sequence[Shape], given: Mapping[str, Any], where: str) -> int:
    """The place of the input that is the picture: the only one that is not fixed.

    Args:
        names: of the inputs.
        shapes: of the inputs.
        given: what inputs are fixed at, by their names.
        where: what to name in messages, "models.net".

    Raises:
        UserError: a name that is none, more than one input that is not fixed, or one that takes no pictures.
    """
    for name in given:
        if name not in names:
            raise UserError(f"{where}.inputs: the network has no input '{name}'; {nearest(name, names)}")
    free = [index for index, name in enumerate(names) if name not in given]
    if not free:
        raise UserError(f"{where}.inputs: all inputs are fixed ({_listed(names, shapes)}); leave the picture's out")
    if len(free) > 1:
        likely = next((index for index in free if len(shapes[index] or ()) == 3), free[0])
        fixed = ", ".join(f"{name}: {given.get(name, 0)}" for index, name in enumerate(names) if index != likely)
        listed = _listed(names, shapes)
        raise UserError(
            f"{where}: the network has {len(names)} inputs ({listed}); fix all but the picture's, inputs: {{{fixed}}}"
        )
    shape = shapes[free[0]]
    if shape is not None and len(shape) != 3:
        raise UserError(f"{where}: {no_picture(names[free[0]], shape)}")
    return free[0]


def chosen_output(names: Sequence[str], shapes: Sequence[Shape], output: str | int | None, where: str) -> int:
    """The place of the output that is meant.

    Raises:
        UserError: there are several and none is named, or a name or place that is none.
    """
    listed = _listed(names, shapes)
    if output is None:
        if len(names) > 1:
            raise UserError(
                f"{where}: the network has {len(names)} outputs ({listed}); say which is meant, output: {names[0]}"
            )
        return 0
    if isinstance(output, int):
        if not 0 <= output < len(names):
            raise UserError(f"{where}.output is {output}, but the outputs are 0 to {len(names) - 1} ({listed})")
        return output
    if output not in names:
        raise UserError(f"{where}.output: the network has no output '{output}'; {nearest(output, names)}")
    return list(names).index(output)


def no_picture(name: str, shape: Sequence[int | None]) -> str:
    """What is wrong with an input that takes no pictures, and what to do."""
    text = f"its input '{name}' takes {in_words(shape)}, no pictures (height, width, channels)"
    if len(shape) == 1 and (count := shape[0]):
        side = math.isqrt(count)
        example = f"({side}, {side}, 1)" if side * side == count else "(height, width, channels)"
        text += (
            f"; if they are a picture's pixels, put their shape before it: keras.Sequential([keras.Input({example}), "
            "keras.layers.Flatten(), model]), and save that"
        )
    elif len(shape) == 2:
        text += (
            "; of gray pictures, put their depth before it: keras.Sequential([keras.Input((height, width, 1)), "
            "keras.layers.Reshape((height, width)), model]), and save that"
        )
    return text


def in_words(shape: Sequence[int | None]) -> str:
    """A shape as people write it, "64x128x3"."""
    return "x".join("any" if size is None else str(size) for size in shape) or "one number"


def told_apart(names: Sequence[str]) -> list[str]:
    """Names of inputs or outputs; of those that are there twice, the place tells which: `head[1]`."""
    return [name if list(names).count(name) == 1 else f"{name}[{index}]" for index, name in enumerate(names)]


def ends_note(settings: Mapping[str, Any]) -> str:
    """What was taken of a network of several inputs or outputs, for people: what its inputs are fixed at, and which output.

    Args:
        settings: the model's part of the study's config.
    """
    fixed = [f"{name} at {_shortened(value)}" for name, value in (settings.get("inputs") or {}).items()]
    output = settings.get("output")
    parts = [f"inputs fixed for every picture: {', '.join(fixed)}"] if fixed else []
    return "; ".join([*parts, f"of several outputs: {output}"] if output is not None else parts)


def _shortened(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def check_saved_ends(config: Mapping[str, Any], settings: Mapping[str, Any], where: str) -> None:
    """Check `inputs` and `output` of a model by what its file says, as far as that is plain.

    Args:
        config: the config inside the file.
        settings: the model's part of the study's config.
        where: "models.net".

    Raises:
        UserError: as `picture_input` and `chosen_output`.
    """
    try:
        inside = config["config"]
        names, answers = _saved_names(inside["input_layers"]), _saved_names(inside["output_layers"])
        shapes = [_saved_shape(inside["layers"], name) for name in names]
    except (KeyError, TypeError, IndexError, AttributeError):
        return  # a sequence of layers, or a class of its own
    picture_input(told_apart(names), shapes, settings.get("inputs") or {}, where)
    chosen_output(told_apart(answers), [None] * len(answers), settings.get("output"), where)


def _saved_names(ends: Any) -> list[str]:
    """Keys of a dictionary of layers, or the names of those in a list; Keras 3 writes one alone without a list around it."""
    if isinstance(ends, Mapping):
        return list(ends)
    return [ends[0]] if isinstance(ends[0], str) else [str(end[0]) for end in ends]


def _saved_shape(layers: Any, name: str) -> Shape:
    for layer in layers:
        own = layer.get("config", {})
        if name in (layer.get("name"), own.get("name")):
            shape = own.get("batch_shape") or own.get("batch_input_shape")
            return tuple(shape[1:]) if isinstance(shape, list) else None
    return None


def _listed(names: Sequence[str], shapes: Sequence[Shape]) -> str:
    words = [name if shape is None else f"{name} {in_words(shape)}" for name, shape in zip(names, shapes, strict=True)]
    return ", ".join(words)
