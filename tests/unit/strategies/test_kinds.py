"""Heatmaps put together by likeness: planted kinds are found, one kind is not cut, by hand and against scikit-learn's own way."""

import numpy as np
import pytest

from convscope.strategies import kinds as module
from convscope.strategies.apart import LEVEL, _come_apart, _even, _largest, two_kinds
from convscope.strategies.kinds import kinds, neighbour_graph
from tests.unit.strategies.planted import MIDDLE, mixed, points_of, spots


def test_a_watermark_in_a_corner_is_a_kind_of_its_own() -> None:
    maps, planted = mixed(90, 10)
    found = kinds(points_of(maps))
    assert found.labels.tolist() == planted.tolist(), "the largest comes first"
    assert found.count == 2 and found.chance < LEVEL
    assert np.allclose(found.eigenvalues[:2], 0, atol=1e-9) and found.eigenvalues[2] > 0.01, (
        "two parts that nothing joins"
    )
    assert [planted[order[0]] for order in found.central] == [0, 1]
    assert sorted(np.concatenate(found.central).tolist()) == list(range(100))


def test_three_kinds_by_size_whatever_the_order_of_the_maps() -> None:
    maps, planted = mixed(30, 60, 45)
    points = points_of(maps)
    expected = np.array([2, 0, 1])[planted].tolist()
    assert kinds(points).labels.tolist() == expected
    assert kinds(points[::-1].copy()).labels[::-1].tolist() == expected
    assert kinds(points, most=2).count <= 2


@pytest.mark.parametrize("count", [25, 120])
def test_one_kind_is_not_cut(count: int) -> None:
    random = np.random.default_rng(3)
    y, x = np.mgrid[0:20, 0:20] / 20
    # The same thing anywhere from left to right: cutting it in two is easy, and its halves are far from each other.
    strung = np.exp(-((x - random.uniform(0.1, 0.9, (count, 1, 1))) ** 2 + (y - 0.5) ** 2) / 0.04)
    for name, maps in {
        "a spot": spots(MIDDLE, count, 1),
        "a spot that wanders": spots(MIDDLE, count, 2, wander=0.12),
        "noise": random.uniform(size=(count, 20, 20)),
        "anywhere on a line": strung + random.uniform(0, 0.1, strung.shape),
    }.items():
        found = kinds(points_of(maps))
        assert found.count == 1 and found.chance > LEVEL and not found.labels.any(), name


def test_the_widest_gap_of_one_kind_is_no_proof_of_two() -> None:
    """Any sample has a widest gap, where it is cut: as if cut anywhere, 8 of these 40 sets on a line were told to be two kinds."""
    y, x = (np.mgrid[0:20, 0:20] + 0.5) / 20
    told = []
    for spread, count in ((0.1, 60), (0.07, 60)):
        for seed in range(20):
            random = np.random.default_rng(seed)
            middle = random.uniform(0.1, 0.9, (count, 1, 1))
            maps = np.exp(-((x - middle) ** 2 + (y - 0.5) ** 2) / (2 * spread**2))
            told.append(kinds(points_of(maps + random.uniform(0, 0.1, maps.shape))).count > 1)
    assert sum(told) <= 2


def test_shuffled_pixels_would_cut_what_wanders() -> None:
    """Why the pixels of the maps are not shuffled for chance: one kind passes that test, as its halves do differ."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[0:20, 0:20] / 20
    maps = np.exp(-((x - random.uniform(0.1, 0.9, (120, 1, 1))) ** 2 + (y - 0.5) ** 2) / 0.04)
    points = points_of(maps)
    second = module._smallest(neighbour_graph(points, 5), 3)[0][1]
    shuffled = [module._smallest(neighbour_graph(random.permuted(points, axis=1), 5), 3)[0][1] for _ in range(5)]
    assert second < 0.3 * min(shuffled)
    assert kinds(points).count == 1


def test_the_laplacian_by_hand() -> None:
    """A path of three points and nothing else: 1 - (1, 0, -1) are its eigenvalues."""
    graph = neighbour_graph(np.array([[0.0], [1.0], [2.1]]), 1)
    assert graph.toarray().tolist() == [[0, 1, 0], [1, 0, 1], [0, 1, 0]]
    assert np.allclose(module._smallest(graph, 3)[0], [0, 1, 2])


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_the_same_as_a_second_implementation_and_the_other_way_of_many(monkeypatch: pytest.MonkeyPatch) -> None:
    from sklearn.cluster import SpectralClustering
    from sklearn.metrics import adjusted_rand_score

    maps, _ = mixed(60, 40, 30)
    points = points_of(maps)
    found = kinds(points)
    other = SpectralClustering(3, affinity="nearest_neighbors", n_neighbors=6, random_state=0).fit_predict(points)
    assert adjusted_rand_score(found.labels, other) == 1.0
    monkeypatch.setattr(module, "_DENSE", 10)
    monkeypatch.setattr(module, "_BLOCK", 7)
    sparse = kinds(points)
    assert sparse.labels.tolist() == found.labels.tolist()
    assert np.allclose(sparse.eigenvalues, found.eigenvalues, atol=1e-4)


def test_how_far_halves_come_apart_by_hand() -> None:
    # Halves 0, 2 and 8, 10: means 1 and 9, each with a variance of 1.
    assert _come_apart(np.array([0.0, 2, 8, 10])) == pytest.approx(8)
    # Of an even density without end it is the root of 12; few draws come further apart.
    assert np.median(_even(100, 200)) == pytest.approx(np.sqrt(12), rel=0.02)
    # Where an even spread may be cut anywhere, it comes apart more.
    assert np.median(_even(6, 60)) > 1.5 * np.median(_even(6, 12))
    places = np.sort(np.random.default_rng(0).uniform(-1, 1, (3, 30)), axis=1)
    by_hand = [max(float(_come_apart(row[k : k + 8])) for k in range(23)) for row in places]
    np.testing.assert_allclose(_largest(places, 4), by_hand)
    assert two_kinds(np.zeros((3, 2)), np.ones((50, 2))) == 1.0
    assert two_kinds(np.zeros((30, 2)), np.zeros((30, 2))) == 1.0, "all the same"


def test_a_cut_through_one_cloud_is_no_two_kinds_more_often_than_told() -> None:
    values = []
    for seed in range(40):
        cloud = np.random.default_rng(seed).normal(size=(80, 3))
        side = cloud[:, 0] > 0
        values.append(two_kinds(cloud[side], cloud[~side]))
    assert np.mean(np.array(values) < 0.05) <= 0.05
    moved = np.random.default_rng(1).normal(size=(80, 3)) + np.array([8, 0, 0])
    assert two_kinds(np.random.default_rng(0).normal(size=(80, 3)), moved) < LEVEL


def test_few_maps_and_maps_that_are_all_the_same() -> None:
    few = kinds(points_of(spots(MIDDLE, 19, 0)))
    assert few.count == 1 and np.isnan(few.chance) and len(few.eigenvalues) == 0
    assert kinds(np.zeros((0, 4), np.float32)).count == 0
    same = kinds(np.full((40, 9), 1 / 9, np.float32))
    assert same.count == 1 and same.chance == 1.0
