"""The schema: defaults, and every mistake told in one line that names key, value and the nearest valid one."""

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from convscope.config import SCHEMAS, complete, load_schema, resolved
from convscope.errors import UserError
from convscope.judging.gate import SURVIVES
from tests import completed

ROOT = Path(__file__).parents[2]

STUDY: dict[str, Any] = {
    "study": "small",
    "datasets": {"pets": {"source": "drawn_pets", "images_per_class": {"train": 4, "validation": 2, "test": 2}}},
    "models": {"net": {"source": "train", "architecture": "convnet", "dataset": "pets"}},
    "evaluations": {"net": ["pets/test"]},
    "image_sets": {"few": {"dataset": "pets", "split": "test"}},
    "activations": {"net": {"images": ["few"]}},
    "filters": {"net": {}},
    "cams": {"net": {"images": ["few"]}},
}
MISSING = object()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The study with one value set ("models.net.width"), or taken away."""
    study = copy.deepcopy(STUDY)
    part = study
    *parents, last = path.split(".")
    for key in parents:
        part = part[key]
    if value is MISSING:
        del part[last]
    else:
        part[last] = value
    return study


def test_defaults_are_filled_in_and_the_given_config_is_left_alone() -> None:
    given = copy.deepcopy(STUDY)
    found = complete(given)
    assert given == STUDY
    assert found["seed"] == 0
    assert found["datasets"]["pets"]["image_size"] == 96
    assert found["models"]["net"] | {"width": 1.0, "optimizer": "rmsprop", "image_size": 180} == found["models"]["net"]
    assert found["filters"]["net"] | {"layers": "all", "filters": 64, "preset": "textbook"} == found["filters"]["net"]
    assert found["cams"]["net"]["class"] == "predicted"
    assert "size" not in found["filters"]["net"]


def test_completing_twice_changes_nothing() -> None:
    once = complete(STUDY)
    assert complete(once) == once


def test_defaults_of_one_study_do_not_leak_into_another() -> None:
    first, second = complete(STUDY), complete(STUDY)
    first["activations"]["net"]["images"].append("other")
    assert second["activations"]["net"]["images"] == ["few"]
    minimal = {key: STUDY[key] for key in ("study", "datasets", "models")}
    complete(minimal)["cams"]["x"] = 1
    assert complete(minimal)["cams"] == {}


def test_defaults_of_a_source_are_those_of_that_source_only() -> None:
    study = changed("datasets.photos", {"source": "path", "path": "."})
    study["models"]["mine"] = {"source": "file", "path": "x.keras"}
    found = complete(study)
    assert found["datasets"]["photos"] == {"source": "path", "path": ".", "on_bad_image": "list"}
    settled = {"head": "auto", "resize": "crop"}
    assert found["models"]["mine"] == {"source": "file", "path": "x.keras", **settled}


# Every section, every source, and no key that has a default.
LEAST: dict[str, Any] = {
    "study": "least",
    "datasets": {
        "pets": {"source": "drawn_pets", "images_per_class": {"train": 1}},
        "produce": {"source": "drawn_produce", "images_per_class": {"train": 1}},
        "folder": {"source": "path", "path": "."},
        "archive": {"source": "archive", "url": "file:///pictures.zip"},
        "table": {"source": "table", "path": "list.csv"},
    },
    "models": {**completed.LEAST, "transfer": {**completed.LEAST["transfer"], "fine_tune": {"from": "conv"}}},
    "evaluations": {"train": ["pets/train"]},
    "image_sets": {"few": {"dataset": "pets", "split": "train"}},
    "filters": {"file": {"objectives": {"it": {"class": "cat"}}}},
    "cams": {"file": {"images": ["few"], "gap_head": {"dataset": "pets"}}},
    **{
        stage: {"file": {"images": ["few"]}}
        for stage in ("activations", "units", "concepts", "attributions", "judging", "strategies", "watching")
    },
    "segmentation": {"file": {"images": ["few"], "gradcam": {}}},
    "comparisons": {"two": {"models": ["train", "again"], "split": "pets/train"}},
}


def defaults(part: dict[str, Any], root: dict[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of the schema that has a default, with it; of alternatives by `source`, "<source>" is part of the path."""
    part = resolved(part, root)
    if "default" in part:
        yield path, part["default"]
    for key, inner in part.get("properties", {}).items():
        yield from defaults(inner, root, f"{path}.{key}".lstrip("."))
    further = part.get("additionalProperties")
    if isinstance(further, dict):
        yield from defaults(further, root, f"{path}.*")
    for option in part.get("oneOf", []):
        if source := resolved(option, root).get("properties", {}).get("source"):
            yield from defaults(option, root, f"{path}<{source['const']}>")


def found_at(path: str, value: Any) -> list[Any]:
    """What a completed config has at a path of `defaults`; where a key is missing, `MISSING`."""
    values = [value]
    for key in path.split("."):
        if key.startswith("*"):
            values = [inner for value in values for inner in value.values()]
            values = [value for value in values if key == "*" or value["source"] == key[2:-1]]
        else:
            values = [value.get(key, MISSING) for value in values]
    return values


