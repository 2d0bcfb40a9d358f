"""What identifies a result: every fact counts, their order does not."""

import dataclasses
from pathlib import Path

import pytest

from convscope.models.spec import ModelSpec
from convscope.storage.files import read_json
from convscope.storage.identity import identity, pictures_identity

SPEC = ModelSpec("net", (8, 8), classes=("cat", "dog"), head="binary", digest="ab", source="file a.keras")
OTHER = {
    "input_size": (8, 9),
    "resize": "pad",
    "scale": (2.0, 1.0, 1.0),
    "offset": (0.0, 1.0, 0.0),
    "channels": "bgr",
    "classes": ("cat", "fox"),
    "head": "multiclass",
    "digest": "ac",
    "requires": ("keras_hub",),
    "code": "import keras",
}


def test_the_order_of_facts_and_keys_does_not_count() -> None:
    assert identity(a=1, b={"x": [1], "y": 2}) == identity(b={"y": 2, "x": [1]}, a=1)


@pytest.mark.parametrize("facts", [{"a": 2}, {"a": "1"}, {"a": None}, {"a": [1]}, {"b": 1}, {"a": 1, "b": None}, {}])
def test_another_fact_is_another_identity(facts: dict[str, object]) -> None:
    assert identity(**facts) != identity(a=1)


def test_what_is_no_plain_value_is_refused() -> None:
    with pytest.raises(TypeError):
        identity(a=object())
    with pytest.raises(ValueError, match="not JSON compliant"):
        identity(a=float("nan"))


def test_a_models_identity_is_all_but_its_name_and_origin() -> None:
    same = {"name": "other", "source": "preset b", "notes": ("so",), "warnings": ("odd",)}
    of_bands = [
        {"channels": "bands", "bands": (2, 1, 0)},
        {"channels": "bands", "bands": (2, 1, 0), "shown_bands": (0, 1, 2)},
    ]
    assert {field.name for field in dataclasses.fields(ModelSpec)} == {*OTHER, *same, *of_bands[-1]}
    assert dataclasses.replace(SPEC, **same).identity == SPEC.identity
    assert len(SPEC.identity) == 16
    changes = [*({key: value} for key, value in OTHER.items()), *of_bands]
    changed = [dataclasses.replace(SPEC, **change).identity for change in changes]
    assert len({SPEC.identity, *changed}) == len(changes) + 1


def test_pictures_are_told_apart_by_name_content_and_order() -> None:
    rows = [{"id": "a", "sha256": "1"}, {"id": "b", "sha256": "2"}]
    others = [rows[::-1], rows[:1], [rows[0], {"id": "b", "sha256": "3"}], [rows[0], {"id": "c", "sha256": "2"}]]
    assert len({pictures_identity(each) for each in [rows, *others]}) == 5
    assert pictures_identity([{**row, "path": "elsewhere"} for row in rows]) == pictures_identity(rows)


def test_a_saved_spec_says_its_identity(tmp_path: Path) -> None:
    SPEC.save(tmp_path / "model.json")
    assert (
        read_json(tmp_path / "model.json")["identity"]
        == SPEC.identity
        == ModelSpec.load(tmp_path / "model.json").identity
    )
