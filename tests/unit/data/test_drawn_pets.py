"""Drawn pets: the same picture from the same numbers, masks that fit the pictures, whole folders or none."""

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from convscope.data.drawn import kinds
from convscope.data.drawn.dataset import _BATCH, write_dataset
from convscope.data.drawn.geometry import closed_curve, ellipse, hull, limb, tufted
from convscope.data.drawn.masks import shrink_parts, trimap_of
from convscope.data.drawn.pets import CLASSES, DRAWN_PETS, PARTS, draw_pet
from convscope.data.drawn.pets.bodies import POSES, build_pet
from convscope.data.drawn.pets.breeds import CATS, DOGS, sample_breed
from convscope.data.drawn.pets.heads import sample_face
from convscope.errors import UserError

REPOSITORY = Path(__file__).parents[3]


def _area(points: np.ndarray) -> float:
    x, y = points[:, 0], points[:, 1]
    return abs(float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))) / 2


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# --- one picture ------------------------------------------------------------------------------------------------------


def test_the_configs_check_knows_the_same_classes() -> None:
    assert kinds.CLASSES["drawn_pets"] == CLASSES


def test_same_numbers_same_picture_in_any_order() -> None:
    first = draw_pet(1, 7, 3, 64, "train")
    draw_pet(0, 1, 9, 64, "shifted")
    again = draw_pet(1, 7, 3, 64, "train")
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)


def test_every_number_changes_the_picture() -> None:
    reference = draw_pet(0, 0, 0, 64, "train").image
    for other in ((1, 0, 0, 64, "train"), (0, 1, 0, 64, "train"), (0, 0, 1, 64, "train"), (0, 0, 0, 64, "test")):
        assert np.abs(draw_pet(*other).image.astype(int) - reference).mean() > 3, other


@pytest.mark.parametrize("size", [64, 97, 128])
def test_shapes_types_and_values(size: int) -> None:
    pet = draw_pet(0, 2, 1, size, "train")
    assert pet.image.shape == (size, size, 3)
    assert pet.parts.shape == pet.trimap.shape == (size, size)
    assert {a.dtype for a in pet} == {np.dtype(np.uint8)}
    assert set(np.unique(pet.parts)) <= set(range(len(PARTS)))
    assert set(np.unique(pet.trimap)) <= {1, 2, 3}


@pytest.mark.parametrize("arguments", [(2, 0, 0, 96, "train"), (0, 0, 0, 63, "train"), (0, 0, 0, 513, "train")])
def test_wrong_label_or_size(arguments: tuple[int, int, int, int, str]) -> None:
    with pytest.raises(ValueError, match=r"must be"):
        draw_pet(*arguments)


@pytest.mark.parametrize("label", [0, 1])
def test_every_animal_has_its_parts(label: int) -> None:
    seen = np.zeros(len(PARTS))
    for index in range(25):
        parts = draw_pet(label, index, 5, 64, "train").parts
        counts = np.bincount(parts.ravel(), minlength=len(PARTS))
        seen += counts > 0
        assert 0.03 < (parts > 0).mean() < 0.95
        assert counts[PARTS.index("head")] > 15
        assert counts[PARTS.index("muzzle")] > 0
    assert seen[PARTS.index("body")] == 25
    assert seen[PARTS.index("ears")] >= 24
    assert seen[PARTS.index("eyes")] >= 22  # a far eye may hide, a tiny closed one fall below a pixel


def test_parts_lie_where_anatomy_has_them() -> None:
    """Ears above the muzzle, eyes between them, the head above the body: on average, over many animals."""
    rows = np.arange(64)[:, None]
    heights: dict[str, list[float]] = {name: [] for name in PARTS}
    for index in range(30):
        parts = draw_pet(index % 2, index, 2, 64, "train").parts
        for value, name in enumerate(PARTS):
            if (parts == value).any():
                heights[name].append(float((rows * (parts == value)).sum() / (parts == value).sum()))
    mean = {name: np.mean(values) for name, values in heights.items()}
    assert mean["ears"] < mean["eyes"] < mean["muzzle"] < mean["body"]


