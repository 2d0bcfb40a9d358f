"""The sanity gate: which methods to believe on a model and an image set, in words why not, and what is not decided."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from convscope.judging.intervals import Crossed, Interval, crossed, interval
from convscope.judging.names import CONTROLS, RIVALS
from convscope.judging.signflip import ALPHA, effect_of, effect_shown, holm, p_values, pictures_needed

# Below this many images the exact test has too few flips for the questions of a gate.
MIN_IMAGES = 8
# Networks with random weights: their spread is not known from fewer.
MIN_NETWORKS = 3
SURVIVES = 0.5
IDENTICAL = 0.9
PASSED, FAILED, UNDECIDED, NOT_JUDGED = "passed", "failed", "not decided", "not judged"

# metric -> (N,) values an image, the same images for every method; of randomisation (N, networks)
Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Check:
    """One question of the gate.

    Attributes:
        outcome: "passed", "failed" (shown to be bad), "not decided" (so many images cannot tell) or "not judged".
        label: a few words for wherever the method's pictures are shown; empty where it passed.
        reason: a sentence with the numbers.
        numbers: for JSON: mean, low, high, images, p_for and p_against (this one adjusted for all that is asked), and the
            number of images that would decide a difference like the one found, None where they would be too many.
    """

    outcome: str
    label: str
    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a method: the worst of its checks' outcomes, with their labels and reasons."""

    status: str
    labels: tuple[str, ...]
    reasons: tuple[str, ...]
    checks: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


@dataclass(frozen=True)
class _Question:
    """What is asked before it is known how many questions there are: p-values for and against the method."""

    found: Interval
    p_for: float
    p_against: float
    effect: float


