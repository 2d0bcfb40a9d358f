"""A network whose class depends on red, not on blue: what is said of concepts at its layer, and what is found there."""

import h5py
import keras
import numpy as np
import pytest

from convscope.concepts.masks import Concept, ConceptMasks, packed
from convscope.errors import UserError
from convscope.models.spec import ModelSpec
from convscope.vectors import layer as module
from convscope.vectors.examples import masked_concepts, random_crops
from convscope.vectors.factors import BelowZeroError
from convscope.vectors.layer import Asked, Shown, like_masks
from convscope.vectors.network import CutNetwork, layer_to_cut
from convscope.vectors.report import adjusted
from convscope.vectors.selection import chosen_classes, spread_rows, without_copies
from convscope.vectors.study import _nearest, found_of_layer, vectors_of_layer

SIDE, COUNT, SQUARE = 24, 30, 10
RED, BLUE, GREEN = range(3)


def network(head: str = "multiclass", activation: str = "relu", weights=(6.0, 0.0, 0.5)) -> keras.Model:
    image = keras.Input((SIDE, SIDE, 3))
    layer = keras.layers.Conv2D(3, 1, name="planted", use_bias=True)
    maps = keras.layers.Activation(activation, name="behind")(layer(image))
    # Squares, so that the gradient is not the same for all pictures.
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(maps * maps)
    dense = keras.layers.Dense(1 if head == "binary" else 2, name="dense")
    net = keras.Model(image, dense(pooled))
    # Each channel is one colour above the mean of the others.
    kernel = np.array([[1, -0.5, -0.5], [-0.5, -0.5, 1], [-0.5, 1, -0.5]], np.float32).T / 255
    layer.set_weights([kernel[None, None], np.zeros(3, np.float32)])
    column = np.array(weights, np.float32)[:, None]
    dense.set_weights(
        [column if head == "binary" else np.concatenate([-column, column], axis=1), np.zeros(dense.units)]
    )
    return net


def spec(head: str = "multiclass") -> ModelSpec:
    return ModelSpec("planted", (SIDE, SIDE), classes=("cold", "warm"), head=head)


def pictures():
    """Noise, with a red square and a blue one in each picture."""
    rng = np.random.default_rng(2)
    pixels = rng.integers(60, 130, (COUNT, SIDE, SIDE, 3)).astype(np.uint8)
    masks = np.zeros((COUNT, 2, SIDE, SIDE), bool)
    for n in range(COUNT):
        for kind, columns in ((RED, 0), (BLUE, 12)):
            top, left = rng.integers(0, SIDE - SQUARE), columns + int(rng.integers(0, 3))
            masks[n, kind, top : top + SQUARE, left : left + SQUARE] = True
        pixels[n][masks[n, RED]] = (220, 30, 20)
        pixels[n][masks[n, BLUE]] = (20, 30, 220)
    names = (Concept("red square", "part"), Concept("blue square", "part"))
    known = packed(np.ones((COUNT, 1, SIDE, SIDE), bool))
    boxes = np.tile([0, SIDE, 0, SIDE], (COUNT, 1))
    return pixels, ConceptMasks(names, (SIDE, SIDE), packed(masks), known, ("part",)), boxes


def asked_of(net: keras.Model, facts: ModelSpec, pooled: bool = True, layer: str = "planted"):
    pixels, masks, boxes = pictures()
    cut = CutNetwork(net, facts, layer_to_cut(net, layer, "", facts.input_size))
    return Asked(cut, facts, Shown(list(pixels), boxes), pooled), masks, boxes


@pytest.mark.parametrize(("head", "pooled"), [("multiclass", True), ("binary", False)])
def test_a_class_depends_on_red_and_not_on_blue(tmp_path, head: str, pooled: bool) -> None:
    asked, masks, boxes = asked_of(network(head), spec(head), pooled)
    assert asked.network.cut == "behind" and asked.network.shape == (SIDE, SIDE, 3)
    predicted, _, gradients = asked.gradients()
    assert (predicted == 1).all()
    concepts = masked_concepts(masks, (SIDE, SIDE), 20)
    shares = {concept.share for concept in concepts}
    randoms = {share: random_crops(boxes, share, (SIDE, SIDE), 8, 20, 1) for share in shares}
    classes = chosen_classes(asked.network.spec, predicted, "all", "concepts.planted.classes")
    assert [index for index, _ in classes] == [1]
    with h5py.File(tmp_path / "x.h5", "w") as file:
        rows = vectors_of_layer(file.create_group("a"), "planted", asked, concepts, randoms, classes, [gradients], 1)
        vectors = file["a/vectors/vector"][()]
    red, blue = adjusted(rows)
    assert red.verdict == "raises" and red.score > 0.9 and red.accuracy > 0.9
    assert blue.verdict in ("none", "lowers") and red.sensitivity > abs(blue.sensitivity)
    assert blue.accuracy > 0.9 and red.class_ == "warm" and red.of_class == COUNT
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, rtol=1e-5)
    if pooled:
        assert vectors[0, RED] > 0.9 and vectors[1, BLUE] > 0.9


