"""Renders the pages of a study's gallery."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from convscope.gallery.collect import collect
from convscope.gallery.explained import Explanations
from convscope.gallery.figure_page import entries
from convscope.gallery.filters import Layer
from convscope.gallery.found import findings
from convscope.gallery.heatmaps import Heatmaps
from convscope.gallery.image_data import FIRST, IN_THE_PAGE, heatmap_columns, page_columns, slots, summary
from convscope.gallery.image_pages import ImagePage, ImagePages, image_pages
from convscope.gallery.names import link, slug
from convscope.gallery.one_scale import as_json, one_scale
from convscope.gallery.predictions import prediction_table
from convscope.gallery.reason_tables import WHOLE as REASON_COLUMNS
from convscope.gallery.reason_tables import about as about_reasons
from convscope.gallery.reason_tables import kind_columns, picture_columns
from convscope.gallery.records import Model, Study
from convscope.gallery.site import HERE, STATIC, Site
from convscope.gallery.unfinished import Unfinished
from convscope.gallery.units import WHOLE, about
from convscope.storage.files import write_json, write_text

CARD, UNFINISHED_CARD = "study.json", "unfinished.json"


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
    site = Site(study, out.parent)
    out.parent.mkdir(parents=True, exist_ok=True)
    for name in STATIC:
        write_text(out.parent / name, (HERE / "static" / name).read_text(encoding="utf-8"))
    site.make_pictures()
    pages = {model.name: image_pages(model) for model in study.models}
    site.large = {
        (model, entry.image_set) for model, sets in pages.items() for entry in sets if len(entry.images) > IN_THE_PAGE
    }
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


def _model_pages(site: Site, model: Model, pages: tuple[ImagePages, ...]) -> None:
    site.render("model.html.j2", site.page("model", model.name), model=model, found=findings(model))
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
        _heatmap_page(site, model, heatmaps)
    for explained in model.explained:
        _methods_page(site, model, explained)
    for found in model.segmented:
        name = site.page("segmentation", model.name, found.image_set)
        site.render("segmentation.html.j2", name, model=model, found=found)
    for judging in model.judged:
        site.render(
            "judging.html.j2", site.page("judging", model.name, judging.image_set), model=model, judging=judging
        )
    _unit_pages(site, model)
    for vectors in model.vectors:
        name = site.page("concepts", model.name, vectors.image_set)
        site.write_data(name, vectors.columns(), (), {"model": model.name}, scripts=False)
        site.render("vectors.html.j2", name, model=model, vectors=vectors)
    _reason_pages(site, model, pages)
    for watched in model.watched:
        name = site.page("watching", model.name, watched.image_set)
        site.render("watching.html.j2", name, model=model, watched=watched)


def _unit_pages(site: Site, model: Model) -> None:
    """A page for the units of each set, and the table beside it."""
    layers = {layer.name: site.page("layer", model.name, layer.name) for layer in model.shown_layers}
    for units in model.units:
        name = site.page("units", model.name, units.image_set)
        data = site.write_data(name, units.columns, WHOLE, about(units, site.url, layers.get), scripts=True)
        site.render("units.html.j2", name, model=model, units=units, table=name.removesuffix(".html"), data=data)


def _reason_pages(site: Site, model: Model, pages: Sequence[ImagePages]) -> None:
    """A page for the kinds of reasons by each method on each set, and the two tables beside it."""
    for found in model.reasons:
        name = site.page("reasons", model.name, found.image_set, found.method)
        images = {image.id: image for entry in pages if entry.image_set == found.image_set for image in entry.images}

        def page(identity: str, image_set: str = found.image_set) -> str:
            return site.image_page(model.name, image_set, identity)

        columns = picture_columns(found, images, site.url, page)
        site.write_data(name, columns, REASON_COLUMNS, about_reasons(found), scripts=True)
        kinds = f"{name.removesuffix('.html')}_kinds"
        site.write_data(kinds, kind_columns(found), ("class",), {}, scripts=True)
        others = [(other.title, other.method) for other in model.reasons if other.image_set == found.image_set]
        site.render("reasons.html.j2", name, model=model, found=found, others=others, table=name.removesuffix(".html"))


def _heatmap_page(site: Site, model: Model, heatmaps: Heatmaps) -> None:
    """The page of a set's heatmaps, and the table beside it: of a large set the page has the first images alone."""
    name = site.page("images", model.name, heatmaps.image_set)
    others = [
        {"model": other.name, "table": site.page("images", other.name, heatmaps.image_set).removesuffix(".html")}
        for other in site.study.models
        if other is not model and heatmaps.image_set in {entry.image_set for entry in other.heatmaps}
    ]
    site.render(
        "images.html.j2",
        name,
        model=model,
        heatmaps=heatmaps,
        classes=_classes(model, heatmaps),
        large=len(heatmaps.images) > IN_THE_PAGE,
        first=FIRST,
        data=_card_table(site, name, model, heatmaps, others),
    )


