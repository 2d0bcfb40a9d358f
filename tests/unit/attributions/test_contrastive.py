"""Contrastive explanations: closed form on linear models, the box, the search over c, both heads, what cannot succeed."""

import keras
import numpy as np
import pytest

from convscope.attributions.base import heat
from convscope.attributions.class_scores import ClassScores
from convscope.attributions.contrastive import Search, box
from convscope.attributions.registry import explainer
from convscope.errors import UserError
from convscope.judging.explainers import explainers
from convscope.judging.localisation import energy_inside
from convscope.judging.store import heat_of
from convscope.models.spec import ModelSpec

SIDE = 4
BLACK = np.zeros(3, np.float32)


def linear(weights: np.ndarray, bias: np.ndarray, channels: str = "rgb") -> tuple[keras.Model, ModelSpec]:
    """A linear network on model space -1..1 whose logits are `w.u + b` for u = RGB 0..1: (SIDE, SIDE, 3, units)."""
    image = keras.Input((SIDE, SIDE, 3))
    model = keras.Model(image, keras.layers.Dense(weights.shape[-1])(keras.layers.Flatten()(image)))
    # u = (x + 1) / 2.
    own = weights[:, :, ::-1] if channels == "bgr" else weights
    model.set_weights([own.reshape(-1, weights.shape[-1]) / 2, bias + weights.sum(axis=(0, 1, 2)) / 2])
    classes = ("cat", "dog") if weights.shape[-1] == 1 else ("a", "b", "c")
    head = "binary" if weights.shape[-1] == 1 else "multiclass"
    spec = ModelSpec(
        "small", (SIDE, SIDE), scale=(1 / 127.5,) * 3, offset=(-1.0,) * 3, channels=channels, classes=classes, head=head
    )
    return model, spec


def least_l1(weights: np.ndarray, margin: float, room: np.ndarray) -> float:
    """The least sum of changes that lowers `w.u` by `margin`: the heaviest weights first, each up to its room."""
    order = np.argsort(-weights.ravel())
    total = 0.0
    for weight, space in zip(weights.ravel()[order], room.ravel()[order], strict=True):
        if weight <= 0 or margin <= 0:
            break
        used = min(space, margin / weight)
        total, margin = total + used, margin - used * weight
    assert margin <= 1e-6
    return total


@pytest.mark.parametrize("channels", ["rgb", "bgr"])
def test_pertinent_negative_of_a_linear_model_flips_at_the_least_cost(channels: str) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(0, 3, (SIDE, SIDE, 3, 1))
    picture = rng.uniform(0.1, 0.6, (SIDE, SIDE, 3)).astype(np.float32)
    bias = 4 - (weights[..., 0] * picture).sum()
    model, spec = linear(weights, np.array([bias]), channels)
    settings = {"neutral": [0, 0, 0], "iterations": 200}
    images = spec.preprocess(picture[None] * 255)
    found = explainer("pertinent_negative", model, spec, settings)(images, np.array([1]), ["a"])
    delta = found.maps[0]
    assert found.facts["success"][0] and found.facts["new_class"][0] == 0
    assert found.facts["new_probabilities"][0, 0] > 0.5
    # Only additions, inside the range: against black, adding is brightening.
    assert delta.min() >= 0 and (picture + delta).max() <= 1 + 1e-6
    # Independently: the logit is 4 + w.d.
    assert 4 + (weights[..., 0] * delta).sum() < 0
    least = least_l1(-weights[..., 0], 4.0, 1 - picture)
    assert least - 1e-4 <= np.abs(delta).sum() < 1.05 * least
    assert found.facts["l1"][0] == pytest.approx(np.abs(delta).sum(), rel=1e-5)
    assert found.facts["l2"][0] == pytest.approx(np.sqrt((delta**2).sum()), rel=1e-5)


