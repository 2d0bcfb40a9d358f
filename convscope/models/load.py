"""Models of every origin in one form: a flat Keras network that ends in logits, and a `ModelSpec` beside it."""

import contextlib
import dataclasses
import importlib
import io
import json
import os
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError, nearest
from convscope.jobs.environment import is_named_code
from convscope.models import graphs, own_code, presets
from convscope.models.applications import import_application
from convscope.models.canonical import canonical
from convscope.models.channels import channel_facts
from convscope.models.end_choice import ends_note
from convscope.models.ends import from_pictures, with_one_end
from convscope.models.heads import loss_of, trained_with, with_head
from convscope.models.preprocessing import preprocessing
from convscope.models.remarks import remarked
from convscope.models.room import check_answers
from convscope.models.saved import check_sum, load_stored
from convscope.models.settings import image_size
from convscope.models.spec import ModelSpec
from convscope.models.stored import stored
from convscope.storage.files import atomic_path

_EPOCH = (1980, 1, 1, 0, 0, 0)


def load_model(
    keras_path: str | os.PathLike[str], spec_path: str | os.PathLike[str], code: str | None = None
) -> tuple[keras.Model, ModelSpec]:
    """Load a canonical model and its spec. Never runs code from the model's file (safe mode).

    Args:
        keras_path: the network.
        spec_path: the facts beside it.
        code: text of the user's own layers. Default: that of the spec, where the config of the run names it (`environment.prepare`);
            results may be somebody else's.

    Raises:
        UserError: a module that the model needs is not installed, or it needs code that the user does not name.
    """
    spec = ModelSpec.load(spec_path)
    if code is not None and spec.code != code and spec.code:
        raise UserError(
            f"'{keras_path}' needs layers that somebody wrote, and another one's code is not run; name your own file of them, as it "
            "was in the study: code='my_layers.py'"
        )
    if code is None and spec.code and not is_named_code(spec.code):
        raise UserError(
            f"'{spec_path}' comes with layers that somebody wrote, and no code of the study's config is that one; it is not run. "
            "Name your file of them (code: my_layers.py), or delete the results of the model and run again"
        )
    for module in spec.requires:
        try:
            importlib.import_module(module)
        except ImportError:
            raise UserError(f"model '{spec.name}' needs the Python module '{module}'; install it") from None
    own_code.own_objects(spec.code)
    return load_keras(keras_path), spec


def load_keras(path: str | os.PathLike[str]) -> keras.Model:
    """Load a network from a `.keras` file. Never runs code from it (safe mode)."""
    with _no_random_weights():
        return keras.saving.load_model(path, compile=False, safe_mode=True)


@contextlib.contextmanager
def _no_random_weights() -> Iterator[None]:
    """Layers built inside begin with zeros: drawing 20 million numbers that the file's replace takes half a second."""
    kinds = (
        keras.initializers.VarianceScaling,
        keras.initializers.RandomNormal,
        keras.initializers.RandomUniform,
        keras.initializers.TruncatedNormal,
    )
    draws = [kind.__call__ for kind in kinds]
    for kind in kinds:
        kind.__call__ = _zeros
    try:
        yield
    finally:
        for kind, draw in zip(kinds, draws, strict=True):
            kind.__call__ = draw


def _zeros(initializer: Any, shape: tuple[int, ...], dtype: Any = None) -> Any:
    return keras.ops.zeros(shape, dtype=dtype)


def required_modules(model: keras.Model) -> tuple[str, ...]:
    """Python modules outside Keras that define layers of the model; the user's own code is none of them, see `ModelSpec.code`."""
    roots = {type(layer).__module__.partition(".")[0] for layer in model.layers}
    return tuple(sorted(root for root in roots - {"keras"} if not root.startswith(own_code.PREFIX)))


def save_model(model: keras.Model, path: str | os.PathLike[str]) -> None:
    """Save as `.keras`; the same network with the same weights gives the same bytes.

    Keras itself writes the date, and memory addresses of shared objects; both are replaced.
    """
    with atomic_path(path) as temporary:
        model.save(temporary)
        with zipfile.ZipFile(temporary) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        metadata = json.loads(members["metadata.json"])
        metadata.pop("date_saved", None)
        members["metadata.json"] = json.dumps(metadata, sort_keys=True).encode()
        members["config.json"] = _number_shared_objects(members["config.json"].decode()).encode()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name in sorted(members):
                archive.writestr(zipfile.ZipInfo(name, _EPOCH), members[name])
        Path(temporary).write_bytes(packed.getvalue())


