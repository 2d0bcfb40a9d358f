"""The Makefile hands a config's name on as it is, whatever characters it has."""

import os
import subprocess
from pathlib import Path

import pytest


@pytest.mark.parametrize("name", ["my study.yaml", 'it\'s $HOME "x".yaml', "-x.yaml"])
def test_any_name_of_a_config(root: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / "bin").mkdir()
    for command in ("snakemake", "python"):
        (tmp_path / "bin" / command).write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tmp_path}/{command}.said\n')
        (tmp_path / "bin" / command).chmod(0o755)
    for made in ("python", "runtime"):
        (tmp_path / made).touch()
    config = tmp_path / name
    config.write_text("study: x\n")
    given = str(config).replace("$", "$$")  # as make wants it
    for target, command in (("figures", "snakemake"), ("progress", "python")):
        made = ["make", "-C", str(root), target, f"VENV={os.path.relpath(tmp_path, root)}", f"CONFIG={given}"]
        subprocess.run(made, check=True, capture_output=True, timeout=60)
        assert str(config) in (tmp_path / f"{command}.said").read_text().splitlines()
    absent = ["make", "-C", str(root), "figures", f"VENV={os.path.relpath(tmp_path, root)}", "CONFIG=no such.yaml"]
    done = subprocess.run(absent, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode and "CONFIG=no such.yaml: no such file" in done.stdout
