"""A config file as it is written: what YAML would take for something else, and the line of every key, for the messages.

Snakemake reads the file by itself, and tells neither file nor line of what is wrong, nor what is lost: of a key that is there
twice, the first.
"""

import dataclasses
import json
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from convscope.errors import UserError, in_one_line

Key = tuple[str | int, ...]

# What Snakemake takes for a program that makes a config (https://yte-template-engine.github.io).
_TEMPLATE = "__use_yte__"
_TAG = "tag:yaml.org,2002:"
_KNOWN_TAGS = ("str", "int", "float", "bool", "null", "map", "seq", "merge", "value")
# YAML 1.1 wants a point before and a sign behind the e of a number; what lacks one of them is text.
_ALMOST_A_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+")
# Longer ones Python does not turn into text again, by default; nobody counts so far.
_LONGEST_NUMBER = 300
_MOST_BYTES = 2_000_000
# With every alias written out: ten times ten of a few letters ten times over would fill any memory.
_MOST_PLACES = 200_000
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
# What PyYAML finds, and how a person would say it; {0} is the line of the bracket or quotation mark that was opened.
_SAID = (
    (r"character '\\t'", "a tab; indent and part by blanks"),
    (r"expected ',' or '([]}])'", "the bracket opened in line {0} is not closed by a '{1}', or a comma is missing"),
    (r"unexpected end of stream", "the quotation mark opened in line {0} is not closed"),
    (r"character '(.+)' that cannot start", "no text can begin with '{1}' unless it stands in quotes"),
    (r"mapping values are not allowed", "no colon can stand here; put the text in quotes, or check the indentation"),
    (r"could not find expected ':'", "a key without its colon, or a wrong indentation"),
    (r"expected <block end>, but found '([]}])'", "'{1}' closes a bracket that is not opened"),
    (r"expected <block end>", "the indentation fits nothing above"),
    (r"sequence entries are not allowed", "the dash of a list must begin a line"),
    (r"expected '<document start>'", "the text goes on where it had ended; check brackets and indentation"),
    (r"undefined alias '(.+)'", "'*{1}' refers to an anchor that does not exist; put the text in quotes"),
)


class _JsonLoader(yaml.SafeLoader):
    """YAML's view of a JSON file, in which 1e-3 is the number that it is to Snakemake, too."""


_JsonLoader.add_implicit_resolver(f"{_TAG}float", re.compile(rf"(?:{_ALMOST_A_NUMBER.pattern})$"), list("-0123456789"))


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a key or an entry of a list stands: line from 1, the text as it is written ("" of a list or mapping), YAML's type."""

    line: int
    text: str
    kind: str


@dataclasses.dataclass(frozen=True)
class ConfigFile:
    """A config file: its name for people, and the place of everything in it by its keys."""

    name: str
    places: dict[Key, Place]

    def deepest(self, key: Key) -> Key:
        """As much of a key as the file has."""
        return next((key[:n] for n in range(len(key), 0, -1) if key[:n] in self.places), ())


def read_config_file(path: str | os.PathLike[str]) -> ConfigFile:
    """Look at a config file, YAML or JSON, as text.

    Raises:
        UserError: it cannot be read, is no YAML, or holds what YAML reads otherwise than a person: a key twice, a date, an octal
            or sexagesimal number, 1e-3, a number that is none. File, line, and what to write instead.
    """
    name = os.fspath(path)
    if not os.path.relpath(name).startswith(os.pardir):
        name = os.path.relpath(name)
    try:
        if _is_special(path):
            raise UserError(f"{name}: a pipe or a device, not a file; write what it says to a file")
        if (size := Path(path).stat().st_size) > _MOST_BYTES:
            raise UserError(
                f"{name}: {size / 1e6:.0f} MB, and a config has {_MOST_BYTES / 1e6:.0f} at most; long lists of pictures belong in a "
                "file of their own (source: table)"
            )
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{name}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}") from None
    # JSON may indent by tabs; within its texts there are none.
    root = _composed(name, text.replace("\t", " "), _JsonLoader) if _is_json(text) else _composed(name, text)
    if not isinstance(root, yaml.MappingNode):
        raise UserError(f"{name}: holds no keys; a config has keys such as 'study' and 'models'")
    places: dict[Key, Place] = {}
    for key, place in _walk(name, root, (), frozenset()):
        if len(places) == _MOST_PLACES:
            raise UserError(
                f"{name}, line {place.line}: more than {_MOST_PLACES} keys and entries, aliases counted each time"
            )
        places[key] = place
    if (_TEMPLATE,) in places:
        line = places[(_TEMPLATE,)].line
        raise UserError(
            f"{name}, line {line}: {_TEMPLATE} makes Snakemake run code that stands in the file; a config is none"
        )
    return ConfigFile(name, places)


