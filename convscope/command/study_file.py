"""Study files as text that explains itself: what was found is filled in, what may be changed stands behind a #, with its default."""

import json
import re
import textwrap
from collections.abc import Mapping
from typing import Any

import yaml

from convscope.config import load_schema, resolved

_WIDTH, _LONGEST = 44, 118
_BREAKS = re.compile(r"[\r\n\x0b-\x1f\x85\u2028\u2029]")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*")
# What a user of `explain` may want to change, in this order; the rest is in the table of keys.
_SHOWN = {
    "cams": ("methods", "class", "layer", "colormap"),
    "attributions": ("methods", "class", "layer"),
    "activations": ("layers", "sheets"),
    "filters": ("layers", "filters", "preset"),
}


def plain(value: Any) -> str:
    """A value in YAML on one line. JSON is YAML; quotation marks are left out where no reader could take a word for something else."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{plain(key)}: {plain(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(plain, value)) + "]"
    if isinstance(value, str) and _WORD.fullmatch(value) and yaml.safe_load(value) == value:
        return value
    return json.dumps(value, ensure_ascii=isinstance(value, str) and not value.isprintable())


def entry(name: str, part: Mapping[str, Any], about: str = "") -> str:
    """A named part on one line, with a remark behind it."""
    return _remarked(f"  {plain(name)}: {plain(dict(part))}", about)


def listed(name: str, key: str, values: list[str]) -> str:
    """A named part with a list of one key, a value a line."""
    return "\n".join([f"  {plain(name)}:", f"    {key}:", *(f"      - {plain(value)}" for value in values)])


def stage(section: str, model: str, images: list[str], **chosen: Any) -> str:
    """A stage of a model: what is chosen, and what may be, with its default and its meaning from the schema.

    Args:
        section: `cams`, `attributions`, `activations` or `filters`.
        model: its name.
        images: names of image sets; none for `filters`.
        chosen: keys with other values than their defaults.
    """
    schema = load_schema()
    known = {key: resolved(part, schema) for key, part in schema["$defs"][section]["properties"].items()}
    lines = [f"{section}:", f"  {plain(model)}:"]
    if images:
        lines.append(f"    images: {plain(images)}")
    for key in _SHOWN[section]:
        about = str(known[key].get("description", "")).rstrip(".")
        if key in chosen:
            lines.append(_remarked(f"    {key}: {plain(chosen[key])}", about))
        elif "default" in known[key]:
            lines.append(_remarked(f"    # {key}: {plain(known[key]['default'])}", about))
        else:
            lines.append(_remarked(f"    # {key}:", about))
    return "\n".join(lines)


def head(study: str, title: str, remarks: list[str]) -> str:
    """How a study file begins."""
    # A name may hold a line break, and would go on outside of the remark.
    said = [f"# {_BREAKS.sub(' ', remark)}".rstrip() for remark in remarks]
    return "\n".join([*said, "", f"study: {plain(study)}", f"title: {plain(title)}"])


def _remarked(line: str, about: str) -> str:
    """A line with a remark behind it, or above it where that is too long."""
    about = " ".join(about.split())
    if not about:
        return line
    behind = f"{line:{_WIDTH}}  # {about}"
    if len(behind) <= _LONGEST:
        return behind
    margin = " " * (len(line) - len(line.lstrip()))
    above = textwrap.wrap(about, _LONGEST - len(margin) - 2)
    return "\n".join([*(f"{margin}# {part}" for part in above), line])
