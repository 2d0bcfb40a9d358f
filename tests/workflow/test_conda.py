"""`--sdm conda` without conda: a command of that name does what conda does with the file it is given.

What tests do at each turn installs nothing; the long one has the Python of the file and all that it names installed by pip.
"""

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
    python = prefix / "bin" / "python"
    if {whole}:
        # Its own Python stands in for the one of the file.
        wanted = yaml.safe_load(file.read_text())["dependencies"][0].replace("=", "")
        subprocess.run([wanted, "-m", "venv", prefix], check=True)
        begin, options, real = [python], [], prefix / "bin" / "python-of-it"
        real.symlink_to(python.resolve())
    else:
        begin, options, real = [sys.executable], ["--dry-run", "--no-deps", "--no-index"], "{python}"
        python.parent.mkdir(parents=True)
    pip = [*begin, "-m", "pip", "install", *options, "-r", requirements.name]
    done = subprocess.run(pip, cwd=file.parent, capture_output=True, text=True)
    print(done.stdout + done.stderr)
    if done.returncode:
        sys.exit(done.returncode)
    python.unlink(missing_ok=True)
    python.write_text(f'#!/bin/sh\\necho "$2" >> used_conda\\nexec {{real}} "$@"\\n')
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


def put_conda(folder: Path, monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    """Have the command stand in `PATH`."""
    base = folder / "conda" / "bin"
    base.mkdir(parents=True)
    (base / "conda").write_text(CONDA.format(python=sys.executable, base=str(base.parent), whole=whole))
    (base / "conda").chmod(0o755)
    (base / "activate").write_text('export PATH="$1/bin:$PATH"\n')
    monkeypatch.setenv("PATH", os.pathsep.join([str(base), os.environ["PATH"]]))


def test_the_environment_is_made_from_its_file_alone(
    fresh: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if subprocess.run([sys.executable, "-m", "pip", "--version"], capture_output=True, check=False).returncode:
        pytest.skip("this environment has no pip")
    put_conda(tmp_path, monkeypatch, whole=False)
    (fresh.folder / "small.yaml").write_text(STUDY)
    target = "results/small/datasets/pets/images.csv"
    fresh.run(target, "--sdm", "conda", config="small.yaml")
    assert (fresh.folder / target).is_file() and (fresh.folder / "used_conda").exists()
    assert len(list((fresh.folder / ".snakemake/conda").glob("*/bin/python"))) == 1  # one for all rules


@pytest.mark.long
def test_a_study_is_made_by_what_the_file_names_and_nothing_else(
    fresh: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    try:
        subprocess.run(["python3.12", "--version"], capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("the Python of envs/convscope.yaml is not installed")
    put_conda(tmp_path, monkeypatch, whole=True)
    fresh.run("--sdm", "conda")
    jobs = [f"scripts.{path.parent.name}" for path in fresh.folder.glob("results/tiny/benchmarks/*/*.tsv")]
    used = (fresh.folder / "used_conda").read_text().split()
    assert len(used) >= len(jobs) > 40
    assert not fresh.would_run("--sdm", "conda")