def _number_shared_objects(config: str) -> str:
    numbers: dict[str, int] = {}

    def number(match: re.Match[str]) -> str:
        return f'"shared_object_id": {numbers.setdefault(match[1], len(numbers))}'

    return re.sub(r'"shared_object_id": (\d+)', number, config)


def summary_text(model: keras.Model) -> str:
    """The network's table of layers as text, 110 columns wide."""
    lines: list[str] = []
    model.summary(line_length=110, print_fn=lines.append)
    return "\n".join("\n".join(line.rstrip() for line in text.splitlines()) for text in lines) + "\n"


def import_model(name: str, settings: Mapping[str, Any]) -> tuple[keras.Model, ModelSpec]:
    """Bring a model of another origin to the canonical form.

    Args:
        name: the model's name in the study.
        settings: its part of the config, with `source` "preset", "file" or "application".

    Raises:
        UserError: it is not there, not safe, not of one picture input, or its classes do not fit.
    """
    sources = {"preset": _import_preset, "file": _import_file, "application": import_application}
    source = str(settings.get("source"))
    if source not in sources:
        raise UserError(f"models.{name}.source is '{source}'; {nearest(source, sources)}")
    network, facts = sources[source](settings)
    try:
        return _finish(name, settings, network, facts)
    except UserError as error:
        if "classes_from" in settings and f"models.{name}.classes" in str(error):
            raise UserError(f"{error}; the names are those of {settings['classes_from']} beside the file") from None
        raise


def import_network(name: str, network: keras.Model, settings: Mapping[str, Any]) -> tuple[keras.Model, ModelSpec]:
    """Bring a network in memory to the canonical form: what `import_model` makes of the file that it could be saved as.

    Args:
        name: what the model is called.
        network: any functional or sequential network; it stays as it is.
        settings: as of a file: `classes`, `image_size`, `resize`, `preprocessing`, `channels`, `bands`, `shown_bands`.

    Returns:
        A flat float32 network with weights of its own that ends in logits, and its spec.

    Raises:
        UserError: it is not of one picture input and one output, or its classes do not fit.
    """
    facts = {
        "source": "a model in memory",
        "loss": loss_of(network),
        **preprocessing(settings.get("preprocessing") or "none"),
    }
    return _finish(name, settings, network, facts)


def _finish(
    name: str, settings: Mapping[str, Any], network: keras.Model, facts: dict[str, Any]
) -> tuple[keras.Model, ModelSpec]:
    check_answers(network, f"models.{name}")
    network = from_pictures(network, settings)
    whole, network = network, with_one_end(network, settings.get("inputs"), settings.get("output"), f"models.{name}")
    if network is not whole:
        facts["notes"] = (ends_note(settings),)
    if not settings.get("bands"):
        _check_colours_last(network, f"models.{name}")
    facts |= channel_facts(name, settings, _depth(network), facts)
    wanted, own = settings.get("image_size"), facts.pop("input_size", None) or _own_size(network)
    size = image_size(wanted) if wanted else own
    flat, activation = canonical(
        network, name, scale=facts.get("scale", 1.0), offset=facts.get("offset", 0.0), size=size
    )
    _, height, width, _ = flat.inputs[0].shape
    if height is not None:
        if wanted and size and (height, width) != size:
            asked = f"{size[0]}x{size[1]}"
            raise UserError(f"models.{name}.image_size is {asked}, but the network takes only {height}x{width} pixels")
        size = (height, width)
    if size is None:
        raise UserError(f"models.{name}: the network does not say its image size; set image_size")
    has_head, loss = facts.pop("has_head", True), facts.pop("loss", "")
    bare = ModelSpec(
        name=name,
        input_size=size,
        resize=settings.get("resize") or facts.pop("resize", "crop"),
        **{key: value for key, value in facts.items() if key != "resize"},
    )
    _check_numbers(flat, f"models.{name}")
    flat, spec = with_head(bare, flat, activation, settings, has_head, loss)
    spec = remarked(spec, flat)
    return flat, dataclasses.replace(spec, digest=graphs.network_digest(flat), requires=required_modules(flat))


