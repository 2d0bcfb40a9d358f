"""Random networks through the library, each against Keras itself; and that the search finds what is broken on purpose."""

import itertools
from collections.abc import Iterator
from typing import Any

import keras
import pytest

from convscope.attributions import rectifiers
from convscope.models import canonical, final_activation, folding, graphs, nodes
from tests.fuzz.checks import CHECKS, failures
from tests.fuzz.generate import draw
from tests.fuzz.recipes import Recipe, Step, build, every_step
from tests.fuzz.shrink import smallest
from tests.fuzz.subject import NotValid

SIZE = ((8, 9, 3),)


@pytest.fixture(autouse=True)
def forget_networks() -> Iterator[None]:
    """Keras remembers every network of the process."""
    yield
    keras.backend.clear_session()


def valid(first: int, count: int) -> list[tuple[int, dict[str, str], Recipe]]:
    """The first so many networks from a number on that Keras can run, and what differs."""
    found: list[tuple[int, dict[str, str], Recipe]] = []
    for number in itertools.count(first):
        recipe = draw(number)
        if len(found) == count:
            return found
        if recipe is not None:
            try:
                found.append((number, failures(recipe, number), recipe))
            except NotValid:
                continue
    raise AssertionError


@pytest.mark.parametrize(
    "first", [0, *(pytest.param(first, marks=pytest.mark.long) for first in range(100, 1000, 100))]
)
def test_ten_random_networks_do_in_the_library_what_they_do_in_keras(first: int) -> None:
    differing = [(number, found, recipe.text()) for number, found, recipe in valid(first, 10) if found]
    told = "\n".join(f"network {number}: {found}\n{text}" for number, found, text in differing)
    assert not differing, f"{told}\n(make fuzz-networks FIRST={differing[0][0]} N=1 shows the smallest one)"


def test_a_number_stands_for_one_network() -> None:
    assert draw(3) == draw(3) != draw(4)
    kinds = {step.kind for recipe in map(draw, range(20)) if recipe is not None for step in every_step(recipe)}
    assert {"Conv2D", "DepthwiseConv2D", "BatchNormalization", "ReLU", "again", "network", "x + y"} <= kinds


def test_the_search_finds_a_broken_fold_and_the_smallest_network_that_shows_it(monkeypatch: pytest.MonkeyPatch) -> None:
    steps = (
        Step("Conv2D", ((-1, 0),), {"filters": 3, "kernel_size": 3, "activation": "relu"}),
        Step("Conv2D", ((0, 0),), {"filters": 4, "kernel_size": 2, "strides": 2}),
        Step("BatchNormalization", ((1, 0),)),
        Step("ReLU", ((2, 0),)),
        Step("GlobalAveragePooling2D", ((3, 0),)),
        Step("Dense", ((4, 0),), {"units": 3, "activation": "softmax"}),
    )
    recipe = Recipe(SIZE, steps, ((5, 0),))
    assert failures(recipe, 0) == {}
    right = folding._scale_and_shift
    monkeypatch.setattr(folding, "_scale_and_shift", lambda norm: (right(norm)[0], right(norm)[1] * 0))
    assert {"folding", "activations"} <= set(failures(recipe, 0))

    def shows(candidate: Recipe) -> bool:
        try:
            return "folding" in failures(candidate, 0, ["folding"])
        except NotValid:
            return False

    assert [step.kind for step in smallest(recipe, shows).steps] == ["Conv2D", "BatchNormalization"]


RELU_TWICE = Recipe(
    SIZE,
    (
        Step("Conv2D", ((-1, 0),), {"filters": 4, "kernel_size": 3}),
        Step("ReLU", ((0, 0),)),
        Step("Conv2D", ((1, 0),), {"filters": 6, "kernel_size": 1}),
        Step("again", ((2, 0),), {"of": 1}),
        Step("GlobalAveragePooling2D", ((3, 0),)),
        Step("Dense", ((4, 0),), {"units": 2, "activation": ("Softmax", {})}),
    ),
    ((5, 0),),
)


def first_call(model: Any, name: str) -> Any:
    return next(node for node in graphs.nodes_in_order(model) if node.operation.name == name.partition("@")[0]), 0


@pytest.mark.parametrize(
    ("module", "name", "broken", "check"),
    [
        (nodes, "_found", first_call, "activations"),
        (final_activation, "activation_name", lambda operation: "linear", "canonical"),
        (rectifiers, "is_relu_call", lambda node: True, "rectifiers"),
        (canonical, "is_random", lambda operation: type(operation).__name__ == "ReLU", "canonical"),
        (
            graphs,
            "nodes_in_order",
            lambda graph: [n for n in graph._nodes if n.operation in graph.operations][:3],
            "flatten",
        ),
    ],
)
def test_every_check_can_fail(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, broken: Any, check: str) -> None:
    assert failures(RELU_TWICE, 0) == {}
    monkeypatch.setattr(module, name, broken)
    assert check in failures(RELU_TWICE, 0, [check])


def test_what_keras_refuses_is_no_network() -> None:
    recipe = Recipe(SIZE, (Step("Conv2D", ((-1, 0),), {"filters": 2, "kernel_size": 20}),), ((0, 0),))
    with pytest.raises(NotValid):
        failures(recipe, 0)
    assert build(RELU_TWICE).count_params() > 0 and "flatten" in CHECKS
