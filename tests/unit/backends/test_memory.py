"""Too little memory is told from all other errors, on every backend."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from convscope.backends.memory import out_of_memory
from convscope.backends.names import BACKENDS
from convscope.errors import UserError

# What asks for more memory than any machine has.
HUGE = {
    "tensorflow": "import tensorflow as tf; tf.zeros([1 << 46])",
    "jax": "import jax; jax.numpy.zeros(1 << 46).block_until_ready()",
    "torch": "import torch; torch.zeros(1 << 46)",
    "numpy": "import numpy; numpy.ones(1 << 58)",
    "keras": "import keras; keras.layers.ZeroPadding2D(1 << 22)(keras.ops.ones((1, 1, 1, 1)))",
}


@pytest.mark.parametrize(
    "library", [pytest.param(name, marks=pytest.mark.long) if name == "keras" else name for name in HUGE]
)
def test_the_real_error_of_each_library(root: Path, library: str) -> None:
    for needed in BACKENDS.get(library, ()):
        if importlib.util.find_spec(needed) is None:
            pytest.skip(f"{needed} is not installed")
    code = f"""
from convscope.backends.memory import out_of_memory
try:
    {HUGE[library]}
except Exception as error:
    print(type(error).__name__, str(error)[:300])
    print(out_of_memory(error))
"""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], cwd=root, check=True, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "True", done.stdout


# As they were on graphics processors; JAX's and PyTorch's of convolutions.
@pytest.mark.parametrize(
    "said",
    [
        "CUDA out of memory. Tried to allocate 1.17 GiB. GPU 0 has a total capacity of 7.79 GiB of which 12.00 MiB is free.",
        "RESOURCE_EXHAUSTED: Out of memory while trying to allocate 1258291200 bytes.",
        "cuDNN error: CUDNN_STATUS_ALLOC_FAILED",
        "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
        "Exception encountered when calling Conv2D.call().\n\nCUDA out of memory. Tried to allocate 20.00 MiB.",
    ],
)
def test_what_graphics_processors_say(said: str) -> None:
    assert out_of_memory(RuntimeError(said))


@pytest.mark.parametrize("said", ["shapes do not fit", "room for 3 pictures", "memory format channels_last"])
def test_nothing_else(said: str) -> None:
    assert not out_of_memory(RuntimeError(said))


def test_it_is_not_taken_for_a_network_that_does_not_fit_together() -> None:
    from convscope.models.canonical import _said_in_one_line

    model: Any = SimpleNamespace(name="net")
    with pytest.raises(ValueError, match="CUDA out of memory"), _said_in_one_line(model):
        raise ValueError(
            "Exception encountered when calling Conv2D.call().\n\nCUDA out of memory. Tried to allocate 20.00 MiB."
        )
    with pytest.raises(UserError, match="does not fit together"), _said_in_one_line(model):
        raise ValueError("Dimensions must be equal")


def test_it_is_not_taken_for_a_size_that_a_network_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    import keras

    from convscope.filters.many import ManyObjective, Wanted

    image = keras.Input((None, None, 3))
    objective = ManyObjective(
        keras.Model(image, keras.layers.Conv2D(2, 3, name="c")(image)), Wanted("c", np.ones((1, 2)), ["it"]), 0
    )

    def full(images: object) -> None:
        raise ValueError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(objective, "maps", full)
    with pytest.raises(ValueError, match="out of memory"):
        objective.fits(64)