def test_pertinent_positive_of_a_linear_model_is_the_heaviest_part() -> None:
    rng = np.random.default_rng(1)
    weights = rng.normal(0.5, 3, (SIDE, SIDE, 3, 1))
    picture = rng.uniform(0.2, 0.9, (SIDE, SIDE, 3)).astype(np.float32)
    # Nothing at all is a cat by 5; the whole picture is a dog.
    model, spec = linear(weights, np.array([-5.0]))
    assert (weights[..., 0] * picture).sum() > 5
    settings = {"neutral": [0, 0, 0], "iterations": 200}
    images = spec.preprocess(picture[None] * 255)
    found = explainer("pertinent_positive", model, spec, settings)(images, np.array([1]), ["a"])
    delta = found.maps[0]
    assert found.facts["success"][0] and found.facts["new_class"][0] == 1
    assert delta.min() >= 0 and (delta <= picture + 1e-6).all()
    assert (weights[..., 0] * delta).sum() > 5
    least = least_l1(weights[..., 0], 5.0, picture)
    assert least - 1e-4 <= np.abs(delta).sum() < 1.05 * least
    assert (delta > 0).mean() < 0.5


def three_classes() -> tuple[keras.Model, ModelSpec, np.ndarray]:
    rng = np.random.default_rng(2)
    weights = rng.normal(0, 2, (SIDE, SIDE, 3, 3))
    pictures = rng.uniform(0, 1, (3, SIDE, SIDE, 3)).astype(np.float32)
    model, spec = linear(weights, np.zeros(3))
    return model, spec, spec.preprocess(pictures * 255)


@pytest.mark.parametrize("method", ["pertinent_negative", "pertinent_positive"])
@pytest.mark.parametrize("margin", ["logit", "probability"])
def test_three_classes_checked_by_predicting_again(method: str, margin: str) -> None:
    model, spec, images = three_classes()
    predicted = model(images).numpy().argmax(axis=1)
    settings = {"neutral": [128, 128, 128], "iterations": 80, "margin": margin}
    found = explainer(method, model, spec, settings)(images, predicted, ["a", "b", "c"])
    assert found.facts["success"].all()
    positive = method == "pertinent_positive"
    base = np.full(images.shape, 128 / 255) if positive else (images + 1) / 2
    again = model(((base + found.maps) * 2 - 1).astype(np.float32)).numpy().argmax(axis=1)
    np.testing.assert_array_equal(again, found.facts["new_class"])
    assert ((again == predicted) == positive).all()
    low, high = box(((images + 1) / 2).astype(np.float32), np.full(3, 128 / 255, np.float32), positive)
    assert (found.maps >= low - 1e-6).all() and (found.maps <= high + 1e-6).all()


def test_the_box_has_an_adding_and_a_keeping_side() -> None:
    pictures = np.array([0.2, 0.5, 0.9], np.float32).reshape(1, 1, 1, 3)
    neutral = np.full(3, 0.5, np.float32)
    low, high = box(pictures, neutral, positive=False)
    # Darker than neutral may darken, brighter may brighten; neutral itself may do both.
    np.testing.assert_allclose(low.ravel(), [-0.2, -0.5, 0], atol=1e-6)
    np.testing.assert_allclose(high.ravel(), [0, 0.5, 0.1], atol=1e-6)
    low, high = box(pictures, neutral, positive=True)
    np.testing.assert_allclose(low.ravel(), [-0.3, 0, 0], atol=1e-6)
    np.testing.assert_allclose(high.ravel(), [0, 0, 0.4], atol=1e-6)


def test_c_grows_until_a_success_and_then_halves_the_gap() -> None:
    weights = np.zeros((SIDE, SIDE, 3, 1))
    weights[0, 0, 0] = -8
    model, spec = linear(weights, np.array([4.0]))
    search = Search(ClassScores(model, spec), False, iterations=60, constant=0.1, searches=8)
    found = search(np.zeros((1, SIDE, SIDE, 3), np.float32), np.array([1]), BLACK)
    # A step moves the only pixel that matters where 0.01 c 8 > 0.1, so from c = 1.25 on.
    constants, successes = found.constants[0], found.successes[0]
    np.testing.assert_allclose(constants[:3], [0.1, 1.0, 10.0], rtol=1e-5)
    assert successes[:3].tolist() == [False, False, True]
    np.testing.assert_allclose(constants[3], 5.5)
    for before, success, after in zip(constants[2:-1], successes[2:-1], constants[3:], strict=True):
        assert (after < before) == success
    assert found.constant[0] in constants[successes]
    # What never moves is not iterated.
    assert found.iterations[0] == 2 + 6 * 60
    assert np.flatnonzero(found.delta).tolist() == [0] and 0.5 < found.delta[0, 0, 0, 0] < 0.62


