"""Attributions: which pixels of an image a model's score of a class hangs on. One module a family of methods."""
