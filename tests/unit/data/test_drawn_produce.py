"""Drawn produce: the same picture from the same numbers, masks that fit, variety, and a shop that is another place."""

import json
from pathlib import Path

import numpy as np
import pytest

from convscope.data.datasets import scan_dataset
from convscope.data.drawn import kinds
from convscope.data.drawn.dataset import write_dataset
from convscope.data.drawn.produce import CLASSES, DRAWN_PRODUCE, PARTS, draw_produce
from convscope.data.drawn.produce.in_the_way import IN_THE_WAY
from convscope.data.drawn.produce.pieces import FRUIT, LEAF, Piece, plain
from convscope.data.drawn.produce.render import Canvas
from convscope.data.part_masks import list_masks


@pytest.fixture(scope="module")
def one_of_each() -> dict[str, list]:
    """One picture of every class, on paper and in the shop."""
    return {split: [draw_produce(c, 1, 5, 64, split) for c in range(len(CLASSES))] for split in ("train", "store")}


def test_sixteen_classes_in_the_order_of_their_folders() -> None:
    assert len(CLASSES) == 16 and list(CLASSES) == sorted(CLASSES)
    assert kinds.CLASSES["drawn_produce"] == CLASSES, "the config's check knows the same"


def test_same_numbers_same_picture_in_any_order() -> None:
    first = draw_produce(6, 4, 3, 64, "store")
    draw_produce(0, 1, 9, 64, "train")
    again = draw_produce(6, 4, 3, 64, "store")
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_number_changes_the_picture() -> None:
    reference = draw_produce(0, 0, 0, 64, "train").image.astype(int)
    others = ((1, 0, 0, 64, "train"), (0, 1, 0, 64, "train"), (0, 0, 1, 64, "train"), (0, 0, 0, 64, "test"))
    for other in others:
        assert np.abs(draw_produce(*other).image - reference).mean() > 3, other


def test_shapes_and_values(one_of_each) -> None:
    for drawn in [*one_of_each["train"], *one_of_each["store"]]:
        assert drawn.image.shape == (64, 64, 3) and drawn.image.dtype == np.uint8
        assert drawn.parts.shape == drawn.trimap.shape == (64, 64)
        assert set(np.unique(drawn.parts)) <= set(range(len(PARTS)))
        assert drawn.parts.any() and (drawn.parts[drawn.trimap == 1] > 0).all()
        assert not drawn.parts[drawn.trimap == 2].any()


def test_the_mask_tells_produce_from_paper(one_of_each) -> None:
    """Paper is near white; what is masked as produce is not, whatever its class but for pale onions and mushrooms."""
    for name, drawn in zip(CLASSES, one_of_each["train"], strict=True):
        share = (drawn.parts > 0).mean()
        assert 0.04 < share < 0.85, (name, share)
        saturation = np.ptp(drawn.image.astype(int), axis=2)
        away = drawn.trimap == 2
        assert drawn.image[away].mean() > 170 and saturation[away].mean() < 25, name
        if name not in ("mushroom", "onion"):
            assert saturation[drawn.parts == FRUIT].mean() > saturation[away].mean() + 25, name


def test_clean_splits_are_alike_and_the_shop_is_not() -> None:
    def paper(split: str) -> float:
        pictures = [draw_produce(c, 0, 2, 64, split) for c in range(0, 16, 2)]
        return float(np.mean([p.image[p.trimap == 2].mean() for p in pictures]))

    train, validation, store = paper("train"), paper("validation"), paper("store")
    assert abs(train - validation) < 15 and store < train - 60


def test_place_and_light_do_not_know_the_class() -> None:
    """Everything around the produce comes from numbers of its own: far corners differ by chance alone."""
    levels = np.array([[draw_produce(c, i, 8, 64, "train").image[:4, :4].mean() for i in range(8)] for c in (3, 4, 5)])
    assert np.abs(levels.mean(axis=1) - levels.mean()).max() < 3 * levels.std() / np.sqrt(8)


def test_real_variety(one_of_each) -> None:
    apples = np.stack([draw_produce(0, i, 3, 64, "train").image for i in range(8)]).astype(float)
    hues = [apple[np.ptp(apple, axis=2) > 60].mean(axis=0) for apple in apples]
    assert np.std([hue[0] - hue[1] for hue in hues]) > 25, "red, green, yellow"


@pytest.mark.parametrize("name", list(IN_THE_WAY))
def test_what_is_in_the_way_is_no_produce(name: str) -> None:
    rng = np.random.default_rng(4)
    colour = np.full((128, 128, 3), 90, np.float32)
    parts = np.zeros((128, 128), np.uint8)
    parts[30:100, 30:100] = FRUIT
    before, masked = colour.copy(), parts.copy()
    IN_THE_WAY[name](colour, parts, (30, 30, 99, 99), rng)
    changed = np.abs(colour - before).max(axis=2) > 20
    assert changed[30:100, 30:100].mean() > 0.03
    if name == "bag":
        np.testing.assert_array_equal(parts, masked)  # it is seen through
    else:
        taken = (masked > 0) & (parts == 0)
        assert taken.any() and changed[taken].all(), "only where something else is seen"
    assert ((parts > 0) <= (masked > 0)).all()


def test_a_round_piece_is_bright_towards_the_light() -> None:
    from PIL import Image

    from convscope.data.drawn.geometry import ellipse
    from convscope.data.drawn.produce.pieces import Item

    for light, bright in (((-1.0, 0.0), "left"), ((1.0, 0.0), "right")):
        canvas = Canvas(Image.new("RGB", (96, 96), (250, 250, 250)), light)
        ball = Piece(ellipse(0, 0, 0.5, 0.5), plain((180, 60, 60)), LEAF, gloss=0.0)
        canvas.add(Item([ball]), (48, 48, 70, 0.4), 0.3, np.random.default_rng(0))
        left, right = canvas.colour[48, 24:40].mean(), canvas.colour[48, 56:72].mean()
        assert (left > right + 10) == (bright == "left"), (light, left, right)
        ground = canvas.colour[48, 4:10].mean(), canvas.colour[48, 86:92].mean()
        assert (ground[0] > ground[1]) == (bright == "left"), "the shadow falls away from the light"
        assert set(np.unique(canvas.parts)) == {0, LEAF}


def test_a_dataset_as_the_pipeline_takes_it(tmp_path: Path) -> None:
    write_dataset(DRAWN_PRODUCE, tmp_path / "made", {"test": 1, "store": 1}, 64, 3)
    settings = {"source": "drawn_produce", "splits": {"test": "test", "store": "store"}}
    dataset = scan_dataset(tmp_path / "made", settings)
    assert tuple(dataset.classes) == CLASSES and len(dataset.images) == 32 and not dataset.bad
    masks, parts = list_masks(tmp_path / "made", settings, dataset.images)
    assert tuple(parts) == PARTS and len(masks) == 32 and not any(row.reason for row in masks)
    settings = json.loads((tmp_path / "made" / "drawn_produce.json").read_text())
    assert settings["classes"] == list(CLASSES)


@pytest.mark.parametrize(("label", "size"), [(16, 64), (-1, 64), (0, 63), (0, 513)])
def test_impossible_numbers(label: int, size: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        draw_produce(label, 0, 0, size, "train")