def test_what_has_the_class_with_nothing_kept_needs_nothing() -> None:
    weights = np.full((SIDE, SIDE, 3, 1), 0.01)
    model, spec = linear(weights, np.array([1.0]))
    found = Search(ClassScores(model, spec), True, iterations=20, searches=2)(
        np.full((2, SIDE, SIDE, 3), 0.7, np.float32), np.array([1, 0]), BLACK
    )
    assert found.success.tolist() == [True, False] and not found.delta[0].any()
    # For every other c it is the same.
    assert found.iterations[0] == 1 and found.successes[0].tolist() == [True, True]


def test_those_that_move_are_not_held_up_nor_changed_by_those_that_do_not() -> None:
    rng = np.random.default_rng(3)
    weights = rng.normal(0, 1, (SIDE, SIDE, 3, 3))
    pictures = rng.uniform(0, 1, (5, SIDE, SIDE, 3)).astype(np.float32)
    pictures[1] = 1  # nothing can be added
    bias = np.array([0.1, 0.0, -0.1])
    model, spec = linear(weights, bias)
    targets = (pictures.reshape(5, -1) @ weights.reshape(-1, 3) + bias).argmax(axis=1)
    search = Search(ClassScores(model, spec), False, iterations=60, constant=1.0, searches=4)
    grey = np.full(3, 0.5, np.float32)
    together = search(pictures, targets, grey)
    assert len(set(together.iterations.tolist())) > 1
    for row in range(5):
        alone = search(pictures[row : row + 1], targets[row : row + 1], grey)
        np.testing.assert_allclose(alone.delta[0], together.delta[row], atol=1e-5)
        np.testing.assert_array_equal(alone.successes[0], together.successes[row])
        assert alone.iterations[0] == together.iterations[row]


def test_where_nothing_can_be_added_the_failure_is_said() -> None:
    weights = np.full((SIDE, SIDE, 3, 1), 5.0)
    model, spec = linear(weights, np.array([1.0]))
    images = np.zeros((1, SIDE, SIDE, 3), np.float32)
    settings = {"neutral": [0, 0, 0], "iterations": 20, "searches": 4}
    found = explainer("pertinent_negative", model, spec, settings)(images, np.array([1]), ["a"])
    assert not found.facts["success"][0] and not found.maps.any()
    assert found.facts["new_class"][0] == 1 and np.isnan(found.facts["constant"][0])
    np.testing.assert_allclose(found.facts["constants"][0], [10, 100, 1000, 10000])


def test_a_class_that_is_not_predicted_has_none() -> None:
    model, spec, images = three_classes()
    predicted = model(images).numpy().argmax(axis=1)
    settings = {"iterations": 20, "searches": 2}
    found = explainer("pertinent_negative", model, spec, settings)(images, (predicted + 1) % 3, ["a", "b", "c"])
    assert not found.facts["success"].any() and not found.maps.any()


def test_neither_batch_nor_order_changes_a_map() -> None:
    model, spec, images = three_classes()
    predicted = model(images).numpy().argmax(axis=1)
    method = explainer("pertinent_negative", model, spec, {"iterations": 50})
    together = method(images, predicted, ["a", "b", "c"])
    for row in (2, 0):
        alone = method(images[row : row + 1], predicted[row : row + 1], ["x"])
        np.testing.assert_allclose(alone.maps[0], together.maps[row], atol=1e-5)
        np.testing.assert_allclose(alone.facts["constants"][0], together.facts["constants"][row], rtol=1e-5)


def test_k_demands_more_than_a_tie() -> None:
    weights = np.zeros((SIDE, SIDE, 3, 1))
    weights[..., 0] = -2
    model, spec = linear(weights, np.array([4.0]))
    images = -np.ones((1, SIDE, SIDE, 3), np.float32)
    for k in (0.0, 3.0):
        settings = {"neutral": [0, 0, 0], "iterations": 80, "k": k}
        found = explainer("pertinent_negative", model, spec, settings)(images, np.array([1]), ["a"])
        logit = float(model((found.maps * 2 - 1).astype(np.float32)).numpy()[0, 0])
        assert found.facts["success"][0] and -k - 2 < logit <= -k + 1e-4


