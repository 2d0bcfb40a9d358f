"""`convscope why`: what a model says of pictures and where it looked, at once and without a study."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from convscope.check import check_study
from convscope.config import complete
from convscope.data.folders import picture_files
from convscope.errors import UserError, in_one_line, nearest
from convscope.models.settings import model_settings
from convscope.storage.files import sha256_of, write_json


def why(
    part: Mapping[str, Any],
    name: str,
    pictures: Sequence[str],
    method: str,
    target: str | int,
    top: int,
    out: Path,
    **own: Any,
) -> int:
    """Say what a model sees in pictures, and write for each a picture of the evidence and the numbers.

    Files, for `cat.jpg` and Grad-CAM: `cat_gradcam.png` (the picture, the map, the map over it), `cat_gradcam.json` (the most
    probable classes, the model, the layer) and `cat_gradcam.npz` (every array, see `notebook.Explanation`). A picture that cannot be
    read is named, and the others are explained.

    Args:
        part: the model's entry under `models:`.
        name: what it is called.
        pictures: files, and folders of them.
        method: a class activation map or an attribution by its name in a config.
        target: the class that is explained.
        top: how many classes are told.
        out: folder of what is written; made where it is not there.
        **own: settings of the method.

    Returns:
        How many pictures could not be explained.

    Raises:
        UserError: the model, the method or its settings are wrong, or there is no picture at all.
    """
    paths = [path for word in pictures for path in _files(word)]
    # A link in a folder that leads nowhere is a picture that cannot be read, and no mistake of what was asked.
    present = [path for path in paths if path.exists()] or paths
    settings = _checked(part, name, present, method, target, own)
    if out.exists() and not out.is_dir():
        raise UserError(f"--out: '{out}' is there and is no folder; name another one")
    with _quiet():
        import tensorflow  # noqa: F401
    from convscope.models.load import import_model
    from convscope.notebook.images import read
    from convscope.notebook.methods import explanation
    from convscope.notebook.models import said

    network, spec = said(name, lambda: import_model(name, settings))
    good = []
    for path in paths:
        try:
            read(str(path), spec)
            good.append(str(path))
        except UserError as error:
            print(in_one_line(f"left out: {error}"))
    if not good:
        raise UserError("none of the pictures can be read")
    found = explanation(network, spec, good, method, target, dict(own))
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out: '{out}' cannot be made ({error.strerror}); name another folder") from None
    title = CAMS.get(method) or ATTRIBUTIONS[method].title
    for text in spec.warnings:
        print(in_one_line(f"warning: {text}"))
    for index, picture in enumerate(good):
        one = found.of(index)
        ranked = ranking(spec.head, one.predictions[0], spec.classes, top)
        print(in_one_line(f"{picture}: {spec.source}"))
        for row in ranked:
            value = f"{row['value']:.4g}" if spec.head == "regression" else f"{row['value']:6.1%}"
            print(in_one_line(f"  {value}  {row['class']}"))
        place = out / f"{found.ids[index]}_{method}"
        one.save(place.with_name(f"{place.name}.png"))
        one.save(place.with_name(f"{place.name}.npz"))
        facts = {
            "picture": picture,
            "sha256": sha256_of(Path(picture)),
            "model": spec.source,
            "model_digest": spec.identity,
            "head": spec.head,
            "notes": list(spec.notes),
            "warnings": list(spec.warnings),
            "answers": ranked,
            "method": method,
            "layer": one.layer,
            "settings": one.settings,
            "explained": [spec.classes[int(label)] for label in np.ravel(one.targets)],
            "scores": [round(float(score), 6) for score in np.ravel(one.scores)],
        }
        write_json(place.with_name(f"{place.name}.json"), facts)
        at = f" at {one.layer}" if one.layer else ""
        print(in_one_line(f"  {title}{at}: {place}.png, numbers in {place.name}.json and .npz"))
    return len(paths) - len(good)


def _checked(
    part: Mapping[str, Any], name: str, paths: Sequence[Path], method: str, target: str | int, own: Mapping[str, Any]
) -> dict[str, Any]:
    """The model's settings, looked at with the rest as a study would be, before TensorFlow is loaded."""
    stage = "cams" if method in CAMS else "attributions"
    config = {
        "study": "why",
        "models": {name: dict(part)},
        # What begins with ~ still is called so: no home of anybody's.
        "image_sets": {
            "pictures": {"files": [f"./{path}" if str(path).startswith("~") else str(path) for path in paths]}
        },
        stage: {name: {"images": ["pictures"], "methods": [method], "class": target, **own}},
    }
    if method not in CAMS and method not in ATTRIBUTIONS:
        raise UserError(f"--method: '{method}' does not exist; {nearest(method, [*CAMS, *ATTRIBUTIONS])}")
    try:
        complete_config = complete(config)
        check_study(complete_config)
    except UserError as error:
        text = str(error)
        for key, option in {"methods": "--method", "class": "--target", "layer": "--layer"}.items():
            text = text.replace(f"{stage}.{name}.{key}", option, 1)
        raise UserError(text.removeprefix(f"models.{name}.").removeprefix(f"models.{name}: ")) from None
    return model_settings(complete_config["models"][name], lambda file: "none")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on stderr: what TensorFlow says of its processor before any level of its log can be set is no answer to a question."""
    sys.stderr.flush()
    kept = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def ranking(head: str, values: np.ndarray, classes: Sequence[str], top: int) -> list[dict[str, Any]]:
    """The classes that a model gives most, the first first; of a regression all its numbers in their own order.

    Args:
        head: of the model.
        values: (C,), probabilities, or outputs of a regression.
        classes: C names.
        top: how many at most.

    Returns:
        `class` and `value` of each.
    """
    order = np.arange(len(values)) if head == "regression" else np.argsort(-values, kind="stable")
    return [{"class": classes[index], "value": round(float(values[index]), 6)} for index in order[:top]]


def _files(word: str) -> list[Path]:
    from convscope.command.look import expanded

    path = expanded(word)
    if not path.is_dir():
        if not path.exists():
            raise UserError(f"the picture '{word}' does not exist; check the path")
        return [path]
    found = sorted(picture_files(path))
    if not found:
        raise UserError(f"there are no pictures in the folder '{word}'")
    return found
