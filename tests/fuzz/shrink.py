"""The smallest network that still shows what a larger one showed."""

import dataclasses
from collections.abc import Callable, Iterator

from tests.fuzz.generate import renumbered, without_unused
from tests.fuzz.recipes import Recipe, Ref, Step


def smallest(recipe: Recipe, shows: Callable[[Recipe], bool], tries: int = 400) -> Recipe:
    """Take away steps and options as long as `shows` stays true; it is asked at most `tries` times."""
    going, tried = True, {recipe.text()}
    while going:
        going = False
        for candidate in _smaller(recipe):
            if candidate.text() in tried:
                continue
            tried.add(candidate.text())
            if len(tried) > tries:
                return recipe
            if shows(candidate):
                recipe, going = candidate, True
                break
    return recipe


def _smaller(recipe: Recipe) -> Iterator[Recipe]:
    """Simpler recipes, the simplest first; many of them are no networks."""
    count = len(recipe.steps)
    for number in range(count):
        yield without_unused(dataclasses.replace(recipe, outputs=((number, 0),)))
    for number in reversed(range(count)):
        for source in dict.fromkeys(recipe.steps[number].inputs):
            if (changed := _without(recipe, number, source)) is not None:
                yield changed
    for number, step in enumerate(recipe.steps):
        for simpler in _simpler(step):
            yield _with_step(recipe, number, simpler)


def _without(recipe: Recipe, number: int, source: Ref) -> Recipe | None:
    """The recipe without a step: whoever took its output takes `source`."""
    if any(step.kind == "again" and step.options["of"] == number for step in recipe.steps):
        return None

    def instead(ref: Ref) -> Ref:
        return source if ref[0] == number else ref

    steps = tuple(Step(step.kind, tuple(map(instead, step.inputs)), step.options) for step in recipe.steps)
    changed = Recipe(recipe.inputs, steps, tuple(map(instead, recipe.outputs)))
    kept = [old for old in range(len(steps)) if old != number]
    return without_unused(renumbered(changed, {old: new for new, old in enumerate(kept)}))


def _with_step(recipe: Recipe, number: int, step: Step) -> Recipe:
    steps = list(recipe.steps)
    steps[number] = step
    return dataclasses.replace(recipe, steps=tuple(steps))


def _simpler(step: Step) -> Iterator[Step]:
    if "body" in step.options:
        for body in _smaller(step.options["body"]):
            yield dataclasses.replace(step, options=step.options | {"body": body})
    for key, value in step.options.items():
        if key not in ("body", "of"):
            yield dataclasses.replace(step, options={k: v for k, v in step.options.items() if k != key})
        if isinstance(value, int) and not isinstance(value, bool) and value > 1 and key != "of":
            yield dataclasses.replace(step, options=step.options | {key: 1})
