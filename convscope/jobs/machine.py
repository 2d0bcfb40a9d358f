"""What of a machine decides the last bits of what is computed on it."""

import importlib.metadata
import importlib.util
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from convscope.jobs.code_digest import installed_as
from convscope.storage.identity import identity

_CPUINFO = Path("/proc/cpuinfo")
_MAPS = Path("/proc/self/maps")
# What libraries that compute are told by the environment: their kernels, their precision, their threads.
_PREFIXES = (
    "TF_", "XLA_", "JAX_", "KERAS_", "TORCH", "PYTORCH_", "CUDA_", "CUBLAS_", "CUDNN_", "NVIDIA_TF32", "ROCM_", "HIP_", "MIOPEN_",
    "ONEDNN_", "DNNL_", "MKL_", "OMP_", "KMP_", "OPENBLAS_", "BLIS_", "NPY_", "NPROC",
    "ATEN_", "HSA_", "GLIBC_TUNABLES", "LD_PRELOAD",
)  # fmt: skip
# Where things lie, what is said on the way, which of the graphics processors that are asked themselves; and Terraform's, called alike.
_SAID = (
    "TF_CPP_", "KERAS_HOME", "JAX_COMPILATION_CACHE", "TORCH_HOME", "CUDA_CACHE", "CUDA_HOME", "CUDA_PATH", "CUDA_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES", "ROCM_PATH", "ROCM_HOME", "TF_CLI_", "TF_VAR_", "TF_TOKEN_", "TF_DATA_DIR", "TF_PLUGIN_",
)  # fmt: skip
_MACHINE_CODE = (".so", ".dylib", ".pyd", ".dll")
# Packages that compute for a backend and have versions of their own; JAX looks for its plugins and not for their versions.
_OF_GRAPHICS = ("nvidia", "jax-", "triton", "pytorch-triton", "rocm", "tensorflow-metal", "intel-extension")
# Libraries of a system, or of conda, that belong to no Python package: there another one takes the place of a BLAS and NumPy stays.
_OF_SYSTEM = (
    "libcuda", "libcudnn", "libcublas", "libcufft", "libcurand", "libcusolver", "libcusparse", "libcutensor", "libnv", "libnccl",
    "libmkl", "libopenblas", "libblis", "libblas", "libcblas", "libdnnl",
)  # fmt: skip
# Sizes of caches too: by them products are cut into blocks, and sums have another order.
_OF_PROCESSOR = frozenset(
    {"vendor_id", "cpu family", "model", "model name", "cache size", "flags", "Features", "CPU part", "isa"}
)


def machine_facts(backend: str) -> dict[str, Any]:
    """The processor, the graphics processors, the environment and the Python of this process, as JSON values.

    To be asked once the number of threads and the backend are set; imports the backend.
    """
    return {
        "system": [sys.platform, platform.machine(), *platform.libc_ver()],
        "python": platform.python_version(),
        "processor": processor(),
        "graphics": graphics(backend),
        "loaded": loaded(),
        "environment": environment(os.environ),
    }


def processor() -> dict[str, str]:
    """What the processor is and can do, by which libraries choose their kernels, and how many there are."""
    told = {"": platform.processor(), "count": str(os.cpu_count())}
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace").partition("\n\n")[0]
    except OSError:
        return told | _of_sysctl()
    for line in text.splitlines():
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in _OF_PROCESSOR:
            told[key] = identity(value=sorted(value.split())) if key in ("flags", "Features") else value
    return told


def _of_sysctl() -> dict[str, str]:
    """The name of a Mac's processor."""
    if sys.platform != "darwin":
        return {}
    asked = ["/usr/sbin/sysctl", "-n", "machdep.cpu.brand_string"]
    try:
        done = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603 - fixed arguments
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"model name": done.stdout.strip()}


def graphics(backend: str) -> list[str]:
    """The graphics processors that a backend sees, and the versions of what computes on them; [] where there are none."""
    from convscope.backends import running  # it sets the precision, before anything else asks for a device

    if not running.has_gpu():
        return []
    found: list[str] = []
    if backend == "jax":
        import jax

        found = [str(device.device_kind) for device in jax.devices()]
    elif backend == "torch":
        import torch

        found = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    else:
        import tensorflow as tf

        devices = tf.config.list_physical_devices("GPU")
        found = [str(sorted(tf.config.experimental.get_device_details(device).items())) for device in devices]
    driver = Path("/proc/driver/nvidia/version")
    if driver.is_file():
        found.append(driver.read_text(encoding="utf-8", errors="replace").partition("\n")[0])
    names = ((str(part.metadata["Name"]), part.version) for part in importlib.metadata.distributions())
    return found + sorted(
        f"{name} {version}" for name, version in names if name.lower().replace("_", "-").startswith(_OF_GRAPHICS)
    )


def loaded() -> list[str]:
    """Names and sizes of the libraries of a system that this process computes by: their names do not always tell their versions."""
    try:
        lines = _MAPS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    paths = {Path(line.split(maxsplit=5)[5]) for line in lines if line.count("/")}
    return sorted(f"{path.name} {_size(path)}" for path in paths if path.name.startswith(_OF_SYSTEM))


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # replaced while it is in use


def builds(libraries: Iterable[str]) -> dict[str, str]:
    """What of libraries runs as machine code: name -> digest of those files, as they were installed; "" where there is none.

    One version has many builds: conda's, a processor maker's, one's own.
    """
    found = {}
    for name in libraries:
        try:
            record = importlib.metadata.distribution(installed_as(name)).read_text("RECORD") or ""
        except importlib.metadata.PackageNotFoundError:
            record = ""
        lines = record.splitlines()
        # A distribution's package has no such list, and in that of one's own, built where it lies, it is not.
        if not any(line.startswith(f"{name}/") for line in lines):
            lines = _files_of(name)
        code = [line for line in lines if any(end in line.partition(",")[0] for end in _MACHINE_CODE)]
        found[name] = identity(files=sorted(code)) if code else ""
    return found


def _files_of(library: str) -> list[str]:
    """The files of an installed library, each with its size and when it was made, which another build has not both."""
    spec = importlib.util.find_spec(library)
    folders = spec.submodule_search_locations if spec else None
    paths = [(path, Path(folder)) for folder in folders or () for path in Path(folder).rglob("*")]
    if spec and spec.origin and not folders:
        paths = [(Path(spec.origin), Path(spec.origin).parent)]
    return [
        f"{path.relative_to(folder)},{path.stat().st_size},{int(path.stat().st_mtime)}"
        for path, folder in paths
        if path.is_file()
    ]


def environment(variables: Mapping[str, str]) -> dict[str, str]:
    """What of the environment libraries compute by: name -> digest of its value, which need not be told to others."""
    return {
        name: identity(value=value)
        for name, value in sorted(variables.items())
        if name.startswith(_PREFIXES) and not name.startswith(_SAID)
    }