def test_the_derivative_is_that_of_moving_every_place(tmp_path) -> None:
    net, facts = network(), spec()
    asked, _, _ = asked_of(net, facts)
    _, _, gradients = asked.gradients()
    images = np.stack(asked._shown.pixels).astype(np.float32)
    maps = keras.Model(net.inputs[0], net.get_layer("behind").output)(images)
    weights = np.array([6.0, 0.0, 0.5])
    expected = 2 * np.asarray(maps).mean(axis=(1, 2)) * weights
    np.testing.assert_allclose(gradients, expected, rtol=1e-3, atol=1e-5)


def test_what_is_found_is_red_and_is_scored_against_masks(tmp_path) -> None:
    asked, masks, _ = asked_of(network(), spec())
    settings = {"found": 3, "crop": 0.4, "base_points": 64}
    with h5py.File(tmp_path / "x.h5", "w") as file:
        rows = found_of_layer(file.create_group("a"), "planted", asked, masks, [(1, np.arange(COUNT))], settings, 1)
    assert [row.number for row in rows] == [1, 2, 3] and rows[0].importance > 0.9 and rows[0].same == 1
    assert rows[0].concept == "red square" and rows[0].words.startswith("looks like red square (IoU 1.00, chance 0.")
    assert 0 < rows[0].importance_error < 0.3 and rows[0].importance_error > rows[-1].importance_error
    assert rows[0].iou > 2 * rows[0].chance and rows[0].removed > 0
    found, _ = asked.found(np.arange(COUNT), 1, 3, 0.4, 64, 1)
    like, _ = like_masks(found, asked.network, masks, 1)
    assert like.iou.shape == (3, 2)
    # The parts make the answers up, so their logit is the pictures' own.
    np.testing.assert_allclose(found.kept[:, 0], found.kept[:, 1], rtol=0.02)


def test_the_concept_that_each_is_most_like() -> None:
    parts = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.6, 0.8, 0], [0, 0, 1]], np.float32)
    nearest, alike = _nearest(parts)
    assert nearest.tolist()[:3] == [2, 3, 2]
    np.testing.assert_allclose(alike, [0.8, 0.96, 0.96, 0], atol=1e-7)
    assert [found.tolist() for found in _nearest(parts[:1])] == [[0], [0.0]]
    assert len(_nearest(parts[:0])[0]) == 0


def test_a_layer_that_answers_below_zero_is_refused_in_a_line(tmp_path) -> None:
    asked, masks, _ = asked_of(network(activation="silu"), spec())
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("a")
        assert (
            found_of_layer(
                group, "planted", asked, masks, [(1, np.arange(9))], {"found": 2, "crop": 0.5, "base_points": 8}, 1
            )
            == []
        )
        assert "below 0" in group.attrs["refused"]


def test_a_dead_layer_and_one_that_gives_no_numbers(tmp_path) -> None:
    net = network()
    kernel, bias = net.get_layer("planted").get_weights()
    net.get_layer("planted").set_weights([kernel * 0, bias - 1])
    asked, masks, boxes = asked_of(net, spec())
    predicted, _, gradients = asked.gradients()
    concepts = masked_concepts(masks, (SIDE, SIDE), 12)
    randoms = {each.share: random_crops(boxes, each.share, (SIDE, SIDE), 5, 12, 1) for each in concepts}
    tested, _ = asked.tested(concepts, randoms, [gradients], 1)
    assert all(one is not None and one.accuracy == 0.5 and (one.p == 1).all() for one in tested)
    found, error = asked.found(np.arange(COUNT), int(predicted[0]), 3, 0.4, 8, 1)
    assert found.parts.shape == (0, 3) and error == 0
    net.get_layer("dense").set_weights([np.full((3, 2), np.nan), np.zeros(2)])
    with pytest.raises(UserError, match="no number"):
        asked_of(net, spec())[0].gradients()


