"""The house: which room may use which."""

from pathlib import Path

import pytest

from convscope.jobs.code_digest import imports_of
from scripts.architecture import ROOMS

ORDER = list(ROOMS)  # from the ground up: a room may use those before it, and itself
# The same kind of file has the same name everywhere: what things are called, its pictures, its HDF5 files, its tables and verdicts.
KINDS = ("names", "figures", "store", "report")


@pytest.fixture(scope="module")
def used(root: Path) -> dict[str, set[str]]:
    """Module -> modules of the library that it imports, at its top or in a function."""
    modules = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for path in (root / "convscope").rglob("*.py")
    }
    return {name: imports_of(name, root) & modules - {name} for name in modules}


def room(module: str) -> str:
    return module.partition(".")[2].partition(".")[0].removeprefix("__main__")


def upwards(used: dict[str, set[str]]) -> list[str]:
    return [
        f"{name} -> {other}"
        for name, others in used.items()
        for other in others
        if room(name) and room(other) and ORDER.index(room(name)) < ORDER.index(room(other))
    ]


def circle(used: dict[str, set[str]]) -> list[str]:
    """The modules of a circle of imports, if there is one."""
    done: set[str] = set()

    def visit(name: str, path: list[str]) -> list[str]:
        if name in path:
            return path[path.index(name) :]
        if name not in done:
            for other in sorted(used[name]):
                if found := visit(other, [*path, name]):
                    return found
            done.add(name)
        return []

    return next((found for name in sorted(used) if (found := visit(name, []))), [])


def test_every_room_is_in_the_table_and_every_line_of_it_is_a_room(root: Path, used: dict[str, set[str]]) -> None:
    assert {room(name) for name in used} - {""} == set(ORDER)
    assert sorted(path.name for path in (root / "convscope").glob("*.py")) == [
        "__init__.py", "__main__.py", "config.py", "errors.py",
    ]  # fmt: skip


def test_no_room_uses_one_that_stands_on_it(used: dict[str, set[str]]) -> None:
    assert upwards(used) == []
    assert upwards({"convscope.storage.files": {"convscope.gallery.build"}}), "and it would be seen"


def test_no_circle(used: dict[str, set[str]]) -> None:
    without_packages = {name: {o for o in others if not name.startswith(f"{o}.")} for name, others in used.items()}
    assert circle(without_packages) == []
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c"], "and it would be seen"


def test_tests_of_a_room_are_in_a_room_of_the_same_name(root: Path) -> None:
    rooms = {path.name for path in (root / "convscope").iterdir() if (path / "__init__.py").is_file()}
    tests = {path.name for path in (root / "tests/unit").iterdir() if any(path.glob("test_*.py"))}
    assert tests == rooms


def test_a_stage_is_called_as_its_rules_are(root: Path) -> None:
    rules = {path.stem for path in (root / "rules").glob("*.smk")}
    stages = set(ORDER[ORDER.index("data") : ORDER.index("gallery") + 1])
    assert stages <= rules


def test_the_same_kind_of_file_has_the_same_name(used: dict[str, set[str]]) -> None:
    kinds = [name for name in used if any(name.rpartition(".")[2].endswith(f"_{kind}") for kind in KINDS)]
    assert kinds == []
