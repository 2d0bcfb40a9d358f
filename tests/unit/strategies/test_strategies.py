"""From maps on the disk to kinds of reasons in words: small grids, heat on concepts, warnings, the map of pictures, what is kept."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from convscope.concepts.masks import Concept, ConceptMasks, packed
from convscope.concepts.store import save as save_concepts
from convscope.storage import store
from convscope.strategies.figures import draw_strategies
from convscope.strategies.grids import area_means, area_shares, evidence, read_grids
from convscope.strategies.kinds import kinds
from convscope.strategies.layout import layout
from convscope.strategies.places import Inside, inside, lies_on, warnings_of
from convscope.strategies.report import Strategies, _words, strategies
from convscope.strategies.store import save
from tests.unit.strategies.planted import CORNER, MIDDLE, mixed, points_of, spots


def grids_of(maps: np.ndarray) -> np.ndarray:
    return points_of(maps).reshape(maps.shape)


def found(counts: tuple[int, ...] = (60, 12), concepts: Inside | None = None, **changes: Any) -> Strategies:
    """The kinds of planted maps: class `cat` for all, those of the corner answered wrongly."""
    maps, planted = mixed(*counts)
    given: dict[str, Any] = {
        "grids": grids_of(maps),
        "classes": np.zeros(len(maps), np.int64),
        "names": ["cat", "dog"],
        "truths": ["dog" if kind == 1 else "cat" for kind in planted],
        "wrong": [bool(kind == 1) for kind in planted],
        "ids": [f"img_{k}" for k in range(len(maps))],
        "found": concepts,
        "most": 8,
        "seed": 4,
    }
    return strategies(**given | changes)


def test_a_clever_hans_is_told_in_words() -> None:
    result = found()
    (cat,) = result.classes
    assert cat.words.startswith("2 kinds of reasons in 72 maps of cat (p = 0.0")
    middle, corner = (group.row for group in cat.groups)
    assert (middle.pictures, middle.of, middle.mistakes, middle.classes) == (60, 72, "0", "cat 60")
    assert (corner.kind, corner.pictures, corner.mistakes, corner.classes) == (2, 12, "12", "dog 12")
    assert middle.warning == "" and corner.warning.startswith("in the lower left corner: ")
    _, planted = mixed(60, 12)
    assert (result.kind - 1).tolist() == planted.tolist()
    assert all(planted[int(name.removeprefix("img_"))] == 1 for name in corner.central.split())


def test_one_kind_and_too_few_say_so_and_are_not_cut() -> None:
    assert found((60,)).classes[0].words.startswith("no kinds of reasons can be told apart in 60 maps of cat")
    few = found((10,))
    assert few.classes[0].words == "too few maps of cat to tell kinds of reasons: 10, and 20 are needed"
    assert len(few.rows) == 1 and few.rows[0].pictures == 10


def test_classes_are_told_apart_and_unknown_truths_are_no_mistakes() -> None:
    _, planted = mixed(40, 40)
    given: dict[str, Any] = {"truths": [""] * 80, "wrong": [None] * 80}
    result = found((40, 40), classes=planted.astype(np.int64), **given)
    assert [(c.name, len(c.groups)) for c in result.classes] == [("cat", 1), ("dog", 1)], "each class goes by one kind"
    assert result.rows[0].mistakes == "" and result.rows[0].classes == "unknown 40"
    assert result.classes[1].groups[0].row.warning.startswith("in the lower left corner")
    none = found((40, 40), classes=np.full(80, -1), **given)
    assert none.classes[0].name == "any class"


def test_maps_without_heat_are_of_no_kind() -> None:
    maps, _ = mixed(60, 12)
    maps[[3, 9]] = 0
    result = found(
        grids=np.nan_to_num(grids_of(np.where(maps.any(axis=(1, 2), keepdims=True), maps, 1)))
        * maps.any(axis=(1, 2), keepdims=True)
    )
    assert np.flatnonzero(result.kind == 0).tolist() == [3, 9] and result.classes[0].empty == 2
    assert np.isnan(result.places[[3, 9]]).all() and np.isfinite(np.delete(result.places, [3, 9], axis=0)).all()
    nothing = found((5,), grids=np.zeros((5, 4, 4), np.float32))
    assert nothing.rows == [] and nothing.classes[0].empty == 5
    none = strategies(np.zeros((0, 4, 4), np.float32), np.zeros(0, np.int64), ["a"], [], [], [], None, 8, 0)
    assert none.classes == ()


def test_a_difference_of_no_size_is_no_warning_however_sure_it_is() -> None:
    """Of thousands of pictures three standard errors are nothing: heat of which 58 % is on the object is not beside it."""
    rng = np.random.default_rng(0)
    area = np.full((2000, 1), 0.6, np.float32)
    even = np.full((2000, 20, 20), 1 / 400, np.float32)
    for share, told in ((0.58, False), (0.3, True)):
        heat = np.float32(share) + rng.normal(0, 0.1, area.shape).astype(np.float32)
        assert bool(warnings_of(Inside(("object",), ("part",), heat, area), even, np.arange(2000))) == told


# ---- small grids --------------------------------------------------------------------------------------------------------


def test_means_over_areas() -> None:
    assert np.allclose(area_means(np.arange(16.0).reshape(1, 4, 4), (2, 2)), [[[2.5, 4.5], [10.5, 12.5]]])
    # Three pixels on two parts: the middle one is half of each.
    assert np.allclose(area_shares(3, 2), [[2 / 3, 1 / 3, 0], [0, 1 / 3, 2 / 3]])
    assert np.allclose(area_shares(299, 20).sum(axis=1), 1)


def test_what_speaks_for_the_class() -> None:
    raw = np.array([[[[1.0, -3.0], [2.0, -1.0]]]])  # one map of two pixels in two colours
    assert evidence("integrated_gradients", raw).tolist() == [[[0.0, 1.0]]], (
        "colours add up; what speaks against is none"
    )
    assert evidence("saliency", raw).tolist() == [[[3.0, 2.0]]], "without a sign the size counts"
    assert evidence("gradcam", np.array([[[0.5, -1.0]]])).tolist() == [[[0.5, 0.0]]]
    assert evidence("gradcam", np.array([[[np.nan, 1.0]], [[1.0, 1.0]]])).tolist() == [[[0, 0]], [[1, 1]]]


def test_brightness_and_the_size_of_the_map_do_not_count(tmp_path: Path) -> None:
    small = spots(MIDDLE, 5, 0)
    large = small.repeat(4, axis=1).repeat(4, axis=2) * np.array([1, 10, 100, 1e4, 1e-3])[:, None, None]
    read = []
    for name, maps in (("small", small), ("large", large)):
        with h5py.File(tmp_path / name, "w") as file:
            # Two classes are explained; the second one is predicted of all but the first picture.
            file["maps"] = np.stack([np.ones_like(maps), maps], axis=1)
            file["targets"], file["predicted"] = np.tile([0, 1], (5, 1)), np.array([0, 1, 1, 1, 1])
            read.append(read_grids(file, "gradcam"))
    (first, classes, there), (second, _, _) = read
    assert np.allclose(first[1:], second[1:], atol=1e-6) and np.allclose(first.sum(axis=(1, 2)), 1)
    assert np.allclose(first[0], 1 / 400) and classes.tolist() == [0, 1, 1, 1, 1] and there.all()


# ---- heat on concepts --------------------------------------------------------------------------------------------------


@pytest.fixture
def concepts(tmp_path: Path) -> Path:
    """Sixty pictures of 40 x 40: an object in the middle, which is known of the first fifty, and a mark in the lower left corner."""
    masks = np.zeros((60, 3, 40, 40), bool)
    masks[:, 0, 10:30, 10:30] = True
    masks[:, 1, 32:, :8] = True
    masks[:, 2] = True
    known = np.ones((60, 2, 40, 40), bool)
    known[50:, 0] = False
    masks[50:, :2] = False
    kept = ConceptMasks(
        (Concept("object", "part"), Concept("mark", "part"), Concept("cat", "class")),
        (40, 40), packed(masks), packed(known), ("part", "class"),
    )  # fmt: skip
    rows = [{"id": str(k), "path": str(k), "class": "cat", "sha256": ""} for k in range(60)]
    path = tmp_path / "concepts.h5"
    save_concepts(path, kept, rows, model="net")
    return path


def test_shares_inside_by_hand(concepts: Path) -> None:
    grids = np.zeros((60, 4, 4), np.float32)
    grids[:, 1, 1] = 0.75  # in the object
    grids[:, 3, 0] = 0.25  # a quarter of a side is 10 pixels: 64 of its 100 are of the mark
    with store.open_file(concepts) as file:
        shares = inside(file, grids)
    assert shares.names == ("object", "mark"), "a class is the whole picture"
    assert np.allclose(shares.heat[:50], [0.75, 0.25 * 0.64], atol=1e-6) and np.isnan(shares.heat[50:]).all()
    assert np.allclose(shares.area[:50], [0.25, 64 / 1600], atol=1e-6)


def test_what_the_heat_lies_on_and_what_is_beside_the_object(concepts: Path) -> None:
    maps, planted = np.concatenate([spots(CORNER, 30, 1), spots(MIDDLE, 30, 2)]), np.repeat([0, 1], 30)
    grids = grids_of(maps)
    with store.open_file(concepts) as file:
        shares = inside(file, grids)
    corner, middle = np.flatnonzero(planted == 0), np.flatnonzero(planted == 1)
    (mark,) = lies_on(shares, corner, middle)
    assert mark.name == "mark" and mark.heat > 4 * mark.chance and mark.others < mark.heat
    assert [share.name for share in lies_on(shares, middle, corner)] == ["object"]
    told = warnings_of(shares, grids, corner)
    assert told[0].startswith("beside the object: ") and told[1].startswith("in the lower left corner: ")
    assert warnings_of(shares, grids, middle) == []
    assert warnings_of(shares, grids, corner[:4]) == [], "of four pictures nothing is told"
    even = np.full((60, 20, 20), 1 / 400, np.float32)
    with store.open_file(concepts) as file:
        assert lies_on(inside(file, even), middle, corner) == [] and warnings_of(None, even, middle) == []
    rim = even.copy()
    rim[:, 2:-2, 2:-2] = 0
    assert [text.partition(":")[0] for text in warnings_of(None, rim, middle)] == ["at the border"]
    for few in (1, 2, 4):
        assert warnings_of(None, np.full((9, few, few), 1 / few**2), np.arange(9)) == [], "too coarse for that"


# ---- the map of pictures, and what is kept -----------------------------------------------------------------------------


def test_the_map_puts_what_is_alike_side_by_side_and_is_the_same_twice() -> None:
    maps, planted = mixed(40, 40)
    points = points_of(maps)
    places = layout(points, 3)
    assert places.min() == 0 and places.max() == 1 and np.array_equal(places, layout(points, 3))
    apart = np.linalg.norm(places[:, None] - places, axis=2) + 9 * np.eye(80)
    assert (planted[apart.argmin(axis=1)] == planted).mean() > 0.95
    rest = layout(points, 3, most=30)
    apart = np.linalg.norm(rest[:, None] - rest, axis=2) + 9 * np.eye(80)
    assert (planted[apart.argmin(axis=1)] == planted).mean() > 0.9, "others lie among their nearest"
    for few in (0, 1, 3):
        assert layout(points[:few], 0).shape == (few, 2)
    assert np.isfinite(layout(np.ones((7, 4)), 0)).all()


def test_what_is_kept_and_drawn(tmp_path: Path) -> None:
    result = found((60, 12, 25))
    ids = [f"img_{k}" for k in range(97)]
    for name in ("one", "two"):
        save(tmp_path / f"{name}.h5", result, ids, model="net", method="gradcam")
        draw_strategies(tmp_path / f"{name}.png", "net, Grad-CAM: kinds of reasons", result)
    assert all(
        (tmp_path / f"one.{end}").read_bytes() == (tmp_path / f"two.{end}").read_bytes() for end in ("h5", "png")
    )
    with store.open_file(tmp_path / "one.h5") as file:
        assert store.read_text(file["class_name"]) == ["cat"] and file["group/mean"].shape == (3, 20, 20)
        assert np.allclose(file["group/mean"][()].sum(axis=(1, 2)), 1, atol=1e-5)
        kind, central = file["kind"][()], file["group/central"][()]
        assert [set(kind[row].tolist()) for row in central] == [{1}, {2}, {3}]
    assert Image.open(tmp_path / "one.png").width > 500
    empty = strategies(np.zeros((0, 4, 4), np.float32), np.zeros(0, np.int64), ["a"], [], [], [], None, 8, 0)
    save(tmp_path / "empty.h5", empty, [], model="net")
    draw_strategies(tmp_path / "empty.png", "nothing", empty)


def test_maps_that_nearly_fall_apart_are_hinted_at() -> None:
    result = found((60, 12))
    parted = kinds(points_of(mixed(60, 12)[0]))
    one = replace(parted, central=parted.central[:1], chance=0.03)
    assert "nearly fall into 2 parts" in _words("cat", 72, one)
    even = replace(one, eigenvalues=np.array([0, 0.1, 0.3, 0.5]), gap=2)
    assert "nearly" not in _words("cat", 72, even) and "nearly" not in _words("cat", 59, one)
    assert "nearly" not in result.classes[0].words
