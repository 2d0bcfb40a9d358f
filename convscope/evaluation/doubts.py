"""What looks wrong about a model from what it predicts: one line each, for its log and its page."""

from typing import Any

import numpy as np
import numpy.typing as npt

from convscope.models.spec import ModelSpec

# Fewer pictures say little.
_FEWEST = 10


def doubts(
    spec: ModelSpec, numbers: dict[str, Any], predicted: npt.NDArray[Any], confidence: npt.NDArray[Any]
) -> list[str]:
    """What looks wrong.

    Args:
        spec: the model.
        numbers: the metrics, on labelled pictures.
        predicted: (N,) the class that every picture is taken for, labelled or not; of a regression (N,) the first output.
        confidence: (N,) the probability of that class.
    """
    if len(predicted) < _FEWEST:
        return []
    found = []
    if not numbers.get("images"):
        wanted = {"regression": "a number, target", "multilabel": "labels"}.get(spec.head, "one class")
        found.append(
            f"of none of its pictures the dataset says what can be compared with what the model answers ({wanted}): no error is known"
        )
    if spec.head == "regression":
        if np.ptp(predicted) <= 1e-6 * max(float(np.abs(predicted).max()), 1e-6):
            found.append(f"every picture gets the number {predicted[0]:.4g}: is it the preprocessing?")
        outputs = numbers.get("outputs", {})
        worse = [name for name, of in outputs.items() if of["mae"] >= of["baseline_mae"] > 0]
        if worse and numbers["images"] >= _FEWEST:
            found.append(
                f"always answering the median errs less than the network does ({', '.join(worse)}): "
                "is it the preprocessing, or the unit of the truth?"
            )
        return found
    labelled = numbers.get("images", 0)
    if spec.head == "multilabel":
        nowhere = [name for name, of in numbers.get("labels", {}).items() if not of["support"]]
        if nowhere and labelled >= _FEWEST:
            more = f" and {len(nowhere) - 5} more" if len(nowhere) > 5 else ""
            found.append(
                f"on no picture is there {', '.join(nowhere[:5])}{more}: where the dataset does not tell of a label, it counts as "
                "not there"
            )
        areas = numbers.get("roc_auc_macro")
        if labelled >= _FEWEST and areas is not None and areas < 0.55:
            found.append(
                f"labels are told apart hardly better than by chance (ROC AUC {areas:.2f}): preprocessing, or the order of the names?"
            )
        return found
    if (
        len(set(predicted.tolist())) == 1
        and len(numbers.get("classes", spec.classes)) > 1
        and _several(numbers, labelled)
    ):
        found.append(f"every picture is taken for '{spec.classes[int(predicted[0])]}': is it the preprocessing?")
    chance = 1 / len(spec.classes)
    if float(np.mean(confidence)) < chance + 0.1 * (1 - chance) and float(np.max(confidence)) < chance + 0.2 * (
        1 - chance
    ):
        found.append(
            f"its probabilities are near chance, {chance:.3g}, for every picture: weights not loaded, or preprocessing?"
        )
    p_value = numbers.get("p_value_no_information")
    if labelled >= _FEWEST and p_value is not None and p_value > 0.05:
        found.append(
            f"its accuracy, {numbers['accuracy']:.3f}, is not above always guessing the most frequent class, "
            f"{numbers['no_information_rate']:.3f}: preprocessing, or the order of the class names?"
        )
    return found


def _several(numbers: dict[str, Any], labelled: int) -> bool:
    """Whether the pictures are of several classes, or of unknown ones."""
    return not labelled or float(numbers.get("no_information_rate") or 0) < 1
