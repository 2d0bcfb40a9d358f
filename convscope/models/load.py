"""Models of every origin in one form: a flat Keras network that ends in logits, and a `ModelSpec` beside it."""

import contextlib
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

import convscope.models.keras_settings  # noqa: F401 (before anything is built)
from convscope.errors import UserError, nearest
from convscope.models import graphs, presets
from convscope.models.names import read_file_config
from convscope.models.spec import ModelSpec
from convscope.storage.files import atomic_path, sha256_of

_EPOCH = (1980, 1, 1, 0, 0, 0)
_SAFE_MODULES = ("keras", "keras_hub", "builtins")
_CAFFE_MEAN = (103.939, 116.779, 123.68)
_TORCH_MEAN, _TORCH_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

# How each family of keras.applications wants its pixels; the others rescale inside the network.
_APPLICATION_MODES = {
    "ResNet50": "caffe",
    "ResNet101": "caffe",
    "ResNet152": "caffe",
    "VGG16": "caffe",
    "VGG19": "caffe",
    "DenseNet121": "torch",
    "DenseNet169": "torch",
    "DenseNet201": "torch",
    "ResNet50V2": "tf",
    "ResNet101V2": "tf",
    "ResNet152V2": "tf",
    "Xception": "tf",
    "InceptionV3": "tf",
    "InceptionResNetV2": "tf",
    "MobileNet": "tf",
    "MobileNetV2": "tf",
    "NASNetLarge": "tf",
    "NASNetMobile": "tf",
}


def load_model(keras_path: str | os.PathLike[str], spec_path: str | os.PathLike[str]) -> tuple[keras.Model, ModelSpec]:
    """Load a canonical model and its spec. Never runs code from the file (safe mode).

    Raises:
        UserError: a module that the model needs is not installed.
    """
    spec = ModelSpec.load(spec_path)
    for module in spec.requires:
        try:
            importlib.import_module(module)
        except ImportError:
            raise UserError(f"model '{spec.name}' needs the Python module '{module}'; install it") from None
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
    """Python modules outside Keras that define layers of the model."""
    roots = {type(layer).__module__.partition(".")[0] for layer in model.layers}
    return tuple(sorted(roots - {"keras"}))


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


def preprocessing(mode: str | Mapping[str, float]) -> dict[str, Any]:
    """`scale`, `offset` and `channels` of a named preprocessing: none, tf, torch, caffe, or `{scale, offset}`.

    Raises:
        UserError: an unknown name.
    """
    if isinstance(mode, Mapping):
        return {"scale": (float(mode.get("scale", 1.0)),) * 3, "offset": (float(mode.get("offset", 0.0)),) * 3}
    if mode == "none":
        return {}
    if mode == "tf":
        return {"scale": (1 / 127.5,) * 3, "offset": (-1.0,) * 3}
    if mode == "torch":
        return {
            "scale": tuple(1 / (255 * deviation) for deviation in _TORCH_DEVIATION),
            "offset": tuple(-mean / deviation for mean, deviation in zip(_TORCH_MEAN, _TORCH_DEVIATION, strict=True)),
        }
    if mode == "caffe":
        return {"offset": tuple(-mean for mean in _CAFFE_MEAN), "channels": "bgr"}
    raise UserError(f"preprocessing is '{mode}'; {nearest(mode, ('none', 'tf', 'torch', 'caffe'))}")


def import_model(name: str, settings: Mapping[str, Any]) -> tuple[keras.Model, ModelSpec]:
    """Bring a model of another origin to the canonical form.

    Args:
        name: the model's name in the study.
        settings: its part of the config, with `source` "preset", "file" or "application".

    Raises:
        UserError: it is not there, not safe, not of one picture input, or its classes do not fit.
    """
    sources = {"preset": _import_preset, "file": _import_file, "application": _import_application}
    source = str(settings.get("source"))
    if source not in sources:
        raise UserError(f"models.{name}.source is '{source}'; {nearest(source, sources)}")
    network, facts = sources[source](settings)
    return _finish(name, settings, network, facts)


