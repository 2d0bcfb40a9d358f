"""Renders the pages of a study's gallery."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from convscope.figure_index.names import OF_OTHER_HEADS
from convscope.gallery.collect import collect
from convscope.gallery.explained import Explanations
from convscope.gallery.figure_page import entries
from convscope.gallery.filters import Layer
from convscope.gallery.heatmaps import Heatmaps
from convscope.gallery.image_pages import ImagePages, image_pages
from convscope.gallery.names import Names, link, slug
from convscope.gallery.pictures import banner, strip
from convscope.gallery.predictions import prediction_table
from convscope.gallery.records import Model, Study
from convscope.gallery.tables import number
from convscope.gallery.unfinished import Unfinished
from convscope.judging.names import title_of
from convscope.storage.files import write_json, write_text

CARD, UNFINISHED_CARD = "study.json", "unfinished.json"
_HERE = Path(__file__).parent
_STATIC = ("gallery.css", "gallery.js", "data.js", "virtual.js", "predictions.js", "watching.js")
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
)
_UNKNOWN = "\u2013"
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
    return OF_OTHER_HEADS.get(head, {}).get(stem, _words(stem))


def page_templates() -> Environment:
    """The templates of all pages."""
    # Everything is escaped: names of files, classes and models are data, whatever they look like.
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
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
        figure_words=_figure_words,
        slug=slug,
        preprocessing=_preprocessing,
    )
    environment.filters["method_title"] = title_of
    return environment


class _Site:
    """One gallery being written: knows the name of every page and the address of every file."""

    def __init__(self, study: Study, folder: Path) -> None:
        self.study, self.folder = study, folder
        self.names, self.picture_names = Names(), Names()
        self.written: set[Path] = set()
        self.pictures: dict[tuple[str, ...], Path] = {}
        self.environment = page_templates()
        self.environment.globals.update(
            study=study,
            url=lambda path: link(path, folder),
            short=lambda path: link_text(path, study.folder),
            page=self.page,
            picture=lambda *parts: self.pictures.get(parts),
            styles=None,
            home=link(folder.parent.parent / "index.html", folder),
        )

    def page(self, *parts: str) -> str:
        """File name of the page of a model, a layer, a model's image set, or an image of one."""
        return f"{self.names(*parts)}.html"

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
        for path in sorted(set(stale) - self.written):
            path.unlink()


