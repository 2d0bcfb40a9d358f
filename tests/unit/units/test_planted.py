"""A network whose units are known: what is said of each."""

import keras
import numpy as np
import pytest

from convscope.concepts.gather import concepts_of, gathered
from convscope.concepts.names import KINDS
from convscope.concepts.picture import Shown, seen_in
from convscope.units.answers import UnitMaps, ask, look
from convscope.units.overlaps import Masks, Overlaps
from convscope.units.report import Concepts, unit_rows

SIDE, COUNT, SQUARE = 64, 40, 12
RED, BLUE, GREY = (220, 20, 30), (30, 40, 220), (128, 128, 128)
PARTS = ["none", "spot"]
ONLY_RED, ONLY_BLUE, EDGE, DEAD, EVERYWHERE, PADDING = range(6)


def pictures():
    """Grey, with a red square (class warm) or a blue one (class cold); the square is the part "spot"."""
    rng = np.random.default_rng(8)
    pixels = np.empty((COUNT, SIDE, SIDE, 3), np.uint8)
    pixels[:] = GREY
    parts = np.zeros((COUNT, SIDE, SIDE), np.uint8)
    for n in range(COUNT):
        top, left = rng.integers(4, SIDE - SQUARE - 4, 2)
        pixels[n, top : top + SQUARE, left : left + SQUARE] = BLUE if n % 2 else RED
        parts[n, top : top + SQUARE, left : left + SQUARE] = 1
    return pixels, parts, ["cold" if n % 2 else "warm" for n in range(COUNT)]


def network():
    image = keras.Input((SIDE, SIDE, 3))
    layer = keras.layers.Conv2D(6, 3, padding="same", name="planted")
    net = keras.Model(image, keras.layers.ReLU(name="relu")(layer(image)))
    kernel, bias = np.zeros((3, 3, 3, 6), np.float32), np.zeros(6, np.float32)
    kernel[1, 1, :, ONLY_RED] = [1, -0.5, -0.5]
    kernel[1, 1, :, ONLY_BLUE] = [-0.5, -0.5, 1]
    upright = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])[..., None]
    # Where red gives way to blue or to grey; grey and the black of the padding are alike to it, and not to the other.
    kernel[:, :, :, EDGE] = upright * [1, 0, -1]
    kernel[:, :, :, PADDING] = upright
    bias[EVERYWHERE] = 1
    layer.set_weights([kernel, bias])
    return net


@pytest.fixture(scope="module")
def told():
    pixels, parts, classes = pictures()
    concepts = concepts_of(KINDS, ["warm", "cold"], PARTS)
    whole = slice(0, SIDE)
    seen = (
        seen_in(Shown(pixels[n], (whole, whole), parts[n], [0, 1], [classes[n]]), KINDS, PARTS, (SIDE, SIDE))
        for n in range(COUNT)
    )
    masks = gathered(concepts, seen, COUNT, (SIDE, SIDE))
    images = pixels.astype(np.float32)
    model = UnitMaps(network(), ["planted"], ["relu"], (SIDE, SIDE, 3))

    def load(rows):
        for start in range(0, len(rows), 7):
            yield rows[start : start + 7], images[rows[start : start + 7]]

    answers = ask(model, load, COUNT, np.random.default_rng(0).permutation(COUNT))
    kinds = np.array([masks.kinds.index(concept.kind) for concept in concepts])
    fixed = np.array([concept.kind == "place" for concept in concepts])
    counted = Masks.of(masks.masks, masks.known, kinds, masks.size, seed=1, fixed=fixed)
    overlaps = {"planted": Overlaps(counted, model.shapes["planted"], model.fields["planted"], (SIDE, SIDE))}
    shown = look(model, load, answers, overlaps, 3)
    names = Concepts([concept.name for concept in concepts], [concept.kind for concept in concepts])
    found = overlaps["planted"].result()
    rows = [row for row, _ in unit_rows("planted", answers["planted"], found, names, classes, np.ones(6), 0.02)]
    return rows, found, names, shown["planted"], answers["planted"]


def index(names, kind, name):
    return next(k for k, pair in enumerate(zip(names.kinds, names.names, strict=True)) if pair == (kind, name))


def test_a_unit_of_one_colour_is_called_by_it_and_its_numbers_are_those_worked_out_by_hand(told):
    rows, found, names, _, _ = told
    red = index(names, "colour", "red")
    # It fires at all pixels of the red squares and at no other one.
    assert found.iou[ONLY_RED, red] == 1 and found.inside[ONLY_RED, red] == 1
    assert rows[ONLY_RED].concept == "red" and rows[ONLY_RED].detects == "concept"
    assert rows[ONLY_RED].favourite == "warm" and rows[ONLY_RED].ratio == np.inf and rows[ONLY_RED].selectivity == 1
    assert rows[ONLY_RED].words.endswith("fires on warm alone")
    # Half of the spots are red.
    assert found.iou[ONLY_RED, index(names, "part", "spot")] == 0.5
    assert found.inside[ONLY_RED, index(names, "class", "warm")] == 1
    np.testing.assert_allclose(found.iou[ONLY_RED, index(names, "class", "warm")], SQUARE**2 / SIDE**2, rtol=1e-6)
    np.testing.assert_allclose(found.fired[ONLY_RED], SQUARE**2 / SIDE**2 / 2, rtol=1e-6)
    assert rows[ONLY_BLUE].concept == "blue" and rows[ONLY_BLUE].favourite == "cold"


def test_a_unit_of_edges_is_called_by_their_direction(told):
    assert told[0][EDGE].concept == "vertical edge" and told[0][EDGE].kind == "orientation"


def test_a_unit_that_answers_to_the_padding_is_found_out(told):
    rows, found, names, *_ = told
    border = index(names, "place", "border")
    assert rows[PADDING].kind == "place" and rows[PADDING].concept in ("border", "right")
    # Places are the same in all pictures, so chance is not that of other pictures but of any place.
    assert 4 * found.chance[PADDING, border] < found.iou[PADDING, border]


def test_a_unit_that_never_fires_and_one_that_always_does_are_no_detectors(told):
    rows, found, *_ = told
    assert rows[DEAD].words == "never fires on these pictures" and found.fired[DEAD] == 0
    assert found.fired[EVERYWHERE] == 1 and rows[EVERYWHERE].detects == "" and rows[EVERYWHERE].favourite == ""


def test_the_pictures_shown_are_those_it_fires_on_and_their_maps_are_kept(told):
    _, _, _, shown, answers = told
    assert all(image % 2 == 0 for image in shown.images[ONLY_RED, :3]) and shown.images[ONLY_RED, -1] % 2 == 1
    strongest = shown.maps[ONLY_RED, 0] * shown.scale[ONLY_RED]
    assert (strongest > 0).sum() == SQUARE**2 and strongest.max() == answers.maximum[
        shown.images[ONLY_RED, 0], ONLY_RED
    ]
    assert (shown.maps[ONLY_RED, -1] == 0).all()
