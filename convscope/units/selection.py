"""Which pictures are shown of a unit."""

import numpy as np

# Besides the strongest: pictures of these ranks, as shares of the set from the strongest to the most silent.
SPREAD = (0.1, 0.25, 0.5, 0.75, 1.0)


def shown_pictures(maximum: np.ndarray, crops: int) -> np.ndarray:
    """The pictures shown of each unit: the strongest, and a spread from strong to silent.

    People tell best what a unit looks for when they see what does not fire it, too (Borowski et al. 2021, 2010.12606).

    Args:
        maximum: (N, C), the largest answer to each picture.
        crops: how many strongest; no more than there are pictures.

    Returns:
        (C, min(crops, N) + len(SPREAD)) int32, rows of pictures. Of equal answers the first picture comes first.
        Of no pictures (C, 0).
    """
    ranked = np.argsort(-maximum, axis=0, kind="stable")
    count = len(maximum)
    if not count:
        return np.zeros((maximum.shape[1], 0), np.int32)
    spread = [round(share * (count - 1)) for share in SPREAD]
    return np.concatenate([ranked[: min(crops, count)], ranked[spread]]).T.astype(np.int32)