def check_command_line(arguments: Sequence[str]) -> None:
    """Look at the config files that a command line names after --configfile, before Snakemake reads them.

    A fault ends the program with one line. What is not there, or is a folder, is left to Snakemake.
    """
    named = False
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if argument.startswith("-"):
            named = option in ("--configfile", "--configfiles")
        path = value if named and equals else argument
        if named and (Path(path).is_file() or _is_special(path)):
            try:
                read_config_file(path)
            except UserError as error:
                print(in_one_line(f"config: {error}"), file=sys.stderr)
                raise SystemExit(1) from None


def _is_special(path: str | os.PathLike[str]) -> bool:
    """Whether a path is a pipe, which would be waited for, or a device, which may never end."""
    return Path(path).exists() and not Path(path).is_file() and not Path(path).is_dir()


def located(message: str, files: Sequence[ConfigFile], given: Mapping[str, Any] | None = None) -> str:
    """A message about a key ("models.net.dataset: ...") with the file and the line where the key stands, if it stands in one.

    Args:
        message: begins with the key; what is wrong there may be quoted.
        files: of several that have the key, the last counts.
        given: what --config says, which counts before all files.
    """
    word = message.split(maxsplit=1)[0].rstrip(":") if message else ""
    key: Key = tuple(int(part) if part.isdecimal() else part for part in word.split("."))
    if unknown := re.search("unknown key '(.+?)'", message):
        key = (*(() if message.startswith("the top level") else key), unknown[1])
    if _is_given(given or {}, key):
        return f"--config: {message}"
    file = max(reversed(files), key=lambda file: len(file.deepest(key)), default=None)
    if file is None or not (known := file.deepest(key)):
        return message
    place = file.places[known]
    for quoted in re.findall("'(.+?)'", message):
        within = [p for k, p in file.places.items() if k[: len(known)] == known and p.text == quoted]
        if within:
            place = within[0]
            break
    if "is not of type 'string'" in message and place.kind in ("bool", "int", "float", "null") and place.text:
        message += f"; write '{place.text}' in quotes if it is a name"
    return f"{file.name}, line {place.line}: {message}"


def _is_given(given: Any, key: Key) -> bool:
    for part in key:
        if not isinstance(given, Mapping):
            return True
        if part not in given:
            return False
        given = given[part]
    return bool(key)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _composed(name: str, text: str, loader: type[yaml.SafeLoader] = yaml.SafeLoader) -> yaml.Node | None:
    try:
        documents = list(yaml.compose_all(text, Loader=loader))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        raise UserError(f"{name}, line {line}: a character that no text may hold ({error.character!r})") from None
    except yaml.MarkedYAMLError as error:
        raise UserError(f"{name}, line {_line(error)}: {_said(error)}") from None
    except RecursionError:
        raise UserError(f"{name}: nested too deeply") from None
    if len(documents) > 1:
        line = documents[1].start_mark.line + 1
        raise UserError(
            f"{name}, line {line}: a second document begins behind '---'; a config is one, remove the '---'"
        )
    return documents[0] if documents else None


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _said(error: yaml.MarkedYAMLError) -> str:
    opened = error.context_mark.line + 1 if error.context_mark else _line(error)
    for pattern, said in _SAID:
        if found := re.search(pattern, error.problem or ""):
            return said.format(opened, *found.groups())
    return str(error.problem or error)


