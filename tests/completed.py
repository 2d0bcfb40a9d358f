"""Parts of a config as the code gets them: with the schema's defaults."""

from typing import Any

from convscope.config import complete

# The least that a model of each source needs.
LEAST: dict[str, dict[str, Any]] = {
    "train": {"source": "train", "architecture": "convnet", "dataset": "pictures"},
    "preset": {"source": "preset", "preset": "xception"},
    "file": {"source": "file", "path": "model.keras"},
    "application": {"source": "application", "application": "ResNet50"},
    "transfer": {"source": "transfer", "base": "net", "dataset": "pictures"},
}


def model(source: str = "train", **given: Any) -> dict[str, Any]:
    """A model's part of the config, whose other keys have their defaults; what is given need not be valid."""
    return {**complete({"study": "s", "models": {"net": LEAST[source]}})["models"]["net"], **given}