def link_text(path: Path, folder: Path) -> str:
    """A file's place inside the results folder, to read (not to click)."""
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def build_gallery(results: Path, config: Mapping[str, Any], out: Path, unfinished: Unfinished | None = None) -> Study:
    """Write a study's gallery: `out` (index.html), its other pages, pictures and styles beside it, and its card.

    The same results give the same bytes. Pages of things the study no longer has are removed. `out` is written last.

    The card is study.json, or unfinished.json after a run in which jobs failed. There is never both: without study.json
    the workflow knows that the gallery has yet to be made.

    Args:
        results: the study's folder; every link is relative, so the whole results folder can be moved.
        config: the study's config (see `collect`).
        out: the first page, usually `results/<study>/gallery/index.html`.
        unfinished: the jobs that failed, and what was not made because of them.

    Returns:
        What was shown.

    Raises:
        UserError: the results folder is missing, or a table in it is damaged.
    """
    if unfinished:
        (out.parent / CARD).unlink(missing_ok=True)
    study = collect(results, config, unfinished)
    site = _Site(study, out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    for name in _STATIC:
        write_text(out.parent / name, (_HERE / "static" / name).read_text(encoding="utf-8"))
    site.make_pictures()
    pages = {model.name: image_pages(model) for model in study.models}
    for model in study.models:
        _model_pages(site, model, pages[model.name])
    _image_pages(site, pages)
    # After a run with failures some of what lies there may be an older config's.
    if not unfinished:
        _figure_page(site, config)
    for comparison in study.comparisons:
        site.render("comparison.html.j2", site.page("comparison", comparison.name), comparison=comparison)
    site.remove_stale()
    hero = study_hero(site)
    write_json(out.parent / (UNFINISHED_CARD if unfinished else CARD), _card(site, hero))
    if not unfinished:
        (out.parent / UNFINISHED_CARD).unlink(missing_ok=True)
    site.render("study.html.j2", out.name, hero=hero)
    return study


def _model_pages(site: _Site, model: Model, pages: tuple[ImagePages, ...]) -> None:
    site.render("model.html.j2", site.page("model", model.name), model=model)
    shown = model.shown_layers
    for position, layer in enumerate(shown):
        before: Layer | None = shown[position - 1] if position else None
        after: Layer | None = shown[position + 1] if position + 1 < len(shown) else None
        name = site.page("layer", model.name, layer.name)
        site.render("layer.html.j2", name, model=model, layer=layer, before=before, after=after)
    explained_in: dict[str, list[tuple[str, str]]] = {}
    for entry in pages:
        for image in entry.images:
            explained_in.setdefault(image.path, []).append((entry.image_set, image.id))
    for evaluation in model.evaluations:
        tested = f"{evaluation.dataset}.{evaluation.split}"
        folder = site.study.folder / "evaluation" / model.name / tested
        table = prediction_table(folder, site.study.folder, evaluation.reported)
        # No column where none of the images shown is explained.
        places = explained_in if any(row.path in explained_in for row in table.rows) else {}
        name = site.page("predictions", model.name, tested)
        site.render("predictions.html.j2", name, model=model, table=table, explained_in=places)
    for heatmaps in model.heatmaps:
        name = site.page("images", model.name, heatmaps.image_set)
        site.render("images.html.j2", name, model=model, heatmaps=heatmaps, classes=_classes(model, heatmaps))
    for explained in model.explained:
        name = site.page("methods", model.name, explained.image_set)
        site.render("methods.html.j2", name, model=model, explained=explained, classes=_classes(model, explained))
    for found in model.segmented:
        name = site.page("segmentation", model.name, found.image_set)
        site.render("segmentation.html.j2", name, model=model, found=found)
    for judging in model.judged:
        site.render(
            "judging.html.j2", site.page("judging", model.name, judging.image_set), model=model, judging=judging
        )
    for watched in model.watched:
        name = site.page("watching", model.name, watched.image_set)
        site.render("watching.html.j2", name, model=model, watched=watched)


def _image_pages(site: _Site, every: dict[str, tuple[ImagePages, ...]]) -> None:
    """One page an explained image, with links to the same picture in other sets and by other models."""
    same: dict[str, list[tuple[str, str, str]]] = {}
    for name, sets in every.items():
        for pages in sets:
            for image in pages.images:
                same.setdefault(image.path, []).append((name, pages.image_set, image.id))
    for model in site.study.models:
        for pages in every[model.name]:
            for image, place in zip(pages.images, pages.places(), strict=True):
                here = (model.name, pages.image_set, image.id)
                elsewhere = [other for other in same[image.path] if other != here]
                site.render(
                    "image.html.j2",
                    site.page("image", *here),
                    model=model,
                    pages=pages,
                    image=image,
                    place=place,
                    elsewhere=elsewhere,
                )


def _figure_page(site: _Site, config: Mapping[str, Any]) -> None:
    found = entries(site.study, config, site.folder / "pictures")
    site.written.update(entry.thumbnail for entry in found if entry.thumbnail)
    site.render("figures.html.j2", "figures.html", entries=found)


def _classes(model: Model, heatmaps: Heatmaps | Explanations) -> dict[str, int]:
    """How many images of each true class, in the model's order of classes; "" counts those of unknown class. No numbers."""
    if model.spec.get("head") == "regression":
        return {}
    counts: dict[str, int] = {}
    for image in heatmaps.images:
        counts[image.class_name] = counts.get(image.class_name, 0) + 1
    order = [str(name) for name in model.spec.get("classes", [])]
    return dict(sorted(counts.items(), key=lambda c: (order.index(c[0]) if c[0] in order else len(order), c[0])))


def study_hero(site: _Site) -> Path | None:
    """The picture that stands for a study: a model's banner, else a sheet of heatmaps, else a contact sheet."""
    study = site.study
    candidates: list[Path | None] = [site.pictures.get(("banner", model.name)) for model in study.models]
    candidates += [path for model in study.models for found in model.segmented for path, _ in found.sheets[:1]]
    candidates += [sheet for model in study.models for heatmaps in model.heatmaps for sheet in heatmaps.sheets[:1]]
    candidates += [dataset.contact_sheet for dataset in study.datasets]
    return next((path for path in candidates if path), None)


def _card(site: _Site, hero: Path | None) -> dict[str, Any]:
    """What the list of studies needs to know; addresses are relative to the gallery's folder."""
    study = site.study
    return {
        "study": study.name,
        "title": study.title,
        "hero": link(hero, site.folder) if hero else None,
        "failed": len(study.unfinished.jobs) if study.unfinished else 0,
        "counts": {
            "images": sum(dataset.total for dataset in study.datasets),
            "unreadable": sum(len(dataset.bad) for dataset in study.datasets),
            "models": len(study.models),
            "layers": sum(len(model.shown_layers) for model in study.models),
            "heatmaps": sum(len(heatmaps.images) for model in study.models for heatmaps in model.heatmaps),
        },
    }
