"""The drawn datasets by name, and their classes: for the config's check, which imports nothing heavy."""

CLASSES: dict[str, tuple[str, ...]] = {
    "drawn_pets": ("cat", "dog"),
    "drawn_produce": (
        "apple",
        "banana",
        "broccoli",
        "carrot",
        "cucumber",
        "eggplant",
        "grapes",
        "kiwi",
        "lemon",
        "mushroom",
        "onion",
        "orange",
        "pear",
        "pepper",
        "strawberry",
        "tomato",
    ),
}
