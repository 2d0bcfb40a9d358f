"""The HDF5 layout of the concepts of an image set."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.concepts.masks import Concept, ConceptMasks
from convscope.storage import store


def save(path: str | Path, found: ConceptMasks, rows: Sequence[Mapping[str, str]], **attributes: Any) -> None:
    """Write the concepts of a set.

    Layout: `masks` (image, concept, word) and `known` (image, kind, word) uint64, a bit a pixel, as `ConceptMasks` has them; `concept`
    and `concept_kind` (concept), `kind` (kind); `id`, `path`, `class`, `sha256` (image). The attribute `size` is (height, width).

    Args:
        path: the file.
        found: the concepts and their masks.
        rows: of the image set's table, in the order of the masks.
        **attributes: of the file.
    """
    if len(rows) != len(found.masks):
        raise ValueError(f"{len(rows)} rows for the masks of {len(found.masks)} pictures")
    with store.create(path, size=found.size, **attributes) as file:
        for column in ("id", "path", "class", "sha256"):
            store.write_array(file, column, [row[column] for row in rows], ("image",), dtype=store.TEXT)
        names = {
            "concept": [concept.name for concept in found.concepts],
            "concept_kind": [concept.kind for concept in found.concepts],
            "kind": list(found.kinds),
        }
        for name, values in names.items():
            store.write_array(file, name, values, (name.partition("_")[0],), dtype=store.TEXT)
        for name, words, along in (("masks", found.masks, "concept"), ("known", found.known, "kind")):
            options: dict[str, Any] = {"chunks": (1, *words.shape[1:]), "compression": "gzip"} if words.size else {}
            store.write_array(file, name, words, ("image", along, "word"), **options)


def load(path: str | Path) -> ConceptMasks:
    """Read the concepts of a set; their pictures are those of `image_ids`."""
    with store.open_file(path) as file:
        names, kinds = store.read_text(file["concept"]), store.read_text(file["concept_kind"])
        height, width = json.loads(file.attrs["size"])
        return ConceptMasks(
            tuple(Concept(name, kind) for name, kind in zip(names, kinds, strict=True)),
            (height, width),
            file["masks"][()],
            file["known"][()],
            tuple(store.read_text(file["kind"])),
        )


def image_ids(path: str | Path) -> list[str]:
    """The images of a file of `save`, by their ids, in the order of the masks."""
    with store.open_file(path) as file:
        return store.read_text(file["id"])
