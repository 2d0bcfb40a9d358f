"""What a network's outputs are taken for: decided from how it ends, what it answers, what it was trained with, and its names.

No Keras here: one table of cases, each with the reason that people read.
"""

import dataclasses
import re
from typing import Any

from convscope.errors import UserError

CHOICES = ("auto", "softmax", "sigmoid", "multilabel", "regression")

# How a network may end (`Ending.kind`), beside the names of activations such as "tanh" and "relu".
SHARES = "shares"  # values of 0 and more that add up to the same for every picture
CHANCES = "chances"  # each in 0..1, made of sigmoids or softmaxes
BETWEEN = "between"  # each in 0..1 for every picture tried, nobody knows why
LOG_SHARES = "log_shares"  # logarithms of shares that add up to 1: scores of classes as they are
LOG_CHANCES = "log_chances"  # logarithms of sigmoids
RESCALED = "rescaled "  # before "sigmoid", "tanh": values of another range than that makes
_PROBABILITIES = ("softmax", "sigmoid", SHARES, CHANCES, BETWEEN)
# Behind the name of a loss that takes logits.
_FROM_LOGITS = " (from_logits)"

_LOSSES = {
    "one of many": "categoricalcrossentropy sparsecategoricalcrossentropy categoricalfocalcrossentropy categoricalhinge kldivergence",
    "yes or no": "binarycrossentropy binaryfocalcrossentropy",
    "margin": "hinge squaredhinge",
    "number": "meansquarederror mse meanabsoluteerror mae meanabsolutepercentageerror mape meansquaredlogarithmicerror msle "
    "huber huberloss logcosh poisson",
}


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a network ends.

    Attributes:
        units: numbers that it answers for a picture.
        kind: "softmax" or "sigmoid" where that was taken off, `SHARES`, `CHANCES`, `BETWEEN`, `LOG_SHARES`, `LOG_CHANCES`, the name
            of another last activation, with `RESCALED` before it where its values are, "linear" where there is none.
        total: what the shares of a picture add up to.
        exclusive: whether the chances are made of softmaxes alone.
        loss: what it was trained with, as its file says it; empty: unknown.
        features: whether its numbers are averages of feature maps, with no weights behind.
    """

    units: int
    kind: str
    total: float = 1.0
    exclusive: bool = False
    loss: str = ""
    features: bool = False


@dataclasses.dataclass(frozen=True)
class Choice:
    """What the outputs are: the head of a `ModelSpec`, how scores are made of them, why, and what is doubtful about it.

    `scores`: "" (as they are), "log", "logit", "logit of tanh", "logit of exp", "outputs" (as the network answers,
    whatever was taken off).
    """

    head: str
    reason: str
    scores: str = ""
    warning: str = ""


def choose(where: str, wanted: str, ending: Ending, names: int) -> Choice:
    """What the outputs of a network are.

    Args:
        where: the config's key of the model, for messages.
        wanted: one of `CHOICES`.
        ending: how the network ends.
        names: how many class names the config gives, 0 where it gives none.

    Raises:
        UserError: the head does not fit the network, or names and network contradict each other.
    """
    if wanted == "auto":
        return _of_one_unit(where, ending, names) if ending.units == 1 else _of_many_units(ending, names)
    if wanted == "regression":
        return Choice("regression", "the config says so", "outputs")
    if wanted == "softmax":
        if ending.units == 1:
            raise UserError(f"{where}.head is softmax, but the network has one output; sigmoid is meant for one")
        return _exclusive(ending, "the config says so")
    head = "binary" if wanted == "sigmoid" and ending.units == 1 else "multilabel"
    doubt = f"its outputs end in {ending.kind}, which makes no logits" if ending.kind.startswith(RESCALED) else ""
    return Choice(head, "the config says so", _to_logits(ending), doubt)


def loss_kind(loss: str) -> str:
    """What a loss is for: "one of many", "yes or no", "margin" (labels -1 and 1), "number"; empty where nobody knows."""
    plain = re.sub("[^a-z]", "", loss.removesuffix(_FROM_LOGITS).lower())
    return next((kind for kind, names in _LOSSES.items() if plain in names.split()), "")


def loss_name(config: Any, output: str | int | None = None) -> str:
    """The one loss of a compiled model's configuration, as Keras 2 or 3 writes it; empty where there is none, or several
    and `output` (its name, or its place in a list) does not tell which.

    Of a loss that is made of logits the name says so (`takes_logits`).
    """
    if isinstance(config, str):
        return config
    if isinstance(config, dict) and "class_name" in config:
        inner = config.get("config")
        named = inner if isinstance(inner, str) else config.get("class_name")
        logits = isinstance(inner, dict) and inner.get("from_logits") is True
        return named + _FROM_LOGITS * logits if isinstance(named, str) else ""
    if isinstance(config, dict) and output in config:
        return loss_name(config[output])
    if isinstance(config, list | tuple) and type(output) is int and 0 <= output < len(config):
        return loss_name(config[output])
    parts = list(config.values()) if isinstance(config, dict) else config if isinstance(config, list | tuple) else []
    return loss_name(parts[0]) if len(parts) == 1 else ""


def takes_logits(loss: str) -> bool:
    """Whether a loss, by its name as `loss_name` gives it, is made of logits: what it was told is no probability."""
    return loss.endswith(_FROM_LOGITS)


def _of_one_unit(where: str, ending: Ending, names: int) -> Choice:
    trained, told = loss_kind(ending.loss), f"trained with {ending.loss}"
    if ending.kind == "softmax":
        return Choice(
            "binary",
            "one output unit",
            warning="a softmax over one unit answers 1 for every picture; what goes into it is explained",
        )
    if ending.kind in ("sigmoid", CHANCES):
        if names == 1:
            raise UserError(
                f"{where}.classes has 1 name, and the network's one output is a probability: name two classes, those of 0 and of 1; "
                "or set head: multilabel or regression"
            )
        made = "one sigmoid unit" if ending.kind == "sigmoid" else "one output in 0..1, made of sigmoids"
        doubt = f"{told}: if it is a number, set head: regression" if trained == "number" else ""
        return Choice("binary", made, _to_logits(ending), doubt)
    if ending.kind == LOG_CHANCES:
        return Choice("binary", "one output, the logarithm of a sigmoid", _to_logits(ending))
    if names == 2 or trained in ("yes or no", "margin"):
        told = told if trained in ("yes or no", "margin") else "two class names"
        if ending.kind == "tanh":
            return Choice("binary", f"one tanh unit, {told}: -1 is class 0, 1 is class 1", "logit of tanh")
        if ending.kind == BETWEEN:
            return Choice("binary", f"one output in 0..1, {told}: the probability of class 1", "logit")
        if ending.kind == "linear":
            doubt = f"trained with {ending.loss}, as numbers are; head: regression explains it as one"
            return Choice(
                "binary", f"one linear unit, {told}: the logit of class 1", warning=doubt if trained == "number" else ""
            )
        raise UserError(
            f"{where}: its one output ends in {ending.kind}, which is no logit of two classes ({told}); set head: regression, with "
            "one name or none under classes" + ("" if ending.kind.startswith(RESCALED) else ", or head: sigmoid")
        )
    asked = "" if ending.kind.startswith(RESCALED) else "; head: sigmoid makes it the logit of two classes"
    why = told if trained == "number" else f"a number is the likeliest{asked}"
    return Choice("regression", f"one {_unit(ending.kind)}, not two class names: {why}", "outputs")


def _of_many_units(ending: Ending, names: int) -> Choice:
    trained, told = loss_kind(ending.loss), f"trained with {ending.loss}"
    if ending.kind == "softmax":
        return _exclusive(ending, "a softmax at the end")
    if ending.kind == SHARES:
        whole = "1" if abs(ending.total - 1) < 0.01 else f"{ending.total:.4g}"
        return _exclusive(ending, f"its outputs add up to {whole}")
    if ending.kind == LOG_SHARES:
        return _exclusive(ending, "its outputs are logarithms of probabilities that add up to 1")
    if ending.kind == LOG_CHANCES:
        made = "logarithms of sigmoids"
        if trained == "one of many":
            return _exclusive(ending, f"{made}, {told}")
        return Choice("multilabel", made, _to_logits(ending))
    if ending.kind in ("sigmoid", CHANCES, BETWEEN):
        made = {"sigmoid": "a sigmoid each", CHANCES: "each output in 0..1"}.get(ending.kind, "outputs in 0..1")
        if trained == "one of many":
            return _exclusive(ending, f"{made}, {told}")
        if ending.kind == BETWEEN and trained != "yes or no":
            return Choice(
                "multiclass",
                "several outputs",
                warning="its outputs lie in 0..1 for every picture tried, but do not add up to 1, and no sigmoid or softmax "
                "makes them: they are taken for logits; head: multilabel, softmax or regression tells what they are",
            )
        if ending.kind == CHANCES and ending.exclusive:
            return _exclusive(ending, "each output in 0..1, made of a softmax")
        return Choice("multilabel", made, _to_logits(ending))
    if trained == "yes or no":
        return Choice("multilabel", f"{_unit(ending.kind)}s, {told}", _to_logits(ending))
    bounded = ending.kind != "linear"
    if trained == "number" or (bounded and not names and not trained and not ending.features):
        why = told if trained == "number" else "not an end that classes have; class names, or head:, tell otherwise"
        return Choice("regression", f"{ending.units} {_unit(ending.kind)}s: {why}", "outputs")
    open_ = (
        ""
        if trained or bounded or ending.features
        else ", as of classes; head: multilabel where several may be right at once"
    )
    reason = f"{ending.units} {_unit(ending.kind)}s" + (f", {told}" if trained else open_)
    if ending.features and not names:
        return Choice(
            "multiclass", reason,
            warning="its outputs are averages of feature maps, as a backbone's are: if no classes, name a network with its classifier",
        )  # fmt: skip
    doubt = f"its scores end in {ending.kind}, so its probabilities are not calibrated" if bounded else ""
    return Choice("multiclass", reason, warning=doubt)


def _exclusive(ending: Ending, reason: str) -> Choice:
    log = ending.kind in _PROBABILITIES and ending.kind != "softmax"
    return Choice("multiclass", reason, "log" if log else "")


def _to_logits(ending: Ending) -> str:
    """How scores of yes or no are made of what the network answers."""
    if ending.kind == "tanh":
        return "logit of tanh"
    if ending.kind in (LOG_SHARES, LOG_CHANCES):
        return "logit of exp"
    return "logit" if ending.kind in _PROBABILITIES and ending.kind != "sigmoid" else ""


def _unit(kind: str) -> str:
    return {BETWEEN: "output in 0..1"}.get(kind, f"{kind} unit")
