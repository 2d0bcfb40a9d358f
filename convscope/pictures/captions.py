"""What stands below the picture of an explanation."""

from collections.abc import Sequence
from typing import Any


def answer(
    head: str, classes: Sequence[str], predicted: int, value: float, label: int, truth: str = ""
) -> dict[str, Any]:
    """What is known of an explained picture, as the tables say it.

    Args:
        head: of the model.
        classes: its classes, labels or outputs.
        predicted: the class predicted; of many labels the likeliest, of numbers the first output.
        value: its probability; of numbers the output itself.
        label: the true class, -1 unknown.
        truth: of many labels the cell `labels` of the picture, of numbers its cell `target`; empty where unknown.

    Returns:
        `class` (the truth, "" unknown), `label`, `predicted`, `predicted_label`, `confidence` (0..1; None of a number) and `correct`
        (None unknown; of many labels, whether the likeliest is one of the true ones).
    """
    known: dict[str, Any] = {"label": label, "predicted_label": predicted}
    if head == "regression":
        return known | {"class": truth, "predicted": f"{value:.4g}", "confidence": None, "correct": None}
    known |= {"predicted": classes[predicted], "confidence": round(value, 4)}
    if head == "multilabel" and truth:
        names = [name for name in truth.split("|") if name]
        return known | {"class": ", ".join(names) or "none", "correct": classes[predicted] in names}
    return known | {
        "class": classes[label] if label >= 0 else "",
        "correct": predicted == label if label >= 0 else None,
    }


def explained(predicted: str, confidence: float | None, truth: str, evidence: str, empty: bool) -> str:
    """Two lines: what the model says of the picture, and what its map shows.

    Args:
        predicted: name of the class predicted, or the number.
        confidence: its probability, 0..1; None of a number.
        truth: name of the true class; empty where it is unknown.
        evidence: name of the class that the map speaks for; empty where the method knows no classes.
        empty: nothing on the map is above 0.
    """
    sure = "" if confidence is None else f" ({confidence:.0%})"
    first = f"predicted {predicted}{sure}" + (f", is {truth}" if truth else "")
    second = f"evidence for {evidence}" if evidence else "what the layer answers to, of any class"
    return f"{first}\n{second}" + (": none, the map is empty" if empty else "")
