"""How good a classifier is on pictures whose classes are known."""
