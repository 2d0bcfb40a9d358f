"""What one run of the benchmark measures, and with what. Imports nothing heavy."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from bench.network import LAYERS, ROOT
from convscope.cams.names import METHODS, OWN_PASS
from convscope.config import complete
from convscope.filters.presets import PRESETS, AscentSettings

STEPS = 30
SIDE = 200
STUDY = ROOT / "config" / "bench.yaml"


@dataclass(frozen=True)
class Plan:
    """Settings of a run.

    Attributes:
        work: folder for networks, pictures and studies.
        cores: threads that each side may use in all.
        rounds: how often each side runs.
        quick: fewer layers, filters and images.
        images: size of the large image set.
        activations: images whose activations are written.
        preset: folder of the real weights, or None.
        seed: of the start images.
    """

    work: Path
    cores: int
    rounds: int
    quick: bool
    images: int
    activations: int
    preset: Path | None
    seed: int = 1

    @property
    def layers(self) -> tuple[str, ...]:
        """The layers that stand for all."""
        return LAYERS[1::3] if self.quick else LAYERS

    @property
    def random_network(self) -> Path:
        """Folder of the network with random weights."""
        return self.work / "random"

    @property
    def real_network(self) -> Path:
        """Folder of the network with the real weights."""
        return self.work / "real"

    def settings(self, stage: str) -> dict[str, Any]:
        """The network's part of a stage in config/bench.yaml, defaults filled in: what the workflow would use."""
        return complete(yaml.safe_load(STUDY.read_text(encoding="utf-8")))[stage]["xception"]


def variants() -> dict[str, dict[str, Any]]:
    """The ways of making the textbook's patterns that this version of the project has, with their settings."""
    precise = "precision" in {field.name for field in fields(AscentSettings)}
    found = {"exact": {"preset": "textbook", **({"precision": "float32"} if precise else {})}}
    if precise:
        found["bf16"] = {"preset": "textbook", "precision": "bfloat16"}
    return found


def fast() -> dict[str, Any] | None:
    """Settings of the fast preset, if there is one."""
    return {"preset": "fast"} if "fast" in PRESETS else None


def cam_methods() -> list[str]:
    """The methods of class activation maps that share one forward pass; Score-CAM needs one a channel."""
    return [method for method in METHODS if method not in OWN_PASS]
