"""How sparse each layer is over an image set, from stored activations."""

from collections.abc import Sequence
from typing import Any

import h5py


def sparsity_by_layer(file: h5py.File, layers: Sequence[str], relus: Sequence[str]) -> list[dict[str, Any]]:
    """How sparse each layer is over the set: a row a layer, in the order given.

    `relu` is the ReLU that follows, "" where there is none: such a layer (a shortcut, the last convolution before an
    addition) has no zeros to speak of, whatever its depth. `zeros` is the share of exact zeros after that ReLU, `dead` the
    number of channels that no image of the set wakes at all.
    """
    rows = []
    for layer, relu in zip(layers, relus, strict=True):
        statistics = file[f"statistics/{layer}"]
        zeros, maximum, mean = (statistics[name][()] for name in ("zeros", "maximum", "mean"))
        silent = (zeros == 1).all(axis=0)
        rows.append(
            {
                "layer": layer,
                "relu": relu,
                "channels": zeros.shape[1],
                "zeros": float(zeros.mean()),
                "dead": int(silent.sum()),
                "mean": float(mean.mean()),
                "maximum": float(maximum.max()),
            }
        )
    return rows
