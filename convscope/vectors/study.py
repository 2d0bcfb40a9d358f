"""A layer's concepts, from what is asked of it to rows of the tables and groups of the file."""

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from convscope.concepts.masks import ConceptMasks
from convscope.jobs.job import say
from convscope.models.spec import ModelSpec
from convscope.storage import store
from convscope.units.results import Dissected
from convscope.units.store import write_field
from convscope.units.words import Label, label_of
from convscope.vectors.examples import Concept, RandomSets
from convscope.vectors.factors import BelowZeroError
from convscope.vectors.layer import Asked, like_masks
from convscope.vectors.report import vector_rows
from convscope.vectors.rows import FoundRow, VectorRow
from convscope.vectors.store import Found, write_found, write_vectors

# A tenth of all places are so many that some of them lie in anything: it takes so many times what chance gives.
_TIMES_CHANCE = 2.0

Classes = Sequence[tuple[int, NDArray[np.int64]]]


def vectors_of_layer(
    group: h5py.Group,
    layer: str,
    asked: Asked,
    concepts: Sequence[Concept],
    randoms: dict[float, RandomSets],
    classes: Classes,
    gradients: Sequence[NDArray[np.float32]],
    seed: int,
) -> list[VectorRow]:
    """Test the concepts that have examples at a layer; write their vectors.

    Args:
        group: of the layer, open for writing.
        layer: its name.
        asked: the layer.
        concepts, randoms: with their examples.
        classes: indices, each with its pictures.
        gradients: of each class (n, d), of its pictures.
        seed: tells which examples are held out.

    Returns:
        The rows, with nothing adjusted yet.
    """
    names = asked.network.spec.classes
    write_field(group, asked.network.field)
    group.attrs["cut"] = asked.network.cut
    found, vectors = asked.tested(concepts, randoms, gradients, seed)
    known = [k for k, one in enumerate(found) if one is not None]
    numbers: dict[str, Any] = {"accuracy": np.array([found[k].accuracy for k in known])}  # type: ignore[union-attr]
    for name in ("sensitivity", "score"):
        rows = [getattr(found[k], name) for k in known]
        numbers[name] = np.stack(rows) if rows else np.zeros((0, len(classes)))
    inner = group.create_group("vectors")
    inner.attrs["classes"] = [int(index) for index, _ in classes]
    write_vectors(inner, [concepts[k].name for k in known], vectors[known], numbers)
    kinds = [concepts[k].kind for k in known]
    store.write_array(inner, "kind", kinds, ("concept",), dtype=store.TEXT)
    windows = inner.create_group("examples")
    for place, k in enumerate(known):
        store.write_array(windows, f"{place:04d}", concepts[k].windows, ("example", "place"))
    told = [(names[index], len(pictures)) for index, pictures in classes]
    return vector_rows(layer, told, list(zip(concepts, found, strict=True)))


def found_of_layer(
    group: h5py.Group,
    layer: str,
    asked: Asked,
    masks: ConceptMasks,
    classes: Classes,
    settings: Mapping[str, Any],
    seed: int,
) -> list[FoundRow]:
    """Find concepts of each class at a layer; write them.

    Of a layer that answers with numbers below 0 nothing is found: parts that add up are not what it is made of. That is said, and
    kept as the group's attribute `refused`.

    Args:
        group, layer, asked, classes, seed: as in `vectors_of_layer`.
        masks: of all pictures of the set.
        settings: `found` concepts at most, the side of a `crop`, `base_points`.
    """
    names = asked.network.spec.classes
    rows: list[FoundRow] = []
    for index, pictures in classes:
        try:
            found, error = asked.found(
                pictures, index, settings["found"], settings["crop"], settings["base_points"], seed
            )
        except BelowZeroError:
            reason = "it answers with numbers below 0; name a layer with a ReLU behind it"
            say(f"no concepts are found at layer '{layer}': {reason}")
            group.attrs["refused"] = reason
            # Those of classes before it that hardly answered would be drawn, and be in no table.
            group.pop("found", None)
            return []
        inner = group.create_group(f"found/{index:05d}")
        write_found(inner, found)
        rows += _rows(inner, layer, names[index], asked, found, error, masks, seed)
    return rows


def _label(like: Dissected, number: int, masks: ConceptMasks) -> Label:
    """What a found concept looks like; nothing where it is hardly more like that than chance is."""
    label = label_of(like, number, [c.name for c in masks.concepts], [c.kind for c in masks.concepts])
    weak = label.detects and like.iou[number, label.index] < _TIMES_CHANCE * like.chance[number, label.index]
    return Label() if weak else label


def _same(found: Found, spec: ModelSpec) -> float:
    """Share of pictures that keep their class; numbers have none to keep."""
    if spec.head == "regression":
        return float("nan")
    return float(found.same.mean()) if len(found.same) else 0.0


def _nearest(parts: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Of each part, of length 1, the number (from 1) of the one that points most the same way, and their cosine; 0 of one alone."""
    if len(parts) < 2:
        return np.zeros(len(parts), np.int64), np.zeros(len(parts))
    cosines = np.asarray(parts, np.float64) @ np.asarray(parts, np.float64).T
    np.fill_diagonal(cosines, -1.0)
    return cosines.argmax(axis=1) + 1, np.clip(cosines.max(axis=1), 0.0, 1.0)


def _rows(
    group: h5py.Group,
    layer: str,
    name: str,
    asked: Asked,
    found: Found,
    error: float,
    masks: ConceptMasks,
    seed: int,
) -> list[FoundRow]:
    count = len(found.parts)
    if masks.concepts and count:
        like, threshold = like_masks(found, asked.network, masks, seed)
        store.write_array(group, "threshold", threshold, ("concept",))
        for key in ("iou", "chance"):
            store.write_array(group, key, getattr(like, key), ("concept", "mask"))
        masked = [concept.name for concept in masks.concepts]
        store.write_array(group, "mask", masked, ("mask",), dtype=store.TEXT)
    nearest, alike = _nearest(found.parts)
    rows = []
    for number in range(count):
        numbers = dict.fromkeys(("iou", "low", "high", "chance"), float("nan"))
        kind = concept = words = ""
        if masks.concepts:
            label = _label(like, number, masks)
            kind, concept = label.kind, label.concept
            if label.index >= 0:
                numbers = {key: float(getattr(like, key)[number, label.index]) for key in numbers}
                words = f"looks like {concept} (IoU {numbers['iou']:.2f}, chance {numbers['chance']:.2f})"
                if not label.detects:
                    inside, chance = (getattr(like, key)[number, label.index] for key in ("inside", "inside_chance"))
                    words = f"mostly on {concept} ({inside:.0%} of its places, chance {chance:.0%})"
        rows.append(
            FoundRow(
                layer=layer,
                class_=name,
                number=number + 1,
                importance=float(found.importance[:, number].mean()) if len(found.importance) else 0.0,
                importance_error=float(found.importance_error[number]),
                removed=float(found.removed[:, number].mean()) if len(found.removed) else 0.0,
                words=words or "nothing that has a name here",
                kind=kind,
                concept=concept,
                pictures=len(found.pictures),
                asked=len(found.asked),
                crops=len(found.windows),
                error=error,
                same=_same(found, asked.network.spec),
                nearest=int(nearest[number]),
                alike=float(alike[number]),
                **numbers,
            )
        )
    return rows
