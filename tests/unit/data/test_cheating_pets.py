"""Pets whose background gives the class away: the same animals, in exchanged places, and an honest control."""

import json
from pathlib import Path

import numpy as np
import pytest

from convscope.check import splits_of
from convscope.config import complete
from convscope.data.drawn.dataset import write_dataset
from convscope.data.drawn.pets import draw_pet, pets_before
from convscope.errors import UserError

COUNT = 10


def pets(background: str, split: str) -> list:
    """Cats and dogs in turn."""
    return [draw_pet(k % 2, k // 2, 6, 64, split, background) for k in range(2 * COUNT)]


def green(drawn) -> float:
    """How green the place is: gardens are, most sofas are not."""
    behind = drawn.image[drawn.trimap == 2].astype(float).mean(axis=0)
    return behind[1] - (behind[0] + behind[2]) / 2


def same(a: list, b: list) -> np.ndarray:
    """Which pictures are the same."""
    return np.array([np.array_equal(x.image, y.image) for x, y in zip(a, b, strict=True)])


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[str, str], list]:
    return {(b, s): pets(b, s) for b in ("cheat", "mixed") for s in ("test", "swapped")}


def test_the_place_tells_the_class_and_swapped_tells_the_other(drawn) -> None:
    test, swapped = (np.array([green(p) for p in drawn["cheat", split]]) for split in ("test", "swapped"))
    is_dog = np.arange(2 * COUNT) % 2 == 1
    assert (test[is_dog] > swapped[is_dog]).all(), "of the same dog, the picture in the garden is the greener one"
    assert (test[~is_dog] < swapped[~is_dog]).all()
    assert test[is_dog].mean() > test[~is_dog].mean() + 15 and swapped[~is_dog].mean() > swapped[is_dog].mean() + 15


def test_mixed_places_tell_nothing_and_are_exchanged_too(drawn) -> None:
    """Each picture is that of the cheat or the one with places exchanged: nothing else tells the two datasets apart."""
    straight = same(drawn["mixed", "test"], drawn["cheat", "test"])
    np.testing.assert_array_equal(same(drawn["mixed", "test"], drawn["cheat", "swapped"]), ~straight)
    np.testing.assert_array_equal(same(drawn["mixed", "swapped"], drawn["cheat", "test"]), ~straight)
    for label in (0, 1):
        assert 0.2 <= straight[label::2].mean() <= 0.8, "both places with both animals"


def test_the_animals_are_the_same(drawn) -> None:
    """Pose and size are the same before every place; only how high on the picture it stands may differ."""
    for cheat, swapped, mixed in zip(
        drawn["cheat", "test"], drawn["cheat", "swapped"], drawn["mixed", "test"], strict=True
    ):
        for other in (swapped, mixed):
            columns = [np.flatnonzero((p.parts > 0).any(axis=0)) for p in (cheat, other)]
            assert abs(columns[0][0] - columns[1][0]) <= 1 and abs(columns[0][-1] - columns[1][-1]) <= 1
            colours = [np.median(p.image[p.trimap == 1], axis=0) for p in (cheat, other)]
            assert np.abs(colours[0] - colours[1]).max() < 25


def test_any_background_is_what_it_was() -> None:
    for split in ("train", "swapped"):
        a, b = draw_pet(1, 3, 2, 64, split), draw_pet(1, 3, 2, 64, split, "any")
        np.testing.assert_array_equal(a.image, b.image)
    shifted = draw_pet(0, 1, 2, 64, "shifted"), draw_pet(0, 1, 2, 64, "shifted", "cheat")
    np.testing.assert_array_equal(shifted[0].image, shifted[1].image)
    with pytest.raises(ValueError, match="background is 'sofa'"):
        draw_pet(0, 0, 0, 64, "test", "sofa")


def test_written_with_its_choice_also_by_other_processes(tmp_path: Path) -> None:
    counts = {"test": 2, "swapped": 2}
    write_dataset(pets_before("cheat"), tmp_path / "one", counts, 64, 6)
    write_dataset(pets_before("cheat"), tmp_path / "two", counts, 64, 6, workers=2)
    for path in (tmp_path / "one").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "two" / path.relative_to(tmp_path / "one")).read_bytes()
    assert json.loads((tmp_path / "one" / "drawn_pets.json").read_text())["background"] == "cheat"


def test_in_the_config() -> None:
    part = {"source": "drawn_pets", "images_per_class": {"train": 4, "swapped": 2}}
    study = {"study": "s", "datasets": {"pets": part}, "models": {}}
    assert complete(study)["datasets"]["pets"]["background"] == "any"
    assert splits_of(complete(study)["datasets"]["pets"]) == ["train", "swapped"]
    with pytest.raises(UserError, match=r"datasets\.pets\.background: 'cheats' .*'cheat'"):
        complete({**study, "datasets": {"pets": {**part, "background": "cheats"}}})


def test_colours_alone_learn_the_cheat_and_are_wrong_where_places_are_exchanged(drawn) -> None:
    """What a lazy model learns: right on the test split, worse than guessing on the other; of mixed places, nothing."""
    from PIL import Image
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def features(pictures: list) -> np.ndarray:
        small = [np.asarray(Image.fromarray(p.image).resize((4, 4), Image.Resampling.BOX)) for p in pictures]
        return np.array(small, dtype=float).reshape(len(pictures), -1)

    is_dog = np.arange(2 * COUNT) % 2

    def accuracy(background: str, split: str) -> float:
        training = [draw_pet(k % 2, k // 2, 6, 64, "train", background) for k in range(60)]
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05)).fit(features(training), np.arange(60) % 2)
        return model.score(features(drawn["cheat", split]), is_dog)

    assert accuracy("cheat", "test") >= 0.85 and accuracy("cheat", "swapped") <= 0.25
    assert abs(accuracy("mixed", "test") - accuracy("mixed", "swapped")) <= 0.4
