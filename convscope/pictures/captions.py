"""What stands below the picture of an explanation."""


def explained(predicted: str, confidence: float, truth: str, evidence: str, empty: bool) -> str:
    """Two lines: what the model says of the picture, and what its map shows.

    Args:
        predicted: name of the class predicted.
        confidence: its probability, 0..1.
        truth: name of the true class; empty where it is unknown.
        evidence: name of the class that the map speaks for; empty where the method knows no classes.
        empty: nothing on the map is above 0.
    """
    first = f"predicted {predicted} ({confidence:.0%})" + (f", is {truth}" if truth else "")
    second = f"evidence for {evidence}" if evidence else "what the layer answers to, of any class"
    return f"{first}\n{second}" + (": none, the map is empty" if empty else "")
