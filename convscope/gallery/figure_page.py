"""The figure index as a page: every figure with a thumbnail, the command that makes it, and the lines of config that ask for it."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from PIL import Image

from convscope.errors import UserError
from convscope.figure_index.draw import draw
from convscope.figure_index.names import FIGURES
from convscope.figure_index.sources import Source
from convscope.gallery.records import Study
from convscope.storage.files import atomic_path

_SIDE = 480


@dataclass(frozen=True)
class Entry:
    """A figure as the page shows it.

    Attributes:
        name: of the figure; `figures/<name>` is its target.
        title, shows, config: see `figure_index.names.Figure`.
        pictures: how many parts the study has of it; 0: the config does not ask for it.
        thumbnail: of the first of them; None where there is nothing to be seen.
    """

    name: str
    title: str
    shows: str
    config: str
    pictures: int
    thumbnail: Path | None


def entries(study: Study, config: Mapping[str, Any], folder: Path) -> list[Entry]:
    """Every figure of the index, and the thumbnails of those that the study has, as figure_<name>.jpg in `folder`.

    Args:
        study: what the gallery shows.
        config: of the study, with the schema's defaults filled in.
        folder: for the thumbnails.
    """
    layers = {model.name: [layer.name for layer in model.shown_layers if layer.grid] for model in study.models}
    heads = [evaluation.head for model in study.models for evaluation in model.evaluations]
    found = []
    for name, figure in FIGURES.items():
        sources = list(figure.sources(config, lambda model: layers.get(model, [])))
        thumbnail = None
        for source in sources:
            if thumbnail := _thumbnail(_telling(source), study.folder, folder / f"figure_{name}.jpg"):
                break
        found.append(Entry(name, figure.title_of(heads), figure.shows, figure.config, len(sources), thumbnail))
    return found


def _telling(source: Source) -> Source:
    """The source with what tells most of it first: of the pictures of a row not the photo, which is the same for every method."""
    return replace(source, chosen=source.chosen[::-1]) if source.drawn == "row" else source


def _thumbnail(source: Any, results: Path, out: Path) -> Path | None:
    stem = out.with_name(f".{out.stem}")
    made: list[Path] = []
    try:
        made = draw(source, results, stem, most=1)
        if not made:
            return None
        with Image.open(made[0]) as image:
            picture = image.convert("RGB")
        # Of a tall sheet the top: shrunk as a whole, nothing of it could be seen.
        picture = picture.crop((0, 0, picture.width, min(picture.height, picture.width)))
        picture.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        with atomic_path(out) as temporary:
            picture.save(temporary, quality=88)
    except (UserError, OSError, ValueError):
        # What is damaged or not there is told on the study's first page.
        return None
    finally:
        for path in made:
            path.unlink(missing_ok=True)
    return out
