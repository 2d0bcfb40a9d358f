"""What the filters of a layer look for."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from convscope.errors import UserError, nearest
from convscope.filters.figures import pattern_grid
from convscope.filters.presets import PRESETS, AscentSettings, for_preset, settings_from, without_effect
from convscope.filters.run import ascend
from convscope.models.layer_table import CONVOLUTIONS, wanted_filters
from convscope.models.layers import layer_table
from convscope.models.spec import ModelSpec
from convscope.notebook.drawn import Drawn, shape_of
from convscope.notebook.settings import known_keywords, of_stage, seed_of
from convscope.notebook.sheet import with_caption
from convscope.pictures.channels import RGB, Channels


@dataclass(frozen=True, repr=False, eq=False)
class FilterPatterns(Drawn):
    """The images that make filters respond most.

    Attributes:
        patterns: (N, size, size, C) float32, RGB or what the model reads, black -1 and white 1 (of presets over pixels, values
            beyond are common).
        filters: (N,) int64, which filters of the layer.
        objective: (N, steps + 1) float32, the filter's mean response before every step and after the last.
        dead: (N,) bool, filters that never answered.
        model: the model's name.
        layer: the layer's name.
        settings: of the ascent.
        reads: what the channels are.
    """

    patterns: np.ndarray
    filters: np.ndarray
    objective: np.ndarray
    dead: np.ndarray
    model: str
    layer: str
    settings: AscentSettings
    reads: Channels = RGB

    def __repr__(self) -> str:
        dead = f", {int(self.dead.sum())} dead" if self.dead.any() else ""
        return (
            f"<filter patterns of layer '{self.layer}' of model '{self.model}' by '{self.settings.preset}': "
            f"patterns {shape_of(self.patterns)}{dead}>"
        )

    def picture(self) -> np.ndarray:
        """The patterns, eight a row; a dead filter is a crossed-out cell: (H, W, 3) uint8."""
        bounded = self.settings.parameterisation != "pixels"
        grid, _ = pattern_grid(self.patterns, self.settings.crop, self.dead, bounded, self.reads)
        return with_caption(grid, f"{self.layer}: {_named(self.filters.tolist())}")


def _named(filters: list[int]) -> str:
    if len(filters) == 1:
        return f"filter {filters[0]}"
    if len(filters) > 2 and filters == list(range(filters[0], filters[-1] + 1)):
        return f"filters {filters[0]} to {filters[-1]}"
    return f"filters {', '.join(map(str, filters))}"


def patterns_of(
    network: keras.Model, spec: ModelSpec, layer: str, filters: Any, preset: str, settings: dict[str, Any]
) -> FilterPatterns:
    """Patterns of a layer's filters; see `notebook.filter_patterns` for the arguments.

    Args:
        network, spec: a canonical model.
    """
    if not isinstance(preset, str) or preset not in PRESETS:
        raise UserError(f"filter_patterns: preset '{preset}' is unknown; {nearest(str(preset), PRESETS)}")
    fields = {field.name for field in dataclasses.fields(AscentSettings)} - {"preset", "start"}
    known_keywords(settings, [*sorted(fields), "seed", "threads"], "filter_patterns")
    given = dict(settings)
    seed = seed_of(given.pop("seed", None))
    complete = of_stage("filters", {"filters": filters, "preset": preset, **given})
    chosen = for_preset(complete, preset)
    ignored = without_effect(chosen)
    if useless := [name for name in given if name in ignored]:
        raise UserError(f"filter_patterns: {useless[0]} changes nothing in preset '{preset}'; leave it out")
    rows = {row.name: row for row in layer_table(network, spec) if row.role in CONVOLUTIONS}
    if layer not in rows:
        raise UserError(f"layer '{layer}' is no convolution of model '{spec.name}'; {nearest(layer, rows)}")
    channels = wanted_filters(rows[layer].filters, complete["filters"], "filters")
    # In a config one list goes for many layers; here it is for this one.
    if isinstance(complete["filters"], list) and (beyond := set(complete["filters"]) - set(channels)):
        raise UserError(f"filters: layer '{layer}' has {rows[layer].filters} filters, from 0 on, and no {min(beyond)}")
    ascent = settings_from(chosen)
    found = ascend(network, spec, layer, channels, ascent, seed, at_once=complete["threads"]).only(channels)
    return FilterPatterns(
        patterns=found.patterns,
        filters=found.channels,
        objective=found.objective,
        dead=found.dead,
        model=spec.name,
        layer=layer,
        settings=ascent,
        reads=spec.reads,
    )
