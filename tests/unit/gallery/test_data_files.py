"""Tables beside a page: what is written is the table, harmless in a page, and small."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from convscope.gallery.data_files import pack, script, write_data

HOSTILE = "</script><!--\u2028&"


def part(path: Path) -> Any:
    """What a script hands over, read as a browser would: a call with a name and a JSON value."""
    found = re.fullmatch(r"convscope\.put\((\"[^\"]+\"),(.*)\);\n", path.read_text(encoding="ascii"))
    assert found and json.loads(found[1]) == path.stem
    return json.loads(found[2])


def unpacked(column: Any, count: int) -> list[Any]:
    match column:
        case {"all": value}:
            return [value] * count
        case {"of": values, "at": codes}:
            return [values[code] for code in codes]
        case {"start": start, "end": end, "rest": rest}:
            return [None if text is None else start + text + end for text in rest]
    assert isinstance(column, list)
    return column


COLUMNS: dict[str, list[Any]] = {
    "id": [f"img {k}" for k in range(23)],
    "class": [["cat", "dog", HOSTILE][k % 3] for k in range(23)],
    "share": [k / 7 for k in range(23)],
    "photo": [None if k == 4 else f"../cams/photos/{k}.jpg" for k in range(23)],
    "right": [None if k == 5 else k % 2 == 0 for k in range(23)],
    "pictures": [[f"{k}.png", {"empty": False}] for k in range(23)],
    "same": [HOSTILE] * 23,
}


def test_every_row_is_in_one_script_and_all_are_in_the_json(tmp_path: Path) -> None:
    files = write_data(tmp_path, "t.1", COLUMNS, whole=("class", "right"), about={"shape": [3, 4]}, rows_a_file=10)
    assert [path.name for path in files] == ["t.1.json", "t.1.js", "t.1.1.js", "t.1.2.js", "t.1.whole.js"]
    assert {path.parent.name for path in files} == {"data"}
    everything, head, second, third, whole = json.loads(files[0].read_text()), *map(part, files[1:])
    assert everything == {"rows": 23, "about": {"shape": [3, 4]}, "columns": COLUMNS}
    assert (head["rows"], head["rows_a_file"], head["whole"]) == (23, 10, ["class", "right"])
    assert head["about"] == {"shape": [3, 4]}
    for name, values in COLUMNS.items():
        parts = [(head, 10), (second, 10), (third, 3)]
        assert [value for got, count in parts for value in unpacked(got["columns"][name], count)] == values
    assert {name: unpacked(column, 23) for name, column in whole["columns"].items()} == {
        name: COLUMNS[name] for name in ("class", "right")
    }


def test_text_is_data_wherever_the_script_is_put() -> None:
    text = script("n", {HOSTILE: [HOSTILE, "\ud800", "é"]})
    assert not re.search("[<>&\u2028\u2029]", text) and text.isascii() and text.count("\n") == 1
    assert json.loads(text.removeprefix('convscope.put("n",').removesuffix(");\n")) == {
        HOSTILE: [HOSTILE, "\ud800", "é"]
    }


def test_what_repeats_is_written_once() -> None:
    assert pack(["a"] * 9) == {"all": "a"} and pack([]) == []
    assert pack(["cat", "dog"] * 4) == {"of": ["cat", "dog"], "at": [0, 1] * 4}
    assert pack(["x/1.jpg", None, "x/12.jpg"]) == {"start": "x/1", "end": ".jpg", "rest": ["", None, "2"]}
    assert pack(["aa", "aaa"]) == {"start": "aa", "end": "", "rest": ["", "a"]}
    assert pack(["a", "b"]) == ["a", "b"] and pack([[1], [1]]) == [[1], [1]]
    # 1, 1.0 and True are one key of a dict, and three values of JSON.
    mixed = [True, 1, 1.0, False] * 4
    assert [json.dumps(value) for value in unpacked(pack(mixed), 16)] == [json.dumps(value) for value in mixed]


def test_ten_thousand_pictures_are_small(tmp_path: Path) -> None:
    columns: dict[str, list[Any]] = {
        "id": [f"cats_cat_{k:05}" for k in range(10_000)],
        "class": ["cat", "dog"] * 5_000,
        "photo": [f"../cams/net/all/gradcam/photos/cats_cat_{k:05}.jpg" for k in range(10_000)],
    }
    *_, whole = write_data(tmp_path, "t", columns, whole=("class",))
    assert (tmp_path / "data/t.js").stat().st_size < 4_000 and whole.stat().st_size < 21_000


def test_an_empty_table_has_its_columns(tmp_path: Path) -> None:
    files = write_data(tmp_path, "t", {"a": [], "b": []}, whole=("a",))
    assert [path.name for path in files] == ["t.json", "t.js", "t.whole.js"]
    assert part(files[1])["columns"] == {"a": [], "b": []}
    assert [path.name for path in write_data(tmp_path / "more", "t", {"a": [1]}, scripts=False)] == ["t.json"]


@pytest.mark.parametrize(
    ("columns", "options"),
    [
        ({"a": [1], "b": []}, {}),
        ({"a": [1]}, {"whole": ("b",)}),
        ({"a": [float("nan")]}, {}),
        ({"a": [1]}, {"rows_a_file": 0}),
    ],
)
def test_what_is_no_table(tmp_path: Path, columns: Any, options: Any) -> None:
    with pytest.raises(ValueError, match=r"rows|JSON"):
        write_data(tmp_path, "t", columns, **options)
    assert not list(tmp_path.rglob("*.js"))


@pytest.mark.parametrize("name", ["", "../t", "a/b", ".t", "a b", "é"])
def test_names_are_names_of_files(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of a file"):
        write_data(tmp_path, name, {"a": [1]})