def test_mask_follows_the_picture() -> None:
    """The picture's edges gather on the mask's outline: a mask shifted by some pixels fits worse."""

    def edge_strength(image: np.ndarray, mask: np.ndarray) -> float:
        grey = image.astype(float).mean(axis=2)
        slope = np.abs(np.diff(grey, axis=0, prepend=grey[:1])) + np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))
        outline = (np.diff(mask, axis=0, prepend=mask[:1]) != 0) | (np.diff(mask, axis=1, prepend=mask[:, :1]) != 0)
        return float(slope[outline].mean())

    fits, misfits = [], []
    for index in range(12):
        pet = draw_pet(index % 2, index, 4, 128, "train")
        animal = (pet.parts > 0).astype(np.int8)
        fits.append(edge_strength(pet.image, animal))
        misfits += [edge_strength(pet.image, np.roll(animal, (dy, dx), (0, 1))) for dy, dx in ((6, 6), (-6, 6))]
    assert np.mean(fits) > 1.5 * np.mean(misfits)


def test_occluders_leave_the_mask() -> None:
    """What covers the animal is background: shifted masks hold fewer animal pixels, and in more pieces of outline."""
    plain, shifted = (
        np.mean([(draw_pet(i % 2, i, 6, 64, split).parts > 0).mean() for i in range(40)])
        for split in ("train", "shifted")
    )
    assert shifted < 0.92 * plain


def test_classes_share_everything_but_shape() -> None:
    """Mean colours and sizes do not tell cats from dogs: the classes differ by no more than chance allows."""
    statistics: list[np.ndarray] = []
    for label in (0, 1):
        pets = [draw_pet(label, i, 8, 64, "train") for i in range(60)]
        statistics.append(
            np.array(
                [
                    [*p.image.mean(axis=(0, 1)), *p.image[p.parts > 0].mean(axis=0), 100 * (p.parts > 0).mean()]
                    for p in pets
                ]
            )
        )
    cats, dogs = statistics
    error = np.sqrt(cats.var(axis=0) / len(cats) + dogs.var(axis=0) / len(dogs))
    assert (np.abs(cats.mean(axis=0) - dogs.mean(axis=0)) / error).max() < 4


# --- trimap and masks -------------------------------------------------------------------------------------------------


def test_trimap_of_a_square() -> None:
    parts = np.zeros((64, 64), dtype=np.uint8)
    parts[20:40, 20:40] = 1
    trimap = trimap_of(parts)
    assert trimap[30, 30] == 1 and trimap[5, 5] == 2
    assert (trimap[30, 18:22] == [2, 3, 3, 1]).all()
    assert (trimap == 1).sum() == 18 * 18
    assert (trimap == 2).sum() == 64 * 64 - 22 * 22


@pytest.mark.parametrize("split", ["train", "shifted"])
def test_trimap_matches_parts(split: str) -> None:
    pet = draw_pet(1, 3, 2, 96, split)
    assert (pet.parts[pet.trimap == 1] > 0).all()
    assert (pet.parts[pet.trimap == 2] == 0).all()
    np.testing.assert_array_equal(pet.trimap, trimap_of(pet.parts))


def test_shrinking_takes_the_majority_and_the_front_at_a_tie() -> None:
    blocks = np.array([[0, 0, 1, 1, 2, 2], [0, 5, 4, 4, 2, 1]], dtype=np.uint8)
    np.testing.assert_array_equal(shrink_parts(blocks), [[0, 4, 2]])
    np.testing.assert_array_equal(shrink_parts(np.array([[5, 5], [1, 0]], dtype=np.uint8)), [[5]])
    np.testing.assert_array_equal(shrink_parts(np.array([[0, 0], [1, 5]], dtype=np.uint8)), [[0]])
    np.testing.assert_array_equal(shrink_parts(np.array([[1, 4], [4, 5]], dtype=np.uint8)), [[4]])


# --- shapes -----------------------------------------------------------------------------------------------------------


