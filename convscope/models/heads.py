"""What a network's outputs mean: which kind of head they are, and the names of its classes."""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from convscope.errors import UserError
from convscope.models import presets
from convscope.models.head_choice import CHOICES, Choice, choose, loss_name
from convscope.models.head_outputs import as_rows, ending_of, has_gradient, with_scores
from convscope.models.spec import ModelSpec
from convscope.models.stored import stored


def with_head(
    spec: ModelSpec, flat: keras.Model, removed: str, settings: Mapping[str, Any], has_head: bool = True, loss: str = ""
) -> tuple[keras.Model, ModelSpec]:
    """A canonical network whose outputs are scores, and its spec with head, classes and the reason for both.

    Args:
        spec: facts of the network, as yet without a head.
        flat: the network in canonical form.
        removed: the activation that was taken off its end: "sigmoid", "softmax" or "linear".
        settings: the model's part of the config: `head` (see `head_choice.CHOICES`; default: auto), `classes`.
        has_head: whether it is more than a backbone.
        loss: what it was trained with, where its file says it (`trained_with`).

    Raises:
        UserError: head or classes do not fit the network.
    """
    where, given = f"models.{spec.name}", tuple(settings.get("classes") or ())
    wanted = str(settings.get("head") or "auto")
    flat = as_rows(flat, spec.input_size, removed) if has_head else flat
    if not has_head or len(flat.outputs[0].shape) != 2:
        if given or wanted != "auto":
            key = "classes" if given else "head"
            raise UserError(
                f"{where}.{key}: the network has no classification head, so leave the {key} out{_unlike_a_row(flat, has_head)}"
            )
        return flat, dataclasses.replace(
            spec, notes=(*spec.notes, f"head none (feature maps only){_unlike_a_row(flat, has_head)}")
        )
    if not has_gradient(flat):
        raise UserError(
            f"{where}: nothing of the picture reaches the network's output by a way that a gradient passes (it picks a class by "
            "argmax, compares, rounds); give the network without that, ending in the scores or probabilities that it is made of"
        )
    ending = ending_of(flat, removed, spec, loss)
    choice = choose(where, wanted, ending, len(given))
    scored = with_scores(flat, choice.scores, removed, ending.total)
    names = _names(where, choice.head, ending.units, given)
    doubts = [f"head: {choice.warning}"] if choice.warning else []
    notes = [_note(choice, wanted)]
    if _like_imagenet(choice.head, ending.units, given):
        notes.append("classes: no names are given, so its 1,000 classes are taken for ImageNet's, in their order")
    return scored, dataclasses.replace(
        spec,
        head=choice.head,
        classes=names,
        notes=(*spec.notes, *notes),
        warnings=(*spec.warnings, *doubts),
    )


def _unlike_a_row(flat: keras.Model, has_head: bool) -> str:
    """Why a network that may have a head is taken for a backbone."""
    shape = "x".join("any" if size is None else str(size) for size in flat.outputs[0].shape[1:])
    return f": its output is {shape} for each picture, no row of numbers" if has_head else ""


def trained_with(path: str | os.PathLike[str], output: str | int | None = None) -> str:
    """Name of the loss that a saved model's file says it, or one of its outputs, was trained with; empty where it says none."""
    try:
        found = stored(Path(path))
        if found.kind == "keras":
            compiled = (found.config or {}).get("compile_config") or {}
        elif found.kind == "hdf5":
            with found.hdf5(attributes_alone=True) as opened:
                text = opened.attrs["training_config"]
            compiled = json.loads(text.decode() if isinstance(text, bytes) else text)
        else:
            compiled = {}
        return loss_name(compiled.get("loss") or compiled.get("loss_config"), output)
    except (UserError, KeyError, TypeError, AttributeError, ValueError, RecursionError):
        return ""


def loss_of(network: Any) -> str:
    """Name of the loss that a network in memory was compiled with; empty where it was not, or with one of somebody's own."""
    loss = getattr(network, "loss", None)
    if isinstance(loss, keras.losses.Loss):
        logits = getattr(loss, "_fn_kwargs", {}).get("from_logits", False)
        return loss_name({"class_name": type(loss).__name__, "config": {"from_logits": logits}})
    return loss_name(getattr(loss, "__name__", loss)) if loss is not None else ""


def _names(where: str, head: str, units: int, given: tuple[str, ...]) -> tuple[str, ...]:
    count = 2 if head == "binary" else units
    if given and len(given) != count:
        what = f"tells {count} classes apart" if head in ("binary", "multiclass") else f"has {count} outputs"
        raise UserError(f"{where}.classes has {len(given)} names, but the network {what}")
    if len(set(given)) < len(given):
        raise UserError(f"{where}.classes: every class needs a name of its own")
    if given:
        return given
    if head == "regression":
        return ("output",) if units == 1 else tuple(f"output_{i}" for i in range(units))
    return (
        presets.imagenet_classes() if _like_imagenet(head, units, given) else tuple(f"class_{i}" for i in range(count))
    )


def _like_imagenet(head: str, units: int, given: tuple[str, ...]) -> bool:
    return head == "multiclass" and units == 1000 and not given


_MEANINGS = {
    "binary": "two classes, one score",
    "multiclass": "classes, one of which is right",
    "multilabel": "labels, each with a probability of its own",
    "regression": "numbers; the score is the output itself",
}
_MADE = {
    "log": "scores are logarithms of its outputs",
    "logit": "scores are logits of its outputs",
    "logit of tanh": "scores are log((1 + y) / (1 - y)) of its outputs y",
    "logit of exp": "scores are logits of the exponentials of its outputs",
}


def _note(choice: Choice, wanted: str) -> str:
    made = f"; {_MADE[choice.scores]}" if choice.scores in _MADE else ""
    asked = f", head: {wanted}" if wanted != "auto" else ""
    return f"head {choice.head} ({_MEANINGS[choice.head]}{made}): {choice.reason}{asked}"


__all__ = ["CHOICES", "loss_of", "trained_with", "with_head"]
