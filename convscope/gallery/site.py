"""One gallery being written: the templates, the name of every page, the address of every file, and what has become stale."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from convscope.figure_index.names import OF_OTHER_HEADS
from convscope.gallery.data_files import FOLDER, write_data
from convscope.gallery.image_data import key_of
from convscope.gallery.measures import column_words
from convscope.gallery.names import Names, link, slug
from convscope.gallery.pictures import banner, strip
from convscope.gallery.records import Study
from convscope.gallery.tables import number
from convscope.judging.names import title_of
from convscope.storage.files import write_text

HERE = Path(__file__).parent
STATIC = (
    "gallery.css",
    *("gallery.js", "compare.js", "data.js", "virtual.js", "cards.js", "images.js", "image.js"),
    *("predictions.js", "watching.js", "units.js", "reasons.js", "scales.js"),
)
_PAGES = (
    "model_*.html",
    "layer_*.html",
    "images_*.html",
    "methods_*.html",
    "image_*.html",
    "predictions_*.html",
    "judging_*.html",
    "segmentation_*.html",
    "figures.html",
    "comparison_*.html",
    "watching_*.html",
    "units_*.html",
    "concepts_*.html",
    "reasons_*.html",
)
_UNKNOWN = "\u2013"
# What the figures of a classifier's report show.
_FIGURES = {
    "confusion": "Which class is taken for which, pictures",
    "confusion_normalised": "Which class is taken for which, shares of each true class",
    "roc": "ROC curves: of each class the share found, by the share of the others that is taken for it",
    "calibration": "How often it is right, by how sure it is; on the line it is as often right as it says",
    "most_confident_errors": "The mistakes that it was surest of",
}
_PICTURES = ("strip_*.jpg", "banner_*.jpg", "figure_*.jpg")


def _number_or_dash(value: Any) -> str:
    known = number(value)
    return _UNKNOWN if known is None else f"{known:.3f}"


def _percent(value: Any, digits: int = 1) -> str:
    known = number(value)
    return _UNKNOWN if known is None else f"{100 * known:.{digits}f} %"


def _value(value: Any) -> str:
    """A setting or a measure as people write it: no long tails of digits, yes and no, lists with commas."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(_value(entry) for entry in value)
    if isinstance(value, float):
        return f"{value:.4g}"
    if value is None:
        return _UNKNOWN
    return f"{value:,}".replace(",", "\u202f") if isinstance(value, int) and abs(value) >= 10000 else str(value)


def _preprocessing(spec: dict[str, Any]) -> str:
    """What a model does to pixel values 0..255, as a formula: channels that are treated alike are written once."""
    scale, offset = ([number(part) for part in spec.get(key) or []] for key in ("scale", "offset"))
    if set(scale) <= {1.0} and set(offset) <= {0.0}:
        return "none: pixels in 0..255"
    times, plus = (_value(part[0]) if len(set(part)) == 1 else f"({_value(part)})" for part in (scale, offset))
    return f"pixels \u00d7 {times} + {plus}".replace("+ -", "\u2212 ")


def _words(key: str) -> str:
    return str(key).replace("_", " ").replace("relus", "ReLUs")


def _figure_words(stem: str, head: str) -> str:
    return OF_OTHER_HEADS.get(head, _FIGURES).get(stem) or _FIGURES.get(stem, _words(stem))


def page_templates() -> Environment:
    """The templates of all pages."""
    # Everything is escaped: names of files, classes and models are data, whatever they look like.
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        percent=_percent,
        number_or_dash=_number_or_dash,
        value=_value,
        words=_words,
        column_words=column_words,
        figure_words=_figure_words,
        slug=slug,
        image_key=key_of,
        preprocessing=_preprocessing,
    )
    environment.filters["method_title"] = title_of
    return environment


class Site:
    """One gallery being written: knows the name of every page and the address of every file."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.study, self.folder = study, folder
        self.names, self.picture_names = Names(), Names()
        self.written: set[Path] = set()
        self.pictures: dict[tuple[str, ...], Path] = {}
        self.large: set[tuple[str, str]] = set()  # model and image set, of which there is one page for all images
        self.environment = page_templates()
        self.environment.globals.update(
            study=study,
            url=self.url,
            short=lambda path: link_text(path, study.folder),
            page=self.page,
            image_page=self.image_page,
            picture=lambda *parts: self.pictures.get(parts),
            styles=None,
            home=link(folder.parent.parent / "index.html", folder),
        )

    def url(self, path: Path) -> str:
        """The address of a file, as seen from a page."""
        return link(path, self.folder)

    def page(self, *parts: str) -> str:
        """File name of the page of a model, a layer, a model's image set, or an image of one."""
        return f"{self.names(*parts)}.html"

    def image_page(self, model: str, image_set: str, identity: str) -> str:
        """The address of the page of an image: a file of its own, or a place on the page of a large set."""
        if (model, image_set) in self.large:
            return f"{self.page('image', model, image_set)}#of={key_of(identity)}"
        return self.page("image", model, image_set, identity)

    def write_data(
        self,
        page: str,
        columns: Mapping[str, Sequence[Any]],
        whole: Sequence[str],
        about: Mapping[str, Any],
        scripts: bool,
    ) -> Path:
        """Write the table of a page; its JSON file, after which the table is called."""
        name = page.removesuffix(".html")
        files = write_data(self.folder, name, columns, whole=whole, about=about, scripts=scripts)
        self.written.update(files)
        return files[0]

    def render(self, template: str, name: str, **values: Any) -> None:
        path = self.folder / name
        # A name may be no text, wherever it comes up: in what a job says of a class, too.
        write_text(path, self.environment.get_template(template).render(**values).encode("utf-8", "replace").decode())
        self.written.add(path)

    def make_pictures(self) -> None:
        for model in self.study.models:
            drawn = [layer for layer in model.shown_layers if layer.grid and layer.grid.patterns]
            for layer in drawn:
                path = self._picture("strip", model.name, layer.name)
                if layer.grid:
                    strip(layer.grid, path)
            if drawn:
                banner(drawn, self._picture("banner", model.name))

    def _picture(self, *parts: str) -> Path:
        path = self.folder / "pictures" / f"{self.picture_names(*parts)}.jpg"
        self.pictures[parts] = path
        self.written.add(path)
        return path

    def remove_stale(self) -> None:
        """Delete pages and pictures of models, layers and sets that the study no longer has."""
        stale = [path for pattern in _PAGES for path in self.folder.glob(pattern)]
        stale += [path for pattern in _PICTURES for path in (self.folder / "pictures").glob(pattern)]
        stale += [path for pattern in ("*.js", "*.json") for path in (self.folder / FOLDER).glob(pattern)]
        for path in sorted(set(stale) - self.written):
            path.unlink()


def link_text(path: Path, folder: Path) -> str:
    """A file's place inside the results folder, to read (not to click)."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name
