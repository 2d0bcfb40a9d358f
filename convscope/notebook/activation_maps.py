"""What a layer answers to images."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from convscope.activations.extract import ActivationModel
from convscope.activations.sheets import COLUMNS, channel_sheet
from convscope.models.layers import layer_table
from convscope.models.spec import ModelSpec
from convscope.notebook import images as pictures
from convscope.notebook.drawn import Drawn, shape_of
from convscope.notebook.models import layer_of_maps
from convscope.notebook.settings import known_keywords, of_stage
from convscope.notebook.sheet import with_caption


@dataclass(frozen=True, repr=False, eq=False)
class Activations(Drawn):
    """What a layer answers to images.

    Attributes:
        values: (N, h, w, C) float16, or float32 where asked for: the layer's output, as the workflow stores it.
        mean, maximum, zeros: (N, C) float32: mean, largest value and share of exact zeros of each channel, behind the ReLU that
            follows the layer, if one does.
        images: (N, H, W, 3) uint8, RGB, as the model sees them.
        ids: N names of the images.
        model: the model's name.
        layer: the layer's name.
        relu: the ReLU behind it; empty where there is none.
    """

    values: np.ndarray
    mean: np.ndarray
    maximum: np.ndarray
    zeros: np.ndarray
    images: np.ndarray
    ids: list[str]
    model: str
    layer: str
    relu: str

    def __repr__(self) -> str:
        return (
            f"<activations of layer '{self.layer}' of model '{self.model}': values {shape_of(self.values)}, "
            f"images {shape_of(self.images)}>"
        )

    def picture(self, image: int = 0) -> np.ndarray:
        """Every channel of one image on a sheet, 16 a row: (H, W, 3) uint8."""
        height, width, channels = self.values.shape[1:]
        sheet = channel_sheet(self.values[image], min(COLUMNS, channels))
        what = "channel" if channels == 1 else "channels"
        caption = f"{self.layer}: {channels} {what} of {height}x{width}"
        return with_caption(sheet, caption if len(self.ids) == 1 else f"{caption}, {self.ids[image]}")


def activations_of(
    network: keras.Model, spec: ModelSpec, images: Any, layer: str, settings: dict[str, Any]
) -> Activations:
    """What a layer answers to images; see `notebook.activations` for the arguments.

    Args:
        network, spec: a canonical model.
    """
    known_keywords(settings, ["dtype"], "activations")
    dtype = of_stage("activations", {"images": ["images"], **settings})["dtype"]
    layer_of_maps(network, layer)
    relu = next((row.relu for row in layer_table(network, spec) if row.name == layer), "")
    read = pictures.read(images, spec)
    model = ActivationModel(network, [layer], [relu], dtype)
    batch = model.batch_size(*spec.input_size)
    parts = [model(spec.preprocess(read.pixels[i : i + batch])) for i in range(0, len(read.pixels), batch)]
    return Activations(
        values=np.concatenate([maps[layer] for maps, _ in parts]),
        **{
            name: np.concatenate([statistics[layer][name] for _, statistics in parts])
            for name in ("mean", "maximum", "zeros")
        },
        images=spec.reads.for_people(read.pixels),
        ids=read.ids,
        model=spec.name,
        layer=layer,
        relu=relu,
    )
