"""Class activation maps: where in an image the evidence for a class lies."""
