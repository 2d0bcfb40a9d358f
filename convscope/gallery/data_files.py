"""Tables beside a page, for pages of thousands of pictures: read from disk by a script element, a part at a time.

A page that is opened from disk may not fetch a file, but it may load a script. So a table is written as scripts that hand plain
JSON to one function, and once more as JSON for other programs:

    data/<name>.js        how many rows there are, what is said of all of them, and the first rows
    data/<name>.1.js ...  the next rows, as many a file
    data/<name>.whole.js  the columns by which a page sorts, filters and finds, of all rows
    data/<name>.json      all of it, unpacked

Columns are lists of values, not rows with the same keys again and again; what repeats in a column is written once. Pictures that are
cut from a sheet want sheets of about a megapixel: a browser decodes all of one for a single cell, and keeps what it decoded.

How a page of a layer's 2,048 filters uses it:

    files = write_data(folder, "layer_net_conv1", {
        "filter": [pattern.filter for pattern in patterns],
        "dead": [pattern.dead for pattern in patterns],
        "left": [pattern.left for pattern in patterns],
        "top": [pattern.top for pattern in patterns],
    }, whole=("filter", "dead"), about={"sheet": "../filters/net/conv1.jpg"})

    <div id="units" aria-label="Filters of conv1"></div>
    <script src="data.js" defer></script>     defines convscope.table
    <script src="virtual.js" defer></script>  defines convscope.virtual
    <script src="units.js" defer></script>

and in units.js:

    const home = document.getElementById("units");
    const table = await convscope.table("layer_net_conv1").catch((error) => convscope.say(home, error));
    const { dead } = await table.whole();                     // arrays with a value for every row
    const shown = [...dead.keys()].filter((k) => !dead[k]);
    convscope.virtual(home, {
      count: shown.length, least: 120,
      load: (from, to) => table.load(shown.slice(from, to)),  // null where these rows are there already
      cell: (place) => draw(table.row(shown[place])),         // row: {filter, dead, left, top}, null while it is loading
    });
"""

import json
import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.storage.files import write_text

ROWS_A_FILE = 200
FOLDER = "data"
# What would end a script element, or a line of a script, wherever the text is put.
_ESCAPED = {ord(sign): f"\\u{ord(sign):04x}" for sign in "<>&\u2028\u2029"}
_FEW = 4  # a column is written by its different values where each stands for as many rows


def write_data(
    folder: Path,
    name: str,
    columns: Mapping[str, Sequence[Any]],
    *,
    whole: Collection[str] = (),
    about: Mapping[str, Any] | None = None,
    rows_a_file: int = ROWS_A_FILE,
    scripts: bool = True,
) -> tuple[Path, ...]:
    """Write a table beside the pages in `folder`, for `static/data.js`; the same table gives the same bytes.

    Args:
        folder: of the pages; the files go to `data/` in it.
        name: of the table: letters, digits, `.`, `-`, `_`.
        columns: name -> a value for each row: text, whole numbers, finite floats, booleans, None, or lists and dicts of these.
        whole: the columns that a page needs of all rows at once.
        about: what holds for all rows.
        rows_a_file: how many rows a script holds; the first screen should need no more than one.
        scripts: whether to write the scripts, besides the JSON.

    Returns:
        What was written.

    Raises:
        ValueError: columns of different length, a column of `whole` that is not there, a name that is no file name, a number
            that JSON does not know.
    """
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1 or not set(whole) <= set(columns):
        raise ValueError(f"{name}: columns of {sorted(lengths)} rows; of all rows {sorted(whole)} of {sorted(columns)}")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", name) or rows_a_file < 1:
        raise ValueError(f"{name!r} is no name of a file, or {rows_a_file} rows a file are too few")
    rows = max(lengths, default=0)
    everything = {"rows": rows, "about": dict(about or {}), "columns": {key: list(columns[key]) for key in columns}}
    written = {f"{name}.json": _json(everything)}
    if scripts:
        head = {"rows": rows, "rows_a_file": rows_a_file, "about": everything["about"], "whole": list(whole)}
        for number, start in enumerate(range(0, max(rows, 1), rows_a_file)):
            part = {key: pack(values[start : start + rows_a_file]) for key, values in columns.items()}
            own = f"{name}.{number}" if number else name
            written[f"{own}.js"] = script(own, {"columns": part} if number else {**head, "columns": part})
        if whole:
            part = {key: pack(columns[key]) for key in columns if key in whole}
            written[f"{name}.whole.js"] = script(f"{name}.whole", {"columns": part})
    for file, text in written.items():
        write_text(folder / FOLDER / file, text)
    return tuple(folder / FOLDER / file for file in written)


def script(name: str, value: Any) -> str:
    """A script that hands a JSON value to the page; harmless wherever it is put, whatever text is in it."""
    return f"convscope.put({_json(name)},{_json(value)});\n"


def pack(values: Sequence[Any]) -> Any:
    """A column as it is written: `{"all"}` of one value, `{"of", "at"}` of few different ones, `{"start", "end", "rest"}` of texts
    that begin and end alike, else the list itself."""
    if not values:
        return []
    if all(value is None or isinstance(value, str | bool | int | float) for value in values):
        # True is 1 and 1 is 1.0 to a dict.
        different = {(type(value), value): value for value in values}
        if len(different) == 1:
            return {"all": values[0]}
        if len(different) * _FEW <= len(values):
            codes = {key: code for code, key in enumerate(different)}
            return {"of": list(different.values()), "at": [codes[type(value), value] for value in values]}
    texts = [value for value in values if isinstance(value, str)]
    if len(texts) > 1 and all(isinstance(value, str | None) for value in values):
        start = _common_start(texts)
        end = _common_start([text[len(start) :][::-1] for text in texts])[::-1]
        if start or end:
            cut = [value if value is None else value[len(start) : len(value) - len(end)] for value in values]
            return {"start": start, "end": end, "rest": cut}
    return list(values)


def _common_start(texts: Sequence[str]) -> str:
    first, last = min(texts), max(texts)
    return first[: next((k for k, sign in enumerate(first) if last[k : k + 1] != sign), len(first))]


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPED)
