"""A path means what a shell would make of it; what cannot be meant is told with the config's key."""

from pathlib import Path
from typing import Any

import pytest

from convscope.config import _write_out, complete, load_schema, resolved
from convscope.errors import UserError
from convscope.storage.written_paths import expanded


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ada")
    monkeypatch.setenv("DATA", "/disk/data")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("NOWHERE", raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("photos/cats", "photos/cats"),
        ("~", "/home/ada"),
        ("~/photos", "/home/ada/photos"),
        ("~root/x", str(Path("~root").expanduser() / "x")),
        ("$DATA/pets", "/disk/data/pets"),
        ("${DATA}_2/pets", "/disk/data_2/pets"),
        ("$HOME/$DATA", "/home/ada//disk/data"),
        ("a~b/c~", "a~b/c~"),
        ("costs $5", "costs $5"),
        ("file://$DATA/pets.zip", "file:///disk/data/pets.zip"),
        ("https://host/~ada/$NOWHERE.zip", "https://host/~ada/$NOWHERE.zip"),
        ("hf://owner/name", "hf://owner/name"),
        ("xception_41_imagenet", "xception_41_imagenet"),
    ],
)
def test_homes_and_variables_are_put_in(written: str, meant: str) -> None:
    assert expanded("models.net.path", written) == meant


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("$NOWHERE/pets", r"k\.path: '\$NOWHERE/pets': the environment's NOWHERE is not set, or empty"),
        ("${NOWHERE}", r"the environment's NOWHERE is not set"),
        ("$EMPTY/pets", r"the environment's EMPTY is not set, or empty"),
        ("${}/x", r"the environment's \{\} is not set"),
        ("~nobody_at_all/x", r"k\.path: '~nobody_at_all/x': there is no user of that name; write \./~nobody_at_all/x"),
        (r"photos\cats", r"folders are parted by / here; write photos/cats$"),
        (r"C:\photos\cats", r"a path of Windows, and this is not Windows"),
    ],
)
def test_what_cannot_be_meant_is_told(written: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        expanded("k.path", written)
    assert "\n" not in str(error.value)


def test_what_lies_there_by_that_very_name_is_meant(place: Path) -> None:
    for name in ("~odd", "$NOWHERE", r"a\b"):
        (place / name).touch()
        assert expanded("k", name) == name
    assert expanded("k", "./~odd") == "./~odd"


def test_a_completed_config_has_no_other_paths() -> None:
    config = complete(
        {
            "study": "s",
            "datasets": {"pets": {"source": "path", "path": "~/pets", "masks": "$DATA/masks", "splits": {"a": "$5"}}},
            "models": {
                "file": {"source": "file", "path": "${DATA}/net.keras"},
                "preset": {"source": "preset", "preset": "~/slim", "folder": "$DATA"},
                "app": {"source": "application", "application": "VGG16", "weights": "~/w.h5"},
            },
            "image_sets": {"few": {"files": ["~/a.png", "$DATA/b.png"]}, "all": {"folder": "$DATA"}},
        }
    )
    assert config["datasets"]["pets"]["path"] == "/home/ada/pets"
    assert config["datasets"]["pets"]["masks"] == "/disk/data/masks"
    models = config["models"]
    assert models["file"]["path"] == "/disk/data/net.keras" and models["app"]["weights"] == "/home/ada/w.h5"
    assert (models["preset"]["preset"], models["preset"]["folder"]) == ("/home/ada/slim", "/disk/data")
    assert config["image_sets"]["few"]["files"] == ["/home/ada/a.png", "/disk/data/b.png"]
    assert config["image_sets"]["all"]["folder"] == "/disk/data"
    for path, key in (("~nobody_at_all/net.keras", "models.net.path"), ("$NOWHERE/net.keras", "models.net.path")):
        with pytest.raises(UserError, match=key):
            complete({"study": "s", "models": {"net": {"source": "file", "path": path}}})


def test_a_path_among_other_forms_of_a_key_is_written_out_too() -> None:
    objectives = {"file": {"layer": "a", "direction": "$DATA/d.csv"}, "list": {"layer": "a", "direction": [1, 0]}}
    study = {
        "study": "s",
        "models": {"net": {"source": "preset", "preset": "p"}},
        "filters": {"net": {"objectives": objectives}},
    }
    found = complete(study)["filters"]["net"]["objectives"]
    assert (found["file"]["direction"], found["list"]["direction"]) == ("/disk/data/d.csv", [1, 0])


def test_every_path_of_the_schema_is_written_out() -> None:
    schema, looked = load_schema(), []

    def look(part: Any) -> None:
        for name, inner in part.get("properties", {}).items() if isinstance(part, dict) else ():
            forms = [resolved(form, schema) for form in (inner, *resolved(inner, schema).get("oneOf", ()))]
            if any(form.get("format") == "path" for form in forms):
                looked.append(name)
                assert _write_out({name: "~/a"}, {"properties": {name: inner}}, schema, "") == {name: "/home/ada/a"}
        for inner in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
            look(inner)

    look(schema)
    assert {"path", "direction", "weights"} <= set(looked)


def test_every_key_that_names_a_file_is_known_as_a_path() -> None:
    schema = load_schema()
    named = ("path", "file", "files", "folder", "folders", "weights", "code", "url", "urls", "masks", "preset")

    def missing(part: dict[str, Any], key: str) -> list[str]:
        part = resolved(part, schema)
        found = [name for form in part.get("oneOf", []) for name in missing(form, key)]
        for name, inner in part.get("properties", {}).items():
            inner = resolved(inner, schema)
            if name in named and inner.get("type") in ("string", "array"):
                entry = inner.get("items", inner)
                if entry.get("type") == "string" and entry.get("format") != "path":
                    found.append(f"{key}.{name}".lstrip("."))
            found += missing(inner, f"{key}.{name}".lstrip("."))
        further = part.get("additionalProperties")
        return found + (missing(further, f"{key}.*") if isinstance(further, dict) else [])

    # Below an archive, as its masks; columns of a list; the ascent's preset is a name, and so is the model whose masks are judged by.
    columns = {"datasets.*.columns.path", "datasets.*.masks", "judging.*.masks"}
    assert set(missing(schema, "")) <= {"datasets.*.folder", "filters.*.preset", *columns}


def test_nobody_behind_the_config_puts_a_home_in_again(root: Path) -> None:
    """A file that lies there as `~net.keras` is that file; a second look at its name would take it for somebody's home."""
    # Where a person writes a path; in a notebook, too; where Keras keeps what it downloads, and all libraries their caches.
    asked = {
        "storage/written_paths.py",
        "storage/cache_folder.py",
        "storage/shared.py",
        "command/look.py",
        "watching/callback.py",
        "models/applications.py",
    }
    found = {
        str(path.relative_to(root / "convscope"))
        for path in (root / "convscope").rglob("*.py")
        if "expanduser" in path.read_text(encoding="utf-8")
    }
    assert {name for name in found if not name.startswith("notebook/")} == asked
