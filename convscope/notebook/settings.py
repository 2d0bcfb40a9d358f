"""Settings given as keywords, checked and completed by the same schema as a study's config file."""

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np

from convscope.config import complete, load_schema
from convscope.errors import UserError, nearest

_NAME = "model"
_MODEL = {"source": "file", "path": "model.keras"}


@functools.cache
def _schema() -> dict[str, Any]:
    return load_schema()


def seed_of(given: int | None) -> int:
    """A seed, checked; that of a study that names none where it is None.

    Raises:
        UserError: it is no whole number from 0 on.
    """
    named = {} if given is None else {"seed": _plain(given)}
    return int(complete({"study": "notebook", "models": {}, **named}, _schema())["seed"])


def of_model(settings: dict[str, Any]) -> dict[str, Any]:
    """`classes`, `image_size`, `resize`, `preprocessing` of a saved model, checked and completed.

    Raises:
        UserError: an unknown key, or a value that a config file may not have either.
    """
    return _completed({"models": {_NAME: _MODEL | settings}}, "models")


def of_stage(stage: str, settings: dict[str, Any]) -> dict[str, Any]:
    """A model's settings of a stage ("cams", "attributions", "activations", "filters"), checked and completed.

    Args:
        stage: the section of the config.
        settings: its keys that differ from the defaults; NumPy's numbers and arrays, tuples and ranges count as plain ones.

    Raises:
        UserError: a value that a config file may not have either.
    """
    return _completed({"models": {_NAME: _MODEL}, stage: {_NAME: settings}}, stage)


def known_keywords(given: Iterable[str], valid: Iterable[str], what: str) -> None:
    """Refuse a keyword that is none.

    Raises:
        UserError: the first unknown one, with the nearest valid one.
    """
    valid = list(valid)
    for name in given:
        if name not in valid:
            raise UserError(f"{what}: unknown setting '{name}'; {nearest(name, valid)}")


def _completed(config: dict[str, Any], section: str) -> dict[str, Any]:
    try:
        return complete({"study": "notebook", **_plain(config)}, _schema())[section][_NAME]  # type: ignore[no-any-return]
    except UserError as error:
        # Keys of a config are keywords here; the class explained is called target.
        text = str(error).removeprefix(f"{section}.{_NAME}").removeprefix(".").removeprefix(": ")
        raise UserError(f"target: {text.removeprefix('class: ')}" if text.startswith("class: ") else text) from None


def _plain(value: Any) -> Any:
    """What JSON Schema knows: a range or an array is a list, a number of NumPy's is Python's."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, list | tuple | range):
        return [_plain(part) for part in value]
    return value
