"""The names of the class activation maps: in the table, in the mapper, in the config's schema, and which pass makes which."""

from convscope.cams.mapper import METHODS as MADE
from convscope.cams.names import CLASS_FREE, METHODS, OWN_PASS, methods_of, pass_of
from convscope.config import load_schema


def test_every_name_has_a_map_and_every_map_a_name() -> None:
    # Two lists: a title that changes must not make maps again.
    assert tuple(METHODS) == MADE


def test_the_schema_offers_every_map_and_no_other() -> None:
    offered = load_schema()["$defs"]["cams"]["properties"]["methods"]
    assert set(offered["items"]["enum"]) == set(METHODS)
    assert {*CLASS_FREE, *OWN_PASS} <= set(METHODS)


def test_every_map_is_of_one_pass() -> None:
    passes = {pass_of(name) for name in METHODS}
    assert sorted(name for made in passes for name in methods_of(made, METHODS)) == sorted(METHODS)
    assert methods_of("shared", ["score_cam", "cam", "gradcam"]) == ["gradcam", "cam"]
