"""Concepts, and where they are in pictures: masks of a bit a pixel."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]
# Bits of a word.
BITS = 64


@dataclass(frozen=True)
class Concept:
    """What can be seen in a picture. A class and a part may have one name: the kind, one of `names.KINDS`, tells them apart."""

    name: str
    kind: str


@dataclass(frozen=True)
class ConceptMasks:
    """Where the concepts are in N pictures.

    Attributes:
        concepts: the K concepts, by kind; one that is nowhere is there, too.
        size: (height, width) of the masks.
        masks: (N, K, words) uint64, words = ceil(height * width / 64): bit b of word w is pixel 64 w + b in row-major order, and what
            is beyond the last pixel is 0. A mask lies within what is known of its kind.
        known: (N, G, words) uint64: the pixels of which it is known at all whether concepts of a kind are there. Of a picture
            without a part mask no pixel is known for the parts, the border of a trimap is not, and the padding of a picture that was
            made square is not for any kind.
        kinds: the G kinds that there are, in the order of `names.KINDS`.
    """

    concepts: tuple[Concept, ...]
    size: tuple[int, int]
    masks: Words
    known: Words
    kinds: tuple[str, ...]

    def known_for(self) -> Words:
        """For every concept what is known of its kind: (N, K, words) uint64, a copy."""
        return self.known[:, [self.kinds.index(concept.kind) for concept in self.concepts]]


def without_many_classes(found: ConceptMasks, most: int = 50) -> ConceptMasks:
    """The same without classes where they are more than `most`.

    Each is whole pictures, and says no more than their class does; what is counted for a thousand of them would be gigabytes.
    """
    kept = [index for index, concept in enumerate(found.concepts) if concept.kind != "class"]
    if len(found.concepts) - len(kept) <= most:
        return found
    kinds = [index for index, kind in enumerate(found.kinds) if kind != "class"]
    return ConceptMasks(
        tuple(found.concepts[index] for index in kept),
        found.size,
        found.masks[:, kept],
        found.known[:, kinds],
        tuple(found.kinds[index] for index in kinds),
    )


def words_of(size: tuple[int, int]) -> int:
    """How many words a mask of that (height, width) has."""
    return -(-size[0] * size[1] // BITS)


def packed(masks: np.ndarray) -> Words:
    """Masks as words: (..., H, W) bool -> (..., words) uint64, see `ConceptMasks`."""
    *outer, height, width = masks.shape
    flat = np.zeros((*outer, words_of((height, width)) * BITS), bool)
    flat[..., : height * width] = masks.reshape(*outer, height * width)
    return np.packbits(flat, axis=-1, bitorder="little").view("<u8").astype(np.uint64, copy=False)


def unpacked(words: np.ndarray, size: tuple[int, int]) -> NDArray[np.bool_]:
    """Words as masks: (..., words) uint64 -> (..., H, W) bool."""
    count = size[0] * size[1]
    octets = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    bits = np.unpackbits(octets, axis=-1, count=count, bitorder="little")
    return bits.reshape(*words.shape[:-1], *size).astype(np.bool_)


def pixels(words: np.ndarray) -> NDArray[np.int64]:
    """How many pixels masks have: (..., words) uint64 -> (...) int64."""
    return np.bitwise_count(words).sum(axis=-1, dtype=np.int64)
