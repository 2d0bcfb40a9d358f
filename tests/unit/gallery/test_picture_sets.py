"""What the gallery reads of a dataset."""

from pathlib import Path

import pytest

from convscope.gallery import picture_sets


@pytest.mark.parametrize(
    ("column", "cells", "counts"),
    [
        ("labels", ["b|a", "|", "a"], {"a": 2, "b": 1, "no label": 1}),
        ("target", ["3.5", "1", "2"], {"a number": 3}),
    ],
)
def test_pictures_of_many_labels_count_for_each_of_them(
    tmp_path: Path, column: str, cells: list[str], counts: dict[str, int]
) -> None:
    rows = [f"test,,-1,{number}.png,9,9,{number},{cell}" for number, cell in enumerate(cells)]
    (tmp_path / "images.csv").write_text("\n".join([f"split,class,label,path,width,height,sha256,{column}", *rows, ""]))
    (tmp_path / "classes.json").write_text('{"classes": []}')
    found = picture_sets._read_dataset(tmp_path)
    assert {name: by_split["test"] for name, by_split in found.counts.items()} == counts and found.total == 3
