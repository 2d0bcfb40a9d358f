"""What Keras can compute with, without importing any of it."""

import os

DEFAULT = "tensorflow"
# Name in the config -> what is installed for it, as it is imported.
BACKENDS: dict[str, tuple[str, ...]] = {
    "tensorflow": ("tensorflow",),
    "jax": ("jax", "jaxlib"),
    "torch": ("torch",),
}
_VARIABLE = "KERAS_BACKEND"
_own_process = False


def chosen() -> str:
    """The backend of this process's Keras: what it was started with."""
    found = os.environ.get(_VARIABLE, DEFAULT)
    return found if found in BACKENDS else DEFAULT


def own_process() -> bool:
    """Whether this process is the project's own, and how its library computes is the project's to say; not so in a notebook."""
    return _own_process


def choose(backend: str) -> None:
    """Let this process, which is the project's own, compute with a backend; before Keras is imported, which reads it once."""
    global _own_process
    _own_process = True
    os.environ[_VARIABLE] = backend
    # Of ~/.keras/keras.json as well: Keras would not even be imported where Flax is missing, whatever it runs on.
    os.environ["KERAS_NNX_ENABLED"] = "false"
    # Jobs may share a graphics processor, of which JAX would otherwise take three quarters at once, and TensorFlow all.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    if backend == "tensorflow":
        # There the gradients of convolutions would be summed in any order.
        os.environ.setdefault("TF_CUDNN_DETERMINISTIC", "1")
    if backend == "jax":
        # The same program gives the same bits there, too.
        flags = os.environ.get("XLA_FLAGS", "").split()
        os.environ["XLA_FLAGS"] = " ".join(dict.fromkeys([*flags, "--xla_gpu_deterministic_ops=true"]))
    if backend == "torch":
        # Without it cuBLAS may sum in another order from run to run; read once, when it starts.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
