"""What of a study runs on which backend, known before anything runs."""

import importlib.util
from collections.abc import Mapping, Sequence
from typing import Any

from convscope.backends.names import BACKENDS, DEFAULT
from convscope.errors import UserError

# Stages and methods that no other backend computes: the shap library's rules for gradients are those of TensorFlow's operations.
ONLY_TENSORFLOW = ("deep_shap",)
_STAGES = (
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


def check_backend(config: Mapping[str, Any], methods: Mapping[str, Sequence[str]]) -> None:
    """Check that the backend of a completed config is there and runs all that the config asks for.

    Args:
        config: a completed config.
        methods: key of the config -> the attribution methods that it names ("attributions.net.methods").

    Raises:
        UserError: it is not installed, or stages or methods do not run on it; those that do are named.
    """
    backend = config["backend"]
    if backend == DEFAULT:
        return
    if missing := [library for library in BACKENDS[backend] if importlib.util.find_spec(library) is None]:
        raise UserError(
            f"backend: {backend} needs the Python package '{missing[0]}', which is not installed; install it (pip install {backend}), "
            f"or leave backend out for {DEFAULT}"
        )
    asked = {f"{stage}.{model}": stage for stage in _STAGES for model in config[stage]}
    lacking = [key for key, stage in asked.items() if stage in ONLY_TENSORFLOW]
    lacking += [f"{key}: {name}" for key, names in methods.items() for name in names if name in ONLY_TENSORFLOW]
    if lacking:
        runs = sorted({stage for stage in asked.values() if stage not in ONLY_TENSORFLOW})
        others = sorted({name for names in methods.values() for name in names} - {*ONLY_TENSORFLOW})
        rest = f"; of this study {', '.join([*runs, *others])} run on it" if runs or others else ""
        raise UserError(
            f"backend: {backend} does not run {', '.join(lacking)}; leave that out, or leave backend out for {DEFAULT}{rest}"
        )