def test_few_pictures_and_classes() -> None:
    assert chosen_classes(spec(), np.array([0, 0, 1]), "all", "k") == []
    assert [index for index, _ in chosen_classes(spec(), np.array([1, 1, 1]), ["warm", "cold"], "k")] == [1]
    with pytest.raises(UserError, match="did you mean 'warm'"):
        chosen_classes(spec(), np.array([1, 1, 1]), ["wram"], "k")
    assert spread_rows(list(range(10)), 4) == [0, 3, 6, 9] and spread_rows([1], 4) == [1]


def test_of_numbers_each_output_is_asked_with_all_pictures(tmp_path) -> None:
    """Outputs of a regression are not compared: no picture is taken for the first rather than for the second."""
    facts = ModelSpec("planted", (SIDE, SIDE), classes=("minus", "heat"), head="regression")
    asked, masks, boxes = asked_of(network(), facts)
    predicted, _, first = asked.gradients()
    classes = chosen_classes(facts, predicted, ["heat"], "k")
    assert [(index, len(pictures)) for index, pictures in classes] == [(1, COUNT)]
    assert [index for index, _ in chosen_classes(facts, predicted, "all", "k")] == [0, 1]
    second = asked.gradients(1)[2]
    np.testing.assert_allclose(second, -first, rtol=1e-4)  # as the head is planted
    concepts = masked_concepts(masks, (SIDE, SIDE), 20)
    randoms = {each.share: random_crops(boxes, each.share, (SIDE, SIDE), 8, 20, 1) for each in concepts}
    settings = {"found": 3, "crop": 0.4, "base_points": 8}
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("a")
        red, _ = adjusted(vectors_of_layer(group, "planted", asked, concepts, randoms, classes, [second], 1))
        rows = found_of_layer(group, "planted", asked, masks, classes, settings, 1)
    assert red.verdict == "raises" and red.class_ == "heat" and red.of_class == COUNT
    assert rows[0].removed > 0 and np.isnan(rows[0].same)


def test_of_a_picture_that_is_there_twice_no_copy_is_held_out_of_the_other(monkeypatch) -> None:
    rows = [{"path": f"{name}.png", "sha256": digest} for name, digest in zip("abcd", ("1", "2", "1", ""), strict=True)]
    assert [row["path"] for row in without_copies(rows)] == ["a.png", "b.png", "d.png"]
    assert [row["path"] for row in without_copies(rows, ["1"])] == ["b.png", "d.png"]
    asked, masks, boxes = asked_of(network(), spec())
    asked._shown = Shown(asked._shown.pixels, boxes, np.arange(COUNT) // 2)
    seen = []
    monkeypatch.setattr(module, "Examples", lambda activations, sources, *rest: seen.append(sources) or 1 / 0)
    concepts = masked_concepts(masks, (SIDE, SIDE), 12)
    randoms = {each.share: random_crops(boxes, each.share, (SIDE, SIDE), 5, 12, 1) for each in concepts}
    with pytest.raises(ZeroDivisionError):
        asked.tested(concepts, randoms, [], 1)
    assert set(seen[0].tolist()) == set(range(COUNT // 2))


def test_a_layer_is_refused_whole_and_for_that_reason_alone(tmp_path, monkeypatch) -> None:
    asked, masks, _ = asked_of(network(), spec())
    settings = {"found": 2, "crop": 0.5, "base_points": 8}
    classes = [(1, np.arange(9)), (0, np.arange(9))]
    real = asked.found

    def fails(error: Exception):
        def found(pictures, target, *rest):
            if target == 0:
                raise error
            return real(pictures, target, *rest)

        monkeypatch.setattr(asked, "found", found)

    with h5py.File(tmp_path / "x.h5", "w") as file:
        fails(BelowZeroError("answers below 0"))
        group = file.create_group("a")
        assert found_of_layer(group, "planted", asked, masks, classes, settings, 1) == []
        assert "refused" in group.attrs and "found" not in group
        fails(ValueError("something else"))
        with pytest.raises(ValueError, match="something else"):
            found_of_layer(file.create_group("b"), "planted", asked, masks, classes, settings, 1)