def decide(p_for: np.ndarray, p_against: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """The gate's outcome of each question: 1 for the method, -1 against it, 0 not decided.

    What speaks for a method is a claim about that method alone, and it has to pass every question. What speaks against one is
    said of some method out of many: those p-values are adjusted over all of them (`signflip.holm`).

    Args:
        p_for: (..., K) p-values of "the method is better"; NaN where nothing was asked.
        p_against: (..., K) of "it is worse".
        alpha: of either side.

    Returns:
        (..., K) int.
    """
    with np.errstate(invalid="ignore"):
        return np.where(p_for <= alpha, 1, np.where(holm(p_against) <= alpha, -1, 0))


def sanity_gate(methods: Mapping[str, Values], threshold: float = SURVIVES) -> dict[str, Verdict]:
    """Judge every method against random weights and against the control maps.

    Three outcomes: it is shown to be good, it is shown to be bad, or so many images cannot tell. Against a control it is good if
    its insertion AUC minus deletion AUC is larger, in pairs image by image, by the sign-flip test (`signflip.p_values`).
    Faithfulness alone decides: a map may rightly lie outside the mask, where the model has learned the background.

    Does the map of the model still stand when every weight is random? It does where what is left beyond chance
    (`randomisation.Cascade.unchanged`) exceeds `threshold`, or where the larger of the two rank correlations, of signed and of
    absolute values, exceeds `IDENTICAL`: a map that is nearly the same for all weights and all pictures has nothing left beyond
    chance, and yet tells nothing. A signed map whose signs are shuffled while the shapes stay is still a picture of the
    input, hence the larger one. Images and random networks were both drawn (`intervals.crossed`).

    Args:
        methods: method -> metric -> numbers, controls among them (see `names.CONTROLS`), all on the same images.
        threshold: rank correlation beyond chance above which a map counts as unchanged.

    Returns:
        method -> verdict, for all but the controls, in the order given.
    """
    names = [name for name in methods if name not in CONTROLS]
    randomisation = [_randomised(methods[name], threshold) for name in names]
    rivals = {rival: [_compared(methods[name], methods.get(rival, {})) for name in names] for rival in RIVALS}
    # One family of accusations for all controls, one for random weights: in 2.5 % of the studies each accuses wrongly, at most.
    flat = [question for questions in rivals.values() for question in questions]
    outcomes, adjusted = _decided(flat)
    first, first_adjusted = _decided([part[0] if part else None for part in randomisation])
    result, questions = {}, sum(question is not None for question in flat)
    for index, name in enumerate(names):
        checks = [
            _randomisation_check(methods[name], randomisation[index], first[index], first_adjusted[index], threshold)
        ]
        for place, rival in enumerate(RIVALS):
            at = place * len(names) + index
            both = methods[name], methods.get(rival, {})
            checks.append(_rival_check(flat[at], *both, rival, outcomes[at], adjusted[at], questions))
        result[name] = verdict(checks)
    return result


def verdict(checks: Sequence[Check]) -> Verdict:
    """All checks of a method together: failed before not decided before not judged before passed."""
    outcomes = {check.outcome for check in checks}
    status = next((s for s in (FAILED, UNDECIDED, NOT_JUDGED) if s in outcomes), PASSED if checks else NOT_JUDGED)
    labels = [check.label for check in checks if check.label]
    numbers = tuple({"outcome": check.outcome, **check.numbers} for check in checks)
    return Verdict(status, tuple(dict.fromkeys(labels)), tuple(check.reason for check in checks), numbers)


def what_can_be_told(images: int) -> str:
    """In a sentence, what the comparison with a control can tell from so many images."""
    effect = effect_shown(images)
    if images < MIN_IMAGES or effect is None:
        return f"{_count(images)} decide nothing: {MIN_IMAGES} are the least, and about 20 show what is plain."
    more = [(size, pictures_needed(size)) for size in (0.8, 0.5, 0.3)]
    rest = ", ".join(f"{count} for {size:g}" for size, count in more if count and count > images)
    words = (
        f"{_count(images)} show in nine of ten studies that a method beats a control if it does so by {effect:.2f} standard "
        "deviations of the difference from picture to picture"
    )
    return f"{words}; it takes {rest}." if rest else f"{words}."


def _decided(questions: Sequence[_Question | None]) -> tuple[np.ndarray, np.ndarray]:
    p_for = np.array([np.nan if q is None else q.p_for for q in questions], np.float64)
    p_against = np.array([np.nan if q is None else q.p_against for q in questions], np.float64)
    return decide(p_for, p_against), holm(p_against)


def _compared(values: Values, rival: Values) -> _Question | None:
    """The paired comparison with a control; None without the numbers, or with too few images."""
    if "faithfulness" not in values or "faithfulness" not in rival:
        return None
    gap = np.asarray(values["faithfulness"], np.float64) - np.asarray(rival["faithfulness"], np.float64)
    gap = gap[np.isfinite(gap)]
    if len(gap) < MIN_IMAGES:
        return None
    better, worse = p_values(gap)
    return _Question(interval(gap), float(better), float(worse), effect_of(gap))


def _rival_check(
    asked: _Question | None, values: Values, rival: Values, name: str, outcome: int, adjusted: float, questions: int
) -> Check:
    title = CONTROLS[name]
    if "faithfulness" not in values or "faithfulness" not in rival:
        return Check(NOT_JUDGED, "", f"Not compared with {title}: insertion and deletion were not computed.")
    if asked is None:
        both = np.isfinite(values["faithfulness"]) & np.isfinite(rival["faithfulness"])
        return Check(NOT_JUDGED, "", _too_few(f"The comparison with {title}", int(both.sum())))
    found, count = asked.found, _count(asked.found.count)
    said = f"insertion minus deletion {found.mean:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f}"
    needed = None
    if not outcome:
        # To be called worse takes more: that is asked of all methods together.
        needed = pictures_needed(asked.effect, ALPHA if asked.effect > 0 else ALPHA / max(questions, 1))
        needed = max(needed, found.count + 1) if needed else None
    numbers = {
        "question": name,
        **_rounded(found),
        "p_for": asked.p_for,
        "p_against": float(adjusted),
        "needed": needed,
    }
    if outcome > 0:
        return Check(PASSED, "", f"It beats {title} ({said}).", numbers)
    if outcome < 0:
        return Check(FAILED, f"worse than {title}", f"It is worse than {title} ({said}).", numbers)
    enough = f"about {needed} would be needed" if needed else "more than a thousand would be needed"
    what = f"{count} do not decide whether it beats {title} ({said})"
    if found.high < 0:
        what = f"It looks worse than {title} ({said}), which {count} do not show where {questions} such questions are asked"
    size = f"{abs(asked.effect):.2f} standard deviations" if np.isfinite(asked.effect) else "the same for all of them"
    reason = f"{what}; for a difference like this one, {size}, {enough}."
    return Check(UNDECIDED, f"not decided with {count} against {title}", reason, numbers)


_RANDOMISED = ("unchanged", "randomised_spearman", "randomised_spearman_abs")


def _randomised(values: Values, threshold: float) -> tuple[_Question, Crossed, Crossed] | None:
    """What is asked of the maps of random weights; None without the numbers, or with too few images or networks."""
    if not all(name in values for name in _RANDOMISED):
        return None
    beyond = crossed(_columns(values["unchanged"]))
    plain = crossed(np.maximum(*(_columns(values[name]) for name in _RANDOMISED[1:])))
    if beyond.interval.count < MIN_IMAGES or beyond.networks < MIN_NETWORKS:
        return None
    (above, below), (above_plain, below_plain) = beyond.p_values(threshold), plain.p_values(IDENTICAL)
    # It changes if it does by both measures; it survives if it does by one of two.
    against = min(1.0, 2 * min(above, above_plain))
    return _Question(beyond.interval, max(below, below_plain), against, np.nan), beyond, plain


def _randomisation_check(
    values: Values,
    asked: tuple[_Question, Crossed, Crossed] | None,
    outcome: int,
    adjusted: float,
    threshold: float,
) -> Check:
    if not all(name in values for name in _RANDOMISED):
        return Check(NOT_JUDGED, "", "Randomisation was not computed.")
    if asked is None:
        few = crossed(_columns(values["unchanged"]))
        return Check(NOT_JUDGED, "", _not_randomised(few.interval.count, few.networks))
    question, beyond, plain = asked
    found, count = beyond.interval, _count(beyond.interval.count)
    said = (
        f"rank correlation {plain.interval.mean:.2f}, {found.mean:.2f} beyond chance, 95 % interval {found.low:.2f} to "
        f"{found.high:.2f} over {count} and {beyond.networks} networks"
    )
    numbers = {"question": "randomisation", **_rounded(found), "networks": beyond.networks,
               "p_for": question.p_for, "p_against": float(adjusted)}  # fmt: skip
    if outcome > 0:
        return Check(PASSED, "", f"The map changes with the weights ({said}).", numbers)
    if outcome < 0:
        limits = f"more than {threshold:g} beyond chance, or {IDENTICAL:g} in all, is too much"
        reason = f"The map hardly changes when all weights are random ({said}; {limits})."
        return Check(FAILED, "survives randomisation", reason, numbers)
    more = "more random networks" if beyond.between_networks > beyond.between_pictures else "more pictures"
    reason = f"Whether the map survives random weights is not decided ({said}; {threshold:g} is the limit); {more} would tell."
    return Check(UNDECIDED, f"randomisation not decided with {count}", reason, numbers)


def _columns(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    return values[:, None] if values.ndim == 1 else values


def _rounded(found: Interval) -> dict[str, Any]:
    numbers = {name: float(f"{getattr(found, name):.5g}") for name in ("mean", "low", "high")}
    return {name: value if np.isfinite(value) else None for name, value in numbers.items()} | {"images": found.count}


def _count(images: int) -> str:
    return f"{images} picture{'' if images == 1 else 's'}"


def _too_few(what: str, count: int) -> str:
    return f"{what} had {_count(count)} only; {MIN_IMAGES} are needed to decide anything."


def _not_randomised(images: int, networks: int) -> str:
    if not images:
        return "Randomisation tells nothing: the map is the same at every pixel of every picture."
    if images < MIN_IMAGES:
        return _too_few("Randomisation", images)
    return (
        f"Randomisation had {networks} random network{'' if networks == 1 else 's'} only; {MIN_NETWORKS} are needed to know how "
        "much they differ."
    )
