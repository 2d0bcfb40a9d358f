"""Which backend a process has, what is missing for one, and what a study cannot have on it."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from convscope.backends import names, support
from convscope.backends.names import BACKENDS, DEFAULT, choose, chosen
from convscope.backends.support import ONLY_TENSORFLOW, check_backend
from convscope.config import load_schema
from convscope.errors import UserError
from convscope.jobs.code_digest import code_digest, libraries_used

EMPTY: dict[str, Any] = {
    stage: {}
    for stage in (
        "evaluations",
        "activations",
        "filters",
        "units",
        "concepts",
        "cams",
        "attributions",
        "segmentation",
        "watching",
        "judging",
    )
}
ASKED = EMPTY | {"cams": {"net": {}}, "attributions": {"net": {}}}


# What lets jobs share a graphics processor, and what has sums there in one order.
SHARED = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
ORDERED = {"torch": "CUBLAS_WORKSPACE_CONFIG", "tensorflow": "TF_CUDNN_DETERMINISTIC"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "_own_process", False)
    for name in ("KERAS_BACKEND", "XLA_FLAGS", *SHARED, *ORDERED.values()):
        monkeypatch.setenv(name, os.environ.get(name, ""))  # put back afterwards
        monkeypatch.delenv(name)


def installed(monkeypatch: pytest.MonkeyPatch, *libraries: str) -> None:
    monkeypatch.setattr(support.importlib.util, "find_spec", lambda name: name in libraries or None)


def test_the_config_takes_the_backends_that_there_are() -> None:
    assert load_schema()["properties"]["backend"]["enum"] == list(BACKENDS)
    assert load_schema()["properties"]["backend"]["default"] == DEFAULT


def test_a_process_has_the_one_that_was_chosen() -> None:
    assert chosen() == DEFAULT
    choose("jax")
    assert chosen() == os.environ["KERAS_BACKEND"] == "jax"
    assert "--xla_gpu_deterministic_ops=true" in os.environ["XLA_FLAGS"].split()


EXACT = {
    "tensorflow": "import tensorflow as tf; print(not tf.config.experimental.tensor_float_32_execution_enabled())",
    "jax": "import jax; print(jax.config.jax_default_matmul_precision == 'highest')",
    "torch": "import torch; print(not torch.backends.cudnn.allow_tf32)",
}


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("backend", BACKENDS)
def test_float32_is_float32_in_a_job_and_left_alone_in_a_notebook(root: Path, backend: str, own: bool) -> None:
    """How a user's own training computes on a graphics processor is not this library's to say."""
    if not importlib.util.find_spec(backend):
        pytest.skip(f"{backend} is not installed")
    chosen = f"choose({backend!r})" if own else f"os.environ['KERAS_BACKEND'] = {backend!r}"
    code = f"import os\nfrom convscope.backends.names import choose\n{chosen}\nimport convscope.backends.running\n{EXACT[backend]}"
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    assert done.stdout.split()[-1] == str(own)


@pytest.mark.parametrize("backend", ORDERED)
def test_sums_are_in_one_order_on_a_graphics_processor(backend: str) -> None:
    """Read by libraries of NVIDIA's when they start."""
    choose(backend)
    assert os.environ[ORDERED[backend]] == {"torch": ":4096:8", "tensorflow": "1"}[backend]
    assert [name for name in ORDERED.values() if name in os.environ] == [ORDERED[backend]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_job_takes_a_graphics_processor_for_itself(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    choose(backend)
    assert {name: os.environ[name] for name in SHARED} == SHARED
    monkeypatch.setenv("XLA_PYTHON_CLIENT_PREALLOCATE", "true")
    choose(backend)
    assert os.environ["XLA_PYTHON_CLIENT_PREALLOCATE"] == "true"  # what the user says is left


def test_torch_has_no_graphics_processor_that_keras_leaves(root: Path) -> None:
    if not importlib.util.find_spec("torch"):
        pytest.skip("torch is not installed")
    code = (
        "from convscope.backends.names import choose; choose('torch')\nimport torch\n"
        "from convscope.backends.running import has_gpu\ntorch.cuda.is_available = lambda: True\nprint(has_gpu())"
    )
    for device, expected in (("cpu", "False"), ("cuda", "True"), ("cuda:0", "True")):
        environment = {**os.environ, "KERAS_TORCH_DEVICE": device}
        command = [sys.executable, "-W", "ignore", "-c", code]
        done = subprocess.run(command, cwd=root, env=environment, check=True, capture_output=True, text=True)
        assert done.stdout.split()[-1] == expected, device


def test_a_job_chooses_whatever_the_shell_says(root: Path, tmp_path: Path) -> None:
    script = tmp_path / "job.py"
    script.write_text(
        "from convscope.jobs.job import parser, run\n\n"
        "def main(args):\n    import os\n    print(os.environ['KERAS_BACKEND'], os.environ['NPROC'])\n\n"
        "run(main, parser(''))\n"
    )
    environment = {**os.environ, "KERAS_BACKEND": "torch", "PYTHONPATH": str(root)}

    def said(*arguments: str) -> str:
        command = [sys.executable, str(script), *arguments]
        return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()

    assert said() == "tensorflow 1"
    assert said("--backend", "jax", "--threads", "3") == "jax 3"


def test_a_job_says_where_its_backend_is_another_than_keras_takes(root: Path, tmp_path: Path) -> None:
    (tmp_path / "jax").mkdir()
    (tmp_path / "jax" / "__init__.py").touch()
    (tmp_path / "job.py").write_text(
        "from convscope.jobs.job import parser, run\n\ndef main(args):\n    import keras\n\nrun(main, parser(''))\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(root)])}
    command = [sys.executable, "-W", "ignore", str(tmp_path / "job.py"), "--backend", "jax"]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    assert re.fullmatch(
        r"job: error: backend: jax cannot be imported here \(.*jax.*\), or .*pip install --upgrade jax.*leave backend out .*",
        done.stderr.splitlines()[-1],
    )


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "jax")
    with pytest.raises(UserError, match=r"backend: jax needs the Python package 'jaxlib', .* \(pip install jax\)"):
        check_backend(ASKED | {"backend": "jax"}, {})
    check_backend(ASKED | {"backend": "tensorflow"}, {"attributions.net.methods": ["deep_shap"]})


def test_what_does_not_run_is_named_with_what_does(monkeypatch: pytest.MonkeyPatch) -> None:
    installed(monkeypatch, "jax", "jaxlib")
    asked = {"attributions.net.methods": ["saliency", "deep_shap"]}
    with pytest.raises(UserError) as said:
        check_backend(ASKED | {"backend": "jax"}, asked)
    assert str(said.value) == (
        "backend: jax does not run attributions.net.methods: deep_shap; leave that out, or leave backend out for tensorflow; "
        "of this study attributions, cams, saliency run on it"
    )
    check_backend(ASKED | {"backend": "jax"}, {"attributions.net.methods": ["saliency"]})
    for stage in set(ONLY_TENSORFLOW) & set(EMPTY):
        with pytest.raises(UserError, match=f"does not run {stage}.net;"):
            check_backend(EMPTY | {stage: {"net": {}}, "backend": "jax"}, {})


def test_the_version_of_the_backend_in_use_counts_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    used = {backend: libraries_used("scripts.cam", root, backend) for backend in BACKENDS}
    every = {library for libraries in BACKENDS.values() for library in libraries}
    for backend, libraries in BACKENDS.items():
        assert every & set(used[backend]) == set(libraries)
    assert "keras" in used["jax"]
    drawing = {code_digest("scripts.overlays", root, backend=backend) for backend in BACKENDS}
    assert len(drawing) == 1, "what uses no network is the same for all"
    assert len({code_digest("scripts.cam", root, backend=backend) for backend in BACKENDS}) == len(BACKENDS)


def test_every_rule_whose_script_uses_a_network_names_the_backend(root: Path) -> None:
    wrong = []
    for file in sorted((root / "rules").glob("*.smk")):
        for rule in re.split(r"(?m)^(?=(?:rule|checkpoint) )", file.read_text(encoding="utf-8")):
            script = re.search(r'code=code\("(\w+)"\)', rule)
            uses = script is not None and "keras" in libraries_used(f"scripts.{script[1]}", root)
            told = "backend=BACKEND," in rule and "--backend {params.backend}" in rule
            if script and uses != told:
                wrong.append(f"{file.name}: {script[1]}")
    assert wrong == [], "params: backend=BACKEND, and --backend {params.backend} in its command"
