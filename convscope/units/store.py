"""The HDF5 files of what units look for: a group a layer."""

from collections.abc import Iterator, Mapping, Sequence

import h5py
import numpy as np

from convscope.models.fields import Axis, ReceptiveField
from convscope.storage import store
from convscope.storage.deflated import DEFLATED
from convscope.units.results import Dissected, LayerAnswers, Related, Shown

_BY_CONCEPT = ("iou", "low", "high", "chance", "chance_high", "inside", "inside_chance")
# Layers have a group of their own: one may be called `first` or `class`, as what is of all of them is.
_LAYERS = "layers"


def write_layer(
    file: h5py.File, layer: str, field: ReceptiveField, answers: LayerAnswers, found: Dissected, shown: Shown
) -> None:
    """Write what was found of a layer.

    Layout: `layers/<layer>/maximum`, `mean`, `place` (image, unit): the largest answer to each picture, the mean, and the cell of the
    largest, row by row; `threshold`, `fired` (unit); `iou`, ... (unit, concept), as `overlaps.Dissected` says; `shown` (unit,
    place): the pictures shown of it; `maps` (unit, place, height, width): what it answers to those, to be multiplied by
    `scale` (unit).
    """
    group = file.require_group(_LAYERS).create_group(layer)
    write_field(group, field)
    cells = shown.maps.shape[2] * shown.maps.shape[3]
    place = answers.place.astype(np.uint16 if cells <= 2**16 else np.int32)
    for name, values in (("maximum", answers.maximum), ("mean", answers.mean), ("place", place)):
        store.write_array(group, name, values, ("image", "unit"), **(DEFLATED if values.size else {}))
    for name, values in (("threshold", answers.threshold), ("fired", found.fired), ("scale", shown.scale)):
        store.write_array(group, name, values, ("unit",))
    for name in _BY_CONCEPT:
        store.write_array(group, name, getattr(found, name), ("unit", "concept"), **DEFLATED)
    store.write_array(group, "shown", shown.images, ("unit", "place"))
    options = {"chunks": (1, *shown.maps.shape[1:]), **DEFLATED} if shown.maps.size else {}
    store.write_array(group, "maps", shown.maps, ("unit", "place", "height", "width"), **options)


def read_answers(group: h5py.Group) -> LayerAnswers:
    """What the first pass found of a layer."""
    return LayerAnswers(*(group[name][()] for name in ("maximum", "mean", "place", "threshold")))


def read_dissected(group: h5py.Group) -> Dissected:
    """What was counted of a layer."""
    return Dissected(*(group[name][()] for name in (*_BY_CONCEPT, "fired")))


def write_field(group: h5py.Group, field: ReceptiveField) -> None:
    """Keep what a layer's cells see: of rows and columns the first cell's middle, the stride and the size, in pixels."""
    for name, axis in (("rows", field.rows), ("columns", field.columns)):
        group.attrs[name] = [axis.centre, axis.stride, axis.size]
    group.attrs["gated"] = field.gated


def read_field(group: h5py.Group) -> ReceptiveField:
    """The receptive field of a layer's cells."""
    rows, columns = (Axis(*map(float, group.attrs[name])) for name in ("rows", "columns"))
    return ReceptiveField(rows, columns, bool(group.attrs["gated"]))


def layers_of(files: Sequence[h5py.File]) -> Iterator[tuple[str, h5py.Group]]:
    """The layers of several files, each with its group, in order of depth."""
    for file in files:
        for layer in store.read_text(file["layer"]):
            yield layer, group_of(file, layer)


def group_of(file: h5py.File, layer: str) -> h5py.Group:
    """What is known of a layer."""
    return file[_LAYERS][layer]


def write_units(
    file: h5py.File,
    layer: str,
    answers: LayerAnswers,
    shown: np.ndarray,
    found: Dissected,
    related: Mapping[str, Related],
    rates: np.ndarray,
) -> None:
    """Write what is known of a layer's units, when all layers are there.

    Layout: `layers/<layer>/threshold`, `fired` (unit) and `iou` ... `inside_chance` (unit, concept), as `write_layer` has them;
    `shown`, `shown_answer`, `shown_place` (unit, place): the pictures shown, the largest answer to each and its cell; `rates`
    (unit, class): the share of the pictures of each class in which a unit fires; `<relation>/unit`, `<relation>/weight` (unit,
    place): others that are alike or connected, by their numbers.
    """
    group = file.require_group(_LAYERS).create_group(layer)
    for name, values in (("threshold", answers.threshold), ("fired", found.fired)):
        store.write_array(group, name, values, ("unit",))
    for name in _BY_CONCEPT:
        store.write_array(group, name, getattr(found, name), ("unit", "concept"), **DEFLATED)
    units = np.arange(len(shown))[:, None]
    store.write_array(group, "shown", shown, ("unit", "place"))
    store.write_array(group, "shown_answer", answers.maximum[shown, units], ("unit", "place"))
    store.write_array(group, "shown_place", answers.place[shown, units], ("unit", "place"))
    for name, each in related.items():
        store.write_array(group, f"{name}/unit", each.units, ("unit", "place"))
        store.write_array(group, f"{name}/weight", each.weights, ("unit", "place"))
    store.write_array(group, "rates", rates, ("unit", "class"))
