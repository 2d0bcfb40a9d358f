"""The leaves of the config's schema: what a user may set, by name."""

from collections.abc import Iterator
from typing import Any

from convscope.config import resolved


def leaves_of(schema: dict[str, Any]) -> list[str]:
    """Name of every leaf: its path, without the names that a user chooses.

    What takes one of several forms by its `source` has the form's name in its place ("datasets.path.masks", "models.train.epochs"); a
    value that may be a mapping is a leaf, and so is each of its keys ("models.file.preprocessing.scale").
    """
    return list(_walk(schema, "", schema))


def _walk(node: dict[str, Any], path: str, root: dict[str, Any]) -> Iterator[str]:
    node = resolved(node, root)
    forms = [resolved(form, root) for form in node.get("oneOf", [])]
    if forms and all("source" in form.get("properties", {}) for form in forms):
        for form in forms:
            yield from _properties(form, f"{path}.{form['properties']['source']['const']}", root)
        return
    inner = node.get("additionalProperties")
    # A mapping by names of the user's choice is a leaf where its values are plain (`images_per_class`).
    if isinstance(inner, dict) and "properties" not in node:
        inner = resolved(inner, root)
        if "oneOf" in inner or "properties" in inner:
            yield from _walk(inner, path, root)
            return
    if node.get("type") != "object" or "properties" not in node:
        yield path
    for form in [node, *forms]:
        yield from _properties(form, path, root)


def _properties(node: dict[str, Any], path: str, root: dict[str, Any]) -> Iterator[str]:
    for key, value in node.get("properties", {}).items():
        yield from _walk(value, f"{path}.{key}".removeprefix("."), root)