def test_a_completed_config_has_every_key_that_has_a_default() -> None:
    schema, found = load_schema(), complete(LEAST)
    known = list(defaults(schema, schema))
    assert len(known) > 60 and ("models.*<train>.epochs", 50) in known and ("cams.*.gap_head.train", "train") in known
    for path, default in known:
        values = found_at(path, found)
        assert values and MISSING not in values, path
        # A section or group of which something is given, or whose own keys have defaults, is more than its default.
        assert default == {} or values == [default], path


def test_no_default_is_written_a_second_time() -> None:
    schema = load_schema()
    keys = {path.rpartition(".")[2] for path, _ in defaults(schema, schema)}
    files = [*ROOT.glob("rules/*.smk"), *ROOT.glob("scripts/*.py"), *ROOT.glob("convscope/**/*.py")]
    # What is read of a part of a config with something to fall back on, be it nothing.
    read = re.compile(r"""(settings|config|part|dataset|model|image_set|named|own|\])\.get\("(\w+)", ([^)]*)\)""")
    again = [
        f"{path.relative_to(ROOT).as_posix()}: {match[0]}"
        for path in files
        for match in read.finditer(path.read_text(encoding="utf-8"))
        if match[2] in keys and match[3] not in ("None", "[]", "{}", '""')
    ]
    # Only models that the study does not train have none.
    assert again == ['rules/evaluation.smk: ].get("threads", 2)']
    assert load_schema()["$defs"]["judging"]["properties"]["survives"]["default"] == SURVIVES, (
        "which docs/judging.md is of"
    )


MISTAKES: list[tuple[str, Any, list[str]]] = [
    ("sede", 3, ["the top level", "unknown key 'sede'", "did you mean 'seed'?"]),
    ("seed", "three", ["seed:", "'three'", "integer"]),
    ("seed", -1, ["seed:", "-1", "minimum"]),
    ("study", MISSING, ["'study' is missing", "results/<study>/"]),
    ("study", "my study", ["study:", "'my study'", "Letters, digits"]),
    ("datasets", None, ["datasets:", "object"]),
    ("models", ["net"], ["models:", "object"]),
    ("datasets.pets.source", "drawn_pet", ["datasets.pets.source", "'drawn_pet'", "did you mean 'drawn_pets'?"]),
    ("datasets.pets.source", MISSING, ["datasets.pets.source", "drawn_pets"]),
    ("datasets.pets.imagesize", 96, ["datasets.pets", "'imagesize'", "did you mean 'image_size'?"]),
    ("datasets.pets.image_size", 4, ["datasets.pets.image_size", "4 is less than the minimum of 16"]),
    ("datasets.pets.images_per_class.train", 0, ["datasets.pets.images_per_class.train", "0 is less than"]),
    ("datasets.pets.images_per_class", MISSING, ["datasets.pets", "'images_per_class' is missing"]),
    ("datasets.my pets", {"source": "path", "path": "."}, ["datasets:", "'my pets'", "Letters, digits"]),
    ("models.net.image_size", 4, ["models.net.image_size", "4 is less than the minimum of 16"]),
    ("models.net.image_size", [64], ["models.net.image_size", "too short", "[height, width]"]),
    ("models.net.image_size", [64, 8], ["models.net.image_size.1", "8 is less than the minimum of 16"]),
    ("models.net.image_size", "64x128", ["models.net.image_size", "[height, width]"]),
    ("models.net.architecture", "covnet", ["models.net.architecture", "'covnet'", "did you mean 'convnet'?"]),
    ("models.net.architecture", MISSING, ["models.net", "'architecture' is missing", "The network"]),
    ("models.net.optimizer", "adamw", ["models.net.optimizer", "'adamw'", "did you mean 'adam'?"]),
    ("models.net.epochs", "20", ["models.net.epochs", "'20'", "integer"]),
    ("models.net.epochs", 2.0, ["models.net.epochs", "2.0", "integer"]),
    ("filters.net.filters", 3.0, ["filters.net.filters", "3.0"]),
    ("models.net.epochs", 2.5, ["models.net.epochs", "2.5", "integer"]),
    ("models.net.dropout", 1, ["models.net.dropout", "1"]),
    ("models.net.augmentation", "yes please", ["models.net.augmentation", "boolean"]),
    ("models.net.source", "training", ["models.net.source", "'training'", "did you mean 'train'?"]),
    ("models.net", "xception_41_imagenet", ["models.net.source", "'xception_41_imagenet'"]),
    ("models.mine", {"source": "file", "path": "m.h5", "preprocessing": "tff"}, ["models.mine.preprocessing", "'tff'", "'tf'"]),
    ("models.res", {"source": "application", "application": "Resnet50"}, ["models.res.application", "did you mean 'ResNet50'?"]),
    ("evaluations.net", ["pets"], ["evaluations.net.0", "'pets'", "dataset/split"]),
    ("evaluations.net", "pets/test", ["evaluations.net", "'pets/test'", "array"]),
    ("image_sets.few.per_clas", 3, ["image_sets.few", "'per_clas'", "did you mean 'per_class'?"]),
    ("image_sets.few.group", "wrong", ["image_sets.few.group", "'wrong'", "errors"]),
    ("image_sets.few.on_bad_image", "stop", ["image_sets.few.on_bad_image", "'stop'", "did you mean"]),
    ("activations.net.images", "few", ["activations.net.images", "'few'", "array"]),
    ("activations.net.dtype", "float61", ["activations.net.dtype", "'float61'", "did you mean 'float16'?"]),
    ("filters.net.layers", "block2", ["filters.net.layers", "'block2'", "a list of layer names"]),
    ("filters.net.layers", [], ["filters.net.layers", "[]", "a list of layer names"]),
    ("filters.net.filters", 0, ["filters.net.filters", "0", "how many of the first filters"]),
    ("filters.net.filters", [-1], ["filters.net.filters", "[-1]", "a list of filters"]),
    ("cams.net.images", MISSING, ["cams.net", "'images' is missing"]),
    ("cams.net.scale", "imge", ["cams.net.scale", "'imge'", "did you mean 'image'?"]),
    ("cams.net.class", 1.5, ["cams.net.class", "1.5"]),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "words"), MISTAKES, ids=lambda part: part if isinstance(part, str) else "")
