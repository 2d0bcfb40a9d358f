"""The environment of `--sdm conda` installs what the lock does, and needs no other file: it is made from a copy elsewhere."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ENVIRONMENTS = sorted((Path(__file__).parents[2] / "envs").glob("*.yaml"))


def parts(path: Path) -> tuple[list[str], list[str]]:
    """What conda installs, and what pip does."""
    dependencies: list[Any] = yaml.safe_load(path.read_text(encoding="utf-8"))["dependencies"]
    (pip,) = (part["pip"] for part in dependencies if isinstance(part, dict))
    return [part for part in dependencies if isinstance(part, str)], pip


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_pip_installs_the_lock_line_by_line(path: Path, root: Path) -> None:
    lock = (root / "requirements" / "runtime.lock").read_text(encoding="utf-8")
    locked = [line.rstrip("\\ ") for line in lock.splitlines() if re.match(r"[a-z0-9]", line)]
    assert len(locked) > 100 and parts(path)[1] == locked
    # Each is a requirement of one version, and no option or path.
    assert all(str(Requirement(line).specifier).startswith("==") for line in locked)


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=lambda path: path.name)
def test_conda_brings_a_python_of_the_project_and_pip(path: Path, root: Path) -> None:
    python, pip = parts(path)[0]
    name, _, version = python.partition("=")
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert name == "python" and version in SpecifierSet(project["requires-python"]) and pip == "pip"


def test_each_rule_has_an_environment_that_is_there(root: Path) -> None:
    rules = [path.read_text(encoding="utf-8") for path in (root / "rules").glob("*.smk")]
    named = {name for text in rules for name in re.findall(r'conda:\s+"\.\./envs/([^"]+)"', text)}
    assert named == {path.name for path in ENVIRONMENTS}
