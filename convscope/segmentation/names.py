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
# A pixel whose class is not known: it is neither learned nor counted.
IGNORED = -1