def test_mistakes(path: str, value: Any, words: list[str]) -> None:
    with pytest.raises(UserError) as caught:
        complete(changed(path, value))
    message = str(caught.value)
    assert "\n" not in message
    assert all(word in message for word in words), message


@pytest.mark.parametrize("nonsense", [None, [], "text", 3])
def test_a_file_that_holds_no_study(nonsense: Any) -> None:
    with pytest.raises(UserError):
        complete(nonsense)


# What the schemas say by; a comma in a description without quotation marks makes a word of its own.
WORDS = {
    "$defs", "$ref", "$schema", "additionalProperties", "const", "default", "description", "enum", "exclusiveMaximum",
    "exclusiveMinimum", "format", "items", "maxItems", "maxLength", "maxProperties", "maximum", "minItems", "minProperties", "minimum",
    "oneOf", "pattern", "properties", "propertyNames", "required", "title", "type", "uniqueItems",
}  # fmt: skip


def test_the_schema_is_a_schema_and_describes_every_key() -> None:
    schema = load_schema()
    Draft202012Validator.check_schema(schema)
    wrong = []

    def visit(part: Any, name: str) -> None:
        if not isinstance(part, dict):
            return
        wrong.extend(f"{name}: {word}" for word in part.keys() - WORDS)
        for key, value in part.get("properties", {}).items():
            told = resolved(value, schema).get("description") or ""
            if not told.endswith("."):
                wrong.append(f"{name}.{key} is not described")
            visit(value, f"{name}.{key}")
        for value in [part.get("items"), part.get("additionalProperties"), *part.get("oneOf", [])]:
            visit(value, f"{name}.*")
        if part.get("type") == "object" and "properties" in part:
            assert part.get("additionalProperties") is False, f"{name} takes keys that nobody knows"

    for name, part in [("study", schema), *schema["$defs"].items()]:
        visit(part, name)
    assert wrong == []


def test_each_file_is_a_schema_and_the_whole_of_them_says_what_they_say() -> None:
    parts = {path.name: yaml.safe_load(path.read_text(encoding="utf-8")) for path in SCHEMAS.iterdir()}
    for name, part in parts.items():
        Draft202012Validator.check_schema(part)
        assert part["description"], name
    registry = Registry().with_contents(
        ((name, part) for name, part in parts.items()), default_specification=DRAFT202012
    )
    as_files, as_one = (
        Draft202012Validator({"$ref": "study.yaml"}, registry=registry),
        Draft202012Validator(load_schema()),
    )
    refused = 0
    for study in [STUDY, *(changed(path, value) for path, value, _ in MISTAKES)]:
        told = [sorted(error.message for error in schema.iter_errors(study)) for schema in (as_files, as_one)]
        assert told[0] == told[1]
        refused += bool(told[0])
    assert 0 < len(MISTAKES) - refused < 4, "2.0 for an integer alone is none to the schema as it is written"


def test_a_name_that_two_files_define(tmp_path: Path) -> None:
    shared = "$defs: {name: {type: string}}\n"
    (tmp_path / "study.yaml").write_text(shared + "properties: {study: {$ref: 'shared.yaml#/$defs/name'}}\n")
    assert load_schema(tmp_path)["properties"] == {"study": {"$ref": "#/$defs/name"}}
    (tmp_path / "shared.yaml").write_text(shared)
    with pytest.raises(ValueError, match=r"study\.yaml: another file of .* defines 'name', too"):
        load_schema(tmp_path)


STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_of_the_project_passes(path: Path) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert complete(config)["study"]
