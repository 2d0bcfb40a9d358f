"""Which of a network's inputs is the picture and which of its outputs is meant, by their names. Imports nothing heavy."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from convscope.errors import UserError, nearest
from convscope.models.settings import image_size

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
        example = f"[{side}, {side}]" if side * side == count else "[height, width]"
        text += f"; if they are a picture's pixels, say its shape, image_size: {example}"
    elif len(shape) == 2:
        text += "; if they are gray pictures, set channels: gray"
    return text


def picture_shape(shape: Shape, settings: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """(height, width, channels) of the pictures that an input without an axis for channels takes, or one of pixels in a row.

    Nothing but the config tells such an input from a table or a sequence: `channels: gray`, or an `image_size` that the row is of.

    Returns:
        None where the input is of another kind, or where the config does not say so.
    """
    if shape is None or None in shape or not shape:
        return None
    if len(shape) == 2 and settings.get("channels") == "gray":
        return shape[0], shape[1], 1  # type: ignore[return-value]
    if len(shape) == 1 and (size := settings.get("image_size")):
        height, width = image_size(size)
        depth, rest = divmod(shape[0], height * width)  # type: ignore[operator]
        return (height, width, depth) if depth and not rest else None
    return None


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
        if isinstance(inside, Mapping) and "input_layers" in inside:
            names, answers = _saved_names(inside["input_layers"]), _saved_names(inside["output_layers"])
            shapes = [_saved_shape(inside["layers"], name) for name in names]
        elif config.get("class_name") == "Sequential":
            (name, shape), answers = _first_of(inside), ["0"]
            names, shapes = [name], [shape]
        else:
            return  # a class of its own
    except (KeyError, TypeError, IndexError, AttributeError):
        return
    shapes = [picture_shape(shape, settings) or shape for shape in shapes]
    picture_input(told_apart(names), shapes, settings.get("inputs") or {}, where)
    if answers != ["0"]:
        chosen_output(told_apart(answers), [None] * len(answers), settings.get("output"), where)


def _first_of(inside: Any) -> tuple[str, Shape]:
    """Name and input shape of the first layer of a sequence, at any depth; None for a shape that is not said there."""
    own = (inside["layers"] if isinstance(inside, Mapping) else inside)[0]["config"]
    if (shape := _shape_in(own)) is not None:
        return str(own.get("name", "")), shape
    if isinstance(own, list) or "layers" in own:
        return _first_of(own)
    return str(own.get("name", "")), _shape_in(inside) if isinstance(inside, Mapping) else None


def _shape_in(own: Any) -> Shape:
    """The shape that the config of a layer or network says, without the batch."""
    for key in ("batch_shape", "batch_input_shape", "build_input_shape") if isinstance(own, Mapping) else ():
        shape = own.get(key)
        shape = shape.get("items") if isinstance(shape, Mapping) else shape
        if isinstance(shape, list) and all(size is None or type(size) is int for size in shape):
            return tuple(shape[1:])
    return None


def _saved_names(ends: Any) -> list[str]:
    """Keys of a dictionary of layers, or the names of those in a list; Keras 3 writes one alone without a list around it."""
    if isinstance(ends, Mapping):
        return list(ends)
    return [ends[0]] if isinstance(ends[0], str) else [str(end[0]) for end in ends]


def _saved_shape(layers: Any, name: str) -> Shape:
    for layer in layers:
        own = layer.get("config", {})
        if name in (layer.get("name"), own.get("name")):
            return _shape_in(own)
    return None


def _listed(names: Sequence[str], shapes: Sequence[Shape]) -> str:
    words = [name if shape is None else f"{name} {in_words(shape)}" for name, shape in zip(names, shapes, strict=True)]
    return ", ".join(words)
