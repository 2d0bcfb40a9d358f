"""The ready ablation changes one thing at a time."""

import itertools
from pathlib import Path
from typing import Any

import yaml

from convscope.check import check_study
from convscope.config import complete
from convscope.models.names import MINI_XCEPTIONS, scaled


def parameters(architecture: str, width: float) -> int:
    """Of two classes, as test_architectures.py counts those of the built network."""
    has = MINI_XCEPTIONS[architecture]
    first, *rest = (scaled(filters, width) for filters in (32, 32, 64, 128, 256, 512))
    total = 75 * first + first * (not has.batch_norm) + rest[-1] + 1
    for before, filters in itertools.pairwise([first, *rest]):
        total += before * filters * has.residual
        for inputs in (before, filters):
            total += 9 * inputs + inputs * filters if has.separable else 9 * inputs * filters
            total += 4 * inputs if has.batch_norm else filters
    return total


def test_five_networks_of_one_size_that_differ_in_nothing_else(root: Path) -> None:
    config: dict[str, Any] = complete(yaml.safe_load((root / "config/architectures.yaml").read_text(encoding="utf-8")))
    check_study(config)
    models = config["models"]
    assert [model["architecture"] for model in models.values()] == list(MINI_XCEPTIONS) == list(models)
    sizes = [parameters(model["architecture"], model["width"]) for model in models.values()]
    assert max(sizes) < 1.01 * min(sizes) and 99_000 < min(sizes) < 101_000
    rest = [
        {key: value for key, value in model.items() if key not in ("architecture", "width")}
        for model in models.values()
    ]
    for part in rest:
        part.setdefault("augmentation", False)
    assert all(part == rest[0] for part in rest)
    assert all(comparison["models"] == list(models) for comparison in config["comparisons"].values())
