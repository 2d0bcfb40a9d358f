"""Lists of pictures: a CSV of paths and labels, and the metadata files of Hugging Face's image folders.

A row says what its picture shows in one of three ways: a class; many labels, `a|b` in one column or a column of 0 and 1 for each;
or a number, or several. Imports nothing heavy: the workflow asks for splits and classes while it plans.
"""

import csv
import functools
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from convscope.data.class_order import FILE, class_indices, ordered
from convscope.data.groups import composed
from convscope.data.list_files import Record, header, records
from convscope.errors import UserError, nearest
from convscope.storage.fingerprints import is_ignored, kind_of

METADATA = ("metadata.csv", "metadata.jsonl")
# What people call the columns, in small letters; of several, the first that is there.
_NAMES = {
    "path": (
        "path",
        "file_name",
        "filename",
        "file",
        "filepath",
        "file_path",
        "image_path",
        "image",
        "img",
        "image_file",
    ),
    "class": ("class", "label", "class_name", "category"),
    "labels": ("labels", "tags", "classes"),
    "target": ("target", "value", "number"),
    "split": ("split", "subset", "set", "partition", "fold"),
    "mask": ("mask", "mask_path", "segmentation"),
}
_TRUTH = ("class", "labels", "target")
_WHOLE = "all"


class Entry(NamedTuple):
    """A picture of a list. `labels` are those of many, `target` a number as it is written (several with | between).

    `fault` says why the row cannot count.
    """

    path: str
    split: str
    class_: str = ""
    labels: tuple[str, ...] = ()
    target: str = ""
    mask: str = ""
    fault: str = ""


@dataclass(frozen=True)
class Listing:
    """A list of pictures. `truth` is what a row says: "class", "labels" or "target"; `classes` are in the order of their labels."""

    truth: str
    classes: list[str]
    entries: list[Entry]
    splits: list[str] = field(default_factory=list)


def listing_of(dataset: Mapping[str, Any], root: Path | None = None) -> Listing | None:
    """The list of a dataset of the config; None where its folders tell the classes.

    Args:
        dataset: its part of the config. Used: `source`, `path`, `folder`, `columns`, `classes`, `splits`.
        root: the pictures' folder of an extracted archive, instead of `path`.

    Raises:
        UserError: a list that cannot be read, or says nothing of a picture's class.
    """
    if dataset["source"] == "table":
        path = Path(dataset["path"])
        return read_list(
            ((path, ""),),
            path.parent / (dataset.get("folder") or "."),
            dataset.get("columns", {}),
            dataset.get("classes"),
        )
    root = Path(dataset["path"]) if root is None else root
    tables = metadata_files(root, dataset.get("splits"))
    return read_list(tables, None, {}, dataset.get("classes"), root) if tables else None


def metadata_files(root: Path, splits: Mapping[str, str] | None = None) -> tuple[tuple[Path, str], ...]:
    """Each metadata file of a Hugging Face image folder that names files and says what they show, with its split ("" for none).

    Raises:
        UserError: of the splits that are named, some have such a file and others have not.
    """
    places = [(root / below, split) for split, below in splits.items()] if splits else [(root, "")]
    found = [(place / name, split) for place, split in places for name in METADATA if _tells(place / name)]
    if found and (without := set(splits or ()) - {split for _, split in found}):
        raise UserError(
            f"the split '{min(without)}' has no {' or '.join(METADATA)} with file_name and a label, and '{found[0][1]}' has one; "
            "add it, or leave the split out"
        )
    if found or splits or not root.is_dir():
        return tuple(found)
    below = sorted(
        entry.name for entry in os.scandir(root) if kind_of(entry) == "folder" and not is_ignored(entry.name)
    )
    return tuple((root / one / name, one) for one in below for name in METADATA if _tells(root / one / name))


def _tells(table: Path) -> bool:
    """Whether a file is a list with the column file_name and one that says what a picture shows."""
    return table.is_file() and _is_list_file(table, _state(table))


