"""A live model, or the file of one, in the canonical form that every method takes."""

import json
import os
import re
import weakref
from pathlib import Path
from typing import Any

import keras

from convscope.errors import UserError
from convscope.models import graphs, load, own_code
from convscope.models.settings import model_settings
from convscope.models.spec import ModelSpec
from convscope.models.tokens import is_tokens
from convscope.notebook.settings import known_keywords, of_model
from convscope.storage.files import read_json

KEYWORDS = (
    *("classes", "head", "image_size", "resize", "preprocessing", "channels", "bands", "shown_bands"),
    *("inputs", "output", "code"),
)

Canonical = tuple[keras.Model, ModelSpec]
# What was made of a live model, and of which weights and settings: training goes on between two cells.
_made: "weakref.WeakKeyDictionary[keras.Model, tuple[str, Canonical]]" = weakref.WeakKeyDictionary()


def canonical(model: Any, settings: dict[str, Any]) -> Canonical:
    """The canonical form of a model, as rule `import_model` makes it; the given one and its weights stay as they are.

    Args:
        model: a Keras model; or the path of one, as `source: file` takes it in a config. A file that a study has made, with its
            `.json` beside it, brings its facts along.
        settings: those of `KEYWORDS` that are not None: as under `models:` in a config.

    Returns:
        A flat float32 network that ends in logits, and its spec.

    Raises:
        UserError: it is no such model, or the settings do not fit it.
    """
    known_keywords(settings, KEYWORDS, "model")
    settings = dict(settings)
    if isinstance(model, str | os.PathLike):
        path = Path(model).expanduser()
        if (facts := _facts_beside(path)) is not None:
            code = settings.pop("code", None)
            if settings:
                raise UserError(f"{path} has its facts in {facts.name}; leave out {' and '.join(sorted(settings))}")
            return load.load_model(path, facts, own_code.text_of(Path(code).expanduser()) if code else "")
        completed = model_settings(of_model(settings | {"path": str(path)}), lambda file: "none")
        name = runnable(path.stem)
        return said(name, lambda: load.import_model(name, completed))
    if not isinstance(model, keras.Model):
        kind = f"{type(model).__module__}.{type(model).__name__}"
        raise UserError(
            f"model is of type {kind}; give a Keras 3 model (keras.Model), or the path of a .keras or .h5 file"
        )
    if "code" in settings:
        raise UserError("code is for a model in a file; one in memory has its classes")
    completed = of_model(settings)
    state = _state(model, completed)
    kept = _made.get(model)
    if kept is None or not state or kept[0] != state:
        name = runnable(model.name)
        kept = state, said(name, lambda: load.import_network(name, model, completed))
        _made[model] = kept
    return kept[1]


def layer_name(model: Any, layer: Any) -> str:
    """A layer's name in the canonical form; of a layer itself, that of this one and no other of its name.

    Raises:
        UserError: it is no layer of the model, or a network that is one of its layers.
    """
    if isinstance(layer, str):
        return layer
    if not isinstance(model, keras.Model) or not isinstance(layer, keras.Operation):
        return str(getattr(layer, "name", layer))
    if graphs.graph_of(layer) is not None:
        raise UserError(f"layer '{layer.name}' is a network; name a layer inside it")
    name = graphs.flat_names(model).get(id(layer))
    if name is None:
        raise UserError(f"layer '{layer.name}' is none of model '{model.name}'")
    return name


def layer_of_maps(network: keras.Model, layer: str, *, tokens: bool = False) -> str:
    """The layer's name, if its output has a height and a width, or with `tokens` those of a transformer's patches.

    Raises:
        UserError: it has none, or there is no such layer.
    """
    output = graphs.tensor_of(network, layer)
    if len(output.shape) != 4 and not (tokens and is_tokens(output)):
        raise UserError(f"layer '{layer}' answers no maps (its output has no height and width); name a layer before it")
    return layer


def file_of(path: str | os.PathLike[str], what: str) -> Path:
    """The path of a file that is there.

    Raises:
        UserError: it is not.
    """
    found = Path(path).expanduser()
    if not found.is_file():
        raise UserError(f"{what}: no file '{found}'; check the path")
    return found


def _state(model: keras.Model, settings: dict[str, Any]) -> str:
    """What a canonical form depends on; empty where the model cannot say what it is."""
    if not model.built:
        raise UserError(f"model '{model.name}' has no weights yet; give it an Input, or call it once on a batch")
    try:
        return f"{graphs.network_digest(model)} {json.dumps(settings, sort_keys=True)}"
    except Exception:
        return ""  # its class has no configuration: it is looked at anew each time


def runnable(name: str) -> str:
    """A name that TensorFlow can run a network by."""
    return re.sub("[^A-Za-z0-9_.-]", "_", name).lstrip("_.-") or "model"


def said(name: str, make: Any) -> Canonical:
    """What is made; a mistake is said without the keys of a config file.

    Args:
        name: of the model, as the keys of the mistake have it.
        make: a function that gives a network and its spec.
    """
    try:
        found: Canonical = make()
        return found
    except UserError as error:
        text = str(error).replace(f"models.{name}.", "", 1).replace(f"models.{name}:", f"model '{name}':", 1)
        raise UserError(text) from None


def _facts_beside(path: Path) -> Path | None:
    """The spec that the workflow writes beside a canonical network, if this is one."""
    beside = path.with_suffix(".json")
    try:
        keys = read_json(beside).keys() if path.is_file() else ()
    except (OSError, ValueError, AttributeError):
        return None
    return beside if {"name", "input_size", "head", "digest", "identity"} <= set(keys) else None
