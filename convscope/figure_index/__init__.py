"""The figure index: every figure of a study by its name, what of the results it is made of, and how a config asks for it."""
