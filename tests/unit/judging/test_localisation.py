"""Pointing game and energy against masks, with a model that has one planted pixel."""

import numpy as np
import pytest
from PIL import Image

from convscope.data.regions import fit_mask, part_masks
from convscope.judging.controls import MAPS, centre_blob, edges
from convscope.judging.localisation import chance, energy_inside, pointing_game
from convscope.judging.names import CONTROLS
from convscope.pictures.read import fit_image


def square(side: int, top: int, left: int, size: int) -> np.ndarray:
    mask = np.zeros((side, side), bool)
    mask[top : top + size, left : left + size] = True
    return mask


def test_a_planted_pixel_makes_the_pointing_game_exact() -> None:
    # The model is f(x) = x[5, 3]; its gradient is one pixel. Whatever holds that pixel is hit, nothing else.
    gradient = np.zeros((16, 16))
    gradient[5, 3] = 2.0
    hits = np.array([[pointing_game(gradient, square(16, i, j, 1)) for j in range(16)] for i in range(16)])
    assert hits[5, 3] == 1 and hits.sum() == 1
    assert energy_inside(gradient, square(16, 4, 2, 3)) == 1
    assert energy_inside(gradient, square(16, 8, 8, 8)) == 0


@pytest.mark.parametrize("value", [0.0, 0.7, -3.0])
def test_a_constant_map_is_no_hit(value: float) -> None:
    heat = np.full((8, 8), value)
    corner = square(8, 0, 0, 4)  # argmax of a constant map would point here
    assert pointing_game(heat, corner) == 0
    assert pointing_game(heat, np.ones((8, 8), bool)) == 0
    assert energy_inside(heat, corner) == pytest.approx(chance(corner) if value > 0 else 0)


def test_a_map_that_is_not_finite_is_no_hit() -> None:
    assert pointing_game(np.full((4, 4), np.nan), np.ones((4, 4), bool)) == 0


def test_a_plateau_counts_by_its_share() -> None:
    heat = np.zeros((8, 8))
    heat[2:4, 0:4] = 1.0  # eight maxima, the mask holds two of them
    mask = square(8, 2, 3, 2)
    assert pointing_game(heat, mask) == 0.25
    # The share does not depend on where the plateau begins.
    assert pointing_game(heat[::-1, ::-1], mask[::-1, ::-1]) == 0.25


def test_tolerance_widens_the_mask_round() -> None:
    heat = np.zeros((9, 9))
    heat[4, 7] = 1.0
    mask = square(9, 4, 4, 1)
    assert [pointing_game(heat, mask, t) for t in (0, 2, 3)] == [0, 0, 1]
    assert pointing_game(heat, np.zeros((9, 9), bool), 3) == 0


def test_chance_of_the_pointing_game_knows_its_tolerance() -> None:
    mask = square(40, 18, 17, 3)
    places = np.zeros((1600, 40, 40))
    places[np.arange(1600), np.arange(1600) // 40, np.arange(1600) % 40] = 1.0
    for tolerance in (0, 1, 4, 15):
        hits = np.mean([pointing_game(heat, mask, tolerance) for heat in places])
        assert chance(mask, tolerance) == pytest.approx(hits)
    assert chance(mask) == 9 / 1600 < chance(mask, 4) / 5
    assert chance(np.zeros((4, 4), bool), 3) == 0


def test_energy_counts_evidence_for_the_class_only() -> None:
    heat = np.array([[2.0, -5.0], [1.0, 1.0]])
    mask = np.array([[True, True], [False, False]])
    assert energy_inside(heat, mask) == 0.5


def test_random_maps_get_the_mask_s_area() -> None:
    mask = square(16, 1, 2, 6)
    rng = np.random.default_rng(0)
    maps = rng.random((2000, 16, 16))
    hits = np.mean([pointing_game(heat, mask) for heat in maps])
    assert hits == pytest.approx(chance(mask), abs=4 * np.sqrt(0.14 * 0.86 / 2000))
    assert np.mean([energy_inside(heat, mask) for heat in maps[:200]]) == pytest.approx(chance(mask), abs=0.005)


def test_regions_of_a_part_mask() -> None:
    mask = np.array([[0, 1, 1], [2, 2, 3], [0, 0, 0]], np.uint8)
    regions = part_masks(mask, ["background", "body", "head", "body"])
    assert list(regions) == ["object", "body", "head"]
    assert regions["object"].sum() == 5 and regions["body"].sum() == 3  # two values of one name
    assert list(part_masks(mask, [])) == ["object"]


def test_regions_of_a_trimap() -> None:
    trimap = np.array([[2, 3, 1], [2, 3, 1]], np.uint8)
    regions = part_masks(trimap, ["", "animal", "background", "border"])
    assert list(regions) == ["object", "animal"]
    np.testing.assert_array_equal(regions["object"], trimap == 1)


@pytest.mark.parametrize("resize", ["crop", "stretch", "pad"])
def test_masks_are_fitted_like_their_pictures(resize: str) -> None:
    mask = np.zeros((40, 60), np.uint8)
    mask[10:30, 5:30], mask[10:30, 30:55] = 2, 7
    fitted = fit_mask(mask, (20, 24), resize)
    assert set(np.unique(fitted)) <= {0, 2, 7}  # nothing between 2 and 7 was invented at their border
    picture = fit_image(np.repeat(((mask > 0) * 255).astype(np.uint8)[..., None], 3, axis=2), (20, 24), resize)
    solid = np.abs(picture[..., 0].astype(int) - 127) > 100  # away from the blurred outline
    np.testing.assert_array_equal((fitted > 0)[solid], (picture[..., 0] > 127)[solid])
    same = fit_mask(mask, (40, 60), resize)
    np.testing.assert_array_equal(same, mask)
    assert same is not mask


def test_controls() -> None:
    rng = np.random.default_rng(0)
    images = rng.uniform(0, 255, (2, 12, 20, 3)).astype(np.float32)
    assert set(MAPS) == set(CONTROLS)
    for name, make in MAPS.items():
        maps = make(images, ["a", "b"], 3)
        assert maps.shape == (2, 12, 20) and maps.dtype == np.float32 and np.isfinite(maps).all(), name
        np.testing.assert_array_equal(maps[1:], make(images[1:], ["b"], 3))
        assert make(images[:0], [], 3).shape == (0, 12, 20)
    blob = centre_blob(images, ["a", "b"])[0]
    np.testing.assert_allclose(blob, blob[::-1, ::-1], rtol=1e-6)
    assert blob.max() == blob[5, 9] and blob.min() == blob[0, 0]
    step = np.zeros((1, 8, 8, 3), np.float32)
    step[:, :, 4:] = 255
    found = edges(step, ["a"])[0]
    assert set(np.nonzero(found.any(axis=0))[0].tolist()) == {3, 4}
    assert found[4, 3] == pytest.approx(4 * 255, rel=1e-5)


def test_the_mask_of_a_drawn_pet_covers_its_pet(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from convscope.data.drawn.pets.pets import draw_pet
    from convscope.data.drawn.pets.shapes import PARTS

    pet = draw_pet(1, 0, 5, 64, "test")
    Image.fromarray(pet.parts).save(tmp_path / "mask.png")
    mask = np.asarray(Image.open(tmp_path / "mask.png"))
    regions = part_masks(fit_mask(mask, (48, 48), "crop"), PARTS)
    assert 0.05 < chance(regions["object"]) < 0.9
    assert "head" in regions
    assert (regions["head"] & ~regions["object"]).sum() == 0