def test_curves() -> None:
    circle = closed_curve([(np.cos(t), np.sin(t)) for t in np.linspace(0, 2 * np.pi, 16, endpoint=False)], 8)
    np.testing.assert_allclose(np.hypot(circle[:, 0], circle[:, 1]), 1, atol=2e-3)
    assert _area(ellipse(3, 4, 2, 1, 0.7, 200)) == pytest.approx(2 * np.pi, rel=1e-3)
    assert _area(limb([(0, 0), (10, 0)], [1, 1])) == pytest.approx(20 + np.pi, rel=0.03)
    square = hull(np.array([[0, 0], [2, 0], [2, 2], [0, 2], [1, 1], [0.5, 1.5]], dtype=float))
    assert sorted(map(tuple, square)) == [(0, 0), (0, 2), (2, 0), (2, 2)]


def test_tufts_stick_out() -> None:
    smooth = ellipse(0, 0, 10, 10)
    for outline in (smooth, smooth[::-1]):
        furry = tufted(outline, 1.0, np.random.default_rng(0))
        assert _area(furry) > _area(smooth)
        assert np.hypot(furry[:, 0], furry[:, 1]).max() < 12


@pytest.mark.parametrize("pose", POSES)
def test_no_floating_parts(pose: str) -> None:
    """Every breed in every pose: each filled shape touches the animal painted so far or after it."""
    for label, breeds in enumerate((CATS, DOGS)):
        for breed in breeds:
            rng = np.random.default_rng(1)
            face = sample_face(rng, label, (200, 150, 140))
            boxes = [
                (s.outline.min(axis=0), s.outline.max(axis=0)) for s in build_pet(breed, face, pose, rng) if s.part
            ]
            for k, (low, high) in enumerate(boxes):
                others = boxes[:k] + boxes[k + 1 :]
                assert any((low <= b).all() and (a <= high).all() for a, b in others), (breed.name, k)


def test_breeds_overlap_on_purpose() -> None:
    """Some dogs have pointed ears and some cats have not: no single feature settles the class."""
    assert {b.ear for b in DOGS} & {b.ear for b in CATS} >= {"pointed", "bat"}
    assert any(b.ear == "folded" for b in CATS)
    rng = np.random.default_rng(0)
    assert len({sample_breed(rng, 1).name for _ in range(200)}) > 0.7 * len(DOGS)


# --- folders ----------------------------------------------------------------------------------------------------------


def test_folder_is_the_same_for_any_number_of_workers(tmp_path: Path) -> None:
    counts = {"train": _BATCH + 2, "shifted": 2}
    steps: list[int] = []
    write_dataset(DRAWN_PETS, tmp_path / "one", counts, 64, 3, steps.append)
    write_dataset(DRAWN_PETS, tmp_path / "two", counts, 64, 3, workers=2)
    one = _digests(tmp_path / "one")
    assert one == _digests(tmp_path / "two")
    assert sum(steps) == 2 * sum(counts.values())
    assert len(one) == 3 * 2 * sum(counts.values()) + 2  # and drawn_pets.json, masks/parts.json
    assert sorted(p.name for p in tmp_path.iterdir()) == ["one", "two"]
    for label, name in enumerate(CLASSES):
        pet = draw_pet(label, 1, 3, 64, "shifted")
        file = Path("shifted", name, f"{name}_00001.png")
        for kind, expected in (("", pet.image), ("masks", pet.parts), ("trimaps", pet.trimap)):
            np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "one" / kind / file)), expected)


def test_splits_share_no_picture(tmp_path: Path) -> None:
    write_dataset(DRAWN_PETS, tmp_path / "pets", {"train": 12, "validation": 12, "test": 12}, 64, 0)
    pictures = [d for n, d in _digests(tmp_path / "pets").items() if n.split("/")[0] in ("train", "validation", "test")]
    assert len(pictures) == len(set(pictures)) == 72