def _check_colours_last(network: keras.Model, where: str) -> None:
    """Raises: UserError: the picture is given colours first (3x224x224), and turned round by the network itself, if at all."""
    for tensor in getattr(graphs.graph_of(network), "inputs", ()):
        first, *rest = tensor.shape[1:] if len(tensor.shape) == 4 else (None,)
        if first in (1, 3, 4) and all(size is None or size > 4 for size in rest):
            sizes = "x".join("any" if size is None else str(size) for size in (first, *rest))
            raise UserError(
                f"{where}: the network takes colours first ({sizes}); give it behind a layer that turns pictures round: "
                "x = keras.Input((height, width, channels)); keras.Model(x, network(keras.layers.Permute((3, 1, 2))(x)))"
            )


def _check_numbers(network: keras.Model, where: str) -> None:
    """Raises: UserError: weights are no numbers, as training that fails leaves them; whatever came of them would be none, too."""
    for layer in network.layers:
        for weight in layer.weights:
            if np.isnan(keras.ops.convert_to_numpy(weight)).any():
                raise UserError(
                    f"{where}: weights of layer '{layer.name}' are no numbers (NaN): its training failed; take those of an earlier "
                    "epoch, or train it anew with a smaller learning rate"
                )


def _import_preset(settings: Mapping[str, Any]) -> tuple[keras.Model, dict[str, Any]]:
    preset = str(settings["preset"])
    place = presets.find_preset(preset, settings.get("folder"))
    network, converter, has_head = presets.load_preset(place)
    # The path on this machine is not part of what the model is.
    facts: dict[str, Any] = {"source": f"keras-hub preset {Path(preset).name}", "has_head": has_head}
    return network, facts | (presets.converter_facts(converter) if converter is not None else {})


def _import_file(settings: Mapping[str, Any]) -> tuple[keras.Model, dict[str, Any]]:
    path = Path(settings["path"])
    check_sum(path, settings.get("sha256"), "path")
    found = stored(path)
    code = own_code.text_of(Path(settings["code"])) if settings.get("code") else ""
    own = own_code.own_objects(code, Path(settings.get("code") or "").name)
    network = load_stored(found, own, _wanted_shape(settings))
    taken = found.of_teachable_machine and not settings.get("preprocessing")
    mode = "tf" if taken else settings.get("preprocessing") or "none"
    notes = ("preprocessing tf: it is a network of Teachable Machine, which takes -1..1",) if taken else ()
    facts = {
        "source": f"file {path.name}",
        "loss": trained_with(path, settings.get("output")),
        "code": code,
        "notes": notes,
    }
    return network, facts | preprocessing(mode)


def _wanted_shape(settings: Mapping[str, Any]) -> tuple[int | None, ...] | None:
    """(height, width, channels) of the pictures that a config asks for; None where it leaves the size open."""
    if not settings.get("image_size"):
        return None
    height, width = image_size(settings["image_size"])
    kind = settings.get("channels", "rgb")
    depth = len(settings.get("bands") or ()) or {"gray": 1, "rgba": 4}.get(kind, 3)
    return height, width, depth


def _own_size(network: keras.Model) -> tuple[int, int] | None:
    """The input size that a network was built for; where its form allows any, the canonical one does not say it."""
    shapes = [tensor.shape for tensor in getattr(graphs.graph_of(network), "inputs", ())]
    fixed = len(shapes) == 1 and len(shapes[0]) == 4 and None not in shapes[0][1:3]
    return tuple(shapes[0][1:3]) if fixed else None


def _depth(network: keras.Model) -> int | None:
    """The channels of a network's picture; None where it has no such input, or does not say."""
    shapes = [tensor.shape for tensor in getattr(graphs.graph_of(network), "inputs", ())]
    return shapes[0][-1] if len(shapes) == 1 and len(shapes[0]) == 4 else None
