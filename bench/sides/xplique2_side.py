"""Xplique 2's feature visualisation: the same calls as of Xplique 1, and MaCo."""

import time
from typing import Any

from xplique.features_visualizations import Objective, maco

from bench.sides import xplique_side


class Side(xplique_side.Side):
    """Answers by Xplique 2."""

    def maco(self, layer: str, channels: list[int], steps: int, size: int) -> dict[str, Any]:
        """Seconds a picture by MaCo (Fel et al. 2023, arXiv:2306.06805) as the library has it: a filter at a time, 32 crops a step."""
        model = self.fixed(size)
        marks = []
        began = time.perf_counter()
        for channel in channels:
            objective = Objective.channel(model, layer, channel)
            maco(objective, nb_steps=steps, values_range=(-1, 1), custom_shape=(size, size))
            marks.append((time.perf_counter() - began, 1))
        return {"marks": marks}