def import_network(name: str, network: keras.Model, settings: Mapping[str, Any]) -> tuple[keras.Model, ModelSpec]:
    """Bring a network in memory to the canonical form: what `import_model` makes of the file that it could be saved as.

    Args:
        name: what the model is called.
        network: any functional or sequential network; it stays as it is.
        settings: as of a file: `classes`, `image_size`, `resize`, `preprocessing`.

    Returns:
        A flat float32 network with weights of its own that ends in logits, and its spec.

    Raises:
        UserError: it is not of one picture input and one output, or its classes do not fit.
    """
    facts = {"source": "a model in memory", **preprocessing(settings["preprocessing"])}
    return _finish(name, settings, network, facts | _own_size(network))


def _finish(
    name: str, settings: Mapping[str, Any], network: keras.Model, facts: dict[str, Any]
) -> tuple[keras.Model, ModelSpec]:
    flat, activation = graphs.canonical(network, name)
    _, height, width, channels = flat.inputs[0].shape
    if channels != 3:
        raise UserError(f"models.{name}: the network takes {channels} channels, not the 3 of an RGB picture")
    wanted = settings.get("image_size")
    size = (int(wanted),) * 2 if wanted else facts.pop("input_size", None)
    facts.pop("input_size", None)
    if height is not None:
        if wanted and (height, width) != size:
            raise UserError(f"models.{name}.image_size is {wanted}, but the network takes only {height}x{width} pixels")
        size = (height, width)
    if size is None:
        raise UserError(f"models.{name}: the network does not say its image size; set image_size")
    head, classes = _classes(name, settings, flat, activation, facts.pop("has_head", True))
    spec = ModelSpec(
        name=name,
        input_size=size,
        resize=settings.get("resize") or facts.pop("resize", "crop"),
        classes=classes,
        head=head,
        digest=graphs.network_digest(flat),
        requires=required_modules(flat),
        **{key: value for key, value in facts.items() if key != "resize"},
    )
    return flat, spec


def _classes(
    name: str, settings: Mapping[str, Any], flat: keras.Model, activation: str, has_head: bool
) -> tuple[str, tuple[str, ...]]:
    given = tuple(settings.get("classes") or ())
    shape = flat.outputs[0].shape
    if not has_head or len(shape) != 2:
        if given:
            raise UserError(f"models.{name}.classes: the network has no classification head, so leave the classes out")
        return "none", ()
    units = int(shape[-1])
    if activation == "sigmoid" and units > 1:
        raise UserError(
            f"models.{name}: {units} sigmoid outputs (several labels an image) are not supported; use softmax"
        )
    count = max(units, 2)
    if given and len(given) != count:
        raise UserError(f"models.{name}.classes has {len(given)} names, but the network tells {count} classes apart")
    if len(set(given)) < len(given):
        raise UserError(f"models.{name}.classes: every class needs a name of its own")
    names = given or (presets.imagenet_classes() if count == 1000 else tuple(f"class_{i}" for i in range(count)))
    return ("binary" if units == 1 else "multiclass"), names


def _import_preset(settings: Mapping[str, Any]) -> tuple[keras.Model, dict[str, Any]]:
    preset = str(settings["preset"])
    place = presets.find_preset(preset, settings.get("folder"))
    network, converter, has_head = presets.load_preset(place)
    # The path on this machine is not part of what the model is.
    facts: dict[str, Any] = {"source": f"keras-hub preset {Path(preset).name}", "has_head": has_head}
    return network, facts | (presets.converter_facts(converter) if converter is not None else {})


def _import_file(settings: Mapping[str, Any]) -> tuple[keras.Model, dict[str, Any]]:
    path = Path(settings["path"]).expanduser()
    _check_sum(path, settings.get("sha256"), "path")
    network = load_file(path)
    facts = {"source": f"file {path.name}", **preprocessing(settings["preprocessing"])}
    return network, facts | _own_size(network)


