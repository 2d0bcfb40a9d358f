"""What concepts are called. No TensorFlow here: the rules and the config's check read it."""

# The kinds of concepts, in the order in which they are told.
KINDS = ("part", "class", "place", "colour", "orientation", "frequency", "texture")
# Those that a picture's pixels tell; the others hang on its part mask and its class.
OF_PIXELS = ("place", "colour", "orientation", "frequency", "texture")

# All parts together, and what is none of them.
OBJECT, BACKGROUND = "object", "background"
PLACES = ("top", "bottom", "left", "right", "centre", "border")
# The basic colour terms of English (Berlin and Kay 1969); the first three have no hue.
NEUTRAL = ("black", "grey", "white")
COLOURS = (*NEUTRAL, "red", "orange", "brown", "yellow", "green", "blue", "purple", "pink")
# By how the line of the edge runs.
ORIENTATIONS = ("horizontal edge", "diagonal / edge", "vertical edge", "diagonal \\ edge")
FREQUENCIES = ("fine", "medium", "coarse", "smooth")
# In many directions (fur, grass, gravel), and in one.
TEXTURES = ("rough", "stripes")
