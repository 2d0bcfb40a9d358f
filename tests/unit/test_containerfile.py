"""The image holds what an installed package holds of the workflow, and runs as nobody in particular."""

import re
import tomllib
from pathlib import Path


def test_the_image_holds_all_of_the_workflow(root: Path) -> None:
    text = (root / "envs" / "Containerfile").read_text()
    copied = {name for line in re.findall(r"^COPY (.+) /opt/convscope", text, re.MULTILINE) for name in line.split()}
    project = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert copied == {*project["packages"], *project["force-include"], "LICENSE"}
    assert all((root / name).exists() for name in copied)


def test_it_is_not_root_and_writes_nowhere_but_in_its_folder(root: Path) -> None:
    text = (root / "envs" / "Containerfile").read_text()
    assert "USER 1000" in text and "a-w /opt/convscope" in text and "--require-hashes" in text
