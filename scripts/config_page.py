"""Write the page of the docs that lists every key of a config, from the schema."""

import argparse
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml

from convscope.config import load_schema, resolved
from convscope.filters.presets import PRESETS, without_effect
from convscope.jobs.job import parser, run, say

PAGE = Path(__file__).parent.parent / "docs" / "config.md"
_HEAD = """# Every key of a config

{description} What it does not say has the default given here; a misspelt key or a
value that is not valid is refused in one line, before any work. This page is made by `make docs` from [`schemas/`](../schemas), a file
a section, by which configs are checked and completed. What reruns after a change of a key: [what_reruns.md](what_reruns.md).

Paths are seen from the folder in which the run was started; `~`, `~user`, `$NAME` and `${{NAME}}` of the environment are put in.

`<name>` stands for a name of your choice ({name}),
`<model>` for one of `models`. A dot in a key stands for "below": `randomisation.images` of `judging.<model>` is written

```yaml
judging:
  xception:
    randomisation:
      images: 8
```
"""
_COLUMNS = ("key", "value", "default", "meaning")
# The default of a key for which the schema can give no value, as its description has it.
_TOLD = re.compile(r" \(default: ([^()]*)\)")
_END = "\n..."  # of what is not in brackets, as YAML writes it
_LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_TYPES = {"string": "text", "boolean": "`true` or `false`", "object": "mapping"}
Part = dict[str, Any]
Row = tuple[str, ...]


def page() -> str:
    """The page's text."""
    schema = load_schema()
    sections = {key: part for key, part in schema["properties"].items() if "additionalProperties" in part}
    names = schema["$defs"]["name"]["description"].rstrip(".")
    lines = [
        _HEAD.format(description=schema["description"], name=names[0].lower() + names[1:]),
        "## The study",
        "",
    ]
    lines += _table(_COLUMNS, _rows(schema, schema, links=sections))
    for name, section in sections.items():
        entry = resolved(section["additionalProperties"], schema)
        place = f"{name}.<name>" if "propertyNames" in section else f"{name}.<model>"
        lines += ["", f"## {name}", "", section["description"]]
        forms = [resolved(form, schema) for form in entry.get("oneOf", [])]
        for form in forms:
            source = form["properties"]["source"]["const"]
            lines += ["", f"### {name}: {source}", "", *_described(place, form), *_table(_COLUMNS, _rows(form, schema))]
        if "properties" in entry:
            lines += ["", *_described(place, entry), *_table(_COLUMNS, _rows(entry, schema))]
        elif not forms:
            row = (f"`{place}`", _value(entry, schema), "", _meaning(entry["items"]))
            lines += ["", *_table(_COLUMNS, [row])]
        if name == "filters":
            lines += ["", "What the presets say:", "", *_presets(entry)]
    return "\n".join(lines) + "\n"


def _described(place: str, entry: Part) -> list[str]:
    return [f"{_meaning(entry)} Below `{place}`:", ""]


def _rows(part: Part, root: Part, prefix: str = "", links: Part | None = None) -> Iterator[Row]:
    """A row a key, and below it rows of its own keys; of definitions that several keys share, the first has them."""
    shown: dict[str, str] = {}
    for key, raw in part["properties"].items():
        inner = resolved(raw, root)
        name, link = f"{prefix}{key}", links is not None and key in links
        value = "section" if link else _value(inner, root)
        named = (
            resolved(inner["additionalProperties"], root) if isinstance(inner.get("additionalProperties"), dict) else {}
        )
        holders = [] if link else [form for form in [inner, named, *inner.get("oneOf", [])] if "properties" in form]
        if holders and raw.get("$ref") in shown:
            value, holders = f"mapping, as `{shown[raw['$ref']]}`", []
        elif holders and "$ref" in raw:
            shown[raw["$ref"]] = name
        default = "**required**" if key in part.get("required", []) else _default(inner)
        yield f"[`{name}`](#{name})" if link else f"`{name}`", value, default, _meaning(inner)
        for form in holders:
            yield from _rows(form, root, f"{name}.")


def _default(part: Part) -> str:
    if "default" not in part:
        told = _TOLD.search(part["description"])
        literal = told and (told[1] in part.get("enum", []) or re.fullmatch(r"[0-9.]+", told[1]))
        return (f"`{told[1]}`" if literal else _safe(told[1])) if told else ""
    if part["default"] == {}:
        return "" if "properties" in part else "none"
    written = yaml.safe_dump(part["default"], default_flow_style=True, width=1000)
    return f"`{written.split(_END)[0].strip()}`"


def _meaning(part: Part) -> str:
    return _safe(_TOLD.sub("", part["description"]))


def _value(part: Part, root: Part) -> str:
    """Which values there are, in words."""
    words = _values(resolved(part, root), root)
    return " or ".join([", ".join(words[:-1]), words[-1]] if words[1:] else words)


def _values(part: Part, root: Part) -> list[str]:
    if "oneOf" in part:
        return [words for form in part["oneOf"] for words in _values(resolved(form, root), root)]
    if "const" in part or "enum" in part:
        return [f"`{value}`" for value in part.get("enum") or [part["const"]]]
    types = part["type"] if isinstance(part["type"], list) else [part["type"]]
    return [_of_type(name, part, root) for name in types]


def _of_type(name: str, part: Part, root: Part) -> str:
    if name in ("integer", "number"):
        limits = [f"{sign} {part[key]}" for key, sign in _LIMITS.items() if key in part]
        if "minimum" in part and "maximum" in part:
            limits = [f"{part['minimum']} to {part['maximum']}"]
        return " ".join([name, ", ".join(limits)]).strip()
    if name == "array":
        count = f"{part['minItems']} " if "minItems" in part and part["minItems"] == part.get("maxItems") else ""
        return f"list of {count}{_several(part['items'], root)}"
    further = part.get("additionalProperties")
    if name == "object" and isinstance(further, dict):
        return f"mapping of names to {_several(further, root)}"
    return _TYPES[name]


def _several(part: Part, root: Part) -> str:
    """Several values, in words."""
    return re.sub(r"\b(integer|number)\b", r"\1s", _value(part, root))


def _presets(entry: Part) -> list[str]:
    settings = {name: asdict(preset) for name, preset in PRESETS.items()}
    unused = {name: without_effect({"preset": name}) for name in PRESETS}
    rows = [
        (f"`{key}`", *("" if key in unused[name] else f"`{settings[name][key]}`" for name in PRESETS))
        for key in entry["properties"]
        if key in settings["textbook"] and key != "preset"
    ]
    return _table(("key", *(f"`{name}`" for name in PRESETS)), rows)


def _table(columns: Row, rows: Iterator[Row] | list[Row]) -> list[str]:
    lines = (columns, ["---"] * len(columns), *rows)
    return ["|" + "".join(f" {cell} |" if cell else " |" for cell in cells) for cells in lines]


def _safe(text: str) -> str:
    text = text.replace("<", "&lt;").replace("|", "\\|")
    return re.sub(r"\bdocs/(\w+\.md)", r"[\1](\1)", text)


def main(args: argparse.Namespace) -> None:
    text = page()
    PAGE.write_text(text, encoding="utf-8")
    say(f"{len(text.splitlines())} lines")


if __name__ == "__main__":
    run(main, parser(__doc__))