def test_the_autoencoder_term_keeps_the_change_where_pictures_live() -> None:
    """Two pixels flip the class alike; an auto-encoder that knows only one of them bright makes that one cheaper."""
    weights = np.zeros((SIDE, SIDE, 3, 1))
    weights[0, 0, 0] = weights[3, 3, 0] = -8
    model, spec = linear(weights, np.array([4.0]))
    allowed = np.zeros((1, SIDE, SIDE, 3), np.float32)
    allowed[0, 3, 3, 0] = 1

    def autoencoder(pictures, training=False):  # type: ignore[no-untyped-def]
        return pictures * allowed

    black = np.zeros((1, SIDE, SIDE, 3), np.float32)
    search = Search(ClassScores(model, spec), False, iterations=100, gamma=40.0, autoencoder=autoencoder)
    found = search(black, np.array([1]), BLACK)
    assert found.success[0]
    assert found.delta[0, 3, 3, 0] > 2 * abs(found.delta[0, 0, 0, 0])
    without = Search(ClassScores(model, spec), False, iterations=100)(black, np.array([1]), BLACK)
    assert without.delta[0, 3, 3, 0] == pytest.approx(without.delta[0, 0, 0, 0], rel=1e-3)


def test_a_black_object_that_is_kept_counts_like_a_white_one() -> None:
    """Class 1 is a dark square on white, then a white one on black; all else is grey. What is kept lies in the square."""
    square = np.zeros((SIDE, SIDE), bool)
    square[1:3, 1:3] = True
    for sign in (-1, 1):
        weights = sign * 4.0 * square[..., None, None] * np.ones((1, 1, 3, 1))
        # Grey has no class: the square as it is, 12 channels that are half the range away, gives a logit of 24 - 10.
        model, spec = linear(weights, np.array([-10.0 - weights.sum() / 2]))
        picture = np.where(square[..., None], (1 + sign) / 2, (1 - sign) / 2) * np.ones(3)
        images = spec.preprocess(picture[None].astype(np.float32) * 255)
        explain = explainer("pertinent_positive", model, spec, {"iterations": 100, "searches": 4})
        found = explain(images, np.array([1]), ["a"])
        assert found.facts["success"][0] and np.sign(found.maps[found.maps != 0]).tolist() == [sign] * np.count_nonzero(
            found.maps
        )
        warm = heat(found.maps, explain.signed)[0]
        assert (warm[square] > 0).all() and not warm[~square].any() and energy_inside(warm, square) == 1


@pytest.mark.parametrize("method", ["pertinent_negative", "pertinent_positive"])
def test_a_change_of_colour_alone_is_a_change(method: str) -> None:
    change = np.zeros((1, SIDE, SIDE, 3), np.float32)
    change[0, 0, 0] = [0.5, -0.5, 0]
    assert heat_of(method, change)[0, 0, 0] == 0.5 and np.count_nonzero(heat_of(method, change)) == 1


