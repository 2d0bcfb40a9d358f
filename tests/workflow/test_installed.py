"""The wheel: the library, the workflow's files and the command, in an environment without the sources."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from tests.workflow.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.usual_start]


@pytest.fixture(scope="module")
def wheel(sources: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(folder), "."]
    done = subprocess.run(command, cwd=sources.folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("convscope-*.whl"))


def test_the_wheel_asks_for_what_the_lock_is_made_from(wheel: Path, root: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        metadata = archive.read(next(name for name in archive.namelist() if name.endswith("METADATA"))).decode()
        held = set(archive.namelist())
    lines = [line for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    asked = {line.split(": ")[1].replace(" ", "") for line in lines}
    wanted = {
        line.strip() for line in (root / "requirements/runtime.in").read_text().splitlines() if line[0] not in "#\n"
    }
    sort = lambda text: "".join(sorted(text))  # noqa: E731 - the bounds of a version come in another order
    assert set(map(sort, asked)) == set(map(sort, wanted))
    listed = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False).stdout.split()
    parts = ("rules/", "scripts/", "schemas/", "report/", "profiles/", "envs/", "config/", "Snakefile", "config.yaml")
    for name in filter(lambda name: name.startswith(parts), listed):
        assert f"convscope/workflow/{name}" in held, name


def test_explain_from_an_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    import keras

    site, place = tmp_path / "site", tmp_path / "my folder"
    command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(site), str(wheel)]
    subprocess.run(command, check=True, capture_output=True)
    place.mkdir()
    # What is called like the library where the command is given is another thing.
    for name in ("convscope", "scripts"):
        (place / name).mkdir()
        (place / name / "__init__.py").write_text("raise ImportError('not this one')\n")
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Conv2D(4, 3, name="conv"), keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(2)]
    keras.Sequential([keras.Input((32, 32, 3)), *layers]).save(place / "net.keras")
    Image.effect_noise((40, 40), 60).convert("RGB").save(place / "a cat.png")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "CONVSCOPE"))}
    environment |= {"PYTHONPATH": str(site), "PATH": "/usr/bin:/bin"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "convscope", *arguments]
        return subprocess.run(
            command, cwd=place, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    done = run("explain", "net.keras", "a cat.png", "--classes", "cat,dog", "--", "--cores", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    results = place / "results/explain_net"
    assert (results / "gallery/index.html").is_file() and (results / "cams/net/pictures/gradcam_sheet.png").is_file()
    assert json.loads((results / "models/net/model.json").read_text())["classes"] == ["cat", "dog"]
    again = run("run", "explain_net.yaml")
    assert again.returncode == 0 and "Nothing to be done" in again.stdout + again.stderr
    assert run("check", "explain_net.yaml").returncode == 0
    (place / "net.keras").write_bytes(b"no model")
    failed = run("run", "explain_net.yaml")
    assert failed.returncode == 1 and "Traceback" not in failed.stderr and "net.keras" in failed.stderr