def _methods_page(site: Site, model: Model, explained: Explanations) -> None:
    """The page of all methods: every image with all its maps, of a large set with those of one class, from a table."""
    name = site.page("methods", model.name, explained.image_set)
    large = len(explained.images) > IN_THE_PAGE
    site.render(
        "methods.html.j2",
        name,
        model=model,
        explained=explained,
        classes=_classes(model, explained),
        large=large,
        first=FIRST,
        summary=summary(explained),
        data=_card_table(site, name, model, summary(explained), []) if large else None,
    )


def _card_table(site: Site, page: str, model: Model, heatmaps: Heatmaps, others: Sequence[Mapping[str, str]]) -> Path:
    """The table of a page of photos with their maps."""
    columns, whole = heatmap_columns(
        heatmaps,
        url=lambda path: link(path, site.folder),
        page=lambda identity: site.image_page(model.name, heatmaps.image_set, identity),
    )
    head = str(model.spec.get("head", ""))
    about = {
        "model": model.name,
        "image_set": heatmaps.image_set,
        "head": head,
        "likeliest": "likeliest " if head == "multilabel" else "",
        "slots": slots(heatmaps),
        "others": list(others),
    }
    return site.write_data(page, columns, whole, about, scripts=True)


def _image_pages(site: Site, every: dict[str, tuple[ImagePages, ...]]) -> None:
    """One page an explained image, with links to the same picture in other sets and by other models; of a large set one for all."""
    same: dict[str, list[tuple[str, str, str]]] = {}
    for name, sets in every.items():
        for pages in sets:
            for image in pages.images:
                same.setdefault(image.path, []).append((name, pages.image_set, image.id))

    def elsewhere(model: Model, pages: ImagePages, image: ImagePage) -> list[tuple[str, str, str]]:
        return [other for other in same[image.path] if other != (model.name, pages.image_set, image.id)]

    for model in site.study.models:
        for pages in every[model.name]:
            large = (model.name, pages.image_set) in site.large
            data = _image_table(
                site, model, pages, {image.id: elsewhere(model, pages, image) for image in pages.images}, large
            )
            # Of a large set there is one page for all, and no room in it for all maps.
            scales = {} if large else one_scale(model, pages)
            for image, place in list(zip(pages.images, pages.places(), strict=True))[: 1 if large else None]:
                parts = ("image", model.name, pages.image_set, *(() if large else (image.id,)))
                site.render(
                    "image.html.j2",
                    site.page(*parts),
                    model=model,
                    pages=pages,
                    image=image,
                    place=place,
                    elsewhere=elsewhere(model, pages, image),
                    large=large,
                    data=data,
                    scales=as_json(scales[image.id]) if scales.get(image.id) else "",
                )


def _image_table(
    site: Site, model: Model, pages: ImagePages, elsewhere: Mapping[str, Sequence[tuple[str, str, str]]], large: bool
) -> Path:
    """The table of a set's pages of single images."""
    links = {
        key: [(f"{other[0]}, {other[1]}", site.image_page(*other)) for other in others]
        for key, others in elsewhere.items()
    }
    columns, whole = page_columns(pages, lambda path: link(path, site.folder), links)
    judged = next((entry.gates for entry in model.judged if entry.image_set == pages.image_set), {})
    judging = site.page("judging", model.name, pages.image_set)
    heatmaps = pages.image_set in {entry.image_set for entry in model.heatmaps}
    own_head = model.cam_head is None or model.cam_head.own
    about = {
        "model": model.name,
        "image_set": pages.image_set,
        "head": pages.head,
        "set_page": site.page("images" if heatmaps else "methods", model.name, pages.image_set),
        "gates": {
            method: [gate.status.replace(" ", "-"), gate.words, f"{judging}#gate-{slug(method)}"]
            for method, gate in judged.items()
        },
        "cam_head": None if own_head else f"{site.page('model', model.name)}#cam-head",
    }
    return site.write_data(site.page("image", model.name, pages.image_set), columns, whole, about, scripts=large)


def _figure_page(site: Site, config: Mapping[str, Any]) -> None:
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


def study_hero(site: Site) -> Path | None:
    """The picture that stands for a study: a model's banner, else a sheet of heatmaps, else a contact sheet."""
    study = site.study
    candidates: list[Path | None] = [site.pictures.get(("banner", model.name)) for model in study.models]
    candidates += [path for model in study.models for found in model.segmented for path, _ in found.sheets[:1]]
    candidates += [sheet for model in study.models for heatmaps in model.heatmaps for sheet in heatmaps.sheets[:1]]
    candidates += [dataset.contact_sheet for dataset in study.datasets]
    return next((path for path in candidates if path), None)


def _card(site: Site, hero: Path | None) -> dict[str, Any]:
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
