"""Checking and completing a study's configuration. Imports nothing heavy: it runs every time the workflow is read."""

import copy
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, validators

from convscope.errors import UserError, nearest
from convscope.storage.written_paths import expanded

# The compiled reader takes a tenth of the time; where PyYAML was built without it, the other reads the same.
try:
    from yaml import CSafeLoader as SafeLoader
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

# The folder with the Snakefile and all that belongs to it: a checkout's own, or, installed, one in the package.
_CHECKOUT = Path(__file__).resolve().parent.parent
WORKFLOW = _CHECKOUT if (_CHECKOUT / "Snakefile").is_file() else Path(__file__).resolve().parent / "workflow"
SCHEMAS = WORKFLOW / "schemas"

# To JSON Schema 2.0 is an integer, to what counts with it, it is none.
_Validator = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine(
        "integer", lambda checker, value: isinstance(value, int) and not isinstance(value, bool)
    ),
)


def load_schema(folder: Path = SCHEMAS) -> dict[str, Any]:
    """The JSON schema of a study's configuration: study.yaml, the sections that it names, and what they share, as one schema.

    A `$ref` to a whole file ("cams.yaml") is replaced by what the file says; one into a file ("shared.yaml#/$defs/name")
    stays a `$ref`, and leads into the `$defs` of the whole ("#/$defs/name"), where those of all files are.

    Raises:
        ValueError: two files define the same name.
    """
    parts = {
        path.name: yaml.load(path.read_text(encoding="utf-8"), SafeLoader) for path in sorted(folder.glob("*.yaml"))
    }
    defined: dict[str, Any] = {}
    for file, part in parts.items():
        own = part.pop("$defs", {})
        if twice := defined.keys() & own.keys():
            raise ValueError(f"{file}: another file of {folder} defines '{min(twice)}', too")
        defined |= own
    return _joined({**parts["study.yaml"], "$defs": defined}, parts)


def _joined(node: Any, parts: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_joined(inner, parts) for inner in node]
    if not isinstance(node, dict):
        return node
    file, _, place = node.get("$ref", "").partition("#")
    if file and not place:
        return _joined(parts[file], parts)
    joined = {key: _joined(value, parts) for key, value in node.items()}
    return {**joined, "$ref": f"#{place}"} if file else joined


def complete(config: dict[str, Any], schema: dict[str, Any] | None = None) -> dict[str, Any]:
    """A copy of the configuration, checked against the schema, with its defaults filled in and its paths written out.

    What the schema gives the `format: path` is a path: after this, nobody meets a `~` or a `$NAME` (`written_paths.expanded`).

    Raises:
        UserError: the first mistake, as "key.key: what is wrong; what is valid".
    """
    schema = schema or load_schema()
    if wrong := next(_no_numbers(config, ""), None):
        raise UserError(f"{wrong} is no number to work with; write one")
    errors = sorted(_Validator(schema).iter_errors(config), key=lambda e: (len(e.absolute_path), str(e.absolute_path)))
    if errors:
        raise UserError(_explain(errors[0], schema))
    result = copy.deepcopy(config)
    _fill(result, schema, schema)
    _write_out(result, schema, schema, "")
    return result


