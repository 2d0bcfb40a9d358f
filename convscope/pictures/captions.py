"""What stands below the picture of an explanation, and in the names of its files."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

# Bytes: a picture's name stands before it, and most disks take 255 in all.
_LONGEST_PART = 80


def answer(
    head: str,
    classes: Sequence[str],
    predicted: int,
    value: float,
    label: int,
    truth: str = "",
    labels: Sequence[str] = (),
) -> dict[str, Any]:
    """What is known of an explained picture, as the tables say it.

    Args:
        head: of the model.
        classes: its classes, labels or outputs.
        predicted: the class predicted; of many labels the likeliest, of numbers the first output.
        value: its probability; of numbers the output itself.
        label: the true class, -1 unknown.
        truth: of many labels the cell `labels` of the picture, of numbers its cell `target`; empty where unknown.
        labels: of many labels those that the model predicts: none, one or more.

    Returns:
        `class` (the truth, "" unknown), `label`, `predicted`, `predicted_label`, `confidence` (0..1; None of a number) and `correct`
        (None unknown; of many labels, whether those predicted are the true ones, as the evaluation counts).
    """
    known: dict[str, Any] = {"label": label, "predicted_label": predicted}
    if head == "regression":
        return known | {"class": truth, "predicted": f"{value:.4g}", "confidence": None, "correct": None}
    known |= {"predicted": classes[predicted], "confidence": round(value, 4)}
    if head == "multilabel" and truth:
        names = [name for name in truth.split("|") if name]
        return known | {"class": ", ".join(names) or "none", "correct": set(labels) == set(names)}
    return known | {
        "class": classes[label] if label >= 0 else "",
        "correct": predicted == label if label >= 0 else None,
    }


def explained(predicted: str, confidence: float | None, truth: str, evidence: str, empty: bool, head: str = "") -> str:
    """Two lines: what the model says of the picture, and what its map shows.

    Args:
        predicted: name of the class predicted, or the number.
        confidence: its probability, 0..1; None of a number.
        truth: name of the true class; empty where it is unknown.
        evidence: name of the class that the map speaks for; empty where the method knows no classes.
        empty: nothing on the map is above 0.
        head: of the model; the likeliest of many labels need not be predicted.
    """
    sure = "" if confidence is None else f" ({confidence:.0%})"
    first = f"{'likeliest' if head == 'multilabel' else 'predicted'} {predicted}{sure}" + (
        f", is {truth}" if truth else ""
    )
    second = f"evidence for {evidence}" if evidence else "what the layer answers to, of any class"
    return f"{first}\n{second}" + (": none, the map is empty" if empty else "")


def name_parts(names: Sequence[str]) -> dict[str, str]:
    """Names of classes as parts of file names: letters and digits of any language and a few signs, not too long, no two alike.

    `a b` and `a-b` would share a file, and so would `A` and `a` on a disk that ignores case: of those, and of a name of more
    than 80 bytes, the part ends in a digest of the name.
    """
    # Neither a shell's signs, nor what a disk of another system refuses, nor marks that turn the text round.
    plain = {name: re.sub(r"[^\w.,()+=@-]", "-", name) for name in names}
    digests = {name: hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:8] for name in names}
    folded = [part.casefold() for part in plain.values()]
    return {
        name: part
        if len(part.encode()) <= _LONGEST_PART and folded.count(part.casefold()) == 1
        else f"{part.encode()[:_LONGEST_PART].decode(errors='ignore')}-{digests[name]}"
        for name, part in plain.items()
    }