def _walk(name: str, node: yaml.Node, key: Key, above: frozenset[int]) -> Iterator[tuple[Key, Place]]:
    if id(node) in above:
        raise UserError(f"{name}, line {node.start_mark.line + 1}: an alias within what it stands for")
    above |= {id(node)}
    if isinstance(node, yaml.SequenceNode):
        for index, entry in enumerate(node.value):
            yield (*key, index), _place(name, entry, entry)
            yield from _walk(name, entry, (*key, index), above)
    elif isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key_node, value in node.value:
            text, line = _key(name, key_node, value), key_node.start_mark.line + 1
            if text in lines and text != "<<":
                raise UserError(
                    f"{name}, line {line}: the key '{text}' is already in line {lines[text]}, and what stands there would be "
                    "lost; keep one, or put both under one"
                )
            lines[text] = line
            yield (*key, text), _place(name, value, key_node)
            yield from _walk(name, value, (*key, text), above)


def _key(name: str, node: yaml.Node, value: yaml.Node) -> str:
    where = f"{name}, line {node.start_mark.line + 1}"
    if not isinstance(node, yaml.ScalarNode):
        raise UserError(f"{where}: a key must be text, not a list or a mapping")
    kind, text = node.tag.removeprefix(_TAG), str(node.value)
    if kind not in _KNOWN_TAGS and kind != "timestamp":
        raise UserError(f"{where}: YAML's type '{node.tag}' has no place in a config; write the key in quotes")
    if kind not in ("str", "merge", "value"):
        comma = kind in ("int", "float") and value.start_mark.index == value.end_mark.index  # {width: 0,7}
        remedy = "a decimal sign is a point, not a comma" if comma else f"write '{text}' in quotes"
        raise UserError(f"{where}: the key {text} is no text to YAML but {_meant(kind, text)}; {remedy}")
    # {cat:1} is the key "cat:1" without a value.
    if node.style is None and re.search(r"\w:\w", text) and getattr(value, "value", "") == "":
        raise UserError(f"{where}: a blank is missing behind the colon of '{text}'")
    return text


def _place(name: str, node: yaml.Node, at: yaml.Node) -> Place:
    """The place of a value; it stands where the key does, unless it has a line of its own."""
    kind = node.tag.removeprefix(_TAG)
    where = f"{name}, line {node.start_mark.line + 1}"
    if kind not in _KNOWN_TAGS and kind != "timestamp":
        raise UserError(f"{where}: YAML's type '{node.tag}' has no place in a config; write the text in quotes")
    if not isinstance(node, yaml.ScalarNode):
        return Place(at.start_mark.line + 1, "", kind)
    text = str(node.value)
    if stray := re.search("[\ud800-\udfff]", text):
        raise UserError(f"{where}: a character that no text may hold ({stray[0]!r})")
    if node.style is None and (fault := _misread(kind, text)):
        raise UserError(f"{where}: {fault}")
    return Place((node if text else at).start_mark.line + 1, text, kind)


def _misread(kind: str, text: str) -> str | None:
    """What YAML takes a plain text for where a person would not; None where both agree."""
    quotes = f"write '{text}' in quotes if it is text"
    if kind in ("int", "float") and len(text) > _LONGEST_NUMBER:
        return f"a number of {len(text)} digits ({text[:20]}...), which is none to work with"
    if kind == "str" and _ALMOST_A_NUMBER.fullmatch(text):
        return f"{text} is text to YAML, not a number; write {_with_point(float(text))} ({quotes})"
    if kind == "str" and any(text.count(closing) > text.count(opening) for opening, closing in ("[]", "{}")):
        return f"{text} closes a bracket that is not opened; {quotes}"
    if kind == "timestamp":
        return f"{text} is read as a date; write '{text}' in quotes"
    if kind == "int" and _OCTAL.fullmatch(text):
        return f"{text} is read as an octal number; write {text.replace('_', '').lstrip('+-0') or 0} ({quotes})"
    if kind in ("int", "float") and ":" in text:
        return f"{text} is read as a number of base 60; write '{text}' in quotes"
    if kind == "float" and text.lower().strip("+-") in (".nan", ".inf"):
        return f"{text} is no number to work with; write one ({quotes})"
    return None


def _meant(kind: str, text: str) -> str:
    return {"bool": "yes or no", "int": "a number", "float": "a number", "null": "nothing"}.get(kind, kind)


def _with_point(value: float) -> str:
    text = repr(value)
    mantissa, e, exponent = text.partition("e")
    return text if "." in mantissa or not e else f"{mantissa}.0e{exponent}"
