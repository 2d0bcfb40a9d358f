"""What a comparison can say of two models. Imports nothing heavy: the gallery reads it."""

BETTER, WORSE, UNDECIDED = "better", "worse", "not decided"
