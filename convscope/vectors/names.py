"""What is said of concepts and classes, and the words for it. Imports nothing heavy: the rules and the config's check read it."""

# The layer that is taken where none is named: the last feature maps.
LAST = "last"
# Kinds of concept masks of which examples can be cut out: a place in the picture is gone in a crop, and a class is no part of one.
KINDS = ("part", "colour", "orientation", "frequency", "texture")
# What can be said of a concept and a class, with the words of the page.
VERDICTS = {
    "raises": "raises it",
    "lowers": "lowers it",
    "none": "no sign that it counts",
    "not_told": "not told from random pictures",
    "few": "too few examples",
}
# Classes that are looked at where all are asked for: those that most pictures are taken for.
MOST_CLASSES = 8
# Pictures of a class, and examples of a concept and pictures that have them, below which nothing is said.
LEAST_PICTURES, LEAST_EXAMPLES, LEAST_SOURCES = 3, 10, 3