def _own_size(network: keras.Model) -> dict[str, Any]:
    """The input size that a network was built for; where its form allows any, the canonical one does not say it."""
    shapes = [tensor.shape for tensor in getattr(graphs.graph_of(network), "inputs", ())]
    fixed = len(shapes) == 1 and len(shapes[0]) == 4 and None not in shapes[0][1:3]
    return {"input_size": tuple(shapes[0][1:3])} if fixed else {}


def _check_sum(path: Path, expected: str | None, key: str) -> None:
    if not path.is_file():
        raise UserError(f"{key}: no file '{path}'; check the path")
    if expected and sha256_of(path) != expected:
        raise UserError(f"{key}: '{path}' has another SHA-256 than the config's; it is damaged or not that file")


def load_file(path: Path) -> keras.Model:
    """Load a `.keras` or `.h5` file without running any code from it.

    Raises:
        UserError: the file is no Keras model, or it holds Lambda layers, pickled code, or classes of unknown modules.
    """
    if path.suffix not in (".keras", ".h5", ".hdf5"):
        raise UserError(f"'{path}' is not a .keras or .h5 file; save the model again with model.save('model.keras')")
    config = read_file_config(path)
    if config is None:
        raise UserError(
            f"'{path}' holds no Keras model (damaged, or weights only); save it with model.save('model.keras')"
        )
    _check_safe(config, path)
    for module in sorted(_modules(config)):
        if module == "keras_hub":
            importlib.import_module(module)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"'{path}' cannot be loaded: {reason}") from None


def _entries(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        for inner in value.values():
            yield from _entries(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _entries(inner)


def _check_safe(whole: dict[str, Any], path: Path) -> None:
    for entry in _entries(whole):
        kind = entry.get("class_name")
        if kind in ("Lambda", "__lambda__") or entry.get("function_type") == "lambda":
            config = entry.get("config")
            name = config.get("name", "") if isinstance(config, dict) else ""
            what = f"{kind or 'lambda'} {name}".strip()
            raise UserError(
                f"'{path}' holds code ({what}) that would run when loaded; replace it by a layer and save again"
            )
    for module in sorted(_modules(whole)):
        if module not in _SAFE_MODULES:
            raise UserError(
                f"'{path}' needs code of module '{module}', which no file may bring; rebuild it of Keras layers"
            )


def _modules(config: dict[str, Any]) -> set[str]:
    return {
        entry["module"].partition(".")[0]
        for entry in _entries(config)
        if isinstance(entry.get("module"), str) and "class_name" in entry
    }


def _import_application(settings: Mapping[str, Any]) -> tuple[keras.Model, dict[str, Any]]:
    name = str(settings["application"])
    builders = {key: value for key, value in vars(keras.applications).items() if key[0].isupper() and callable(value)}
    if name not in builders:
        raise UserError(f"application '{name}' does not exist in keras.applications; {nearest(name, builders)}")
    weights = str(Path(settings["weights"]).expanduser())
    by_name = weights == "imagenet"
    classes = len(settings.get("classes") or ()) or 1000
    if not by_name:
        _check_sum(Path(weights), settings.get("sha256"), "weights")
    elif classes != 1000:
        raise UserError(f"application {name}: the ImageNet weights have 1000 classes, the config names {classes}")
    try:
        if by_name:
            network = builders[name](weights="imagenet")
        else:
            network = builders[name](weights=None, classes=classes)
            network.load_weights(weights)
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        if not by_name:
            raise UserError(f"application {name}: '{weights}' does not fit the network: {reason}") from None
        raise UserError(
            f"application {name}: its weights cannot be downloaded ({reason}); on a machine without network "
            "download the file of that address by hand and set 'weights' to it"
        ) from None
    _, height, width, _ = network.inputs[0].shape
    facts = {"source": f"keras.applications.{name}, weights {Path(weights).name}", "input_size": (height, width)}
    return network, facts | preprocessing(_APPLICATION_MODES.get(name, "none"))
