"""The same numbers on every backend: each in a process of its own, all of one network that TensorFlow wrote."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.backends.names import BACKENDS, DEFAULT
from convscope.backends.support import ONLY_TENSORFLOW
from convscope.cams.names import METHODS as CAMS
from convscope.filters.presets import PRESETS

OTHERS = tuple(name for name in BACKENDS if name != DEFAULT)
SAID = (
    "evaluation",
    "activations.float32",
    "activations.float16",
    *(f"cams.{method}" for method in CAMS),
    "cams.scores",
    "learning",
    "autoencoder",
    "transfer",
    "watching",
    "ascent",
    *(f"filters.{preset}" for preset in (*PRESETS, "phase", "several")),
    *(f"attributions.{method}" for method in ATTRIBUTIONS if method not in ONLY_TENSORFLOW),
    "binary",
    "pixels",
)  # fmt: skip
# Of the largest number. Half precision has 11 bits; what draws segments or fits a model of samples divides small differences; of a
# frequency whose gradient is small Adam divides rounding by it.
_FAR = {"activations.float16": 1e-3, "attributions": 5e-5, "filters.sharp": 2e-4, "filters.several": 2e-4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("backends")


def numbers(folder: Path, backend: str, root: Path) -> dict[str, np.ndarray]:
    """What a backend says, computed once."""
    for library in BACKENDS[backend]:
        if importlib.util.find_spec(library) is None:
            pytest.skip(f"{library} is not installed")
    path = folder / f"{backend}.npz"
    if not path.exists():
        command = [sys.executable, "-W", "ignore", "-m", "tests.unit.backends.numbers", backend, str(folder)]
        # Compiling is most of what JAX does here; `make test-backends` has it compile as for a user.
        environment = {"JAX_DISABLE_MOST_OPTIMIZATIONS": "1", **os.environ}
        done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.long
@pytest.mark.parametrize("backend", OTHERS)
def test_tensorflow_is_not_even_loaded(folder: Path, root: Path, backend: str) -> None:
    numbers(folder, DEFAULT, root)
    assert not numbers(folder, backend, root)["loaded"].any()


@pytest.mark.parametrize("backend", OTHERS)
def test_a_job_of_the_pipeline_runs_on_it(folder: Path, tmp_path: Path, root: Path, backend: str) -> None:
    """With all that a job does around its work: the numbers above are of processes that leave it out."""
    numbers(folder, DEFAULT, root)
    numbers(folder, backend, root)  # or it is not installed
    settings = {"source": "file", "path": str(folder / "net.keras"), "image_size": 24, "classes": ["a", "b", "c"]}
    outputs = {name: tmp_path / name for name in ("model.keras", "spec.json", "summary.txt")}
    files = [word for name, path in outputs.items() for word in (f"--{name.partition('.')[0]}", str(path))]
    command = [sys.executable, "-W", "ignore", "-m", "scripts", "import_model", "--name", "net"]
    command += ["--settings", json.dumps(settings), "--backend", backend, *files]
    done = subprocess.run(command, cwd=root, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert all(path.exists() for path in outputs.values())


@pytest.mark.parametrize("backend", BACKENDS)
def test_none_and_all_are_whole_shares(folder: Path, root: Path, backend: str) -> None:
    numbers(folder, DEFAULT, root)
    assert numbers(folder, backend, root)["shares"].tolist() == [0.0, 1.0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_batch_norms_stay_as_they_are_while_layers_are_fine_tuned(folder: Path, root: Path, backend: str) -> None:
    numbers(folder, DEFAULT, root)
    assert numbers(folder, backend, root)["transfer.norms_stay"].tolist() == [1.0] * 8


@pytest.mark.parametrize("backend", BACKENDS)
def test_gradients_in_bfloat16_are_those_of_float32_but_for_rounding(folder: Path, root: Path, backend: str) -> None:
    numbers(folder, DEFAULT, root)
    found = numbers(folder, backend, root)["coarse"]
    assert found.min() > 0.9 and not (found == 1).all()


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("backend", OTHERS)
def test_the_numbers_are_those_of_tensorflow(folder: Path, root: Path, backend: str, said: str) -> None:
    expected, found = numbers(folder, DEFAULT, root), numbers(folder, backend, root)
    names = [name for name in expected if name == said or name.startswith(f"{said}.")]
    assert names and sorted(expected) == sorted(found)
    far = next((value for key, value in _FAR.items() if said.startswith(key)), 1e-5)
    for name in names:
        largest = np.abs(expected[name]).max()
        assert largest > 0, f"{name}: nothing to compare"
        np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=far * largest, err_msg=name)
