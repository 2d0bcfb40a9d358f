"""Where a keras-hub preset is found (a folder on disk, then its mirrors), and what it holds."""

import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from convscope.errors import UserError, nearest
from convscope.jobs.job import say
from convscope.models.names import read_json_config
from convscope.models.safe import PRESET_CONFIGS as CONFIGS
from convscope.models.safe import check_parts

_TRIES = 3
_FINAL = re.compile(r"\b(401|403|404|not found|does not exist|gated|unauthorized|forbidden)\b", re.IGNORECASE)
# What HTTP clients add to the reason: the address again, and their own exceptions.
_TAIL = re.compile(r" with url:| \(Caused by")
_CLASSIFIER_TASK = "ImageClassifier"


def find_preset(
    preset: str,
    folder: str | os.PathLike[str] | None = None,
    *,
    pause: float = 3.0,
    mirrors: Mapping[str, Callable[[str], str]] | None = None,
) -> Path:
    """The local folder of a preset; downloaded into the mirror's own cache where it is on no disk.

    Looked for as a folder `preset`, as `folder/preset`, then on Kaggle and Hugging Face. Both mirrors' clients check
    what they download, keep it, and go on with what a broken download left.

    Args:
        preset: a folder, a keras-hub name ("xception_41_imagenet"), or a handle ("kaggle://...", "hf://owner/name").
        folder: folder where presets lie on disk.
        pause: seconds before the first retry; doubled for the next.
        mirrors: download functions by scheme ("kaggle", "hf"), each from a handle to a folder.

    Raises:
        UserError: unknown name, or no mirror can be reached; the line says what to download and where to put it.
    """
    places = [Path(preset), *([Path(folder) / preset] if folder else [])]
    for place in places:
        if (place / "config.json").is_file():
            return place
    if preset.startswith((".", "/", "~")) or Path(preset).is_dir():
        raise UserError(
            f"preset: no config.json in folder '{preset}'; a keras-hub preset has config.json and model.weights.h5"
        )
    failures = []
    known = mirrors or {"kaggle": _from_kaggle, "hf": _from_hugging_face}
    handles = list(_handles(preset))
    for scheme, handle in handles:
        for attempt in range(1, _TRIES + 1):
            say(f"preset {preset}: trying {scheme}://{handle} ({attempt} of {_TRIES})")
            try:
                return Path(known[scheme](handle))
            except Exception as error:
                # Every client has its own zoo of errors; what matters is whether trying again can help.
                reason = _TAIL.split((str(error).splitlines() or [type(error).__name__])[0])[0][:120]
                say(f"failed: {reason}")
                if _FINAL.search(reason) or attempt == _TRIES:
                    failures.append(f"{scheme}: {reason}")
                    break
                time.sleep(pause * 2 ** (attempt - 1))
    name = handles[-1][1].rpartition("/")[2]
    target = Path(folder or "presets") / name
    advice = f"download {_page(*handles[-1])} by hand (all files) into '{target}'"
    advice += "" if folder else " and set 'folder: presets' for the model"
    raise UserError(f"preset '{preset}' is on no disk and cannot be downloaded ({'; '.join(failures)}); {advice}")


def _handles(preset: str) -> Iterator[tuple[str, str]]:
    scheme, separator, rest = preset.partition("://")
    if separator:
        if scheme not in ("kaggle", "hf"):
            raise UserError(f"preset '{preset}' starts with '{scheme}://'; {nearest(scheme, ('kaggle', 'hf'))}")
        yield scheme, rest
        return
    import keras_hub

    names = keras_hub.models.Backbone.presets | keras_hub.models.ImageClassifier.presets
    if preset not in names:
        raise UserError(f"preset '{preset}' is neither a folder nor a preset of keras-hub; {nearest(preset, names)}")
    yield "kaggle", names[preset]["kaggle_handle"].removeprefix("kaggle://")
    yield "hf", f"keras/{preset}"


def _page(scheme: str, handle: str) -> str:
    return f"the files of {'kaggle.com/models' if scheme == 'kaggle' else 'huggingface.co'}/{handle}"


def _from_kaggle(handle: str) -> str:
    import kagglehub

    return str(kagglehub.model_download(handle))


def _from_hugging_face(handle: str) -> str:
    import huggingface_hub

    return str(huggingface_hub.snapshot_download(handle))


def load_preset(place: Path) -> tuple[Any, Any | None, bool]:
    """Load what lies in a preset's folder.

    Returns:
        The network (a classifier, or a backbone alone), its `ImageConverter` or None, and whether it has a
        classification head.

    Raises:
        UserError: the preset is of something that does not take pictures, or its files are damaged, or name more than parts of
            networks.
    """
    import keras_hub

    configs: dict[str, dict[str, Any]] = {}
    for name in CONFIGS:  # of a downloaded one nobody has looked at them
        if name != "config.json" and not (place / name).is_file():
            continue
        config = read_json_config(place / name)
        if config is None:
            # keras-hub may read what is not read here: nested too deeply, it would be loaded unseen.
            raise UserError(f"'{place / name}' is no JSON; the preset is damaged, download it again")
        check_parts(config, place / name, {})
        configs[name] = config
    kind = str(configs.get("task.json", {}).get("class_name", ""))
    classifier = kind.endswith(_CLASSIFIER_TASK)
    try:
        if classifier:
            network = keras_hub.models.ImageClassifier.from_preset(str(place))
        else:
            network = keras_hub.models.Backbone.from_preset(str(place))
    except Exception as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise UserError(
            f"preset '{place}' ({kind or configs['config.json'].get('class_name', '?')}) cannot be loaded: {reason}"
        ) from None
    converter = getattr(getattr(network, "preprocessor", None), "image_converter", None)
    if converter is None:
        try:
            converter = keras_hub.layers.ImageConverter.from_preset(str(place))
        except Exception:
            # A backbone without the picture of its preprocessing.
            converter = None
    return network, converter, classifier


def converter_facts(converter: Any) -> dict[str, Any]:
    """Preprocessing of a `ImageConverter`: `scale`, `offset` (one value, or one a channel), `resize`, `input_size` (or None)."""
    size = converter.image_size
    resize = "crop" if converter.crop_to_aspect_ratio else "pad" if converter.pad_to_aspect_ratio else "stretch"
    return {
        "scale": _values(converter.scale, 1.0),
        "offset": _values(converter.offset, 0.0),
        "resize": resize,
        "input_size": None if size is None or None in size else (int(size[0]), int(size[1])),
    }


def _values(value: Any, default: float) -> tuple[float, ...]:
    return (
        tuple(map(float, value)) if isinstance(value, list | tuple) else (float(default if value is None else value),)
    )


def imagenet_classes() -> tuple[str, ...]:
    """The 1,000 ImageNet class names in order; the two names that occur twice get their WordNet number."""
    return tuple(imagenet_numbers().values()) or tuple(f"class_{index}" for index in range(1000))


def imagenet_numbers() -> dict[str, str]:
    """WordNet number ("n02123045") -> ImageNet's class name, in the order of the labels; empty where keras-hub has moved its list."""
    try:
        from keras_hub.src.utils.imagenet.imagenet_utils import IMAGENET_NAMES
    except ImportError:
        return {}
    words = [IMAGENET_NAMES[index] for index in range(1000)]
    names = [name for _, name in words]
    return {number: f"{name}_{number}" if names.count(name) > 1 else name for number, name in words}
