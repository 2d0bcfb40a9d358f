"""The tables beside the pages of large image sets: what the page of all pictures shows, and what the page of one does."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.gallery.explained import ExplainedImage, Explanations
from convscope.gallery.heatmaps import ClassMap, Explained, Heatmaps
from convscope.gallery.image_pages import ImagePage, ImagePages, Shown
from convscope.gallery.names import slug
from convscope.gallery.tables import PredictedImage

# A set of more pictures is shown from a table: its page would take seconds to open, and there would be a page for each picture.
IN_THE_PAGE = 300
# Of a large set, as many pictures are in the page itself, for those who read it without JavaScript.
FIRST = 12

Columns = dict[str, list[Any]]
Url = Callable[[Path], str]


def key_of(identity: str) -> str:
    """A picture's name in the address of a page."""
    return f"i-{slug(identity)}"


def heatmap_columns(heatmaps: Heatmaps, url: Url, page: Callable[[str], str]) -> tuple[Columns, tuple[str, ...]]:
    """The table of a set's page, a row an image, and the columns that are needed of all of them.

    Every image has as many maps as that with the most: columns `title`, `target`, `score`, `empty` and `overlay` with a number
    from 0, None where an image has no such map.

    Args:
        heatmaps: the set's.
        url: the address of a file.
        page: the address of the page of an image, by its id.
    """
    images = heatmaps.images
    columns: Columns = {
        **_about(images),
        "photo": [_address(image.photo, url) for image in images],
        "page": [page(image.id) for image in images],
    }
    for slot in range(slots(heatmaps)):
        maps = [image.maps[slot] if slot < len(image.maps) else None for image in images]
        columns[f"title{slot}"] = [found and found.title for found in maps]
        columns[f"target{slot}"] = [found and found.target for found in maps]
        columns[f"score{slot}"] = [found and found.score for found in maps]
        columns[f"empty{slot}"] = [found and found.empty for found in maps]
        columns[f"overlay{slot}"] = [found and _address(found.overlay, url) for found in maps]
    return columns, ("key", "path", "class", "result", "confidence")


def summary(explained: Explanations) -> Heatmaps:
    """Explanations as heatmaps are shown: of each image the methods' maps for the first of its classes."""

    def maps(image: ExplainedImage) -> tuple[ClassMap, ...]:
        return tuple(
            ClassMap(found.method, found.title, target.name, target.score, found.empty, found.overlay or found.map)
            for target in image.targets[:1]
            for found in target.maps
        )

    images = tuple(
        Explained(
            **{field.name: getattr(image, field.name) for field in dataclasses.fields(PredictedImage)},
            maps=maps(image),
        )
        for image in explained.images
    )
    titles = tuple(title for _, title, _ in explained.methods)
    return Heatmaps(explained.model, explained.image_set, titles, images, (), (), explained.files)


def slots(heatmaps: Heatmaps) -> int:
    """How many maps the image with the most has."""
    return max((len(image.maps) for image in heatmaps.images), default=0)


def page_columns(
    pages: ImagePages, url: Url, elsewhere: Mapping[str, Sequence[tuple[str, str]]]
) -> tuple[Columns, tuple[str, ...]]:
    """The table of the page of one image of a set, a row an image, and the columns that are needed of all of them.

    Args:
        pages: the set's images.
        url: the address of a file.
        elsewhere: id -> the same picture on other pages: words and address.
    """
    images = pages.images
    columns: Columns = {
        **_about(images),
        "photo": [_address(image.photo, url) for image in images],
        "together": [_address(image.together, url) for image in images],
        "elsewhere": [[list(place) for place in elsewhere.get(image.id, ())] for image in images],
        "bars": [_bars(pages, image, image.bars) for image in images],
        "more": [_bars(pages, image, image.more_bars) for image in images],
        "rest": [list(image.rest) for image in images],
        "evidence": [
            [[part.class_name, part.score, [_shown(entry, url) for entry in part.maps]] for part in image.evidence]
            for image in images
        ],
    }
    return columns, ("key", "id", "result")


def _about(images: Sequence[PredictedImage]) -> Columns:
    return {
        "key": [key_of(image.id) for image in images],
        "id": [image.id for image in images],
        "path": [image.path for image in images],
        "class": [image.class_name for image in images],
        "predicted": [image.predicted for image in images],
        "confidence": [image.confidence for image in images],
        "result": ["" if image.correct is None else "right" if image.correct else "wrong" for image in images],
    }


def _address(path: Path | None, url: Url) -> str | None:
    return url(path) if path else None


def _bars(pages: ImagePages, image: ImagePage, bars: Sequence[tuple[str, float]]) -> list[list[Any]]:
    """Class, probability, whether it is predicted, whether it is true."""
    return [
        [name, round(share, 5), pages.is_predicted(image, name), pages.is_true(image, name)] for name, share in bars
    ]


def _shown(entry: Shown, url: Url) -> dict[str, Any]:
    return {
        "method": entry.method,
        "title": entry.title,
        "signed": entry.signed,
        "empty": entry.empty,
        "facts": dict(entry.facts),
        "pictures": [url(path) for path in entry.pictures],
        "views": [[name, url(path)] for name, path in entry.views],
    }