def _no_numbers(value: Any, where: str) -> Iterator[str]:
    """The keys of what is not finite: it passes every minimum and maximum, and ends as a traceback somewhere."""
    if isinstance(value, float) and not math.isfinite(value):
        yield f"{where}: {value}"
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _no_numbers(part, f"{where}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _no_numbers(part, f"{where}.{index}".lstrip("."))


def resolved(schema: Any, root: dict[str, Any]) -> dict[str, Any]:
    """A part of the schema itself where it refers to a definition of `root`; what it says beside the `$ref` comes first."""
    while isinstance(schema, dict) and "$ref" in schema:
        target: Any = root
        for part in schema["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        schema = {**target, **{key: value for key, value in schema.items() if key != "$ref"}}
    return schema


def _branch(value: Any, options: list[Any], root: dict[str, Any]) -> int | None:
    """The alternative a value means: the one with its `source`."""
    for index, option in enumerate(options):
        known = resolved(option, root).get("properties", {}).get("source", {}).get("const")
        if isinstance(value, dict) and known is not None and value.get("source") == known:
            return index
    return None


def _fill(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    schema = resolved(schema, root)
    if not isinstance(value, dict):
        return
    if "oneOf" in schema:
        chosen = _branch(value, schema["oneOf"], root)
        if chosen is not None:
            _fill(value, schema["oneOf"][chosen], root)
        return
    for key, part in schema.get("properties", {}).items():
        inner = resolved(part, root)
        if key not in value and "default" in inner:
            value[key] = copy.deepcopy(inner["default"])
        if key in value:
            _fill(value[key], inner, root)
    further = schema.get("additionalProperties")
    if isinstance(further, dict):
        for key in value.keys() - schema.get("properties", {}).keys():
            _fill(value[key], further, root)


def _write_out(value: Any, schema: dict[str, Any], root: dict[str, Any], key: str) -> Any:
    """A part of the config with every path in it written out; mappings and lists are changed where they stand."""
    schema = resolved(schema, root)
    if isinstance(value, str):
        # A list or a file: what is text is the file.
        options = [resolved(option, root) for option in (schema, *schema.get("oneOf", ()))]
        return expanded(key, value) if any(option.get("format") == "path" for option in options) else value
    if isinstance(value, list):
        value[:] = [_write_out(entry, schema.get("items", {}), root, key) for entry in value]
    if not isinstance(value, dict):
        return value
    if "oneOf" in schema and (chosen := _branch(value, schema["oneOf"], root)) is not None:
        schema = resolved(schema["oneOf"][chosen], root)
    further = schema.get("additionalProperties")
    for name, entry in value.items():
        part = schema.get("properties", {}).get(name, further if isinstance(further, dict) else {})
        value[name] = _write_out(entry, part, root, f"{key}.{name}".lstrip("."))
    return value


def _explain(error: Any, root: dict[str, Any]) -> str:
    where = ".".join(str(part) for part in error.absolute_path) or "the top level"
    if error.validator == "oneOf":
        options = error.schema["oneOf"]
        chosen = _branch(error.instance, options, root)
        if chosen is not None:
            inner = [found for found in error.context or [] if found.schema_path[0] == chosen]
            return _explain(min(inner, key=lambda e: len(e.absolute_path)), root)
        sources = [resolved(option, root).get("properties", {}).get("source", {}).get("const") for option in options]
        if all(sources):
            given = error.instance.get("source") if isinstance(error.instance, dict) else error.instance
            return f"{where}.source: '{given}' is unknown; {nearest(str(given), sources)}"
        values = [found for found in error.context or [] if found.validator in ("enum", "const")]
        if isinstance(error.instance, str) and values:
            return f"{_explain(values[0], root)} ({_meaning(error.schema, root)})"
        return f"{where}: {error.instance!r} is not valid ({_meaning(error.schema, root)})"
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        unknown = next(key for key in error.instance if key not in known)
        return f"{where}: unknown key '{unknown}'; {nearest(unknown, known)}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in error.instance)
        return f"{where}: the key '{missing}' is missing ({_meaning(error.schema.get('properties', {}).get(missing, {}), root)})"
    if error.validator in ("enum", "const"):
        valid = error.validator_value if error.validator == "enum" else [error.validator_value]
        return f"{where}: '{error.instance}' is not valid; {nearest(str(error.instance), map(str, valid))}"
    if error.validator == "pattern":
        return f"{where}: {error.instance!r} is not valid ({_meaning(error.schema, root)})"
    return f"{where}: {error.message} ({_meaning(error.schema, root)})"


def _meaning(schema: dict[str, Any], root: dict[str, Any] | None = None) -> str:
    if root is not None:
        schema = resolved(schema, root)
    return str(schema.get("description", "see docs/config.md")).rstrip(".")