@functools.lru_cache(maxsize=64)
def _is_list_file(table: Path, state: tuple[int, int]) -> bool:
    # In whatever letters: a list in others than UTF-8 is refused with a reason, and never passed over.
    try:
        with table.open("rb") as opened:
            encoding = "utf-16" if opened.read(2) in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        with table.open(encoding=encoding, errors="replace") as stream:
            return any(map(_is_list, _columns_of(stream, table.suffix == ".jsonl")))
    except (OSError, ValueError, TypeError, RecursionError, csv.Error):
        return False


def _columns_of(lines: Iterable[str], in_json: bool) -> Iterator[set[str]]:
    """The columns that the first line of a CSV has, or each line of JSON until they are complete: a row may leave some out."""
    known: set[str] = set()
    for line in filter(str.strip, lines):
        known |= {name.strip().lower() for name in (json.loads(line) if in_json else header(line))}
        yield known
        if not in_json:
            return


def _is_list(names: set[str]) -> bool:
    return "file_name" in names and any(known in names for truth in _TRUTH for known in _NAMES[truth])


def read_list(
    tables: Sequence[tuple[Path, str]],
    folder: Path | None,
    columns: Mapping[str, Any],
    classes: Sequence[str] | None = None,
    root: Path | None = None,
) -> Listing:
    """Read lists of pictures as one.

    Args:
        tables: each file, CSV or JSON lines, with the split that its pictures are in ("": as its rows say).
        folder: where the pictures' paths begin (None: at the list itself).
        columns: which column is what, where its name does not tell: `path`, `class`, `labels` (one, or a list of columns of 0 and
            1), `target` (one, or a list), `split`, `mask`.
        classes: in the order of their labels; rows of others are left out. None: as `class_order.ordered` has it.
        root: where a class_indices.json may lie (None: beside the first list).
    """
    home = root or tables[0][0].parent
    asked = [[(str(table), split) for table, split in tables], folder and str(folder), columns, classes, str(home)]
    return _listing(json.dumps(asked), tuple(_state(path) for path in (*(table for table, _ in tables), home / FILE)))


@functools.lru_cache(maxsize=16)
def _listing(asked: str, states: tuple[tuple[int, int], ...]) -> Listing:
    """What `read_list` gives, by its arguments and the states of the files: while it plans, the workflow asks often."""
    named, begin, columns, classes, place = json.loads(asked)
    tables, home, folder = [(Path(table), split) for table, split in named], Path(place), begin and Path(begin)
    truth, entries = "", list[Entry]()
    for table, split in tables:
        kind, found = _entries(table, split, folder or table.parent, columns)
        if truth and kind != truth:
            raise UserError(
                f"{table}: says a {kind} of each picture, and '{tables[0][0]}' a {truth}; a dataset has one of them"
            )
        truth = kind
        # A folder from anywhere: its list names what lies in it, where a change is noticed, and nothing else of this computer.
        entries += found if folder else [_within(entry, table.parent) for entry in found]
    entries = _once(_by_number(entries, home) if truth == "class" else entries)
    sound = [entry for entry in entries if not entry.fault]
    names = {entry.class_ for entry in sound if entry.class_} | {name for entry in sound for name in entry.labels}
    order = [] if truth == "target" else ordered(names, classes, home)
    if classes and truth == "class":
        entries = [entry for entry in entries if entry.fault or entry.class_ in order]
    if classes and truth == "labels":
        entries = [entry._replace(labels=tuple(name for name in entry.labels if name in order)) for entry in entries]
    splits = list(dict.fromkeys(entry.split for entry in entries))
    return Listing(truth, order, entries, splits)


