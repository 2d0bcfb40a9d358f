"""The tables beside the page of kinds of reasons: a row a picture, and a row a kind."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from convscope.gallery.image_pages import ImagePage
from convscope.gallery.reasons import Reasons
from convscope.strategies.colours import COLOURS

# The columns that the map of pictures is drawn from.
WHOLE = ("class", "kind", "x", "y")

Columns = dict[str, list[Any]]


def picture_columns(
    found: Reasons, images: Mapping[str, ImagePage], url: Callable[[Path], str], page: Callable[[str], str]
) -> Columns:
    """A row a picture of the set: where it lies on the map, and what is shown of it.

    Args:
        found: the kinds of reasons.
        images: the explained pictures by their ids.
        url: the address of a file.
        page: the address of the page of a picture, by its id.
    """
    shown = [images.get(identity) for identity in found.ids]
    names = [name for name, _, _ in found.classes]

    def overlay(image: ImagePage | None, place: int) -> str | None:
        evidence = image.evidence if image else ()
        # The map that was compared is that of the class; of no class where there is none of it.
        own = [part for part in evidence if part.class_name == names[place]] or list(evidence)
        for entry in (entry for part in own for entry in part.maps if entry.method == found.method):
            if entry.pictures:
                return url(entry.pictures[-1])
        return None

    return {
        "class": list(found.of_class),
        "kind": list(found.kind),
        "x": [place and place[0] for place in found.places],
        "y": [place and place[1] for place in found.places],
        "id": list(found.ids),
        "truth": [image.class_name if image else "" for image in shown],
        "predicted": [image.predicted if image else "" for image in shown],
        "result": [image.result if image else "" for image in shown],
        "overlay": [overlay(image, place) for image, place in zip(shown, found.of_class, strict=True)],
        "photo": [url(image.photo) if image and image.photo else None for image in shown],
        "page": [page(image.id) if image else None for image in shown],
    }


def kind_columns(found: Reasons) -> Columns:
    """A row a kind of reasons."""
    words = ("kind", "pictures", "of", "mistakes", "classes", "lies_on", "warning")
    return {
        "class": [row["class"] for row in found.kinds],
        **{name: [row[name] for row in found.kinds] for name in words},
        "mean": [list(values) for values in found.means],
        "central": [list(line) for line in found.central],
    }


def about(found: Reasons) -> dict[str, Any]:
    """What holds for all rows of the page's table."""
    return {
        "title": found.title,
        "classes": [list(entry) for entry in found.classes],
        "shape": list(found.shape),
        "colours": list(COLOURS),
    }
