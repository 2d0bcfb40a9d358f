"""Windows: where a concept is, at random without padding, and all over a picture."""

import numpy as np

from convscope.concepts.masks import Concept, ConceptMasks, packed
from convscope.vectors.examples import as_many, masked_concepts, own_concept, random_crops, random_pictures
from convscope.vectors.windows import SIDES, concept_windows, crop, grid_windows, random_windows

SIZE = (60, 48)


def test_a_small_concept_is_in_the_middle_of_its_window_and_each_picture_comes_first() -> None:
    masks = np.zeros((3, 60, 48), bool)
    masks[0, 20:24, 30:34] = True
    masks[2, 40:44, 8:12] = masks[2, 5:9, 36:40] = True
    windows, share = concept_windows(masks, SIZE, 10)
    assert share == SIDES[0] and windows[:, 0].tolist() == [0, 2, 2]
    for image, top, left, height, width in windows.tolist():
        assert (height, width) == (15, 12)
        assert masks[image, top : top + height, left : left + width].sum() == 16
    image, top, left, height, width = windows[0].tolist()
    assert abs(top + height / 2 - 22) <= 1 and abs(left + width / 2 - 32) <= 1


def test_a_large_concept_has_large_windows_and_one_that_is_nowhere_has_none() -> None:
    masks = np.zeros((2, 60, 48), bool)
    masks[:, 10:55, 5:45] = True
    windows, share = concept_windows(masks, SIZE, 3)
    assert share == SIDES[-1] and len(windows) == 3 and windows[:2, 0].tolist() == [0, 1]
    assert all(masks[n, t : t + h, x : x + w].mean() > 0.8 for n, t, x, h, w in windows[:2].tolist())
    assert len(concept_windows(np.zeros((2, 60, 48), bool), SIZE, 3)[0]) == 0


def test_of_many_pictures_the_examples_are_of_all_and_not_of_the_first() -> None:
    """Sets are sorted by class: the examples of what is in all pictures were of the first class alone, and so was the vector."""
    masks = np.zeros((100, 40, 40), bool)
    masks[:, 10:30, 10:30] = True
    assert concept_windows(masks, (40, 40), 10)[0][:, 0].tolist() == list(range(0, 100, 11))
    masks[::2, 2:6, 2:6] = masks[::2, 34:38, 34:38] = True
    windows = concept_windows(masks[:4], (40, 40), 7)[0]
    assert sorted(windows[:4, 0].tolist()) == [0, 1, 2, 3] and len(np.unique(windows, axis=0)) == len(windows)


def test_random_windows_and_the_grid_lie_in_the_picture_and_not_in_its_padding() -> None:
    boxes = np.array([[10, 50, 0, 48], [0, 60, 12, 36]])
    drawn = random_windows(boxes, 0.5, SIZE, 41, np.random.default_rng(1))
    grid = grid_windows(boxes, 1 / 3, SIZE)
    assert abs(np.bincount(drawn[:, 0]) - 20.5).max() < 1
    for windows in (drawn, grid):
        for image, top, left, height, width in windows.tolist():
            first, end, start, stop = boxes[image]
            assert first <= top <= end - height and start <= left <= stop - width
    covered = np.zeros((2, *SIZE), bool)
    for image, top, left, height, width in grid.tolist():
        covered[image, top : top + height, left : left + width] = True
    assert covered[0, 10:50].all() and covered[1, :, 12:36].all()


def test_a_crop_has_the_pictures_size() -> None:
    picture = np.arange(60 * 48 * 3, dtype=np.float32).reshape(60, 48, 3)
    assert crop(picture, [0, 10, 5, 20, 16]).shape == (60, 48, 3)
    np.testing.assert_array_equal(crop(picture, [0, 0, 0, 60, 48]), picture)


def test_examples_of_masks_and_of_ones_own() -> None:
    masks = np.zeros((12, 2, 30, 24), bool)
    masks[:11, 0, 4:28, 4:20] = True
    known = np.ones((12, 1, 30, 24), bool)
    found = ConceptMasks(
        (Concept("body", "part"), Concept("tail", "part")), (30, 24), packed(masks), packed(known), ("part",)
    )
    body, tail = masked_concepts(found, SIZE, 10)
    assert body.enough and body.sources == 10 and not tail.enough
    own = own_concept("mine", [4, 4, 7], SIZE, 10)
    assert own.windows[:, 0].tolist() == [4, 7] and own.share == 1.0 and not own.enough


def test_random_sets() -> None:
    boxes = np.array([[0, 60, 0, 48]] * 4)
    crops = random_crops(boxes, 0.25, SIZE, 3, 8, 1)
    assert crops.windows.shape == (3, 8, 5) and crops.overlap == 0
    assert len(np.unique(crops.windows.reshape(-1, 5), axis=0)) > 20
    apart = random_pictures(range(40), SIZE, 4, 10, 1)
    assert apart.overlap == 0 and len(np.unique(apart.windows[..., 0])) == 40
    shared = random_pictures(range(20), SIZE, 4, 10, 1)
    assert shared.windows.shape == (4, 5, 5) and shared.overlap == 0.25
    assert all(len(np.unique(one[:, 0])) == 5 for one in shared.windows)
    assert random_pictures([], SIZE, 4, 10, 1).windows.shape == (4, 0, 5)


def test_no_more_examples_are_told_of_than_a_random_set_has() -> None:
    own = own_concept("mine", range(40), SIZE, 40)
    (used,) = as_many([own], {1.0: random_pictures(range(40, 88), SIZE, 5, 40, 1)})
    assert len(used.windows) == used.sources == 12 and used.enough
    (few,) = as_many([own], {1.0: random_pictures(range(40, 64), SIZE, 5, 40, 1)})
    assert len(few.windows) == 6 and not few.enough
    assert as_many([own], {}) == [own]
