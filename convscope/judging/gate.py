"""The sanity gate: which methods to believe on a model and an image set, and in words why not."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from convscope.judging.bootstrap import interval
from convscope.judging.names import CONTROLS, RIVALS

# Below this many images an interval by resampling is too narrow to decide anything.
MIN_IMAGES = 5
SURVIVES = 0.5
IDENTICAL = 0.9
PASSED, FAILED, UNCLEAR, NOT_JUDGED = "passed", "failed", "unclear", "not judged"

# metric -> (N,) values an image, the same images for every method
Values = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Check:
    """One question of the gate.

    Attributes:
        outcome: "passed", "failed", "unclear" (the interval decides nothing) or "not judged".
        label: a few words for wherever the method's pictures are shown; empty where it passed.
        reason: a sentence with the numbers.
    """

    outcome: str
    label: str
    reason: str


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a method: the worst of its checks' outcomes, with their labels and reasons."""

    status: str
    labels: tuple[str, ...]
    reasons: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}


def randomisation_check(values: Values, threshold: float = SURVIVES, seed: int = 0) -> Check:
    """Does the map of the model still stand when every weight is random?

    It does where what is left beyond chance (`randomisation.Cascade.unchanged`) exceeds `threshold`, or where the larger
    of the two rank correlations, of signed and of absolute values, exceeds `IDENTICAL`: a map that is nearly the same for
    all weights and all pictures has nothing left beyond chance, and yet tells nothing. A signed map whose signs are
    shuffled while the shapes stay is still a picture of the input, hence the larger one.
    """
    names = ("unchanged", "randomised_spearman", "randomised_spearman_abs")
    if not all(name in values for name in names):
        return Check(NOT_JUDGED, "", "Randomisation was not computed.")
    beyond = interval(values["unchanged"], seed)
    plain = interval(np.maximum(values["randomised_spearman"], values["randomised_spearman_abs"]), seed)
    if beyond.count < MIN_IMAGES:
        return Check(NOT_JUDGED, "", _too_few("Randomisation", beyond.count))
    numbers = (
        f"rank correlation {plain.mean:.2f}, {beyond.mean:.2f} beyond chance, "
        f"95 % interval {beyond.low:.2f} to {beyond.high:.2f}"
    )
    if beyond.low > threshold or plain.low > IDENTICAL:
        limits = f"more than {threshold:g} beyond chance, or {IDENTICAL:g} in all, is too much"
        reason = f"The map hardly changes when all weights are random ({numbers}; {limits})."
        return Check(FAILED, "survives randomisation", reason)
    if beyond.high >= threshold or plain.high >= IDENTICAL:
        reason = f"Whether the map survives random weights is not clear ({numbers}, {threshold:g} is the limit)."
        return Check(UNCLEAR, "may survive randomisation", reason)
    return Check(PASSED, "", f"The map changes with the weights ({numbers}).")


def rival_check(values: Values, rival: Values, name: str, seed: int = 0) -> Check:
    """Is the method more faithful than a control map: insertion AUC minus deletion AUC, paired over the images.

    Faithfulness alone decides: a map may rightly lie outside the mask, where the model has learned the background.
    """
    title = CONTROLS[name]
    if "faithfulness" not in values or "faithfulness" not in rival:
        return Check(NOT_JUDGED, "", f"Not compared with {title}: insertion and deletion were not computed.")
    found = interval(np.asarray(values["faithfulness"]) - np.asarray(rival["faithfulness"]), seed)
    if found.count < MIN_IMAGES:
        return Check(NOT_JUDGED, "", _too_few(f"The comparison with {title}", found.count))
    numbers = f"insertion minus deletion {found.mean:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f}"
    if found.low > 0:
        return Check(PASSED, "", f"It beats {title} ({numbers}).")
    how = f"It is worse than {title}" if found.high < 0 else f"It is not shown to beat {title}"
    return Check(FAILED, f"does not beat {title}", f"{how} ({numbers}).")


def verdict(checks: list[Check]) -> Verdict:
    """All checks of a method together: failed before unclear before not judged before passed."""
    outcomes = {check.outcome for check in checks}
    status = next((s for s in (FAILED, UNCLEAR, NOT_JUDGED) if s in outcomes), PASSED if checks else NOT_JUDGED)
    labels = [check.label for check in checks if check.label]
    return Verdict(status, tuple(labels), tuple(check.reason for check in checks))


def sanity_gate(methods: Mapping[str, Values], threshold: float = SURVIVES, seed: int = 0) -> dict[str, Verdict]:
    """Judge every method against random weights and against the control maps.

    Args:
        methods: method -> metric -> (N,) numbers, controls among them (see `names.CONTROLS`), all on the same images.
        threshold: rank correlation beyond chance above which a map counts as unchanged.
        seed: of the bootstrap.

    Returns:
        method -> verdict, for all but the controls, in the order given.
    """
    result = {}
    for name, values in methods.items():
        if name in CONTROLS:
            continue
        checks = [randomisation_check(values, threshold, seed)]
        checks += [rival_check(values, methods.get(rival, {}), rival, seed) for rival in RIVALS]
        result[name] = verdict(checks)
    return result


def _too_few(what: str, count: int) -> str:
    return f"{what} had {count} image{'' if count == 1 else 's'} only; {MIN_IMAGES} are needed to decide anything."
