"""Names in any letters: the font has them, and a dollar sign begins no formula."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from convscope.pictures import fonts
from convscope.pictures.contact_sheets import contact_sheet
from convscope.pictures.fonts import caption_font
from convscope.pictures.plots import new_figure, save_figure


def test_letters_with_accents_are_no_boxes() -> None:
    plain = ImageFont.load_default(size=14)
    assert bytes(plain.getmask("\u00ea")) == bytes(plain.getmask("\u00fc")), (
        "PIL's own font has neither: if it has, this can go"
    )
    drawn = [bytes(caption_font(14, "t\u00eate").faces[0].getmask(letter)) for letter in "\u00ea\u00fc\u043a\uffff"]
    assert len(set(drawn)) == 4
    assert caption_font(14, "plain text").faces[0].getname() == plain.getname()
    one, other = (contact_sheet([np.zeros((40, 40, 3), np.uint8)], 1, 40, [name]) for name in ("\u00ea", "\u00fc"))
    assert (one != other).any()


def test_a_name_with_dollars_is_written_as_it_is(tmp_path: Path) -> None:
    figure, axis = new_figure(3, 3)
    axis.plot([1, 1e4], [1, 2])
    axis.set_xscale("log")
    axis.set_yticks([1], ["$x$"])
    axis.set_title("$y$")
    save_figure(figure, tmp_path / "drawn.png")
    names = [axis.title, *axis.get_yticklabels()]
    assert [(text.get_text(), text.get_parse_math()) for text in names] == [("$y$", False), ("$x$", False)]
    powers = axis.get_xticklabels()
    assert any("mathdefault" in text.get_text() for text in powers) and all(text.get_parse_math() for text in powers)


CAT, DOG, TREE = "\u732b", "\u72ac", "\u6728"


def write_font(path: Path, letters: str, style: str = "Regular") -> Path:
    """A font whose letters are filled squares, one em wide, each a little lower than the one before."""
    names = {letter: f"square{number}" for number, letter in enumerate(letters)}
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", *names.values()])
    builder.setupCharacterMap({ord(letter): name for letter, name in names.items()})
    glyphs = {}
    for number, name in enumerate([".notdef", *names.values()]):
        pen, top = TTGlyphPen(None), 800 - 100 * number
        pen.moveTo((100, 0))
        for point in ((100, top), (900, top), (900, 0)):
            pen.lineTo(point)
        pen.closePath()
        glyphs[name] = pen.glyph()
    builder.setupGlyf(glyphs)
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": f"Squares {path.stem}", "styleName": style})
    builder.setupOS2()
    builder.setupPost()
    builder.save(path)
    return path


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The fonts of the machine: those that a test puts in."""
    places: list[Path] = []
    known = list(font_manager.fontManager.ttflist)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(place) for place in reversed(places)])

    def forget() -> None:
        for kept in (fonts.fonts_for, fonts._places, fonts.letters_of, fonts._face):
            kept.cache_clear()
        fonts._told.clear()

    forget()
    yield places
    forget()
    font_manager.fontManager.ttflist[:] = known


def test_letters_that_dejavu_lacks_are_those_of_another_font(machine: list[Path], tmp_path: Path) -> None:
    machine += [write_font(tmp_path / "b.ttf", CAT + DOG, "Bold"), write_font(tmp_path / "a.ttf", CAT + DOG)]
    machine += [write_font(tmp_path / "c.ttf", TREE + CAT), tmp_path / "damaged.ttf"]
    machine[-1].write_text("no font")
    found = fonts.fonts_for(frozenset(CAT + DOG + TREE))
    assert [(place.name, sorted(own)) for place, own in found] == [("a.ttf", sorted(CAT + DOG)), ("c.ttf", [TREE])]
    font = caption_font(20, f"t\u00eate {CAT}{DOG}{TREE}")
    dejavu, squares, trees = font.faces
    text = f"t\u00eate {CAT} 9"
    assert font.getlength(text) == dejavu.getlength("t\u00eate ") + squares.getlength(CAT) + dejavu.getlength(" 9")
    assert squares.getlength(CAT) == trees.getlength(TREE) == 20
    picture = Image.new("L", (60, 40))
    font.write(ImageDraw.Draw(picture), (5, 20), f"l{CAT}", (255,), "lm")
    ink = np.asarray(picture)
    start = 5 + round(dejavu.getlength("l"))
    assert (ink[:, start + 4 : start + 16].max(axis=0) == 255).all(), "the square"
    rows = [np.flatnonzero(part.max(axis=1))[-1] for part in (ink[:, :start], ink[:, start + 3 :])]
    assert abs(rows[0] - rows[1]) <= 1, "both stand on one line"


def test_what_no_font_has_is_told_once(
    machine: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    for _ in range(2):
        contact_sheet([np.zeros((40, 40, 3), np.uint8)] * 2, 1, 40, [CAT, f"{CAT}{DOG}"])
    figure, axis = new_figure(3, 3)
    axis.set_title(CAT)
    save_figure(figure, tmp_path / "drawn.png")
    said = capsys.readouterr().out.splitlines()
    assert [line.partition(" ")[2] for line in said] == [
        f"no font of this machine has {DOG} {CAT}: captions show boxes there; install one, such as Noto Sans CJK"
    ]
    assert not [warning for warning in recwarn if "Glyph" in str(warning.message)]


def test_plots_write_them_too_and_the_same_each_time(machine: list[Path], tmp_path: Path) -> None:
    machine.append(write_font(tmp_path / "plots.ttf", CAT + DOG))
    for name, title in (("one", CAT), ("two", CAT), ("other", DOG), ("plain", "cat")):
        figure, axis = new_figure(2, 2)
        axis.set_title(title)
        save_figure(figure, tmp_path / f"{name}.png")
        families = axis.title.get_fontfamily()
        assert ("Squares plots" in families) == (name != "plain")
    drawn = {name: (tmp_path / f"{name}.png").read_bytes() for name in ("one", "two", "other")}
    assert drawn["one"] == drawn["two"] != drawn["other"]
