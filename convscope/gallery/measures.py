"""What the numbers of an evaluation are called on a page, and what each means, for people who do not know the field's words."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from convscope.gallery.tables import number

_DASH = "\u2013"


@dataclass(frozen=True)
class Measure:
    """A number of an evaluation: its name, what it means, and the number as text."""

    words: str
    meaning: str
    text: str


# Key of metrics.json -> its name, what it means, and whether it is a share of a whole. In the order in which they are shown.
WORDS: dict[str, tuple[str, str, bool]] = {
    "accuracy": ("pictures with every label right", "no label too many, none too few", True),
    "accuracy_interval": ("accuracy, interval of 95 %", "where it lies, as far as so many pictures tell", True),
    "no_information_rate": ("always the most frequent class", "the accuracy of answering that to every picture", True),
    "p_value_no_information": ("p-value against that", "how often an answer that is no better would do as well by chance", False),
    "balanced_accuracy": ("balanced accuracy", "mean recall: every class counts the same, however many pictures it has", True),
    "macro_recall": ("recall, mean of the classes", "of a class's pictures, those that are found", True),
    "macro_precision": ("precision, mean of the classes", "of the pictures taken for a class, those that are of it", True),
    "macro_f1": ("F1, mean of the classes", "harmonic mean of precision and recall", True),
    "f1_macro": ("F1, mean of the labels", "harmonic mean of precision and recall", True),
    "f1_micro": ("F1, all labels together", "frequent labels count more", True),
    "precision_micro": ("precision, all labels together", "of the labels given, those that are right", True),
    "recall_micro": ("recall, all labels together", "of the true labels, those that are given", True),
    "hamming_loss": ("wrong labels", "share of all answers of yes or no to a label", True),
    "threshold": ("threshold", "probability from which a label is given", False),
    "roc_auc": ("area under the ROC curve", "of two pictures, how often the right one gets the higher score; guessing: 0.5", False),
    "roc_auc_macro": ("area under the ROC curve, mean", "each class or label against the rest", False),
    "roc_auc_micro": ("area under the ROC curve, pooled", "all classes or labels together", False),
    "average_precision": ("average precision", "area under the curve of precision by recall, mean of the labels", True),
    "calibration_error": ("calibration error", "mean gap between how sure it is and how often it is right", True),
    "brier": ("Brier score", "squared error of the probabilities, mean of the pictures; 0 is best", False),
    "loss": ("loss", "mean cross-entropy, what training lowers; 0 is best", False),
    "mae": ("mean absolute error", "in the units of the answer", False),
    "rmse": ("root mean squared error", "large errors count more", False),
    "median_error": ("median absolute error", "half of the pictures have less", False),
    "bias": ("mean error", "above 0 it answers too much", False),
    "baseline_mae": ("mean absolute error of the median", "of answering the median to every picture", False),
    "baseline_rmse": ("root mean squared error of the mean", "of answering the mean to every picture", False),
    "pearson": ("correlation", "of answers and truths (Pearson); 1 is best", False),
    "spearman": ("correlation of ranks", "whether larger truths get larger answers (Spearman); 1 is best", False),
    "r2": ("coefficient of determination (R\u00b2)", "1 is best, 0 is that of answering the mean", False),
    "unreadable": ("files that could not be read", "they are left out", False),
}  # fmt: skip
# What says the same as another number, where both are equal.
_SAME = {"macro_recall": "balanced_accuracy", "roc_auc_macro": "roc_auc"}
COLUMNS = {"output": "Output", "images": "Images", "class": "Class"}


def measures(metrics: Mapping[str, Any]) -> list[Measure]:
    """The numbers of an evaluation as a page shows them: each once, and none that is no number at all."""
    found = []
    for key in [*(key for key in WORDS if key in metrics), *(key for key in metrics if key not in WORDS)]:
        value = metrics[key]
        if (key in _SAME and metrics.get(_SAME[key]) == value) or (key == "unreadable" and not value):
            continue
        words, meaning, share = WORDS.get(key, (key.replace("_", " "), "", False))
        found.append(Measure(words, meaning, _text(value, share)))
    return found


def column_words(key: str) -> str:
    """A number's name above a column."""
    if key in WORDS:
        words = WORDS[key][0]
        return words[:1].upper() + words[1:]
    return COLUMNS.get(key, key.replace("_", " "))


def _text(value: Any, share: bool) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(_text(part, share) for part in value)
    known = number(value)
    if known is None:
        return _DASH
    return f"{100 * known:.1f} %" if share else str(value) if isinstance(value, int) else f"{known:.3g}"
