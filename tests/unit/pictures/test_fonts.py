"""Names in any letters: the font has them, and a dollar sign begins no formula."""

from pathlib import Path

import numpy as np
from PIL import ImageFont

from convscope.pictures.contact_sheets import contact_sheet
from convscope.pictures.fonts import caption_font
from convscope.pictures.plots import new_figure, save_figure


def test_letters_with_accents_are_no_boxes() -> None:
    plain = ImageFont.load_default(size=14)
    assert bytes(plain.getmask("\u00ea")) == bytes(plain.getmask("\u00fc")), (
        "PIL's own font has neither: if it has, this can go"
    )
    drawn = [bytes(caption_font(14, "t\u00eate").getmask(letter)) for letter in "\u00ea\u00fc\u043a\uffff"]
    assert len(set(drawn)) == 4
    assert caption_font(14, "plain text").getname() == plain.getname()
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