def by_hand(
    weights: np.ndarray, bias: np.ndarray, picture: np.ndarray, target: int, positive: bool, settings: dict[str, float]
) -> tuple[np.ndarray, list[float], list[bool]]:
    """The paper's search (1802.07623, eq. 1 to 4 and 8 to 9) on logits that are linear in RGB 0..1; numpy, one picture, float64.

    Of a step: gradient of `c max(margin, -k) + |d|^2` at the slack point, shrinkage by b, projection on the box, momentum.
    """
    flat, grey = picture.reshape(-1).astype(np.float64), np.full(picture.size, 0.5)
    low, high = (np.minimum(flat - grey, 0), np.maximum(flat - grey, 0)) if positive else (
        np.where(flat <= 0.5, -flat, 0), np.where(flat >= 0.5, 1 - flat, 0))  # fmt: skip
    base = grey if positive else flat
    matrix = weights.reshape(flat.size, -1)
    b, k, rate0, steps = settings["b"], settings["k"], settings["learning_rate"], int(settings["iterations"])

    def margin(change: np.ndarray) -> tuple[float, np.ndarray]:
        logits = (base + change) @ matrix + bias
        rival = max((i for i in range(len(logits)) if i != target), key=lambda i: logits[i])
        sign = -1 if positive else 1
        return sign * (logits[target] - logits[rival]), sign * (matrix[:, target] - matrix[:, rival])

    best, least, c, low_c, high_c = np.zeros(flat.size), np.inf, settings["constant"], 0.0, np.inf
    tried, worked = [], []
    for _ in range(int(settings["searches"])):
        d, slack, success = np.zeros(flat.size), np.zeros(flat.size), False
        for step in range(steps):
            value, slope = margin(slack)
            gradient = 2 * slack + (c * slope if value > -k else 0)
            moved = slack - rate0 * np.sqrt(1 - step / steps) * gradient
            after = np.clip(np.sign(moved) * np.maximum(np.abs(moved) - b, 0), low, high)
            slack = np.clip(after + step / (step + 3) * (after - d), low, high)
            d = after
            reached = margin(d)[0]
            size = b / rate0 * np.abs(d).sum() + (d**2).sum()
            if reached < 0 and reached <= -k + 1e-6:
                success = True
                if size < least:
                    best, least = d, size
        tried.append(c)
        worked.append(success)
        low_c, high_c = (low_c, min(high_c, c)) if success else (max(low_c, c), high_c)
        c = (low_c + high_c) / 2 if np.isfinite(high_c) else 10 * c
    return best.reshape(picture.shape), tried, worked


@pytest.mark.parametrize("positive", [False, True])
@pytest.mark.parametrize("k", [0.0, 0.5])
def test_the_search_is_that_of_a_second_implementation(positive: bool, k: float) -> None:
    rng = np.random.default_rng(12)
    weights, bias = rng.normal(0, 2, (SIDE, SIDE, 3, 3)), np.array([0.3, -0.2, 0.1])
    pictures = rng.uniform(0.25, 0.75, (3, SIDE, SIDE, 3)).astype(np.float32)
    model, spec = linear(weights, bias)
    settings = {"b": 0.1, "k": k, "learning_rate": 0.01, "iterations": 60, "constant": 1.0, "searches": 5}
    targets = (pictures.reshape(3, -1) @ weights.reshape(-1, 3) + bias).argmax(axis=1)
    name = "pertinent_positive" if positive else "pertinent_negative"
    found = explainer(name, model, spec, settings)(spec.preprocess(pictures * 255), targets, ["a", "b", "c"])
    for row, (picture, target) in enumerate(zip(pictures, targets, strict=True)):
        expected, tried, worked = by_hand(weights, bias, picture, int(target), positive, settings)
        np.testing.assert_allclose(found.facts["constants"][row], tried, rtol=1e-5)
        assert found.facts["successes"][row].tolist() == worked
        np.testing.assert_allclose(found.maps[row], expected, atol=2e-4)
    assert found.facts["success"].sum() >= 2


def test_one_with_an_autoencoder_is_made_anew_for_the_judging() -> None:
    model, spec, images = three_classes()
    inner = keras.Input((SIDE, SIDE, 3))
    autoencoder = keras.Model(inner, keras.layers.Conv2D(3, 1)(inner))
    settings = {"gamma": 0.5, "iterations": 10, "searches": 1}
    predicted = model(images).numpy().argmax(axis=1)
    make = explainers("pertinent_negative", model, spec, settings, autoencoder=autoencoder)
    assert make is not None
    again = make(model, 0)(images, predicted, ["a", "b", "c"])
    own = explainer("pertinent_negative", model, spec, settings, autoencoder=autoencoder)(
        images, predicted, ["a", "b", "c"]
    )
    np.testing.assert_allclose(again, np.abs(own.maps).max(axis=3), atol=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"iterations": 0}, "pertinent_negative.iterations"),
        ({"b": -1}, "pertinent_negative.b"),
        ({"margin": "x"}, "pertinent_negative.margin"),
        ({"neutral": [0]}, "pertinent_negative.neutral"),
        ({"gamma": 1}, "no auto-encoder"),
    ],
)
def test_settings_that_make_no_sense(settings: dict, message: str) -> None:
    model, spec, _ = three_classes()
    with pytest.raises(UserError, match=message):
        explainer("pertinent_negative", model, spec, settings)
