"""The list of studies: one page for all that lies in a results folder, whichever runs write to it."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from convscope.errors import UserError
from convscope.gallery.build import CARD, UNFINISHED_CARD
from convscope.gallery.names import link
from convscope.gallery.site import page_templates
from convscope.gallery.tables import read_object
from convscope.storage.files import write_text

_STYLES = Path(__file__).parent / "static" / "gallery.css"


def build_index(studies: list[Path], out: Path) -> list[Path]:
    """Write the list of studies.

    Several runs may write it at once, each for its own study: it is made of all the galleries that are there, and made again
    until none was written meanwhile, so that the last one written lists them all.

    Args:
        studies: cards of galleries (`study.json`, or `unfinished.json` after a run in which jobs failed); the galleries found
            beside `out` (`*/gallery/`) are added.
        out: the page, usually `results/index.html`.

    Returns:
        The files shown, sorted by title.

    Raises:
        UserError: one of `studies` is missing or damaged.
    """
    absent = [path for path in studies if not path.is_file()]
    if absent:
        raise UserError(f"{absent[0]}: no such study.json; build that study's gallery first")
    while True:
        before = _state(studies, out)
        cards = [card for path, _, _ in before for card in _card(path, out, required=path in studies)]
        cards.sort(key=lambda card: (card["title"], card["study"], card["href"]))
        # One file that stands alone: the page has no folder of its own to keep styles in.
        styles = Markup(_STYLES.read_text(encoding="utf-8"))  # noqa: S704 (our own file)
        write_text(out, page_templates().get_template("index.html.j2").render(cards=cards, styles=styles))
        if _state(studies, out) == before:
            return [card["file"] for card in cards]


def _state(studies: list[Path], out: Path) -> list[tuple[Path, int, int]]:
    """The cards that are there, with what changes when one is written anew."""
    found = {path.resolve(): path for name in (CARD, UNFINISHED_CARD) for path in out.parent.glob(f"*/gallery/{name}")}
    found |= {path.resolve(): path for path in studies}
    state = []
    for path in found.values():
        try:
            facts = path.stat()
        except FileNotFoundError:  # the other run has just taken it away
            continue
        state.append((path, facts.st_mtime_ns, facts.st_ino))
    return sorted(state)


def _card(path: Path, out: Path, required: bool) -> list[dict[str, Any]]:
    if not path.is_file() and not required:
        return []
    value = read_object(path)
    hero = value.get("hero")
    return [
        {
            "file": path,
            "title": str(value.get("title") or path.parent.parent.name),
            "study": str(value.get("study") or path.parent.parent.name),
            "counts": dict(value.get("counts") or {}),
            "failed": int(value.get("failed") or 0),
            "href": link(path.parent / "index.html", out.parent),
            # Already an address, encoded when the gallery was written.
            "hero": f"{link(path.parent, out.parent)}/{hero}" if hero else None,
        }
    ]
