"""Tables read back as they were written, whatever the file names."""

import csv
import dataclasses
from pathlib import Path

import numpy as np
import pytest

from convscope.errors import UserError
from convscope.storage.tables import count_rows, read_rows, read_table, write_table


@dataclasses.dataclass(frozen=True)
class Row:
    path: str
    class_: str
    label: int
    share: float
    right: bool


NAMES = [
    'with "quotes", comma',
    "line\nbreak",
    "carriage\rreturn",
    "crlf\r\nend",
    " spaces ",
    "Käse 猫",
    "raw\udcff.jpg",
    "",
]


def test_rows_survive_with_any_name(tmp_path):
    rows = [Row(name, "a,b", -1, 0.1 + 0.2, index % 2 == 0) for index, name in enumerate(NAMES)]
    write_table(tmp_path / "t.csv", rows, Row)
    assert read_table(tmp_path / "t.csv", Row) == rows
    assert list(read_rows(tmp_path / "t.csv")[0]) == ["path", "class", "label", "share", "right"]


def test_the_bytes_are_stable(tmp_path):
    row = {"a": True, "b": None, "c": np.float32(0.1), "d": 1 / 3, "e": np.int64(7), "f": np.bool_(False)}
    write_table(tmp_path / "t.csv", [row], list(row))
    assert (tmp_path / "t.csv").read_bytes() == b"a,b,c,d,e,f\ntrue,,0.1,0.3333333333333333,7,false\n"


def test_an_empty_table_has_its_header(tmp_path):
    write_table(tmp_path / "t.csv", [], Row)
    assert (tmp_path / "t.csv").read_text() == "path,class,label,share,right\n"
    assert read_table(tmp_path / "t.csv", Row) == []


def test_a_row_must_fit_the_columns(tmp_path):
    for row in ({"a": 1}, {"a": 1, "b": 2, "c": 3}):
        with pytest.raises(ValueError, match="columns"):
            write_table(tmp_path / "t.csv", [row], ["a", "b"])
    assert not (tmp_path / "t.csv").exists() and list(tmp_path.iterdir()) == []


def test_mistakes_are_named_in_one_line(tmp_path):
    path = tmp_path / "t.csv"
    for content, message in (
        ("path,class,label,share,wrong\nx,a,1,1.0,true\n", "no column 'right'"),
        ("path,class,label,share,right\nx,a,one,1.0,true\n", "row 1: label is 'one', not int"),
        ("path,class,label,share,right\nx,a,1,1.0,perhaps\n", "right is 'perhaps', not bool"),
        ("path,class,label,share,right\nx,a,1\n", "line 2 has 3 cells"),
        ("", "no header"),
    ):
        path.write_text(content)
        with pytest.raises(UserError, match=message):
            read_table(path, Row)
    with pytest.raises(UserError, match="no such table"):
        read_rows(tmp_path / "none.csv")


FORMULAS = [
    "=1+1",
    "+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\uff1d1",
    "'=1",
    "''@x",
    "-pets/a.jpg",
    "-",
]


def test_no_cell_is_a_formula_and_all_text_is_read_as_it_was_written(tmp_path):
    texts = [*FORMULAS, "'quoted'", "'", "''''", "", "it's", "a=b", "x;=1", "x\t=1", "x;y;+1"]
    write_table(tmp_path / "t.csv", [{"path": text, "=class": 1} for text in texts], ["path", "=class"])
    assert read_rows(tmp_path / "t.csv") == [{"path": text, "=class": "1"} for text in texts]
    for delimiter in ",;\t":  # as spreadsheets of every kind of country see the file
        with (tmp_path / "t.csv").open(encoding="utf-8", newline="") as stream:
            cells = [cell for line in csv.reader(stream, delimiter=delimiter) for cell in line]
        assert not [cell for cell in cells if cell[:1] and cell[0] in "=+-@\t\r\uff1d"]


def test_numbers_stay_numbers(tmp_path):
    numbers = [-0.5, -3, np.float32(-1e-7), float("-inf"), "-0.500000", "-1e-05", "+2", "-.5", "nan", "-inf"]
    write_table(tmp_path / "t.csv", [{"x": number} for number in numbers], ["x"])
    lines = (tmp_path / "t.csv").read_text().splitlines()[1:]
    assert lines == [str(number) for number in numbers]
    assert [float(line) for line in lines][:3] == [-0.5, -3, pytest.approx(-1e-7)]


@dataclasses.dataclass(frozen=True)
class Optional:
    path: str
    labels: str = ""
    count: int = 0


def test_a_column_of_defaults_is_not_written(tmp_path):
    """So that a table of pictures with one class each is what it was before there were others."""
    plain, told = [Optional("a"), Optional("b")], [Optional("a"), Optional("b", labels="x|y")]
    for rows, columns in ((plain, ["path"]), (told, ["path", "labels"]), ([], ["path"])):
        write_table(tmp_path / "t.csv", rows, Optional)
        assert read_table(tmp_path / "t.csv", Optional) == rows
        assert (tmp_path / "t.csv").read_text().splitlines()[0].split(",") == columns


def test_rows_are_counted_as_they_are_read(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text('path,class\n"a,\nb.jpg",cat\nc.jpg,dog\n', encoding="utf-8")
    assert count_rows(table) == len(read_rows(table)) == 2
    table.write_text("path,class\na.jpg\n", encoding="utf-8")
    with pytest.raises(UserError, match="line 2 has 1 cells"):
        count_rows(table)
