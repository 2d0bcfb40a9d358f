"""Choosing layers and filters."""

from pathlib import Path

import pytest

from convscope.errors import UserError
from convscope.models.layer_table import ALL_ROLES, CONVOLUTIONS, read_layers, select_layers, wanted_filters

TABLE = """name,block,role
stem,,conv
block2_conv,block2,conv
block2_pool,block2,pool
block2_shortcut,block2,shortcut
block10_conv,block10,conv
"""


@pytest.fixture
def rows(tmp_path: Path) -> list[dict[str, str]]:
    (tmp_path / "layers.csv").write_text(TABLE)
    return read_layers(tmp_path / "layers.csv")


def names(rows: list[dict[str, str]]) -> list[str]:
    return [row["name"] for row in rows]


def test_all_in_order_of_depth(rows: list[dict[str, str]]) -> None:
    assert names(select_layers(rows, "all", ALL_ROLES, "k")) == names(rows)
    assert names(select_layers(rows, "all", CONVOLUTIONS, "k")) == [
        "stem", "block2_conv", "block2_shortcut", "block10_conv",
    ]  # fmt: skip


def test_names_and_blocks_in_order_of_depth_each_once(rows: list[dict[str, str]]) -> None:
    wanted = ["block10_conv", "block2", "block2_conv"]
    assert names(select_layers(rows, wanted, CONVOLUTIONS, "k")) == ["block2_conv", "block2_shortcut", "block10_conv"]


def test_a_block_is_not_a_prefix(rows: list[dict[str, str]]) -> None:
    with pytest.raises(UserError, match="'block1' does not exist"):
        select_layers(rows, ["block1"], ALL_ROLES, "k")


def test_an_unknown_name_names_key_value_and_nearest(rows: list[dict[str, str]]) -> None:
    with pytest.raises(UserError, match=r"filters\.net\.layers: layer 'block2_con' does not exist; .*'block2_conv'"):
        select_layers(rows, ["block2_con"], CONVOLUTIONS, "filters.net.layers")


def test_a_pool_has_no_filters(rows: list[dict[str, str]]) -> None:
    with pytest.raises(UserError, match="block2_pool"):
        select_layers(rows, ["block2_pool"], CONVOLUTIONS, "k")


@pytest.mark.parametrize(
    ("wanted", "found"),
    [("all", [0, 1, 2]), (2, [0, 1]), (64, [0, 1, 2]), ([2, 0], [2, 0]), ([1, 9], [1]), ([2, 0, 2], [2, 0])],
)
def test_filters(wanted: object, found: list[int]) -> None:
    assert wanted_filters(3, wanted, "k") == found  # type: ignore[arg-type]


def test_filters_none_of_which_exists() -> None:
    with pytest.raises(UserError, match=r"k: none of the filters \[3, 4\] exists; the layer has 0..2"):
        wanted_filters(3, [3, 4], "k")