def _entries(table: Path, split: str, folder: Path, columns: Mapping[str, Any]) -> tuple[str, list[Entry]]:
    rows = records(table)
    if not rows:
        raise UserError(f"{table}: no row in it")
    known = list(dict.fromkeys(name for row in rows for name in row))
    wanted = {
        what: _column(table, what, columns.get(what), known)
        for what in _NAMES
        if not isinstance(columns.get(what), list)
    }
    if wanted["path"] is None:
        raise UserError(f"{table}: no column of paths (such as path or file_name); name it by columns: {{path: ...}}")
    truth, told_by = _truth(table, wanted, columns, known, rows)
    entries = []
    for number, row in enumerate(rows, start=1):
        place = row.get(wanted["path"], "").strip()
        told = row.get(wanted["split"], "").strip() if wanted["split"] else ""
        entry = Entry(
            str(folder / _slashes(place)) if place else f"{table}, row {number}",
            split or told or _split_of(place) or _WHOLE,
            mask=_mask(folder, row.get(wanted["mask"] or "", "")),
            fault=row.fault if place else "no path in its row",
        )
        entries.append(_with_truth(entry, truth, row, told_by))
    # Where some lie in folders that are called like splits, and others do not, the folders are none.
    if not split and not wanted["split"] and any(not _split_of(row.get(wanted["path"], "")) for row in rows):
        entries = [entry._replace(split=_WHOLE) for entry in entries]
    return truth, entries


def _truth(
    table: Path, wanted: Mapping[str, str | None], columns: Mapping[str, Any], known: list[str], rows: list[Record]
) -> tuple[str, str | list[str]]:
    """What a row says of its picture, and the column that says it, or the columns of a label or a number each."""
    chosen = [what for what in _TRUTH if columns.get(what)]
    if len(chosen) > 1:
        raise UserError(f"{table}: columns: names both {' and '.join(chosen)}; a dataset has one of them")
    if chosen:
        for name in columns[chosen[0]] if isinstance(columns[chosen[0]], list) else ():
            _column(table, chosen[0], name, known)
        return chosen[0], columns[chosen[0]]
    for what in _TRUTH:
        if name := wanted.get(what):
            return _meant(what, name, [row.get(name, "").strip() for row in rows]), name
    taken = {wanted["path"], wanted["split"], wanted["mask"]}
    many = [name for name in known if name not in taken and _are_flags([row.get(name, "") for row in rows])]
    if len(many) > 1:
        return "labels", many
    raise UserError(
        f"{table}: no column says what a picture shows (class or label, labels, target, or a column of 0 and 1 for each label); it "
        f"has {', '.join(name[:60] for name in known[:8])}; name one by columns: {{class: ...}}"
    )


def _meant(what: str, name: str, texts: list[str]) -> str:
    """What a column says that is known by its name alone: what stands in it tells."""
    if what == "class" and any("|" in text.strip("|") for text in texts):
        return "labels"
    # "target" is a number to some and a class, perhaps 0 or 1, to others.
    if what == "target" and name.lower() == "target":
        whole = all(re.fullmatch(r"-?[0-9]+", text) or not _are_numbers(text) for text in texts)
        return "class" if whole and not any(_DECIMAL_COMMA.fullmatch(text) for text in texts) else what
    return what


_DECIMAL_COMMA = re.compile(r"[-+]?[0-9]*,[0-9]+")
_FLAGS = {"0": False, "0.0": False, "false": False, "1": True, "1.0": True, "true": True}
# What people write where they do not know whether a label is there: such a row cannot count, but the column is one.
_UNKNOWN = ("", "-1", "-1.0")


def _flag(text: str) -> bool | None:
    return _FLAGS.get(text.strip().lower())


def _are_flags(texts: list[str]) -> bool:
    known = [_flag(text) is not None for text in texts]
    return any(known) and all(is_flag or text.strip() in _UNKNOWN for is_flag, text in zip(known, texts, strict=True))


def _with_truth(entry: Entry, truth: str, row: Record, told_by: str | list[str]) -> Entry:
    if entry.fault:
        return entry
    if isinstance(told_by, list) and truth == "labels":
        wrong = next((name for name in told_by if _flag(row.get(name, "")) is None), "")
        if wrong:
            return entry._replace(fault=f"{wrong} is '{row.get(wrong, '')}', not 0 or 1")
        return entry._replace(labels=tuple(dict.fromkeys(composed(name) for name in told_by if _flag(row[name]))))
    names = told_by if isinstance(told_by, list) else [told_by]
    text = "|".join(row.get(name, "").strip() for name in names)
    if truth == "labels":
        return entry._replace(labels=tuple(dict.fromkeys(composed(n.strip()) for n in text.split("|") if n.strip())))
    if truth == "target":
        fault = f"its numbers are '{text}'" if len(names) > 1 else f"its number is '{text}'"
        if any(_DECIMAL_COMMA.fullmatch(part) for part in text.split("|")):
            fault += "; write it with a point, 36.5"
        return entry._replace(
            target=text, fault="" if _are_numbers(text) else fault if text else "no number in its row"
        )
    return entry._replace(class_=composed(text), fault="" if text else "no class in its row")


