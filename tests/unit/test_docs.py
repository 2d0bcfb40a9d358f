"""The pages lead where they say, and the README names what there is."""

import re
from collections import Counter
from html import unescape
from pathlib import Path

import pytest

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from convscope.config import load_schema
from tests.workflow.changes.table import RULES

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\]\(<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\)|\b(?:src|href)=\"([^\"]+)\"")


def prose(page: Path) -> str:
    """A page without its listings."""
    return _FENCED.sub("", page.read_text(encoding="utf-8"))


def links(text: str) -> list[str]:
    return [unescape(one or other) for one, other in _LINK.findall(text)]


def anchors(text: str) -> set[str]:
    """What headings are called in addresses, as GitHub does it."""
    found: Counter[str] = Counter()
    names = set()
    for heading in re.findall(r"^#{1,6} +(.+?)\s*$", text, re.MULTILINE):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        name = re.sub(r"[^\w\- ]", "", words).replace(" ", "-")
        names.add(f"{name}-{found[name]}" if found[name] else name)
        found[name] += 1
    return names


def dead(page: Path) -> list[str]:
    """Links of a page that lead nowhere in the repository."""
    found = []
    for link in links(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        inside = target.is_relative_to(ROOT) or not page.is_relative_to(ROOT)
        if not (inside and target.exists()) or (anchor and anchor not in anchors(prose(target))):
            found.append(link)
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert dead(page) == []


def test_a_dead_link_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '# A "page", `it` is\n## Twice\n## Twice\n[a](#a-page-it-is) [b](#twice-1) [c](page.md#twice) [d](https://x.y/z)\n'
        '[e](#twice-2) [f](gone.md) ![g](gone.png) <img src="gone.jpg"> [h](page.md#gone)\n```\n[i](listing.md)\n```\n'
    )
    assert dead(page) == ["#twice-2", "gone.md", "gone.png", "gone.jpg", "page.md#gone"]


def test_every_page_and_picture_is_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        if page.suffix == ".md":
            targets = {
                (page.parent / link.partition("#")[0]).resolve() for link in links(prose(page)) if ":" not in link
            }
            waiting += [target for target in targets if target.is_file() and target not in reached]
    assert {*PAGES, *(ROOT / "docs").glob("*.jpg")} - reached == set()


def test_the_readme_begins_with_what_it_is_one_picture_and_the_two_commands() -> None:
    first, _, _ = (ROOT / "README.md").read_text(encoding="utf-8").partition("## What you get")
    assert len(re.findall(r"<img|!\[", first)) == 1
    assert re.findall(r"^make \w+", first, re.MULTILINE) == ["make figures", "make test"]
    assert len(first.splitlines()) < 40


def test_the_readme_names_every_method_and_every_architecture() -> None:
    readme = " ".join((ROOT / "README.md").read_text(encoding="utf-8").lower().split())
    architectures = load_schema()["$defs"]["train"]["properties"]["architecture"]["enum"]
    named = [
        *(method.title for method in ATTRIBUTIONS.values()),
        *CAMS.values(),
        *(f"`{name}`" for name in architectures),
    ]
    assert [name for name in named if name.lower() not in readme] == []


def test_the_picture_of_the_rules_has_every_rule() -> None:
    lines = (ROOT / "docs/workflow.md").read_text(encoding="utf-8").splitlines()
    assert {name for line in lines if " --> " in line for name in line.strip().split(" --> ")} == set(RULES)
