"""What pixels are classified as, by name. No TensorFlow here: the rules and the config's check read it."""

# What part masks are made into, with what each is.
TARGETS: dict[str, str] = {
    "trimap": "background, object, and the border between them",
    "object": "background and object",
    "parts": "background and each part that has a name",
}
DEFAULT_TARGET = "trimap"
# The class of what is no object, always the first.
BACKGROUND, OBJECT = "background", "object"
# Of the targets whose classes no mask need tell.
CLASSES_OF = {"trimap": (BACKGROUND, OBJECT, "border"), "object": (BACKGROUND, OBJECT)}
# A pixel whose class is not known: it is neither learned nor counted.
IGNORED = -1
# Whose logits Seg-Grad-CAM sums, with how that is said.
REGIONS: dict[str, str] = {
    "predicted": "the pixels taken for the class",
    "whole": "all pixels",
    "truth": "the pixels that are of the class",
    "box": "the pixels in the box",
}