# Of float32, in which networks answer.
_LARGEST = 3.4e38


def _are_numbers(text: str) -> bool:
    try:
        return all(abs(float(part)) <= _LARGEST for part in text.split("|"))
    except ValueError:
        return False


def _by_number(entries: list[Entry], home: Path) -> list[Entry]:
    """Classes that are written as numbers, by the names that a class_indices.json gives these."""
    labels = class_indices(home)
    names = {entry.class_ for entry in entries if entry.class_}
    if not labels or not all(re.fullmatch("[0-9]{1,6}", name) and int(name) < len(labels) for name in names):
        return entries
    # Of classes called 1, 2 and 3, a 1 is the class of that name, which is the first.
    if any(name.isdecimal() for known in labels for name in known):
        return entries
    last = Counter(known[-1] for known in labels)
    spoken = [known[-1] if last[known[-1]] == 1 else known[0] for known in labels]
    return [entry._replace(class_=spoken[int(entry.class_)]) if entry.class_ else entry for entry in entries]


def _once(entries: Iterable[Entry]) -> list[Entry]:
    """Entries without those that say the same again; what says another thing of the same picture is a fault."""
    known: dict[tuple[str, str], Entry] = {}
    result = []
    for entry in entries:
        first = known.setdefault((os.path.normpath(entry.path), entry.split), entry)
        if first is entry:
            result.append(entry)
        elif entry.mask and entry.mask != first.mask:
            result.append(entry._replace(fault=f"listed twice, and the second time with the mask {entry.mask}"))
        elif (first.class_, first.labels, first.target) != (entry.class_, entry.labels, entry.target):
            said = entry.class_ or "|".join(entry.labels) or entry.target
            result.append(
                entry._replace(fault=f"listed twice, and the second time as '{said}'; many labels go into one row, a|b")
            )
    return result


def _within(entry: Entry, folder: Path) -> Entry:
    """An entry whose files lie below a folder, by their names; else with that as its fault."""
    for path in filter(None, (entry.path, entry.mask)):
        inside = Path(path).is_relative_to(folder) and ".." not in Path(path).relative_to(folder).parts
        if not inside and not entry.fault:
            return entry._replace(fault="leads out of the folder of its list")
    return entry


def _column(table: Path, what: str, wanted: str | None, known: Sequence[str]) -> str | None:
    """The column that is meant: the one that the config names, or one that is called as people call it."""
    if wanted is not None:
        if wanted not in known:
            raise UserError(f"{table}: no column '{wanted}' ({nearest(wanted, known)})")
        return wanted
    lower = {name.strip().lower(): name for name in reversed(known)}
    return next((lower[name] for name in _NAMES[what] if name in lower), None)


def _split_of(path: str) -> str:
    """The split that a path begins with, as Hugging Face's folders are laid out; "" for none."""
    first = _slashes(path).removeprefix("./").split("/")[0]
    return first if "/" in _slashes(path) and first.lower() in _SPLITS else ""


_SPLITS = ("train", "training", "validation", "valid", "val", "dev", "test", "testing")


def _slashes(path: str) -> str:
    """A path as a list from another system may have it."""
    return path.replace("\\", "/") if os.sep == "/" else path


def _mask(folder: Path, path: str) -> str:
    return str(folder / _slashes(path.strip())) if path.strip() else ""


def _state(path: Path) -> tuple[int, int]:
    """What changes with a file; (0, 0) where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return 0, 0
    return status.st_mtime_ns, status.st_size