def test_more_pictures_keep_the_first_ones(tmp_path: Path) -> None:
    write_dataset(DRAWN_PETS, tmp_path / "few", {"test": 2}, 64, 0)
    write_dataset(DRAWN_PETS, tmp_path / "many", {"train": 1, "test": 4}, 64, 0)
    few, many = _digests(tmp_path / "few"), _digests(tmp_path / "many")
    pictures = {name for name in few if name.endswith(".png")}
    assert all(few[name] == many[name] for name in pictures)


def test_leftovers_of_a_killed_run_do_not_survive(tmp_path: Path) -> None:
    for leftover in (".pets.abc.partial", ".pets.abc-old.partial"):
        (tmp_path / leftover / "train").mkdir(parents=True)
        (tmp_path / leftover / "train" / "half.png").write_bytes(b"half")
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "stale.png").write_bytes(b"stale")
    write_dataset(DRAWN_PETS, tmp_path / "pets", {"test": 1}, 64, 0)
    assert [p.name for p in tmp_path.iterdir()] == ["pets"]
    assert not list(tmp_path.rglob("half.png")) and not list(tmp_path.rglob("stale.png"))


def test_killed_in_the_middle_then_run_again(tmp_path: Path) -> None:
    """kill -9 leaves no folder, no workers that go on writing, and nothing the next run could take for its own."""
    call = "write_dataset(DRAWN_PETS, sys.argv[1], {'test': 400}, 64, 0, workers=2)"
    imports = "from convscope.data.drawn.pets import DRAWN_PETS; from convscope.data.drawn.dataset import write_dataset"
    code = f"import sys; {imports}; {call}"
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path / "pets")], cwd=REPOSITORY) as process:
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".pets.*.partial/test/cat/*.png")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.kill()
    assert [p.suffix for p in tmp_path.iterdir()] == [".partial"]
    write_dataset(DRAWN_PETS, tmp_path / "pets", {"test": 3}, 64, 0)
    assert (tmp_path / "pets").exists()
    assert len(list((tmp_path / "pets").rglob("*.png"))) == 18
    time.sleep(0.5)
    written = len(list(tmp_path.rglob("*.png")))
    time.sleep(0.5)
    assert len(list(tmp_path.rglob("*.png"))) == written


def test_a_failure_leaves_no_folder(tmp_path: Path) -> None:
    def fail(done: int) -> None:
        raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        write_dataset(DRAWN_PETS, tmp_path / "pets", {"test": 1}, 64, 0, fail)
    assert not (tmp_path / "pets").exists()


@pytest.mark.parametrize(
    ("counts", "size", "message"),
    [
        ({}, 96, "at least one split"),
        ({"train": 0}, 96, "'train' is 0"),
        ({"train": True}, 96, "'train' is True"),
        ({"../up": 1}, 96, "'../up' cannot name"),
        ({"masks": 1}, 96, "'masks' cannot name"),
        ({"train": 1}, 32, "image_size is 32"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path: Path, counts: dict[str, int], size: int, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        write_dataset(DRAWN_PETS, tmp_path / "pets", counts, size, 0)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_script(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "scripts.draw_pets",
        "--out",
        str(tmp_path / "pets"),
        "--size",
        "64",
        "--background",
        "any",
        "--seed",
        "2",
    ]
    log = tmp_path / "log.txt"
    done = subprocess.run(
        [*command, "--counts", json.dumps({"train": 2}), "--threads", "2", "--log", str(log)],
        cwd=REPOSITORY,
        check=False,
    )
    assert done.returncode == 0, log.read_text()
    assert "4/4 images" in log.read_text()
    expected = draw_pet(1, 1, 2, 64, "train").image
    picture = np.asarray(Image.open(tmp_path / "pets" / "train" / "dog" / "dog_00001.png"))
    np.testing.assert_array_equal(picture, expected)
    wrong = subprocess.run([*command, "--counts", "many"], cwd=REPOSITORY, check=False, capture_output=True, text=True)
    assert wrong.returncode == 1
    assert wrong.stderr.strip().splitlines()[-1].startswith("draw_pets: error: --counts")
