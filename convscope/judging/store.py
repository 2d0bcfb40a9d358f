"""Reading maps to be judged, and the HDF5 file that keeps every number of one method."""

import os
from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np

from convscope.attributions.base import heat
from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.errors import UserError
from convscope.judging.curves import Curves
from convscope.judging.methods import Judged, Subject
from convscope.judging.randomisation import RANKS, SIMILARITIES, Cascade
from convscope.storage import store


def heat_of(method: str, maps: np.ndarray) -> np.ndarray:
    """One value a pixel of a method's raw maps: (N, h, w[, C]) -> (N, h, w) float32."""
    known = ATTRIBUTIONS.get(method)
    return heat(maps, known.signed if known else False)


def read_maps(file: h5py.File, chosen: np.ndarray, keys: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """The maps that are judged: of each chosen image that of the predicted class, or of the first class explained.

    Args:
        file: maps (image, target, height, width[, colour]) with targets, predicted and id.
        chosen: (N,) rows.
        keys: their ids, to be sure that they are the same images.

    Returns:
        Targets (N,) int64 and raw maps (N, h, w[, C]) float32.

    Raises:
        UserError: the file is of other images.
    """
    ids = store.read_text(file["id"])
    if [ids[index] for index in chosen if index < len(ids)] != list(keys):
        raise UserError(f"{file.filename}: its images are not those of the image set; delete the file and run again")
    shape = (len(chosen), *file["maps"].shape[2:])
    targets, maps = np.zeros(len(chosen), np.int64), np.zeros(shape, np.float32)
    explained, predicted = file["targets"][()], file["predicted"][()]
    for place, index in enumerate(chosen):
        column = int(np.argmax(explained[index] == predicted[index]))
        targets[place] = explained[index, column]
        maps[place] = file["maps"][int(index), column]
    return targets, maps


def attributes_of(file: h5py.File) -> dict[str, Any]:
    """The attributes of a file of maps as plain values."""
    return {key: value.item() if isinstance(value, np.generic) else value for key, value in file.attrs.items()}


def write(path: str | os.PathLike[str], subject: Subject, judged: Judged, **attributes: Any) -> None:
    """Write the numbers of one method.

    `metrics/<metric>` (image), `regions/<region>/<metric>` (image), `curves/...` (image, point), `randomisation/...`
    (image, step), numbers of networks that are random altogether (image, network): NaN where a number was not computed or is
    not defined.
    """
    with store.create(path, **attributes) as file:
        store.write_array(file, "id", list(subject.keys), ("image",), dtype=store.TEXT)
        store.write_array(file, "targets", subject.targets, ("image",))
        for name, values in judged.metrics.items():
            store.write_array(file, f"metrics/{name}", values, ("image", "network")[: values.ndim])
        for region, numbers in judged.regions.items():
            # A part's name may hold a slash, which HDF5 takes for a group.
            for name, values in numbers.items():
                store.write_array(file, f"regions/{region.replace('/', '-')}/{name}", values, ("image",))
        if judged.curves is not None:
            store.write_array(file, "curves/fractions", judged.curves.fractions, ("point",))
            store.write_array(file, "curves/deletion", judged.curves.deletion, ("image", "point"))
            store.write_array(file, "curves/insertion", judged.curves.insertion, ("image", "point"))
        if judged.cascade is not None and judged.cascade_images is not None:
            group = file.create_group("randomisation")
            group.attrs["layers"] = list(judged.cascade.layers)
            store.write_array(group, "depths", judged.cascade.depths, ("step",))
            store.write_array(group, "images", judged.cascade_images, ("explained",))
            for name, values in judged.cascade.similarity.items():
                store.write_array(group, name, values, ("explained", "step"))
            for part, found in (("random", judged.cascade.random), ("chance", judged.cascade.chance)):
                for name, values in found.items():
                    store.write_array(group, f"{part}/{name}", values, ("explained", "network"))


def read(file: h5py.File) -> tuple[list[str], np.ndarray, Judged]:
    """Ids, targets and numbers of a file written by `write`."""
    judged = Judged(
        metrics={name: values[()] for name, values in file.get("metrics", {}).items()},
        regions={r: {n: values[()] for n, values in part.items()} for r, part in file.get("regions", {}).items()},
    )
    if "curves" in file:
        judged.curves = Curves(*(file["curves"][name][()] for name in ("fractions", "deletion", "insertion")))
    if "randomisation" in file:
        group = file["randomisation"]
        layers = tuple(str(layer) for layer in group.attrs["layers"])
        similarity = {name: group[name][()] for name in SIMILARITIES}
        random = {name: group["random"][name][()] for name in SIMILARITIES}
        chance = {name: group["chance"][name][()] for name in RANKS}
        judged.cascade = Cascade(layers, group["depths"][()], similarity, random, chance)
        judged.cascade_images = group["images"][()]
    return store.read_text(file["id"]), file["targets"][()], judged
