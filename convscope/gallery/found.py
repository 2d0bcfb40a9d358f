"""What was found of a model, in a few sentences made from the results: what its page begins with."""

from collections.abc import Sequence

from convscope.gallery.records import Evaluation, Model
from convscope.judging.names import title_of

_NAMED = 4


def findings(model: Model) -> list[str]:
    """A sentence each for how good the model is, what its units look for, which explanations to believe, and its surest mistake.

    Of what the study did not ask for there is none.
    """
    return [
        said
        for said in (_how_good(model), _what_units_look_for(model), _what_to_believe(model), _surest_mistake(model))
        if said
    ]


def _how_good(model: Model) -> str:
    parts = []
    for evaluation in model.evaluations:
        value, words = evaluation.headline
        if value is None:
            continue
        told = f"{value:.3g}" if evaluation.head == "regression" else f"{100 * value:.1f} %"
        right = "right" if words == "accuracy" else words
        parts.append(f"{told} {right} on {evaluation.dataset} / {evaluation.split}")
    return f"{model.name}: {_listed(parts)}." if parts else ""


def _what_units_look_for(model: Model) -> str:
    if not model.units:
        return ""
    units = max(model.units, key=lambda entry: entry.images)
    if not units.found:
        return f"None of its {units.count} units detects anything that has a name in {units.image_set}."
    most = _listed([f"{name} ({number})" for name, number in units.found[:_NAMED]])
    only = (
        f"{units.detectors} of its {units.count} units detect"
        if units.detectors > 1
        else f"One of its {units.count} units detects"
    )
    return f"{only} something that has a name, {'most of them' if len(units.found) > _NAMED else 'namely'} {most}."


def _what_to_believe(model: Model) -> str:
    if not model.judged:
        return ""
    judged = max(model.judged, key=lambda entry: entry.images)
    by_status: dict[str, list[str]] = {}
    for method, gate in judged.gates.items():
        by_status.setdefault(gate.status, []).append(title_of(method))
    passed, failed = by_status.get("passed", []), by_status.get("failed", [])
    if passed:
        rest = f"; {_listed(failed)} {'fail' if len(failed) > 1 else 'fails'} a check" if failed else ""
        return f"Of its explanations believe {_listed(passed)}{rest}."
    if failed:
        return f"None of its explanations passes every check; {_listed(failed)} {'fail' if len(failed) > 1 else 'fails'} one."
    return "Of none of its explanations is it decided whether to believe it."


def _surest_mistake(model: Model) -> str:
    wrong = [(evaluation, evaluation.surest) for evaluation in model.evaluations if evaluation.surest is not None]
    if not wrong:
        return ""
    evaluation, (truth, answer, confidence) = max(wrong, key=lambda pair: pair[1][2])
    return f"Its surest mistake: {truth} taken for {answer}, {_chance(confidence)}, on {_place(evaluation)}."


def _chance(confidence: float) -> str:
    # 99.97 % is not 100.0 %: it was wrong.
    return "more than 99.9 % sure" if confidence > 0.999 else f"{100 * confidence:.1f} % sure"


def _place(evaluation: Evaluation) -> str:
    return f"{evaluation.dataset} / {evaluation.split}"


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
