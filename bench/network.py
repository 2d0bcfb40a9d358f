"""The network that is measured: the real-size Xception, random or real, saved as the pipeline saves its models."""

import os
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SIZE = 224
# From shallow to deep; together they stand for all 40 convolutions.
LAYERS = (
    "block2_sepconv1",
    "block3_sepconv1",
    "block4_sepconv1",
    "block6_sepconv2",
    "block8_sepconv1",
    "block10_sepconv2",
    "block13_sepconv1",
    "block14_sepconv2",
)


def real_preset(given: Path | None) -> Path | None:
    """Folder of the real weights: the one given, or what lies in CONVSCOPE_SHARED or the folder `shared` beside the checkout."""
    shared = Path(os.environ.get("CONVSCOPE_SHARED", ROOT.parent / "shared"))
    for folder in [given] if given else [shared / "models" / "xception_cats_dogs"]:
        if folder.is_dir():
            return folder
    return None


def save_random(folder: Path, seed: int, width: float = 1.0) -> None:
    """Build the Xception of 41 layers with random weights; write `model.keras` and `model.json`.

    Its normalisations take the statistics of random pictures, layer by layer: signals neither die nor explode on the way,
    so that no gradient is zero and no number denormal, which would change what is measured.
    """
    import keras

    from convscope.models.architectures import build
    from convscope.models.canonical import canonical

    keras.utils.set_random_seed(seed)
    settings = {"architecture": "xception", "image_size": SIZE, "augmentation": False, "dropout": 0.5, "width": width}
    network, _ = canonical(build(settings, 3), "xception")
    settle(network, seed)
    # Two outputs, as the real one has for cats and dogs, would be one logit here; three are as good for timing.
    _save(network, folder, ("cat", "dog", "other"), "random weights")


def settle(network: Any, seed: int) -> None:
    """Give every normalisation the mean and variance of what arrives there for a few random pictures."""
    import keras
    import numpy as np

    normalisations = [layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)]
    for layer in normalisations:
        layer.momentum = 0.0
    pictures = np.random.default_rng(seed).uniform(-1, 1, (4, 128, 128, 3)).astype("float32")
    network(pictures, training=True)
    for layer in normalisations:
        layer.momentum = 0.99


def save_real(folder: Path, preset: Path) -> None:
    """Import the real weights as the pipeline does."""
    from convscope.models.load import import_model, save_model

    folder.mkdir(parents=True, exist_ok=True)
    network, spec = import_model("xception", {"source": "preset", "preset": str(preset), "classes": ["cat", "dog"]})
    save_model(network, folder / "model.keras")
    spec.save(folder / "model.json")


def _save(network: Any, folder: Path, classes: tuple[str, ...], source: str) -> None:
    from convscope.models.graphs import weights_digest
    from convscope.models.load import save_model
    from convscope.models.spec import ModelSpec

    folder.mkdir(parents=True, exist_ok=True)
    save_model(network, folder / "model.keras")
    spec = ModelSpec(
        name="xception",
        input_size=(SIZE, SIZE),
        scale=(1 / 127.5,) * 3,
        offset=(-1.0,) * 3,
        classes=classes,
        head="multiclass",
        source=source,
        digest=weights_digest(network),
    )
    spec.save(folder / "model.json")


if __name__ == "__main__":
    import argparse

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("--preset", type=Path, help="folder of real weights; random ones where absent")
    arguments.add_argument("--seed", type=int, default=1)
    arguments.add_argument("--width", type=float, default=1.0, help="factor on all filters, to try the program itself")
    given = arguments.parse_args()
    if given.preset:
        save_real(given.folder, given.preset)
    else:
        save_random(given.folder, given.seed, given.width)
