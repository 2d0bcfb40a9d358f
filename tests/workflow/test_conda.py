"""`--sdm conda` without conda: a command of that name does what conda does with the file it is given, and installs nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workflow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]

# As conda does, pip is started in the folder of the file, with the lines below `pip:`.
CONDA = """#!{python}
import json, os, pathlib, subprocess, sys
import yaml

args = sys.argv[1:]
if args == ["info", "--json"]:
    print(json.dumps({{"conda_prefix": {base!r}, "platform": "linux-64"}}))
elif args == ["--version"]:
    print("conda 25.1.0")
elif args[:1] == ["config"]:
    print(json.dumps({{"get": {{"channel_priority": "strict"}}}}))
elif args[:2] == ["env", "create"]:
    file, prefix = (pathlib.Path(args[args.index(name) + 1]) for name in ("--file", "--prefix"))
    lines = yaml.safe_load(file.read_text())["dependencies"][-1]["pip"]
    requirements = file.with_name("condaenv.requirements.txt")
    requirements.write_text("\\n".join(lines))
    pip = [sys.executable, "-m", "pip", "install", "--dry-run", "--no-deps", "--no-index", "-r", requirements.name]
    done = subprocess.run(pip, cwd=file.parent, capture_output=True, text=True)
    print(done.stdout + done.stderr)
    if done.returncode:
        sys.exit(done.returncode)
    (prefix / "bin").mkdir(parents=True)
    python = prefix / "bin" / "python"
    python.write_text('#!/bin/sh\\ntouch used_conda\\nexec {python} "$@"\\n')
    python.chmod(0o755)
elif args[:1] != ["clean"]:
    sys.exit(f"conda {{args}}")
"""
STUDY = """
study: small
datasets:
  pets: {source: drawn_pets, image_size: 64, images_per_class: {train: 1}}
models: {}
"""


def test_the_environment_is_made_from_its_file_alone(
    fresh: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("this environment has no pip")
    base = tmp_path / "conda" / "bin"
    base.mkdir(parents=True)
    (base / "conda").write_text(CONDA.format(python=sys.executable, base=str(base.parent)))
    (base / "conda").chmod(0o755)
    (base / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    monkeypatch.setenv("PATH", os.pathsep.join([str(base), os.environ["PATH"]]))
    (fresh.folder / "small.yaml").write_text(STUDY)
    target = "results/small/datasets/pets/images.csv"
    fresh.run(target, "--sdm", "conda", config="small.yaml")
    assert (fresh.folder / target).is_file() and (fresh.folder / "used_conda").exists()
    assert len(list((fresh.folder / ".snakemake/conda").glob("*/bin/python"))) == 1  # one for all rules
